/*
 * How many trials strategies need, and what they find: every strategy on the synthetic problem QP1
 * or on tables with costly conversions, through the interface that the daemon uses.
 *
 *	strategies [--n 8,30,100,300 | --tables] [--seeds A-B] [--strategies a,b,...] [--trials N]
 *		[--scores hessian|mse] [--latencies] [--noise S] [NAME=VALUE ...]
 *
 * Regret is (latency - optimum) / (1 - optimum) relative to fp32, so 1 is fp32 itself and 0 the
 * optimum; on tables it is latency / optimum - 1. With noise (S times what may be lost) configs are
 * judged as measured; "overrun" is the share of seeds whose final choice truly loses too much.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "bench/qp1.h"
#include "strategies/criterion.h"
#include "strategies/strategy.h"

enum { TABLE_OPS = 12, SEEDS_MAX = 256, POINTS = 5, TEXTS_MAX = 16 };

static const size_t points[POINTS] = {10, 20, 50, 100, 200};
static const double baseline_accuracy = 0.76, tolerable = 0.01;

struct bench_options {
	size_t sizes[8], size_count;
	uint64_t first_seed, last_seed;
	const char *strategies;
	size_t trials;
	struct qp1_hints hints;
	double noise;
	bool tables;
	const char *settings[TEXTS_MAX];
	size_t setting_count;
};

/* One problem: what configs are worth. */
struct bench_problem {
	struct qp1 qp1;
	struct space *space;
	double optimum;
	uint16_t *options; /* of the config at hand */
};

struct result {
	double first; /* trials until the criterion was met, or INFINITY */
	double regrets[POINTS];
	double asks_ms, slowest_ms;
	size_t duplicates, asked;
	double final; /* regret of what is handed over */
	bool overrun;
};

/* Optima of DP over the chain, by size and seed, of bench/qp1_optima.txt. */
static double known_optimum(size_t n, uint64_t seed)
{
	FILE *file = fopen(QP1_OPTIMA, "re");
	char line[256];
	double found = NAN;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		char *rest = line;
		size_t size = strtoul(rest, &rest, 10);
		uint64_t of = strtoull(rest, &rest, 10);
		const char *text = strstr(rest, "opt=");

		if (size == n && of == seed && text != NULL) {
			found = strtod(text + 4, NULL);
		}
	}
	if (file != NULL) {
		(void)fclose(file);
	}
	return found;
}

/*
 * A table: twelve operators in int8 or fp32, of which the first gain a little and the others
 * nothing, with conversions as dear as operators. Most configs are slower than fp32.
 */
static void make_table(struct qp1 *qp1, uint64_t seed)
{
	struct rng rng = rng_make(seed, RNG_SEARCH, 99);

	for (size_t i = 0; i < qp1->count; i++) {
		struct qp1_op *op = &qp1->ops[i];
		double time = 0.3 + rng_unit(&rng), gain = 1 + 1.2 * rng_unit(&rng);

		gain = i >= 7 ? 0.7 + 0.35 * rng_unit(&rng) : gain;
		op->type = 4;
		op->options = 2;
		op->latencies[0] = time / gain;
		op->latencies[1] = time;
		op->border = 0.25 + 0.5 * rng_unit(&rng);
		op->losses[0] = rng_unit(&rng) * rng_unit(&rng) * rng_unit(&rng);
		op->losses[1] = 0;
		op->hessian = op->mse = op->losses[0];
		op->interaction = -0.4 + 0.9 * rng_unit(&rng);
	}
	qp1->scale = tolerable / (1 - tolerable) * 1.2;
}

static bool is_feasible(double accuracy)
{
	return accuracy >= baseline_accuracy * (1 - tolerable) - 1e-12;
}

static double best_of_table(const struct qp1 *qp1)
{
	uint16_t options[TABLE_OPS];
	double best = 1;

	for (unsigned config = 0; config < 1u << TABLE_OPS; config++) {
		double latency;

		for (size_t i = 0; i < TABLE_OPS; i++) {
			options[i] = config >> i & 1;
		}
		latency = qp1_latency(qp1, options) / qp1->latency_fp32;
		if (latency < best && is_feasible(qp1_accuracy(qp1, options))) {
			best = latency;
		}
	}
	return best;
}

static void problem_init(struct bench_problem *p, const struct bench_options *o, size_t n,
			 uint64_t seed)
{
	qp1_init(&p->qp1, n, seed);
	p->options = mem_new(n, sizeof(*p->options));
	if (o->tables) {
		make_table(&p->qp1, seed);
		for (size_t i = 0; i < n; i++) {
			p->options[i] = 1;
		}
		p->qp1.latency_fp32 = qp1_latency(&p->qp1, p->options);
	}
	p->optimum = o->tables ? best_of_table(&p->qp1) : known_optimum(n, seed);
	p->space = qp1_space(&p->qp1, &o->hints);
}

static void problem_finish(struct bench_problem *p)
{
	space_destroy(p->space);
	qp1_finish(&p->qp1);
	free(p->options);
}

static double milliseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* A job's part of the work: shows the strategy what its questions give. */
struct host {
	const struct bench_options *o;
	struct bench_problem *p;
	struct criterion criterion;
	struct objective objective;
	struct problem problem;
	struct strategy strategy;
	struct question *asked;
	double best;                /* latency of the best as measured */
	double *latencies, *losses; /* of each trial; losses are the true ones */
	int64_t best_trial;
};

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

static void host_init(struct host *host, const struct bench_options *o, struct bench_problem *p,
		      const struct strategy_ops *ops)
{
	struct event baseline = {.type = EVENT_TOLD,
				 .kind = QUESTION_BASELINE,
				 .feasible = true,
				 .merit = baseline_accuracy,
				 .margin = 1};
	static const char *const answers[] = {"evaluate", "score:mse", "score:hawq_v2", NULL};
	static const char *const silent[] = {"evaluate", NULL};
	bool scores = o->hints.hessian || o->hints.mse;
	struct args args;
	struct err err;

	memset(host, 0, sizeof(*host));
	host->o = o;
	host->p = p;
	host->best = 1;
	host->asked = mem_new(o->trials, sizeof(*host->asked));
	host->latencies = mem_new(o->trials + 1, sizeof(*host->latencies));
	host->losses = mem_new(o->trials + 1, sizeof(*host->losses));
	host->criterion = (struct criterion){.relative = true, .metric_count = 1};
	host->criterion.metrics[0].higher_is_better = true;
	host->criterion.metrics[0].tolerable_loss = tolerable;
	host->objective.count = 1;
	host->objective.metrics[0].weight = 1;
	host->problem = (struct problem){.space = p->space,
					 .criterion = &host->criterion,
					 .objective = &host->objective,
					 .seed = p->qp1.seed,
					 .parallel = 1,
					 .level = LEVEL_OPS,
					 .keep_searching = true,
					 .answers = scores ? answers : silent};
	args_init(&args, ops->params);
	for (size_t i = 0; i < o->setting_count; i++) {
		apply_setting(&args, ops->params, o->settings[i]);
	}
	baseline.objective = p->qp1.latency_fp32;
	if (criterion_fix(&host->criterion, &baseline_accuracy, &err) != 0 ||
	    strategy_init(&host->strategy, ops, &host->problem, &args, &err) != 0) {
		(void)fprintf(stderr, "%s: %s\n", ops->name, err.message);
		exit(1);
	}
	strategy_apply(&host->strategy, &baseline);
}

static void answer_scores(struct host *host, struct question *question)
{
	double *scores = mem_new(question->op_count, sizeof(*scores));
	struct event event = {.type = EVENT_ASKED,
			      .kind = QUESTION_SCORE,
			      .config = question->config,
			      .ops = question->ops,
			      .op_count = question->op_count,
			      .scores = scores};

	for (size_t i = 0; i < question->op_count; i++) {
		const struct qp1_op *op = &host->p->qp1.ops[question->ops[i]];

		scores[i] = host->o->hints.hessian ? op->hessian : op->mse;
	}
	strategy_apply(&host->strategy, &event);
	event.type = EVENT_TOLD;
	strategy_apply(&host->strategy, &event);
	free(scores);
	question_finish(question);
}

static void note(struct host *host, const struct event *event, double true_accuracy)
{
	double latency = event->objective / host->p->qp1.latency_fp32;

	host->latencies[event->trial] = latency;
	host->losses[event->trial] = (1 - true_accuracy / baseline_accuracy) / tolerable;
	if (event->feasible && latency < host->best) {
		host->best = latency;
		host->best_trial = event->trial;
	}
}

static void evaluate(struct host *host, const struct question *question, size_t trial,
		     struct result *ret)
{
	struct bench_problem *p = host->p;
	struct event event = {.type = EVENT_ASKED,
			      .kind = QUESTION_EVALUATE,
			      .trial = (int64_t)trial,
			      .config = question->config};
	uint16_t *choices = mem_new(p->space->dimension_count, sizeof(*choices));
	double accuracy, measured;

	strategy_apply(&host->strategy, &event);
	config_expand(question->config, p->space, choices);
	qp1_options(&p->qp1, p->space, choices, p->options);
	accuracy = qp1_accuracy(&p->qp1, p->options);
	measured = accuracy + host->o->noise * tolerable * baseline_accuracy *
				      qp1_noise(&p->qp1, p->options, 0);
	event.type = EVENT_TOLD;
	event.merit = measured;
	event.margin = criterion_margin(&host->criterion, &measured);
	event.feasible = criterion_meets(&host->criterion, &measured);
	event.objective = qp1_latency(&p->qp1, p->options);
	strategy_apply(&host->strategy, &event);
	ret->first = event.feasible && isinf(ret->first) ? (double)trial : ret->first;
	note(host, &event, accuracy);
	free(choices);
}

static double regret(const struct host *host)
{
	double optimum = host->p->optimum;

	return host->o->tables ? host->best / optimum - 1 : (host->best - optimum) / (1 - optimum);
}

static bool is_duplicate(const struct host *host, size_t count, const struct question *question)
{
	for (size_t i = 0; i < count; i++) {
		if (config_equal(host->asked[i].config, question->config)) {
			return true;
		}
	}
	return false;
}

static void run(const struct bench_options *o, const struct strategy_ops *ops, size_t n,
		uint64_t seed, struct result *ret)
{
	struct bench_problem p;
	struct host host;
	size_t count = 0;

	*ret = (struct result){.first = INFINITY};
	problem_init(&p, o, n, seed);
	host_init(&host, o, &p, ops);
	while (count < o->trials) {
		struct question question = {0};
		double start = milliseconds(), took;
		enum step step = strategy_next(&host.strategy, &question);

		took = milliseconds() - start;
		if (step != STEP_ASK) {
			break;
		}
		if (question.kind == QUESTION_SCORE) {
			answer_scores(&host, &question);
			continue;
		}
		ret->duplicates += is_duplicate(&host, count, &question);
		host.asked[count++] = question;
		ret->asks_ms += took;
		ret->slowest_ms = fmax(ret->slowest_ms, took);
		evaluate(&host, &question, count, ret);
		for (size_t i = 0; i < POINTS; i++) {
			ret->regrets[i] = count <= points[i] ? regret(&host) : ret->regrets[i];
		}
	}
	ret->asked = count;
	if (strategy_choice(&host.strategy) > 0) {
		host.best_trial = strategy_choice(&host.strategy);
		host.best = host.latencies[host.best_trial];
	}
	ret->final = regret(&host);
	ret->overrun = host.losses[host.best_trial] > 1 + 1e-9;
	for (size_t i = 0; i < count; i++) {
		question_finish(&host.asked[i]);
	}
	free(host.asked);
	free(host.latencies);
	free(host.losses);
	strategy_finish(&host.strategy);
	problem_finish(&p);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void run_all(const struct bench_options *o, const struct strategy_ops *ops, size_t n)
{
	static struct result results[SEEDS_MAX];
	double values[SEEDS_MAX], asks = 0, ms = 0, slowest = 0, overruns = 0;
	size_t count = 0, duplicates = 0;

	for (uint64_t seed = o->first_seed; seed <= o->last_seed && count < SEEDS_MAX; seed++) {
		struct result *r = &results[count++];

		run(o, ops, n, seed, r);
		asks += (double)r->asked;
		ms += r->asks_ms;
		slowest = fmax(slowest, r->slowest_ms);
		duplicates += r->duplicates;
		overruns += r->overrun;
	}
	for (size_t i = 0; i < count; i++) {
		values[i] = results[i].first;
	}
	printf("%-12s %4zu %6.0f", ops->name, n, median(values, count));
	for (size_t k = 0; k < POINTS; k++) {
		for (size_t i = 0; i < count; i++) {
			values[i] = results[i].regrets[k];
		}
		if (points[k] <= o->trials) {
			printf(" %6.3f", median(values, count));
		} else {
			printf("      -");
		}
	}
	for (size_t i = 0; i < count; i++) {
		values[i] = results[i].final;
	}
	printf(" %6.3f %6.1f %5zu %8.2f %8.2f %7.2f\n", median(values, count), asks / (double)count,
	       duplicates, ms / asks, slowest, overruns / (double)count);
	(void)fflush(stdout);
}

static bool is_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at != NULL; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
			return true;
		}
	}
	return list == NULL;
}

static void read_sizes(struct bench_options *o, const char *text)
{
	char *rest = (char *)text;

	for (o->size_count = 0; o->size_count < 8 && *rest != '\0'; o->size_count++) {
		o->sizes[o->size_count] = strtoul(rest, &rest, 10);
		rest += *rest == ',';
	}
}

static void read_options(struct bench_options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
		char *rest;

		if (strcmp(name, "--tables") == 0) {
			o->tables = true;
		} else if (strcmp(name, "--latencies") == 0) {
			o->hints.latencies = true;
		} else if (strchr(name, '=') != NULL && o->setting_count < TEXTS_MAX) {
			o->settings[o->setting_count++] = name;
		} else if (strcmp(name, "--n") == 0) {
			read_sizes(o, argv[++i]);
		} else if (strcmp(name, "--seeds") == 0) {
			o->first_seed = strtoull(value, &rest, 10);
			o->last_seed = *rest == '-' ? strtoull(rest + 1, NULL, 10) : o->first_seed;
			i++;
		} else if (strcmp(name, "--strategies") == 0) {
			o->strategies = argv[++i];
		} else if (strcmp(name, "--trials") == 0) {
			o->trials = strtoul(argv[++i], NULL, 10);
		} else if (strcmp(name, "--scores") == 0) {
			o->hints.hessian = strcmp(value, "hessian") == 0;
			o->hints.mse = strcmp(value, "mse") == 0;
			i++;
		} else if (strcmp(name, "--noise") == 0) {
			o->noise = strtod(argv[++i], NULL);
		} else {
			(void)fprintf(stderr, "unknown: %s\n", name);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct bench_options o = {.sizes = {8, 30, 100, 300},
				  .size_count = 4,
				  .first_seed = 1,
				  .last_seed = 10,
				  .trials = 100};

	read_options(&o, argc, argv);
	if (o.tables) {
		o.sizes[0] = TABLE_OPS;
		o.size_count = 1;
	}
	printf("%-12s %4s %6s %6s %6s %6s %6s %6s %6s %6s %5s %8s %8s %7s\n", "strategy", "n",
	       "met at", "@10", "@20", "@50", "@100", "@200", "final", "trials", "twice", "ask ms",
	       "slowest", "overrun");
	for (size_t i = 0; i < o.size_count; i++) {
		for (size_t k = 0; strategies[k] != NULL; k++) {
			if (is_listed(o.strategies, strategies[k]->name)) {
				run_all(&o, strategies[k], o.sizes[i]);
			}
		}
	}
	return 0;
}
