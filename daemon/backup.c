/* Makes backups beside a running daemon, removes old ones, and puts one back. */
#include "daemon/backup.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/arguments.h"
#include "store/store.h"

/* narrowd-20260131T120000Z.db: sorted by name they are sorted by time. */
#define NAME_FORMAT "narrowd-%Y%m%dT%H%M%SZ.db"
enum { NAME_SIZE = sizeof("narrowd-20260131T120000Z.db"), KEEP_MAX = 1000000 };

int backup_take(int *argc, char **argv, struct backup_command *ret, struct err *reterr)
{
	const char *keep = arguments_value(argc, argv, "--keep");
	char *end = NULL;

	ret->destination = arguments_command(argc, argv, "backup", 2);
	ret->source = arguments_command(argc, argv, "restore", 2);
	ret->keep = keep != NULL ? strtoll(keep, &end, 10) : 0;
	if (keep != NULL &&
	    (ret->destination == NULL || *end != '\0' || ret->keep < 1 || ret->keep > KEEP_MAX)) {
		return err_set(reterr, ERR_USAGE, "--keep is for backup, and a number from 1 to %d",
			       KEEP_MAX);
	}
	return 0;
}

static bool is_folder(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int is_backup(const struct dirent *entry)
{
	struct tm tm;
	const char *end = strptime(entry->d_name, NAME_FORMAT, &tm);

	return end != NULL && *end == '\0' && strlen(entry->d_name) == NAME_SIZE - 1;
}

/* Removes the oldest ones. That is tried only after a new one is there. */
static int remove_old(const char *folder, int64_t keep, struct err *reterr)
{
	struct dirent **found;
	int count = scandir(folder, &found, is_backup, alphasort);
	int rc = 0;

	for (int i = 0; i < count; i++) {
		char *path = mem_printf("%s/%s", folder, found[i]->d_name);

		if (i + keep < count && unlink(path) != 0 && rc == 0) {
			rc = err_set(reterr, ERR_STORAGE, "cannot remove the old backup %s", path);
		}
		free(path);
		free(found[i]);
	}
	if (count >= 0) {
		free(found);
	}
	return rc;
}

static int back_up_into(const char *folder, int64_t keep, const char *data_dir, struct err *reterr)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	char name[NAME_SIZE];
	char *path;
	struct tm tm;
	int rc;

	(void)strftime(name, sizeof(name), NAME_FORMAT, gmtime_r(&now, &tm));
	path = mem_printf("%s/%s", folder, name);
	rc = store_backup(data_dir, path, reterr);
	if (rc == 0) {
		(void)printf("%s\n", path);
		rc = keep > 0 ? remove_old(folder, keep, reterr) : 0;
	}
	free(path);
	return rc;
}

static int restore(const char *source, const char *data_dir, struct err *reterr)
{
	char *old;
	int rc = store_restore(data_dir, source, &old, reterr);

	if (rc == 0) {
		(void)printf("%s is now the database in %s\n", source, data_dir);
	}
	if (old != NULL) {
		(void)printf("the one before is %s\n", old);
	}
	free(old);
	return rc;
}

int backup_run(const struct backup_command *command, const char *data_dir, struct err *reterr)
{
	if (command->source != NULL) {
		return restore(command->source, data_dir, reterr);
	}
	if (is_folder(command->destination)) {
		return back_up_into(command->destination, command->keep, data_dir, reterr);
	}
	if (command->keep > 0) {
		return err_set(reterr, ERR_USAGE, "--keep needs a folder, which %s is not",
			       command->destination);
	}
	return store_backup(data_dir, command->destination, reterr);
}
