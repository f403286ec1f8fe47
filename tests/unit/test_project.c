/* What each event does to the rows of jobs and trials: one database in memory, one event after the other. */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/db.h"
#include "store/member.h"
#include "store/project.h"
#include "store/schema.h"
#include "store/seal.h"
#include "store/sum.h"

static sqlite3 *db;
static struct project project;
static int64_t n;

static void begin(void)
{
	struct err err;

	cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	cr_assert_eq(sum_register(db, &err), 0);
	cr_assert_eq(member_register(db, &err), 0);
	cr_assert_eq(seal_register(db, &err), 0);
	cr_assert_eq(schema_upgrade(db, ":memory:", schema_steps, schema_step_count, &err), 0, "%s",
		     err.message);
	cr_assert_eq(db_exec(db, "PRAGMA foreign_keys = OFF", &err), 0);
	cr_assert_eq(project_init(&project, db, &err), 0, "%s", err.message);
	cr_assert_eq(project_job(&project, "j",
				 "{\"name\": \"n1\", \"labels\": {\"a\": \"b\"}, \"parallel\": 2, "
				 "\"max_trials\": 50, \"timeout\": 0.50, \"warnings\": "
				 "[{\"pointer\": null, \"detail\": \"odd\"}]}",
				 &err),
		     0, "%s", err.message);
	n = 0;
}

static void end(void)
{
	project_finish(&project);
	cr_assert_eq(sqlite3_close(db), SQLITE_OK, "a statement is left");
}

TestSuite(project, .init = begin, .fini = end);

static int apply(enum logged type, int64_t trial, const char *data, struct err *reterr)
{
	struct log_event event = {type, 1000 + 10 * n, trial, data};
	struct project_event applied = {"j", n + 1, &event};
	int rc;

	(void)db_exec(db, "SAVEPOINT s", reterr);
	rc = project_apply(&project, &applied, reterr);
	if (rc == 0) {
		n++;
	} else {
		(void)sqlite3_exec(db, "ROLLBACK TO s", NULL, NULL, NULL);
	}
	(void)sqlite3_exec(db, "RELEASE s", NULL, NULL, NULL);
	return rc;
}

static void happens(enum logged type, int64_t trial, const char *data)
{
	struct err err;

	cr_assert_eq(apply(type, trial, data, &err), 0, "%s of %s: %s", logged_name(type), data,
		     err.message);
}

static void refused(enum logged type, int64_t trial, const char *data)
{
	struct err err;

	cr_expect_eq(apply(type, trial, data, &err), -ERR_WRONG_STATE, "%s of trial %lld",
		     logged_name(type), (long long)trial);
}

/* The values of one row, with a space between; "-" is null. */
static void row_is(const char *sql, const char *expected)
{
	sqlite3_stmt *stmt;
	char text[2000] = "";

	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s: %s", sql,
		     sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW, "%s", sql);
	for (int i = 0; i < sqlite3_column_count(stmt); i++) {
		const unsigned char *value = sqlite3_column_text(stmt, i);

		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			       i > 0 ? " " : "", value != NULL ? (const char *)value : "-");
	}
	(void)sqlite3_finalize(stmt);
	cr_expect_str_eq(text, expected, "%s\n  gives\n%s\n  and not\n%s", sql, text, expected);
}

/* How many configs were asked for, told, measured, cached, failed, cancelled, imported. */
static void counts_are(const char *expected)
{
	row_is("SELECT asked, told, measured, cached, failed, cancelled, imported FROM job",
	       expected);
}

#define CONFIG "{\"kind\": \"evaluate\", \"stage\": \"all\", \"hash\": \"00ff\"}"
#define CACHED "{\"kind\": \"evaluate\", \"stage\": \"all\", \"source\": \"cache\"}"
#define TOLD                                                                                       \
	"{\"accuracy\": 0.90, \"metrics\": {\"latency_ms\": 5.50}, \"feasible\": true, "           \
	"\"objective_value\": 5.50, \"source\": \"measured\", \"worker\": \"w\", \"active_s\": "   \
	"7.50}"

Test(project, a_job_begins_as_it_was_submitted)
{
	row_is("SELECT state, version, name, labels, parallel, max_trials, timeout, active_s, "
	       "warnings FROM job",
	       "queued 0 n1 {\"a\":\"b\"} 2 50 0.50 0 [{\"pointer\":null,\"detail\":\"odd\"}]");
	happens(LOGGED_JOB_SUBMITTED, -1, "{}");
	row_is("SELECT created_at, version, started_at FROM job", "1000 1 -");
}

Test(project, a_body_that_says_little_has_defaults)
{
	struct err err;

	cr_assert_eq(project_job(&project, "k", "{}", &err), 0);
	row_is("SELECT name, labels, parallel, max_trials, timeout, warnings FROM job WHERE id = "
	       "'k'",
	       "- {} 1 100 0 []");
}

Test(project, states_have_their_times_and_reasons)
{
	happens(LOGGED_STATE_CHANGED, -1, "{\"state\": \"queued\"}");
	row_is("SELECT state, started_at, active_s FROM job", "queued - 0");
	happens(LOGGED_STATE_CHANGED, -1, "{\"state\": \"baseline\", \"active_s\": 0.0}");
	happens(LOGGED_STATE_CHANGED, -1, "{\"state\": \"running\", \"active_s\": 1.50}");
	row_is("SELECT state, started_at, finished_at, active_s, pause, exit FROM job",
	       "running 1010 - 1.50 - -");
	happens(LOGGED_STATE_CHANGED, -1,
		"{\"state\": \"paused\", \"pause\": {\"reason\": \"requested\"}, \"active_s\": "
		"null}");
	row_is("SELECT state, finished_at, active_s, pause FROM job",
	       "paused - 1.50 {\"reason\":\"requested\",\"since\":\"1970-01-01T00:00:01.030Z\"}");
	happens(LOGGED_STATE_CHANGED, -1, "{\"state\": \"running\"}");
	row_is("SELECT pause, exit FROM job", "- -");
	happens(LOGGED_STATE_CHANGED, -1,
		"{\"state\": \"completed\", \"exit\": {\"reason\": \"r\", \"detail\": \"d\"}}");
	row_is("SELECT state, started_at, finished_at, exit, version FROM job",
	       "completed 1010 1050 {\"reason\":\"r\",\"detail\":\"d\"} 6");
}

Test(project, every_way_to_end_is_an_end)
{
	static const char *const ends[] = {"completed", "failed", "cancelled"};

	for (size_t i = 0; i < 3; i++) {
		char *data =
			mem_printf("{\"state\": \"%s\", \"exit\": {\"reason\": \"r\"}}", ends[i]);

		happens(LOGGED_STATE_CHANGED, -1, data);
		row_is("SELECT finished_at IS NOT NULL, exit ->> 'reason' FROM job", "1 r");
		free(data);
		happens(LOGGED_STATE_CHANGED, -1, "{\"state\": \"running\"}");
		row_is("SELECT finished_at, exit FROM job", "- -");
	}
}

Test(project, edits_change_what_they_name)
{
	happens(LOGGED_JOB_EDITED, -1, "{\"name\": null, \"parallel\": 5}");
	row_is("SELECT name, labels, parallel, max_trials, timeout FROM job",
	       "- {\"a\":\"b\"} 5 50 0.50");
	happens(LOGGED_JOB_EDITED, -1,
		"{\"labels\": {}, \"max_trials\": 7, \"timeout\": 2.50, \"name\": \"x\"}");
	row_is("SELECT name, labels, parallel, max_trials, timeout FROM job", "x {} 5 7 2.50");
	happens(LOGGED_JOB_EDITED, -1, "{\"labels\": null, \"timeout\": null}");
	row_is("SELECT name, labels, parallel, max_trials, timeout FROM job", "x {} 5 7 2.50");
	happens(LOGGED_STAGE_ENTERED, -1, "{\"stage\": \"two\"}");
	row_is("SELECT stage FROM job", "two");
}

Test(project, a_trial_from_question_to_answer)
{
	happens(LOGGED_QUESTION_ASKED, 0, CONFIG);
	row_is("SELECT kind, stage, state, source, hash, method, attempts, asked_at, asked_n, "
	       "told_at FROM trial",
	       "evaluate all asked measured 00ff - 0 1000 1 -");
	counts_are("1 0 0 0 0 0 0");
	happens(LOGGED_QUESTION_LEASED, 0, "{\"lease\": \"l1\", \"attempt\": 1}");
	row_is("SELECT state, attempts FROM trial", "leased 1");
	row_is("SELECT id, trial, n, at_ms, answer FROM lease", "l1 0 2 1010 -");
	happens(LOGGED_LEASE_ACCEPTED, 0, "{}");
	happens(LOGGED_ATTEMPT_FAILED, 0, "{\"answer\": \"h1\"}");
	row_is("SELECT state, attempts FROM trial", "asked 1");
	row_is("SELECT at_ms, answer FROM lease", "1030 h1");
	happens(LOGGED_QUESTION_LEASED, 0, "{\"lease\": \"l2\"}");
	row_is("SELECT state, attempts FROM trial", "leased 2");
	happens(LOGGED_TRIAL_TOLD, 0, TOLD);
	row_is("SELECT state, accuracy, accuracy_value, metrics, latency_ms, feasible, "
	       "objective_value, worker, error, told_at, told_n, source FROM trial",
	       "told 0.90 0.9 {\"latency_ms\":5.50} 5.5 1 5.50 w - 1050 6 measured");
	row_is("SELECT at_ms, answer FROM lease WHERE id = 'l2'", "1050 ");
	row_is("SELECT at_ms, answer FROM lease WHERE id = 'l1'", "1030 h1");
	counts_are("1 1 1 0 0 0 0");
	row_is("SELECT active_s, version FROM job", "7.50 6");
	refused(LOGGED_TRIAL_TOLD, 0, TOLD);
	refused(LOGGED_TRIAL_FAILED, 0, "{\"error\": \"e\"}");
	refused(LOGGED_TRIAL_PRUNED, 0, "{}");
	refused(LOGGED_TRIAL_CANCELLED, 0, "{}");
	refused(LOGGED_QUESTION_LEASED, 0, "{\"lease\": \"l3\"}");
	refused(LOGGED_QUESTION_ASKED, 0, CONFIG);
	refused(LOGGED_TRIAL_RETRIED, 0, "{}");
	refused(LOGGED_TRIAL_JUDGED, 0, "{}");
	counts_are("1 1 1 0 0 0 0");
}

Test(project, what_is_not_there_is_refused)
{
	struct log_event event = {LOGGED_WARNING, 1, -1, "{}"};
	struct project_event other = {"x", 1, &event};
	struct err err;

	refused(LOGGED_QUESTION_LEASED, 3, "{\"lease\": \"l\"}");
	refused(LOGGED_TRIAL_TOLD, 3, TOLD);
	refused(LOGGED_TRIAL_FAILED, 3, "{}");
	refused(LOGGED_TRIAL_PRUNED, 3, "{}");
	refused(LOGGED_TRIAL_CANCELLED, 3, "{}");
	refused(LOGGED_TRIAL_RETRIED, 3, "{}");
	refused(LOGGED_TRIAL_EXCLUDED, 3, "{\"reason\": \"r\"}");
	refused(LOGGED_TRIAL_INCLUDED, 3, "{}");
	refused(LOGGED_TRIAL_JUDGED, 3, "{}");
	cr_assert_eq(apply(LOGGED_TYPES_, -1, "{}", &err), -ERR_INTERNAL);
	cr_assert_eq(project_apply(&project, &other, &err), -ERR_WRONG_STATE);
	cr_assert_not_null(strstr(err.message, "the job does not exist"), "%s", err.message);
}

Test(project, leases_end_without_an_answer)
{
	happens(LOGGED_QUESTION_ASKED, 0, CONFIG);
	happens(LOGGED_QUESTION_LEASED, 0, "{\"lease\": \"l1\", \"attempt\": 1}");
	happens(LOGGED_LEASE_EXPIRED, 0, "{}");
	row_is("SELECT state, attempts FROM trial", "asked 1");
	row_is("SELECT at_ms, answer FROM lease", "1020 -");
	happens(LOGGED_QUESTION_LEASED, 0, "{\"lease\": \"l2\", \"attempt\": 2}");
	happens(LOGGED_LEASE_RETURNED, 0, "{\"answer\": \"h\"}");
	row_is("SELECT state, attempts FROM trial", "asked 1");
	row_is("SELECT at_ms, answer FROM lease WHERE id = 'l2'", "1040 h");
	happens(LOGGED_LEASE_RETURNED, 0, "{}");
	row_is("SELECT state, attempts FROM trial", "asked 1");
	happens(LOGGED_QUESTION_LEASED, 0, "{\"lease\": \"l2\", \"attempt\": 2}");
	row_is("SELECT count(*) FROM lease", "2");
	happens(LOGGED_QUESTION_LEASED, 0, "{\"attempt\": 3}");
	row_is("SELECT count(*) FROM lease", "2");
	happens(LOGGED_TRIAL_CANCELLED, 0, "{\"answer\": \"c\"}");
	row_is("SELECT at_ms, answer FROM lease WHERE id = 'l2'", "1080 c");
}

Test(project, only_configs_are_counted)
{
	happens(LOGGED_QUESTION_ASKED, 0, "{\"kind\": \"baseline\", \"stage\": \"baseline\"}");
	happens(LOGGED_TRIAL_TOLD, 0, TOLD);
	happens(LOGGED_QUESTION_ASKED, 1, "{\"kind\": \"score\", \"method\": \"mse\"}");
	row_is("SELECT kind, method FROM trial WHERE number = 1", "score mse");
	happens(LOGGED_TRIAL_FAILED, 1, "{\"error\": \"e\"}");
	happens(LOGGED_QUESTION_ASKED, 2, "{\"kind\": \"confirm\"}");
	happens(LOGGED_TRIAL_CANCELLED, 2, "{}");
	happens(LOGGED_TRIAL_IMPORTED, 3, "{\"kind\": \"score\", \"method\": \"mse\"}");
	counts_are("0 0 0 0 0 0 0");
}

Test(project, what_shares_an_answer_is_counted_apart)
{
	happens(LOGGED_QUESTION_ASKED, 0, CONFIG);
	happens(LOGGED_QUESTION_ASKED, 1, CACHED);
	happens(LOGGED_QUESTION_ASKED, 2, CACHED);
	happens(LOGGED_QUESTION_ASKED, 3, CACHED);
	counts_are("1 0 0 0 0 0 0");
	happens(LOGGED_TRIAL_TOLD, 0, TOLD);
	happens(LOGGED_TRIAL_TOLD, 1,
		"{\"accuracy\": 0.9, \"metrics\": {}, \"source\": \"cache\"}");
	counts_are("1 2 1 1 0 0 0");
	happens(LOGGED_TRIAL_FAILED, 2, "{\"error\": \"e\"}");
	happens(LOGGED_TRIAL_CANCELLED, 3, "{}");
	counts_are("1 2 1 1 0 0 0");
}

Test(project, a_failed_trial_that_comes_back_has_not_failed)
{
	happens(LOGGED_QUESTION_ASKED, 0, CONFIG);
	happens(LOGGED_TRIAL_FAILED, 0, "{\"error\": \"e\", \"attempts\": 3, \"worker\": \"w\"}");
	row_is("SELECT state, error, attempts, worker FROM trial", "failed e 3 w");
	counts_are("1 0 0 0 1 0 0");
	happens(LOGGED_TRIAL_RETRIED, 0, "{}");
	row_is("SELECT state, error, attempts FROM trial", "asked - 3");
	counts_are("1 0 0 0 0 0 0");
	happens(LOGGED_TRIAL_FAILED, 0, "{\"error\": \"e\"}");
	row_is("SELECT attempts FROM trial", "3");
	counts_are("1 0 0 0 1 0 0");
	happens(LOGGED_TRIAL_TOLD, 0, TOLD);
	counts_are("1 1 1 0 0 0 0");
	row_is("SELECT error FROM trial", "-");
	happens(LOGGED_QUESTION_ASKED, 1, CONFIG);
	happens(LOGGED_TRIAL_CANCELLED, 1, "{}");
	counts_are("2 1 1 0 0 1 0");
	happens(LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l\"}");
	counts_are("2 1 1 0 0 0 0");
	happens(LOGGED_TRIAL_CANCELLED, 1, "{}");
	happens(LOGGED_QUESTION_ASKED, 1, CONFIG);
	row_is("SELECT state FROM trial WHERE number = 1", "asked");
	counts_are("2 1 1 0 0 0 0");
}

Test(project, what_was_pruned_is_told_without_numbers)
{
	happens(LOGGED_QUESTION_ASKED, 0, CONFIG);
	happens(LOGGED_QUESTION_LEASED, 0, "{\"lease\": \"l\"}");
	happens(LOGGED_TRIAL_PRUNED, 0,
		"{\"estimate\": 0.5, \"source\": \"measured\", \"worker\": "
		"\"w\", \"answer\": \"h\"}");
	row_is("SELECT state, feasible, accuracy, told_at, told_n, source, worker FROM trial",
	       "pruned 0 - 1020 3 measured w");
	row_is("SELECT at_ms, answer FROM lease", "1020 h");
	counts_are("1 1 1 0 0 0 0");
	happens(LOGGED_QUESTION_ASKED, 1, CACHED);
	happens(LOGGED_TRIAL_PRUNED, 1, "{\"source\": \"cache\"}");
	counts_are("1 2 1 1 0 0 0");
}

Test(project, an_excluded_measurement_counts_until_it_is_made_again)
{
	happens(LOGGED_QUESTION_ASKED, 0, CONFIG);
	happens(LOGGED_TRIAL_TOLD, 0, TOLD);
	happens(LOGGED_NEW_BEST, 0, "{\"feasible\": true, \"accuracy\": 0.90}");
	happens(LOGGED_TRIAL_EXCLUDED, 0, "{\"reason\": \"busy\"}");
	row_is("SELECT excluded, excluded_at FROM trial", "busy 1030");
	row_is("SELECT best, best_trial FROM job", "- -");
	happens(LOGGED_TRIAL_INCLUDED, 0, "{}");
	row_is("SELECT excluded, excluded_at FROM trial", "- -");
	happens(LOGGED_NEW_BEST, 0, "{\"feasible\": true}");
	happens(LOGGED_QUESTION_ASKED, 1, CONFIG);
	happens(LOGGED_TRIAL_TOLD, 1, TOLD);
	happens(LOGGED_TRIAL_EXCLUDED, 1, "{\"reason\": \"busy\"}");
	row_is("SELECT best_trial FROM job", "0");
	counts_are("2 2 2 0 0 0 0");
	happens(LOGGED_TRIAL_RETRIED, 1, "{}");
	counts_are("2 1 1 0 0 0 0");
	row_is("SELECT state, accuracy, accuracy_value, metrics, latency_ms, feasible, "
	       "objective_value, told_at, told_n, excluded FROM trial WHERE number = 1",
	       "asked - - - - - - - - busy");
	happens(LOGGED_TRIAL_TOLD, 1, TOLD);
	row_is("SELECT excluded, excluded_at FROM trial WHERE number = 1", "- -");
	counts_are("2 2 2 0 0 0 0");
	happens(LOGGED_QUESTION_ASKED, 2, CACHED);
	happens(LOGGED_TRIAL_TOLD, 2, "{\"source\": \"cache\"}");
	happens(LOGGED_TRIAL_EXCLUDED, 2, "{\"reason\": \"busy\"}");
	counts_are("2 3 2 1 0 0 0");
	happens(LOGGED_TRIAL_RETRIED, 2, "{}");
	counts_are("2 2 2 0 0 0 0");
}

#define AS(kind, more) "{\"kind\": \"" kind "\", \"stage\": \"all\", " more "}"
#define REJECTED       "SELECT group_concat(number || coalesce(rejected ->> 'reason', '-')) FROM trial"

Test(project, a_rejection_is_of_every_trial_of_the_config_and_stays)
{
	happens(LOGGED_QUESTION_ASKED, 0, CONFIG);
	happens(LOGGED_TRIAL_TOLD, 0, TOLD);
	happens(LOGGED_QUESTION_ASKED, 1, CONFIG);
	happens(LOGGED_QUESTION_ASKED, 2, AS("evaluate", "\"hash\": \"01\""));
	happens(LOGGED_QUESTION_ASKED, 3, AS("confirm", "\"hash\": \"00ff\", \"twin\": 0"));
	happens(LOGGED_MEASUREMENT_DISAGREES, 0, "{\"detail\": \"by noise\"}");
	row_is(REJECTED, "0-,1-,2-,3-");
	happens(LOGGED_MEASUREMENT_DISAGREES, 0,
		"{\"detail\": \"r\", \"rejects\": true, \"accuracy_loss\": 0.50}");
	happens(LOGGED_MEASUREMENT_DISAGREES, 0, "{\"detail\": \"s\", \"rejects\": true}");
	happens(LOGGED_QUESTION_ASKED, 4, AS("evaluate", "\"twin\": 0"));
	happens(LOGGED_QUESTION_ASKED, 5, AS("evaluate", "\"twin\": 2"));
	happens(LOGGED_TRIAL_EXCLUDED, 0, "{\"reason\": \"busy\"}");
	happens(LOGGED_TRIAL_RETRIED, 0, "{}");
	happens(LOGGED_TRIAL_TOLD, 0, TOLD);
	row_is(REJECTED, "0r,1r,2-,3-,4r,5-");
	row_is("SELECT rejected ->> 'at', rejected ->> 'accuracy_loss' FROM trial WHERE number = 4",
	       "1970-01-01T00:00:01.060Z 0.5");
}

Test(project, whatever_becomes_of_it_again_it_counts)
{
	static const enum logged ends[] = {LOGGED_TRIAL_FAILED, LOGGED_TRIAL_PRUNED,
					   LOGGED_TRIAL_CANCELLED};

	for (int64_t i = 0; i < 3; i++) {
		happens(LOGGED_QUESTION_ASKED, i, CONFIG);
		happens(LOGGED_TRIAL_TOLD, i, TOLD);
		happens(LOGGED_TRIAL_EXCLUDED, i, "{\"reason\": \"busy\"}");
		happens(LOGGED_TRIAL_RETRIED, i, "{}");
		happens(ends[i], i, "{}");
	}
	row_is("SELECT count(*) FROM trial WHERE excluded IS NULL AND excluded_at IS NULL", "3");
}

Test(project, imports_are_told_from_the_start)
{
	happens(LOGGED_TRIAL_IMPORTED, 1,
		"{\"kind\": \"evaluate\", \"stage\": \"import\", \"hash\": \"0a\", \"accuracy\": "
		"{\"x\": 0.70, \"y\": 0.80}, \"metrics\": {\"latency_ms\": 3.50}, \"feasible\": "
		"null}");
	counts_are("0 0 0 0 0 0 1");
	row_is("SELECT kind, stage, state, source, hash, accuracy, accuracy_value, latency_ms, "
	       "feasible, asked_at, told_at, asked_n, told_n FROM trial",
	       "evaluate import told imported 0a {\"x\":0.70,\"y\":0.80} 0.7 3.5 - 1000 1000 1 1");
	happens(LOGGED_TRIAL_JUDGED, 1, "{\"feasible\": true, \"objective_value\": 3.50}");
	row_is("SELECT feasible, objective_value, told_at, asked_n, told_n FROM trial",
	       "1 3.50 1000 1 2");
}

Test(project, the_baseline_and_the_best_are_shown)
{
	happens(LOGGED_QUESTION_ASKED, 0, "{\"kind\": \"baseline\"}");
	happens(LOGGED_TRIAL_TOLD, 0, TOLD);
	happens(LOGGED_BASELINE_MEASURED, 0,
		"{\"accuracy\": 0.90, \"metrics\": {\"latency_ms\": 5.50}, \"bound\": 0.891}");
	row_is("SELECT bound, baseline FROM job",
	       "0.891 {\"trial\":0,\"accuracy\":0.90,\"metrics\":{\"latency_ms\":5.50}}");
	happens(LOGGED_NEW_BEST, 0,
		"{\"feasible\": true, \"accuracy\": 0.90, \"accuracy_loss\": 0.10, "
		"\"objective_value\": 5.50, \"speedup\": 2.0, \"gain\": 0.50, \"gain_interval\": "
		"[0.4, 0.6], \"measurements\": 3, \"metrics\": {}, \"accuracy_range\": [1, 2], "
		"\"objective_range\": [3, 4], \"nearest\": null, \"keep_baseline\": false, "
		"\"keep_baseline_because\": null, \"verdict\": \"v\", \"baseline\": {\"accuracy\": "
		"1}}");
	row_is("SELECT best_trial, best FROM job",
	       "0 {\"trial\":0,\"feasible\":true,\"accuracy\":0.90,\"accuracy_loss\":0.10,"
	       "\"objective_value\":5.50,\"speedup\":2.0,\"gain\":0.50,\"gain_interval\":[0.4,0.6],"
	       "\"measurements\":3,\"metrics\":{},\"accuracy_range\":[1,2],\"objective_range\":[3,"
	       "4],\"nearest\":null,\"keep_baseline\":false,\"keep_baseline_because\":null,"
	       "\"verdict\":\"v\",\"baseline\":{\"accuracy\":1}}");
	happens(LOGGED_NO_GAIN_SO_FAR, -1, "{\"detail\": \"nothing\"}");
	row_is("SELECT hint FROM job", "nothing");
}

Test(project, ranks_are_of_told_configs)
{
	happens(LOGGED_QUESTION_ASKED, 0, "{\"kind\": \"baseline\"}");
	happens(LOGGED_TRIAL_TOLD, 0, TOLD);
	happens(LOGGED_QUESTION_ASKED, 1, CONFIG);
	happens(LOGGED_TRIAL_TOLD, 1, TOLD);
	happens(LOGGED_QUESTION_ASKED, 2, CONFIG);
	happens(LOGGED_TRIALS_RANKED, -1, "{\"values\": [0.1, 0.25, 0.3]}");
	row_is("SELECT group_concat(coalesce(objective_value, '-'), ' ') FROM (SELECT "
	       "objective_value FROM trial ORDER BY number)",
	       "5.50 0.25 -");
}

Test(project, a_warning_is_shown_once_and_a_flood_is_cut)
{
	happens(LOGGED_WARNING, -1, "{\"detail\": \"odd\"}");
	row_is("SELECT json_array_length(warnings) FROM job", "1");
	happens(LOGGED_WARNING, -1, "{\"detail\": \"odd\", \"pointer\": \"/x\"}");
	happens(LOGGED_MEASUREMENT_DISAGREES, 0, "{\"detail\": \"odd\", \"pointer\": \"/x\"}");
	happens(LOGGED_WARNING, -1, "{\"pointer\": \"/y\"}");
	row_is("SELECT warnings FROM job", "[{\"pointer\":null,\"detail\":\"odd\"},{\"pointer\":\"/"
					   "x\",\"detail\":\"odd\"}]");
	for (int i = 0; i < 110; i++) {
		char *data = mem_printf("{\"detail\": \"%d\"}", i);

		happens(LOGGED_WARNING, -1, data);
		free(data);
	}
	row_is("SELECT json_array_length(warnings), version FROM job", "100 114");
}

/* Where there is nothing to finish there is nothing left: end() would find a statement. */
Test(project, a_database_that_lacks_a_table_is_refused)
{
	struct project other;
	struct err err;

	cr_assert_eq(db_exec(db, "DROP TABLE lease", &err), 0);
	cr_assert_neq(project_init(&other, db, &err), 0);
}

/* Its statements need the tables. What has failed to begin may be ended as what has not. */
Test(project, without_all_tables_nothing_begins)
{
	struct project none;
	struct err err;
	sqlite3 *empty;

	cr_assert_eq(sqlite3_open(":memory:", &empty), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(empty, schema_steps[0], NULL, NULL, NULL), SQLITE_OK);
	cr_assert_neq(project_init(&none, empty, &err), 0);
	project_finish(&none);
	cr_assert_eq(sqlite3_close(empty), SQLITE_OK);
}
