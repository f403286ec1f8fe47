/* Opens a store in a fresh directory, and waits for each of its answers. */
#include "tests/unit/store_world.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/db.h"

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
					.snapshot_operations = world->snapshot_operations,
					.lease_ms = world->lease_ms,
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
					.snapshot_operations = world->snapshot_operations,
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

void world_start_at(struct world *world, const char *postgresql)
{
	world_prepare(world, postgresql);
	world_open(world, 0);
}

void world_note_lost(void *arg, const struct err *why)
{
	struct err *err = arg;

	*err = *why;
}

static void nobody(void *arg)
{
	(void)arg;
	cr_assert_fail("no daemon uses it");
}

const struct store_mover world_mover_alone = {nobody, nobody, NULL};

int world_move_to(const struct world *from, const char *url, const struct store_mover *who,
		  struct store_moved *ret, struct err *reterr)
{
	const struct store_move what = {.directory = from->directory};

	return store_migrate_to(&what, url, who, ret, reterr);
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

void world_shell(char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
	free(command);
}

/* Another daemon of the same database has its key. */
void world_share_key(const struct world *from, const struct world *to)
{
	cr_assert_eq(mkdir(to->directory, 0700), 0);
	world_shell(mem_printf("cp %s/narrowd.key %s/", from->directory, to->directory));
}

/* All that is in the tables, but for what is sealed, each time as another text. */
char *world_contents(const struct world *world)
{
	static const char *const queries[] = {
		"SELECT seq, job, n, type, at_ms, trial, data, sum FROM event",
		"SELECT id, spec, capability, head, matched, owner FROM submission ORDER BY id",
		"SELECT * FROM job ORDER BY id",
		"SELECT * FROM trial ORDER BY job, number",
		"SELECT * FROM lease ORDER BY id",
		"SELECT id, document, owner FROM evaluator ORDER BY id",
		"SELECT id, document, owner, disabled FROM webhook ORDER BY id",
		"SELECT * FROM delivery ORDER BY webhook, event",
		"SELECT * FROM token ORDER BY id",
		"SELECT scope, key, fingerprint, status, location, at_ms FROM idempotency",
		"SELECT seq FROM sqlite_sequence",
	};
	char *path = world_path(world, "narrowd.db");
	struct buf buf;
	struct err err;
	sqlite3 *db;

	buf_init(&buf, 10000000);
	cr_assert_eq(db_open(path, DB_READER, &db, &err), 0, "%s", err.message);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		sqlite3_stmt *stmt;

		cr_assert_eq(db_prepare(db, queries[i], &stmt, &err), 0, "%s", err.message);
		while (sqlite3_step(stmt) == SQLITE_ROW) {
			for (int c = 0; c < sqlite3_column_count(stmt); c++) {
				const char *text = (const char *)sqlite3_column_text(stmt, c);

				buf_printf(&buf, "%s|", text != NULL ? text : "");
			}
			buf_text(&buf, "\n");
		}
		(void)sqlite3_finalize(stmt);
	}
	(void)sqlite3_close(db);
	free(path);
	return buf_take(&buf, NULL);
}

const struct log_event world_more = {LOGGED_WARNING, T0 + 5, -1, "{\"detail\":\"d\"}"};

void world_expect(struct world *world)
{
	world->waiting++;
}

/* Some of everything that can be written. */
void world_write_all(struct world *world)
{
	const struct store_key key = {"s", "k1", "f", 200, "/there", "{\"secret\":1}", T0};
	const struct store_attempt attempt = {"wh_a", 0, STORE_RETRY, T0, T0 + 9, 500, "no"};

	world_expect(world);
	store_evaluator_put(world->store, "ev_a", "{\"url\":\"u\"}", "{\"t\":\"hidden\"}", NULL,
			    &key, world_done, world);
	world_expect(world);
	store_webhook_put(world->store, "wh_a", "{\"events\":[\"state_changed\",\"new_best\"]}",
			  "{\"secret\":\"x\"}", "local", NULL, world_done, world);
	world_expect(world);
	store_token_put(world->store, "tok_a",
			"{\"digest\":\"00\",\"name\":\"n\",\"owner\":\"o\",\"scopes\":[],"
			"\"created_at\":1,\"expires_at\":null}",
			NULL, world_done, world);
	world_wait(world);
	cr_assert_eq(world->rc, 0, "%s", world->err.message);
	world_insert_with_life(world, "job_a");
	cr_assert_eq(world_insert(world, "job_b", NULL), 0, "%s", world->err.message);
	cr_assert_eq(world_append(world, "job_b", 7, &world_more, 1, NULL), -ERR_CONFLICT,
		     "what one replica refuses");
	cr_assert_eq(world_append(world, "job_b", 1, FINISHED, 1, NULL), 0);
	world_expect(world);
	store_job_delete(world->store, "job_b", world_done, world);
	world_expect(world);
	store_token_used(world->store, "tok_a", T0);
	store_delivery_end(world->store, &attempt, world_done, world);
	world_wait(world);
	store_token_end(world->store, "tok_a", T0 + 3, NULL, NULL);
}
