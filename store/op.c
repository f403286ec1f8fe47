/* The SQL of every write, and how each is run. */
#include "store/op.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/db.h"
#include "store/kept.h"
#include "store/query.h"
#include "store/sum.h"

#define TOKEN_KEPT_MS "2592000000" /* 30 days */

static const char *const statements[OP_STATEMENTS_] = {
	[OP_SAVE] = "SAVEPOINT op",
	[OP_RELEASE] = "RELEASE op",
	[OP_ROLL_BACK] = "ROLLBACK TO op",
	[OP_SUBMIT] =
		/* Sealed once: another time it is another text. */
	"WITH given AS MATERIALIZED (SELECT ?1 AS id, json(?2) AS spec,"
	" json(?3) AS capability, json(?4) AS head,"
	" narrowd_seal(json(?5), ?1) AS evaluator, json(?6) AS matched,"
	" coalesce(?7, '" STORE_LOCAL "') AS owner)"
	" INSERT INTO submission (id, spec, capability, head, evaluator, matched, owner,"
	" sum)"
	" SELECT *, narrowd_sum(" SUM_OF_SUBMISSION ") FROM given",
	[OP_FIND_JOB] = "SELECT version, state = 'completed' OR state = 'failed' OR"
			" state = 'cancelled' FROM job WHERE id = ?1",
	[OP_LOG] = "INSERT INTO event (job, n, type, at_ms, trial, data, sum)"
		   " SELECT *, narrowd_sum(" SUM_OF_EVENT ") FROM (SELECT ?1 AS job, ?2 AS n,"
		   " ?3 AS type, ?4 AS at_ms, ?5 AS trial, json(?6) AS data)",
	[OP_PUT_EVALUATOR] =
		"INSERT INTO evaluator (id, document, secrets, owner)"
		" VALUES (?1, json(?2), narrowd_seal(?3, ?1), coalesce(?4, '" STORE_LOCAL "'))"
		" ON CONFLICT (id) DO UPDATE SET document = excluded.document,"
		" secrets = excluded.secrets",
	[OP_DROP_EVALUATOR] = "DELETE FROM evaluator WHERE id = ?1",
	[OP_KEEP_KEY] =
		"INSERT INTO idempotency (scope, key, fingerprint, status, location, body,"
		" at_ms) VALUES (?1, ?2, ?3, ?4, ?5, narrowd_seal(?6, ?2), ?7)"
		" ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint,"
		" status = excluded.status, location = excluded.location,"
		" body = excluded.body, at_ms = excluded.at_ms"
		" WHERE at_ms < excluded.at_ms - " FORGET_KEY_MS
		" OR " KEPT_IS_GONE("narrowd_open(idempotency.body, idempotency.key)"),
	[OP_READ_JOB] = NULL, /* QUERY_JOB's */
	[OP_PUT_TOKEN] =
		"INSERT INTO token (id, digest, name, owner, scopes, pools, created_at, expires_at)"
		" SELECT ?1, ?2 ->> 'digest', ?2 ->> 'name', ?2 ->> 'owner', ?2 -> 'scopes',"
		" nullif(?2 -> 'pools', 'null'), ?2 ->> 'created_at', ?2 ->> 'expires_at'"
		" WHERE (SELECT count(*) FROM token) < ?3",
	/* What is over is listed for a while. */
	[OP_DROP_TOKENS] =
		"DELETE FROM token WHERE ended_at < (?1 ->> 'created_at') - " TOKEN_KEPT_MS,
	[OP_END_TOKEN] = "UPDATE token SET ended_at = coalesce(ended_at, ?2) WHERE id = ?1",
	[OP_USE_TOKEN] = "UPDATE token SET used_at = max(coalesce(used_at, 0), CAST(?2 AS "
			 "INTEGER)) WHERE id = ?1",
};

static bool is_urgent(const struct op *op)
{
	for (size_t i = 0; i < op->event_count; i++) {
		if (op->events[i].type == LOGGED_STATE_CHANGED) {
			return op->kind == OP_APPEND;
		}
	}
	return op->kind == OP_JOB_DELETE || op->kind == OP_EVALUATOR_DELETE ||
	       op->kind == OP_WEBHOOK_DELETE || op->kind == OP_DELIVERY_END ||
	       op->kind == OP_TOKEN_END || op->kind == OP_FORGET;
}

struct op *op_create(enum op_kind kind, const char *const *texts, const struct log_event *events,
		     size_t count, const struct store_key *key, store_done_fn done, void *arg)
{
	struct op *op = mem_new(1, sizeof(*op));

	*op = (struct op){.kind = kind, .event_count = count, .done = done, .arg = arg};
	for (size_t i = 0; i < OP_TEXTS; i++) {
		op->texts[i] = texts[i] != NULL ? mem_dup(texts[i]) : NULL;
	}
	op->events = mem_new(count, sizeof(*op->events));
	for (size_t i = 0; i < count; i++) {
		op->events[i] = events[i];
		op->events[i].data = mem_dup(events[i].data != NULL ? events[i].data : "{}");
	}
	op->key = store_key_copy(key);
	op->urgent = is_urgent(op);
	return op;
}

struct op *op_create_insert(const struct store_job *job, struct log_event *events, size_t count,
			    const struct store_key *key, store_done_fn done, void *arg)
{
	const char *texts[OP_TEXTS] = {job->id,        job->spec,    job->capability, job->head,
				       job->evaluator, job->matched, job->owner};
	struct op *op = op_create(OP_JOB_INSERT, texts, NULL, 0, key, done, arg);

	free(op->events);
	op->events = events;
	op->event_count = count;
	return op;
}

void op_forget_events(struct op *op)
{
	for (size_t i = 0; i < op->event_count; i++) {
		free((char *)op->events[i].data);
	}
	op->event_count = 0;
}

void op_destroy(struct op *op)
{
	if (op == NULL) {
		return;
	}
	op_forget_events(op);
	for (size_t i = 0; i < OP_TEXTS; i++) {
		free(op->texts[i]);
	}
	store_key_free(op->key);
	free(op->events);
	free(op->message);
	free(op);
}

void op_result(struct op *op, int rc, const struct err *err)
{
	free(op->message);
	op->rc = rc;
	op->message = rc != 0 ? mem_dup(err->message) : NULL;
}

static void tell(const struct op *op)
{
	struct news *news = op->news;

	if (op->kind <= OP_JOB_DELETE) {
		news_tell(news, STORE_JOBS);
	} else if (op->kind <= OP_EVALUATOR_DELETE) {
		news_tell(news, STORE_EVALUATORS);
	}
	if ((op->kind == OP_JOB_DELETE || (op->foreign && op->kind <= OP_JOB_DELETE)) &&
	    news->on_gone != NULL) {
		news->on_gone(news->on_gone_arg, op->texts[0]);
	}
	if (op->posted || op->kind == OP_JOB_DELETE ||
	    (op->kind >= OP_WEBHOOK_PUT && op->kind <= OP_DELIVERY_REPLAY)) {
		news_tell(news, STORE_WEBHOOKS);
	}
	if (op->kind >= OP_TOKEN_PUT && op->kind <= OP_TOKEN_USED) {
		news_tell(news, STORE_TOKENS);
	}
	if (op->posted && news->on_deliveries != NULL) {
		news->on_deliveries(news->arg);
	}
}

void op_finish(void *arg)
{
	struct op *op = arg;
	struct err err ERR_UNCLEARED;

	err_init(&err);
	if (op->rc != 0) {
		(void)err_set(&err, (enum err_code)(-op->rc), "%s", op->message);
	}
	if (op->done != NULL) {
		op->done(op->arg, op->rc, &err);
	}
	if (op->rc == 0) {
		tell(op);
	}
	if (op->foreign) {
		news_tell(op->news, STORE_ANYTHING);
	}
	op_destroy(op);
}

int op_runner_init(struct op_runner *runner, sqlite3 *db, struct err *reterr)
{
	int rc;

	*runner = (struct op_runner){.db = db};
	rc = project_init(&runner->project, db, reterr);
	if (rc == 0) {
		rc = outbox_init(&runner->outbox, db, reterr);
	}
	if (rc == 0) {
		rc = forget_init(&runner->forget, db, reterr);
	}
	for (int i = 0; rc == 0 && i < OP_STATEMENTS_; i++) {
		const char *sql = statements[i] != NULL ? statements[i] : query_sql(QUERY_JOB);

		rc = db_prepare(db, sql, &runner->statements[i], reterr);
	}
	if (rc != 0) {
		op_runner_finish(runner);
	}
	return rc;
}

void op_runner_finish(struct op_runner *runner)
{
	for (int i = 0; i < OP_STATEMENTS_; i++) {
		(void)sqlite3_finalize(runner->statements[i]);
		runner->statements[i] = NULL;
	}
	project_finish(&runner->project);
	outbox_finish(&runner->outbox);
	forget_finish(&runner->forget);
}

/* Runs a statement whose parameters are the op's first texts. */
static int run_texts(struct op_runner *runner, enum op_statement which, const struct op *op,
		     struct err *reterr)
{
	sqlite3_stmt *stmt = runner->statements[which];

	for (int i = 0; i < sqlite3_bind_parameter_count(stmt); i++) {
		db_bind_text(stmt, i + 1, op->texts[i]);
	}
	return db_run(stmt, reterr);
}

static int append(struct op_runner *runner, const struct op *op, int64_t version,
		  struct err *reterr)
{
	sqlite3_stmt *stmt = runner->statements[OP_LOG];
	int64_t seq;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < op->event_count; i++) {
		const struct log_event *event = &op->events[i];
		struct project_event row = {op->texts[0], version + 1 + (int64_t)i, event};

		db_bind_text(stmt, 1, row.job);
		(void)sqlite3_bind_int64(stmt, 2, row.n);
		db_bind_text(stmt, 3, logged_name(event->type));
		(void)sqlite3_bind_int64(stmt, 4, event->at_ms);
		if (event->trial >= 0) {
			(void)sqlite3_bind_int64(stmt, 5, event->trial);
		}
		db_bind_text(stmt, 6, event->data);
		rc = db_run(stmt, reterr);
		seq = runner->seq = sqlite3_last_insert_rowid(runner->db);
		if (rc == 0) {
			rc = project_apply(&runner->project, &row, reterr);
		}
		if (rc == 0 && event->type == LOGGED_QUESTION_LEASED) {
			rc = forget_leases(&runner->forget, event->at_ms, FORGET_FEW, reterr);
		}
		if (rc == 0) {
			rc = outbox_post(&runner->outbox, &row, seq, &runner->posted, reterr);
		}
	}
	return rc;
}

static int find_job(struct op_runner *runner, const struct op *op, int64_t *ret_version,
		    bool *ret_final, struct err *reterr)
{
	sqlite3_stmt *stmt = runner->statements[OP_FIND_JOB];
	bool row;
	int rc;

	db_bind_text(stmt, 1, op->texts[0]);
	rc = db_row(stmt, &row, reterr);
	if (row) {
		*ret_version = sqlite3_column_int64(stmt, 0);
		*ret_final = sqlite3_column_int(stmt, 1) != 0;
	} else if (rc == 0) {
		rc = err_set(reterr, ERR_NOT_FOUND, "there is no job %s", op->texts[0]);
	}
	db_reset(stmt);
	return rc;
}

static int run_job_insert(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	int rc = run_texts(runner, OP_SUBMIT, op, reterr);

	if (rc == 0) {
		rc = project_job(&runner->project, op->texts[0], op->texts[3], reterr);
	}
	return rc == 0 ? append(runner, op, 0, reterr) : rc;
}

static int run_append(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	int64_t version = 0;
	bool final = false;
	int rc = find_job(runner, op, &version, &final, reterr);

	if (rc == 0 && version != op->version) {
		rc = err_set(reterr, ERR_CONFLICT,
			     "the log of job %s ends at event %lld, not at %lld", op->texts[0],
			     (long long)version, (long long)op->version);
	}
	return rc == 0 ? append(runner, op, version, reterr) : rc;
}

static int run_job_delete(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	int64_t version = 0;
	bool final = false;
	int rc = find_job(runner, op, &version, &final, reterr);

	if (rc != 0) {
		return rc;
	}
	if (!final) {
		return err_set(reterr, ERR_WRONG_STATE,
			       "job %s is not final; cancel it before deleting it", op->texts[0]);
	}
	return forget_job(&runner->forget, op->texts[0], op->texts[1] != NULL, reterr);
}

static int run_evaluator_put(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	return run_texts(runner, OP_PUT_EVALUATOR, op, reterr);
}

static int run_evaluator_delete(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	int rc = run_texts(runner, OP_DROP_EVALUATOR, op, reterr);

	if (rc == 0 && sqlite3_changes(runner->db) == 0) {
		rc = err_set(reterr, ERR_NOT_FOUND, "there is no evaluator %s", op->texts[0]);
	}
	return rc;
}

static int run_webhook_put(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	return outbox_put(&runner->outbox, op->texts, reterr);
}

static int run_webhook_delete(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	return outbox_drop(&runner->outbox, op->texts[0], reterr);
}

static int run_webhook_enable(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	return outbox_enable(&runner->outbox, op->texts[0], reterr);
}

static int run_delivery_end(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	return outbox_end(&runner->outbox, &op->attempt, reterr);
}

static int run_delivery_replay(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	runner->posted = true;
	return outbox_replay(&runner->outbox, op->texts[0], op->attempt.n, op->attempt.at_ms,
			     reterr);
}

static int run_token_put(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	sqlite3_stmt *put = runner->statements[OP_PUT_TOKEN];
	sqlite3_stmt *drop = runner->statements[OP_DROP_TOKENS];
	int rc;

	db_bind_text(drop, 1, op->texts[1]);
	rc = db_run(drop, reterr);
	db_bind_text(put, 1, op->texts[0]);
	db_bind_text(put, 2, op->texts[1]);
	(void)sqlite3_bind_int(put, 3, LIMIT_TOKENS);
	rc = rc == 0 ? db_run(put, reterr) : rc;
	if (rc == 0 && sqlite3_changes(runner->db) == 0) {
		rc = err_set(reterr, ERR_CONFLICT, "there are %d tokens already", LIMIT_TOKENS);
	}
	return rc;
}

static int run_token_end(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	int rc = run_texts(runner, OP_END_TOKEN, op, reterr);

	if (rc == 0 && sqlite3_changes(runner->db) == 0) {
		rc = err_set(reterr, ERR_NOT_FOUND, "no token has the id %s", op->texts[0]);
	}
	return rc;
}

static int run_token_used(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	return run_texts(runner, OP_USE_TOKEN, op, reterr);
}

/* The answer to keep: the one given, or the job as it is now. Borrowed until `read` is reset. */
static int find_answer(const struct op *op, sqlite3_stmt *read, const char **ret,
		       struct err *reterr)
{
	bool row = false;
	int rc = 0;

	*ret = op->key->body;
	if (*ret == NULL) {
		db_bind_text(read, 1, op->texts[0]);
		rc = db_row(read, &row, reterr);
	}
	*ret = row ? (const char *)sqlite3_column_text(read, 0) : *ret;
	return rc;
}

static int keep_key(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	const struct store_key *key = op->key;
	sqlite3_stmt *keep = runner->statements[OP_KEEP_KEY];
	sqlite3_stmt *read = runner->statements[OP_READ_JOB];
	const char *answer;
	int rc = find_answer(op, read, &answer, reterr);

	db_bind_text(keep, 1, key->scope);
	db_bind_text(keep, 2, key->key);
	db_bind_text(keep, 3, key->fingerprint);
	(void)sqlite3_bind_int(keep, 4, key->status);
	db_bind_text(keep, 5, key->location);
	db_bind_text(keep, 6, answer);
	(void)sqlite3_bind_int64(keep, 7, key->at_ms);
	rc = rc == 0 ? db_run(keep, reterr) : rc;
	db_reset(read);
	if (rc != 0) {
		return rc;
	}
	if (sqlite3_changes(runner->db) != 1) {
		/* Of a client that gave up meanwhile; it repeats the request and gets that answer. */
		return err_set(reterr, ERR_IDEMPOTENCY_BUSY,
			       "the first request with this Idempotency-Key was still running");
	}
	return forget_keys(&runner->forget, key->at_ms, FORGET_FEW, reterr);
}

static int run_forget(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	return forget_stale(&runner->forget, strtoll(op->texts[0], NULL, 10),
			    strtoll(op->texts[1], NULL, 10), reterr);
}

static int (*const runs[])(struct op_runner *, const struct op *, struct err *) = {
	[OP_JOB_INSERT] = run_job_insert,
	[OP_APPEND] = run_append,
	[OP_JOB_DELETE] = run_job_delete,
	[OP_EVALUATOR_PUT] = run_evaluator_put,
	[OP_EVALUATOR_DELETE] = run_evaluator_delete,
	[OP_WEBHOOK_PUT] = run_webhook_put,
	[OP_WEBHOOK_DELETE] = run_webhook_delete,
	[OP_WEBHOOK_ENABLE] = run_webhook_enable,
	[OP_DELIVERY_END] = run_delivery_end,
	[OP_DELIVERY_REPLAY] = run_delivery_replay,
	[OP_TOKEN_PUT] = run_token_put,
	[OP_TOKEN_END] = run_token_end,
	[OP_TOKEN_USED] = run_token_used,
	[OP_KEY_PUT] = NULL, /* the key is all there is to it */
	[OP_FORGET] = run_forget,
};

_Static_assert(sizeof(runs) / sizeof(runs[0]) == OP_KINDS_, "every kind can be run");

/* Where SQLite has taken back the transaction in between (db_row()) there is no savepoint any more. */
static bool take_back(struct op_runner *runner)
{
	return db_run(runner->statements[OP_ROLL_BACK], NULL) == 0 &&
	       db_run(runner->statements[OP_RELEASE], NULL) == 0;
}

int op_run(struct op_runner *runner, const struct op *op, struct err *reterr)
{
	int rc = db_run(runner->statements[OP_SAVE], reterr);

	runner->posted = false;
	runner->seq = runner->last_seq;
	if (rc != 0) {
		return rc;
	}
	if (runs[op->kind] != NULL) {
		rc = runs[op->kind](runner, op, reterr);
	}
	if (rc == 0 && op->key != NULL) {
		rc = keep_key(runner, op, reterr);
	}
	if (rc == 0) {
		rc = db_run(runner->statements[OP_RELEASE], reterr);
		if (rc != -(int)ERR_INTERNAL) {
			runner->last_seq = rc == 0 ? runner->seq : runner->last_seq;
			return rc;
		}
	} else if (sqlite3_get_autocommit(runner->db) != 0 || take_back(runner)) {
		/* An error that ended the transaction took the savepoint with it. */
		return rc;
	}
	return err_set(reterr, ERR_NO_MEMORY,
		       "no memory to do this alone, or to take it back alone");
}
