/* Makes random cases and runs strategies on them by the contract. */
#include "strategy_run.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "space_kit.h"
#include "strategies/interface/host.h"
#include "space/product.h"
#include "strategies/registry.h"
#include "strategies/stage_words.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum {
	MAX_OPS = 12,
	ADVISED_TRIALS = 15,
	TWICE_EVERY = 3, /* questions of those that fit models */
};

static const char *const mode_texts[] = {
	"static a.scheme=asym,sym a.algorithm=kl,minmax; bf16; fp32",
	"static a.scheme=asym,sym; fp32",
	"static a.scheme=sym w.granularity=pc,pt; bf16; fp16; fp32",
	"static a.algorithm=minmax; fp16; fp32",
	"dynamic a.scheme=asym,sym; fp32",
	"dynamic a.scheme=sym; static a.algorithm=kl,minmax,percentile; bf16; fp32",
	"static a.dtype=uint8 w.dtype=int8; static a.dtype=int8 w.dtype=int4 a.scheme=sym; fp32",
	"weight_only w.bits=4,8 w.group_size=32,128 w.dtype=int,nf4; fp32",
	"bf16; fp32",
	"fp32",
};

/* All that have one of these share a value in each mode. */
static const char *const uniform_texts[] = {"a.scheme a.algorithm w.granularity w.bits",
					    "a.algorithm w.granularity w.group_size"};

static const size_t first_kinds[] = {0, 2, 4, 5, 7}; /* of mode_texts, with the next */

static const char *const type_names[] = {"Conv2d", "Linear", "MatMul"};

/* Ties operators that are near each other and can be tied. Returns how many groups that made. */
static size_t tie(struct rng *rng, const struct kit_op *ops, size_t count,
		  uint32_t (*groups)[KIT_TIED])
{
	size_t made = 0;

	for (size_t i = 0; i + 1 < count; i++) {
		size_t used = 0;

		for (size_t k = i; k < count && k < i + 5 && used < KIT_TIED; k++) {
			if (ops[k].modes == ops[i].modes && (k == i || rng_below(rng, 2) == 0)) {
				groups[made][used++] = (uint32_t)k;
			}
		}
		if (used > 1) {
			i = groups[made++][used - 1];
		} else {
			memset(groups[made], 0, sizeof(groups[made]));
		}
	}
	return made;
}

static struct space *random_space(struct rng *rng, bool shares)
{
	static const enum approach approaches[] = {APPROACH_STATIC, APPROACH_DYNAMIC, APPROACH_AUTO,
						   APPROACH_AUTO, APPROACH_WEIGHT_ONLY};
	struct kit_request request = {.approach = approaches[rng_below(rng, COUNT(approaches))],
				      .sizes = rng_below(rng, 4),
				      .alphas = rng_below(rng, 2) * rng_below(rng, 4)};
	struct kit_op ops[MAX_OPS + 1] = {0};
	char names[MAX_OPS][32];
	size_t count = 1 + rng_below(rng, MAX_OPS);
	uint32_t groups[MAX_OPS][KIT_TIED] = {0};
	/* Those that share are of two neighbouring kinds, or they would have little in common. */
	size_t kinds = shares ? 2 : COUNT(mode_texts);
	size_t first = shares ? first_kinds[rng_below(rng, COUNT(first_kinds))] : 0;
	struct err err;
	struct space *space;

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "op%zu", i);
		ops[i].name = names[i];
		ops[i].type = type_names[rng_below(rng, COUNT(type_names))];
		ops[i].modes = mode_texts[(first + rng_below(rng, kinds)) % COUNT(mode_texts)];
	}
	if (shares) {
		request.approach = first == 7 ? APPROACH_WEIGHT_ONLY : APPROACH_AUTO;
		request.tied_count = tie(rng, ops, count, groups);
		request.tied = (const uint32_t(*)[KIT_TIED])groups;
		request.uniform = uniform_texts[rng_below(rng, COUNT(uniform_texts))];
	}
	space = kit_space(ops, &request, &err);
	cr_assert_not_null(space, "%s", err.message);
	return space;
}

struct run_case run_case_make(uint64_t seed)
{
	static const double failure_rates[] = {0, 0, 0.1, 0.5, 1};
	static const int levels[] = {1, 3, 1000000};
	struct rng rng = rng_make(seed, RNG_SEARCH, 0);

	return (struct run_case){
		.seed = seed,
		.rules = 1 + (int64_t)(seed / 12 % 4 == 3),
		.open = seed % 40 == 0,
		.space = random_space(&rng, seed % 3 == 0),
		.failure_rate = failure_rates[rng_below(&rng, COUNT(failure_rates))],
		.levels = levels[rng_below(&rng, COUNT(levels))],
	};
}

uint64_t run_question_hash(const struct question *question)
{
	uint64_t hash = rng_mix((uint64_t)question->kind + 1 + ((uint64_t)question->subject << 8));

	for (const char *c = question->stage; *c != '\0'; c++) {
		hash = rng_mix(hash + (unsigned char)*c);
	}
	for (size_t i = 0; i < question->op_count; i++) {
		hash = rng_mix(hash + question->ops[i]);
	}
	return question->config != NULL ? rng_mix(hash + question->config->hash) : hash;
}

bool run_questions_equal(const struct question *a, const struct question *b)
{
	return run_question_hash(a) == run_question_hash(b) &&
	       (a->config == NULL) == (b->config == NULL) &&
	       (a->config == NULL || config_equal(a->config, b->config));
}

static void apply(struct run *run, const struct event *event)
{
	run->events = mem_grow(run->events, run->event_count + 1, sizeof(*run->events));
	run->events[run->event_count++] = *event;
	strategy_apply(&run->strategy, event);
}

void run_init(struct run *run, const struct run_case *c, const struct strategy_ops *ops,
	      int parallel)
{
	bool open = c->open && (ops->traits & STRATEGY_FRONT) != 0;
	const struct event baseline = {.type = EVENT_TOLD,
				       .kind = QUESTION_BASELINE,
				       .feasible = true,
				       .merit = 1,
				       .objective = open ? 0.5 : 0};
	struct args args;
	struct err err;

	memset(run, 0, sizeof(*run));
	run->c = c;
	run->ops = ops;
	run->criterion.rules = run->objective.rules = c->rules;
	run->criterion.metric_count = 1;
	run->criterion.metrics[0].higher_is_better = true;
	run->criterion.metrics[0].tolerable_loss = 0.01;
	(void)criterion_fix(&run->criterion, &baseline.merit, NULL);
	run->objective.count = 1;
	run->objective.metrics[0].weight = 1;
	run->weighed = (struct objective){.rules = c->rules, .count = 2};
	run->weighed.metrics[0] = (struct objective_metric){(char *)"accuracy", 1, true};
	run->weighed.metrics[1] = (struct objective_metric){(char *)"latency_ms", 1, false};
	run->problem = (struct problem){
		.space = c->space,
		.criterion = &run->criterion,
		.objective = &run->objective,
		.seed = c->seed,
		.parallel = parallel,
		.keep_searching = true,
		.host = &host_functions,
		.weighed = open ? &run->weighed : NULL,
	};
	args_init(&args, ops->params);
	err_init(&err);
	cr_assert_eq(strategy_init(&run->strategy, ops, &run->problem, &args, &err), 0, "%s: %s",
		     ops->name, err.message);
	apply(run, &baseline);
}

void run_finish(struct run *run)
{
	strategy_finish(&run->strategy);
	for (size_t i = 0; i < run->asked_count; i++) {
		question_finish(&run->asked[i]);
	}
	for (size_t i = 0; i < run->score_count; i++) {
		free(run->scores[i]);
	}
	for (size_t i = 0; i < run->suggestion_count; i++) {
		config_destroy(run->suggestions[i]);
	}
	free(run->suggestions);
	free(run->scores);
	free(run->asked);
	free(run->events);
	free(run->out);
}

size_t run_limit(const struct strategy_ops *ops)
{
	return ops->in_order ? RUN_ASKS / 8 : RUN_ASKS;
}

/* A random config, often one that was suggested before. The adviser stops after some. */
static const struct config *suggestion(struct run *run, int64_t trial)
{
	struct rng rng = rng_make(run->c->seed, RNG_SEARCH, (uint64_t)trial % 5);
	struct product product;
	struct config *config;

	product_init_full(&product, run->c->space);
	config = product_draw(&product, &rng);
	product_finish(&product);
	run->suggestions =
		mem_grow(run->suggestions, run->suggestion_count + 1, sizeof(struct config *));
	run->suggestions[run->suggestion_count++] = config;
	return config;
}

/* The same config gets the same result, as from a host that answers repetitions from its store. */
static struct event result_of(struct run *run, int64_t trial)
{
	const struct question *question = &run->asked[trial - 1];
	uint64_t key = question->kind == QUESTION_EVALUATE ? question->config->hash
							   : run_question_hash(question);
	struct rng rng = rng_make(key ^ run->c->seed, RNG_TIMING, 0);
	struct event event = {
		.type = EVENT_TOLD,
		.trial = trial,
		.kind = question->kind,
		.config = question->config,
		.ops = question->ops,
		.op_count = question->op_count,
	};

	if (rng_unit(&rng) < run->c->failure_rate) {
		event.type = EVENT_FAILED;
	}
	if (question->kind == QUESTION_SUGGEST && trial <= ADVISED_TRIALS) {
		event.config = suggestion(run, trial);
	}
	event.merit = (double)rng_below(&rng, (uint64_t)run->c->levels) / run->c->levels;
	event.margin = event.merit - run->criterion.bound[0];
	event.feasible = event.margin >= 0;
	event.objective = rng_unit(&rng);
	return event;
}

static void expect_in_space(const struct run *run, const struct question *question)
{
	struct config *again;

	if (question->config == NULL) {
		cr_assert(question->kind == QUESTION_SCORE || question_is_advice(question->kind));
		return;
	}
	again = config_from_changes(run->c->space, question->config->changes,
				    question->config->count);

	cr_assert_not_null(again, "%s asks outside of space %llu", run->ops->name,
			   (unsigned long long)run->c->seed);
	cr_assert(config_equal(again, question->config));
	config_destroy(again);
}

/* Asking changes nothing. */
static void expect_again(const struct run *run, enum step step, const struct question *first)
{
	struct question second;

	cr_assert_eq(strategy_next(&run->strategy, &second), step, "%s", run->ops->name);
	if (step == STEP_ASK) {
		cr_assert(run_questions_equal(first, &second), "%s", run->ops->name);
		question_finish(&second);
	}
}

enum step run_ask(struct run *run)
{
	struct question first;
	enum step step = strategy_next(&run->strategy, &first);
	struct event event = {.type = EVENT_ASKED};

	if (!run->ops->in_order || run->asked_count % TWICE_EVERY == 0) {
		expect_again(run, step, &first);
	}
	if (step != STEP_ASK) {
		return step;
	}
	cr_assert(first.kind == QUESTION_EVALUATE || first.kind == QUESTION_SCORE ||
		  question_is_advice(first.kind));
	expect_in_space(run, &first);
	cr_assert(registry_is_added(run->ops) || stage_words_of(first.stage) != NULL,
		  "%s has no words", first.stage);
	run->asked = mem_grow(run->asked, run->asked_count + 1, sizeof(*run->asked));
	run->asked[run->asked_count++] = first;
	event.trial = (int64_t)run->asked_count;
	event.kind = first.kind;
	event.config = first.config;
	event.ops = first.ops;
	event.op_count = first.op_count;
	run->out = mem_grow(run->out, run->out_count + 1, sizeof(*run->out));
	run->out[run->out_count++] = event.trial;
	apply(run, &event);
	return step;
}

static double *make_scores(struct run *run, const struct event *event)
{
	double *scores = mem_new(event->op_count, sizeof(*scores));

	for (size_t i = 0; i < event->op_count; i++) {
		scores[i] = (double)(rng_mix(event->ops[i] ^ run->c->seed) % 100);
	}
	run->scores = mem_grow(run->scores, run->score_count + 1, sizeof(*run->scores));
	run->scores[run->score_count++] = scores;
	return scores;
}

void run_tell(struct run *run, size_t place)
{
	struct event event = result_of(run, run->out[place]);

	if (event.kind == QUESTION_SCORE && event.type == EVENT_TOLD) {
		event.scores = make_scores(run, &event);
	}
	run->out_count--;
	memmove(&run->out[place], &run->out[place + 1],
		(run->out_count - place) * sizeof(*run->out));
	apply(run, &event);
}

size_t run_tell_late(struct run *run)
{
	size_t end = run->event_count, count = 0;

	for (; run->revised < end; run->revised++) {
		struct event event = run->events[run->revised];

		if (event.type != EVENT_FAILED || question_is_advice(event.kind)) {
			continue;
		}
		event.type = EVENT_TOLD;
		if (event.kind == QUESTION_SCORE) {
			event.scores = make_scores(run, &event);
		}
		apply(run, &event);
		count++;
	}
	return count;
}

void run_through(struct run *run, enum run_order order)
{
	struct rng rng = rng_make(run->c->seed, RNG_TIMING, (uint64_t)run->problem.parallel);

	for (;;) {
		bool room = !run->done && run->asked_count < run_limit(run->ops) &&
			    run->out_count < (size_t)run->problem.parallel;

		/* Sometimes a result is there before the next question is asked. */
		if (room && (run->out_count == 0 || rng_below(&rng, 3) > 0)) {
			enum step step = run_ask(run);

			if (step == STEP_ASK) {
				continue;
			}
			run->done = step != STEP_WAIT;
			cr_assert(run->done || run->out_count > 0,
				  "%s waits in space %llu and nothing is out", run->ops->name,
				  (unsigned long long)run->c->seed);
		}
		if (run->out_count == 0) {
			return;
		}
		run_tell(run, order == RUN_IN_ANY_ORDER ? rng_below(&rng, run->out_count) : 0);
	}
}

/* One of the questions whose answers are not in is answered; what is shown waits for its turn. */
static void arrive(const struct run *run, bool *in, struct rng *rng)
{
	size_t place = rng_below(rng, run->out_count);

	while (in[run->out[place]]) {
		place = (place + 1) % run->out_count;
	}
	in[run->out[place]] = true;
}

static size_t count_missing(const struct run *run, const bool *in)
{
	size_t missing = 0;

	for (size_t i = 0; i < run->out_count; i++) {
		missing += !in[run->out[i]];
	}
	return missing;
}

void run_delayed(struct run *run, uint64_t delays)
{
	size_t limit = run_limit(run->ops), width = (size_t)run->problem.parallel;
	bool *in = mem_new(limit + 1, sizeof(*in)), waits = false;
	struct rng rng = rng_make(run->c->seed, RNG_TIMING, delays << 8 | width);

	for (;;) {
		size_t missing = count_missing(run, in), unseen = run->out_count;
		bool ended = run->done || run->asked_count == limit;
		bool held = run->ops->in_order && !ended && !waits && unseen < width;
		bool room = !ended && !waits && (run->ops->in_order ? unseen : missing) < width;

		if (unseen > 0 && in[run->out[0]] && !held) {
			run_tell(run, 0);
			waits = false;
		} else if (room && (missing == 0 || rng_below(&rng, 3) > 0)) {
			enum step step = run_ask(run);

			waits = step == STEP_WAIT;
			run->done = step == STEP_DONE || step == STEP_CONTENT;
		} else if (missing > 0) {
			arrive(run, in, &rng);
		} else {
			break;
		}
	}
	cr_assert_eq(run->out_count, 0, "%s waits in space %llu and nothing is out", run->ops->name,
		     (unsigned long long)run->c->seed);
	free(in);
}
