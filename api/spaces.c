/* The route of a dry run: the space that a job body would have, and the first questions in it. */
#include "api/beside.h"
#include "api/resources.h"
#include "base/clock.h"
#include "base/mem.h"
#include "strategies/interface/strategy.h"
#include "job/spec/codec_config.h"
#include "job/spec/codec_space.h"

#include <stdlib.h>

enum {
	PER_STAGE = 3,
	REHEARSED_ASKS = 5000,
	REHEARSAL_MS = 100, /* other requests wait for the thread */
};

/*
 * A rehearsal: the strategy is told that nothing meets the criterion and that everything is equally
 * good, so it goes through all of its stages; the first configs of each are shown.
 */
struct rehearsal {
	struct spec *spec;
	struct strategy strategy;
	struct question *asked;
	double **scores; /* of each; strategies may look at them as long as they live */
	size_t count;
	json_t *shown;
	json_t *stages; /* name -> how many were shown */
};

static void tell(struct rehearsal *r, const struct question *question)
{
	struct event event = {.type = EVENT_ASKED,
			      .trial = (int64_t)r->count,
			      .kind = question->kind,
			      .config = question->config,
			      .ops = question->ops,
			      .op_count = question->op_count,
			      .margin = -1,
			      .objective = 1,
			      .scores = r->scores[r->count - 1]};

	strategy_apply(&r->strategy, &event);
	event.type = EVENT_TOLD;
	strategy_apply(&r->strategy, &event);
}

/* Whether nobody would be asked, since the config is the baseline. */
static bool is_answered(const struct spec *spec, const struct question *question)
{
	return question->kind == QUESTION_EVALUATE && spec->rules >= 2 &&
	       (spec->strategy->traits & STRATEGY_BASELINE) == 0 &&
	       config_is_baseline(question->config, spec->space);
}

static void show(struct rehearsal *r, const struct question *question)
{
	json_int_t shown = json_integer_value(json_object_get(r->stages, question->stage));

	if (shown == PER_STAGE || is_answered(r->spec, question)) {
		return;
	}
	(void)json_object_set_new(r->stages, question->stage, json_integer(shown + 1));
	(void)json_array_append_new(r->shown,
				    json_pack("{s:s, s:s, s:o}", "stage", question->stage, "kind",
					      question_kind_names[question->kind], "config",
					      codec_config_json(r->spec, question->config, true)));
}

static void rehearse(struct rehearsal *r)
{
	int64_t deadline = clock_mono_ms() + REHEARSAL_MS;
	int64_t left = r->spec->max_trials;
	struct question question;

	while (r->count < REHEARSED_ASKS && left > 0 && clock_mono_ms() <= deadline &&
	       strategy_next(&r->strategy, &question) == STEP_ASK &&
	       !question_is_advice(question.kind)) {
		r->asked = mem_grow(r->asked, r->count + 1, sizeof(*r->asked));
		r->scores = mem_grow(r->scores, r->count + 1, sizeof(*r->scores));
		r->scores[r->count] = mem_new(question.op_count, sizeof(**r->scores));
		r->asked[r->count++] = question;
		left -= question.kind == QUESTION_EVALUATE;
		show(r, &question);
		tell(r, &question);
	}
}

static json_t *first_configs(struct spec *spec)
{
	static const double ones[LIMIT_METRICS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct problem problem = spec_problem(spec);
	const struct event baseline = {
		.type = EVENT_TOLD, .kind = QUESTION_BASELINE, .feasible = true};
	struct rehearsal r = {.spec = spec, .shown = json_array(), .stages = json_object()};
	struct err ignored;

	problem.parallel = 1;
	(void)criterion_fix(&spec->criterion, ones, &ignored);
	if (strategy_init(&r.strategy, spec->strategy, &problem, &spec->args, &ignored) == 0) {
		strategy_apply(&r.strategy, &baseline);
		rehearse(&r);
		strategy_finish(&r.strategy);
	}
	while (r.count > 0) {
		question_finish(&r.asked[--r.count]);
		free(r.scores[r.count]);
	}
	free(r.asked);
	free(r.scores);
	json_decref(r.stages);
	return r.shown;
}

/* What is not needed any more is destroyed here, too: that takes as long as to make it. */
static char *make(struct call *call, const struct store_rows *none)
{
	struct prepared *prepared = call->state;
	char *plan = json_text_last(spec_plan(prepared->spec, prepared->body));
	char *first = json_text_last(first_configs(prepared->spec));
	struct buf text;

	(void)none;
	buf_init_long(&text, SIZE_MAX / 2);
	codec_space_write(prepared->spec, &text);
	buf_text(&text, ",\"job\":");
	buf_text(&text, plan);
	buf_text(&text, ",\"first\":");
	buf_text(&text, first);
	buf_add(&text, "}", 1);
	free(plan);
	free(first);
	call->state = NULL;
	call->state_destroy = NULL;
	prepared_destroy(prepared);
	return buf_take_whole(&text);
}

static void destroy(void *state)
{
	prepared_destroy(state);
}

static void on_prepared(void *arg, struct prepared *prepared, const struct err *err)
{
	struct call *call = arg;

	call->preparation = NULL;
	if (prepared == NULL) {
		call_fail(call, err);
		return;
	}
	call->state = prepared;
	call->state_destroy = destroy;
	beside_reply(call, NULL, make);
}

void spaces_dry_run(struct call *call)
{
	const struct prepare_request request = {.body = call->body,
						.owner = call->who.owner,
						.only = access_only(&call->who),
						.dry = true};

	if (!call_may_submit(call, true)) {
		return;
	}
	call->preparation = tuner_prepare(call->server->tuner, &request, on_prepared, call);
}
