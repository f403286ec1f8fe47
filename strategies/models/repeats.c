/* Reads noise off measurements of the same config. */
#include "strategies/models/repeats.h"

#include <math.h>

#include "strategies/models/loss_model.h"

/* What measurements of the same differ by when there is no noise to speak of; else as loss_model_noise() says. */
static const double quiet = 0.01;
/* How much more probable it is that there is none, when the objective is the same to the last digit, too. */
static const double exact = 1e6;

/* Of the measurements of one config: how far they are off their mean, squared, and whether all are equal. */
struct scatter {
	size_t count; /* repeats */
	double losses, objectives;
	bool equal;
};

static void add_value(double value, double mean, double *sum)
{
	*sum += (value - mean) * (value - mean);
}

static struct scatter scatter_of(const struct trials *trials, const struct criterion *criterion,
				 size_t index)
{
	const struct known *trial = &trials->list[index];
	struct scatter ret = {.count = trial->repeats, .equal = true};
	double mean = effects_measured_loss(criterion, trial->margin);

	add_value(effects_measured_loss(criterion, trial->first_margin), mean, &ret.losses);
	add_value(trial->first_objective, trial->objective, &ret.objectives);
	for (size_t i = 0; i < trials->repeat_count; i++) {
		const struct repeat *repeat = &trials->repeats[i];

		if (repeat->index != index || !repeat->told) {
			continue;
		}
		add_value(effects_measured_loss(criterion, repeat->margin), mean, &ret.losses);
		add_value(repeat->objective, trial->objective, &ret.objectives);
		ret.equal = ret.equal && repeat->margin == trial->first_margin &&
			    repeat->objective == trial->first_objective;
	}
	return ret;
}

void repeats_weigh(const struct trials *trials, const struct effects *effects,
		   const struct criterion *criterion, double *noises)
{
	size_t levels = loss_model_noises(effects);
	double logs[LOSS_NOISES] = {0}, best = -INFINITY, sum = 0;

	for (size_t k = 0; k < levels; k++) {
		logs[k] = log(noises[k]);
	}
	for (size_t i = 0; i < trials->count; i++) {
		struct scatter scatter = {0};

		if (trials->list[i].repeats > 0) {
			scatter = scatter_of(trials, criterion, i);
			logs[0] += scatter.equal ? log(exact) : 0;
		}
		for (size_t k = 0; k < levels && scatter.count > 0; k++) {
			double noise = k == 0 ? quiet : loss_model_noise(effects, k);

			logs[k] -= (double)scatter.count * log(noise) +
				   0.5 * scatter.losses / (noise * noise);
		}
	}
	for (size_t k = 0; k < levels; k++) {
		best = fmax(best, logs[k]);
	}
	for (size_t k = 0; k < levels; k++) {
		noises[k] = exp(logs[k] - best);
		sum += noises[k];
	}
	for (size_t k = 0; k < levels; k++) {
		noises[k] /= sum;
	}
}

bool repeats_differ(const struct trials *trials)
{
	for (size_t i = 0; i < trials->repeat_count; i++) {
		const struct repeat *repeat = &trials->repeats[i];

		if (repeat->told && repeat->margin != trials->list[repeat->index].first_margin) {
			return true;
		}
	}
	return false;
}

double repeats_jitter(const struct trials *trials)
{
	/* Of no criterion: losses are of no interest here. */
	static const struct criterion none = {.metric_count = 1};
	double sum = 0, unit = fabs(trials->baseline_objective);
	size_t count = 0;

	for (size_t i = 0; i < trials->count; i++) {
		if (trials->list[i].repeats > 0 && !isnan(trials->list[i].objective)) {
			sum += scatter_of(trials, &none, i).objectives;
			count += trials->list[i].repeats;
		}
	}
	return count > 0 ? sqrt(sum / (double)count) / (unit > 0 ? unit : 1) : NAN;
}
