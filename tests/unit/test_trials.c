/* What becomes of a question: leases, attempts, failures, retries, exclusions, and what a log may not say of them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/active.h"
#include "job/fold.h"
#include "job/trial.h"
#include "tests/unit/job_kit.h"

#define IMPORTED(config)                                                                           \
	"{\"kind\": \"evaluate\", \"stage\": \"import\", \"source\": \"imported\", "               \
	"\"config\": " config ", \"accuracy\": 0.9, \"metrics\": {\"latency_ms\": 5}}"
#define ON ", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\"}"

Test(trials, a_lease_says_who_has_the_question_and_for_how_long)
{
	struct job *job = kit_running("", 0.9);
	struct trial *trial = kit_ask(job);

	kit_now_ms += 7000;
	kit_record(job, LOGGED_QUESTION_LEASED, 1,
		   "{\"lease\": \"l1\", \"worker\": \"w1\", \"ttl_ms\": 60000, \"attempt\": 1}");
	cr_assert_eq(trial->state, TRIAL_LEASED);
	cr_assert_str_eq(trial->lease, "l1");
	cr_assert_str_eq(trial->worker, "w1");
	cr_assert_eq(trial->ttl_ms, 60000);
	cr_assert_eq(trial->attempts, 1);
	cr_assert_eq(trial->place, 0);
	cr_assert_eq(trial->since_ms, kit_now_ms);
	cr_assert_eq(trial->past_count, 0);
	kit_record(job, LOGGED_LEASE_ACCEPTED, 1, "{}");
	cr_assert(trial->accepted);
	kit_record(job, LOGGED_LEASE_EXPIRED, 1, "{\"error\": \"nobody heard of w1\"}");
	cr_assert_not(trial->accepted);
	kit_now_ms += 1000;
	kit_record(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l2\", \"attempt\": 2}");
	cr_assert_not(trial->accepted, "the new lease was not");
	cr_assert_null(trial->worker, "who is asked by name has no worker");
	cr_assert_eq(trial->past_count, 1);
	cr_assert_str_eq(trial->past[0], "l1");
	cr_assert_eq(trial->since_ms, kit_now_ms);
	kit_record(job, LOGGED_LEASE_ACCEPTED, 1, "{}");
	kit_record(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l3\", \"attempt\": 3}");
	cr_assert_not(trial->accepted, "nor this one, in whose time the last did not end");
	kit_check_again(job, "");
	job_destroy(job);
}

Test(trials, a_lease_that_cannot_be_is_refused)
{
	struct job *job = kit_running("", 0.9);

	(void)kit_ask(job);
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_LEASED, 1, "{\"attempt\": 1}"), -ERR_CORRUPT);
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l\", \"place\": 1}"),
		     -ERR_CORRUPT, "there is one evaluator");
	cr_assert_eq(
		kit_replay(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l\", \"place\": -1}"),
		-ERR_CORRUPT);
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_LEASED, 1,
				"{\"lease\": \"01234567890123456789012345678901\"}"),
		     -ERR_CORRUPT, "as long as its place, and the end of the text has none");
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_LEASED, 1,
				"{\"lease\": \"0123456789012345678901234567890\"}"),
		     0);
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_LEASED, 2, "{\"lease\": \"l\"}"), -ERR_CORRUPT,
		     "a trial that is not there");
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_LEASED, -1, "{\"lease\": \"l\"}"),
		     -ERR_CORRUPT);
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l\"}"), 0);
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"m\"}"), 0,
		     "after a restart nobody waits for the first");
	kit_tell(job, job->trials[1], 0.9, 50);
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"n\"}"),
		     -ERR_CORRUPT);
	job_destroy(job);
}

/* Whoever is to blame pays: what is nobody's fault costs the trial no attempt. */
Test(trials, a_blameless_failure_costs_no_attempt)
{
	struct job *job = kit_running("", 0.9);
	struct trial *trial = kit_ask(job);

	kit_record(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l1\", \"attempt\": 1}");
	kit_record(job, LOGGED_ATTEMPT_FAILED, 1, "{\"error\": \"down\", \"counts\": false}");
	cr_assert_eq(trial->failures, 0);
	cr_assert_eq(trial->state, TRIAL_ASKED);
	cr_assert_str_eq(trial->last_error, "down");
	kit_record(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l2\", \"attempt\": 2}");
	kit_record(job, LOGGED_ATTEMPT_FAILED, 1, "{\"error\": \"crashed\"}");
	cr_assert_eq(trial->failures, 1, "unless it is said otherwise it counts");
	kit_record(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l3\", \"attempt\": 3}");
	kit_record(job, LOGGED_LEASE_EXPIRED, 1, "{\"counts\": true}");
	cr_assert_eq(trial->failures, 2);
	cr_assert_null(trial->last_error, "nobody said why");
	cr_assert_eq(trial->attempts, 3);
	kit_check_again(job, "");
	job_destroy(job);
}

Test(trials, who_gives_a_question_back_has_not_tried_it)
{
	struct job *job = kit_running("", 0.9);
	struct trial *trial = kit_ask(job);

	kit_record(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l1\", \"attempt\": 1}");
	kit_record(job, LOGGED_ATTEMPT_FAILED, 1, "{\"error\": \"crashed\"}");
	kit_record(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l2\", \"attempt\": 2}");
	kit_record(job, LOGGED_LEASE_ACCEPTED, 1, "{}");
	kit_now_ms += 5000;
	kit_record(job, LOGGED_LEASE_RETURNED, 1, "{}");
	cr_assert_eq(trial->state, TRIAL_ASKED);
	cr_assert_eq(trial->attempts, 1);
	cr_assert_eq(trial->failures, 1);
	cr_assert_eq(trial->since_ms, kit_now_ms);
	cr_assert_not(trial->accepted);
	cr_assert_str_eq(trial->last_error, "crashed", "that is still what went wrong last");
	kit_record(job, LOGGED_QUESTION_LEASED, 1, "{\"lease\": \"l3\", \"attempt\": 2}");
	kit_record(job, LOGGED_LEASE_RETURNED, 1, "{\"detail\": \"shutting down\"}");
	cr_assert_str_eq(trial->last_error, "shutting down");
	kit_check_again(job, "");
	job_destroy(job);
}

Test(trials, who_is_put_off_waits_since_the_first_time)
{
	struct job *job = kit_running("", 0.9);
	struct trial *trial = kit_ask(job);
	int64_t first = kit_now_ms += 1000;

	kit_record(job, LOGGED_ATTEMPT_FAILED, 1, "{\"counts\": false, \"later\": true}");
	cr_assert_eq(trial->put_off, 1);
	cr_assert_eq(trial->busy_ms, first);
	kit_now_ms += 1000;
	kit_record(job, LOGGED_ATTEMPT_FAILED, 1, "{\"counts\": false, \"later\": true}");
	cr_assert_eq(trial->put_off, 2);
	cr_assert_eq(trial->busy_ms, first);
	cr_assert_eq(trial->since_ms, kit_now_ms);
	kit_record(job, LOGGED_ATTEMPT_FAILED, 1, "{\"counts\": false}");
	cr_assert_eq(trial->put_off, 0);
	cr_assert_eq(trial->busy_ms, 0);
	cr_assert_eq(job->retries, 0);
	kit_record(job, LOGGED_ATTEMPT_FAILED, 1, "{\"counts\": false, \"waits\": true}");
	cr_assert_eq(job->retries, 1, "its turn comes by itself");
	cr_assert(trial->retried);
	kit_record(job, LOGGED_ATTEMPT_FAILED, 1, "{\"counts\": false, \"waits\": true}");
	cr_assert_eq(job->retries, 1, "it is one question");
	kit_tell(job, trial, 0.9, 50);
	cr_assert_eq(job->retries, 0);
	kit_check_again(job, "");
	job_destroy(job);
}

Test(trials, a_result_counts_once_and_only_of_what_was_asked)
{
	static const struct {
		enum logged type;
		int64_t trial;
		const char *data;
	} wrong[] = {
		{LOGGED_TRIAL_TOLD, 1, "{\"accuracy\": 0.9, \"metrics\": {\"latency_ms\": 1}}"},
		{LOGGED_TRIAL_FAILED, 1, "{\"error\": \"e\"}"},
		{LOGGED_TRIAL_PRUNED, 1, "{\"estimate\": 0.5, \"margin\": -1}"},
		{LOGGED_TRIAL_RETRIED, 1, "{}"},
		{LOGGED_TRIAL_REVISED, 1, "{}"},
		{LOGGED_TRIAL_JUDGED, 1, "{}"},
		{LOGGED_TRIAL_INCLUDED, 1, "{}"},
		{LOGGED_TRIAL_EXCLUDED, 2, "{}"},
		{LOGGED_TRIAL_PRUNED, 0, "{\"estimate\": 0.5, \"margin\": -1}"},
		{LOGGED_BASELINE_MEASURED, 0, "{}"},
		{LOGGED_BASELINE_MEASURED, 1, "{}"},
		{LOGGED_TRIAL_IMPORTED, 1, "{}"},
		{LOGGED_TRIAL_IMPORTED, 3, "{\"kind\": \"baseline\"}"},
		{LOGGED_QUESTION_ASKED, 3, "{\"kind\": \"evaluate\", \"config\": [], \"seen\": 3}"},
		{LOGGED_QUESTION_ASKED, 3, "{\"kind\": \"evaluate\", \"config\": [[99, 1]]}"},
		{LOGGED_QUESTION_ASKED, 3, "{\"kind\": \"evaluate\"}"},
		{LOGGED_QUESTION_ASKED, 3, "{\"kind\": \"odd\", \"config\": []}"},
		{LOGGED_QUESTION_ASKED, 3, "{\"kind\": \"evaluate\", \"config\": [], \"twin\": 3}"},
		{LOGGED_QUESTION_ASKED, 3,
		 "{\"kind\": \"evaluate\", \"config\": [], \"subject\": 4}"},
		{LOGGED_QUESTION_ASKED, 3,
		 "{\"kind\": \"evaluate\", \"config\": [], \"subject\": -1}"},
		{LOGGED_STATE_CHANGED, -1, "{\"state\": \"queued\"}"},
		{LOGGED_STATE_CHANGED, -1, "{\"state\": \"baseline\"}"},
		{LOGGED_STATE_CHANGED, -1, "{\"state\": \"odd\"}"},
		{LOGGED_TRIALS_RANKED, -1, "{\"values\": [1, 2, 3, 4, 5]}"},
		{LOGGED_TYPES_, -1, "{}"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct job *job = kit_running(ON, 0.9);

		kit_tell(job, kit_ask(job), 0.9, 50);
		(void)kit_ask(job);
		cr_expect_eq(kit_replay(job, wrong[i].type, wrong[i].trial, wrong[i].data),
			     -ERR_CORRUPT, "case %zu, %s", i, wrong[i].data);
		job_destroy(job);
	}
}

Test(trials, no_question_rests_on_results_that_are_not_there)
{
	struct job *job = kit_running(ON ", \"deterministic\": false", 0.9);

	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_ASKED, 1,
				"{\"kind\": \"evaluate\", \"config\": [], \"seen\": 1}"),
		     -ERR_CORRUPT);
	job_destroy(job);
}

Test(trials, nothing_is_asked_before_the_baseline)
{
	struct job *job = kit_running(ON, 0.9);

	cr_assert_eq(kit_replay(job, LOGGED_TRIAL_IMPORTED, 2,
				"{\"kind\": \"evaluate\", \"config\": []}"),
		     -ERR_CORRUPT, "one is missing");
	job_destroy(job);
	job = kit_job("");
	cr_assert_eq(kit_replay(job, LOGGED_TRIAL_IMPORTED, 0,
				"{\"kind\": \"evaluate\", "
				"\"config\": []}"),
		     -ERR_CORRUPT, "that is the baseline's place");
	job_destroy(job);
	job = kit_job("");
	(void)job_ask_baseline(job);
	cr_assert_eq(kit_replay(job, LOGGED_BASELINE_MEASURED, 0, "{}"), -ERR_CORRUPT, "not yet");
	cr_assert_eq(kit_replay(job, LOGGED_QUESTION_ASKED, 1,
				"{\"kind\": \"evaluate\", \"config\": []}"),
		     -ERR_CORRUPT);
	job_destroy(job);
}

Test(trials, the_last_failure_is_remembered_with_who_said_it)
{
	struct job *job = kit_running(ON, 0.9);

	(void)kit_ask(job);
	(void)kit_ask(job);
	(void)kit_ask(job);
	kit_record(job, LOGGED_TRIAL_FAILED, 1, "{\"error\": \"crashed\", \"worker\": \"w1\"}");
	cr_assert_str_eq(job->last_error, "w1: crashed");
	cr_assert_eq(job->last_failed, 1);
	kit_record(job, LOGGED_TRIAL_FAILED, 2, "{\"error\": \"w1 is gone\", \"worker\": \"w1\"}");
	cr_assert_str_eq(job->last_error, "w1 is gone");
	kit_record(job, LOGGED_TRIAL_FAILED, 3, "{\"error\": \"crashed\", \"by_hand\": true}");
	cr_assert_str_eq(job->last_error, "crashed");
	cr_assert_eq(job->last_failed, 3);
	cr_assert_eq(job->failed, 2, "what somebody gave up is no failure");
	cr_assert_eq(job->failed_in_row, 3);
	cr_assert_eq(job->out, 0);
	kit_check_again(job, ON);
	job_destroy(job);
}

Test(trials, what_is_given_up_can_be_asked_again)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *trial = kit_ask(job);
	struct err err;

	cr_assert_eq(job_check_give_up(trial, &err), 0);
	kit_record(job, LOGGED_TRIAL_FAILED, 1, "{\"error\": \"given up\", \"by_hand\": true}");
	cr_assert_eq(job_check_give_up(trial, &err), -ERR_WRONG_STATE);
	cr_assert_eq(job->failed, 0);
	cr_assert_eq(job_check_retry(job, trial, &err), 0);
	kit_now_ms += 1000;
	job_retry(job, trial);
	cr_assert_eq(job->failed, 0, "it never counted");
	cr_assert_not(trial->by_hand);
	cr_assert_eq(trial->since_ms, kit_now_ms);
	cr_assert_eq(job->out, 1);
	kit_fail(job, trial, "crashed");
	cr_assert_eq(job->failed, 1);
	job_retry(job, trial);
	cr_assert_eq(job->failed, 0);
	kit_check_again(job, ON);
	cr_assert_eq(job->retries, 1);
	job_end(job, JOB_CANCELLED, "requested", "d");
	cr_assert_eq(job->retries, 0, "nobody asks for it any more");
	cr_assert_eq(job->out, 0);
	job_destroy(job);
}

/* With one more result there may be something to ask. */
Test(trials, a_late_result_lets_the_strategy_go_on)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *trial = kit_ask(job);

	kit_fail(job, trial, "crashed");
	kit_settle(job);
	cr_assert(job_ask_nothing(job, STEP_DONE));
	cr_assert(job->exhausted);
	job_retry(job, trial);
	kit_tell(job, trial, 0.5, 50);
	cr_assert_eq(job->late, 1);
	cr_assert_null(job_exit_reason(job), "it was not shown yet");
	kit_settle(job);
	cr_assert_eq(job->late, 0);
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_REVISED), 1);
	cr_assert_not(job->exhausted);
	cr_assert_eq(kit_next(job).step, NEXT_STRATEGY, "it found something to ask again");
	kit_check_again(job, ON);
	job_destroy(job);
}

Test(trials, what_can_be_measured_again)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *told = kit_ask(job), *failed = kit_ask(job);
	struct err err;

	kit_tell(job, told, 0.9, 50);
	kit_fail(job, failed, "crashed");
	cr_assert_eq(job_check_retry(job, told, &err), -ERR_WRONG_STATE);
	cr_assert_not_null(strstr(err.message, "exclude it first"), "%s", err.message);
	cr_assert_eq(job_check_retry(job, job->trials[0], &err), -ERR_WRONG_STATE);
	cr_assert_eq(job_check_retry(job, failed, &err), 0);
	job_exclude(job, told, "busy");
	cr_assert_eq(job_check_retry(job, told, &err), 0);
	job_retry(job, told);
	cr_assert_eq(told->state, TRIAL_ASKED);
	cr_assert_eq(job_check_include(job, told, &err), -ERR_WRONG_STATE, "%s", err.message);
	kit_tell(job, told, 0.9, 60);
	cr_assert_not(told->excluded, "the new measurement counts");
	kit_settle(job);
	cr_assert_eq(job->best, told);
	job_end(job, JOB_COMPLETED, "max_trials", "d");
	cr_assert_eq(job_check_retry(job, failed, &err), -ERR_WRONG_STATE);
	cr_assert_str_eq(err.message, "the job has ended");
	kit_check_again(job, ON);
	job_destroy(job);
}

Test(trials, an_ended_job_can_still_have_another_best)
{
	struct job *job = kit_running(ON ", \"parallel\": 3, \"confirm\": 0", 0.9);
	struct trial *first = kit_ask(job), *second = kit_ask(job), *late = kit_ask(job);

	kit_tell(job, first, 0.9, 50);
	kit_tell(job, second, 0.5, 40);
	kit_settle(job);
	kit_tell(job, late, 0.9, 60);
	job_end(job, JOB_CANCELLED, "requested", "d");
	cr_assert_eq(job->settled, 2, "nobody was shown the third");
	cr_assert_eq(job->best, first);
	job_exclude(job, first, "busy");
	cr_assert_eq(job->best, late, "only when none of the others meets the criterion");
	cr_assert_eq(job->named, late);
	kit_check_again(job, ON ", \"parallel\": 3, \"confirm\": 0");
	job_include(job, first);
	cr_assert_eq(job->best, first);
	kit_check_again(job, ON ", \"parallel\": 3, \"confirm\": 0");
	job_destroy(job);
}

/* The strategy has never begun, and the second one has the baseline's config. */
Test(trials, an_import_is_taken_in_again_by_a_job_that_never_had_its_baseline)
{
	struct job *job = kit_job("");

	kit_record(job, LOGGED_TRIAL_IMPORTED, 1, IMPORTED("[[0, 1]]"));
	kit_record(job, LOGGED_TRIAL_IMPORTED, 2, IMPORTED("[[0, 2], [1, 2]]"));
	cr_assert(job_is_baseline(job, job->trials[2]->config));
	job_end(job, JOB_CANCELLED, "requested", "d");
	for (int64_t trial = 1; trial <= 2; trial++) {
		job_exclude(job, job->trials[trial], "busy");
		job_include(job, job->trials[trial]);
	}
	cr_assert_null(job->best, "nothing was judged");
	kit_check_again(job, "");
	job_destroy(job);
}

Test(trials, only_measurements_can_be_excluded)
{
	struct job *job = kit_running(ON, 0.9);
	struct next next = {.step = NEXT_CONFIRM, .trial = 1, .round = 1};
	struct trial *again;
	struct err err;

	kit_tell(job, kit_ask(job), 0.9, 50);
	again = job_ask_again(job, &next);
	kit_tell(job, again, 0.9, 50);
	cr_assert_eq(job_check_exclude(job, again, &err), -ERR_WRONG_STATE);
	cr_assert_str_eq(err.message, "trial 2 measured trial 1 again: exclude that one");
	again->kind = QUESTION_SUGGEST;
	cr_assert_eq(job_check_exclude(job, again, &err), -ERR_WRONG_STATE);
	cr_assert_str_eq(err.message, "trial 2 measured nothing");
	again->kind = QUESTION_CONFIRM;
	job_destroy(job);
}

Test(trials, an_import_that_is_wrong_is_imported_again)
{
	struct job *job = kit_running(ON, 0.9);
	struct err err;

	kit_record(job, LOGGED_TRIAL_IMPORTED, 1, IMPORTED("[]"));
	cr_assert_eq(job_check_exclude(job, job->trials[1], &err), 0);
	job_exclude(job, job->trials[1], "wrong");
	cr_assert_eq(job_check_retry(job, job->trials[1], &err), -ERR_WRONG_STATE);
	cr_assert_not_null(strstr(err.message, "import the right measurement"));
	job_destroy(job);
}
