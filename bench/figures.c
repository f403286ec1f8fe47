/*
 * What the strategies with models are held to, on seeds that strategies were not tuned on but for the
 * certainty that sgp wants under noise (chosen on seeds 101 to 200): trials until the criterion, regret, true losses under noise, duplicates; and, without figures, what
 * becomes of them on other variants of the problem. Regret may be larger by 0.02 than the first version's. Exits with 1 when
 * a figure is missed.
 *
 *	figures [--seeds A-B] [--of PROBLEM]
 *
 * Medians over the seeds (101 to 140), but of true losses the 95th percentile; with noise over the
 * hundred seeds from the first on. Regret is as strategies.c has it, of the best that was measured.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/run.h"

enum { SEEDS_MAX = 256, SEEDS_OF_LOSSES = 100 };

/* "Good" are scores of hessian and latencies. */
static const struct problem_variant nothing = {.interactions = 1};
static const struct problem_variant timed = {.interactions = 1, .hints.latencies = true};
static const struct problem_variant scored = {.interactions = 1, .hints.scores = QP1_HESSIAN};
static const struct problem_variant good = {.interactions = 1, .hints = {true, QP1_HESSIAN}};
static const struct problem_variant weak = {.interactions = 1, .hints = {true, QP1_WEAK}};
static const struct problem_variant noisy = {.interactions = 1, .noise = 0.3};
static const struct problem_variant noisy_good = {
	.interactions = 1, .hints = {true, QP1_HESSIAN}, .noise = 0.3};
static const struct problem_variant strong = {.interactions = 3};
static const struct problem_variant strong_good = {.interactions = 3, .hints = {true, QP1_HESSIAN}};
static const struct problem_variant convex = {
	.interactions = 1, .curve = QP1_CONVEX, .hints = {true, QP1_HESSIAN}};
static const struct problem_variant concave = {
	.interactions = 1, .curve = QP1_CONCAVE, .hints = {true, QP1_HESSIAN}};
static const struct problem_variant exponential = {
	.interactions = 1, .curve = QP1_EXPONENTIAL, .hints = {true, QP1_HESSIAN}};
static const struct problem_variant tables = {.tables = true};

/* What must hold; INFINITY where nothing must. */
struct figure {
	const char *strategy, *of;
	const struct problem_variant *variant;
	size_t count, trials;
	double met_at, regret, true_loss;
	const char *setting;
};

static const struct figure figures[] = {
	{"sgp", "nothing given", &nothing, 30, 20, 3, 0.07, INFINITY, NULL},
	{"sgp", "nothing given", &nothing, 100, 20, 3, 0.12, INFINITY, NULL},
	{"sgp", "nothing given", &nothing, 300, 20, 5, 0.19, INFINITY, NULL},
	{"sgp", "latencies alone", &timed, 30, 20, 3, 0.06, INFINITY, NULL},
	{"sgp", "latencies alone", &timed, 100, 20, 3, 0.09, INFINITY, NULL},
	{"sgp", "latencies alone", &timed, 300, 20, 5, 0.13, INFINITY, NULL},
	{"sgp", "good scores", &good, 30, 20, 3, 0.02, INFINITY, NULL},
	{"sgp", "good scores", &good, 100, 20, 3, 0.02, INFINITY, NULL},
	{"sgp", "good scores", &good, 300, 20, 3, 0.02, INFINITY, NULL},
	{"knapsack", "good scores", &good, 30, 20, 4, 0.07, INFINITY, NULL},
	{"knapsack", "good scores", &good, 100, 20, 4, 0.05, INFINITY, NULL},
	{"knapsack", "good scores", &good, 300, 20, 4, 0.06, INFINITY, NULL},
	{"bisect", "good scores", &good, 30, 20, 7, 0.19, INFINITY, NULL},
	{"bisect", "good scores", &good, 100, 20, 7, 0.09, INFINITY, NULL},
	{"bisect", "good scores", &good, 300, 20, 7, 0.09, INFINITY, NULL},
	{"tpe", "nothing given", &nothing, 30, 200, INFINITY, 0.09, INFINITY, NULL},
	{"tpe", "nothing given", &nothing, 100, 100, INFINITY, 0.17, INFINITY, NULL},
	{"bayesian", "nothing given", &nothing, 8, 50, INFINITY, 0.02, INFINITY, "fallback=1"},
	{"sgp", "tables", &tables, PROBLEM_TABLE_OPS, 20, INFINITY, 0.02, INFINITY, NULL},
	{"bayesian", "tables", &tables, PROBLEM_TABLE_OPS, 40, INFINITY, 0.05, INFINITY,
	 "fallback=1"},
	{"tpe", "tables", &tables, PROBLEM_TABLE_OPS, 40, INFINITY, 0.10, INFINITY, "fallback=1"},
	{"sgp", "noise", &noisy, 30, 40, INFINITY, INFINITY, 1, NULL},
	{"sgp", "noise", &noisy, 100, 40, INFINITY, INFINITY, 1, NULL},
	{"sgp", "noise, good scores", &noisy_good, 30, 40, INFINITY, INFINITY, 1, NULL},
	{"sgp", "noise, good scores", &noisy_good, 100, 40, INFINITY, INFINITY, 1, NULL},
	{"sgp", "scores alone", &scored, 100, 20, INFINITY, INFINITY, INFINITY, NULL},
	{"sgp", "weak scores", &weak, 100, 20, INFINITY, 0.08, INFINITY, NULL},
	{"knapsack", "weak scores", &weak, 100, 20, INFINITY, INFINITY, INFINITY, NULL},
	{"sgp", "interactions x 3", &strong, 100, 20, INFINITY, INFINITY, INFINITY, NULL},
	{"sgp", "the same, good", &strong_good, 100, 20, INFINITY, 0.04, INFINITY, NULL},
	{"knapsack", "the same, good", &strong_good, 100, 20, INFINITY, INFINITY, INFINITY, NULL},
	{"sgp", "exponential, good", &exponential, 100, 20, INFINITY, 0.04, INFINITY, NULL},
	{"sgp", "convex, good", &convex, 100, 20, INFINITY, 0.04, INFINITY, NULL},
	{"sgp", "concave, good", &concave, 100, 20, INFINITY, 0.04, INFINITY, NULL},
};

struct measured {
	double met_at[SEEDS_MAX], regrets[SEEDS_MAX], true_losses[SEEDS_MAX];
	size_t count, duplicates;
};

static void measure(const struct figure *figure, uint64_t first, uint64_t last,
		    struct measured *ret)
{
	const char *const settings[] = {figure->setting, NULL};
	struct run_setup setup = {.ops = strategy_find(figure->strategy),
				  .settings = settings,
				  .trials = figure->trials,
				  .parallel = 1};

	ret->count = ret->duplicates = 0;
	for (uint64_t seed = first; seed <= last && ret->count < SEEDS_MAX; seed++) {
		struct bench_problem problem;
		struct run_result r;

		problem_init(&problem, figure->variant, figure->count, seed);
		r = run_strategy(&setup, &problem);
		problem_finish(&problem);
		ret->met_at[ret->count] = r.first;
		ret->regrets[ret->count] = r.regrets[RUN_POINTS - 1];
		ret->true_losses[ret->count++] = r.true_loss;
		ret->duplicates += r.duplicates;
	}
}

/* Prints what was measured and the figure, if there is one; whether it holds. */
static bool print_one(double value, double most, int decimals)
{
	printf(" %7.*f", decimals, value);
	if (isinf(most)) {
		printf("        ");
	} else {
		printf(" <= %-4g", most);
	}
	return value <= most;
}

static bool print_figure(const struct figure *figure, struct measured *m)
{
	bool holds = m->duplicates == 0;

	printf("%-9s %-19s %4zu %4zu %4zu", figure->strategy, figure->of, figure->count, m->count,
	       figure->trials);
	holds = print_one(run_median(m->met_at, m->count), figure->met_at, 0) && holds;
	holds = print_one(run_median(m->regrets, m->count), figure->regret, 3) && holds;
	/* run_median() sorts. */
	(void)run_median(m->true_losses, m->count);
	holds = print_one(m->true_losses[(m->count * 95 + 99) / 100 - 1], figure->true_loss, 2) &&
		holds;
	printf(" %5zu  %s\n", m->duplicates, holds ? "holds" : "MISSED");
	(void)fflush(stdout);
	return holds;
}

struct wanted {
	uint64_t first, last;
	const char *of; /* NULL: all */
};

static bool take_option(struct wanted *wanted, const char *name, const char *value)
{
	char *rest;

	if (strcmp(name, "--of") == 0) {
		wanted->of = value;
		return true;
	}
	if (strcmp(name, "--seeds") != 0) {
		return false;
	}
	wanted->first = strtoull(value, &rest, 10);
	wanted->last = *rest == '-' ? strtoull(rest + 1, NULL, 10) : wanted->first;
	return wanted->last >= wanted->first;
}

static bool take_options(struct wanted *wanted, int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc || !take_option(wanted, argv[i], argv[i + 1])) {
			return false;
		}
	}
	return true;
}

static bool holds(const struct figure *figure, const struct wanted *wanted)
{
	static struct measured measured;
	uint64_t last = wanted->last;

	if (!isinf(figure->true_loss)) {
		last = wanted->first + SEEDS_OF_LOSSES - 1;
	}
	measure(figure, wanted->first, last, &measured);
	return print_figure(figure, &measured);
}

int main(int argc, char **argv)
{
	struct wanted wanted = {.first = 101, .last = 140};
	size_t missed = 0, count = 0;

	if (!take_options(&wanted, argc, argv)) {
		(void)fprintf(stderr, "usage: %s [--seeds A-B] [--of PROBLEM]\n", argv[0]);
		return 2;
	}
	printf("%-9s %-19s %4s %4s %4s %-15s %-15s %-15s %5s\n", "strategy", "problem", "n", "runs",
	       "till", "  met at", "  regret", "  lost, 95 %", "twice");
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		if (wanted.of == NULL || strcmp(wanted.of, figures[i].of) == 0) {
			missed += !holds(&figures[i], &wanted);
			count++;
		}
	}
	if (count == 0) {
		(void)fprintf(stderr, "%s: no figure is of %s\n", argv[0], wanted.of);
		return 2;
	}
	printf("%zu of %zu missed\n", missed, count);
	return missed > 0;
}
