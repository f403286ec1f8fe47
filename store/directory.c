#include "store/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/db.h"

enum { DIRECTORY_MODE = 0700 };

void directory_init(struct directory *directory, const char *path)
{
	directory->database = mem_printf("%s/narrowd.db", path);
	directory->lock = mem_printf("%s/narrowd.lock", path);
	directory->reserve = mem_printf("%s/narrowd.reserve", path);
	directory->lock_fd = -1;
}

void directory_finish(struct directory *directory)
{
	if (directory->lock_fd >= 0) {
		(void)close(directory->lock_fd);
	}
	free(directory->database);
	free(directory->lock);
	free(directory->reserve);
	*directory = (struct directory){.lock_fd = -1};
}

static int open_or_create(const char *path, int *ret_fd, struct err *reterr)
{
	*ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, DB_FILE_MODE);
	if (*ret_fd < 0) {
		return err_set(reterr, errno == ENOSPC ? ERR_DISK_FULL : ERR_STORAGE,
			       "cannot open %s: %s", path, strerror(errno));
	}
	return 0;
}

int directory_take(struct directory *directory, const char *path, struct err *reterr)
{
	int fd;
	int rc;

	if (mkdir(path, DIRECTORY_MODE) != 0 && errno != EEXIST) {
		return err_set(reterr, ERR_STORAGE, "cannot create the data directory %s: %s", path,
			       strerror(errno));
	}
	rc = open_or_create(directory->lock, &directory->lock_fd, reterr);
	if (rc != 0) {
		return rc;
	}
	if (flock(directory->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		return err_set(reterr, errno == EWOULDBLOCK ? ERR_BUSY : ERR_STORAGE,
			       "the data directory %s is in use by another narrowd (%s: %s)", path,
			       directory->lock, strerror(errno));
	}
	rc = open_or_create(directory->database, &fd, reterr);
	if (rc == 0) {
		(void)close(fd);
	}
	return rc;
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

void directory_drop_reserve(const struct directory *directory)
{
	(void)unlink(directory->reserve);
}
