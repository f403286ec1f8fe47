/* Moves what a data directory holds to PostgreSQL, or back, and says what it was. */
#include "daemon/migrate.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/arguments.h"
#include "store/store.h"

int migrate_take(int *argc, char **argv, struct migrate_command *ret, struct err *reterr)
{
	bool wanted;

	ret->from = arguments_value(argc, argv, "--from");
	ret->to = arguments_value(argc, argv, "--to");
	wanted = arguments_command(argc, argv, "migrate", 1) != NULL;
	if (wanted != (ret->to != NULL) || (ret->from != NULL && !wanted)) {
		return err_set(reterr, ERR_USAGE,
			       "use: narrowd migrate --to postgresql://... [--from BACKUP], or "
			       "narrowd --data postgresql://... migrate --to DIRECTORY");
	}
	return 0;
}

static bool is_url(const char *text)
{
	return strncmp(text, "postgresql://", 13) == 0 || strncmp(text, "postgres://", 11) == 0;
}

static void say(const struct store_moved *moved)
{
	(void)printf("jobs    %lld\nevents  %lld\nbytes   %lld\nsha256  %s (of the events)\n",
		     (long long)moved->jobs, (long long)moved->events, (long long)moved->bytes,
		     moved->hash);
}

struct mover {
	const char *source;
	bool is_told; /* that a daemon can be started */
};

/* A service manager's script may wait for these lines. */
static void say_stop(void *arg)
{
	(void)arg;
	(void)printf("What was there is on its way. Stop the daemon now: the rest follows when it "
		     "has ended.\n");
	(void)fflush(stdout);
}

static void say_start(void *arg)
{
	struct mover *mover = arg;

	mover->is_told = true;
	(void)printf("PostgreSQL has what was in %s, and the same was read back from there.\n"
		     "Start narrowd now with --data and an empty --data-dir that has the key of "
		     "the secrets;\nthe old one stays as it is, and no daemon is to use it any "
		     "more.\n",
		     mover->source);
	(void)fflush(stdout);
}

static int move_out(const struct migrate_command *command, const struct settings *settings,
		    struct err *reterr)
{
	const struct store_move what = {.directory = settings->data_dir,
					.key_file = settings->key_file,
					.backup = command->from};
	struct mover mover = {.source = command->from != NULL ? command->from : settings->data_dir};
	const struct store_mover who = {say_stop, say_start, &mover};
	struct store_moved moved;
	int rc = store_migrate_to(&what, command->to, &who, &moved, reterr);

	if (rc == 0 && !mover.is_told) {
		say_start(&mover);
	}
	if (rc == 0) {
		say(&moved);
	}
	return rc;
}

static int move_back(const struct migrate_command *command, const struct settings *settings,
		     struct err *reterr)
{
	struct store_moved moved;
	int rc;

	if (settings->data[0] == '\0' || command->from != NULL) {
		return err_set(reterr, ERR_USAGE,
			       "%s is no URL of a PostgreSQL database, which begins with "
			       "postgresql://; to move to a directory say with --data where from",
			       command->to);
	}
	rc = store_migrate_from(settings->data, settings->key_file, command->to, &moved, reterr);
	if (rc == 0) {
		say(&moved);
		(void)printf("%s has what was in PostgreSQL. Start narrowd on it without --data; "
			     "the log there has ended.\n",
			     command->to);
	}
	return rc;
}

int migrate_run(const struct migrate_command *command, const struct settings *settings,
		struct err *reterr)
{
	return is_url(command->to) ? move_out(command, settings, reterr)
				   : move_back(command, settings, reterr);
}
