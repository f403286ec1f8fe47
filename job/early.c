/* Reads what a worker reports while it measures, and judges whether that is enough. */
#include "job/early.h"

#include <math.h>

#include "base/json.h"

static const char *const beat_members[] = {"progress", NULL};
static const char *const members[] = {"seen",  "total",       "correct", "sum",
				      "range", "sum_squares", "paired",  NULL};

/* Adds the pointers of what is not in the list. */
static void note_strangers(const struct json_at *object, const char *const *known, json_t *ret)
{
	struct err faults;
	struct json_at at = *object;

	err_init(&faults);
	at.err = &faults;
	if (json_is_object(at.value)) {
		json_only(&at, known);
	}
	for (size_t i = 0; i < faults.fault_count && i < ERR_FAULTS_MAX; i++) {
		(void)json_array_append_new(ret, json_string(faults.faults[i].pointer));
	}
}

static void read_range(const struct json_at *at, struct progress *ret)
{
	struct json_at low = json_item(at, 0), high = json_item(at, 1);

	ret->low = -INFINITY;
	ret->high = INFINITY;
	if (at->value == NULL || !json_is_array_at(at, 2)) {
		return;
	}
	if (json_array_size(at->value) != 2) {
		(void)json_fault(at, "the least and the greatest value are expected");
		return;
	}
	ret->low = json_real_in(&low, 0, -1e300, 1e300);
	ret->high = json_real_in(&high, 0, -1e300, 1e300);
	if (ret->low > ret->high) {
		(void)json_fault(at, "the least value comes first");
	}
}

/* Right and wrong answers, or sums of whatever the accuracy is the mean of. False without either, which is no fault:
 * who scores, or quantizes, has none, and says how far it is. */
static bool read_values(const struct json_at *at, struct progress *ret)
{
	struct json_at correct = json_member(at, "correct"), sum = json_member(at, "sum");
	struct json_at squares = json_member(at, "sum_squares"), range = json_member(at, "range");

	if (correct.value != NULL) {
		ret->sum = (double)json_int(&correct, 0, 0, ret->seen);
		ret->squares = ret->sum;
		ret->high = 1;
		return true;
	}
	if (sum.value == NULL && squares.value == NULL && range.value == NULL) {
		return false;
	}
	(void)json_required(&sum);
	(void)json_required(&squares);
	ret->sum = json_real_in(&sum, 0, -1e300, 1e300);
	ret->squares = json_real_in(&squares, 0, 0, 1e300);
	read_range(&range, ret);
	return true;
}

/* False when it cannot be told how much is left or how good it is, which is no fault. `ret` is zero. */
static bool read_progress(const struct json_at *at, const struct spec *spec, struct progress *ret)
{
	struct json_at seen = json_member(at, "seen"), total = json_member(at, "total");
	bool has_values;

	(void)json_required(&seen);
	ret->seen = json_int(&seen, 0, 0, INT64_MAX);
	ret->total = json_int(&total, spec->samples, 1, INT64_MAX);
	has_values = read_values(at, ret);
	if (ret->total > 0 && ret->seen > ret->total) {
		(void)json_fault(&seen, "more than there are");
	}
	return has_values && ret->seen > 0 && ret->total > 0;
}

/* Where an early verdict may be had: one accuracy, a bound, and numbers that nobody ranks. */
static bool is_open_to_it(const struct trial *trial)
{
	const struct criterion *criterion = &trial->job->spec->criterion;

	return trial->kind == QUESTION_EVALUATE && !trial->whole && criterion->fixed &&
	       criterion->metric_count == 1;
}

/* Infinity cannot be written down, and strategies square margins. */
#define LEAST_MARGIN 1e100

static void judge(const struct trial *trial, bool paired, struct early *ret)
{
	const struct criterion *criterion = &trial->job->spec->criterion;
	double error = trial->job->spec->error_probability;
	double offset = paired ? criterion->baseline[0] : 0, bound = criterion->bound[0];
	double slack = criterion_tolerance(criterion, 0), worst;
	struct progress mirrored = verdict_mirrored(&ret->progress);

	ret->verdict = criterion->metrics[0].higher_is_better
			       ? verdict_below(&ret->progress, bound - slack - offset, error)
			       : verdict_below(&mirrored, offset - bound - slack, error);
	ret->estimate = verdict_mean(&ret->progress) + offset;
	ret->margin = fmax(criterion_margin(criterion, &ret->estimate), -LEAST_MARGIN);
	worst = -1e-9;
	if (ret->verdict != VERDICT_OPEN && ret->margin > worst) {
		ret->margin = worst;
		ret->estimate = bound;
	}
}

int early_read(json_t *body, const struct trial *trial, struct early *ret, struct err *reterr)
{
	struct json_at at, progress, paired;
	bool known;

	err_init(reterr);
	*ret = (struct early){.verdict = VERDICT_OPEN};
	at = json_root(body, reterr);
	progress = json_member(&at, "progress");
	if (body == NULL || progress.value == NULL || !json_is_object_at(&progress)) {
		return -(int)reterr->code;
	}
	paired = json_member(&progress, "paired");
	known = read_progress(&progress, trial->job->spec, &ret->progress);
	if (reterr->code == ERR_OK && known && is_open_to_it(trial)) {
		judge(trial, json_bool(&paired, false), ret);
	}
	return -(int)reterr->code;
}

json_t *early_strangers(json_t *body)
{
	struct json_at at = json_root(body, NULL);
	struct json_at progress = json_member(&at, "progress");
	json_t *list = json_array();

	note_strangers(&at, beat_members, list);
	note_strangers(&progress, members, list);
	return list;
}

json_t *early_json(const struct early *early)
{
	return json_pack("{s:b, s:f, s:f, s:s, s:{s:I, s:I, s:f, s:f}, s:s}", "feasible", 0,
			 "estimate", early->estimate, "margin", early->margin, "verdict",
			 verdict_names[early->verdict], "progress", "seen",
			 (json_int_t)early->progress.seen, "total",
			 (json_int_t)early->progress.total, "sum", early->progress.sum,
			 "sum_squares", early->progress.squares, "source", "measured");
}
