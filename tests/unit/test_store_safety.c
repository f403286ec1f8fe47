/*
 * store: what must hold when things go wrong: crashes, full disks, damage, strangers, upgrades.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/db.h"
#include "store/query.h"
#include "store/schema.h"
#include "store/verify.h"
#include "tests/unit/store_world.h"

static mode_t mode_of(const struct world *world, const char *name)
{
	char *path = world_path(world, name);
	struct stat status;

	cr_assert_eq(stat(path, &status), 0);
	free(path);
	return status.st_mode & 0777;
}

Test(store_safety, a_directory_has_one_owner_and_is_private)
{
	struct world world;
	struct err err;

	world_start(&world, 0);
	cr_assert_eq(world_refused(&world, &err), -ERR_BUSY, "%s", err.message);
	cr_assert_eq(mode_of(&world, "."), 0700);
	cr_assert_eq(mode_of(&world, "narrowd.db"), 0600);
	cr_assert_eq(mode_of(&world, "narrowd.db-wal"), 0600);
	world_finish(&world);
}

Test(store_safety, databases_of_others_and_of_the_future_are_refused)
{
	static const struct {
		const char *sql;
		enum err_code code;
	} cases[] = {
		{"PRAGMA user_version = 99", ERR_NEWER_SCHEMA},
		{"PRAGMA user_version = 1; PRAGMA application_id = 7", ERR_CORRUPT},
	};
	struct world world;
	struct err err;
	char *path;
	FILE *file;

	world_start(&world, 0);
	world_close(&world);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_outside(&world, cases[i].sql);
		cr_assert_eq(world_refused(&world, &err), -(int)cases[i].code, "%s", err.message);
	}
	path = world_path(&world, "narrowd.db");
	file = fopen(path, "w");
	cr_assert_not_null(file);
	cr_assert_gt(fprintf(file, "%10000s", "no database"), 0);
	cr_assert_eq(fclose(file), 0);
	cr_assert_eq(world_refused(&world, &err), -ERR_CORRUPT, "%s", err.message);
	free(path);
	world_finish(&world);
}

static int64_t version_of(const char *path)
{
	struct err err;
	int64_t version;
	sqlite3 *db;

	cr_assert_eq(db_open(path, DB_REBUILD, &db, &err), 0, "%s", err.message);
	cr_assert_eq(db_integer(db, "PRAGMA user_version", &version, &err), 0);
	(void)sqlite3_close(db);
	return version;
}

Test(store_safety, an_upgrade_copies_first_and_is_all_or_nothing)
{
	const size_t now = schema_step_count;
	const char *steps[100] = {0}; /* more than there will be */
	struct world world;
	struct err err;
	sqlite3 *db;
	char *path, *copy, copy_name[64];

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	world_close(&world);
	path = world_path(&world, "narrowd.db");
	(void)snprintf(copy_name, sizeof(copy_name), "narrowd.db.before-%zu", now + 1);
	copy = world_path(&world, copy_name);
	memcpy(steps, schema_steps, now * sizeof(steps[0]));
	cr_assert_eq(db_open(path, DB_WRITER, &db, &err), 0);
	steps[now] = "ALTER TABLE job ADD COLUMN extra TEXT; NONSENSE";
	cr_assert_neq(schema_upgrade(db, path, steps, now + 1, &err), 0);
	cr_assert_eq(version_of(path), now);
	steps[now] = "ALTER TABLE job ADD COLUMN extra TEXT";
	cr_assert_eq(schema_upgrade(db, path, steps, now + 1, &err), 0, "%s", err.message);
	cr_assert_eq(db_exec(db, "UPDATE job SET extra = 'x'", &err), 0, "%s", err.message);
	(void)sqlite3_close(db);
	cr_assert_eq(version_of(path), now + 1);
	cr_assert_eq(version_of(copy), now, "the copy is of the old schema");
	cr_assert_eq(rename(copy, path), 0);
	world_verify(&world);
	free(path);
	free(copy);
	world_finish(&world);
}

enum { JOBS = 4, TRIALS = 40, OPS = 40, EVENTS_PER_OP = 30 };

/* A log that obeys the one rule of trials, which is that they are told once. */
struct author {
	struct rng rng;
	int64_t trials;      /* asked so far */
	char states[TRIALS]; /* a asked, l leased, t told, i imported, f failed, c cancelled */
	char data[EVENTS_PER_OP][160];
};

static struct log_event write_event(struct author *author, char *data)
{
	static const char *const kinds[] = {"evaluate", "evaluate", "score", "confirm"};
	static const char *const sources[] = {"measured", "cache", "imported"};
	static const struct {
		enum logged type;
		char becomes;
		const char *before, *after; /* the trial's number in the data */
	} steps[] = {
		{LOGGED_QUESTION_LEASED, 'l', "{\"lease\":\"x", "\"}"},
		{LOGGED_LEASE_EXPIRED, 'a', "{\"lease\":\"x", "\"}"},
		{LOGGED_TRIAL_TOLD, 't', "{\"accuracy\":0.", ",\"metrics\":{\"latency_ms\":3}}"},
		{LOGGED_TRIAL_FAILED, 'f', "{\"error\":\"e", "\",\"attempts\":2}"},
		{LOGGED_TRIAL_CANCELLED, 'c', "{\"x\":", "}"},
		{LOGGED_NEW_BEST, 0, "{\"feasible\":true,\"accuracy\":0.", "}"},
		{LOGGED_WARNING, 0, "{\"detail\":\"w", "\"}"},
		{LOGGED_JOB_EDITED, 0, "{\"parallel\":", "}"},
		{LOGGED_STATE_CHANGED, 0, "{\"state\":\"paused\",\"active_s\":", ".5}"},
		{LOGGED_STAGE_ENTERED, 0, "{\"stage\":\"s", "\"}"},
		{LOGGED_MEASUREMENT_DISAGREES, 0, "{\"detail\":\"m", "\"}"},
		{LOGGED_BASELINE_MEASURED, 0, "{\"accuracy\":0.", ",\"bound\":0.5,\"metrics\":{}}"},
	};
	struct rng *rng = &author->rng;
	size_t step = rng_below(rng, sizeof(steps) / sizeof(steps[0]) + 4);
	int64_t trial = (int64_t)rng_below(rng, (uint64_t)author->trials + 1);
	int64_t at_ms = T0 + (int64_t)rng_below(rng, 100000);
	bool imported = trial < author->trials && author->states[trial] == 'i';
	bool settled = imported || (trial < author->trials && author->states[trial] == 't');

	if (imported) {
		return (struct log_event){LOGGED_TRIAL_JUDGED, at_ms, trial,
					  "{\"feasible\":true,\"objective_value\":2.5}"};
	}
	if (trial == author->trials && trial < TRIALS && rng_below(rng, 4) == 0) {
		author->states[author->trials++] = 'i';
		return (struct log_event){
			LOGGED_TRIAL_IMPORTED, at_ms, trial,
			"{\"kind\":\"evaluate\",\"accuracy\":{\"a\":0.5},\"metrics\":{}}"};
	}
	if (trial == author->trials || step >= sizeof(steps) / sizeof(steps[0]) ||
	    (settled && steps[step].becomes != 0)) {
		trial = author->trials < TRIALS ? author->trials++ : 0;
		author->states[trial] = memchr("ti", author->states[trial], 2) != NULL
						? author->states[trial]
						: 'a';
		if (author->trials == TRIALS && trial == 0) {
			return (struct log_event){LOGGED_TIMEOUT, at_ms, -1, NULL};
		}
		(void)snprintf(data, sizeof(author->data[0]),
			       "{\"kind\":\"%s\",\"source\":\"%s\",\"config\":[[0,%lld]]}",
			       kinds[rng_below(rng, 4)], sources[rng_below(rng, 3)],
			       (long long)trial);
		return (struct log_event){LOGGED_QUESTION_ASKED, at_ms, trial, data};
	}
	if (steps[step].becomes != 0) {
		author->states[trial] = steps[step].becomes;
	}
	(void)snprintf(data, sizeof(author->data[0]), "%s%lld%s", steps[step].before,
		       (long long)trial, steps[step].after);
	return (struct log_event){steps[step].type, at_ms, trial, data};
}

static void write_random_log(struct world *world, const char *job, uint64_t seed)
{
	struct author author = {.rng = rng_make(seed, RNG_SEARCH, 0)};

	cr_assert_eq(world_insert(world, job, NULL), 0);
	for (int64_t op = 0; op < OPS; op++) {
		struct log_event events[EVENTS_PER_OP];

		for (int i = 0; i < EVENTS_PER_OP; i++) {
			events[i] = write_event(&author, author.data[i]);
		}
		cr_assert_eq(world_append(world, job, 1 + op * EVENTS_PER_OP, events, EVENTS_PER_OP,
					  NULL),
			     0, "%s", world->err.message);
	}
}

static void copy_file(const struct world *world, const char *from, const char *to)
{
	char *command =
		mem_printf("cp '%s/%s' '%s/%s'", world->directory, from, world->directory, to);

	cr_assert_eq(system(command), 0);
	free(command);
}

Test(store_safety, projections_follow_from_the_log_and_a_change_to_any_is_found)
{
	static const char *const harm[] = {
		"UPDATE job SET told = told + 1 WHERE id = 'job_b'",
		"UPDATE event SET at_ms = at_ms + 1 WHERE job = 'job_b' AND n = 3",
		"UPDATE submission SET spec = replace(spec, 'gpu', 'gpv') WHERE id = 'job_c'",
		"CREATE TRIGGER t AFTER INSERT ON event BEGIN SELECT 1; END",
		"ALTER TABLE lease ADD COLUMN more TEXT",
		"UPDATE job SET warnings = '[]'",
		"UPDATE trial SET accuracy_value = 2 WHERE number = 1",
		"UPDATE trial SET state = 'pruned' WHERE number = 5 AND job = 'job_c'",
		"DELETE FROM trial WHERE number = 7 AND job = 'job_a'",
		("INSERT INTO trial (job, number, kind, state, asked_at, asked_n)"
		 " VALUES ('job_a', 999, 'score', 'asked', 1, 1)"),
		"DELETE FROM event WHERE job = 'job_b' AND n = 7",
		"DELETE FROM job WHERE id = 'job_d'",
	};
	static const char *const ids[JOBS] = {"job_a", "job_b", "job_c", "job_d"};
	struct world world;
	struct err err;

	world_start(&world, 0);
	for (size_t i = 0; i < JOBS; i++) {
		write_random_log(&world, ids[i], i);
	}
	world_close(&world);
	world_verify(&world);
	copy_file(&world, "narrowd.db", "good.db");
	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		copy_file(&world, "good.db", "narrowd.db");
		world_outside(&world, harm[i]);
		cr_assert_eq(store_verify(world.directory, &err), -ERR_CORRUPT, "%s", harm[i]);
	}
	world_finish(&world);
}

Test(store_safety, a_backup_of_a_running_store_is_a_whole_database)
{
	struct world world;
	struct err err;
	char *directory;
	char *copy, *key, *its_key;

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	key = world_path(&world, "narrowd.key");
	its_key = world_path(&world, "backup/narrowd.key");
	directory = world_path(&world, "backup");
	copy = world_path(&world, "backup/narrowd.db");
	cr_assert_eq(mkdir(directory, 0700), 0);
	cr_assert_eq(store_backup(world.directory, copy, &err), 0, "%s", err.message);
	cr_assert_eq(store_backup(world.directory, copy, &err), -ERR_CONFLICT);
	cr_assert_eq(store_verify(directory, &err), 0, "%s", err.message);
	world_close(&world);
	cr_assert_eq(link(key, its_key), 0);
	strcat(world.directory, "/backup");
	world_open(&world, 0);
	cr_assert_eq(QUERY(&world, QUERY_LOG, TEXT("job_a"), NUMBER(0), NUMBER(99)),
		     WORLD_LIFE + 1);
	world_close(&world);
	*strrchr(world.directory, '/') = '\0';
	free(directory);
	free(copy);
	free(key);
	free(its_key);
	world_finish(&world);
}

static void fill(struct world *world, int64_t *version)
{
	char *text = mem_new(20000, 1);
	struct log_event event = {LOGGED_WARNING, T0, -1, text};

	(void)snprintf(text, 20000, "{\"x\":\"%015000d\"}", 1);
	while (world_append(world, "job_a", *version, &event, 1, NULL) == 0) {
		(*version)++;
	}
	free(text);
}

Test(store_safety, a_full_disk_refuses_what_adds_until_something_was_deleted)
{
	struct log_event cancel = {LOGGED_STATE_CHANGED, T0, -1, "{\"state\":\"cancelled\"}"};
	struct log_event more = {LOGGED_WARNING, T0, -1, "{\"detail\":\"d\"}"};
	struct world world;
	int64_t version = 1;

	world_start(&world, 512 * 1024);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0, "%s", world.err.message);
	cr_assert(store_writable(world.store));
	fill(&world, &version);
	cr_assert_eq(world.rc, -ERR_DISK_FULL, "%s", world.err.message);
	cr_assert_gt(version, 10);
	cr_assert_not(store_writable(world.store));
	cr_assert_eq(world_append(&world, "job_a", version, &more, 1, NULL), -ERR_DISK_FULL);
	cr_assert_eq(world_insert(&world, "job_b", NULL), -ERR_DISK_FULL);
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_a")), 1, "reading goes on");
	cr_assert_eq(world_append(&world, "job_a", version, &cancel, 1, NULL), 0, "%s",
		     world.err.message);
	world.waiting++;
	store_job_delete(world.store, "job_a", world_done, &world);
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	while (!store_writable(world.store)) {
		(void)usleep(1000);
	}
	cr_assert_eq(world_insert(&world, "job_b", NULL), 0, "%s", world.err.message);
	world_verify(&world);
	world_finish(&world);
}

/* The child's side: appends for ever, and says each acknowledged number on the pipe. */
struct writer_child {
	struct world *world;
	int pipe;
	int64_t acked;
};

static void on_child_done(void *arg, int rc, const struct err *err)
{
	struct writer_child *child = arg;

	(void)err;
	child->world->waiting--;
	if (rc == 0) {
		child->acked++;
		if (write(child->pipe, &child->acked, sizeof(child->acked)) !=
		    sizeof(child->acked)) {
			_exit(1);
		}
	}
}

static void run_child(struct world *world, int pipe, rlim_t file_bytes)
{
	struct writer_child child = {.world = world, .pipe = pipe, .acked = 1};
	struct rlimit limit = {file_bytes, file_bytes};
	struct log_event event = {LOGGED_WARNING, T0, -1, "{\"detail\":\"0123456789\"}"};

	world_open(world, 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
	for (int64_t version = 1;; version++) {
		world->waiting++;
		store_append(world->store, "job_a", version, &event, 1, NULL, on_child_done,
			     &child);
		while (world->waiting >= 20) {
			(void)uv_run(loop_uv(world->loop), UV_RUN_ONCE);
		}
	}
}

/* Runs the child until it has acknowledged `kill_at` or ends. Returns what it acknowledged. */
static int64_t watch_child(struct world *world, int64_t kill_at, rlim_t file_bytes, int *ret_status)
{
	int64_t acked = 0;
	int64_t heard;
	int ends[2];
	pid_t pid;

	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		run_child(world, ends[1], file_bytes);
	}
	(void)close(ends[1]);
	while (read(ends[0], &heard, sizeof(heard)) == sizeof(heard)) {
		acked = heard;
		if (acked == kill_at) {
			(void)kill(pid, SIGKILL);
		}
	}
	(void)close(ends[0]);
	cr_assert_eq(waitpid(pid, ret_status, 0), pid);
	return acked;
}

/* A store with one job, closed, for a child to open. */
static void prepare(struct world *world)
{
	world_start(world, 0);
	cr_assert_eq(world_insert(world, "job_a", NULL), 0);
	world_close(world);
}

static void expect_acked(struct world *world, int64_t acked)
{
	world_verify(world);
	world_open(world, 0);
	cr_assert_geq((int64_t)QUERY(world, QUERY_LOG, TEXT("job_a"), NUMBER(0), NUMBER(1000000)),
		      acked, "what was acknowledged is there");
	world_finish(world);
}

Test(store_safety, what_was_acknowledged_survives_a_kill)
{
	struct world world;
	int64_t acked;
	int status;

	prepare(&world);
	acked = watch_child(&world, 300, RLIM_INFINITY, &status);
	cr_assert(WIFSIGNALED(status));
	cr_assert_geq(acked, 300);
	expect_acked(&world, acked);
}

Test(store_safety, a_failing_disk_ends_the_process_and_a_restart_recovers)
{
	struct world world;
	int64_t acked;
	int status;

	prepare(&world);
	acked = watch_child(&world, -1, 1024 * 1024, &status);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 74);
	cr_assert_gt(acked, 1);
	expect_acked(&world, acked);
}

/* Without, filling the copies took a time that grew with the square of the leases. */
Test(store_safety, what_is_compared_is_looked_up_by_what_the_store_has)
{
	static const char lacking[] =
		"SELECT count(*) FROM main.sqlite_schema AS here WHERE type = 'index' AND sql IS"
		" NOT NULL AND tbl_name IN ('job', 'trial', 'lease') AND NOT EXISTS"
		" (SELECT 1 FROM temp.sqlite_schema WHERE name = here.name)";
	struct world world;
	int64_t count = -1;
	struct err err;
	sqlite3 *db;
	char *path;

	world_start(&world, 0);
	world_write_all(&world);
	world_close(&world);
	path = world_path(&world, "narrowd.db");
	cr_assert_eq(db_open(path, DB_REBUILD, &db, &err), 0, "%s", err.message);
	cr_assert_eq(verify_run(db, &err), 0, "%s", err.message);
	cr_assert_eq(db_integer(db, lacking, &count, &err), 0, "%s", err.message);
	cr_assert_eq(count, 0);
	cr_assert_eq(sqlite3_close(db), SQLITE_OK);
	free(path);
	world_finish(&world);
}
