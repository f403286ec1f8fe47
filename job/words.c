/* Writes the verdict on a job's best config. */
#include "job/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/plural.h"
#include "job/gained.h"
#include "job/passed.h"
#include "job/trial.h"
#include "space/config.h"

enum { TEXT_MAX = 4096, FORMATS = 8 };

/* Whether each of several accuracies has a tolerance of its own, so that no loss is one number. */
static bool has_several(const struct criterion *c)
{
	return c->metric_count > 1 && !c->weighted;
}

static void add_lost(const struct criterion *c, double loss, struct buf *text)
{
	double scale = c->relative ? 100 : 1;
	const char *unit = c->relative ? " %" : "";

	buf_printf(text, "%.3g%s where %.3g%s is allowed", scale * loss, unit,
		   scale * c->metrics[0].tolerable_loss, unit);
}

void words_share(const struct criterion *c, double share, struct buf *text)
{
	if (!(share > 0)) {
		buf_text(text, "nothing");
	} else if (has_several(c) || !(c->metrics[0].tolerable_loss > 0)) {
		buf_printf(text, "%.2g %% of what may be lost", 100 * share);
	} else {
		add_lost(c, share * c->metrics[0].tolerable_loss, text);
	}
}

/* Where the accuracy is to become better a loss below 0 is what it gains. */
static void add_wanted(const struct criterion *c, double loss, double rounding, struct buf *text)
{
	double scale = c->relative ? 100 : 1;
	const char *unit = c->relative ? " %" : "";

	if (fabs(loss) <= rounding) {
		buf_text(text, "gains no accuracy");
	} else if (!isfinite(loss)) {
		buf_printf(text, "%s more than a number can say", loss < 0 ? "gains" : "loses");
	} else {
		buf_printf(text, "%s %.3g%s", loss < 0 ? "gains" : "loses", scale * fabs(loss),
			   unit);
	}
	buf_printf(text, " where a gain of %.3g%s is asked for",
		   -scale * c->metrics[0].tolerable_loss, unit);
}

void words_loss(const struct job *job, const struct figures *f, struct buf *text)
{
	const struct criterion *c = &job->spec->criterion;
	double rounding = c->relative ? 1e-9 : criterion_tolerance(c, 0);

	if (!has_several(c) && c->metrics[0].tolerable_loss < 0) {
		add_wanted(c, f->loss, rounding, text);
		return;
	}
	buf_text(text, "loses ");
	if (has_several(c)) {
		words_share(c, isfinite(f->margin) ? 1 - f->margin : 0, text);
	} else if (!isfinite(f->loss)) {
		buf_text(text, "more than a number can say");
	} else if (f->loss <= rounding) {
		buf_text(text, "no accuracy");
	} else {
		add_lost(c, f->loss, text);
	}
}

/* A weight-only capability says "int", and how many bits beside it. */
static const char *int_format(const struct space *space, uint16_t bits)
{
	static const char *const formats[] = {"int1", "int2", "int3", "int4",
					      "int5", "int6", "int7", "int8"};
	const char *text = bits != 0 ? space_atom(space, bits) : "";

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(text, formats[i] + strlen("int")) == 0) {
			return formats[i];
		}
	}
	return "int";
}

const char *words_format(const struct space *space, size_t op, const uint16_t *choices)
{
	const struct choice c = space_resolve(space, op, choices[op], choices);
	uint16_t dtype = c.options[ITEM_WEIGHT_DTYPE];

	if (!mode_is_quantized(c.mode)) {
		return c.mode == MODE_FP32 ? NULL : mode_names[c.mode];
	}
	if (dtype == 0) {
		dtype = c.options[ITEM_ACTIVATION_DTYPE];
	}
	if (dtype != 0 && strcmp(space_atom(space, dtype), "int") == 0) {
		return int_format(space, c.options[ITEM_WEIGHT_BITS]);
	}
	return dtype != 0 ? space_atom(space, dtype) : mode_names[c.mode];
}

/* How many operators could be lowered at all: others have no choice, and are named for the sake of exports. */
static size_t count_lowerable(const struct space *space)
{
	size_t count = 0;

	for (size_t m = 0; m < space->member_count; m++) {
		const struct kind *kind = space_kind(space, space->members[m].op);

		count += kind->count > kind->per_mode[MODE_FP32];
	}
	return count;
}

/* "41 of 54 operators in int8, 3 in bf16" */
static void add_operators(const struct job *job, const struct trial *trial, struct buf *text)
{
	const struct space *space = job->spec->space;
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	const char *formats[FORMATS];
	size_t counts[FORMATS], used = 0, all = count_lowerable(space);

	config_expand(trial->config, space, choices);
	for (size_t m = 0; m < space->member_count; m++) {
		size_t op = space->members[m].op;
		const char *format = words_format(space, op, choices);
		size_t k = 0;

		while (format != NULL && k < used && strcmp(formats[k], format) != 0) {
			k++;
		}
		if (format == NULL || k == FORMATS) {
			continue;
		}
		if (k == used) {
			formats[used] = format;
			counts[used++] = 0;
		}
		counts[k]++;
	}
	free(choices);
	if (used == 0) {
		buf_printf(text, "none of %zu operator%s lowered", all, plural_s((long long)all));
	}
	for (size_t k = 0; k < used; k++) {
		buf_printf(text, "%s%zu of %zu%s%s in %s", k == 0 ? "" : ", ", counts[k], all,
			   k == 0 ? " operator" : "", k == 0 ? plural_s((long long)all) : "",
			   formats[k]);
	}
}

/* From what the numbers come. */
static void add_evidence(const struct job *job, const struct figures *f, struct buf *text)
{
	if (f->measurements > 1) {
		buf_printf(text, ", measured %lld times", (long long)f->measurements);
	} else if (isnan(f->interval[0])) {
		buf_text(text, ", measured once");
	}
	if (job->spec->targets[0].baseline != NULL) {
		buf_text(text, ", against the baseline that you gave");
	}
	if (f->accepted) {
		buf_text(text, ", judged on the acceptance data");
	}
}

static void add_figures(const struct job *job, const struct trial *trial, const struct figures *f,
			struct buf *text)
{
	if (isnan(f->gain)) {
		buf_text(text, "meets the criterion");
	} else {
		gained_words(job->spec, f, text);
	}
	buf_text(text, ", ");
	words_loss(job, f, text);
	buf_text(text, ", ");
	add_operators(job, trial, text);
	add_evidence(job, f, text);
}

/* Others that were not measured again may meet it: their first measurements say so. */
static void add_misses(const struct job *job, const struct trial *trial, const struct figures *f,
		       struct buf *text)
{
	if (!trial->rejected) {
		buf_text(text, "keep fp32: no config that was measured meets the criterion; the "
			       "nearest ");
		return;
	}
	if (job->rejections > 1) {
		buf_printf(text, "keep fp32: of %lld configs that were",
			   (long long)job->rejections);
	} else {
		buf_text(text, "keep fp32: the config that was");
	}
	buf_printf(text, " measured again%s %s the criterion%s",
		   f->accepted ? " on the acceptance data" : "",
		   job->rejections > 1 ? "none meets" : "does not meet",
		   job->rejections > 1 ? "; the last one " : ": it ");
}

/* Who measures CPU time says so in a label, and is not sent there. */
const char *words_calmer(const struct job *job)
{
	const struct objective *objective = &job->spec->objective;
	const char *label = json_string_value(json_object_get(job->labels, "latency_ms"));
	bool is_time =
		objective->count == 1 && strcmp(objective->metrics[0].name, "latency_ms") == 0;

	return is_time && (label == NULL || strstr(label, "CPU") == NULL)
		       ? "measure more calmly (by CPU time where others work on the machine)"
		       : "measure more calmly";
}

static void add_keep(const struct job *job, const struct trial *trial, const struct figures *f,
		     const char *because, struct buf *text)
{
	if (strcmp(because, "criterion_missed") == 0) {
		add_misses(job, trial, f, text);
		words_loss(job, f, text);
	} else if (strcmp(because, "not_proved") == 0) {
		buf_text(text, "not proved, keep fp32: ");
		gained_words(job->spec, f, text);
		buf_printf(text, " after %lld round%s; %s, or take more samples in each",
			   (long long)f->measurements, plural_s(f->measurements),
			   words_calmer(job));
	} else if (strcmp(because, "not_accepted") == 0) {
		buf_text(text, "not judged on the acceptance data, keep fp32: ");
		add_figures(job, trial, f, text);
	} else if (trial->number == 0 || isnan(f->gain)) {
		buf_text(text, "keep fp32: no config that meets the criterion is better");
	} else {
		buf_text(text, "keep fp32: no config that meets the criterion is better by ");
		gained_asked(job->spec, text);
		buf_text(text, " or more; the best is ");
		gained_words(job->spec, f, text);
		add_evidence(job, f, text);
	}
}

char *words_rejection(const struct job *job, const struct trial *trial)
{
	struct figures f;
	struct buf text;

	figures_init(&f, job, trial);
	buf_init(&text, TEXT_MAX);
	buf_printf(&text, "measured again%s, trial %lld does not meet the criterion: it ",
		   f.accepted ? " on the acceptance data" : "", (long long)trial->number);
	words_loss(job, &f, &text);
	figures_finish(&f);
	return buf_take(&text, NULL);
}

char *words_verdict(const struct job *job, const struct trial *trial, const struct figures *f,
		    const char *keep_because)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	if (keep_because != NULL) {
		add_keep(job, trial, f, keep_because, &text);
	} else {
		add_figures(job, trial, f, &text);
	}
	if (keep_because == NULL || strcmp(keep_because, "criterion_missed") != 0) {
		passed_words(job, trial, f, &text);
	}
	return buf_take(&text, NULL);
}

/* Noise explains it, or one measurement of many is all there is of it. */
static bool is_chance(const struct job *job, const struct figures *f)
{
	return !isnan(f->interval[0]) &&
	       (!(f->interval[0] > 0) || !gained_by_medians(f, job->spec->min_gain));
}

/* One end of the range is more than twice the other, and the better one would do: so little was measured that it tells nothing. */
static bool is_open(const struct job *job, const struct figures *f)
{
	return !isnan(f->interval[0]) && objective_gains(f->interval[1], job->spec->min_gain) &&
	       1 - f->interval[0] > 2 * (1 - f->interval[1]);
}

const char *words_keep_because(const struct job *job, const struct trial *trial,
			       const struct figures *f, bool ended)
{
	if (trial->number == 0) {
		return "no_gain"; /* it stands in for a config that is the baseline */
	}
	if (!f->feasible || trial->rejected) {
		return "criterion_missed";
	}
	if (ended && job->spec->acceptance != NULL && !f->accepted) {
		return "not_accepted";
	}
	if (isnan(f->gain)) {
		return NULL;
	}
	if (!objective_gains(f->gain, job->spec->min_gain)) {
		return ended && is_open(job, f) ? "not_proved" : "no_gain";
	}
	return ended && is_chance(job, f) ? "not_proved" : NULL;
}

static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *range(double low, double high)
{
	return json_pack("[o, o]", number(low), number(high));
}

/* {"low", "high"} as one pair, or by name where there are several. */
static json_t *accuracy_range(const struct criterion *criterion, const struct figures *f)
{
	json_t *ranges;

	if (criterion->metrics[0].name == NULL) {
		return range(f->accuracy_low[0], f->accuracy_high[0]);
	}
	ranges = json_object();
	for (size_t i = 0; i < criterion->metric_count; i++) {
		(void)json_object_set_new(ranges, criterion->metrics[i].name,
					  range(f->accuracy_low[i], f->accuracy_high[i]));
	}
	return ranges;
}

static json_t *accuracies(const struct criterion *criterion, const double *accuracy)
{
	json_t *values;

	if (criterion->metrics[0].name == NULL) {
		return number(accuracy[0]);
	}
	values = json_object();
	for (size_t i = 0; i < criterion->metric_count; i++) {
		(void)json_object_set_new(values, criterion->metrics[i].name, number(accuracy[i]));
	}
	return values;
}

/* What the figures are compared with: other data, or more measurements, than the job began with. */
static json_t *compared_with(const struct spec *spec, const struct figures *f)
{
	bool single = spec->objective.count == 1;

	return json_pack("{s:o, s:o, s:O}", "accuracy",
			 accuracies(&spec->criterion, f->baseline_accuracy), "objective_value",
			 single ? number(f->baseline[0]) : json_null(), "metrics",
			 f->baseline_metrics);
}

json_t *words_best_data(const struct job *job, const struct trial *trial, bool ended)
{
	const struct spec *spec = job->spec;
	struct figures f;
	json_t *data, *told = trial_told(trial);
	const char *because;
	char *verdict;
	bool single = spec->objective.count == 1;

	figures_init(&f, job, trial);
	because = words_keep_because(job, trial, &f, ended);
	verdict = words_verdict(job, trial, &f, because);
	data = json_pack(
		"{s:b, s:o, s:o, s:o, s:O, s:I, s:o, s:o, s:o, s:o, s:b, s:s?, s:s, s:o}",
		"feasible", f.feasible && !trial->rejected, "accuracy",
		accuracies(&spec->criterion, f.accuracy), "accuracy_loss", number(f.loss),
		"objective_value",
		single ? number(f.values[0])
		       : json_incref(json_object_get(told, "objective_value")),
		"metrics", f.metrics, "measurements", (json_int_t)f.measurements, "accuracy_range",
		accuracy_range(&spec->criterion, &f), "objective_range",
		single ? range(f.low[0], f.high[0]) : json_null(), "gain_interval",
		isnan(f.interval[0]) ? json_null() : range(f.interval[0], f.interval[1]), "nearest",
		f.feasible && !trial->rejected ? json_null()
					       : json_pack("{s:o, s:o}", "accuracy",
							   accuracies(&spec->criterion, f.accuracy),
							   "misses_by", number(-f.margin)),
		"keep_baseline", because != NULL, "keep_baseline_because", because, "verdict",
		verdict, "speedup",
		number(objective_speedup(&spec->objective, f.values, f.baseline)));
	(void)json_object_set_new(data, "gain", number(f.gain));
	(void)json_object_set_new(data, "baseline", compared_with(spec, &f));
	free(verdict);
	json_decref(told);
	figures_finish(&f);
	return data;
}

/* What is said of a best config that meets the criterion and is not to be shipped; NULL of one that is. */
static const char *kept_because(const struct job *job, bool judged)
{
	static const struct {
		const char *because, *words;
	} kept[] = {
		{"criterion_missed", "no config met the criterion"},
		{"no_gain", "the best config meets the criterion, but gains too little: the "
			    "baseline is to be kept"},
		{"not_accepted", "the best config meets the criterion, but was not judged on the "
				 "acceptance data: the baseline is to be kept"},
		{"not_proved", "the best config meets the criterion, but its gain is not proved: "
			       "the baseline is to be kept"},
	};
	const char *because, *words = NULL;
	struct figures f;

	if (job->spec->rules < 2) {
		return NULL;
	}
	figures_init(&f, job, job->best);
	because = words_keep_because(job, job->best, &f, judged);
	for (size_t i = 0; because != NULL && i < sizeof(kept) / sizeof(kept[0]); i++) {
		words = strcmp(because, kept[i].because) == 0 ? kept[i].words : words;
	}
	figures_finish(&f);
	return words;
}

/* Why a job completes that has handed over a config, met the criterion or not. */
static const char *completed_because(const struct job *job, const char *reason, bool judged)
{
	const char *kept;

	if (job->best->number == 0) {
		return "nothing but the baseline itself meets the criterion";
	}
	if (!job->best->candidate.feasible || job->best->rejected) {
		return "no config met the criterion";
	}
	kept = kept_because(job, judged);
	if (kept != NULL) {
		return kept;
	}
	if (strcmp(reason, "criterion_met") == 0 && job->spec->stop_on == STOP_BUDGET) {
		return "the strategy expects nothing better than the best config, which meets the "
		       "criterion";
	}
	return "the best config meets the criterion";
}

/* Among few samples the config that looks best is one that was lucky with them; only the acceptance data shows it. */
static char *end_of_search(const struct job *job, const char *reason, bool judged)
{
	const char *because = completed_because(job, reason, judged);
	bool one = job->rejections == 1;

	if (!judged || job->spec->acceptance == NULL || job->rejections == 0) {
		return mem_dup(because);
	}
	return mem_printf("%s; %lld config%s that met it on the data of the search %s not on the "
			  "acceptance data: a search on more samples chooses better",
			  because, (long long)job->rejections, plural_s(job->rejections),
			  one ? "does" : "do");
}

char *words_exit(const struct job *job, const char *reason, bool judged)
{
	bool failed = strcmp(reason, "too_many_failures") == 0;
	const char *text = failed ? "more trials failed than max_failed_trials allows"
				  : "no config could be measured";

	if (!failed && job->best != NULL) {
		return end_of_search(job, reason, judged);
	}
	if (!failed && job->charged == 0) {
		return mem_dup("there is no config to measure but the baseline itself");
	}
	if (!failed && !job_measured_nothing(job)) {
		return mem_dup("no measurement that counts meets the criterion");
	}
	return job->last_error != NULL ? mem_printf("%s; trial %lld was the last: %s", text,
						    (long long)job->last_failed, job->last_error)
				       : mem_dup(text);
}
