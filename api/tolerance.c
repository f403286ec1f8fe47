/*
 * Chooses the best of a job's trials anew under another tolerable loss, and says what it is worth.
 */
#include "api/tolerance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/beside.h"
#include "api/pooled.h"
#include "base/median.h"
#include "base/mem.h"
#include "base/plural.h"
#include "job/gained.h"
#include "job/job.h"
#include "job/noise.h"

enum { VERDICT_MAX = 1024 };

/* Several objectives are weighed against each other over all that was measured. */
static const struct pooled *weigh(const struct pooled_all *all)
{
	struct objective_row *rows = mem_new(all->count, sizeof(*rows));
	double *values = mem_new(all->count, sizeof(*values));
	size_t chosen;

	for (size_t i = 0; i < all->count; i++) {
		rows[i] = (struct objective_row){all->list[i].accuracy, all->list[i].values,
						 all->list[i].candidate.feasible &&
							 !all->list[i].idle};
	}
	chosen = 1 + objective_choose(&all->spec->objective, &all->criterion, &rows[0], &rows[1],
				      all->count - 1, values);
	free(values);
	free(rows);
	return &all->list[chosen];
}

/*
 * Of those that are as good as noise lets anybody tell, the one that was measured most often: a single measurement that
 * is a little better has mostly been lucky, and may be of an hour in which everything was quicker.
 */
static const struct pooled *surest(const struct pooled_all *all, const struct pooled *best)
{
	double most = best->candidate.objective + noise_unknown * fabs(best->candidate.objective);
	const struct pooled *found = best;

	for (size_t i = 1; i < all->count; i++) {
		const struct pooled *of = &all->list[i];

		if (!of->idle && of->candidate.feasible && of->candidate.objective <= most &&
		    (of->count > found->count ||
		     (of->count == found->count &&
		      candidate_better(&of->candidate, &found->candidate)))) {
			found = of;
		}
	}
	return found;
}

/* NULL when nothing but the baseline was measured. */
static const struct pooled *choose(const struct pooled_all *all)
{
	const struct pooled *best = NULL;

	for (size_t i = 1; i < all->count; i++) {
		const struct pooled *of = &all->list[i];

		if (!of->idle &&
		    (best == NULL || candidate_better(&of->candidate, &best->candidate))) {
			best = of;
		}
	}
	if (best == NULL || !best->candidate.feasible) {
		return best;
	}
	return all->spec->objective.count > 1 ? weigh(all) : surest(all, best);
}

static json_t *accuracy_json(const struct criterion *criterion, const double *accuracy)
{
	json_t *values;

	if (criterion->metrics[0].name == NULL) {
		return json_real(accuracy[0]);
	}
	values = json_object();
	for (size_t i = 0; i < criterion->metric_count; i++) {
		(void)json_object_set_new(values, criterion->metrics[i].name,
					  json_real(accuracy[i]));
	}
	return values;
}

static json_t *number_or_null(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

/* The trial with the means in place of its own numbers, and the margin to the other bound. */
static json_t *trial_of(const struct pooled_all *all, const struct pooled *of)
{
	json_t *trial = json_deep_copy(of->trial), *metrics = json_object_get(trial, "metrics");

	for (size_t i = 0; i < all->spec->objective.count; i++) {
		const char *name = all->spec->objective.metrics[i].name;

		if (json_is_number(json_object_get(metrics, name))) {
			(void)json_object_set_new(metrics, name, json_real(of->values[i]));
		}
	}
	(void)json_object_set_new(trial, "margin", number_or_null(of->candidate.margin));
	return trial;
}

/* The document of a best config before its config and its judgement are added. */
static json_t *figures_of(const struct pooled_all *all, const struct pooled *of)
{
	const struct spec *spec = all->spec;
	double value = spec->objective.count == 1 ? of->values[0] : of->candidate.objective;
	double loss = criterion_loss(&all->criterion, of->accuracy);
	const struct pooled *base = &all->list[0];
	json_t *trial = trial_of(all, base);
	json_t *best = json_pack(
		"{s:I, s:b, s:o, s:o, s:o, s:I, s:{s:o, s:o}}", "trial",
		(json_int_t)of->candidate.number, "feasible", of->candidate.feasible, "accuracy",
		accuracy_json(&all->criterion, of->accuracy), "accuracy_loss", number_or_null(loss),
		"objective_value", number_or_null(value), "measurements", (json_int_t)of->count,
		"baseline", "accuracy", accuracy_json(&all->criterion, base->accuracy),
		"objective_value",
		spec->objective.count == 1 ? number_or_null(base->values[0]) : json_null());

	job_add_gain(spec, of->values, base->values, best);
	(void)json_object_set(json_object_get(best, "baseline"), "metrics",
			      json_object_get(trial, "metrics"));
	json_decref(trial);
	return best;
}

static void find_middle(const struct spec *spec, const struct pooled *of, double *ret)
{
	size_t metrics = spec->objective.count;
	double *values = mem_new(of->count, sizeof(*values));

	for (size_t m = 0; m < metrics; m++) {
		for (size_t i = 0; i < of->count; i++) {
			values[i] = of->each[i * metrics + m];
		}
		ret[m] = median(values, of->count);
	}
	free(values);
}

/* Means and medians of what it gains; nothing was proved. */
static struct figures gains_of(const struct pooled_all *all, const struct pooled *of)
{
	const struct spec *spec = all->spec;
	const struct pooled *base = &all->list[0];
	double middle[LIMIT_METRICS], base_middle[LIMIT_METRICS];

	find_middle(spec, of, middle);
	find_middle(spec, base, base_middle);
	return (struct figures){
		.measurements = (int64_t)of->count,
		.gain = objective_gain(&spec->objective, of->values, base->values),
		.middle_gain = objective_gain(&spec->objective, middle, base_middle),
		.interval = {NAN, NAN},
	};
}

/* What one measurement of many makes of a mean is no gain. */
static void doubt(const struct pooled_all *all, const struct figures *gains, json_t *best)
{
	if (all->spec->rules >= 2 && !json_is_true(json_object_get(best, "keep_baseline")) &&
	    !gained_by_medians(gains, all->spec->min_gain)) {
		(void)json_object_set_new(best, "keep_baseline", json_true());
		(void)json_object_set_new(best, "keep_baseline_because", json_string("not_proved"));
	}
}

/* The job tells of its own choice what its end game measured alone, which is another number of the same trial. */
static void tell_apart(const struct outcome *outcome, const json_t *best, struct buf *text)
{
	const json_t *own = json_object_get(outcome->job, "best");
	json_int_t proof = json_integer_value(json_object_get(own, "measurements"));
	json_int_t all = json_integer_value(json_object_get(best, "measurements"));

	if (json_equal(json_object_get(own, "trial"), json_object_get(best, "trial")) != 0 &&
	    proof > 0 && proof < all) {
		buf_printf(text,
			   "; figures are means of all its %lld measurements, those of the job's "
			   "own verdict of %lld of them",
			   (long long)all, (long long)proof);
	}
}

/* What one measurement says, and how little that is where others of one config are far apart. */
static void add_evidence(const struct pooled_all *all, const struct figures *gains,
			 struct buf *text)
{
	double scatter = pooled_scatter(all);

	if (gains->measurements > 1) {
		return;
	}
	buf_text(text, ", measured once");
	if (scatter > noise_unknown) {
		buf_printf(text, ", where measurements of one config scatter by %.2g %%",
			   100 * scatter);
	}
}

static json_t *verdict_of(const struct outcome *outcome, const struct pooled_all *all,
			  const struct figures *gains, const json_t *best)
{
	double tolerable = all->criterion.metrics[0].tolerable_loss;
	bool keep = json_is_true(json_object_get(best, "keep_baseline"));
	struct buf text;
	char *sentence;
	json_t *verdict;

	buf_init(&text, VERDICT_MAX);
	if (!keep) {
		buf_printf(&text, "trial %lld is best",
			   (long long)json_integer_value(json_object_get(best, "trial")));
	} else {
		buf_text(&text, "keep fp32");
	}
	buf_printf(&text, " where %g may be lost, of %zu measured config%s", tolerable,
		   all->count - 1, plural_s((long long)all->count - 1));
	if (!keep) {
		add_evidence(all, gains, &text);
	}
	if (gained_apart(all->spec, gains)) {
		buf_text(&text, ": ");
		gained_words(all->spec, gains, &text);
	}
	tell_apart(outcome, best, &text);
	buf_text(&text, "; a job with this criterion would look for more");
	sentence = buf_take(&text, NULL);
	verdict = json_string(sentence);
	free(sentence);
	return verdict;
}

/* Who says how much may be lost leaves nothing to weigh: of a job that leaves both open the other metric decides, as in a
 * job that has it alone. The names are the spec's. */
static struct spec asked_of(const struct spec *spec)
{
	struct spec alone = *spec;

	if (spec->apart.count > 0) {
		alone.objective = spec->apart;
	}
	return alone;
}

static char *make(struct call *call, const struct store_rows *rows)
{
	struct outcome *outcome = call->state;
	const struct spec asked = asked_of(outcome->spec);
	struct pooled_all all = {.spec = &asked,
				 .criterion = outcome->criterion,
				 .list = mem_new(rows->count, sizeof(struct pooled))};
	const struct pooled *of;
	struct figures gains;
	json_t *best, *trial;
	char *text;

	for (size_t i = 0; i < rows->count; i++) {
		char *const *cells = &rows->cells[i * rows->columns];

		pooled_take(&all, cells[0], cells[1], cells[2] != NULL);
	}
	pooled_hold_as(&asked, json_object_get(outcome->job, "best"), &all.list[0]);
	for (size_t i = 0; i < all.count; i++) {
		pooled_judge(&all, &all.list[i]);
	}
	of = choose(&all);
	if (of == NULL) {
		of = &all.list[0];
	}
	trial = trial_of(&all, of);
	best = figures_of(&all, of);
	gains = gains_of(&all, of);
	outcome_judge(outcome, trial, best);
	doubt(&all, &gains, best);
	(void)json_object_set_new(best, "tolerable_loss",
				  json_real(all.criterion.metrics[0].tolerable_loss));
	if (outcome->spec->apart.count > 0) {
		(void)json_object_set_new(best, "objective",
					  json_string(asked.objective.metrics[0].name));
	}
	(void)json_object_set_new(best, "verdict", verdict_of(outcome, &all, &gains, best));
	text = outcome_text(best, outcome->spec, of->config, false);
	json_decref(best);
	json_decref(trial);
	pooled_finish(&all);
	return text;
}

static void on_measured(struct call *call, const struct store_rows *rows)
{
	beside_reply(call, rows, make);
}

/* NAN when the text is no number that a tolerable loss may be. */
static double read_loss(const char *text)
{
	char *end;
	double loss = strtod(text, &end);

	return end != text && *end == '\0' && loss >= 0 && isfinite(loss) ? loss : NAN;
}

/* More than all of an accuracy cannot be lost, but an error may be more than twice as large. */
static bool is_too_much(const struct criterion *criterion, double loss)
{
	return criterion->relative && criterion->metrics[0].higher_is_better && loss > 1;
}

/* What a job hands over under its own criterion was judged by the job itself, which may have proved it; where it left both
 * open it weighed them, and that is another question. */
bool tolerance_is_own(const struct call *call)
{
	const struct outcome *outcome = call->state;
	const struct criterion *criterion = &outcome->spec->criterion;
	double loss = read_loss(request_query(call->request, "tolerable_loss"));
	bool own = outcome->spec->apart.count == 0;

	for (size_t i = 0; i < criterion->metric_count; i++) {
		own = own && criterion->metrics[i].tolerable_loss == loss;
	}
	return own;
}

static void read_accuracies(const struct criterion *criterion, const json_t *baseline, double *ret)
{
	const json_t *accuracy = json_object_get(baseline, "accuracy");

	for (size_t i = 0; i < criterion->metric_count; i++) {
		const char *name = criterion->metrics[i].name;

		ret[i] = json_number_value(name != NULL ? json_object_get(accuracy, name)
							: accuracy);
	}
}

void tolerance_reply(struct call *call)
{
	struct outcome *outcome = call->state;
	double loss = read_loss(request_query(call->request, "tolerable_loss"));
	const json_t *baseline = json_object_get(outcome->job, "baseline");
	struct criterion *criterion = &outcome->criterion;
	double accuracy[LIMIT_METRICS] = {0};
	struct err err;
	char *text;

	if (isnan(loss)) {
		call_error(call, ERR_BAD_REQUEST,
			   "tolerable_loss must be a number that is not negative: 0.03 for 3 %%");
	} else if (is_too_much(criterion, loss)) {
		text = criterion_too_much(loss);
		call_error(call, ERR_BAD_REQUEST, "tolerable_loss: %s", text);
		free(text);
	} else if (criterion->metric_count > 1 && !criterion->weighted) {
		call_error(call, ERR_INVALID_FIELD,
			   "the job has several accuracies that must each hold, so one tolerable "
			   "loss does not say what may be lost of each");
	} else if (!json_is_object(baseline)) {
		outcome_no_best(call);
	} else {
		for (size_t i = 0; i < criterion->metric_count; i++) {
			criterion->metrics[i].tolerable_loss = loss;
		}
		read_accuracies(criterion, baseline, accuracy);
		if (criterion_fix(criterion, accuracy, &err) != 0) {
			call_error(call, ERR_BAD_REQUEST, "tolerable_loss: %s", err.message);
			return;
		}
		call_find(call, QUERY_MEASURED, on_measured);
	}
}
