/*
 * Every query that can be put to the store, with its parameters and columns.
 *
 * Documents are made by SQLite's JSON functions, so that a page goes from disk to the client
 * without a tree of objects in between. Their members are those of the OpenAPI document. A filter
 * in the plural is a JSON array of the values that pass.
 */
#ifndef NARROWD_STORE_QUERY_H
#define NARROWD_STORE_QUERY_H

enum store_query {
	/* (job, owner|null) -> document, version, state, spec, capability, head, best trial or null, evaluator,
	 * matched or null, digest of its space or null, why it is paused or null */
	QUERY_JOB,
	/* (states|null, name|null, labels that it must have as a JSON object|null, before id|null,
	 * limit, owner|null) -> document, id; newest first */
	QUERY_JOBS,
	/* (id|null) -> id, owner, bytes of submission and capability, of every job that is not final, oldest first */
	QUERY_OPEN_JOBS,
	/* (id) -> spec, capability, evaluator, matched or null, version, why it is paused or null, 0 when the submission is
	 * damaged; of a job that is not final */
	QUERY_OPEN_JOB,
	/* (job) -> number of every trial that waits for its result */
	QUERY_UNANSWERED,
	/* (job, after n, limit) -> n, seq, type, at_ms, trial, data; the raw log, for replay */
	QUERY_LOG,
	/* (job, after seq, limit, types|null) -> document, seq */
	QUERY_EVENTS,
	/* (labels that its job must have as a JSON object|null, after seq, limit, types|null, up to seq,
	 * owner|null) -> document, seq; of all jobs */
	QUERY_ALL_EVENTS,
	/* () -> seq of the newest event, or 0 */
	QUERY_LAST_EVENT,
	/* (job, states|null, stages|null, feasible|null, order, after key|null, after number|null, limit,
	 * kinds|null, sources|null) -> document, number, order key; `order` is 0 number, 1 -number,
	 * 2 accuracy, 3 -accuracy, 4 latency_ms, 5 -latency_ms; trials without the key come last */
	QUERY_TRIALS,
	/* (job, number) -> document, config (as in the event that asked) */
	QUERY_TRIAL,
	/* (job) -> document, number, accuracy, metrics, of told measurements that count; for pareto */
	QUERY_TOLD,
	/* (job) -> document, config (as in the event that asked), subset or null, of told measurements on all of the
	 * data that count and of what confirmed them, on whatever data; by number */
	QUERY_MEASURED,
	/* (job) -> number, data of the event that asked (or imported), data of the event that told, of
	 * every measurement and every score question that has its own answer and counts */
	QUERY_ANSWERED,
	/* (job, 1 or -1: the sign that makes less of the objective better) -> document, of how many trials
	 * the points are; what stands for all trials told, at most 500, by number: the newest bests and the
	 * extremes of as many stretches as there is room for */
	QUERY_CHART_HISTORY,
	/* (job, sign of the objective, sign of accuracy: 1 when more is better) -> document, of how many;
	 * at most 500: the baseline, the front of accuracy and objective, one trial of every corner */
	QUERY_CHART_SCATTER,
	/* (job, sign of the objective, sign of accuracy, limit) -> document without its end, config (as in
	 * the event that asked), of how many; the best trials, one for each config */
	QUERY_CHART_PRECISION,
	/* (job) -> document, of how many; the newest 500 questions and imports, newest first */
	QUERY_CHART_TIMELINE,
	/* (after id|null, limit, owner|null) -> document, id; oldest first */
	QUERY_EVALUATORS,
	/* (id, owner|null) -> document, secrets; of others only what they share */
	QUERY_EVALUATOR,
	/* (after id|null, limit, owner|null) -> document, id; oldest first */
	QUERY_WEBHOOKS,
	/* (id) -> document, url, secret, why it is disabled|null */
	QUERY_WEBHOOK,
	/* (webhook, states|null, before n|null, limit) -> document, n; newest first */
	QUERY_DELIVERIES,
	/* (now, how many of each webhook) -> webhook, n, job; those that are due longest come first */
	QUERY_DUE,
	/* (now) -> when the next one is due, or null */
	QUERY_NEXT_DUE,
	/* (webhook, n, now) -> url, secret, attempts, queued_at, message id, body; when it is due */
	QUERY_MESSAGE,
	/* (scope, key) -> fingerprint, status, location, body as far as it holds, at_ms, 1 when nothing of it holds any more */
	QUERY_KEY,
	/* (lease) -> hash of the answer that counted: empty when it came another way, null when none did; its job
	 * if that is not final|null */
	QUERY_LEASE,
	/* (after id|null, limit) -> document, id; oldest first */
	QUERY_TOKENS,
	/* (id) -> document */
	QUERY_TOKEN,
	/* () -> id, digest, owner, scopes, pools|null, expires_at|null, of each that has not ended */
	QUERY_LIVE_TOKENS,
	/* (id) -> owner */
	QUERY_OWNER_OF_JOB,
	QUERY_OWNER_OF_EVALUATOR,
	QUERY_OWNER_OF_WEBHOOK,
	/* (job) -> version, state */
	QUERY_JOB_STATE,
	/* (lease) -> owner of its job, the pool whose workers the job asks|null, the job */
	QUERY_OWNER_OF_LEASE,
	/* (owner|null) -> seq up to which there may have been events of jobs that were deleted by themselves,
	 * or 0 */
	QUERY_PRUNED,
	/* (ended before|null, how many of one owner stay|null, 1 for all, limit) -> id, seq of its last event,
	 * of jobs that have ended, oldest end first; not of those that are kept or about which something is
	 * still to be delivered */
	QUERY_PRUNABLE,
	/* (now, deliveries that were queued before) -> 1 when there is something that OP_FORGET takes */
	QUERY_STALE,
	/* (states|null, name|null, labels|null, ended before|null, limit, owner|null) -> first (null, how many
	 * of those that match have not ended or are kept), then of the others id, seq of its last event */
	QUERY_DELETABLE,
	/* (owner, limit) -> id of jobs that have ended and measured something, newest first */
	QUERY_LIBRARY,
	/* () -> state, count */
	QUERY_JOB_COUNTS,
	QUERY_COUNT_,
};

/* The columns of QUERY_JOB; with a third value that is true JOB_SPEC, JOB_CAPABILITY and JOB_MATCHED are not read. */
enum {
	JOB_DOCUMENT,
	JOB_VERSION,
	JOB_STATE,
	JOB_SPEC,
	JOB_CAPABILITY,
	JOB_HEAD,
	JOB_BEST,
	JOB_EVALUATOR,
	JOB_MATCHED,
	JOB_SPACE,
	JOB_PAUSE,
};

/* The columns of QUERY_JOB_STATE. */
enum { STATE_VERSION, STATE_NAME };

/* A moment in RFC 3339 UTC with milliseconds, or null, as SQL. */
#define TIME(column) "strftime('%Y-%m-%dT%H:%M:%fZ', " column " / 1000.0, 'unixepoch')"

/* QUERY_TRIALS stands for one statement per order: statement QUERY_COUNT_ + order. */
enum { QUERY_ORDERS = 6, QUERY_STATEMENTS = QUERY_COUNT_ + QUERY_ORDERS };

/* The SQL of a statement, 0 <= statement < QUERY_STATEMENTS, other than QUERY_TRIALS itself. */
const char *query_sql(int statement);

#endif
