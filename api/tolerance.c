/*
 * Chooses the best of a job's trials anew under another tolerable loss, and says what it is worth.
 */
#include "api/tolerance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/beside.h"
#include "base/median.h"
#include "base/mem.h"
#include "base/plural.h"
#include "job/spec/codec_changes.h"
#include "job/gained.h"
#include "job/job.h"
#include "job/noise.h"

enum { VERDICT_MAX = 1024 };

/* A config, or the baseline, and the sums of all that was measured of it, and then the means. */
struct measured {
	json_t *trial;         /* the first measurement; owned */
	struct config *config; /* owned, NULL is the baseline's */
	bool idle;             /* nothing is lowered in it: it is the baseline again */
	double accuracy[LIMIT_METRICS], values[LIMIT_METRICS];
	size_t count, judged; /* measurements, and those of them on all of the data */
	double *each;         /* values of one measurement behind those of the one before; owned */
	struct candidate candidate;
};

/* All that is chosen among; [0] is the baseline. */
struct front {
	const struct spec *spec;
	struct criterion criterion; /* the job's, with another tolerable loss; names are borrowed */
	struct measured *list;      /* owned */
	size_t count;
};

static void front_finish(struct front *front)
{
	for (size_t i = 0; i < front->count; i++) {
		json_decref(front->list[i].trial);
		config_destroy(front->list[i].config);
		free(front->list[i].each);
	}
	free(front->list);
}

static const char *text_of(const json_t *trial, const char *member)
{
	const char *text = json_string_value(json_object_get(trial, member));

	return text != NULL ? text : "";
}

/* Of the same config as an earlier one, or NULL. Trials of the baseline have no hash. */
static struct measured *find(const struct front *front, const json_t *trial)
{
	const char *hash = text_of(trial, "hash");

	for (size_t i = front->count; i-- > 0;) {
		if (strcmp(text_of(front->list[i].trial, "hash"), hash) == 0) {
			return &front->list[i];
		}
	}
	return NULL;
}

/* Accuracies on other data, as those of the acceptance, do not compare; what takes time there takes it elsewhere. */
static void add(struct measured *of, const struct spec *spec, const json_t *trial, bool partly)
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

/* A repeat of what was excluded says nothing, and what was not measured anew nothing more. */
static void take(struct front *front, const char *document, const char *changes, bool partly)
{
	json_t *trial = json_loads(document, 0, NULL);
	struct measured *of = find(front, trial);
	bool again = strcmp(text_of(trial, "kind"), "confirm") == 0;
	bool cached = strcmp(text_of(trial, "source"), "cache") == 0;
	bool useless = cached || (partly && has_accuracy(&front->spec->objective));

	if (of != NULL && !useless) {
		add(of, front->spec, trial, partly);
	} else if (of == NULL && !again) {
		of = &front->list[front->count++];
		of->trial = json_incref(trial);
		of->config =
			changes != NULL ? codec_changes_parse(front->spec->space, changes) : NULL;
		of->idle = of->config != NULL && config_is_baseline(of->config, front->spec->space);
		add(of, front->spec, trial, partly);
	}
	json_decref(trial);
}

/*
 * Where the job holds its own choice to the later measurements of the baseline alone, since the machine was another when the
 * first was made, everything is held to these. With acceptance data it always does, and here all times count.
 */
static void hold_as(const struct spec *spec, const json_t *own, struct measured *base)
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

static void judge(struct front *front, struct measured *of)
{
	const struct spec *spec = front->spec;

	for (size_t i = 0; i < spec->criterion.metric_count; i++) {
		of->accuracy[i] /= (double)of->judged;
	}
	for (size_t i = 0; i < spec->objective.count; i++) {
		of->values[i] /= (double)of->count;
	}
	of->candidate = (struct candidate){
		.feasible = criterion_meets(&front->criterion, of->accuracy),
		.objective = objective_value(&spec->objective, of->values, front->list[0].values),
		.merit = criterion_merit(&front->criterion, of->accuracy),
		.margin = criterion_margin(&front->criterion, of->accuracy),
		.number = json_integer_value(json_object_get(of->trial, "number")),
	};
}

/* Several objectives are weighed against each other over all that was measured. */
static const struct measured *weigh(const struct front *front)
{
	struct objective_row *rows = mem_new(front->count, sizeof(*rows));
	double *values = mem_new(front->count, sizeof(*values));
	size_t chosen;

	for (size_t i = 0; i < front->count; i++) {
		rows[i] = (struct objective_row){front->list[i].accuracy, front->list[i].values,
						 front->list[i].candidate.feasible &&
							 !front->list[i].idle};
	}
	chosen = 1 + objective_choose(&front->spec->objective, &front->criterion, &rows[0],
				      &rows[1], front->count - 1, values);
	free(values);
	free(rows);
	return &front->list[chosen];
}

/*
 * Of those that are as good as noise lets anybody tell, the one that was measured most often: a single measurement that
 * is a little better has mostly been lucky, and may be of an hour in which everything was quicker.
 */
static const struct measured *surest(const struct front *front, const struct measured *best)
{
	double most = best->candidate.objective + noise_unknown * fabs(best->candidate.objective);
	const struct measured *found = best;

	for (size_t i = 1; i < front->count; i++) {
		const struct measured *of = &front->list[i];

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
static const struct measured *choose(const struct front *front)
{
	const struct measured *best = NULL;

	for (size_t i = 1; i < front->count; i++) {
		const struct measured *of = &front->list[i];

		if (!of->idle &&
		    (best == NULL || candidate_better(&of->candidate, &best->candidate))) {
			best = of;
		}
	}
	if (best == NULL || !best->candidate.feasible) {
		return best;
	}
	return front->spec->objective.count > 1 ? weigh(front) : surest(front, best);
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

/* The document of a best config before its config and its judgement are added. */
static json_t *figures_of(const struct front *front, const struct measured *of)
{
	const struct spec *spec = front->spec;
	double value = spec->objective.count == 1 ? of->values[0] : of->candidate.objective;
	double loss = criterion_loss(&front->criterion, of->accuracy);
	const struct measured *base = &front->list[0];
	json_t *best = json_pack(
		"{s:I, s:b, s:o, s:o, s:o, s:I, s:{s:o, s:o}}", "trial",
		(json_int_t)of->candidate.number, "feasible", of->candidate.feasible, "accuracy",
		accuracy_json(&front->criterion, of->accuracy), "accuracy_loss",
		number_or_null(loss), "objective_value", number_or_null(value), "measurements",
		(json_int_t)of->count, "baseline", "accuracy",
		accuracy_json(&front->criterion, base->accuracy), "objective_value",
		spec->objective.count == 1 ? number_or_null(base->values[0]) : json_null());

	job_add_gain(spec, of->values, base->values, best);
	return best;
}

static void find_middle(const struct spec *spec, const struct measured *of, double *ret)
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
static struct figures gains_of(const struct front *front, const struct measured *of)
{
	const struct spec *spec = front->spec;
	const struct measured *base = &front->list[0];
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

/* The trial with the means in place of its own numbers, and the margin to the other bound. */
static json_t *trial_of(const struct front *front, const struct measured *of)
{
	json_t *trial = json_deep_copy(of->trial), *metrics = json_object_get(trial, "metrics");

	for (size_t i = 0; i < front->spec->objective.count; i++) {
		const char *name = front->spec->objective.metrics[i].name;

		if (json_is_number(json_object_get(metrics, name))) {
			(void)json_object_set_new(metrics, name, json_real(of->values[i]));
		}
	}
	(void)json_object_set_new(trial, "margin", number_or_null(of->candidate.margin));
	return trial;
}

/* What one measurement of many makes of a mean is no gain. */
static void doubt(const struct front *front, const struct figures *gains, json_t *best)
{
	if (front->spec->rules >= 2 && !json_is_true(json_object_get(best, "keep_baseline")) &&
	    !gained_by_medians(gains, front->spec->min_gain)) {
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

static json_t *verdict_of(const struct outcome *outcome, const struct front *front,
			  const struct figures *gains, const json_t *best)
{
	double tolerable = front->criterion.metrics[0].tolerable_loss;
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
		   front->count - 1, plural_s((long long)front->count - 1));
	if (gained_apart(front->spec, gains)) {
		buf_text(&text, ": ");
		gained_words(front->spec, gains, &text);
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
	struct front front = {.spec = &asked,
			      .criterion = outcome->criterion,
			      .list = mem_new(rows->count, sizeof(struct measured))};
	const struct measured *of;
	struct figures gains;
	json_t *best, *trial;
	char *text;

	for (size_t i = 0; i < rows->count; i++) {
		char *const *cells = &rows->cells[i * rows->columns];

		take(&front, cells[0], cells[1], cells[2] != NULL);
	}
	hold_as(&asked, json_object_get(outcome->job, "best"), &front.list[0]);
	for (size_t i = 0; i < front.count; i++) {
		judge(&front, &front.list[i]);
	}
	of = choose(&front);
	if (of == NULL) {
		of = &front.list[0];
	}
	trial = trial_of(&front, of);
	best = figures_of(&front, of);
	gains = gains_of(&front, of);
	outcome_judge(outcome, trial, best);
	doubt(&front, &gains, best);
	(void)json_object_set_new(best, "tolerable_loss",
				  json_real(front.criterion.metrics[0].tolerable_loss));
	if (outcome->spec->apart.count > 0) {
		(void)json_object_set_new(best, "objective",
					  json_string(asked.objective.metrics[0].name));
	}
	(void)json_object_set_new(best, "verdict", verdict_of(outcome, &front, &gains, best));
	text = outcome_text(best, outcome->spec, of->config, false);
	json_decref(best);
	json_decref(trial);
	front_finish(&front);
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
