/* Gathers what a job has measured of each config. */
#include "api/pooled.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/noise.h"
#include "job/spec/codec_changes.h"

void pooled_finish(struct pooled_all *all)
{
	for (size_t i = 0; i < all->count; i++) {
		json_decref(all->list[i].trial);
		config_destroy(all->list[i].config);
		free(all->list[i].each);
	}
	free(all->list);
}

static const char *text_of(const json_t *trial, const char *member)
{
	const char *text = json_string_value(json_object_get(trial, member));

	return text != NULL ? text : "";
}

/* Of the same config as an earlier one, or NULL. Trials of the baseline have no hash. */
static struct pooled *find(const struct pooled_all *all, const json_t *trial)
{
	const char *hash = text_of(trial, "hash");

	for (size_t i = all->count; i-- > 0;) {
		if (strcmp(text_of(all->list[i].trial, "hash"), hash) == 0) {
			return &all->list[i];
		}
	}
	return NULL;
}

/* Accuracies on other data, as those of the acceptance, do not compare; what takes time there takes it elsewhere. */
static void add(struct pooled *of, const struct spec *spec, const json_t *trial, bool partly)
{
	double accuracy[LIMIT_METRICS] = {0}, values[LIMIT_METRICS] = {0};

	job_read_measurement(spec, trial, accuracy, values);
	for (size_t i = 0; i < spec->criterion.metric_count && !partly; i++) {
		of->accuracy[i] += accuracy[i];
	}
	of->each = mem_grow(of->each, (of->count + 1) * spec->objective.count, sizeof(*of->each));
	for (size_t i = 0; i < spec->objective.count; i++) {
		of->values[i] += values[i];
		of->each[of->count * spec->objective.count + i] = values[i];
	}
	of->count++;
	of->judged += !partly;
}

static bool has_accuracy(const struct objective *objective)
{
	bool has = false;

	for (size_t i = 0; i < objective->count; i++) {
		has = has || strcmp(objective->metrics[i].name, "accuracy") == 0;
	}
	return has;
}

/* NAN where it was not rejected. One that does not say what was lost was rejected by what the job itself tolerates. */
static double rejected_at(const struct spec *spec, const json_t *trial)
{
	const json_t *rejected = json_object_get(trial, "rejected");
	const json_t *loss = json_object_get(rejected, "accuracy_loss");

	if (!json_is_object(rejected)) {
		return NAN;
	}
	return json_is_number(loss) ? json_number_value(loss)
				    : spec->criterion.metrics[0].tolerable_loss;
}

/* A repeat of what was excluded says nothing, and what was not measured anew nothing more. */
void pooled_take(struct pooled_all *all, const char *document, const char *changes, bool partly)
{
	json_t *trial = json_loads(document, 0, NULL);
	struct pooled *of = find(all, trial);
	bool again = strcmp(text_of(trial, "kind"), "confirm") == 0;
	bool cached = strcmp(text_of(trial, "source"), "cache") == 0;
	bool useless = cached || (partly && has_accuracy(&all->spec->objective));

	if (of != NULL) {
		of->rejected = fmax(of->rejected, rejected_at(all->spec, trial));
	}
	if (of != NULL && !useless) {
		add(of, all->spec, trial, partly);
	} else if (of == NULL && !again) {
		of = &all->list[all->count++];
		of->trial = json_incref(trial);
		of->config =
			changes != NULL ? codec_changes_parse(all->spec->space, changes) : NULL;
		of->rejected = rejected_at(all->spec, trial);
		of->idle = of->config != NULL && config_is_baseline(of->config, all->spec->space);
		add(of, all->spec, trial, partly);
	}
	json_decref(trial);
}

void pooled_hold_as(const struct spec *spec, const json_t *own, struct pooled *base)
{
	const json_t *used = json_object_get(json_object_get(own, "baseline"), "objective_value");
	double held = json_number_value(used), count = (double)base->count, others;

	if (!json_is_number(used) || spec->objective.count != 1 || base->count < 2 ||
	    spec->acceptance != NULL) {
		return;
	}
	others = base->values[0] - base->each[0];
	if (fabs(held - others / (count - 1)) < fabs(held - base->values[0] / count)) {
		base->values[0] = others;
		base->count--;
		memmove(base->each, &base->each[1], base->count * sizeof(*base->each));
	}
}

double pooled_scatter(const struct pooled_all *all)
{
	struct noise noise = {0};

	for (size_t i = 0; i < all->count && all->spec->objective.count == 1; i++) {
		const struct pooled *of = &all->list[i];
		double *logarithms = mem_new(of->count, sizeof(*logarithms));

		for (size_t k = 0; k < of->count; k++) {
			logarithms[k] = of->each[k] > 0 ? log(of->each[k]) : NAN;
		}
		noise_add(&noise, logarithms, of->count);
		free(logarithms);
	}
	return noise_deviation(&noise);
}

/* What was rejected misses by no less than it did then. */
static void reject(const struct criterion *criterion, const struct pooled *of,
		   struct candidate *candidate)
{
	double tolerable = criterion->metrics[0].tolerable_loss;

	if (of->rejected >= tolerable) {
		candidate->feasible = false;
		candidate->margin =
			fmin(candidate->margin,
			     (tolerable - of->rejected) / (tolerable > 0 ? tolerable : 1));
	}
}

void pooled_judge(struct pooled_all *all, struct pooled *of)
{
	const struct spec *spec = all->spec;

	for (size_t i = 0; i < spec->criterion.metric_count; i++) {
		of->accuracy[i] /= (double)of->judged;
	}
	for (size_t i = 0; i < spec->objective.count; i++) {
		of->values[i] /= (double)of->count;
	}
	of->candidate = (struct candidate){
		.feasible = criterion_meets(&all->criterion, of->accuracy),
		.objective = objective_value(&spec->objective, of->values, all->list[0].values),
		.merit = criterion_merit(&all->criterion, of->accuracy),
		.margin = criterion_margin(&all->criterion, of->accuracy),
		.number = json_integer_value(json_object_get(of->trial, "number")),
	};
	reject(&all->criterion, of, &of->candidate);
}
