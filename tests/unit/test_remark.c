/* What an answer says besides its numbers: repeats, caches, samples, members that nobody knows. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "job/remark.h"
#include "tests/unit/job_kit.h"

#define ON ", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\"}"

Test(remark, a_repeat_is_another_measurement_of_the_same)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *first = kit_ask(job), *second, *confirm, *baseline;

	cr_assert_eq(remark_repeat(job->trials[0]), 0);
	cr_assert_eq(remark_repeat(first), 0);
	kit_tell(job, first, 0.9, 50);
	second = kit_ask(job);
	cr_assert_eq(remark_repeat(second), 0, "it is another config");
	kit_tell(job, second, 0.9, 60);
	confirm = kit_ask_again(job, 1, 1);
	cr_assert_eq(remark_repeat(confirm), 1);
	kit_tell(job, confirm, 0.9, 50);
	confirm = kit_ask_again(job, 1, 1);
	cr_assert_eq(remark_repeat(confirm), 2);
	kit_fail(job, confirm, "crashed");
	confirm = kit_ask_again(job, 1, 1);
	cr_assert_eq(remark_repeat(confirm), 2, "a failure measured nothing");
	baseline = kit_ask_again(job, 0, 1);
	cr_assert_eq(remark_repeat(baseline), 1);
	kit_tell(job, baseline, 0.9, 100);
	cr_assert_eq(remark_repeat(kit_ask_again(job, 0, 1)), 2);
	job->trials[1]->cached = true;
	cr_assert_eq(remark_repeat(confirm), 1, "nor did a cache");
	job->trials[1]->cached = false;
	job->trials[1]->imported = true;
	cr_assert_eq(remark_repeat(confirm), 1, "nor anybody here");
	confirm->kind = QUESTION_SCORE;
	cr_assert_eq(remark_repeat(confirm), 0, "scores are no measurements");
	confirm->kind = QUESTION_CONFIRM;
	job_destroy(job);
}

static json_t *remarked(struct job *job, struct trial *trial, bool cached, json_t *samples)
{
	struct answer answer = {.cached = cached, .samples = samples};
	json_t *data = json_object();

	remark_answer(job, trial, &answer, data);
	return data;
}

Test(remark, a_cache_is_no_measurement)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *trial = kit_ask(job);
	json_t *data = remarked(job, trial, true, NULL);

	cr_assert(json_is_true(json_object_get(data, "cached")));
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0, "nobody asked for a repeat");
	json_decref(data);
	data = remarked(job, trial, false, NULL);
	cr_assert_eq(json_object_size(data), 0);
	json_decref(data);
	kit_tell(job, trial, 0.9, 50);
	data = remarked(job, kit_ask_again(job, 1, 1), false, NULL);
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0);
	json_decref(data);
	data = remarked(job, kit_ask_again(job, 1, 1), true, NULL);
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 1);
	cr_assert_not_null(strstr(kit_text(job, LOGGED_WARNING, "detail"), "from a cache"));
	json_decref(data);
	job_destroy(job);
}

Test(remark, samples_are_kept)
{
	struct job *job = kit_running(ON, 0.9);
	json_t *samples = json_pack("{s:[f, f]}", "latency_ms", 1.0, 2.0);
	json_t *data = remarked(job, kit_ask(job), false, samples);

	cr_assert(json_equal(json_object_get(data, "samples"), samples));
	json_decref(data);
	json_decref(samples);
	job_destroy(job);
}

static void meets(struct job *job, const char *list)
{
	json_t *strangers = json_loads(list, 0, NULL);

	remark_strangers(job, strangers);
	json_decref(strangers);
}

Test(remark, members_that_nobody_knows_are_named_once)
{
	struct job *job = kit_running(ON, 0.9);

	meets(job, "[]");
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0);
	meets(job, "[\"/a\", \"/b\"]");
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 1);
	cr_assert_not_null(strstr(kit_text(job, LOGGED_WARNING, "detail"),
				  "answers have members that this job does not know: /a, /b. "));
	meets(job, "[\"/b\", \"/a\"]");
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 1);
	meets(job, "[\"/a\", \"/c\\n\"]");
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 2);
	cr_assert_not_null(strstr(kit_text(job, LOGGED_WARNING, "detail"), "know: /c . Numbers"),
			   "%s", kit_text(job, LOGGED_WARNING, "detail"));
	kit_check_again(job, ON);
	job_destroy(job);
}

Test(remark, so_many_are_named_and_no_more)
{
	struct job *job = kit_running(ON, 0.9);
	json_t *list = json_array();

	for (int i = 0; i < ANSWER_STRANGERS + 3; i++) {
		(void)json_array_append_new(list, json_sprintf("/%d", i));
	}
	remark_strangers(job, list);
	cr_assert_eq(json_array_size(json_object_get(kit_newest(job, LOGGED_WARNING), "members")),
		     ANSWER_STRANGERS);
	meets(job, "[\"/x\"]");
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 1);
	json_decref(list);
	job_destroy(job);
}

Test(remark, a_topic_is_warned_of_once)
{
	struct job *job = kit_running(ON, 0.9);

	kit_record(job, LOGGED_WARNING, -1, "{\"detail\": \"d\"}");
	cr_assert_not(job->waits_known);
	kit_record(job, LOGGED_WARNING, -1, "{\"detail\": \"d\", \"topic\": \"waits\"}");
	cr_assert(job->waits_known);
	kit_record(job, LOGGED_WARNING, -1, "{\"detail\": \"d\"}");
	cr_assert(job->waits_known);
	job_destroy(job);
}
