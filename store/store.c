/* Opens and closes the store, and passes every call to the writer or to the readers. */
#include "store/store.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/apart.h"
#include "store/conn.h"
#include "store/db.h"
#include "store/directory.h"
#include "store/keeper.h"
#include "store/op.h"
#include "store/reader.h"
#include "store/regain.h"
#include "store/replica.h"
#include "store/retain.h"
#include "store/schema.h"
#include "store/seal.h"
#include "store/shape.h"
#include "store/shared.h"
#include "store/writer.h"

struct store {
	struct loop *loop;
	struct directory directory;
	struct conn conn; /* of the loop thread, for store_query_now() */
	struct apart apart;
	struct reader *reader;
	struct writer *writer;
	struct keeper *keeper;  /* NULL where nobody here keeps the log short */
	struct shared *shared;  /* NULL: the database here is the truth itself */
	struct replica replica; /* with `shared` */
	bool standby;           /* another daemon writes there */
	struct retain retain;
	loop_fn done;
	void *arg;
};

static int compare_mark(const struct store *store, sqlite3 *db, struct err *reterr)
{
	int64_t seq;
	int rc = db_integer(db, "SELECT seq FROM sqlite_sequence WHERE name = 'event'", &seq,
			    reterr);

	if (rc == 0) {
		directory_compare_mark(&store->directory, seq);
	}
	return rc;
}

static int take_key(const struct store *store, const struct store_options *options, sqlite3 *db,
		    struct err *reterr)
{
	bool given = options->key_file != NULL && options->key_file[0] != '\0';
	const char *path = given ? options->key_file : store->directory.key;
	const char *proof = store->shared != NULL ? shared_proof(store->shared) : NULL;
	int rc = proof != NULL ? seal_share_key(path, proof, reterr) : 0;

	return rc == 0 ? seal_take_key(db, path, reterr) : rc;
}

/* Takes a place among those who share the log; a database of its own says that it is none of them. */
static int join(struct store *store, sqlite3 *db, bool standby, struct err *reterr)
{
	int rc;

	if (store->shared == NULL) {
		rc = replica_refuse(db, reterr);
		return rc == 0 ? compare_mark(store, db, reterr) : rc;
	}
	rc = shared_make(store->shared, reterr);
	if (rc == 0) {
		rc = replica_init(&store->replica, db, shared_name(store->shared), reterr);
	}
	if (rc == 0) {
		rc = shared_join(store->shared, &store->replica, reterr);
	}
	store->standby = standby && store->shared->has_other;
	return store->standby ? 0 : rc;
}

/* Opens the only connection that writes, on a database of the newest schema. What is in a log elsewhere can be run
 * again, so that a replica need not be on the disk with each commit. */
static int open_writer(struct store *store, const struct store_options *options, sqlite3 **ret_db,
		       struct err *reterr)
{
	bool unsafe = options->unsafe_sync || store->shared != NULL;
	const char *path = store->directory.database;
	int rc = db_open(path, unsafe ? DB_WRITER_UNSAFE : DB_WRITER, ret_db, reterr);

	if (rc != 0) {
		return rc;
	}
	rc = take_key(store, options, *ret_db, reterr);
	if (rc == 0) {
		rc = schema_upgrade(*ret_db, path, schema_steps, schema_step_count, reterr);
	}
	rc = rc == 0 ? seal_prove(*ret_db, reterr) : rc;
	rc = rc == 0 ? schema_check(*ret_db, reterr) : rc;
	rc = rc == 0 ? shape_check(*ret_db, reterr) : rc;
	rc = rc == 0 ? join(store, *ret_db, options->standby, reterr) : rc;
	if (rc != 0) {
		replica_finish(&store->replica);
		(void)sqlite3_close(*ret_db);
		*ret_db = NULL;
	}
	return rc;
}

static int find_log(struct store *store, const struct store_options *options, struct err *reterr)
{
	int rc;

	if (options->postgresql == NULL || options->postgresql[0] == '\0') {
		return 0;
	}
	store->shared = shared_create(options->postgresql, options->lease_ms, reterr);
	rc = store->shared != NULL ? shared_stay(store->shared, reterr) : -(int)reterr->code;
	return rc == 0 ? regain_run(store->shared, &store->directory, reterr) : rc;
}

static int keep_short(struct store *store, const struct store_options *options, struct err *reterr)
{
	const struct keeper_options how = {.directory = &store->directory,
					   .url = options->postgresql,
					   .operations = options->snapshot_operations};

	if (store->shared == NULL || store->standby || how.operations == 0) {
		return 0;
	}
	store->keeper = keeper_create(store->loop, &how, reterr);
	return store->keeper != NULL ? 0 : -(int)reterr->code;
}

static int open_database(struct store *store, const struct store_options *options,
			 struct err *reterr)
{
	struct writer_options how = {.directory = &store->directory,
				     .max_bytes = options->max_bytes};
	sqlite3 *db;
	int rc = find_log(store, options, reterr);

	if (rc == 0) {
		rc = open_writer(store, options, &db, reterr);
	}
	if (rc != 0) {
		return rc;
	}
	if (store->shared != NULL) {
		how.shared = store->shared;
		how.replica = &store->replica;
		how.standby = store->standby;
	}
	store->writer = writer_create(store->loop, db, &how, reterr);
	return store->writer != NULL ? 0 : -(int)reterr->code;
}

struct store *store_open(struct loop *loop, const struct store_options *options, struct err *reterr)
{
	struct store *store = mem_new(1, sizeof(*store));

	store->loop = loop;
	directory_init(&store->directory, options->directory);
	apart_init(&store->apart, store->directory.database);
	if (directory_take(&store->directory, options->directory, reterr) != 0) {
		goto fail;
	}
	if (open_database(store, options, reterr) != 0) {
		goto fail;
	}
	if (conn_init(&store->conn, store->directory.database, reterr) != 0) {
		goto fail;
	}
	store->reader = reader_create(loop, store->directory.database, reterr);
	if (store->reader == NULL) {
		goto fail;
	}
	if (keep_short(store, options, reterr) != 0) {
		goto fail;
	}
	retain_init(&store->retain, loop, store->reader, store->writer);
	return store;
fail:
	store_destroy(store);
	return NULL;
}

static void on_reader_stopped(void *arg)
{
	struct store *store = arg;

	store->done(store->arg);
}

static void on_writer_stopped(void *arg)
{
	struct store *store = arg;

	reader_stop(store->reader, on_reader_stopped, store);
}

void store_hurry(struct store *store, int64_t ms)
{
	writer_hurry(store->writer, ms);
}

void store_stop(struct store *store, loop_fn done, void *arg)
{
	store->done = done;
	store->arg = arg;
	retain_stop(&store->retain);
	writer_stop(store->writer, on_writer_stopped, store);
}

/* The writer's connection is closed last: the last one to close folds the log into the file. */
void store_destroy(struct store *store)
{
	if (store == NULL) {
		return;
	}
	keeper_destroy(store->keeper);
	retain_finish(&store->retain);
	reader_destroy(store->reader);
	apart_finish(&store->apart);
	conn_finish(&store->conn);
	writer_destroy(store->writer);
	shared_destroy(store->shared);
	directory_finish(&store->directory);
	free(store);
}

void store_on_lost(struct store *store, void (*fn)(void *arg, const struct err *why), void *arg)
{
	writer_on_lost(store->writer, fn, arg);
}

bool store_is_spare(const struct store *store)
{
	return store->standby;
}

int64_t store_position(const struct store *store)
{
	return writer_position(store->writer);
}

void store_writer(const struct store *store, struct store_writer *ret)
{
	writer_look(store->writer, ret);
}

void store_on_writer(struct store *store, loop_fn fn, void *arg)
{
	writer_on_writer(store->writer, fn, arg);
}

void store_advertise(struct store *store, const char *url)
{
	writer_advertise(store->writer, url);
}

void store_on_free(struct store *store, loop_fn fn, void *arg)
{
	writer_on_free(store->writer, fn, arg);
}

void store_renounce(struct store *store)
{
	if (store->shared != NULL) {
		shared_leave(store->shared);
	}
}

bool store_writable(const struct store *store)
{
	return writer_writable(store->writer);
}

bool store_is_away(const struct store *store)
{
	return writer_is_away(store->writer);
}

bool store_is_crowded(const struct store *store)
{
	return writer_is_crowded(store->writer);
}

void store_job_insert(struct store *store, const struct store_job *job, struct log_event *events,
		      size_t count, const struct store_key *key, store_done_fn done, void *arg)
{
	writer_push(store->writer, op_create_insert(job, events, count, key, done, arg));
}

void store_append(struct store *store, const char *job, int64_t version,
		  const struct log_event *events, size_t count, const struct store_key *key,
		  store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {job};
	struct op *op = op_create(OP_APPEND, texts, events, count, key, done, arg);

	op->version = version;
	writer_push(store->writer, op);
}

void store_job_delete(struct store *store, const char *job, store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {job};

	writer_push(store->writer, op_create(OP_JOB_DELETE, texts, NULL, 0, NULL, done, arg));
}

void store_jobs_sweep(struct store *store, char *const *ids, const int64_t *last_seqs, size_t count,
		      store_swept_fn fn, void *arg)
{
	retain_sweep(&store->retain, ids, last_seqs, count, fn, arg);
}

void store_on_gone(struct store *store, void (*fn)(void *arg, const char *job), void *arg)
{
	struct news *news = writer_news(store->writer);

	news->on_gone = fn;
	news->on_gone_arg = arg;
}

void store_retain(struct store *store, const struct store_retention *retention)
{
	retain_set(&store->retain, retention);
}

bool store_hold(struct store *store, struct store_hold *hold)
{
	return retain_hold(&store->retain, hold);
}

void store_evaluator_put(struct store *store, const char *id, const char *document,
			 const char *secrets, const char *owner, const struct store_key *key,
			 store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {id, document, secrets, owner};

	writer_push(store->writer, op_create(OP_EVALUATOR_PUT, texts, NULL, 0, key, done, arg));
}

void store_evaluator_delete(struct store *store, const char *id, store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {id};

	writer_push(store->writer, op_create(OP_EVALUATOR_DELETE, texts, NULL, 0, NULL, done, arg));
}

void store_webhook_put(struct store *store, const char *id, const char *document,
		       const char *secret, const char *owner, const struct store_key *key,
		       store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {id, document, secret, owner};

	writer_push(store->writer, op_create(OP_WEBHOOK_PUT, texts, NULL, 0, key, done, arg));
}

void store_webhook_delete(struct store *store, const char *id, store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {id};

	writer_push(store->writer, op_create(OP_WEBHOOK_DELETE, texts, NULL, 0, NULL, done, arg));
}

void store_webhook_enable(struct store *store, const char *id, const struct store_key *key,
			  store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {id};

	writer_push(store->writer, op_create(OP_WEBHOOK_ENABLE, texts, NULL, 0, key, done, arg));
}

void store_delivery_end(struct store *store, const struct store_attempt *attempt,
			store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {attempt->webhook, attempt->error};
	struct op *op = op_create(OP_DELIVERY_END, texts, NULL, 0, NULL, done, arg);

	op->attempt = *attempt;
	op->attempt.webhook = op->texts[0];
	op->attempt.error = op->texts[1];
	writer_push(store->writer, op);
}

void store_delivery_replay(struct store *store, const char *webhook, int64_t n, int64_t at_ms,
			   const struct store_key *key, store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {webhook};
	struct op *op = op_create(OP_DELIVERY_REPLAY, texts, NULL, 0, key, done, arg);

	op->attempt.n = n;
	op->attempt.at_ms = at_ms;
	writer_push(store->writer, op);
}

void store_token_put(struct store *store, const char *id, const char *document,
		     const struct store_key *key, store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {id, document};

	writer_push(store->writer, op_create(OP_TOKEN_PUT, texts, NULL, 0, key, done, arg));
}

static void push_time(struct store *store, enum op_kind kind, const char *id, int64_t at_ms,
		      store_done_fn done, void *arg)
{
	char *at = mem_printf("%lld", (long long)at_ms);
	const char *texts[OP_TEXTS] = {id, at};

	writer_push(store->writer, op_create(kind, texts, NULL, 0, NULL, done, arg));
	free(at);
}

void store_token_end(struct store *store, const char *id, int64_t at_ms, store_done_fn done,
		     void *arg)
{
	push_time(store, OP_TOKEN_END, id, at_ms, done, arg);
}

void store_token_used(struct store *store, const char *id, int64_t at_ms)
{
	push_time(store, OP_TOKEN_USED, id, at_ms, NULL, NULL);
}

void store_on_deliveries(struct store *store, loop_fn fn, void *arg)
{
	struct news *news = writer_news(store->writer);

	news->on_deliveries = fn;
	news->arg = arg;
}

struct store_watch *store_watch(struct store *store, enum store_topic topic, loop_fn fn, void *arg)
{
	return news_watch(writer_news(store->writer), topic, fn, arg);
}

void store_key_put(struct store *store, const struct store_key *key, store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {NULL};

	writer_push(store->writer, op_create(OP_KEY_PUT, texts, NULL, 0, key, done, arg));
}

struct store_query_call *store_query(struct store *store, int query,
				     const struct store_value *values, size_t count,
				     store_rows_fn fn, void *arg)
{
	return reader_query(store->reader, query, values, count, fn, arg);
}

void store_query_cancel(struct store_query_call *call)
{
	reader_cancel(call);
}

struct row_call {
	void (*row)(void *arg, char *const *cells);
	void *arg;
};

static void call_row(void *arg, char *const *cells, size_t columns)
{
	const struct row_call *call = arg;

	(void)columns;
	call->row(call->arg, cells);
}

int store_query_now(struct store *store, int query, const struct store_value *values, size_t count,
		    void (*row)(void *arg, char *const *cells), void *arg, struct err *reterr)
{
	struct row_call call = {row, arg};

	return conn_query(&store->conn, query, values, count, call_row, &call, reterr);
}

int store_query_apart(struct store *store, int query, const struct store_value *values,
		      size_t count, void (*row)(void *arg, char *const *cells), void *arg,
		      struct err *reterr)
{
	struct row_call call = {row, arg};

	return apart_query(&store->apart, query, values, count, call_row, &call, reterr);
}

void store_stats(const struct store *store, struct store_stats *ret)
{
	writer_stats(store->writer, ret);
	meter_read(store->shared != NULL ? &store->shared->meter : NULL, &ret->log);
	ret->snapshot = keeper_snapshot(store->keeper);
	ret->wal_bytes = directory_wal_bytes(&store->directory);
	ret->backup_at_ms = directory_backup_at_ms(&store->directory);
}
