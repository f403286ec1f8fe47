/* The SQL of every query. */
#include "store/query.h"

#include <stddef.h>

#include "store/forget.h"
#include "store/kept.h"
#include "store/sum.h"

/* SQL is laid out by its clauses. */
/* clang-format off */

#define BOOLEAN(column) \
	"json(CASE " column " WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)"
#define AMONG(column, values) \
	"(" values " IS NULL OR " column " IN (SELECT value FROM json_each(" values ")))"
#define HAS_LABELS(wanted_labels) \
	"NOT EXISTS (SELECT 1 FROM json_each(" wanted_labels ") AS wanted WHERE NOT EXISTS" \
	" (SELECT 1 FROM json_each(labels) AS label" \
	" WHERE label.key = wanted.key AND label.value = wanted.value))"
#define OWNED_BY(owner_or_null) "(" owner_or_null " IS NULL OR owner = " owner_or_null ")"
#define NOT_FINAL "state IN ('queued', 'baseline', 'running', 'paused')"

#define JOB_DOCUMENT \
	"json_object('id', job.id, 'name', name, 'labels', json(labels), 'state', state," \
	" 'created_at', " TIME("created_at") ", 'started_at', " TIME("started_at") "," \
	" 'finished_at', " TIME("finished_at") ", 'strategy', head -> '$.strategy'," \
	" 'quant_level', head -> '$.quant_level', 'rules', coalesce(head ->> '$.rules', 1)," \
	" 'parallel', parallel," \
	" 'seed', head -> '$.seed', 'deterministic', head -> '$.deterministic'," \
	" 'stop_on', head -> '$.stop_on'," \
	" 'budget', json_object('max_trials', max_trials, 'timeout', json(timeout)," \
	" 'trials_measured', measured, 'elapsed_s', json(active_s))," \
	" 'progress', json_object('stage', stage, 'asked', asked, 'told', told," \
	" 'failed', failed, 'running', (SELECT count(*) FROM trial WHERE trial.job = job.id" \
	" AND trial.state IN ('asked', 'leased') AND trial.source <> 'cache')," \
	" 'cached', cached, 'imported', imported, 'cancelled', cancelled, 'hint', hint," \
	" 'out', json('[]'), 'waiting', NULL, 'waits_for', NULL)," \
	" 'clock', json_object('active_s', json(active_s), 'running_since', NULL)," \
	" 'criterion', json_set(coalesce(head -> '$.criterion', '{}'), '$.bound', json(bound))," \
	" 'min_gain', head -> '$.min_gain'," \
	" 'objective', head -> '$.objective', 'baseline', json(baseline), 'best', json(best)," \
	" 'exit', json(exit), 'pause', json(pause), 'warnings', json(warnings), 'evaluator', head -> '$.evaluator'," \
	" 'owner', owner)"
#define FROM_JOB " FROM job JOIN submission ON submission.id = job.id"

#define IS_KEPT "coalesce(labels ->> '$.keep' = 'true', 0)"
#define LAST_SEQ(job_id) "(SELECT max(seq) FROM event WHERE event.job = " job_id ")"

#define TRIAL_MEMBERS \
	"'job', trial.job, 'number', number, 'kind', kind, 'stage', stage, 'state', state," \
	" 'source', source, 'attempts', attempts, 'accuracy', json(accuracy)," \
	" 'metrics', json(metrics), 'feasible', " BOOLEAN("feasible") "," \
	" 'objective_value', json(objective_value), 'margin', " OF_EVENT("told_n", "margin") "," \
	" 'subset', " OF_EVENT("asked_n", "subset") "," \
	" 'worker', worker," \
	" 'asked_at', " TIME("asked_at") ", 'told_at', " TIME("told_at") ", 'error', error," \
	" 'hash', hash, 'excluded', json(CASE WHEN excluded IS NOT NULL THEN" \
	" json_object('reason', excluded, 'at', " TIME("excluded_at") ") END)," \
	" 'rejected', json(rejected)"
#define OF_EVENT(n, member) \
	"(SELECT narrowd_member(" SUM_EVENT("event") ", '" member "', sum)" \
	" FROM event WHERE event.job = trial.job AND event.n = " n ")"
#define TRIAL_DOCUMENT \
	"CASE kind WHEN 'score' THEN json_object(" TRIAL_MEMBERS ", 'method', method," \
	" 'scores', json(" OF_EVENT("told_n", "scores") "))" \
	" ELSE json_object(" TRIAL_MEMBERS ") END"

#define EVENT_DOCUMENT \
	"json_object('seq', seq, 'job', job, 'n', n, 'type', type, 'at', " TIME("at_ms") "," \
	" 'trial', trial, 'data', json(" SUM_EVENT("event") "))"

#define WEBHOOK_DOCUMENT \
	"json_set(document, '$.state', CASE WHEN disabled IS NULL THEN 'active' ELSE 'disabled' END," \
	" '$.error', disabled, '$.owner', owner)"
#define EVALUATOR_DOCUMENT "json_set(document, '$.owner', owner)"
#define TOKEN_DOCUMENT \
	"json_object('id', id, 'name', name, 'owner', owner, 'scopes', json(scopes)," \
	" 'pools', json(pools), 'created_at', " TIME("created_at") "," \
	" 'expires_at', " TIME("expires_at") ", 'revoked_at', " TIME("ended_at") "," \
	" 'last_used_at', " TIME("used_at") ")"
#define MESSAGE_ID "delivery.webhook || '_' || delivery.event"
#define DELIVERY_DOCUMENT \
	"json_object('n', event, 'webhook', webhook, 'job', job, 'type', type, 'state', state," \
	" 'message_id', " MESSAGE_ID ", 'attempts', attempts," \
	" 'queued_at', " TIME("queued_at") ", 'attempted_at', " TIME("attempted_at") "," \
	" 'next_attempt_at', " TIME("due_at") ", 'status', status, 'error', error)"

/* What was rejected does not meet the criterion, whatever it measured. */
#define MEETS "iif(rejected IS NULL OR feasible IS NULL, feasible, 0)"

#define TRIAL_FILTER \
	" WHERE job = ?1 AND " AMONG("state", "?2") " AND " AMONG("stage", "?3") \
	" AND (?4 IS NULL OR " MEETS " = CAST(?4 AS INTEGER))" \
	" AND " AMONG("kind", "?9") " AND " AMONG("source", "?10")

#define WANTED_CONFIG "CASE WHEN ?11 THEN " OF_EVENT("asked_n", "config") " END"

#define TRIALS_BY_NUMBER(compare, beyond, direction) \
	"SELECT " TRIAL_DOCUMENT ", number, NULL, " WANTED_CONFIG " FROM trial" TRIAL_FILTER \
	" AND number " compare " coalesce(?7, " beyond ") ORDER BY number " direction " LIMIT ?8"

/* The last row's own key decides, because its text may have lost a digit on its way to the client
 * and back. Documents are made after the page is cut. */
#define LAST_KEY(key) \
	"coalesce((SELECT " key " FROM trial WHERE job = ?1 AND number = ?7), CAST(?6 AS REAL))"
#define TRIALS_BY_KEY(key, compare, direction) \
	"SELECT " TRIAL_DOCUMENT ", trial.number, trial." key ", " WANTED_CONFIG " FROM (SELECT number AS chosen" \
	" FROM trial" TRIAL_FILTER " AND CASE WHEN ?7 IS NULL THEN 1" \
	" WHEN ?6 IS NULL THEN " key " IS NULL AND number > ?7" \
	" WHEN " key " = " LAST_KEY(key) " THEN number > ?7" \
	" ELSE " key " IS NULL OR " key " " compare " " LAST_KEY(key) " END" \
	" ORDER BY " key " " direction " NULLS LAST, number LIMIT ?8)" \
	" JOIN trial ON trial.job = ?1 AND trial.number = chosen" \
	" ORDER BY trial." key " " direction " NULLS LAST, trial.number"

/* Told trials that count, for charts; what is better has less `cost` and more `merit`. */
#define POINTS(kinds) \
	"WITH point AS MATERIALIZED (SELECT number, kind, stage, accuracy, objective_value," \
	" " MEETS " AS feasible, rejected IS NULL AS stands," \
	" asked_n, hash, ?2 * CAST(objective_value AS REAL) AS cost FROM trial" \
	" WHERE job = ?1 AND state = 'told' AND kind IN (" kinds ") AND excluded IS NULL" \
	" AND NOT EXISTS (SELECT 1 FROM event WHERE event.job = ?1 AND event.n = asked_n" \
	" AND instr(data, '\"subset\"') AND data -> '$.subset' IS NOT NULL))"
#define WITH_MERIT \
	" (SELECT point.*, ?3 * accuracy_value AS merit FROM point" \
	" JOIN trial ON trial.job = ?1 AND trial.number = point.number)"
#define POINT_MEMBERS \
	"'trial', number, 'kind', kind, 'stage', stage, 'accuracy', json(accuracy)," \
	" 'objective_value', json(objective_value), 'feasible', " BOOLEAN("feasible")

static const char *const queries[QUERY_COUNT_] = {
	[QUERY_JOB] =
		"SELECT " JOB_DOCUMENT ", version, state, CASE WHEN ?3 THEN NULL ELSE " SUM_SUBMISSION " END,"
		" CASE WHEN ?3 THEN NULL ELSE capability END, head, best_trial,"
		" narrowd_open(evaluator, job.id), CASE WHEN ?3 THEN NULL ELSE matched END, (SELECT " SUM_EVENT("event") " ->> 'space' FROM event WHERE event.job = job.id"
		" AND n = 1), pause ->> 'detail'" FROM_JOB " WHERE job.id = ?1 AND " OWNED_BY("?2"),
	[QUERY_JOBS] =
		"SELECT " JOB_DOCUMENT ", job.id" FROM_JOB
		" WHERE " AMONG("state", "?1") " AND (?2 IS NULL OR name = ?2)"
		" AND " HAS_LABELS("?3")
		" AND (?4 IS NULL OR job.id < ?4) AND " OWNED_BY("?6")
		" ORDER BY job.id DESC LIMIT ?5",
	[QUERY_OPEN_JOBS] =
		"SELECT job.id, owner, length(CAST(spec AS BLOB)) + length(CAST(capability AS BLOB))" FROM_JOB
		" WHERE " NOT_FINAL " AND job.id BETWEEN coalesce(?1, '') AND coalesce(?1, '~') ORDER BY job.id",
	[QUERY_OPEN_JOB] =
		"SELECT spec, capability, narrowd_open(evaluator, job.id), matched, version, pause ->> 'reason',"
		" submission.sum IS NULL OR submission.sum = narrowd_sum(" SUM_VALUES_OF_SUBMISSION ")" FROM_JOB
		" WHERE job.id = ?1 AND " NOT_FINAL,
	[QUERY_UNANSWERED] =
		"SELECT number FROM trial WHERE job = ?1 AND state IN ('asked', 'leased')"
		" ORDER BY number",
	[QUERY_LOG] =
		"SELECT n, seq, type, at_ms, trial, " SUM_EVENT("event") " FROM event"
		" WHERE job = ?1 AND n > ?2 ORDER BY n LIMIT ?3",
	[QUERY_EVENTS] =
		"SELECT " EVENT_DOCUMENT ", seq FROM event"
		" WHERE job = ?1 AND seq > ?2 AND " AMONG("type", "?4") " ORDER BY seq LIMIT ?3",
	[QUERY_ALL_EVENTS] =
		"SELECT " EVENT_DOCUMENT ", seq FROM event WHERE seq > ?2 AND seq <= ?5"
		" AND " AMONG("type", "?4") " AND (?1 IS NULL"
		" OR job IN (SELECT id FROM job WHERE " HAS_LABELS("?1") "))"
		" AND (?6 IS NULL OR job IN (SELECT id FROM submission WHERE owner = ?6))"
		" ORDER BY seq LIMIT ?3",
	[QUERY_LAST_EVENT] =
		"SELECT coalesce(max(seq), 0) FROM event",
	[QUERY_TRIAL] =
		"SELECT " TRIAL_DOCUMENT ", " OF_EVENT("asked_n", "config")
		" FROM trial WHERE job = ?1 AND number = ?2",
	[QUERY_TOLD] =
		"SELECT " TRIAL_DOCUMENT ", number, accuracy, metrics, rejected FROM trial"
		" WHERE job = ?1 AND state = 'told' AND kind IN ('baseline', 'evaluate')"
		" AND excluded IS NULL"
		" AND " OF_EVENT("asked_n", "subset") " IS NULL ORDER BY number",
	[QUERY_MEASURED] =
		"SELECT " TRIAL_DOCUMENT ", " OF_EVENT("asked_n", "config") ", " OF_EVENT("asked_n", "subset")
		" FROM trial"
		" WHERE job = ?1 AND state = 'told' AND kind IN ('baseline', 'evaluate', 'confirm')"
		" AND excluded IS NULL"
		" AND (kind = 'confirm' OR " OF_EVENT("asked_n", "subset") " IS NULL) ORDER BY number",
	[QUERY_ANSWERED] =
		"SELECT number, " SUM_EVENT("asked") ", " SUM_EVENT("told") " FROM trial"
		" JOIN event AS asked ON asked.job = trial.job AND asked.n = asked_n"
		" JOIN event AS told ON told.job = trial.job AND told.n = told_n"
		" WHERE trial.job = ?1 AND state = 'told' AND source <> 'cache' AND excluded IS NULL"
		" AND (kind = 'score' OR asked.data -> '$.subset' IS NULL)"
		" AND kind IN ('evaluate', 'score') ORDER BY number",
	[QUERY_CHART_HISTORY] =
		POINTS("'evaluate'") ","
		" seen AS MATERIALIZED (SELECT *, min(CASE feasible WHEN 1 THEN cost END) OVER"
		" (ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,"
		" ntile(150) OVER (ORDER BY number) AS stretch FROM point),"
		" best AS MATERIALIZED (SELECT number FROM seen WHERE feasible = 1"
		" AND (before IS NULL OR cost < before) ORDER BY number DESC LIMIT 200)"
		" SELECT json_object(" POINT_MEMBERS ", 'best',"
		" json(iif(number IN (SELECT number FROM best), 'true', 'false'))),"
		" (SELECT count(*) FROM point) FROM seen WHERE number IN (SELECT number FROM best"
		" UNION SELECT number FROM (SELECT number, min(cost) FROM seen GROUP BY stretch)"
		" UNION SELECT number FROM (SELECT number, max(cost) FROM seen GROUP BY stretch))"
		" ORDER BY number",
	[QUERY_CHART_SCATTER] =
		POINTS("'baseline', 'evaluate'") ","
		" seen AS MATERIALIZED (SELECT *, count(*) OVER () AS total,"
		" max(iif(stands, merit, NULL)) OVER before AS above, max(merit) OVER before AS above_all,"
		" ntile(20) OVER (ORDER BY cost) AS x, ntile(20) OVER (ORDER BY merit) AS y FROM" WITH_MERIT
		" WINDOW before AS (ORDER BY cost, merit DESC, number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),"
		" front AS MATERIALIZED (SELECT number FROM seen WHERE cost IS NOT NULL"
		" AND merit IS NOT NULL AND coalesce(merit > iif(stands, above, above_all), true)"
		" ORDER BY feasible DESC, cost LIMIT 99)"
		" SELECT json_object(" POINT_MEMBERS ", 'front',"
		" json(iif(number IN (SELECT number FROM front), 'true', 'false'))), total"
		" FROM seen WHERE kind = 'baseline' OR number IN (SELECT number FROM front"
		" UNION SELECT min(number) FROM seen GROUP BY iif(total <= 400, number, x), iif(total <= 400,"
		" number, y)) ORDER BY number",
	[QUERY_CHART_PRECISION] =
		POINTS("'evaluate'") ","
		" ranked AS (SELECT *, row_number() OVER (PARTITION BY hash ORDER BY feasible DESC,"
		" cost, number) AS again, count(*) OVER () AS total FROM" WITH_MERIT ")"
		" SELECT json_object(" POINT_MEMBERS "), "
		" (SELECT " SUM_EVENT("event") " -> '$.config' FROM event WHERE event.job = ?1 AND event.n = asked_n), total"
		" FROM ranked WHERE again = 1 ORDER BY feasible DESC,"
		" CASE feasible WHEN 1 THEN cost ELSE -merit END, number LIMIT ?4",
	[QUERY_CHART_TIMELINE] =
		"SELECT json_object('trial', number, 'kind', kind, 'state', state, 'worker', worker,"
		" 'asked_at', " TIME("asked_at") ", 'told_at', " TIME("told_at") "),"
		" (SELECT count(*) FROM trial WHERE job = ?1 AND source IS NOT 'cache')"
		" FROM trial WHERE job = ?1 AND source IS NOT 'cache' ORDER BY number DESC LIMIT 500",
	[QUERY_EVALUATORS] =
		"SELECT " EVALUATOR_DOCUMENT ", id FROM evaluator"
		" WHERE (?1 IS NULL OR id > ?1) AND " OWNED_BY("?3") " ORDER BY id LIMIT ?2",
	[QUERY_EVALUATOR] =
		"SELECT " EVALUATOR_DOCUMENT ", narrowd_open(secrets, id) FROM evaluator WHERE id = ?1"
		" AND (" OWNED_BY("?2") " OR document -> 'shared' = 'true')",
	[QUERY_WEBHOOKS] =
		"SELECT " WEBHOOK_DOCUMENT ", id FROM webhook"
		" WHERE (?1 IS NULL OR id > ?1) AND " OWNED_BY("?3") " ORDER BY id LIMIT ?2",
	[QUERY_WEBHOOK] =
		"SELECT " WEBHOOK_DOCUMENT ", narrowd_open(secret, id) ->> 'url', narrowd_open(secret, id) ->> 'secret', disabled"
		" FROM webhook WHERE id = ?1",
	[QUERY_DELIVERIES] =
		"SELECT " DELIVERY_DOCUMENT ", event FROM delivery"
		" WHERE webhook = ?1 AND " AMONG("state", "?2")
		" AND event < coalesce(?3, 9223372036854775807) ORDER BY event DESC LIMIT ?4",
	[QUERY_DUE] =
		"SELECT webhook.id, event, job FROM webhook"
		" CROSS JOIN delivery ON webhook = webhook.id" /* in this order */
		" WHERE event IN (SELECT due.event FROM delivery AS due"
		" WHERE due.webhook = webhook.id AND due.due_at <= ?1"
		" ORDER BY due.due_at LIMIT ?2) ORDER BY due_at, event, webhook",
	[QUERY_NEXT_DUE] =
		"SELECT min((SELECT min(due_at) FROM delivery"
		" WHERE webhook = webhook.id AND due_at > ?1)) FROM webhook",
	[QUERY_MESSAGE] =
		"SELECT narrowd_open(secret, webhook.id) ->> 'url', narrowd_open(secret, webhook.id) ->> 'secret', attempts, queued_at, " MESSAGE_ID ","
		" (SELECT json_object('type', delivery.type, 'timestamp', " TIME("at_ms") ","
		" 'data', " EVENT_DOCUMENT ") FROM event WHERE seq = delivery.event)"
		" FROM delivery JOIN webhook ON webhook.id = delivery.webhook"
		" WHERE delivery.webhook = ?1 AND event = ?2 AND due_at <= ?3",
	[QUERY_KEY] =
		"WITH kept AS MATERIALIZED (SELECT *, narrowd_open(body, key) AS text FROM idempotency"
		" WHERE scope = ?1 AND key = ?2) SELECT fingerprint, status, location, " KEPT_REST("text") ","
		" at_ms, " KEPT_IS_GONE("text") " FROM kept",
	[QUERY_LEASE] =
		"SELECT answer, job.id FROM lease LEFT JOIN job ON job.id = lease.job AND " NOT_FINAL
		" WHERE lease.id = ?1",
	[QUERY_TOKENS] =
		"SELECT " TOKEN_DOCUMENT ", id FROM token"
		" WHERE ?1 IS NULL OR id > ?1 ORDER BY id LIMIT ?2",
	[QUERY_TOKEN] =
		"SELECT " TOKEN_DOCUMENT " FROM token WHERE id = ?1",
	[QUERY_LIVE_TOKENS] =
		"SELECT id, digest, owner, scopes, pools, expires_at FROM token WHERE ended_at IS NULL",
	[QUERY_OWNER_OF_JOB] =
		"SELECT owner FROM submission WHERE id = ?1",
	[QUERY_JOB_STATE] =
		"SELECT version, state FROM job WHERE id = ?1",
	[QUERY_OWNER_OF_EVALUATOR] =
		"SELECT owner FROM evaluator WHERE id = ?1",
	[QUERY_OWNER_OF_WEBHOOK] =
		"SELECT owner FROM webhook WHERE id = ?1",
	[QUERY_OWNER_OF_LEASE] =
		"SELECT owner, narrowd_open(evaluator, submission.id) ->> 'pool', job FROM lease"
		" JOIN submission ON submission.id = lease.job WHERE lease.id = ?1",
	[QUERY_PRUNED] =
		"SELECT coalesce(max(seq), 0) FROM pruned WHERE " OWNED_BY("?1"),
	[QUERY_PRUNABLE] =
		"SELECT id, " LAST_SEQ("over.id") " FROM (SELECT job.id, finished_at, row_number() OVER"
		" (PARTITION BY owner ORDER BY finished_at DESC, job.id DESC) AS nth" FROM_JOB
		" WHERE finished_at IS NOT NULL AND NOT " IS_KEPT ") AS over"
		" WHERE (finished_at < ?1 OR nth > ?2 OR ?3) AND NOT EXISTS (SELECT 1 FROM webhook"
		" CROSS JOIN delivery INDEXED BY delivery_queue ON delivery.webhook = webhook.id"
		" WHERE delivery.job = over.id AND delivery.state = 'pending')"
		" ORDER BY finished_at, id LIMIT ?4",
	[QUERY_STALE] =
		"SELECT EXISTS (SELECT 1 FROM idempotency WHERE at_ms < ?1 - " FORGET_KEY_MS ")"
		" OR EXISTS (SELECT 1 FROM lease WHERE at_ms < ?1 - " FORGET_KEY_MS
		" AND " FORGET_LEASE_IS_OVER ")"
		" OR EXISTS (SELECT 1 FROM delivery WHERE state <> 'pending' AND queued_at < ?2)",
	[QUERY_DELETABLE] =
		"WITH chosen AS MATERIALIZED (SELECT job.id, finished_at IS NOT NULL AND NOT " IS_KEPT
		" AS may" FROM_JOB " WHERE " AMONG("state", "?1") " AND (?2 IS NULL OR name = ?2)"
		" AND (?3 IS NULL OR " HAS_LABELS("?3") ")"
		" AND (?4 IS NULL OR finished_at < ?4) AND " OWNED_BY("?6") ")"
		" SELECT NULL, count(*) FROM chosen WHERE NOT may UNION ALL"
		" SELECT * FROM (SELECT id, " LAST_SEQ("chosen.id") " FROM chosen WHERE may"
		" ORDER BY id LIMIT ?5)",
	[QUERY_LIBRARY] =
		"SELECT job.id" FROM_JOB " WHERE finished_at IS NOT NULL AND measured > 2 AND owner = ?1"
		" ORDER BY job.id DESC LIMIT ?2",
	[QUERY_JOB_COUNTS] =
		"SELECT state, count(*) FROM job GROUP BY state ORDER BY state",
};

static const char *const trial_orders[QUERY_ORDERS] = {
	TRIALS_BY_NUMBER(">", "-1", "ASC"),
	TRIALS_BY_NUMBER("<", "9223372036854775807", "DESC"),
	TRIALS_BY_KEY("accuracy_value", ">", "ASC"),
	TRIALS_BY_KEY("accuracy_value", "<", "DESC"),
	TRIALS_BY_KEY("latency_ms", ">", "ASC"),
	TRIALS_BY_KEY("latency_ms", "<", "DESC"),
};

/* clang-format on */

const char *query_sql(int statement)
{
	return statement < QUERY_COUNT_ ? queries[statement]
					: trial_orders[statement - QUERY_COUNT_];
}
