/* The table of what each event does to the rows of jobs and trials. */
#include "store/project.h"

#include <stddef.h>
#include <string.h>

#include "store/db.h"
#include "store/query.h"

/*
 * Parameters of every statement but PROJECT_JOB: ?1 job, ?2 n, ?3 at_ms, ?4 trial, ?5 data.
 * A member is read with ->> as a value, or with -> as JSON text, so that numbers keep their digits.
 */
#define THIS_JOB   " WHERE id = ?1"
#define THIS_TRIAL " WHERE job = ?1 AND number = ?4"
/*
 * What a job counts depends on how a trial stands. Said as a look-up, since UPDATE ... FROM makes a
 * table of its own each time, which costs more than all the rest of the statement.
 */
#define OF_TRIAL(what) "(SELECT " what " FROM trial AS t WHERE t.job = ?1 AND t.number = ?4)"
#define WHEN_TRIAL(is)                                                                             \
	THIS_JOB                                                                                   \
	" AND EXISTS (SELECT 1 FROM trial AS t WHERE t.job = ?1 AND t.number = ?4 AND " is ")"
#define IS_FINAL  "?5 ->> 'state' IN ('completed', 'failed', 'cancelled')"
#define EVALUATES "t.kind = 'evaluate'"
/* A repeated config that shares a failure is no failure of its own. */
#define FAILS  "t.kind = 'evaluate' AND t.source <> 'cache'"
#define SOURCE "coalesce(?5 ->> 'source', t.source)"
/* What trials are ordered by: the first accuracy where there are several. */
#define ACCURACY                                                                                   \
	"CAST(CASE json_type(?5, '$.accuracy')"                                                    \
	" WHEN 'object' THEN (SELECT value FROM json_each(?5, '$.accuracy') LIMIT 1)"              \
	" ELSE ?5 ->> 'accuracy' END AS REAL)"
/* What was excluded was measured again, or is no measurement any more. */
#define COUNTS_AGAIN "excluded = NULL, excluded_at = NULL"
#define LAST_LEASE                                                                                 \
	" WHERE id = (SELECT id FROM lease WHERE job = ?1 AND trial = ?4 ORDER BY n DESC LIMIT 1)"
#define WARNING "json_object('pointer', ?5 ->> 'pointer', 'detail', ?5 ->> 'detail')"

/* clang-format off */
static const struct {
	const char *sql;
	const char *refusal; /* when set: why no row was changed, which is an error */
} statements[PROJECT_STATEMENTS_] = {
	[PROJECT_JOB] =
		{"INSERT INTO job (id, name, labels, parallel, max_trials, timeout, warnings)"
		 " VALUES (?1, ?2 ->> 'name', coalesce(?2 -> 'labels', '{}'),"
		 " coalesce(?2 ->> 'parallel', 1), coalesce(?2 ->> 'max_trials', 100),"
		 " coalesce(?2 -> 'timeout', '0'), coalesce(?2 -> 'warnings', '[]'))",
		 NULL},
	[PROJECT_VERSION] = {"UPDATE job SET version = ?2" THIS_JOB, "the job does not exist"},
	[PROJECT_CREATED] = {"UPDATE job SET created_at = ?3" THIS_JOB, NULL},
	[PROJECT_STATE] =
		{"UPDATE job SET state = ?5 ->> 'state',"
		 " active_s = coalesce(nullif(?5 -> 'active_s', 'null'), active_s),"
		 " started_at = CASE ?5 ->> 'state' WHEN 'queued' THEN started_at"
		 " ELSE coalesce(started_at, ?3) END,"
		 " finished_at = CASE WHEN " IS_FINAL " THEN ?3 END,"
		 " pause = CASE ?5 ->> 'state' WHEN 'paused' THEN"
		 " json_set(nullif(?5 -> 'pause', 'null'), '$.since', " TIME("?3") ") END,"
		 " exit = CASE WHEN " IS_FINAL " THEN json_object("
		 "'reason', ?5 -> '$.exit.reason', 'detail', ?5 -> '$.exit.detail') END" THIS_JOB,
		 NULL},
	[PROJECT_EDIT] = {"UPDATE job SET"
			  " name = CASE WHEN ?5 -> 'name' IS NULL THEN name ELSE ?5 ->> 'name' END,"
			  " labels = coalesce(nullif(?5 -> 'labels', 'null'), labels),"
			  " parallel = coalesce(?5 ->> 'parallel', parallel),"
			  " max_trials = coalesce(?5 ->> 'max_trials', max_trials),"
			  " timeout = coalesce(nullif(?5 -> 'timeout', 'null'), timeout)" THIS_JOB,
			  NULL},
	[PROJECT_STAGE] = {"UPDATE job SET stage = ?5 ->> 'stage'" THIS_JOB, NULL},
	/* A trial that was counted as failed or cancelled comes back: it is neither any more. */
	[PROJECT_REOPEN] = {"UPDATE job SET failed = failed - " OF_TRIAL("t.state = 'failed'")
			    ", cancelled = cancelled - " OF_TRIAL("t.state = 'cancelled'")
			    WHEN_TRIAL(FAILS " AND t.state IN ('failed', 'cancelled')"),
			    NULL},
	[PROJECT_ASK_COUNT] = {"UPDATE job SET asked = asked + 1" THIS_JOB
			       " AND ?5 ->> 'kind' = 'evaluate' AND coalesce(?5 ->> 'source', "
			       "'measured') = 'measured'"
			       " AND NOT EXISTS (SELECT 1 FROM trial" THIS_TRIAL ")",
			       NULL},
	[PROJECT_ASK] =
		{"INSERT INTO trial (job, number, kind, stage, state, source, hash, method,"
		 " asked_at, asked_n)"
		 " VALUES (?1, ?4, ?5 ->> 'kind', ?5 ->> 'stage', 'asked',"
		 " coalesce(?5 ->> 'source', 'measured'), ?5 ->> 'hash', ?5 ->> 'method', ?3, ?2)"
		 " ON CONFLICT (job, number) DO UPDATE SET state = 'asked', error = NULL"
		 " WHERE state IN ('failed', 'cancelled')",
		 "the trial was asked before"},
	[PROJECT_LEASE] = {"UPDATE trial SET state = 'leased',"
			   " attempts = coalesce(?5 ->> 'attempt', attempts + 1)" THIS_TRIAL
			   " AND state <> 'told'",
			   "the trial does not exist or has its result"},
	[PROJECT_UNLEASE] = {"UPDATE trial SET state = 'asked'" THIS_TRIAL " AND state = 'leased'",
			     NULL},
	[PROJECT_RETURN] = {"UPDATE trial SET state = 'asked', attempts = attempts - 1" THIS_TRIAL
			    " AND state = 'leased'",
			    NULL},
	[PROJECT_LEASE_GIVEN] = {"INSERT INTO lease (id, job, trial, n, at_ms)"
				 " SELECT ?5 ->> 'lease', ?1, ?4, ?2, ?3"
				 " WHERE ?5 ->> 'lease' IS NOT NULL ON CONFLICT (id) DO NOTHING",
				 NULL},
	/* An answer may say that the attempt has failed. */
	[PROJECT_LEASE_OVER] = {"UPDATE lease SET at_ms = ?3,"
				" answer = coalesce(?5 ->> 'answer', answer)" LAST_LEASE,
				NULL},
	[PROJECT_LEASE_TOLD] = {"UPDATE lease SET at_ms = ?3,"
				" answer = coalesce(?5 ->> 'answer', '')" LAST_LEASE,
				NULL},
	[PROJECT_TELL_COUNT] =
		{"UPDATE job SET told = told + " OF_TRIAL(EVALUATES)
		 ", measured = measured + " OF_TRIAL(EVALUATES " AND " SOURCE " = 'measured'")
		 ", cached = cached + " OF_TRIAL(EVALUATES " AND " SOURCE " = 'cache'")
		 ", active_s = coalesce(nullif(?5 -> 'active_s', 'null'), active_s)"
		 WHEN_TRIAL("true"),
		 NULL},
	[PROJECT_TELL] =
		{"UPDATE trial SET state = 'told', told_at = ?3, told_n = ?2, error = NULL,"
		 " " COUNTS_AGAIN ","
		 " source = coalesce(?5 ->> 'source', source),"
		 " accuracy = nullif(?5 -> 'accuracy', 'null'),"
		 " accuracy_value = " ACCURACY ","
		 " metrics = nullif(?5 -> 'metrics', 'null'),"
		 " latency_ms = CAST(?5 ->> '$.metrics.latency_ms' AS REAL),"
		 " feasible = ?5 ->> 'feasible',"
		 " objective_value = nullif(?5 -> 'objective_value', 'null'),"
		 " worker = ?5 ->> 'worker'" THIS_TRIAL " AND state <> 'told'",
		 "the trial does not exist or has its result"},
	/* The numbers of part of a measurement are in its event alone. */
	[PROJECT_PRUNE] = {"UPDATE trial SET state = 'pruned', told_at = ?3, told_n = ?2,"
			   " " COUNTS_AGAIN ", error = NULL, feasible = 0, source = coalesce(?5 ->> 'source', source),"
			   " worker = ?5 ->> 'worker'" THIS_TRIAL " AND state <> 'told'",
			   "the trial does not exist or has its result"},
	[PROJECT_FAIL_COUNT] = {"UPDATE job SET failed = failed + 1" WHEN_TRIAL(FAILS), NULL},
	[PROJECT_FAIL] = {"UPDATE trial SET state = 'failed', " COUNTS_AGAIN ", error = ?5 ->> 'error',"
			  " worker = ?5 ->> 'worker',"
			  " attempts = coalesce(?5 ->> 'attempts', attempts)" THIS_TRIAL
			  " AND state <> 'told'",
			  "the trial does not exist or has its result"},
	/* A measurement that was excluded counts no more once it is made again. */
	[PROJECT_UNTELL_COUNT] = {"UPDATE job SET told = told - 1,"
				  " measured = measured - " OF_TRIAL("t.source = 'measured'")
				  ", cached = cached - " OF_TRIAL("t.source = 'cache'")
				  WHEN_TRIAL(EVALUATES " AND t.state IN ('told', 'pruned')"),
				  NULL},
	[PROJECT_RETRY] = {"UPDATE trial SET state = 'asked', error = NULL, accuracy = NULL,"
			   " accuracy_value = NULL, metrics = NULL, latency_ms = NULL,"
			   " feasible = NULL, objective_value = NULL, told_at = NULL,"
			   " told_n = NULL" THIS_TRIAL
			   " AND (state = 'failed' OR excluded IS NOT NULL)",
			   "the trial has not failed"},
	[PROJECT_EXCLUDE] = {"UPDATE trial SET excluded = ?5 ->> 'reason',"
			     " excluded_at = ?3" THIS_TRIAL,
			     "the trial does not exist"},
	[PROJECT_INCLUDE] = {"UPDATE trial SET excluded = NULL, excluded_at = NULL" THIS_TRIAL,
			     "the trial does not exist"},
	/* All that have its config, whoever measured them. The first rejection says why. */
	[PROJECT_REJECT] = {"UPDATE trial SET rejected = json_object('reason', ?5 ->> 'detail',"
			    " 'at', " TIME("?3") ", 'accuracy_loss', ?5 -> 'accuracy_loss')"
			    " WHERE job = ?1 AND ?5 ->> 'rejects' AND rejected IS NULL"
			    " AND kind = 'evaluate'"
			    " AND (number = ?4 OR hash = " OF_TRIAL("t.hash") ")",
			    NULL},
	[PROJECT_ASK_REJECTED] = {"UPDATE trial SET rejected = (SELECT t.rejected FROM trial AS t"
				  " WHERE t.job = ?1 AND t.number = ?5 ->> 'twin')" THIS_TRIAL
				  " AND kind = 'evaluate' AND ?5 ->> 'twin' IS NOT NULL",
				  NULL},
	/* Until another event names one. */
	[PROJECT_NO_BEST] = {"UPDATE job SET best = NULL, best_trial = NULL" THIS_JOB
			     " AND best_trial = ?4",
			     NULL},
	[PROJECT_CANCEL_COUNT] = {"UPDATE job SET cancelled = cancelled + 1" WHEN_TRIAL(FAILS),
				  NULL},
	[PROJECT_CANCEL] = {"UPDATE trial SET state = 'cancelled', " COUNTS_AGAIN THIS_TRIAL
			    " AND state <> 'told'",
			    "the trial does not exist or has its result"},
	[PROJECT_IMPORT_COUNT] = {"UPDATE job SET imported = imported + 1" THIS_JOB
				  " AND ?5 ->> 'kind' = 'evaluate'",
				  NULL},
	[PROJECT_IMPORT] =
		{"INSERT INTO trial (job, number, kind, stage, state, source, hash, method,"
		 " accuracy, accuracy_value, metrics, latency_ms, feasible, objective_value,"
		 " asked_at, told_at, asked_n, told_n)"
		 " VALUES (?1, ?4, ?5 ->> 'kind', ?5 ->> 'stage', 'told', 'imported',"
		 " ?5 ->> 'hash', ?5 ->> 'method', ?5 -> 'accuracy', " ACCURACY ", ?5 -> 'metrics',"
		 " CAST(?5 ->> '$.metrics.latency_ms' AS REAL), ?5 ->> 'feasible',"
		 " ?5 -> 'objective_value', ?3, ?3, ?2, ?2)",
		 NULL},
	/* The event that says how a trial stands is the one that its margin is read from. */
	[PROJECT_JUDGE] = {"UPDATE trial SET feasible = ?5 ->> 'feasible',"
			   " objective_value = ?5 -> 'objective_value', told_n = ?2" THIS_TRIAL
			   " AND source = 'imported'",
			   "the trial was not imported"},
	[PROJECT_BASELINE] =
		{"UPDATE job SET bound = nullif(?5 -> 'bound', 'null'), baseline = json_object("
		 "'trial', ?4, 'accuracy', ?5 -> 'accuracy', 'metrics', ?5 -> 'metrics')" THIS_JOB,
		 NULL},
	[PROJECT_BEST] = {"UPDATE job SET best_trial = ?4, best = json_object('trial', ?4,"
			  " 'feasible', ?5 -> 'feasible', 'accuracy', ?5 -> 'accuracy',"
			  " 'accuracy_loss', ?5 -> 'accuracy_loss',"
			  " 'objective_value', ?5 -> 'objective_value', 'speedup', ?5 -> 'speedup',"
			  " 'gain', ?5 -> 'gain', 'gain_interval', ?5 -> 'gain_interval',"
			  " 'measurements', ?5 -> 'measurements', 'metrics', ?5 -> 'metrics',"
			  " 'accuracy_range', ?5 -> 'accuracy_range',"
			  " 'objective_range', ?5 -> 'objective_range', 'nearest', ?5 -> 'nearest',"
			  " 'keep_baseline', ?5 -> 'keep_baseline',"
			  " 'keep_baseline_because', ?5 -> 'keep_baseline_because',"
			  " 'verdict', ?5 -> 'verdict', 'baseline', ?5 -> 'baseline')" THIS_JOB,
			  NULL},
	[PROJECT_RANK] = {"UPDATE trial SET objective_value = rank.value FROM"
			  " (SELECT key, value FROM json_each(?5, '$.values')) AS rank"
			  " WHERE trial.job = ?1 AND trial.number = rank.key"
			  " AND kind = 'evaluate' AND state = 'told'",
			  NULL},
	[PROJECT_HINT] = {"UPDATE job SET hint = ?5 ->> 'detail'" THIS_JOB, NULL},
	/* The same warning is shown once, and a flood of them is cut: the log has them all. */
	[PROJECT_WARN] = {"UPDATE job SET warnings = json_insert(warnings, '$[#]', " WARNING
			  ")" THIS_JOB
			  " AND ?5 ->> 'detail' IS NOT NULL AND json_array_length(warnings) < 100"
			  " AND NOT EXISTS"
			  " (SELECT 1 FROM json_each(job.warnings) WHERE value = " WARNING ")",
			  NULL},
};
/* clang-format on */

/* What each type of event does, in this order. PROJECT_JOB, which is 0, ends a list. */
static const enum project_statement rules[][5] = {
	[LOGGED_JOB_SUBMITTED] = {PROJECT_CREATED},
	[LOGGED_STATE_CHANGED] = {PROJECT_STATE},
	[LOGGED_JOB_EDITED] = {PROJECT_EDIT},
	[LOGGED_STAGE_ENTERED] = {PROJECT_STAGE},
	[LOGGED_QUESTION_ASKED] = {PROJECT_REOPEN, PROJECT_ASK_COUNT, PROJECT_ASK,
				   PROJECT_ASK_REJECTED},
	[LOGGED_QUESTION_LEASED] = {PROJECT_REOPEN, PROJECT_LEASE, PROJECT_LEASE_GIVEN},
	[LOGGED_LEASE_ACCEPTED] = {PROJECT_JOB},
	[LOGGED_LEASE_EXPIRED] = {PROJECT_UNLEASE, PROJECT_LEASE_OVER},
	[LOGGED_LEASE_RETURNED] = {PROJECT_RETURN, PROJECT_LEASE_OVER},
	[LOGGED_ATTEMPT_FAILED] = {PROJECT_UNLEASE, PROJECT_LEASE_OVER},
	[LOGGED_LATE_ANSWER] = {PROJECT_JOB},
	[LOGGED_TRIAL_TOLD] = {PROJECT_REOPEN, PROJECT_TELL_COUNT, PROJECT_TELL,
			       PROJECT_LEASE_TOLD},
	[LOGGED_TRIAL_IMPORTED] = {PROJECT_IMPORT_COUNT, PROJECT_IMPORT},
	[LOGGED_TRIAL_JUDGED] = {PROJECT_JUDGE},
	[LOGGED_TRIAL_FAILED] = {PROJECT_REOPEN, PROJECT_FAIL_COUNT, PROJECT_FAIL},
	[LOGGED_TRIAL_PRUNED] = {PROJECT_REOPEN, PROJECT_TELL_COUNT, PROJECT_PRUNE,
				 PROJECT_LEASE_OVER},
	[LOGGED_TRIAL_CANCELLED] = {PROJECT_REOPEN, PROJECT_CANCEL_COUNT, PROJECT_CANCEL,
				    PROJECT_LEASE_OVER},
	[LOGGED_TRIAL_RETRIED] = {PROJECT_REOPEN, PROJECT_UNTELL_COUNT, PROJECT_RETRY},
	[LOGGED_TRIAL_REVISED] = {PROJECT_JOB},
	[LOGGED_TRIAL_EXCLUDED] = {PROJECT_EXCLUDE, PROJECT_NO_BEST},
	[LOGGED_TRIAL_INCLUDED] = {PROJECT_INCLUDE},
	[LOGGED_BASELINE_MEASURED] = {PROJECT_BASELINE},
	[LOGGED_NEW_BEST] = {PROJECT_BEST},
	[LOGGED_TRIALS_RANKED] = {PROJECT_RANK},
	[LOGGED_NO_GAIN_SO_FAR] = {PROJECT_HINT},
	[LOGGED_MEASUREMENT_DISAGREES] = {PROJECT_WARN, PROJECT_REJECT},
	[LOGGED_WARNING] = {PROJECT_WARN},
	[LOGGED_TIMEOUT] = {PROJECT_JOB},
	[LOGGED_SCORES_TOLD] = {PROJECT_JOB},
	[LOGGED_SCORES_TAKEN] = {PROJECT_JOB},
};

_Static_assert(sizeof(rules) / sizeof(rules[0]) == LOGGED_TYPES_, "every event is projected");

int project_init(struct project *project, sqlite3 *db, struct err *reterr)
{
	*project = (struct project){.db = db};
	for (int i = 0; i < PROJECT_STATEMENTS_; i++) {
		int rc = db_prepare(db, statements[i].sql, &project->statements[i], reterr);

		if (rc != 0) {
			project_finish(project);
			return rc;
		}
	}
	return 0;
}

void project_finish(struct project *project)
{
	for (int i = 0; i < PROJECT_STATEMENTS_; i++) {
		(void)sqlite3_finalize(project->statements[i]);
		project->statements[i] = NULL;
	}
}

int project_job(struct project *project, const char *job, const char *head, struct err *reterr)
{
	sqlite3_stmt *stmt = project->statements[PROJECT_JOB];

	db_bind_text(stmt, 1, job);
	db_bind_text(stmt, 2, head);
	return db_run(stmt, reterr);
}

/* SQLite refuses to bind a parameter beyond the last one that a statement has. */
static void bind_event(sqlite3_stmt *stmt, const struct project_event *event)
{
	int count = sqlite3_bind_parameter_count(stmt);

	db_bind_text(stmt, 1, event->job);
	if (count >= 2) {
		(void)sqlite3_bind_int64(stmt, 2, event->n);
	}
	if (count >= 3) {
		(void)sqlite3_bind_int64(stmt, 3, event->is->at_ms);
	}
	if (count >= 4 && event->is->trial >= 0) {
		(void)sqlite3_bind_int64(stmt, 4, event->is->trial);
	}
	if (count >= 5) {
		db_bind_text(stmt, 5, event->is->data);
	}
}

static int apply(struct project *project, enum project_statement which,
		 const struct project_event *event, struct err *reterr)
{
	sqlite3_stmt *stmt = project->statements[which];
	int rc;

	bind_event(stmt, event);
	rc = db_run(stmt, reterr);
	if (rc != 0) {
		return err_prefix(reterr, "event %s of job %s", logged_name(event->is->type),
				  event->job);
	}
	if (statements[which].refusal != NULL && sqlite3_changes(project->db) != 1) {
		return err_set(reterr, ERR_WRONG_STATE, "event %s of job %s, trial %lld: %s",
			       logged_name(event->is->type), event->job,
			       (long long)event->is->trial, statements[which].refusal);
	}
	return 0;
}

int project_apply(struct project *project, const struct project_event *event, struct err *reterr)
{
	int rc = 0;

	if (event->is->type == LOGGED_TYPES_) {
		return err_set(reterr, ERR_INTERNAL,
			       "an event of job %s is of no type that there is", event->job);
	}
	for (const enum project_statement *does = rules[event->is->type];
	     rc == 0 && *does != PROJECT_JOB; does++) {
		rc = apply(project, *does, event, reterr);
	}
	return rc == 0 ? apply(project, PROJECT_VERSION, event, reterr) : rc;
}
