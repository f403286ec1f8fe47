/*
 * Which results a question rests on: every strategy in a job whose answers arrive late, early and
 * in any order, and which is dropped now and then and replayed from its log, must ask the same.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "space/product.h"
#include "strategies/registry.h"
#include "job/spec/codec_changes.h"
#include "job/job.h"
#include "job/trial.h"
#include "set_clock.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { TRIALS = 18, EDIT_AT = 7, ADVISED_TRIALS = 40 };

/* Which of the questions that are out is answered next. */
enum pattern { OLDEST, YOUNGEST, ANY, EVERY_FOURTH_LAST, WITH_RESTARTS, PATTERNS };

struct log_row {
	enum logged type;
	int64_t trial;
	json_t *data;
};

/* What is changed right before trial EDIT_AT is asked, or when the budget is used up. */
struct edit {
	int64_t parallel, more_trials; /* 0: as it was */
};

struct world {
	const struct strategy_ops *ops;
	int parallel;
	int failures_max; /* 0: any number */
	enum pattern pattern;
	struct edit edit;
	bool edited;
	struct rng rng;
	struct job *job;
	struct log_row *rows; /* as the store would have kept them; owned */
	size_t count;
	char **asked; /* the questions' data; owned */
	size_t asked_count;
};

static struct spec *make_spec(const struct world *w)
{
	bool advised = w->ops->adviser != ADVISER_NONE;
	const char *kwargs =
		!advised ? "{}"
		: w->ops->adviser == ADVISER_SIGOPT
			? "{\"base_url\": \"http://127.0.0.1:1\", \"sigopt_api_token\": "
			  "\"t\", \"sigopt_project_id\": \"p\"}"
			: "{\"url\": \"http://127.0.0.1:1\"}";
	char *text = mem_printf(
		"{\"capability\": {\"op_types\": {\"Conv\": {\"static\": {\"weight\": {\"dtype\": "
		"[\"int8\"], \"granularity\": [\"per_channel\", \"per_tensor\"]}}, \"bf16\": {}, "
		"\"fp32\": {}}}, \"ops\": [{\"name\": \"a\", \"type\": \"Conv\"}, {\"name\": "
		"\"b\", "
		"\"type\": \"Conv\"}, {\"name\": \"c\", \"type\": \"Conv\"}, {\"name\": \"d\", "
		"\"type\": \"Conv\"}, {\"name\": \"e\", \"type\": \"Conv\"}], \"answers\": "
		"[\"evaluate\", \"score:mse\", \"score:mse_v2\", \"score:hawq_v2\"]}, "
		"\"evaluator\": {\"url\": \"http://127.0.0.1:9001\"}, \"parallel\": %d, \"seed\": "
		"5, "
		"\"confirm\": 0, \"max_failed_trials\": %d, \"tuning_criterion\": {\"strategy\": "
		"\"%s\", \"strategy_kwargs\": %s, \"max_trials\": %d, \"stop_on\": \"budget\"}}",
		w->parallel, w->failures_max > 0 ? w->failures_max : 100, w->ops->name, kwargs,
		TRIALS);
	json_t *body = json_loads(text, 0, NULL);
	struct err err;
	struct spec *spec = spec_create(body, json_object_get(body, "capability"),
					json_object_get(body, "evaluator"), &err);

	cr_assert_not_null(spec, "%s: %s", w->ops->name, err.message);
	json_decref(body);
	free(text);
	return spec;
}

static void flush(struct world *w)
{
	for (size_t i = 0; i < w->job->row_count; i++) {
		const struct row *row = &w->job->rows[i];

		w->rows = mem_grow(w->rows, w->count + 1, sizeof(*w->rows));
		w->rows[w->count++] =
			(struct log_row){row->type, row->trial, json_deep_copy(row->data)};
	}
	job_rows_clear(w->job);
}

static void record(struct world *w, enum logged type, int64_t trial, json_t *data)
{
	job_record(w->job, type, trial, data);
	flush(w);
}

/* The daemon is killed and started: what is not in the log is gone. */
static void restart(struct world *w)
{
	struct err err;

	job_destroy(w->job);
	w->job = job_create("job_TEST", make_spec(w), &set_clock);
	for (size_t i = 0; i < w->count; i++) {
		const struct log_row *row = &w->rows[i];

		cr_assert_eq(job_replay(w->job, row->type, row->trial, row->data, &err), 0,
			     "%s, row %zu: %s", w->ops->name, i, err.message);
	}
}

static void tell_measured(struct world *w, struct trial *trial)
{
	struct answer answer = {.accuracy_count = 1, .accuracy = {0.9}, .metric_count = 1};
	struct rng rng = rng_make(trial->config != NULL ? trial->config->hash : 0, RNG_TIMING, 0);

	answer.metrics[0] = (struct answer_metric){(char *)"latency_ms", 100};
	if (trial->number > 0 && rng_below(&rng, 5) == 0) {
		record(w, LOGGED_TRIAL_FAILED, trial->number,
		       json_pack("{s:s}", "error", "no kernel"));
		return;
	}
	if (trial->number > 0) {
		answer.accuracy[0] -= 0.02 * rng_unit(&rng);
		answer.metrics[0].value -= 80 * rng_unit(&rng);
	}
	record(w, LOGGED_TRIAL_TOLD, trial->number, job_told_data(w->job, trial, &answer));
}

static void tell_scores(struct world *w, struct trial *trial)
{
	struct answer answer = {.scores = mem_new(100, sizeof(double)),
				.score_count = trial->op_count};

	for (size_t i = 0; i < 100; i++) {
		answer.scores[i] = (double)(rng_mix(i) % 100);
	}
	record(w, LOGGED_TRIAL_TOLD, trial->number, job_told_data(w->job, trial, &answer));
	free(answer.scores);
}

/* The adviser draws by the number of the trial, and stops after some. */
static void tell_advice(struct world *w, struct trial *trial)
{
	struct rng rng = rng_make((uint64_t)trial->number, RNG_SEARCH, 0);
	json_t *data = json_object();
	struct product product;
	struct config *config;

	if (trial->kind == QUESTION_SUGGEST && trial->number < ADVISED_TRIALS) {
		product_init_full(&product, w->job->spec->space);
		config = product_draw(&product, &rng);
		(void)json_object_set_new(data, "suggestion", codec_changes_json(config));
		config_destroy(config);
		product_finish(&product);
	}
	record(w, LOGGED_TRIAL_TOLD, trial->number, data);
}

/* As turn.c does: one result for all that ask the same. */
static void share(struct world *w, const struct trial *twin, int64_t number)
{
	if (twin->state == TRIAL_TOLD) {
		record(w, LOGGED_TRIAL_TOLD, number, trial_told(twin));
	} else if (twin->state == TRIAL_FAILED) {
		record(w, LOGGED_TRIAL_FAILED, number, json_pack("{s:s}", "error", "as before"));
	}
}

static void answer(struct world *w, struct trial *trial)
{
	if (question_is_advice(trial->kind)) {
		tell_advice(w, trial);
	} else if (trial->kind == QUESTION_SCORE) {
		tell_scores(w, trial);
	} else {
		tell_measured(w, trial);
	}
	for (int64_t i = trial->number + 1; i < w->job->trial_count; i++) {
		if (w->job->trials[i]->twin == trial->number &&
		    w->job->trials[i]->state < TRIAL_TOLD) {
			share(w, trial, i);
		}
	}
}

static void answer_one(struct world *w)
{
	struct trial *out[256];
	size_t count = 0, place = 0;

	for (int64_t i = 0; i < w->job->trial_count; i++) {
		if (w->job->trials[i]->state < TRIAL_TOLD && !w->job->trials[i]->cached) {
			out[count++] = w->job->trials[i];
		}
	}
	cr_assert_gt(count, 0, "%s waits and nothing is out", w->ops->name);
	if (w->pattern == YOUNGEST) {
		place = count - 1;
	} else if (w->pattern == ANY || w->pattern == WITH_RESTARTS) {
		place = rng_below(&w->rng, count);
	} else if (w->pattern == EVERY_FOURTH_LAST) {
		while (place + 1 < count && out[place]->number % 4 == 0) {
			place++;
		}
	}
	answer(w, out[place]);
}

static void note(struct world *w, const json_t *data)
{
	json_t *copy = json_copy((json_t *)data);

	if (!w->ops->in_order) {
		(void)json_object_del(copy, "seen");
	}
	w->asked = mem_grow(w->asked, w->asked_count + 1, sizeof(*w->asked));
	w->asked[w->asked_count++] = json_text(copy);
	json_decref(copy);
}

/* False when the strategy has nothing to ask now. */
static bool ask(struct world *w)
{
	struct job *job = w->job;
	int64_t number = job->trial_count;
	struct question question;
	bool complete = strategy_catch_up(&job->strategy, NULL);
	enum step step = strategy_next(&job->strategy, &question);
	struct trial *twin;
	json_t *data;
	bool cached;

	cr_assert(complete);
	job->starved = step == STEP_WAIT;
	job->exhausted = step == STEP_DONE || step == STEP_CONTENT;
	if (step != STEP_ASK) {
		return false;
	}
	twin = job_find_twin(job, &question);
	cached = twin != NULL && !question.again;
	data = job_asked_data(job, &question, twin != NULL ? twin->number : -1, cached);
	note(w, data);
	record(w, LOGGED_QUESTION_ASKED, number, data);
	if (cached) {
		share(w, twin, number);
	}
	question_finish(&question);
	return true;
}

static void edit(struct world *w)
{
	json_t *data = json_pack("{s:I}", "seen", (json_int_t)w->job->settled);

	if (w->edit.parallel > 0) {
		(void)json_object_set_new(data, "parallel", json_integer(w->edit.parallel));
	}
	if (w->edit.more_trials > 0) {
		(void)json_object_set_new(data, "max_trials",
					  json_integer(TRIALS + w->edit.more_trials));
	}
	record(w, LOGGED_JOB_EDITED, -1, data);
	w->edited = true;
	if (w->pattern == WITH_RESTARTS) {
		restart(w);
	}
}

/* At a point that no delay moves. */
static bool edit_is_due(const struct world *w)
{
	bool wanted = !w->edited && w->edit.parallel + w->edit.more_trials > 0;

	return wanted &&
	       (w->edit.more_trials > 0 ? w->job->charged == w->job->max_trials && w->job->out == 0
					: w->job->trial_count == EDIT_AT && job_may_ask(w->job));
}

static void run(struct world *w)
{
	struct question baseline = {.kind = QUESTION_BASELINE, .stage = "baseline"};

	w->rng = rng_make(7, RNG_TIMING, (uint64_t)w->parallel);
	w->job = job_create("job_TEST", make_spec(w), &set_clock);
	record(w, LOGGED_JOB_SUBMITTED, -1, NULL);
	record(w, LOGGED_STATE_CHANGED, -1, json_pack("{s:s}", "state", "baseline"));
	record(w, LOGGED_QUESTION_ASKED, 0, job_asked_data(w->job, &baseline, -1, false));
	tell_measured(w, w->job->trials[0]);
	record(w, LOGGED_BASELINE_MEASURED, 0, job_baseline_data(w->job, w->job->trials[0]));
	record(w, LOGGED_STATE_CHANGED, -1, json_pack("{s:s}", "state", "running"));
	for (;;) {
		(void)job_settle(w->job);
		flush(w);
		if (edit_is_due(w)) {
			edit(w);
		} else if (job_exit_reason(w->job) != NULL) {
			return;
		} else if (w->pattern == WITH_RESTARTS && rng_below(&w->rng, 8) == 0) {
			restart(w);
		} else if (!job_may_ask(w->job) || !ask(w)) {
			if (w->job->out > 0) {
				answer_one(w);
			}
		} else if (w->job->out > 0 && rng_below(&w->rng, 4) == 0) {
			answer_one(w);
		}
	}
}

static void finish(struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		json_decref(w->rows[i].data);
	}
	for (size_t i = 0; i < w->asked_count; i++) {
		free(w->asked[i]);
	}
	free(w->rows);
	free(w->asked);
	job_destroy(w->job);
}

static void expect_same(const struct world *a, const struct world *b)
{
	for (size_t i = 0; i < a->asked_count && i < b->asked_count; i++) {
		cr_assert_str_eq(a->asked[i], b->asked[i],
				 "%s, %d and %d at once, pattern %d, trial %zu", a->ops->name,
				 a->parallel, b->parallel, (int)b->pattern, i + 1);
	}
	cr_assert_str_eq(job_exit_reason(a->job), job_exit_reason(b->job), "%s", a->ops->name);
	cr_assert_eq(a->asked_count, b->asked_count, "%s: %zu and %zu questions", a->ops->name,
		     a->asked_count, b->asked_count);
}

static void expect_all_patterns_the_same(const struct strategy_ops *ops, int parallel,
					 struct edit change, const struct world *staged)
{
	struct world first = {.ops = ops, .parallel = parallel, .edit = change};

	run(&first);
	cr_assert_gt(first.asked_count, 0);
	for (enum pattern pattern = OLDEST + 1; pattern < PATTERNS; pattern++) {
		struct world other = {
			.ops = ops, .parallel = parallel, .edit = change, .pattern = pattern};

		run(&other);
		expect_same(&first, &other);
		finish(&other);
	}
	if (staged != NULL) {
		expect_same(staged, &first);
	}
	finish(&first);
}

Test(order, delays_and_restarts_change_no_question)
{
	static const int widths[] = {1, 2, 3, 4, 5, 8};

	for (const struct strategy_ops **ops = strategies; *ops != NULL; ops++) {
		struct world serial = {.ops = *ops, .parallel = 1};

		run(&serial);
		for (size_t i = 0; i < COUNT(widths); i++) {
			expect_all_patterns_the_same(*ops, widths[i], (struct edit){0},
						     (*ops)->in_order ? NULL : &serial);
		}
		finish(&serial);
	}
}

/* From the edit on; also when the daemon stops right behind it. */
Test(order, settings_may_change_and_a_replay_knows_when)
{
	static const struct {
		int parallel;
		struct edit edit;
	} cases[] = {{2, {6, 0}}, {6, {2, 0}}, {1, {8, 0}}, {8, {1, 0}}, {4, {0, 6}}, {1, {3, 6}}};

	for (const struct strategy_ops **ops = strategies; *ops != NULL; ops++) {
		for (size_t i = 0; (*ops)->in_order && i < COUNT(cases); i++) {
			expect_all_patterns_the_same(*ops, cases[i].parallel, cases[i].edit, NULL);
		}
	}
}

/* Of the strategies that learn: others go on while an old answer is out, so failures must count. */
Test(order, it_does_not_matter_who_fails_first)
{
	for (const struct strategy_ops **ops = strategies; *ops != NULL; ops++) {
		struct world first = {.ops = *ops, .parallel = 5, .failures_max = 1};

		if (!(*ops)->in_order) {
			continue;
		}
		run(&first);
		for (enum pattern pattern = OLDEST + 1; pattern < PATTERNS; pattern++) {
			struct world other = {
				.ops = *ops, .parallel = 5, .failures_max = 1, .pattern = pattern};

			run(&other);
			expect_same(&first, &other);
			finish(&other);
		}
		finish(&first);
	}
}

/* A question rests on the results up to n - parallel, on nothing older and nothing newer. */
Test(order, a_strategy_that_learns_waits_for_the_oldest)
{
	struct world w = {.ops = strategy_find("tpe"), .parallel = 3, .pattern = YOUNGEST};

	run(&w);
	for (size_t i = 0; i < w.asked_count; i++) {
		json_t *data = json_loads(w.asked[i], 0, NULL);
		int64_t number = (int64_t)i + 1, seen = number > 3 ? number - 3 : 0;

		cr_expect_eq(json_integer_value(json_object_get(data, "seen")), seen, "trial %lld",
			     (long long)number);
		json_decref(data);
	}
	finish(&w);
}
