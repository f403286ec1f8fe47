/* Finds the best config of QP1 by dynamic programming over its chain of operators. */
#include "bench/qp1_optimum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MULTIPLIERS = 7, BISECTIONS = 50 };

/* What a way through some operators comes to. */
struct label {
	double loss, latency;
};

/* Labels of one option, by rising loss and falling latency. */
struct front {
	struct label *labels; /* owned */
	size_t count;
};

struct optimum_search {
	const struct qp1 *qp1;
	double limit; /* of the loss */
	double multipliers[MULTIPLIERS];
	double *rest;       /* [multiplier][operator][option]: the least that can follow */
	double best, bound; /* latencies; the bound is that of labels that were merged away */
	size_t most;        /* labels of an option, before some are merged away */
};

/* From operator i with an option to the next one with another. */
static struct label step(const struct qp1 *qp1, size_t i, int from, int to)
{
	const struct qp1_op *op = &qp1->ops[i], *next = op + 1;

	return (struct label){
		.loss = next->losses[to] + qp1_interaction(op, op->losses[from], next->losses[to]),
		.latency = next->latencies[to] + qp1_conversion(op, from, to),
	};
}

/* What is best at the multiplier, loss and latency; writes what follows each option at best. */
static struct label relax(const struct qp1 *qp1, double multiplier, double *ret_rest)
{
	struct label after[QP1_OPTIONS] = {{0}}, now[QP1_OPTIONS], best = {0};
	double least = INFINITY;

	for (size_t i = qp1->count - 1; i-- > 0;) {
		for (int from = 0; from < qp1->ops[i].options; from++) {
			least = INFINITY;
			for (int to = 0; to < qp1->ops[i + 1].options; to++) {
				struct label way = step(qp1, i, from, to);

				way.loss += after[to].loss;
				way.latency += after[to].latency;
				if (way.latency + multiplier * way.loss < least) {
					least = way.latency + multiplier * way.loss;
					now[from] = way;
				}
			}
			ret_rest[i * QP1_OPTIONS + (size_t)from] = least;
		}
		memcpy(after, now, sizeof(after));
	}
	least = INFINITY;
	for (int k = 0; k < qp1->ops[0].options; k++) {
		struct label way = {after[k].loss + qp1->ops[0].losses[k],
				    after[k].latency + qp1->ops[0].latencies[k]};

		if (way.latency + multiplier * way.loss < least) {
			least = way.latency + multiplier * way.loss;
			best = way;
		}
	}
	return best;
}

/* Finds the multiplier at which the limit is just kept, and a first best. */
static double find_multiplier(struct optimum_search *search)
{
	double low = 0, high = 1e-9;
	struct label way = relax(search->qp1, 0, search->rest);

	while (way.loss > search->limit) {
		high *= 4;
		way = relax(search->qp1, high, search->rest);
	}
	search->best = way.latency;
	for (int i = 0; i < BISECTIONS; i++) {
		double middle = low > 0 ? sqrt(low * high) : high / 4;

		way = relax(search->qp1, middle, search->rest);
		if (way.loss > search->limit) {
			low = middle;
		} else {
			high = middle;
			search->best = fmin(search->best, way.latency);
		}
	}
	return high;
}

static void prepare(struct optimum_search *search)
{
	static const double factors[MULTIPLIERS] = {0, 0.25, 0.5, 1, 2, 4, 1e6};
	size_t size = search->qp1->count * QP1_OPTIONS;
	double multiplier;

	search->rest = mem_new(MULTIPLIERS * size, sizeof(*search->rest));
	multiplier = find_multiplier(search);
	for (size_t m = 0; m < MULTIPLIERS; m++) {
		search->multipliers[m] = factors[m] * multiplier;
		memset(&search->rest[m * size], 0, size * sizeof(*search->rest));
		(void)relax(search->qp1, search->multipliers[m], &search->rest[m * size]);
	}
}

/* No config that goes on from the label and keeps the limit is faster. */
static double bound_of(const struct optimum_search *search, size_t i, size_t option,
		       const struct label *label)
{
	double bound = 0;

	for (size_t m = 0; m < MULTIPLIERS; m++) {
		double rest = search->rest[(m * search->qp1->count + i) * QP1_OPTIONS + option];

		bound = fmax(bound, label->latency + rest +
					    search->multipliers[m] * (label->loss - search->limit));
	}
	return bound;
}

static int by_loss(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	if (x->loss != y->loss) {
		return x->loss < y->loss ? -1 : 1;
	}
	return (x->latency > y->latency) - (x->latency < y->latency);
}

/* Sorts and drops what is dominated. */
static void thin(struct front *front)
{
	size_t kept = 0;

	qsort(front->labels, front->count, sizeof(*front->labels), by_loss);
	for (size_t j = 0; j < front->count; j++) {
		if (kept == 0 || front->labels[j].latency < front->labels[kept - 1].latency) {
			front->labels[kept++] = front->labels[j];
		}
	}
	front->count = kept;
}

/* Of labels whose losses are nearly the same only the fastest stays. */
static void merge(struct optimum_search *search, size_t i, size_t option, struct front *front)
{
	double first, width;
	size_t kept = 0;

	if (front->count <= search->most) {
		return;
	}
	first = front->labels[0].loss;
	width = (front->labels[front->count - 1].loss - first) / (double)search->most;
	for (size_t j = 0; j < front->count; j++) {
		bool last = j + 1 == front->count;

		if (last || floor((front->labels[j].loss - first) / width) !=
				    floor((front->labels[j + 1].loss - first) / width)) {
			front->labels[kept++] = front->labels[j];
		} else {
			search->bound =
				fmin(search->bound, bound_of(search, i, option, &front->labels[j]));
		}
	}
	front->count = kept;
}

/* The labels of operator i + 1 with an option, from those of operator i. */
static struct front extend(struct optimum_search *search, const struct front *fronts, size_t i,
			   int to)
{
	struct front next = {0};
	size_t room = 0;

	for (int from = 0; from < search->qp1->ops[i].options; from++) {
		room += fronts[from].count;
	}
	next.labels = mem_new(room + 1, sizeof(*next.labels));
	for (int from = 0; from < search->qp1->ops[i].options; from++) {
		struct label by = step(search->qp1, i, from, to);

		for (size_t j = 0; j < fronts[from].count; j++) {
			struct label label = fronts[from].labels[j];

			label.loss += by.loss;
			label.latency += by.latency;
			if (bound_of(search, i + 1, (size_t)to, &label) < search->best) {
				next.labels[next.count++] = label;
			}
		}
	}
	thin(&next);
	merge(search, i + 1, (size_t)to, &next);
	return next;
}

/* Goes through the chain with at most `most` labels for each option. */
static void pass(struct optimum_search *search, size_t most)
{
	const struct qp1 *qp1 = search->qp1;
	struct front fronts[QP1_OPTIONS] = {{0}}, next[QP1_OPTIONS];

	search->most = most;
	search->bound = INFINITY;
	for (int k = 0; k < qp1->ops[0].options; k++) {
		fronts[k].labels = mem_new(1, sizeof(*fronts[k].labels));
		fronts[k].labels[fronts[k].count++] =
			(struct label){qp1->ops[0].losses[k], qp1->ops[0].latencies[k]};
	}
	for (size_t i = 0; i + 1 < qp1->count; i++) {
		memset(next, 0, sizeof(next));
		for (int to = 0; to < qp1->ops[i + 1].options; to++) {
			next[to] = extend(search, fronts, i, to);
		}
		for (int k = 0; k < QP1_OPTIONS; k++) {
			free(fronts[k].labels);
		}
		memcpy(fronts, next, sizeof(fronts));
	}
	for (int k = 0; k < QP1_OPTIONS; k++) {
		for (size_t j = 0; j < fronts[k].count; j++) {
			/* Within the limit, or its bound would not be below the best. */
			search->best = fmin(search->best, fronts[k].labels[j].latency);
		}
		free(fronts[k].labels);
	}
}

struct qp1_optimum qp1_optimum(const struct qp1 *qp1)
{
	static const size_t widths[] = {64, 512, 4096};
	struct optimum_search search = {.qp1 = qp1, .limit = qp1_tolerable_loss(qp1)};
	struct qp1_optimum optimum;

	prepare(&search);
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		pass(&search, widths[i]);
		if (search.bound >= search.best) {
			break;
		}
	}
	optimum.latency = search.best / qp1->latency_fp32;
	optimum.bound = fmin(search.best, search.bound) / qp1->latency_fp32;
	free(search.rest);
	return optimum;
}
