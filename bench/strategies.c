/*
 * How many trials strategies need, and what they find: every strategy on the synthetic problem QP1
 * or on tables with costly conversions, through the interface that the daemon uses.
 *
 *	strategies [--n 8,30,100,300 | --tables] [--seeds A-B] [--strategies a,b,...] [--trials N]
 *		[--scores hessian|mse|weak] [--latencies] [--noise S] [--interactions F]
 *		[--curve hyperbola|exponential|convex|concave] [--parallel N] [NAME=VALUE ...]
 *
 * Regret is (latency - optimum) / (1 - optimum) relative to fp32, so 1 is fp32 itself and 0 the
 * optimum; on tables it is latency / optimum - 1. All columns but the last five are medians over
 * the seeds. With noise (S times what may be lost) configs are judged as measured; "overrun" is the
 * share of seeds whose final choice truly loses too much.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/run.h"

enum { SEEDS_MAX = 256, SIZES_MAX = 8, TEXTS_MAX = 16 };

struct bench_options {
	size_t sizes[SIZES_MAX], size_count;
	uint64_t first_seed, last_seed;
	const char *strategies;
	struct problem_variant variant;
	struct run_setup setup;
	const char *settings[TEXTS_MAX + 1];
	size_t setting_count;
};

static void print_median(const double *values, size_t count, int decimals)
{
	double sorted[SEEDS_MAX];

	memcpy(sorted, values, count * sizeof(*values));
	printf(" %6.*f", decimals, run_median(sorted, count));
}

/* One line: a strategy on the problems of all seeds. */
static void print_line(const struct bench_options *o, struct bench_problem *problems, size_t count)
{
	double first[SEEDS_MAX], regrets[RUN_POINTS][SEEDS_MAX], final[SEEDS_MAX];
	double asks = 0, ms = 0, slowest = 0, overruns = 0;
	size_t duplicates = 0;

	for (size_t i = 0; i < count; i++) {
		struct run_result r = run_strategy(&o->setup, &problems[i]);

		first[i] = r.first;
		final[i] = r.final;
		for (size_t k = 0; k < RUN_POINTS; k++) {
			regrets[k][i] = r.regrets[k];
		}
		asks += (double)r.asked;
		ms += r.asks_ms;
		slowest = fmax(slowest, r.slowest_ms);
		duplicates += r.duplicates;
		overruns += r.true_loss > 1 + 1e-9;
	}
	printf("%-12s %4zu", o->setup.ops->name, problems[0].qp1.count);
	print_median(first, count, 0);
	for (size_t k = 0; k < RUN_POINTS; k++) {
		if (run_points[k] <= o->setup.trials) {
			print_median(regrets[k], count, 3);
		} else {
			printf("      -");
		}
	}
	print_median(final, count, 3);
	printf(" %6.1f %5zu %8.2f %8.2f %7.2f\n", asks / (double)count, duplicates, ms / asks,
	       slowest, overruns / (double)count);
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

static void run_all(struct bench_options *o, size_t n)
{
	static struct bench_problem problems[SEEDS_MAX];
	size_t count = 0;

	for (uint64_t seed = o->first_seed; seed <= o->last_seed && count < SEEDS_MAX; seed++) {
		problem_init(&problems[count++], &o->variant, n, seed);
	}
	for (size_t k = 0; strategies[k] != NULL && count > 0; k++) {
		if (strategies[k]->adviser == ADVISER_NONE &&
		    is_listed(o->strategies, strategies[k]->name)) {
			o->setup.ops = strategies[k];
			print_line(o, problems, count);
		}
	}
	for (size_t i = 0; i < count; i++) {
		problem_finish(&problems[i]);
	}
}

static void read_sizes(struct bench_options *o, const char *text)
{
	char *rest = (char *)text;

	for (o->size_count = 0; o->size_count < SIZES_MAX && *rest != '\0'; o->size_count++) {
		o->sizes[o->size_count] = strtoul(rest, &rest, 10);
		rest += *rest == ',';
	}
}

static void read_seeds(struct bench_options *o, const char *text)
{
	char *rest;

	o->first_seed = strtoull(text, &rest, 10);
	o->last_seed = *rest == '-' ? strtoull(rest + 1, NULL, 10) : o->first_seed;
}

static void read_strategies(struct bench_options *o, const char *text)
{
	o->strategies = text;
}

static void read_trials(struct bench_options *o, const char *text)
{
	o->setup.trials = strtoul(text, NULL, 10);
}

static void read_parallel(struct bench_options *o, const char *text)
{
	o->setup.parallel = strtoul(text, NULL, 10);
}

static void read_noise(struct bench_options *o, const char *text)
{
	o->variant.noise = strtod(text, NULL);
}

static void read_interactions(struct bench_options *o, const char *text)
{
	o->variant.interactions = strtod(text, NULL);
}

/* Which of the names the text is; exits when none. */
static int index_of(const char *const *names, const char *text)
{
	int i = 0;

	while (names[i] != NULL && strcmp(names[i], text) != 0) {
		i++;
	}
	if (names[i] == NULL) {
		(void)fprintf(stderr, "unknown: %s\n", text);
		exit(2);
	}
	return i;
}

static void read_scores(struct bench_options *o, const char *text)
{
	o->variant.hints.scores = (enum qp1_scores)index_of(qp1_scores_names, text);
}

static void read_curve(struct bench_options *o, const char *text)
{
	o->variant.curve = (enum qp1_curve)index_of(qp1_curve_names, text);
}

static const struct {
	const char *name;
	void (*read)(struct bench_options *o, const char *text);
} valued[] = {
	{"--n", read_sizes},
	{"--seeds", read_seeds},
	{"--strategies", read_strategies},
	{"--trials", read_trials},
	{"--parallel", read_parallel},
	{"--noise", read_noise},
	{"--interactions", read_interactions},
	{"--scores", read_scores},
	{"--curve", read_curve},
};

/* Returns how many arguments were read; exits at what it does not know. */
static int read_option(struct bench_options *o, const char *name, const char *value)
{
	if (strcmp(name, "--tables") == 0) {
		o->variant.tables = true;
		return 1;
	}
	if (strcmp(name, "--latencies") == 0) {
		o->variant.hints.latencies = true;
		return 1;
	}
	for (size_t i = 0; value != NULL && i < sizeof(valued) / sizeof(valued[0]); i++) {
		if (strcmp(name, valued[i].name) == 0) {
			valued[i].read(o, value);
			return 2;
		}
	}
	if (strchr(name, '=') == NULL || o->setting_count == TEXTS_MAX) {
		(void)fprintf(stderr, "unknown, or without its value: %s\n", name);
		exit(2);
	}
	o->settings[o->setting_count++] = name;
	return 1;
}

int main(int argc, char **argv)
{
	struct bench_options o = {
		.sizes = {8, 30, 100, 300},
		.size_count = 4,
		.first_seed = 1,
		.last_seed = 10,
		.variant = {.interactions = 1},
		.setup = {.trials = 100, .parallel = 1},
	};

	for (int i = 1; i < argc;) {
		i += read_option(&o, argv[i], argv[i + 1]);
	}
	o.setup.settings = o.settings;
	if (o.variant.tables) {
		o.sizes[0] = PROBLEM_TABLE_OPS;
		o.size_count = 1;
	}
	printf("%-12s %4s %6s %6s %6s %6s %6s %6s %6s %6s %5s %8s %8s %7s\n", "strategy", "n",
	       "met at", "@10", "@20", "@50", "@100", "@200", "final", "trials", "twice", "ask ms",
	       "slowest", "overrun");
	for (size_t i = 0; i < o.size_count; i++) {
		run_all(&o, o.sizes[i]);
	}
	return 0;
}
