/* Gathers what was measured of a config and of the baseline, and what that makes of the gain. */
#include "job/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/median.h"
#include "base/mem.h"
#include "job/trial.h"

/* A share of the objective: a baseline that is so little slower from some moment on leads no search astray. */
static const double harmless = 0.1;

static bool is_again(const struct trial *trial, int64_t subject)
{
	return trial->kind == QUESTION_CONFIRM && trial->twin == subject;
}

/* A strategy may measure a config once more, before anybody has chosen it. Part of the data repeats nothing. */
static bool is_repeat(const struct trial *trial, int64_t subject)
{
	return trial->kind == QUESTION_EVALUATE && trial->twin == subject && !trial->partial &&
	       !trial->job->trials[subject]->partial;
}

/* Answers from a cache say nothing new. */
static bool is_measured(const struct trial *trial)
{
	return trial->state == TRIAL_TOLD && !trial->cached && !trial->remembered;
}

/* Measurements on the part of the data that the choice is judged by are no repeats of others. */
bool figures_first_counts(const struct job *job, const struct trial *trial)
{
	return job->spec->acceptance == NULL && is_measured(trial);
}

size_t figures_gather(const struct job *job, int64_t subject, bool first, int64_t from,
		      const struct trial **ret)
{
	size_t count = 0;

	if (first && figures_first_counts(job, job->trials[subject])) {
		ret[count++] = job->trials[subject];
	}
	for (int64_t i = subject + 1; i < job->trial_count; i++) {
		const struct trial *t = job->trials[i];

		bool wanted = is_again(t, subject) ? t->round >= from
						   : count > 0 && is_repeat(t, subject);

		if (wanted && is_measured(t)) {
			ret[count++] = t;
		}
	}
	return count;
}

size_t figures_count(const struct job *job, int64_t subject, int64_t round_from, int64_t round_to)
{
	size_t count = 0;

	for (int64_t i = subject + 1; i < job->trial_count; i++) {
		const struct trial *t = job->trials[i];

		count += is_again(t, subject) && t->round >= round_from && t->round <= round_to &&
			 t->state != TRIAL_CANCELLED;
	}
	return count;
}

static bool was_measured_again(const struct job *job, int64_t subject)
{
	for (int64_t i = subject + 1; i < job->trial_count; i++) {
		const struct trial *t = job->trials[i];

		if (t->state != TRIAL_CANCELLED &&
		    (is_again(t, subject) || is_repeat(t, subject))) {
			return true;
		}
	}
	return false;
}

/* One measurement on the scale on which noise is the same for all of them. */
double figures_scaled(const struct job *job, const struct figures *f, bool logarithm,
		      const struct trial *t)
{
	return logarithm ? log(t->objectives[0])
			 : objective_gain(&job->spec->objective, t->objectives, f->baseline);
}

static bool all_positive(const struct trial *const *trials, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!(trials[i]->objectives[0] > 0)) {
			return false;
		}
	}
	return true;
}

/* Ratios where one objective is above 0 wherever it was measured again; else shares. */
bool figures_logarithmic(const struct job *job, const struct trial **scratch)
{
	bool positive = job->spec->objective.count == 1;

	for (int64_t i = 0; i < job->trial_count && positive; i++) {
		if (was_measured_again(job, i) || i == 0) {
			positive = all_positive(scratch, figures_gather(job, i, true, 0, scratch));
		}
	}
	return positive;
}

double figures_pool(const struct job *job, const struct figures *f, bool logarithm,
		    const struct trial *const *trials, size_t count, struct noise *noise)
{
	double *values = mem_new(count, sizeof(*values)), mean;

	for (size_t i = 0; i < count; i++) {
		values[i] = figures_scaled(job, f, logarithm, trials[i]);
	}
	noise_add(noise, values, count);
	mean = noise_mean(values, count);
	free(values);
	return mean;
}

struct noise figures_noise(const struct job *job, const struct figures *f, bool logarithm,
			   const struct trial **scratch)
{
	struct noise noise = {0};

	for (int64_t i = 0; i < job->trial_count; i++) {
		size_t count = was_measured_again(job, i)
				       ? figures_gather(job, i, i > 0 || !f->moved, 0, scratch)
				       : 0;

		(void)figures_pool(job, f, logarithm, scratch, count, &noise);
	}
	return noise;
}

bool figures_baseline_moved(const struct job *job, const struct trial *choice,
			    const struct trial **scratch)
{
	static const struct figures none; /* ratios need no baseline */
	struct noise noise = {0};
	size_t count;
	double later;

	if (!figures_first_counts(job, job->trials[0]) || !figures_logarithmic(job, scratch)) {
		return false;
	}
	count = figures_gather(job, choice->number, false, 1, scratch);
	(void)figures_pool(job, &none, true, scratch, count, &noise);
	if (count == 0) {
		return false;
	}
	count = figures_gather(job, 0, false, 0, scratch);
	later = figures_pool(job, &none, true, scratch, count, &noise);
	return noise.degrees > 0 && fabs(log(job->trials[0]->objectives[0]) - later) >
					    fmax(noise_margin(&noise, 1, (int64_t)count), harmless);
}

static void find_middles(const struct job *job, const struct trial *const *trials, size_t count,
			 struct figures *f)
{
	double *values = mem_new(count, sizeof(*values));

	for (size_t m = 0; m < job->spec->objective.count; m++) {
		for (size_t i = 0; i < count; i++) {
			values[i] = trials[i]->objectives[m];
		}
		f->middle[m] = median(values, count);
	}
	free(values);
}

static void summarise(const struct job *job, const struct trial *const *trials, size_t count,
		      struct figures *f)
{
	size_t accuracies = job->spec->criterion.metric_count;
	size_t objectives = job->spec->objective.count;

	for (size_t m = 0; m < LIMIT_METRICS; m++) {
		double sum = 0, values = 0;

		f->accuracy_low[m] = f->low[m] = INFINITY;
		f->accuracy_high[m] = f->high[m] = -INFINITY;
		for (size_t i = 0; i < count; i++) {
			double accuracy = m < accuracies ? trials[i]->accuracy[m] : 0;
			double value = m < objectives ? trials[i]->objectives[m] : 0;

			sum += accuracy / (double)count;
			values += value / (double)count;
			f->accuracy_low[m] = fmin(f->accuracy_low[m], accuracy);
			f->accuracy_high[m] = fmax(f->accuracy_high[m], accuracy);
			f->low[m] = fmin(f->low[m], value);
			f->high[m] = fmax(f->high[m], value);
		}
		f->accuracy[m] = sum;
		f->values[m] = values;
	}
	find_middles(job, trials, count, f);
}

/* The mean of each metric that all of them have. */
static json_t *mean_metrics(const struct trial *const *trials, size_t count)
{
	json_t *means = json_object();
	json_t **told = mem_new(count, sizeof(json_t *));
	const char *name;
	json_t *value;

	for (size_t i = 0; i < count; i++) {
		told[i] = trial_told(trials[i]);
	}
	json_object_foreach(json_object_get(told[0], "metrics"), name, value) {
		double sum = 0;
		bool all = true;

		for (size_t i = 0; i < count; i++) {
			const json_t *other =
				json_object_get(json_object_get(told[i], "metrics"), name);

			all = all && json_is_number(other);
			sum += json_number_value(other) / (double)count;
		}
		if (all) {
			(void)json_object_set_new(means, name,
						  count == 1 ? json_incref(value) : json_real(sum));
		}
	}
	for (size_t i = 0; i < count; i++) {
		json_decref(told[i]);
	}
	free(told);
	return means;
}

/* The criterion against the mean of all that was measured of the baseline. */
static void judge(const struct job *job, struct figures *f)
{
	struct criterion criterion = job->spec->criterion;
	struct err ignored;

	if (criterion_fix(&criterion, f->baseline_accuracy, &ignored) != 0) {
		criterion = job->spec->criterion;
	}
	f->feasible = criterion_meets(&criterion, f->accuracy);
	f->margin = criterion_margin(&criterion, f->accuracy);
	f->loss = criterion_loss(&criterion, f->accuracy);
}

static void find_interval(const struct job *job, const struct trial **scratch, int64_t choices,
			  int64_t baselines, struct figures *f)
{
	bool logarithm = figures_logarithmic(job, scratch);
	struct noise noise = figures_noise(job, f, logarithm, scratch);
	bool given = job->spec->targets[0].baseline != NULL;
	double half = noise_margin(&noise, choices, given ? 0 : baselines);
	bool higher = job->spec->objective.metrics[0].higher_is_better;

	/* What is no number makes none of the interval either. */
	if (!logarithm) {
		f->interval[0] = f->gain - half;
		f->interval[1] = f->gain + half;
	} else if (higher) {
		f->interval[0] = (1 + f->gain) * exp(-half) - 1;
		f->interval[1] = (1 + f->gain) * exp(half) - 1;
	} else {
		f->interval[0] = 1 - (1 - f->gain) * exp(half);
		f->interval[1] = 1 - (1 - f->gain) * exp(-half);
	}
}

void figures_init(struct figures *f, const struct job *job, const struct trial *trial)
{
	const struct trial **list = mem_new((size_t)job->trial_count, sizeof(struct trial *));
	struct figures base;
	size_t baselines = figures_gather(job, 0, true, 0, list), count;
	bool fresh = job->spec->acceptance != NULL &&
		     (baselines > 0 || job->spec->targets[0].baseline != NULL);

	if (baselines == 0) {
		list[baselines++] = job->trials[0];
	}
	summarise(job, list, baselines, &base);
	memcpy(f->baseline_accuracy, base.accuracy, sizeof(f->baseline_accuracy));
	f->moved = trial->number > 0 && figures_baseline_moved(job, trial, list);
	if (f->moved) {
		baselines = figures_gather(job, 0, false, 0, list);
		summarise(job, list, baselines, &base);
	}
	memcpy(f->baseline, base.values, sizeof(f->baseline));
	f->baseline_metrics = mean_metrics(list, baselines);
	count = trial->number > 0 ? figures_gather(job, trial->number, false, 1, list) : 0;
	if (count == 0 && trial->number > 0) {
		count = figures_gather(job, trial->number, true, 1, list);
	}
	if (count == 0) {
		list[count++] = trial;
	}
	f->measurements = (int64_t)count;
	f->accepted = fresh && list[0]->kind == QUESTION_CONFIRM;
	summarise(job, list, count, f);
	f->metrics = mean_metrics(list, count);
	f->gain = objective_gain(&job->spec->objective, f->values, f->baseline);
	f->middle_gain = objective_gain(&job->spec->objective, f->middle, base.middle);
	judge(job, f);
	find_interval(job, list, (int64_t)count, (int64_t)baselines, f);
	free(list);
}

void figures_finish(struct figures *figures)
{
	json_decref(figures->metrics);
	json_decref(figures->baseline_metrics);
}
