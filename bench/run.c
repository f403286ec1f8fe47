/*
 * Lets a strategy search on a problem, as a job would, and notes how good it was after each trial.
 */
#include "bench/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "strategies/interface/criterion.h"

const size_t run_points[RUN_POINTS] = {10, 20, 50, 100, 200};

/* A job's part of the work: shows the strategy what its questions give. */
struct host {
	const struct run_setup *setup;
	struct bench_problem *bench;
	struct criterion criterion;
	struct objective objective;
	struct problem problem;
	struct strategy strategy;
	struct question *asked; /* of trial i, from 0 */
	size_t asked_count, told_count;
	struct config **known;      /* owned */
	double best;                /* latency of the best as measured */
	double *latencies, *losses; /* by number of the trial; losses are the true ones */
	int64_t best_trial;
};

double run_milliseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static void apply_setting(struct args *args, const struct param *params, const char *setting)
{
	const char *equals = strchr(setting, '=');

	for (size_t i = 0; equals != NULL && params != NULL && params[i].name != NULL; i++) {
		if (strlen(params[i].name) == (size_t)(equals - setting) &&
		    strncmp(params[i].name, setting, (size_t)(equals - setting)) == 0) {
			args->numbers[i] = strtod(equals + 1, NULL);
			args->texts[i] = equals + 1;
		}
	}
}

static void start_strategy(struct host *host)
{
	const struct strategy_ops *ops = host->setup->ops;
	const char *const *settings = host->setup->settings;
	double baseline_accuracy = PROBLEM_BASELINE;
	struct event baseline = {.type = EVENT_TOLD,
				 .kind = QUESTION_BASELINE,
				 .feasible = true,
				 .merit = PROBLEM_BASELINE,
				 .margin = 1,
				 .objective = host->bench->qp1.latency_fp32};
	struct args args;
	struct err err;

	args_init(&args, ops->params);
	while (settings != NULL && *settings != NULL) {
		apply_setting(&args, ops->params, *settings++);
	}
	if (criterion_fix(&host->criterion, &baseline_accuracy, &err) != 0 ||
	    strategy_init(&host->strategy, ops, &host->problem, &args, &err) != 0) {
		(void)fprintf(stderr, "%s: %s\n", ops->name, err.message);
		exit(1);
	}
	strategy_apply(&host->strategy, &baseline);
}

/* How many of the first questions are about the config. */
static uint64_t count_asked(const struct host *host, size_t first, const struct config *config)
{
	uint64_t count = 0;

	for (size_t i = 0; i < first; i++) {
		count += config_equal(host->asked[i].config, config);
	}
	return count;
}

/* The result of a trial. */
static struct event measure(struct host *host, int64_t trial, const struct config *config)
{
	size_t before = (size_t)trial <= host->asked_count ? (size_t)trial - 1 : 0;
	struct bench_measurement m =
		problem_measure(host->bench, config, count_asked(host, before, config));

	host->latencies[trial] = m.latency;
	host->losses[trial] = (1 - m.accuracy / PROBLEM_BASELINE) / PROBLEM_TOLERABLE;
	return (struct event){.type = EVENT_TOLD,
			      .kind = QUESTION_EVALUATE,
			      .trial = trial,
			      .config = config,
			      .merit = m.measured,
			      .margin = criterion_margin(&host->criterion, &m.measured),
			      .feasible = criterion_meets(&host->criterion, &m.measured),
			      .objective = m.latency * host->bench->qp1.latency_fp32};
}

/* Their numbers come after those of the questions. */
static void tell_known(struct host *host)
{
	const struct space *space = host->bench->space;
	struct rng rng = rng_make(host->bench->qp1.seed, RNG_SEARCH, 98);
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));

	for (size_t i = 0; i < host->setup->known; i++) {
		struct event event;

		for (size_t op = 0; op < space->op_count; op++) {
			choices[op] = (uint16_t)rng_below(&rng, space_kind(space, op)->count);
		}
		host->known[i] = config_create(space, choices);
		event = measure(host, (int64_t)(host->setup->trials + 1 + i), host->known[i]);
		strategy_apply(&host->strategy, &event);
	}
	free(choices);
}

static void host_init(struct host *host, const struct run_setup *setup, struct bench_problem *bench)
{
	static const char *const answers[] = {"evaluate", "score:mse", "score:hawq_v2", NULL};
	static const char *const silent[] = {"evaluate", NULL};
	bool scored = bench->variant->hints.scores != QP1_UNSCORED;

	*host = (struct host){.setup = setup, .bench = bench, .best = 1};
	host->asked = mem_new(setup->trials, sizeof(*host->asked));
	host->known = mem_new(setup->known, sizeof(*host->known));
	host->latencies = mem_new(setup->trials + setup->known + 1, sizeof(*host->latencies));
	host->losses = mem_new(setup->trials + setup->known + 1, sizeof(*host->losses));
	host->criterion = (struct criterion){.relative = true, .metric_count = 1};
	host->criterion.metrics[0].higher_is_better = true;
	host->criterion.metrics[0].tolerable_loss = PROBLEM_TOLERABLE;
	host->criterion.rules = host->objective.rules = 2;
	host->objective.count = 1;
	host->objective.metrics[0].weight = 1;
	host->problem = (struct problem){.space = bench->space,
					 .criterion = &host->criterion,
					 .objective = &host->objective,
					 .seed = bench->qp1.seed,
					 .parallel = (int)setup->parallel,
					 .level = LEVEL_OPS,
					 .keep_searching = true,
					 .answers = scored ? answers : silent};
	start_strategy(host);
	tell_known(host);
}

static void host_finish(struct host *host)
{
	for (size_t i = 0; i < host->asked_count; i++) {
		question_finish(&host->asked[i]);
	}
	for (size_t i = 0; i < host->setup->known; i++) {
		config_destroy(host->known[i]);
	}
	free(host->known);
	free(host->asked);
	free(host->latencies);
	free(host->losses);
	strategy_finish(&host->strategy);
}

static void answer_scores(struct host *host, struct question *question)
{
	const struct qp1 *qp1 = &host->bench->qp1;
	double *scores = mem_new(question->op_count, sizeof(*scores));
	struct event event = {.type = EVENT_ASKED,
			      .kind = QUESTION_SCORE,
			      .config = question->config,
			      .ops = question->ops,
			      .op_count = question->op_count,
			      .scores = scores};

	for (size_t i = 0; i < question->op_count; i++) {
		scores[i] = qp1_score(qp1, question->ops[i], host->bench->variant->hints.scores);
	}
	strategy_apply(&host->strategy, &event);
	event.type = EVENT_TOLD;
	strategy_apply(&host->strategy, &event);
	free(scores);
	question_finish(question);
}

static void note_time(double took, struct run_result *ret)
{
	ret->asks_ms += took;
	ret->slowest_ms = fmax(ret->slowest_ms, took);
}

/* False when the strategy has nothing to ask now. */
static bool ask(struct host *host, struct run_result *ret)
{
	struct question question = {0};
	struct event event = {.type = EVENT_ASKED, .kind = QUESTION_EVALUATE};
	double start = run_milliseconds(), took;
	enum step step = strategy_next(&host->strategy, &question);

	took = run_milliseconds() - start;
	if (step != STEP_ASK) {
		return false;
	}
	if (question.kind == QUESTION_SCORE) {
		answer_scores(host, &question);
		return true;
	}
	ret->duplicates +=
		!question.again && count_asked(host, host->asked_count, question.config) > 0;
	note_time(took, ret);
	host->asked[host->asked_count++] = question;
	event.trial = (int64_t)host->asked_count;
	event.config = question.config;
	strategy_apply(&host->strategy, &event);
	return true;
}

static void note(struct host *host, const struct event *event, struct run_result *ret)
{
	double latency = host->latencies[event->trial];

	if (event->feasible && isinf(ret->first)) {
		ret->first = (double)event->trial;
	}
	if (event->feasible && latency < host->best) {
		host->best = latency;
		host->best_trial = event->trial;
	}
	for (size_t i = 0; i < RUN_POINTS; i++) {
		if ((size_t)event->trial <= run_points[i]) {
			ret->regrets[i] = problem_regret(host->bench, host->best);
		}
	}
}

/* The oldest question that is out. */
static void tell(struct host *host, struct run_result *ret)
{
	const struct config *config = host->asked[host->told_count++].config;
	struct event event = measure(host, (int64_t)host->told_count, config);
	double start = run_milliseconds();

	strategy_apply(&host->strategy, &event);
	note_time(run_milliseconds() - start, ret);
	note(host, &event, ret);
}

struct run_result run_strategy(const struct run_setup *setup, struct bench_problem *problem)
{
	struct run_result result = {.first = INFINITY};
	bool asking = true;
	struct host host;

	host_init(&host, setup, problem);
	while (asking || host.told_count < host.asked_count) {
		size_t out = host.asked_count - host.told_count;

		asking = out < setup->parallel && host.asked_count < setup->trials &&
			 ask(&host, &result);
		if (!asking && out > 0) {
			tell(&host, &result);
			asking = true;
		}
	}
	if (strategy_choice(&host.strategy) > 0) {
		host.best_trial = strategy_choice(&host.strategy);
		host.best = host.latencies[host.best_trial];
	}
	result.asked = host.asked_count;
	result.final = problem_regret(problem, host.best);
	result.true_loss = host.losses[host.best_trial];
	host_finish(&host);
	return result;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double run_median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}
