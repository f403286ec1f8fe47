/* Locks the data directory, looks whether its files are ours, and keeps the reserve on disk. */
#include "store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/db.h"

enum { DIRECTORY_MODE = 0700 };

void directory_init(struct directory *directory, const char *path)
{
	directory->database = mem_printf("%s/narrowd.db", path);
	directory->lock = mem_printf("%s/narrowd.lock", path);
	directory->key = mem_printf("%s/narrowd.key", path);
	directory->reserve = mem_printf("%s/narrowd.reserve", path);
	directory->wal = mem_printf("%s-wal", directory->database);
	directory->shm = mem_printf("%s-shm", directory->database);
	directory->backup = mem_printf("%s/narrowd.backed-up", path);
	directory->lock_fd = directory->fd = -1;
}

void directory_finish(struct directory *directory)
{
	if (directory->lock_fd >= 0) {
		(void)close(directory->lock_fd);
	}
	if (directory->fd >= 0) {
		(void)close(directory->fd);
	}
	free(directory->database);
	free(directory->lock);
	free(directory->key);
	free(directory->reserve);
	free(directory->wal);
	free(directory->shm);
	free(directory->backup);
	*directory = (struct directory){.lock_fd = -1, .fd = -1};
}

static int open_or_create(const char *path, int *ret_fd, struct err *reterr)
{
	*ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, DB_FILE_MODE);
	if (*ret_fd < 0) {
		return err_set(reterr, errno == ENOSPC ? ERR_DISK_FULL : ERR_STORAGE,
			       "cannot open %s: %s", path, strerror(errno));
	}
	return 0;
}

static void say_loose(const char *path, const struct stat *status)
{
	char mode[8];

	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)status->st_mode & 07777);
	if ((status->st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		log_line(LOG_WARNING,
			 "others than the owner may use this; chmod go= takes that away",
			 LOG_TEXT("path", path), LOG_TEXT("mode", mode));
	}
	if (status->st_uid != geteuid()) {
		log_line(LOG_WARNING, "this belongs to another user, who can change it at any time",
			 LOG_TEXT("path", path), LOG_INT("owner", (int64_t)status->st_uid));
	}
}

/* A link, a pipe or a device under a name of ours would have us write somewhere else. */
static int look_at(const char *path, mode_t type, struct err *reterr)
{
	struct stat status;

	if (lstat(path, &status) != 0) {
		return errno == ENOENT ? 0
				       : err_set(reterr, ERR_STORAGE, "cannot look at %s: %s", path,
						 strerror(errno));
	}
	if ((status.st_mode & S_IFMT) != type) {
		return err_set(reterr, ERR_STORAGE,
			       "%s is %s, which narrowd did not make: move it away", path,
			       S_ISLNK(status.st_mode) ? "a symbolic link" : "no plain file");
	}
	say_loose(path, &status);
	return 0;
}

static int look_at_files(const struct directory *directory, struct err *reterr)
{
	const char *const files[] = {directory->database, directory->wal, directory->shm,
				     directory->lock, directory->reserve};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(files) / sizeof(files[0]); i++) {
		rc = look_at(files[i], S_IFREG, reterr);
	}
	return rc;
}

static int lock(int fd, const char *path, const char *by, struct err *reterr)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		return 0;
	}
	if (errno == EWOULDBLOCK) {
		return err_set(
			reterr, ERR_BUSY,
			"the data directory %s is in use by another narrowd, which holds %s: "
			"end that one first, or ask that one",
			path, by);
	}
	return err_set(reterr, ERR_STORAGE, "the data directory %s cannot be locked (%s: %s)", path,
		       by, strerror(errno));
}

/* The directory itself is locked, too: cleaners remove files whose names end in ".lock". */
static int lock_directory(struct directory *directory, const char *path, struct err *reterr)
{
	int rc = lock(directory->fd, path, path, reterr);

	if (rc != -(int)ERR_STORAGE) {
		return rc;
	}
	if (directory->lock_fd < 0) { /* once, however often it is asked */
		log_line(LOG_WARNING,
			 "this file system locks no directories: only the lock file "
			 "keeps a second narrowd away",
			 LOG_TEXT("path", path));
	}
	return 0;
}

static int open_directory(struct directory *directory, const char *path, struct err *reterr)
{
	struct stat status;

	if (mkdir(path, DIRECTORY_MODE) != 0 && errno != EEXIST) {
		return err_set(reterr, ERR_STORAGE, "cannot create the data directory %s: %s", path,
			       strerror(errno));
	}
	directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory->fd < 0 || fstat(directory->fd, &status) != 0) {
		return err_set(reterr, ERR_STORAGE, "cannot open the data directory %s: %s", path,
			       strerror(errno));
	}
	say_loose(path, &status);
	return 0;
}

int directory_lock(struct directory *directory, const char *path, struct err *reterr)
{
	int rc = directory->fd < 0 ? open_directory(directory, path, reterr) : 0;

	if (rc == 0) {
		rc = lock_directory(directory, path, reterr);
	}
	if (rc == 0 && directory->lock_fd < 0) {
		rc = look_at_files(directory, reterr);
		rc = rc == 0 ? open_or_create(directory->lock, &directory->lock_fd, reterr) : rc;
	}
	if (rc == 0) {
		rc = lock(directory->lock_fd, path, directory->lock, reterr);
	}
	return rc;
}

int directory_take(struct directory *directory, const char *path, struct err *reterr)
{
	int fd;
	int rc = directory_lock(directory, path, reterr);

	if (rc == 0) {
		rc = open_or_create(directory->database, &fd, reterr);
	}
	if (rc == 0) {
		(void)close(fd);
	}
	return rc;
}

/* Not synced: it is never ahead of the database, unless part of the latter is gone. */
void directory_mark(const struct directory *directory, int64_t seq)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%20lld\n", (long long)seq);

	if (pwrite(directory->lock_fd, text, (size_t)length, 0) != length) {
		log_line(LOG_WARNING, "the lock file cannot be written",
			 LOG_TEXT("path", directory->lock));
	}
}

int64_t directory_marked(const struct directory *directory)
{
	char text[24] = "";

	return pread(directory->lock_fd, text, sizeof(text) - 1, 0) > 0 ? strtoll(text, NULL, 10)
									: 0;
}

void directory_compare_mark(const struct directory *directory, int64_t seq)
{
	int64_t marked = directory_marked(directory);

	if (seq < marked) {
		log_line(LOG_ERROR,
			 "events that were stored are not in the database: its -wal file was "
			 "removed "
			 "or cut, or an older backup was put in its place",
			 LOG_INT("stored", marked), LOG_INT("found", seq));
	}
	directory_mark(directory, seq);
}

void directory_note_backup(const struct directory *directory)
{
	int fd = open(directory->backup, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, DB_FILE_MODE);

	if (fd < 0 || futimens(fd, NULL) != 0) {
		log_line(LOG_WARNING, "the backup is complete, but its time cannot be noted",
			 LOG_TEXT("path", directory->backup), LOG_TEXT("detail", strerror(errno)));
	}
	if (fd >= 0) {
		(void)close(fd);
	}
}

int64_t directory_wal_bytes(const struct directory *directory)
{
	struct stat status;

	return stat(directory->wal, &status) == 0 ? (int64_t)status.st_size : 0;
}

int64_t directory_backup_at_ms(const struct directory *directory)
{
	struct stat status;

	return lstat(directory->backup, &status) == 0
		       ? (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000
		       : 0;
}

int directory_make_reserve(const struct directory *directory, struct err *reterr)
{
	int fd;
	int failure;
	int rc = open_or_create(directory->reserve, &fd, reterr);

	if (rc != 0) {
		return rc;
	}
	failure = posix_fallocate(fd, 0, DIRECTORY_RESERVE_BYTES);
	(void)close(fd);
	if (failure != 0) {
		directory_drop_reserve(directory);
		return err_set(reterr, ERR_DISK_FULL, "no space for the reserve file %s: %s",
			       directory->reserve, strerror(failure));
	}
	return 0;
}

int directory_check_room(const char *database, int64_t bytes, struct err *reterr)
{
	struct statvfs status;
	int64_t available;

	if (statvfs(database, &status) != 0) {
		return err_set(reterr, ERR_STORAGE, "cannot look how much is free for %s: %s",
			       database, strerror(errno));
	}
	available = (int64_t)status.f_bavail * (int64_t)status.f_frsize;
	if (available - DIRECTORY_RESERVE_BYTES < bytes) {
		return err_set(reterr, ERR_DISK_FULL,
			       "copying %s takes %lld bytes and %d more, and %lld are free there",
			       database, (long long)bytes, DIRECTORY_RESERVE_BYTES,
			       (long long)available);
	}
	return 0;
}

void directory_drop_reserve(const struct directory *directory)
{
	(void)unlink(directory->reserve);
}
