/* Lets stores live, and holds what they leave against what they said. */
#include "tests/unit/store_life.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/db.h"
#include "tests/unit/disk_image.h"
#include "tests/unit/fault_vfs.h"

enum { FILE_MAX = DISK_FILE_MAX, PATIENCE_S = 600 };

struct ledger *life_ledger;
unsigned char *life_database;
size_t life_database_size;
static struct world template; /* closed */

/* A file of the template, in memory. */
static unsigned char *bytes_of(const char *name, size_t *ret_size)
{
	char *path = world_path(&template, name);
	FILE *file = fopen(path, "rb");
	unsigned char *bytes = mem_new(FILE_MAX, 1);

	cr_assert_not_null(file);
	*ret_size = fread(bytes, 1, FILE_MAX, file);
	cr_assert_lt(*ret_size, FILE_MAX);
	(void)fclose(file);
	free(path);
	return bytes;
}

static void put(const struct world *world, const char *name, const unsigned char *bytes,
		size_t size)
{
	char *path = world_path(world, name);
	FILE *file = fopen(path, "wb");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(bytes, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
	free(path);
}

/* The folder of a life before it, or a new one, is as the template's again. */
void life_begin_anew(struct world *world)
{
	static const char *const left[] = {"narrowd.db-wal", "narrowd.db-shm", "narrowd.db-journal",
					   "narrowd.lock"};

	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		char *path = world_path(world, left[i]);

		(void)unlink(path);
		free(path);
	}
	put(world, "narrowd.db", life_database, life_database_size);
}

void life_copy(struct world *world)
{
	size_t size;
	unsigned char *key = bytes_of("narrowd.key", &size);

	memset(world, 0, sizeof(*world));
	strcpy(world->directory, "/tmp/narrowd-faults-XXXXXX");
	cr_assert_not_null(mkdtemp(world->directory));
	strcat(world->directory, "/data");
	cr_assert_eq(mkdir(world->directory, 0700), 0);
	put(world, "narrowd.key", key, size);
	free(key);
	life_begin_anew(world);
}

void life_setup(void)
{
	(void)umask(077);
	life_ledger = mmap(NULL, sizeof(*life_ledger), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(life_ledger, MAP_FAILED);
	world_start(&template, 0);
	world_insert_with_life(&template, "job_old");
	cr_assert_eq(world_append(&template, "job_old", WORLD_LIFE + 1, FINISHED, 1, NULL), 0);
	world_close(&template);
	life_database = bytes_of("narrowd.db", &life_database_size);
}

void life_teardown(void)
{
	world_finish(&template);
	free(life_database);
	(void)munmap(life_ledger, sizeof(*life_ledger));
}

static void answer(void *arg, int rc, const struct err *err)
{
	enum act act = (enum act)(ptrdiff_t)arg;

	(void)err;
	life_ledger->said[act] = rc;
	if (rc == 0) {
		fault_vfs_note(act);
	}
}

/* Goes on until the store has said something. */
static void wait_for(struct world *world, enum act act)
{
	while (life_ledger->said[act] == UNANSWERED) {
		(void)uv_run(loop_uv(world->loop), UV_RUN_ONCE);
	}
}

static void *as_arg(enum act act)
{
	return (void *)(ptrdiff_t)act;
}

static void insert(struct world *world)
{
	struct store_job job = {.id = "job_new",
				.spec = "{}",
				.capability = "{}",
				.head = WORLD_HEAD,
				.evaluator = "{}"};
	struct log_event *event = mem_new(1, sizeof(*event));

	*event = (struct log_event){LOGGED_JOB_SUBMITTED, T0, -1, mem_dup("{}")};
	store_job_insert(world->store, &job, event, 1, NULL, answer, as_arg(ACT_INSERT));
}

/* Acts that build on each other are refused when the one before was. */
void life_live(struct world *world)
{
	static const struct log_event more = {LOGGED_WARNING, T0, -1, "{\"detail\": \"more\"}"};
	static const struct log_event over = {LOGGED_STATE_CHANGED, T0, -1,
					      "{\"state\": \"cancelled\"}"};
	static const struct store_key key = {
		.scope = "s", .key = "k", .fingerprint = "f", .status = 200, .body = "{}"};

	insert(world);
	wait_for(world, ACT_INSERT);
	store_append(world->store, "job_new", 1, world_life, WORLD_LIFE, NULL, answer,
		     as_arg(ACT_LIFE));
	store_append(world->store, "job_new", WORLD_LIFE + 1, &more, 1, &key, answer,
		     as_arg(ACT_MORE));
	wait_for(world, ACT_MORE);
	store_append(world->store, "job_new", WORLD_LIFE + 2, &over, 1, NULL, answer,
		     as_arg(ACT_END));
	store_job_delete(world->store, "job_old", answer, as_arg(ACT_DELETE));
	wait_for(world, ACT_END);
	wait_for(world, ACT_DELETE);
}

static void on_lost(void *arg, const struct err *why)
{
	(void)arg;
	(void)why;
	life_ledger->accused = true;
}

void life_forget(void)
{
	*life_ledger = (struct ledger){.calls = 0};
	for (int act = 0; act < ACTS; act++) {
		life_ledger->said[act] = UNANSWERED;
	}
}

static void live_and_exit(struct world *world, const struct life_plan *plan)
{
	struct store_options options = {.directory = world->directory};
	struct err err;

	(void)alarm(PATIENCE_S);
	world->loop = loop_create();
	if (!plan->opened) {
		plan->begin(plan->arg);
	}
	world->store = store_open(world->loop, &options, &err);
	if (world->store == NULL) {
		_exit(NOT_OPENED);
	}
	if (plan->opened) {
		plan->begin(plan->arg);
	}
	store_on_lost(world->store, on_lost, NULL);
	life_live(world);
	world_close(world);
	life_ledger->calls = plan->count();
	_exit(0);
}

int life_elsewhere(struct world *world, const struct life_plan *plan)
{
	int status = -1;
	pid_t pid;

	life_forget();
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		live_and_exit(world, plan);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The number of the job's events, -1 without such a job; they are 1, 2, 3 ... */
static int64_t events_of(sqlite3 *db, const char *job)
{
	char *count = mem_printf("SELECT CASE WHEN EXISTS (SELECT 1 FROM job WHERE id = '%s') THEN "
				 "(SELECT count(*) FROM event WHERE job = '%s') ELSE -1 END",
				 job, job);
	int64_t ret = 0;
	struct err err;

	cr_assert_eq(db_integer(db, count, &ret, &err), 0, "%s", err.message);
	free(count);
	return ret;
}

/* What each act leaves of the log: its job's events are at least so many when it was acknowledged. */
static const int64_t events_after[ACTS] = {
	[ACT_INSERT] = 1,
	[ACT_LIFE] = WORLD_LIFE + 1,
	[ACT_MORE] = WORLD_LIFE + 2,
	[ACT_END] = WORLD_LIFE + 3,
};

/* Said and done are the same; what was not answered may be either. */
static void compare(sqlite3 *db, const int *said, const char *what, int64_t at)
{
	int64_t events = events_of(db, "job_new"), old = events_of(db, "job_old");

	for (int act = ACT_INSERT; act <= ACT_END; act++) {
		bool done = events >= events_after[act];

		cr_assert(said[act] != 0 || done, "%s %lld: %d was acknowledged and is lost", what,
			  (long long)at, act);
		cr_assert(said[act] == 0 || said[act] == UNANSWERED ||
				  said[act] == -ERR_COMMIT_UNKNOWN || !done,
			  "%s %lld: %d was refused (%d) and is done", what, (long long)at, act,
			  said[act]);
	}
	cr_assert(events == -1 || events == 1 || events == WORLD_LIFE + 1 ||
			  events == WORLD_LIFE + 2 || events == WORLD_LIFE + 3,
		  "%s %lld: half of an act, %lld events", what, (long long)at, (long long)events);
	cr_assert(said[ACT_DELETE] != 0 || old == -1, "%s %lld: deleted and there", what,
		  (long long)at);
	cr_assert(old == -1 || old == WORLD_LIFE + 2, "%s %lld: half deleted", what, (long long)at);
	cr_assert(old != -1 || said[ACT_DELETE] == 0 || said[ACT_DELETE] == UNANSWERED ||
			  said[ACT_DELETE] == -ERR_COMMIT_UNKNOWN,
		  "%s %lld: refused to delete and did", what, (long long)at);
}

/* Recovers the database as a start does, holds it against what was said, and verifies all of it. */
void life_look_at(struct world *world, const int *said, const char *what, int64_t at)
{
	char *path = world_path(world, "narrowd.db");
	struct err err;
	sqlite3 *db;

	fault_vfs_plan(-1, FAULT_ONCE);
	cr_assert_eq(db_open(path, DB_WRITER, &db, &err), 0, "%s %lld: %s", what, (long long)at,
		     err.message);
	compare(db, said, what, at);
	(void)sqlite3_close(db);
	cr_assert_eq(store_verify(world->directory, &err), 0, "%s %lld: %s", what, (long long)at,
		     err.message);
	free(path);
}
