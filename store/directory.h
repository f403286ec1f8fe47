/*
 * The data directory: its lock, its database file, and a reserve of disk space.
 *
 * The reserve is a file that is given up when the disk is full, so that jobs can still be ended
 * and deleted; that it can be made again is the proof that there is space again.
 */
#ifndef NARROWD_STORE_DIRECTORY_H
#define NARROWD_STORE_DIRECTORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DIRECTORY_RESERVE_BYTES = 16 * 1024 * 1024 };

struct directory {
	char *database; /* paths, owned */
	char *lock;
	char *key; /* of what is sealed, unless somebody keeps it elsewhere */
	char *reserve;
	char *wal; /* SQLite's, beside the database */
	char *shm;
	char *backup; /* an empty file: its time is that of the last backup */
	int lock_fd;  /* -1 when not held */
	int fd;       /* of the directory itself, likewise */
};

/* Names only; touches nothing. */
void directory_init(struct directory *directory, const char *path);
/* Gives up the lock. */
void directory_finish(struct directory *directory);

/*
 * Makes the directory (0700) and the database file (0600) unless they are there, and takes the
 * lock, which holds even when somebody removes its file. ERR_BUSY when another process holds it,
 * ERR_STORAGE otherwise, also when a name of ours is taken by what is no plain file. Logs what others
 * than the owner may use.
 */
int directory_take(struct directory *directory, const char *path, struct err *reterr);
/* The same without the database file. After ERR_BUSY it may be asked again. */
int directory_lock(struct directory *directory, const char *path, struct err *reterr);

/*
 * The number of the newest event on disk stands in the lock file, too: a write-ahead log that was
 * removed or cut while nobody looked is missed by nobody else. 0 when nothing is known.
 */
void directory_mark(const struct directory *directory, int64_t seq);
int64_t directory_marked(const struct directory *directory);
/* `seq` is that of what is in the file: logs when it does not reach as far as what was said to be on disk, and marks it. */
void directory_compare_mark(const struct directory *directory, int64_t seq);

/* A backup is complete at this moment; that it cannot be noted is logged. */
void directory_note_backup(const struct directory *directory);
int64_t directory_wal_bytes(const struct directory *directory);
/* When the last one was, in ms of the wall clock; 0: never. */
int64_t directory_backup_at_ms(const struct directory *directory);

/* Makes the reserve unless it is there. ERR_DISK_FULL when there is no space for it. */
int directory_make_reserve(const struct directory *directory, struct err *reterr);
/* Whether so many bytes and the reserve once more are free beside that database: ERR_DISK_FULL. */
int directory_check_room(const char *database, int64_t bytes, struct err *reterr);
void directory_drop_reserve(const struct directory *directory);

#endif
