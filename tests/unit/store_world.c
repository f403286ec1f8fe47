/* Opens a store in a fresh directory, and waits for each of its answers. */
#include "tests/unit/store_world.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const struct log_event world_life[WORLD_LIFE] = {
	{LOGGED_STATE_CHANGED, T0 + 10, -1, "{\"state\":\"baseline\",\"active_s\":0}"},
	{LOGGED_QUESTION_ASKED, T0 + 20, 0,
	 "{\"kind\":\"baseline\",\"stage\":\"baseline\",\"config\":[]}"},
	{LOGGED_QUESTION_LEASED, T0 + 30, 0, "{\"lease\":\"a\",\"attempt\":1}"},
	{LOGGED_TRIAL_TOLD, T0 + 40, 0,
	 "{\"accuracy\":0.80000000000000004,\"metrics\":{\"latency_ms\":10},\"feasible\":true,"
	 "\"source\":\"measured\",\"active_s\":1.25}"},
	{LOGGED_BASELINE_MEASURED, T0 + 40, 0,
	 "{\"accuracy\":0.80000000000000004,\"metrics\":{\"latency_ms\":10},\"bound\":0.792}"},
	{LOGGED_STATE_CHANGED, T0 + 50, -1, "{\"state\":\"running\",\"active_s\":1.25}"},
	{LOGGED_STAGE_ENTERED, T0 + 60, -1, "{\"stage\":\"all\"}"},
	{LOGGED_QUESTION_ASKED, T0 + 70, 1,
	 "{\"kind\":\"evaluate\",\"stage\":\"all\",\"source\":\"measured\",\"config\":[[0,1]],"
	 "\"hash\":\"00ff\"}"},
	{LOGGED_QUESTION_LEASED, T0 + 80, 1, "{\"lease\":\"b\",\"attempt\":1}"},
	{LOGGED_ATTEMPT_FAILED, T0 + 90, 1, "{\"lease\":\"b\",\"attempt\":1,\"error\":\"busy\"}"},
	{LOGGED_QUESTION_LEASED, T0 + 100, 1, "{\"lease\":\"c\",\"attempt\":2}"},
	{LOGGED_TRIAL_TOLD, T0 + 110, 1,
	 "{\"accuracy\":0.75,\"metrics\":{\"latency_ms\":4.5},\"feasible\":false,"
	 "\"objective_value\":4.4999999999999996,\"source\":\"measured\",\"worker\":\"w\"}"},
	{LOGGED_NEW_BEST, T0 + 110, 1,
	 "{\"feasible\":false,\"accuracy\":0.75,\"objective_value\":4.5,\"accuracy_loss\":0.0625,"
	 "\"speedup\":null}"},
	{LOGGED_QUESTION_ASKED, T0 + 120, 2,
	 "{\"kind\":\"evaluate\",\"stage\":\"all\",\"source\":\"cache\",\"config\":[[0,1]]}"},
	{LOGGED_TRIAL_TOLD, T0 + 120, 2,
	 "{\"accuracy\":{\"top1\":0.7,\"top5\":0.9},\"metrics\":{},\"feasible\":null,"
	 "\"source\":\"cache\"}"},
	{LOGGED_QUESTION_ASKED, T0 + 130, 3,
	 "{\"kind\":\"evaluate\",\"stage\":\"all\",\"config\":[[0,2]]}"},
	{LOGGED_TRIAL_FAILED, T0 + 140, 3, "{\"error\":\"broken\",\"attempts\":3}"},
	{LOGGED_QUESTION_ASKED, T0 + 150, 4,
	 "{\"kind\":\"score\",\"stage\":\"rank\",\"method\":\"mse\"}"},
	{LOGGED_TRIAL_TOLD, T0 + 160, 4, "{\"scores\":{\"fc\":1},\"source\":\"measured\"}"},
	{LOGGED_QUESTION_ASKED, T0 + 170, 5,
	 "{\"kind\":\"evaluate\",\"stage\":\"two\",\"config\":[]}"},
	{LOGGED_TRIAL_CANCELLED, T0 + 180, 5, NULL},
	{LOGGED_QUESTION_ASKED, T0 + 190, 6,
	 "{\"kind\":\"evaluate\",\"stage\":\"two\",\"config\":[]}"},
	{LOGGED_WARNING, T0 + 200, -1, "{\"detail\":\"low\",\"pointer\":\"/x\"}"},
	{LOGGED_WARNING, T0 + 201, -1, "{\"detail\":\"low\",\"pointer\":\"/x\"}"},
	{LOGGED_JOB_EDITED, T0 + 210, -1, "{\"name\":\"n2\",\"max_trials\":60}"},
};

void world_open(struct world *world, int64_t max_bytes)
{
	struct store_options options = {.directory = world->directory,
					.max_bytes = max_bytes,
					.postgresql = world->postgresql,
					.standby = world->standby};
	struct err err;

	err_init(&err);
	world->loop = loop_create();
	world->store = store_open(world->loop, &options, &err);
	cr_assert_not_null(world->store, "%s", err.message);
}

int world_refused(const struct world *world, struct err *reterr)
{
	struct store_options options = {.directory = world->directory,
					.postgresql = world->postgresql,
					.standby = world->standby};
	struct loop *loop = loop_create();
	struct store *store = store_open(loop, &options, reterr);

	cr_assert_null(store);
	loop_close(loop);
	loop_run(loop);
	loop_destroy(loop);
	return -(int)reterr->code;
}

void world_prepare(struct world *world, const char *postgresql)
{
	memset(world, 0, sizeof(*world));
	world->postgresql = postgresql;
	strcpy(world->directory, "/tmp/narrowd-store-XXXXXX");
	cr_assert_not_null(mkdtemp(world->directory));
	strcat(world->directory, "/data");
}

void world_start(struct world *world, int64_t max_bytes)
{
	world_prepare(world, NULL);
	world_open(world, max_bytes);
}

void world_stopped(void *arg)
{
	struct world *world = arg;

	loop_close(world->loop);
}

void world_close(struct world *world)
{
	store_stop(world->store, world_stopped, world);
	loop_run(world->loop);
	store_destroy(world->store);
	loop_destroy(world->loop);
	world->store = NULL;
}

static void forget_cells(struct world *world)
{
	for (size_t i = 0; i < world->count * world->columns; i++) {
		free(world->cells[i]);
	}
	free(world->cells);
	world->cells = NULL;
	world->count = world->columns = 0;
}

void world_finish(struct world *world)
{
	char *command;

	if (world->store != NULL) {
		world_close(world);
	}
	forget_cells(world);
	*strrchr(world->directory, '/') = '\0';
	command = mem_printf("rm -r '%s'", world->directory);
	cr_assert_eq(system(command), 0);
	free(command);
}

char *world_path(const struct world *world, const char *name)
{
	return mem_printf("%s/%s", world->directory, name);
}

void world_done(void *arg, int rc, const struct err *err)
{
	struct world *world = arg;

	world->rc = rc;
	(void)err_set(&world->err, (enum err_code) - rc, "%s", err->message);
	world->waiting--;
}

void world_wait(struct world *world)
{
	while (world->waiting > 0) {
		(void)uv_run(loop_uv(world->loop), UV_RUN_ONCE);
	}
}

int world_insert(struct world *world, const char *id, const struct store_key *key)
{
	struct store_job job = {id,
				"{\"evaluator\":{\"pool\":\"gpu\"}}",
				"{\"ops\":[]}",
				WORLD_HEAD,
				"{\"url\":\"secret\"}",
				NULL,
				NULL};
	struct log_event *event = mem_new(1, sizeof(*event));

	*event = (struct log_event){LOGGED_JOB_SUBMITTED, T0, -1, mem_dup("{}")};
	world->waiting++;
	store_job_insert(world->store, &job, event, 1, key, world_done, world);
	cr_assert_eq(world->waiting, 1, "nothing is called back from inside the call");
	world_wait(world);
	return world->rc;
}

int world_append(struct world *world, const char *job, int64_t version,
		 const struct log_event *events, size_t count, const struct store_key *key)
{
	world->waiting++;
	store_append(world->store, job, version, events, count, key, world_done, world);
	world_wait(world);
	return world->rc;
}

void world_rows(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct world *world = arg;

	world_done(world, rc, err);
	forget_cells(world);
	world->count = rows->count;
	world->columns = rows->columns;
	world->cells = mem_new(rows->count * rows->columns, sizeof(*world->cells));
	for (size_t i = 0; i < rows->count * rows->columns; i++) {
		world->cells[i] = rows->cells[i] != NULL ? mem_dup(rows->cells[i]) : NULL;
	}
}

size_t world_query(struct world *world, int query, const struct store_value *values, size_t count)
{
	world->waiting++;
	(void)store_query(world->store, query, values, count, world_rows, world);
	world_wait(world);
	cr_assert_eq(world->rc, 0, "%s", world->err.message);
	return world->count;
}

const char *world_cell(const struct world *world, size_t row, size_t column)
{
	cr_assert(row < world->count && column < world->columns);
	return world->cells[row * world->columns + column];
}

void world_verify(const struct world *world)
{
	struct err err;

	err_init(&err);
	cr_assert_eq(store_verify(world->directory, &err), 0, "%s", err.message);
}

void world_outside(const struct world *world, const char *sql)
{
	char *path = world_path(world, "narrowd.db");
	char *message = NULL;
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK, "%s", message);
	cr_assert_eq(sqlite3_close(db), SQLITE_OK);
	free(path);
}

void world_insert_with_life(struct world *world, const char *id)
{
	cr_assert_eq(world_insert(world, id, NULL), 0, "%s", world->err.message);
	cr_assert_eq(world_append(world, id, 1, world_life, WORLD_LIFE, NULL), 0, "%s",
		     world->err.message);
}
