/* What can be wrong with the data directory and its disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/doctor_checks.h"
#include "store/look.h"
#include "store/store.h"

enum {
	SOUND_BYTES = 256 * 1024 * 1024, /* free on the disk: more than a busy day */
	BACKUP_DAYS = 7,
	CLOCK_SLACK_MS = 60 * 1000,
	FULL_PERCENT = 90,
};

#define DAY_MS (INT64_C(86400) * 1000)

/* Before this was written. */
#define NO_TIME_MS (INT64_C(1735689600) * 1000)

static void say_unless(struct checkup *found, int rc, const struct err *err)
{
	if (rc != 0) {
		checkup_say(found, "%s", err->message);
	}
}

/* A start makes a directory that is not there yet, but none that it would lie in. */
static void look_at_parent(const char *path, struct checkup *found)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash == NULL   ? mem_dup(".")
		       : slash == path ? mem_dup("/")
				       : mem_dup_n(path, (size_t)(slash - path));

	if (access(parent, W_OK | X_OK) != 0) {
		checkup_say(found, "%s is not there, and cannot be made: %s: %s", path, parent,
			    strerror(errno));
	}
	free(parent);
}

void doctor_directory(void *arg, struct checkup *found)
{
	const char *path = ((struct doctor *)arg)->options.data_dir;
	struct stat status;

	if (stat(path, &status) != 0) {
		look_at_parent(path, found);
	} else if (!S_ISDIR(status.st_mode)) {
		checkup_say(found, "%s is no directory", path);
	} else if (access(path, R_OK | W_OK | X_OK) != 0) {
		checkup_say(found, "%s cannot be written by user %u: %s", path, (unsigned)geteuid(),
			    strerror(errno));
	}
}

struct owner {
	struct checkup *found;
	unsigned wanted;
};

static void look_at_mode(void *arg, const char *path, unsigned mode, unsigned owner)
{
	const struct owner *all = arg;

	if (!S_ISREG(mode) && !S_ISDIR(mode)) {
		checkup_say(all->found, "%s is neither a file nor a directory: a start refuses it",
			    path);
	} else if ((mode & (S_IRWXG | S_IRWXO)) != 0) {
		checkup_say(all->found, "others than its owner may use %s, mode %04o", path,
			    mode & 07777);
	}
	if (owner != all->wanted) {
		checkup_say(all->found, "%s belongs to user %u, and not to user %u", path, owner,
			    all->wanted);
	}
}

/* All is one user's: who looks, or, when root does, whose the directory is. */
void doctor_permissions(void *arg, struct checkup *found)
{
	const char *path = ((struct doctor *)arg)->options.data_dir;
	struct owner owner = {found, (unsigned)geteuid()};
	struct stat status;

	if (owner.wanted == 0 && stat(path, &status) == 0) {
		owner.wanted = (unsigned)status.st_uid;
	}
	look_at_files(path, look_at_mode, &owner);
}

void doctor_process(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	struct err err;

	if (!doctor->is_up && look_at_lock(doctor->options.data_dir, &err) != 0) {
		checkup_say(found, "%s, and does not answer at its control.sock", err.message);
	}
}

void doctor_disk(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	int64_t most = doctor->options.database_max_bytes;
	struct statvfs disk;
	struct stat file;
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/narrowd.db", doctor->options.data_dir);
	if (statvfs(doctor->options.data_dir, &disk) == 0) {
		int64_t bytes = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;

		if (bytes < SOUND_BYTES) {
			checkup_say(found, "the disk of %s has %lld MB left",
				    doctor->options.data_dir, (long long)bytes / 1000000);
		}
		if (disk.f_favail < 100 && disk.f_files > 0) {
			checkup_say(found, "the disk of %s has room for %lld more files",
				    doctor->options.data_dir, (long long)disk.f_favail);
		}
	}
	if (most > 0 && stat(path, &file) == 0 && file.st_size > most / 100 * FULL_PERCENT) {
		checkup_say(found, "%s has %lld bytes, and database_max_bytes is %lld", path,
			    (long long)file.st_size, (long long)most);
	}
}

void doctor_key(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	struct stat status;
	struct err err;

	if (doctor->has_data) {
		say_unless(found,
			   look_at_key(doctor->options.data_dir, doctor->options.key_file, &err),
			   &err);
	}
	/* Beside the database it is one of the files above. */
	if (doctor->options.key_file[0] != '\0' && stat(doctor->options.key_file, &status) == 0 &&
	    (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		checkup_say(found, "others can read %s, mode %04o", doctor->options.key_file,
			    (unsigned)status.st_mode & 07777);
	}
}

void doctor_strangers(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	struct err err;

	if (doctor->has_data && look_at_shape(doctor->options.data_dir, &err) != 0 &&
	    err.code != ERR_NEWER_SCHEMA) {
		checkup_say(found, "%s", err.message);
	}
}

void doctor_schema(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	struct err err;

	if (doctor->has_data && look_at_shape(doctor->options.data_dir, &err) != 0 &&
	    err.code == ERR_NEWER_SCHEMA) {
		checkup_say(found, "%s", err.message);
	}
}

void doctor_lost_events(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	struct err err;

	if (doctor->has_data) {
		say_unless(found, look_at_mark(doctor->options.data_dir, &err), &err);
	}
}

void doctor_database(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	struct err err;

	/* What is not of this shape is named by others. */
	if (doctor->has_data && look_at_shape(doctor->options.data_dir, &err) == 0 &&
	    look_at_mark(doctor->options.data_dir, &err) == 0) {
		say_unless(found, store_verify(doctor->options.data_dir, &err), &err);
	}
}

void doctor_clock(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	int64_t now = clock_wall_ms(), newest = 0;
	struct err err;
	char at[CLOCK_TEXT_SIZE];

	if (now < NO_TIME_MS) {
		checkup_say(found, "this machine says that it is %s", clock_format(now, at));
	}
	if (doctor->has_data && look_at_newest(doctor->options.data_dir, &newest, &err) == 0 &&
	    newest > now + CLOCK_SLACK_MS) {
		checkup_say(found,
			    "the newest event was written at %s, %lld s from now: the clock was "
			    "ahead then, or is behind now",
			    clock_format(newest, at), (long long)(newest - now) / 1000);
	}
}

void doctor_backup(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	int64_t at_ms = look_at_backup(doctor->options.data_dir), newest = 0;
	struct err err;
	char at[CLOCK_TEXT_SIZE];

	if (!doctor->has_data || look_at_newest(doctor->options.data_dir, &newest, &err) != 0 ||
	    newest == 0) {
		return;
	}
	if (at_ms == 0) {
		checkup_say(found, "there is data, and no backup was ever made");
	} else if (clock_wall_ms() - at_ms > BACKUP_DAYS * DAY_MS) {
		checkup_say(found, "the last one was made at %s, %lld days ago",
			    clock_format(at_ms, at),
			    (long long)((clock_wall_ms() - at_ms) / DAY_MS));
	}
}
