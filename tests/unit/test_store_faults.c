/*
 * store: a short life of it with a fault at every call to the disk, and with the machine stopping at every step.
 *
 * Whatever was acknowledged is there afterwards, whatever was refused is not, and the database is whole.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/db.h"
#include "tests/unit/disk_image.h"
#include "tests/unit/fault_vfs.h"
#include "tests/unit/points.h"
#include "tests/unit/store_world.h"

/* A process that forks a thousand times need not keep what was freed. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=0:max_malloc_fill_size=0:malloc_context_size=0";
}

enum act { ACT_INSERT, ACT_LIFE, ACT_MORE, ACT_END, ACT_DELETE, ACTS };
enum { FILE_MAX = DISK_FILE_MAX };
enum { UNANSWERED = 1, STORAGE_EXIT = 74, NOT_OPENED = 3, PATIENCE_S = 600 };

/* What the store has said to each, where the process that did it has left it. */
struct ledger {
	int said[ACTS];
	int64_t calls;
	bool accused; /* it said that somebody else had written */
};

static struct ledger *ledger;
static struct world template; /* what each life begins with: a job that has ended, closed */
static unsigned char *database;
static size_t database_size;

static unsigned char *bytes_of(const char *name, size_t *ret_size);

static void begin(void)
{
	(void)umask(077);
	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	cr_assert_neq(ledger, MAP_FAILED);
	fault_vfs_install();
	world_start(&template, 0);
	world_insert_with_life(&template, "job_old");
	cr_assert_eq(world_append(&template, "job_old", WORLD_LIFE + 1, FINISHED, 1, NULL), 0);
	world_close(&template);
	database = bytes_of("narrowd.db", &database_size);
}

static void end(void)
{
	world_finish(&template);
	free(database);
	(void)munmap(ledger, sizeof(*ledger));
}

TestSuite(store_faults, .init = begin, .fini = end);

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
static void begin_anew(struct world *world)
{
	static const char *const left[] = {"narrowd.db-wal", "narrowd.db-shm", "narrowd.db-journal",
					   "narrowd.lock"};

	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		char *path = world_path(world, left[i]);

		(void)unlink(path);
		free(path);
	}
	put(world, "narrowd.db", database, database_size);
}

static void world_copy(struct world *world)
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
	begin_anew(world);
}

static void answer(void *arg, int rc, const struct err *err)
{
	enum act act = (enum act)(ptrdiff_t)arg;

	(void)err;
	ledger->said[act] = rc;
	if (rc == 0) {
		fault_vfs_note(act);
	}
}

/* Goes on until the store has said something. */
static void wait_for(struct world *world, enum act act)
{
	while (ledger->said[act] == UNANSWERED) {
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
static void live(struct world *world)
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
	ledger->accused = true;
}

/* In a process of its own, which may end in a commit as the daemon would. */
static void live_and_exit(struct world *world, int64_t at, enum fault_means means)
{
	struct store_options options = {.directory = world->directory};
	struct err err;

	(void)alarm(PATIENCE_S);
	world->loop = loop_create();
	fault_vfs_plan(at, means);
	world->store = store_open(world->loop, &options, &err);
	if (world->store == NULL) {
		_exit(NOT_OPENED);
	}
	store_on_lost(world->store, on_lost, NULL);
	live(world);
	world_close(world);
	ledger->calls = fault_vfs_calls();
	_exit(0);
}

static int live_elsewhere(struct world *world, int64_t at, enum fault_means means)
{
	int status = -1;
	pid_t pid;

	*ledger = (struct ledger){.calls = 0};
	for (int act = 0; act < ACTS; act++) {
		ledger->said[act] = UNANSWERED;
	}
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		live_and_exit(world, at, means);
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
static void look_at(struct world *world, const int *said, const char *what, int64_t at)
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

/* At each call of so many (points.h). */
static void fault_everywhere(enum fault_means means, int64_t every, const char *what)
{
	struct world world;
	int64_t calls, told = 0, ended = 0, unopened = 0;

	world_copy(&world);
	cr_assert_eq(live_elsewhere(&world, -1, means), 0);
	calls = ledger->calls;
	for (int act = 0; act < ACTS; act++) {
		cr_assert_eq(ledger->said[act], 0);
	}
	look_at(&world, ledger->said, what, -1);
	every = points_every(every);
	for (int64_t at = points_first(every); at < calls; at += every) {
		int status;

		begin_anew(&world);
		status = live_elsewhere(&world, at, means);
		cr_assert(status == 0 || status == STORAGE_EXIT || status == NOT_OPENED,
			  "%s %lld: ends as %d", what, (long long)at, status);
		cr_assert_not(ledger->accused, "%s %lld: nobody else has written", what,
			      (long long)at);
		told += status == 0;
		ended += status == STORAGE_EXIT;
		unopened += status == NOT_OPENED;
		look_at(&world, ledger->said, what, at);
	}
	world_finish(&world);
	cr_log_info("%s: %lld calls; lived on after %lld faults, ended in %lld commits, refused to "
		    "open after %lld",
		    what, (long long)calls, (long long)told, (long long)ended, (long long)unopened);
}

Test(store_faults, a_call_that_fails_once)
{
	fault_everywhere(FAULT_ONCE, 2, "one fault at call");
}

Test(store_faults, a_disk_that_fails_from_here_on)
{
	fault_everywhere(FAULT_FOREVER, 6, "faults from call");
}

Test(store_faults, a_disk_that_is_full_from_here_on)
{
	fault_everywhere(FAULT_FULL, 6, "full from call");
}

/* Of the files behind so many steps, and what was acknowledged by then. */
static void take_step(struct disk_image *image, int *said, const struct disk_step *step)
{
	if (step->change == DISK_NOTE) {
		said[step->at] = 0;
	} else {
		disk_image_step(image, step);
	}
}

/* One life, undisturbed, with all that it writes. */
static const struct disk_step *live_and_write_down(struct world *world, size_t *ret_count)
{
	for (int act = 0; act < ACTS; act++) {
		ledger->said[act] = UNANSWERED;
	}
	fault_vfs_plan(-1, FAULT_ONCE);
	fault_vfs_record();
	world_open(world, 0);
	live(world);
	world_close(world);
	return fault_vfs_steps(ret_count);
}

Test(store_faults, a_machine_that_stops_at_any_step)
{
	struct rng rng = rng_make(1, RNG_SEARCH, 0);
	int said[ACTS] = {UNANSWERED, UNANSWERED, UNANSWERED, UNANSWERED, UNANSWERED};
	const struct disk_step *steps;
	struct disk_image image;
	struct world world;
	size_t count, images = 0;

	world_copy(&world);
	steps = live_and_write_down(&world, &count);
	disk_image_init(&image, "narrowd.db", database, database_size);
	for (size_t i = 0; i < count; i++) {
		take_step(&image, said, &steps[i]);
		for (int kind = 0; steps[i].change != DISK_NOTE && kind < IMAGE_KINDS; kind++) {
			begin_anew(&world);
			disk_image_put(&image, world.directory, kind, &rng);
			look_at(&world, said, disk_image_names[kind], (int64_t)i);
			images++;
		}
	}
	cr_log_info("%zu images of %zu steps", images, count);
	disk_image_finish(&image);
	world_finish(&world);
}
