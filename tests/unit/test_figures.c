/* What all measurements of a config together say of it, computed by hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/figures.h"
#include "job/trial.h"
#include "tests/unit/job_kit.h"

/* A job that measured one config once: 50 ms, its baseline 100 ms. */
static struct job *measured_once(const char *extra)
{
	struct job *job = kit_running(extra, 0.9);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	return job;
}

static size_t gather(const struct job *job, int64_t subject, bool first, int64_t from,
		     int64_t *ret_last)
{
	const struct trial **list = mem_new((size_t)job->trial_count, sizeof(*list));
	size_t count = figures_gather(job, subject, first, from, list);

	*ret_last = count > 0 ? list[count - 1]->number : -1;
	free(list);
	return count;
}

static bool logarithmic(const struct job *job)
{
	const struct trial **list = mem_new((size_t)job->trial_count, sizeof(*list));
	bool logarithm = figures_logarithmic(job, list);

	free(list);
	return logarithm;
}

Test(figures, a_config_that_was_measured_once_has_no_interval)
{
	struct job *job = measured_once("");
	struct figures f;

	figures_init(&f, job, job->trials[1]);
	cr_assert_eq(f.measurements, 1);
	cr_assert_eq(f.values[0], 50);
	cr_assert_eq(f.baseline[0], 100);
	cr_assert_eq(f.baseline_accuracy[0], 0.9);
	cr_assert_float_eq(f.gain, 0.5, 1e-12);
	cr_assert(isnan(f.interval[0]) && isnan(f.interval[1]));
	cr_assert(f.feasible);
	cr_assert_not(f.accepted);
	cr_assert_float_eq(f.loss, 0, 1e-12);
	cr_assert_float_eq(f.margin, 1, 1e-9);
	cr_assert_eq(json_real_value(json_object_get(f.metrics, "latency_ms")), 50);
	figures_finish(&f);
	job_destroy(job);
}

/* What was chosen because it was measured best is not counted among what was measured since. */
Test(figures, the_luckiest_measurement_does_not_count_once_there_are_others)
{
	struct job *job = measured_once("");
	struct figures f;

	(void)kit_tell_again(job, 0, 1, 0.91, 104);
	(void)kit_tell_again(job, 1, 1, 0.88, 60);
	(void)kit_tell_again(job, 0, 2, 0.89, 96);
	(void)kit_tell_again(job, 1, 2, 0.90, 64);
	figures_init(&f, job, job->trials[1]);
	cr_assert_eq(f.measurements, 2);
	cr_assert_float_eq(f.values[0], 62, 1e-9);
	cr_assert_eq(f.low[0], 60);
	cr_assert_eq(f.high[0], 64);
	cr_assert_float_eq(f.accuracy[0], 0.89, 1e-9);
	cr_assert_eq(f.accuracy_low[0], 0.88);
	cr_assert_eq(f.accuracy_high[0], 0.90);
	cr_assert_float_eq(f.baseline[0], 100, 1e-9);
	cr_assert_float_eq(f.baseline_accuracy[0], 0.9, 1e-9);
	cr_assert_float_eq(f.gain, 0.38, 1e-9);
	cr_assert_not(f.feasible, "1.1 %% is lost where 1 %% may be");
	cr_assert_float_eq(f.loss, 0.01 / 0.9, 1e-9);
	cr_assert_float_eq(json_real_value(json_object_get(f.metrics, "latency_ms")), 62, 1e-9);
	figures_finish(&f);
	job_destroy(job);
}

/*
 * On the scale of logarithms the deviations are those of 100, 104, 96 and of 50, 60, 64: pooled over 2 + 2 degrees, times
 * Student's 2.1318, times the root of 1/2 + 1/3 for the means of 2 and 3.
 */
Test(figures, the_interval_follows_from_what_was_measured_twice)
{
	struct job *job = measured_once("");
	struct figures f;
	double a = (log(100) + log(104) + log(96)) / 3, b = (log(50) + log(60) + log(64)) / 3;
	double squares = pow(log(100) - a, 2) + pow(log(104) - a, 2) + pow(log(96) - a, 2) +
			 pow(log(50) - b, 2) + pow(log(60) - b, 2) + pow(log(64) - b, 2);
	double half = 2.1318 * sqrt(squares / 4) * sqrt(1.0 / 2 + 1.0 / 3);

	(void)kit_tell_again(job, 0, 1, 0.9, 104);
	(void)kit_tell_again(job, 1, 1, 0.9, 60);
	(void)kit_tell_again(job, 0, 2, 0.9, 96);
	(void)kit_tell_again(job, 1, 2, 0.9, 64);
	figures_init(&f, job, job->trials[1]);
	cr_assert_float_eq(f.interval[0], 1 - 0.62 * exp(half), 1e-3);
	cr_assert_float_eq(f.interval[1], 1 - 0.62 * exp(-half), 1e-3);
	cr_assert_lt(f.interval[0], f.gain);
	cr_assert_gt(f.interval[1], f.gain);
	figures_finish(&f);
	job_destroy(job);
}

#define GOODNESS                                                                                   \
	", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"objective\": {\"metric\": "      \
	"\"goodness\", \"direction\": \"max\"}}"

static struct job *throughputs(double first, double second, double third)
{
	struct job *job =
		kit_running_from(GOODNESS, "{\"accuracy\": 0.9, \"metrics\": {\"goodness\": 100}}");
	double values[] = {first, second, third};

	for (int i = 0; i < 3; i++) {
		char *text = mem_printf("{\"accuracy\": 0.9, \"metrics\": {\"goodness\": %g}}",
					values[i]);
		struct next next = {.step = NEXT_CONFIRM, .trial = 1, .round = i};

		kit_answer(job, i == 0 ? kit_ask(job) : job_ask_again(job, &next), text);
		free(text);
	}
	return job;
}

Test(figures, where_higher_is_better_the_interval_is_around_the_gain_as_well)
{
	struct job *job = throughputs(200, 190, 210);
	struct figures f;
	double mean = (log(200) + log(190) + log(210)) / 3;
	double squares =
		pow(log(200) - mean, 2) + pow(log(190) - mean, 2) + pow(log(210) - mean, 2);
	double half = 2.92 * sqrt(squares / 2) * sqrt(1.0 / 2 + 1.0);

	figures_init(&f, job, job->trials[1]);
	cr_assert_float_eq(f.gain, 1, 1e-9, "twice as many");
	cr_assert_float_eq(f.interval[0], 2 * exp(-half) - 1, 1e-3);
	cr_assert_float_eq(f.interval[1], 2 * exp(half) - 1, 1e-3);
	figures_finish(&f);
	job_destroy(job);
}

/* What may be 0 or below has no logarithm: shares of the baseline are the scale. */
Test(figures, without_a_logarithm_shares_are_the_scale)
{
	struct job *job = throughputs(20, -10, 10);
	struct figures f;

	cr_assert_not(logarithmic(job));
	figures_init(&f, job, job->trials[1]);
	/* The shares are -0.8, -1.1 and -0.9; a mean of 0 gains what nobody can say. */
	cr_assert(isnan(f.gain));
	cr_assert(isnan(f.interval[0]));
	figures_finish(&f);
	job_destroy(job);
	job = throughputs(-5, 10, 20);
	cr_assert_not(logarithmic(job), "the first one counts, too");
	job_destroy(job);
	job = throughputs(20, -10, 20);
	figures_init(&f, job, job->trials[1]);
	cr_assert_float_eq(f.gain, -0.95, 1e-9);
	/* Deviations of -0.8, -1.1, -0.8 from -0.9. */
	cr_assert_float_eq(f.interval[0], -0.95 - 2.92 * sqrt(0.06 / 2) * sqrt(1.5), 1e-3);
	cr_assert_float_eq(f.interval[1], -0.95 + 2.92 * sqrt(0.06 / 2) * sqrt(1.5), 1e-3);
	figures_finish(&f);
	job_destroy(job);
}

/* A strategy asks for a config again, to learn how noisy measurements are. */
static struct trial *repeat(struct job *job, int64_t subject, double latency)
{
	struct question question = {.kind = QUESTION_EVALUATE,
				    .stage = "opening",
				    .config = job->trials[subject]->config,
				    .again = true};
	struct trial *trial = job_ask(job, &question);

	kit_tell(job, trial, 0.9, latency);
	kit_settle(job);
	return trial;
}

Test(figures, what_a_strategy_repeats_counts_until_there_is_a_proof)
{
	struct job *job = measured_once("");
	struct figures f;
	double difference = log(54.0 / 50.0), half;
	int64_t last;

	cr_assert_eq(repeat(job, 1, 54)->number, 2);
	cr_assert_eq(gather(job, 1, true, 0, &last), 2);
	cr_assert_eq(gather(job, 1, false, 0, &last), 0, "it is no measurement of the end game");
	figures_init(&f, job, job->trials[1]);
	cr_assert_eq(f.measurements, 2);
	cr_assert_eq(f.values[0], 52);
	half = 6.3138 * difference / sqrt(2) * sqrt(1.5);
	cr_assert_float_eq(f.interval[0], 1 - 0.52 * exp(half), 1e-4);
	figures_finish(&f);

	(void)kit_tell_again(job, 1, 1, 0.9, 60);
	figures_init(&f, job, job->trials[1]);
	cr_assert_eq(f.measurements, 1, "the proof alone");
	cr_assert_eq(f.values[0], 60);
	figures_finish(&f);

	job->trials[2]->partial = true;
	cr_assert_eq(gather(job, 1, true, 0, &last), 2, "the first one and the proof");
	job->trials[2]->partial = false;
	job->trials[1]->partial = true;
	cr_assert_eq(gather(job, 1, true, 0, &last), 2);
	job->trials[1]->partial = false;
	job_destroy(job);
}

/* The round that chose between rivals is a measurement like others. */
Test(figures, one_value_below_zero_leaves_no_logarithm_in_whichever_round)
{
	struct job *job = throughputs(20, 10, 10);
	struct next next = {.step = NEXT_CONFIRM, .trial = 1, .round = 0};

	cr_assert(logarithmic(job));
	kit_answer(job, job_ask_again(job, &next),
		   "{\"accuracy\": 0.9, \"metrics\": {\"goodness\": -10}}");
	cr_assert_not(logarithmic(job));
	job_destroy(job);
	job = kit_running_from(GOODNESS, "{\"accuracy\": 0.9, \"metrics\": {\"goodness\": -1}}");
	cr_assert_not(logarithmic(job), "the baseline's, too");
	job_destroy(job);
	job = kit_running_from(GOODNESS, "{\"accuracy\": 0.9, \"metrics\": {\"goodness\": 0.5}}");
	cr_assert(logarithmic(job));
	job_destroy(job);
	job = kit_running_from(GOODNESS, "{\"accuracy\": 0.9, \"metrics\": {\"goodness\": 0}}");
	cr_assert_not(logarithmic(job), "nor has 0 one");
	job_destroy(job);
}

Test(figures, several_objectives_have_no_logarithm)
{
	struct job *job = kit_running_from(
		", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"objective\": "
		"[\"latency_ms\", \"power_w\"]}",
		"{\"accuracy\": 0.9, \"latency_ms\": 9, \"metrics\": {\"power_w\": 5}}");

	cr_assert_not(logarithmic(job));
	job_destroy(job);
	job = measured_once("");
	cr_assert(logarithmic(job));
	job_destroy(job);
}

/* A baseline that is known from elsewhere is known for certain. */
Test(figures, a_given_baseline_adds_no_noise)
{
	struct job *job = kit_job(", \"evaluator\": {\"pool\": \"gpu\", \"baseline\": "
				  "{\"accuracy\": 0.9, \"latency_ms\": 100}}");
	struct figures f;
	double mean = (log(50) + log(52) + log(48)) / 3;
	double squares = pow(log(50) - mean, 2) + pow(log(52) - mean, 2) + pow(log(48) - mean, 2);
	double half = 2.92 * sqrt(squares / 2) * sqrt(1.0 / 2);

	kit_tell(job, job_ask_baseline(job), 0.9, 100);
	kit_tell(job, kit_ask(job), 0.9, 50);
	(void)kit_tell_again(job, 1, 1, 0.9, 52);
	(void)kit_tell_again(job, 1, 2, 0.9, 48);
	figures_init(&f, job, job->trials[1]);
	cr_assert_float_eq(f.interval[1], 1 - 0.5 * exp(-half), 1e-3);
	figures_finish(&f);
	job_destroy(job);
}

Test(figures, answers_from_a_cache_say_nothing_new)
{
	struct job *job = measured_once("");
	struct trial *confirmed = kit_tell_again(job, 1, 1, 0.9, 60);
	struct figures f;
	int64_t last;

	cr_assert_eq(gather(job, 1, true, 0, &last), 2);
	cr_assert_eq(figures_count(job, 1, 1, 1), 1);
	confirmed->remembered = true;
	cr_assert_eq(gather(job, 1, true, 0, &last), 1);
	cr_assert_eq(last, 1);
	figures_init(&f, job, job->trials[1]);
	cr_assert_eq(f.values[0], 50, "there is nothing but the first");
	figures_finish(&f);
	cr_assert(figures_first_counts(job, job->trials[1]));
	job->trials[1]->remembered = true;
	cr_assert_not(figures_first_counts(job, job->trials[1]));
	job->trials[1]->remembered = false;
	job->trials[1]->cached = true;
	cr_assert_not(figures_first_counts(job, job->trials[1]));
	job_destroy(job);
}

Test(figures, rounds_are_told_apart)
{
	struct job *job = measured_once("");
	struct next next = {.step = NEXT_CONFIRM, .trial = 1, .round = 3};
	struct trial *failed, *cancelled;
	struct figures f;
	int64_t last;

	(void)kit_tell_again(job, 0, 0, 0.9, 90);
	(void)kit_tell_again(job, 1, 0, 0.9, 51);
	figures_init(&f, job, job->trials[1]);
	cr_assert_not(isnan(f.interval[0]), "how noisy it is is known from round 0, too");
	cr_assert_eq(f.baseline[0], 95, "whatever was measured of the baseline is one mean");
	cr_assert_eq(f.values[0], 50, "of the config nothing but the first says how good it is");
	figures_finish(&f);
	(void)kit_tell_again(job, 1, 1, 0.9, 52);
	(void)kit_tell_again(job, 1, 2, 0.9, 53);
	failed = job_ask_again(job, &next);
	kit_fail(job, failed, "crashed");
	cr_assert_eq(gather(job, 1, true, 0, &last), 4);
	cr_assert_eq(gather(job, 1, false, 0, &last), 3);
	cr_assert_eq(gather(job, 1, false, 1, &last), 2);
	cr_assert_eq(gather(job, 1, false, 2, &last), 1);
	cr_assert_eq(job->trials[last]->objectives[0], 53);
	cr_assert_eq(gather(job, 0, true, 0, &last), 2);
	cr_assert_eq(gather(job, 0, true, 1, &last), 1);
	cr_assert_eq(figures_count(job, 1, 0, 0), 1);
	cr_assert_eq(figures_count(job, 1, 1, 2), 2);
	cr_assert_eq(figures_count(job, 1, 1, INT64_MAX), 3, "who failed was asked, too");
	cr_assert_eq(figures_count(job, 0, 0, INT64_MAX), 1);
	next.round = 4;
	cancelled = job_ask_again(job, &next);
	cr_assert_eq(figures_count(job, 1, 4, 4), 1);
	job_record(job, LOGGED_TRIAL_CANCELLED, cancelled->number, NULL);
	cr_assert_eq(figures_count(job, 1, 4, 4), 0);
	job_destroy(job);
}

/* The choice is judged on other data than the search: measurements of the search are no repeats. */
Test(figures, acceptance_data_stands_alone)
{
	struct job *job = measured_once(", \"acceptance\": {\"subset\": {\"from\": 5}}");
	struct figures f;
	json_t *question;
	int64_t last;

	cr_assert_not(figures_first_counts(job, job->trials[1]));
	cr_assert_eq(gather(job, 1, true, 0, &last), 0);
	figures_init(&f, job, job->trials[1]);
	cr_assert_not(f.accepted, "nobody has measured that yet");
	figures_finish(&f);
	question = trial_question(kit_tell_again(job, 0, 1, 0.8, 110));
	cr_assert_eq(
		json_integer_value(json_object_get(json_object_get(question, "subset"), "from")),
		5);
	json_decref(question);
	figures_init(&f, job, job->trials[1]);
	cr_assert_not(f.accepted, "... of the baseline alone");
	figures_finish(&f);
	(void)kit_tell_again(job, 1, 1, 0.797, 55);
	figures_init(&f, job, job->trials[1]);
	cr_assert(f.accepted);
	cr_assert_eq(f.baseline_accuracy[0], 0.8);
	cr_assert_eq(f.baseline[0], 110);
	cr_assert_eq(f.accuracy[0], 0.797);
	cr_assert(f.feasible, "against the baseline of the same data");
	cr_assert_float_eq(f.gain, 0.5, 1e-9);
	figures_finish(&f);
	job_destroy(job);
}

Test(figures, nothing_is_accepted_against_a_baseline_of_other_data)
{
	struct job *job = measured_once(", \"acceptance\": {\"subset\": {\"from\": 5}}");
	struct figures f;

	(void)kit_tell_again(job, 1, 1, 0.797, 55);
	figures_init(&f, job, job->trials[1]);
	cr_assert_not(f.accepted);
	figures_finish(&f);
	(void)kit_tell_again(job, 0, 1, 0.8, 110);
	figures_init(&f, job, job->trials[0]);
	cr_assert_eq(f.values[0], 100, "what was handed over is the baseline of the job");
	cr_assert_not(f.accepted);
	figures_finish(&f);
	job_destroy(job);
}

/* Also what chose between rivals. */
Test(figures, noise_is_that_of_every_round)
{
	struct job *job = measured_once("");
	const struct trial **list;
	struct figures f;

	(void)kit_tell_again(job, 0, 0, 0.9, 101);
	(void)kit_tell_again(job, 1, 0, 0.9, 52);
	list = mem_new((size_t)job->trial_count, sizeof(*list));
	figures_init(&f, job, job->trials[1]);
	cr_assert_eq(figures_noise(job, &f, true, list).degrees, 2);
	figures_finish(&f);
	free(list);
	job_destroy(job);
}

Test(figures, a_metric_that_one_measurement_lacks_has_no_mean)
{
	struct job *job = measured_once("");
	struct next next = {.step = NEXT_CONFIRM, .trial = 1, .round = 1};
	struct figures f;

	kit_answer(job, job_ask_again(job, &next),
		   "{\"accuracy\": 0.9, \"latency_ms\": 50, \"metrics\": {\"power_w\": 5, "
		   "\"size\": 8}}");
	next.round = 2;
	kit_answer(job, job_ask_again(job, &next),
		   "{\"accuracy\": 0.9, \"latency_ms\": 54, \"metrics\": {\"size\": 10}}");
	figures_init(&f, job, job->trials[1]);
	cr_assert_eq(json_object_size(f.metrics), 2);
	cr_assert_float_eq(json_real_value(json_object_get(f.metrics, "size")), 9, 1e-9);
	cr_assert_float_eq(json_real_value(json_object_get(f.metrics, "latency_ms")), 52, 1e-9);
	figures_finish(&f);
	job_destroy(job);
}

Test(figures, the_baseline_is_compared_with_itself)
{
	struct job *job = measured_once("");
	struct figures f;

	(void)kit_tell_again(job, 0, 1, 0.9, 102);
	figures_init(&f, job, job->trials[0]);
	cr_assert_eq(f.values[0], 100);
	cr_assert_eq(f.measurements, 1);
	cr_assert_eq(f.baseline[0], 101);
	figures_finish(&f);
	job_destroy(job);
}

Test(figures, several_accuracies_have_a_mean_each)
{
	struct job *job = kit_running_from(
		", \"accuracy_criterion\": {\"metrics\": [{\"name\": \"top1\"}, {\"name\": "
		"\"top5\"}]}",
		"{\"accuracy\": {\"top1\": 0.8, \"top5\": 0.9}, \"latency_ms\": 100}");
	struct next next = {.step = NEXT_CONFIRM, .trial = 1, .round = 1};
	struct figures f;

	kit_answer(job, kit_ask(job),
		   "{\"accuracy\": {\"top1\": 0.8, \"top5\": 0.9}, \"latency_ms\": 50}");
	kit_answer(job, job_ask_again(job, &next),
		   "{\"accuracy\": {\"top1\": 0.8, \"top5\": 0.88}, \"latency_ms\": 50}");
	next.round = 2;
	kit_answer(job, job_ask_again(job, &next),
		   "{\"accuracy\": {\"top1\": 0.79, \"top5\": 0.9}, \"latency_ms\": 50}");
	figures_init(&f, job, job->trials[1]);
	cr_assert_float_eq(f.accuracy[0], 0.795, 1e-9);
	cr_assert_float_eq(f.accuracy[1], 0.89, 1e-9);
	cr_assert_eq(f.accuracy_low[1], 0.88);
	cr_assert_eq(f.accuracy_high[1], 0.9);
	cr_assert_not(f.feasible, "0.891 would be enough of the second");
	figures_finish(&f);
	job_destroy(job);
}

/* The mean of the baseline may be 0, from which no relative bound follows: then all bounds are those that the job began with. */
Test(figures, without_a_bound_of_the_mean_the_first_ones_hold)
{
	struct job *job = kit_running_from(
		", \"accuracy_criterion\": {\"metrics\": [{\"name\": \"x\"}, {\"name\": \"y\"}]}",
		"{\"accuracy\": {\"x\": 0.9, \"y\": 0.9}, \"latency_ms\": 100}");
	struct next next = {.step = NEXT_CONFIRM, .trial = 0, .round = 1};
	struct figures f;

	kit_answer(job, kit_ask(job),
		   "{\"accuracy\": {\"x\": 0.85, \"y\": 0.9}, \"latency_ms\": 50}");
	kit_answer(job, job_ask_again(job, &next),
		   "{\"accuracy\": {\"x\": 0.7, \"y\": -0.9}, \"latency_ms\": 100}");
	figures_init(&f, job, job->trials[1]);
	cr_assert_not(f.feasible);
	figures_finish(&f);
	job_destroy(job);
}
