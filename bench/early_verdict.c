/*
 * How much of the data is read until the verdict on a config that misses the criterion is known, and
 * how often it is wrong about one that meets it: simulated evaluations of N samples, looked at every
 * N / 50. The model is right on 76 % of them, 1 % of that may be lost.
 *
 *	early_verdict [N [RUNS]]
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "strategies/interface/verdict.h"

static const double baseline = 0.76, tolerable = 0.0076;

/* What is looked at, in the columns of the table. */
static const struct column {
	const char *name;
	double error;
	bool paired;
} columns[] = {
	{"certain", 0, false},       {"5 %", 0.05, false},        {"1 %", 0.01, false},
	{"5 %, paired", 0.05, true}, {"1 %, paired", 0.01, true},
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

struct tally {
	double read[COLUMNS];
	int pruned[COLUMNS];
};

/* What is left to draw from: samples that both get right, that only one does, that neither does. */
struct urn {
	int64_t both, lost, won, neither;
};

static struct urn fill(int64_t total, double loss)
{
	int64_t right = (int64_t)llround((double)total * baseline);
	int64_t lost = (int64_t)floor((double)total * loss * tolerable + 1e-9);
	/* Quantizing also flips samples to and fro without a net effect. */
	int64_t flips = total / 50;

	return (struct urn){
		.both = right - lost - flips,
		.lost = lost + flips,
		.won = flips,
		.neither = total - right - flips,
	};
}

/* Draws one; adds to the counts of right answers of the baseline and of the config. */
static void draw(struct urn *urn, struct rng *rng, int64_t *ret_before, int64_t *ret_now)
{
	int64_t *const kinds[] = {&urn->both, &urn->lost, &urn->won, &urn->neither};
	static const int before[] = {1, 1, 0, 0}, now[] = {1, 0, 1, 0};
	int64_t at = (int64_t)rng_below(
		rng, (uint64_t)(urn->both + urn->lost + urn->won + urn->neither));
	int k = 0;

	while (at >= *kinds[k]) {
		at -= *kinds[k++];
	}
	--*kinds[k];
	*ret_before += before[k];
	*ret_now += now[k];
}

static void run(int64_t total, double loss, struct rng *rng, struct tally *tally)
{
	struct urn urn = fill(total, loss);
	int64_t before = 0, now = 0, changed = 0, seen = 0;
	bool over[COLUMNS] = {false};

	while (seen < total) {
		for (int64_t i = 0; i < total / 50 && seen < total; i++, seen++) {
			int64_t was = before - now;

			draw(&urn, rng, &before, &now);
			changed += before - now != was;
		}
		for (int c = 0; c < COLUMNS; c++) {
			bool paired = columns[c].paired;
			struct progress p = {
				.seen = seen,
				.total = total,
				.sum = (double)(paired ? now - before : now),
				.squares = (double)(paired ? changed : now),
				.low = paired ? -1 : 0,
				.high = 1,
			};
			double bound = paired ? -tolerable : baseline - tolerable;

			if (!over[c] && seen < total &&
			    verdict_below(&p, bound - 1e-9, columns[c].error) != VERDICT_OPEN) {
				over[c] = true;
				tally->pruned[c]++;
				tally->read[c] += (double)seen / (double)total;
			}
		}
	}
	for (int c = 0; c < COLUMNS; c++) {
		tally->read[c] += over[c] ? 0 : 1;
	}
}

int main(int argc, char **argv)
{
	static const double losses[] = {0, 0.5, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 50};
	int64_t total = argc > 1 ? strtoll(argv[1], NULL, 10) : 5000;
	int runs = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 10000;
	struct rng rng = rng_make(1, RNG_SEARCH, 0);

	printf("%lld samples, %d runs: share of the data read (runs that ended early)\n",
	       (long long)total, runs);
	printf("loss / tolerable");
	for (int c = 0; c < COLUMNS; c++) {
		printf("  %16s", columns[c].name);
	}
	printf("\n");
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		struct tally tally = {0};

		for (int r = 0; r < runs; r++) {
			run(total, losses[i], &rng, &tally);
		}
		printf("%16g", losses[i]);
		for (int c = 0; c < COLUMNS; c++) {
			printf("  %6.2f (%7d)", tally.read[c] / runs, tally.pruned[c]);
		}
		printf("%s\n", losses[i] <= 1 ? "   those that ended early are wrong" : "");
	}
	return 0;
}
