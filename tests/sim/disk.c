/* The disk: the daemon's own SQL in memory, committed in groups as its writer does, and what becomes of that. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/conn.h"
#include "store/db.h"
#include "store/member.h"
#include "store/op.h"
#include "store/schema.h"
#include "store/seal.h"
#include "store/sum.h"
#include "store/verify.h"
#include "tests/sim/judge.h"
#include "tests/sim/world.h"

struct disk {
	struct world *world;
	sqlite3 *db;
	struct op_runner runner;
	struct conn conn;
	struct news news;
	struct list queue; /* of op->node: asked for and not committed */
	bool busy;         /* a commit is planned */
	int64_t full_until_ms;
};

/* The same database serves world after world: to make one anew takes longer than to live in it. */
static struct disk shared;

static const char clean[] = "DELETE FROM submission; DELETE FROM idempotency; DELETE FROM lease;"
			    "DELETE FROM sqlite_sequence";

static void must(struct world *world, int rc, const struct err *err)
{
	if (rc != 0) {
		broken(world, "the database of this world: %s", err->message);
	}
}

/* A key that nobody needs afterwards. */
static void take_key(struct world *world)
{
	char *path = mem_printf("%s/narrowd-sim-%ld.key", P_tmpdir, (long)getpid());
	struct err err;

	must(world, seal_take_key(shared.db, path, &err), &err);
	(void)unlink(path);
	free(path);
}

static void open_shared(struct world *world)
{
	struct err err;

	if (sqlite3_open(":memory:", &shared.db) != SQLITE_OK) {
		broken(world, "no database");
	}
	must(world, sum_register(shared.db, &err), &err);
	must(world, member_register(shared.db, &err), &err);
	must(world, seal_register(shared.db, &err), &err);
	take_key(world);
	must(world, db_exec(shared.db, "PRAGMA foreign_keys = ON", &err), &err);
	must(world, schema_upgrade(shared.db, ":memory:", schema_steps, schema_step_count, &err),
	     &err);
	must(world, op_runner_init(&shared.runner, shared.db, &err), &err);
	shared.conn.db = shared.db;
}

struct disk *disk_create(struct world *world)
{
	struct err err;

	if (shared.db == NULL) {
		open_shared(world);
	}
	shared.world = world;
	shared.busy = false;
	shared.full_until_ms = 0;
	shared.runner.last_seq = 0;
	list_init(&shared.queue);
	news_init(&shared.news, NULL);
	must(world, db_exec(shared.db, clean, &err), &err);
	return &shared;
}

void disk_crash(struct disk *disk)
{
	struct list *node;

	while ((node = list_pop(&disk->queue)) != NULL) {
		op_destroy(list_entry(node, struct op, node));
	}
	disk->busy = false;
}

void disk_destroy(struct disk *disk)
{
	disk_crash(disk);
}

static void finish(void *arg)
{
	op_finish(arg);
}

static void report(struct disk *disk, struct op **ops, size_t count)
{
	struct world *world = disk->world;
	int64_t after = draw_in(world, 0, 2);

	for (size_t i = 0; i < count; i++) {
		(void)plan_alive(world, after, finish, ops[i]);
	}
}

static bool is_full(const struct disk *disk)
{
	return !disk->world->healed && disk->world->mono_ms < disk->full_until_ms;
}

static void run_group(struct disk *disk, struct op **ops, size_t count)
{
	struct err err;

	must(disk->world, db_exec(disk->db, "BEGIN", &err), &err);
	for (size_t i = 0; i < count; i++) {
		int rc;

		err_init(&err);
		rc = is_full(disk) && !ops[i]->urgent
			     ? err_set(&err, ERR_DISK_FULL, "no space for new data")
			     : op_run(&disk->runner, ops[i], &err);
		op_result(ops[i], rc, &err);
		if (rc == 0) {
			judge_stored(disk->world->judge, ops[i]);
		} else {
			judge_refused(disk->world->judge, ops[i], &err);
		}
	}
	must(disk->world, db_exec(disk->db, "COMMIT", &err), &err);
}

static void forget(struct op **ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		op_destroy(ops[i]);
	}
}

static void commit(void *arg);

static void commit_soon(struct disk *disk)
{
	struct world *world = disk->world;

	if (!disk->busy && !list_empty(&disk->queue)) {
		disk->busy = true;
		(void)plan_alive(world,
				 goes_wrong(world, FAULT_DISK_SLOW, 0.3) ? draw_in(world, 0, 4000)
									 : draw_in(world, 0, 3),
				 commit, disk);
	}
}

static void commit(void *arg)
{
	struct disk *disk = arg;
	struct world *world = disk->world;
	struct op *ops[64];
	size_t count = 0, most = (size_t)draw_in(world, 1, 64);
	struct list *node;

	disk->busy = false;
	while (count < most && (node = list_pop(&disk->queue)) != NULL) {
		ops[count++] = list_entry(node, struct op, node);
	}
	if (goes_wrong(world, FAULT_DISK_FULL, 0.02)) {
		disk->full_until_ms = world->mono_ms + draw_in(world, 0, 60000);
		tell(world, "the disk is full");
	}
	if (goes_wrong(world, FAULT_DISK_DIES, 0.01)) {
		bool kept = draw(world, 2) == 0;

		tell(world, "the disk dies in a commit, which is %s", kept ? "kept" : "lost");
		if (kept) {
			run_group(disk, ops, count);
		}
		forget(ops, count);
		world_crash(world);
		return;
	}
	run_group(disk, ops, count);
	report(disk, ops, count);
	commit_soon(disk);
}

static void enqueue(struct disk *disk, struct op *op)
{
	op->news = &disk->news;
	judge_recorded(disk->world->judge, op);
	list_append(&disk->queue, &op->node);
	commit_soon(disk);
}

static struct disk *disk_of(void *arg)
{
	return ((struct world *)arg)->disk;
}

static bool io_writable(void *arg)
{
	return !is_full(disk_of(arg));
}

static void io_insert(void *arg, const struct store_job *job, struct log_event *events,
		      size_t count, const struct store_key *key, store_done_fn done, void *done_arg)
{
	enqueue(disk_of(arg), op_create_insert(job, events, count, key, done, done_arg));
}

static void io_append(void *arg, const char *job, int64_t version, const struct log_event *events,
		      size_t count, const struct store_key *key, store_done_fn done, void *done_arg)
{
	const char *texts[OP_TEXTS] = {job};
	struct op *op = op_create(OP_APPEND, texts, events, count, key, done, done_arg);

	op->version = version;
	enqueue(disk_of(arg), op);
}

/* Queries. */

struct store_query_call {
	struct disk *disk;
	int query;
	struct store_value values[4]; /* texts owned */
	size_t count;
	store_rows_fn fn; /* NULL once cancelled */
	void *arg;
};

static void keep(void *arg, char *const *cells, size_t columns)
{
	struct store_rows *rows = arg;
	size_t used = rows->count * columns;

	rows->columns = columns;
	rows->cells = mem_grow(rows->cells, used + columns, sizeof(*rows->cells));
	for (size_t i = 0; i < columns; i++) {
		rows->cells[used + i] = cells[i] != NULL ? mem_dup(cells[i]) : NULL;
	}
	rows->count++;
}

static void answer(void *arg)
{
	struct store_query_call *call = arg;
	struct store_rows rows = {0};
	struct err err;
	int rc;

	err_init(&err);
	rc = conn_query(&call->disk->conn, call->query, call->values, call->count, keep, &rows,
			&err);
	if (call->fn != NULL) {
		call->fn(call->arg, rc, &rows, &err);
	}
	for (size_t i = 0; i < rows.count * rows.columns; i++) {
		free(rows.cells[i]);
	}
	free(rows.cells);
	for (size_t i = 0; i < call->count; i++) {
		free((char *)call->values[i].text);
	}
	free(call);
}

static struct store_query_call *io_query(void *arg, int query, const struct store_value *values,
					 size_t count, store_rows_fn fn, void *fn_arg)
{
	struct world *world = arg;
	struct store_query_call *call = mem_new(1, sizeof(*call));

	*call = (struct store_query_call){
		.disk = world->disk, .query = query, .count = count, .fn = fn, .arg = fn_arg};
	for (size_t i = 0; i < count; i++) {
		call->values[i] = values[i];
		call->values[i].text = values[i].text != NULL ? mem_dup(values[i].text) : NULL;
	}
	(void)plan_alive(world,
			 goes_wrong(world, FAULT_DISK_SLOW, 0.2) ? draw_in(world, 0, 2000) : 1,
			 answer, call);
	return call;
}

static void io_query_cancel(void *arg, struct store_query_call *call)
{
	(void)arg;
	call->fn = NULL;
}

struct now {
	void (*row)(void *arg, char *const *cells);
	void *arg;
};

static void pass_row(void *arg, char *const *cells, size_t columns)
{
	const struct now *now = arg;

	(void)columns;
	now->row(now->arg, cells);
}

static int io_query_now(void *arg, int query, const struct store_value *values, size_t count,
			void (*row)(void *arg, char *const *cells), void *row_arg,
			struct err *reterr)
{
	struct now now = {row, row_arg};

	return conn_query(&disk_of(arg)->conn, query, values, count, pass_row, &now, reterr);
}

void disk_io(struct disk *disk, struct tuner_io *io)
{
	(void)disk;
	io->writable = io_writable;
	io->insert = io_insert;
	io->append = io_append;
	io->query = io_query;
	io->query_cancel = io_query_cancel;
	io->query_now = io_query_now;
	io->query_apart = io_query_now;
}

void disk_log(struct disk *disk, const char *job, void (*row)(void *arg, char *const *cells),
	      void *arg)
{
	struct store_value values[] = {{.text = job}, {.integer = 0}, {.integer = 1000000}};
	struct err err;

	must(disk->world, io_query_now(disk->world, QUERY_LOG, values, 3, row, arg, &err), &err);
}

struct once {
	struct now now;
	size_t rows;
};

static void count_row(void *arg, char *const *cells)
{
	struct once *once = arg;

	once->rows++;
	once->now.row(once->now.arg, cells);
}

bool disk_row(struct disk *disk, int query, const char *key,
	      void (*row)(void *arg, char *const *cells), void *arg)
{
	struct store_value values[] = {{.text = key}, {.is_null = true}};
	struct once once = {{row, arg}, 0};
	struct err err;

	must(disk->world, io_query_now(disk->world, query, values, 2, count_row, &once, &err),
	     &err);
	return once.rows > 0;
}

void disk_trial(struct disk *disk, const char *job, int64_t number,
		void (*row)(void *arg, char *const *cells), void *arg)
{
	struct store_value values[] = {{.text = job}, {.integer = number}};
	struct err err;

	must(disk->world, io_query_now(disk->world, QUERY_TRIAL, values, 2, row, arg, &err), &err);
}

static void no_row(void *arg, char *const *cells)
{
	(void)arg;
	(void)cells;
}

bool disk_has_key(struct disk *disk, const char *key)
{
	struct store_value values[] = {{.text = "local"}, {.text = key}};
	struct once once = {{no_row, NULL}, 0};
	struct err err;

	must(disk->world, io_query_now(disk->world, QUERY_KEY, values, 2, count_row, &once, &err),
	     &err);
	return once.rows > 0;
}

void disk_verify(struct disk *disk)
{
	/* The copies refer to nothing. */
	static const char before[] = "PRAGMA foreign_keys = OFF";
	static const char after[] = "ROLLBACK; PRAGMA foreign_keys = ON";
	struct err err;

	must(disk->world, db_exec(disk->db, before, &err), &err);
	if (verify_run(disk->db, &err) != 0) {
		broken(disk->world, "the projections are not what the log says: %s", err.message);
	}
	must(disk->world, db_exec(disk->db, after, &err), &err);
}
