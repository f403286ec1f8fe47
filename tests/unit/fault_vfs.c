/* Counts, fails and writes down what SQLite asks of its files. */
#include "tests/unit/fault_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct file {
	sqlite3_file base;
	char name[32];
	sqlite3_file real[]; /* as large as the machine's */
};

static struct {
	pthread_mutex_t lock; /* guards all of it */
	sqlite3_vfs *real;
	int64_t calls, fails_at;
	enum fault_means means;
	bool records;
	struct disk_step *steps;
	size_t count;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .fails_at = -1};

/* Whether this call fails. `changes`: it changes what is on disk. */
static bool fails(bool changes)
{
	int64_t number;
	bool fails;

	(void)pthread_mutex_lock(&disk.lock);
	number = disk.calls++;
	fails = disk.fails_at >= 0 &&
		(number == disk.fails_at ||
		 (number > disk.fails_at && changes && disk.means != FAULT_ONCE));
	(void)pthread_mutex_unlock(&disk.lock);
	return fails && (changes || disk.means != FAULT_FULL);
}

static void note(enum disk_change change, const char *name, int64_t at, const void *data,
		 size_t size)
{
	bool temporary = change != DISK_NOTE && *name == '\0';

	(void)pthread_mutex_lock(&disk.lock);
	if (disk.records && !temporary) {
		struct disk_step step = {.change = change, .at = at, .size = size};

		(void)snprintf(step.name, sizeof(step.name), "%s", name);
		if (data != NULL) {
			step.data = mem_new(size, 1);
			memcpy(step.data, data, size);
		}
		disk.steps = mem_grow(disk.steps, disk.count + 1, sizeof(*disk.steps));
		disk.steps[disk.count++] = step;
	}
	(void)pthread_mutex_unlock(&disk.lock);
}

static struct file *file_of(sqlite3_file *file)
{
	return (struct file *)file;
}

#define REAL(file)           (file_of(file)->real)
#define REALLY(file, method) (REAL(file)->pMethods->method)

static int no_room_or(int code)
{
	return disk.means == FAULT_FULL ? SQLITE_FULL : code;
}

static int file_close(sqlite3_file *file)
{
	return REALLY(file, xClose)(REAL(file));
}

static int file_read(sqlite3_file *file, void *to, int size, sqlite3_int64 at)
{
	return fails(false) ? SQLITE_IOERR_READ : REALLY(file, xRead)(REAL(file), to, size, at);
}

static int file_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
	bool fault = fails(true);
	int part = fault ? size / 2 : size, rc = REALLY(file, xWrite)(REAL(file), data, part, at);

	if (rc == SQLITE_OK) {
		note(DISK_WRITE, file_of(file)->name, at, data, (size_t)part);
	}
	return fault ? no_room_or(SQLITE_IOERR_WRITE) : rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 length)
{
	if (fails(true)) {
		return SQLITE_IOERR_TRUNCATE;
	}
	note(DISK_TRUNCATE, file_of(file)->name, length, NULL, 0);
	return REALLY(file, xTruncate)(REAL(file), length);
}

static int file_sync(sqlite3_file *file, int flags)
{
	(void)flags;
	if (fails(true)) {
		return SQLITE_IOERR_FSYNC;
	}
	note(DISK_SYNC, file_of(file)->name, 0, NULL, 0);
	return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
	return fails(false) ? SQLITE_IOERR_FSTAT : REALLY(file, xFileSize)(REAL(file), ret_size);
}

static int file_lock(sqlite3_file *file, int lock)
{
	return fails(false) ? SQLITE_IOERR_LOCK : REALLY(file, xLock)(REAL(file), lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
	return REALLY(file, xUnlock)(REAL(file), lock);
}

static int file_reserved(sqlite3_file *file, int *ret)
{
	return fails(false) ? SQLITE_IOERR_CHECKRESERVEDLOCK
			    : REALLY(file, xCheckReservedLock)(REAL(file), ret);
}

static int file_control(sqlite3_file *file, int what, void *arg)
{
	return REALLY(file, xFileControl)(REAL(file), what, arg);
}

static int file_sector(sqlite3_file *file)
{
	return REALLY(file, xSectorSize)(REAL(file));
}

static int file_traits(sqlite3_file *file)
{
	return REALLY(file, xDeviceCharacteristics)(REAL(file));
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
	return fails(false) ? SQLITE_IOERR_SHMMAP
			    : REALLY(file, xShmMap)(REAL(file), page, size, extend, ret);
}

static int shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	if ((flags & SQLITE_SHM_LOCK) != 0 && fails(false)) {
		return SQLITE_IOERR_SHMLOCK;
	}
	return REALLY(file, xShmLock)(REAL(file), offset, count, flags);
}

static void shm_barrier(sqlite3_file *file)
{
	REALLY(file, xShmBarrier)(REAL(file));
}

static int shm_unmap(sqlite3_file *file, int delete)
{
	return REALLY(file, xShmUnmap)(REAL(file), delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2, /* without mapped pages, which nobody could see written */
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits,
	.xShmMap = shm_map,
	.xShmLock = shm_lock,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = shm_unmap,
};

static const char *name_of(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	return slash != NULL ? slash + 1 : "";
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret)
{
	int rc;

	(void)vfs;
	file->pMethods = NULL;
	if (fails(false)) {
		return SQLITE_CANTOPEN;
	}
	(void)snprintf(file_of(file)->name, sizeof(file_of(file)->name), "%s", name_of(path));
	rc = disk.real->xOpen(disk.real, path, REAL(file), flags, ret);
	if (REAL(file)->pMethods != NULL) {
		file->pMethods = &methods;
	}
	return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
	(void)vfs;
	(void)sync_folder;
	if (fails(true)) {
		return SQLITE_IOERR_DELETE;
	}
	note(DISK_DELETE, name_of(path), 0, NULL, 0);
	return disk.real->xDelete(disk.real, path, 0);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
	(void)vfs;
	return fails(false) ? SQLITE_IOERR_ACCESS : disk.real->xAccess(disk.real, path, flags, ret);
}

void fault_vfs_install(void)
{
	static sqlite3_vfs vfs;

	disk.real = sqlite3_vfs_find(NULL);
	vfs = *disk.real;
	vfs.zName = "fault";
	vfs.pNext = NULL;
	vfs.szOsFile = (int)sizeof(struct file) + disk.real->szOsFile;
	vfs.xOpen = vfs_open;
	vfs.xDelete = vfs_delete;
	vfs.xAccess = vfs_access;
	(void)sqlite3_vfs_register(&vfs, 1);
}

void fault_vfs_plan(int64_t at, enum fault_means means)
{
	disk.calls = 0;
	disk.fails_at = at;
	disk.means = means;
}

int64_t fault_vfs_calls(void)
{
	return disk.calls;
}

void fault_vfs_record(void)
{
	disk.records = true;
}

void fault_vfs_note(int64_t number)
{
	note(DISK_NOTE, "", number, NULL, 0);
}

const struct disk_step *fault_vfs_steps(size_t *ret_count)
{
	disk.records = false;
	*ret_count = disk.count;
	return disk.steps;
}
