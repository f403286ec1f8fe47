/*
 * A disk that fails when a test says so: SQLite's own way to files (a VFS) with a count of every call in front of it.
 *
 * What is written is also written down, so that a test can build what would be on disk if the machine had stopped at any
 * step. Nothing is synced for real: what a sync makes of the files is known from what was written down.
 */
#ifndef NARROWD_TESTS_UNIT_FAULT_VFS_H
#define NARROWD_TESTS_UNIT_FAULT_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_means {
	FAULT_ONCE,    /* one call fails, a write after half of its bytes */
	FAULT_FOREVER, /* that one and all that change something after it */
	FAULT_FULL,    /* as FAULT_FOREVER: there is no space */
};

/* From now on SQLite goes this way. */
void fault_vfs_install(void);
/* Counts from 0 again; the call of this number fails, none when it is below 0. */
void fault_vfs_plan(int64_t at, enum fault_means means);
int64_t fault_vfs_calls(void);

enum disk_change { DISK_WRITE, DISK_TRUNCATE, DISK_SYNC, DISK_DELETE, DISK_NOTE };

struct disk_step {
	enum disk_change change;
	char name[32]; /* the file's, without its folder */
	int64_t at;    /* of a write; of a truncate the length that is left; of a note its number */
	size_t size;
	unsigned char *data;
};

/* Begins to write down. */
void fault_vfs_record(void);
/* Something else that happened between two steps. Any thread. */
void fault_vfs_note(int64_t number);
/* What was written down, in order; it stops. The caller leaves it alone while files are open. */
const struct disk_step *fault_vfs_steps(size_t *ret_count);

#endif
