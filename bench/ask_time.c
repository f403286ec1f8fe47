/*
 * Milliseconds of CPU that a suggestion takes on QP1, with nothing given, when so many trials of random
 * configs are known: to choose it, and to take in what it came to, which is when sgp thinks. ask_time.py runs
 * it and puts another optimizer beside it.
 *
 *	ask_time STRATEGY OPERATORS TRIALS [SUGGESTIONS]
 *
 * Prints the mean of SUGGESTIONS (5), each of which is measured before the next.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/run.h"

int main(int argc, char **argv)
{
	static const struct problem_variant variant = {.interactions = 1};
	static const char *const settings[] = {"fallback=1", NULL};
	struct run_setup setup = {.settings = settings, .trials = 5, .parallel = 1};
	struct bench_problem problem;
	struct run_result result;

	setup.ops = argc >= 4 ? strategy_find(argv[1]) : NULL;
	if (setup.ops == NULL || argc > 5) {
		(void)fprintf(stderr, "usage: %s STRATEGY OPERATORS TRIALS [SUGGESTIONS]\n",
			      argv[0]);
		return 2;
	}
	setup.known = strtoul(argv[3], NULL, 10);
	setup.trials = argc == 5 ? strtoul(argv[4], NULL, 10) : setup.trials;
	problem_init(&problem, &variant, strtoul(argv[2], NULL, 10), 101);
	result = run_strategy(&setup, &problem);
	problem_finish(&problem);
	printf("%.4f\n", result.asks_ms / (double)result.asked);
	return 0;
}
