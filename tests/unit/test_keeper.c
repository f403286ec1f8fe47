/*
 * keeper: what it does behind a fault, less and less often, and that it leaves alone what is damaged.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/keeper.h"
#include "tests/unit/server_kit.h"
#include "tests/unit/store_world.h"

enum { SHORT = 10 };

static const char tried_again[] = "could not be shortened; that is tried again";
static const char given_up[] = "is not shortened any more before this daemon is started again";
static const char shortened[] = "the log in PostgreSQL has a new snapshot";

/* A keeper of a store that nobody else keeps short, and what it logs. */
struct kept {
	struct server server;
	struct world world;
	struct directory directory;
	struct loop *loop;
	struct keeper *keeper;
	FILE *log;
	int stderr_fd;
	char *said;
};

static int64_t size_of(const struct world *world, const char *name)
{
	char *path = world_path(world, name);
	struct stat status;

	cr_assert_eq(stat(path, &status), 0);
	free(path);
	return status.st_size;
}

/* So many that a snapshot is due, also when all is in one file. Returns the job's version. */
static int64_t write_enough(struct world *world, int64_t version)
{
	int64_t first = version;

	do {
		for (int i = 0; i < SHORT; i++) {
			cr_assert_eq(world_append(world, "job_a", version++, &world_more, 1, NULL),
				     0, "%s", world->err.message);
		}
	} while ((version - first) * KEEPER_BYTES_OF_OP <=
		 size_of(world, "narrowd.db") + size_of(world, "narrowd.db-wal"));
	return version;
}

static void prepare(struct kept *kept)
{
	server_start(&kept->server);
	world_prepare(&kept->world, kept->server.url);
	world_open(&kept->world, 0);
	cr_assert_eq(world_insert(&kept->world, "job_a", NULL), 0);
	(void)write_enough(&kept->world, 1);
}

static void keep(struct kept *kept)
{
	struct keeper_options options = {.directory = &kept->directory,
					 .url = kept->server.url,
					 .operations = SHORT,
					 .fault_s = 1};
	struct err err;

	kept->said = NULL;
	kept->log = tmpfile();
	kept->stderr_fd = dup(STDERR_FILENO);
	cr_assert_geq(dup2(fileno(kept->log), STDERR_FILENO), 0);
	directory_init(&kept->directory, kept->world.directory);
	kept->loop = loop_create();
	kept->keeper = keeper_create(kept->loop, &options, &err);
	cr_assert_not_null(kept->keeper, "%s", err.message);
}

/* All that was logged. */
static const char *said(struct kept *kept)
{
	enum { LONG = 1024 * 1024 };
	ssize_t length;

	free(kept->said);
	kept->said = mem_new(LONG, 1);
	length = pread(fileno(kept->log), kept->said, LONG - 1, 0);
	cr_assert_geq(length, 0);
	return kept->said;
}

static int count(struct kept *kept, const char *words)
{
	int found = 0;

	for (const char *at = said(kept); (at = strstr(at, words)) != NULL; at++) {
		found++;
	}
	return found;
}

static void wait_for(struct kept *kept, const char *words, int times)
{
	while (count(kept, words) < times) {
		(void)usleep(10000);
	}
}

/* Whether a thread of that name is there. */
static bool is_at_work(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *entry;
	bool found = false;

	cr_assert_not_null(tasks);
	while ((entry = readdir(tasks)) != NULL) {
		char path[300], name[32] = "";
		FILE *file;

		(void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
		if (file != NULL) {
			found = (fgets(name, sizeof(name), file) != NULL &&
				 strcmp(name, "store-keeper\n") == 0) ||
				found;
			(void)fclose(file);
		}
	}
	(void)closedir(tasks);
	return found;
}

static void finish(struct kept *kept)
{
	keeper_destroy(kept->keeper);
	loop_close(kept->loop);
	loop_run(kept->loop);
	loop_destroy(kept->loop);
	(void)dup2(kept->stderr_fd, STDERR_FILENO);
	(void)close(kept->stderr_fd);
	(void)fclose(kept->log);
	free(kept->said);
	directory_finish(&kept->directory);
	world_finish(&kept->world);
	server_finish(&kept->server);
}

Test(keeper, what_fails_is_tried_again_less_and_less_often_until_it_succeeds)
{
	int64_t seconds = 1, version;
	struct kept kept;
	const char *at;

	prepare(&kept);
	(void)server_say(&kept.server, "ALTER TABLE narrowd.piece RENAME TO hidden");
	keep(&kept);
	wait_for(&kept, tried_again, 2);
	cr_assert_eq(count(&kept, shortened), 0);
	(void)server_say(&kept.server, "ALTER TABLE narrowd.hidden RENAME TO piece");
	wait_for(&kept, shortened, 1);
	for (at = said(&kept); (at = strstr(at, "after_s=")) != NULL; at++) {
		cr_assert_eq(strtoll(at + strlen("after_s="), NULL, 10), seconds, "%s", kept.said);
		seconds *= 2;
	}
	cr_assert_geq(seconds, 4);

	(void)server_say(&kept.server, "ALTER TABLE narrowd.piece RENAME TO hidden");
	version = server_number(&kept.server, "SELECT position FROM narrowd.head");
	version = write_enough(&kept.world, version);
	wait_for(&kept, tried_again, count(&kept, tried_again) + 1);
	at = strstr(strstr(said(&kept), shortened), "after_s=");
	cr_assert_not_null(at, "%s", kept.said);
	cr_assert_eq(strtoll(at + strlen("after_s="), NULL, 10), 1, "%s", kept.said);
	finish(&kept);
}

/* Damages what the keeper reads, has it look, and sees that it gives up, and puts nothing there. */
static void damage(const char *here, const char *there)
{
	struct kept kept;

	prepare(&kept);
	world_close(&kept.world);
	if (here != NULL) {
		world_outside(&kept.world, here);
	}
	if (there != NULL) {
		(void)server_say(&kept.server, there);
	}
	keep(&kept);
	while (is_at_work() && count(&kept, shortened) == 0 && count(&kept, given_up) < 2) {
		(void)usleep(10000);
	}
	cr_assert_eq(count(&kept, given_up), 1, "%s", kept.said);
	cr_assert_eq(count(&kept, tried_again), 0);
	cr_assert_str_eq(server_say(&kept.server, "SELECT count(*) FROM narrowd.snapshot"), "0");
	finish(&kept);
}

Test(keeper, of_a_database_that_is_damaged_no_snapshot_is_made)
{
	damage("UPDATE event SET data = '{\"x\":1}' WHERE seq = 3", NULL);
}

Test(keeper, a_log_that_lacks_what_the_replica_has_run_gets_no_snapshot)
{
	damage(NULL, "UPDATE narrowd.op SET epoch = epoch + 1");
}
