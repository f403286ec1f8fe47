/* Puts into words what a job's document says: how it stands, what it lost and gained, what next. */
#include "cli/job.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/plural.h"
#include "cli/text.h"

enum { TEXT_MAX = 8192 };

/* Numbers are shown with three digits where they are compared. */
#define SAME_SHARE 1e-3
/* A mean of equal numbers may differ from them by so much of them. */
#define ROUNDING 1e-12

static const json_t *path2(const json_t *object, const char *first, const char *second)
{
	return json_object_get(json_object_get(object, first), second);
}

bool job_is_final(const json_t *job)
{
	static const char *const finals[] = {"completed", "failed", "cancelled"};
	const char *state = json_string_value(json_object_get(job, "state"));

	for (size_t i = 0; state != NULL && i < sizeof(finals) / sizeof(finals[0]); i++) {
		if (strcmp(state, finals[i]) == 0) {
			return true;
		}
	}
	return false;
}

bool job_is_met(const json_t *job)
{
	return json_is_true(path2(job, "best", "feasible"));
}

bool job_is_stuck(const json_t *job)
{
	const char *reason = json_string_value(path2(job, "pause", "reason"));

	return reason != NULL && strcmp(reason, "requested") != 0;
}

enum cli_exit job_exit(const json_t *job, bool ok_keep)
{
	const char *state = json_string_value(json_object_get(job, "state"));

	if (state == NULL || strcmp(state, "completed") != 0 || !job_is_met(job)) {
		return CLI_NOT_MET;
	}
	return json_is_true(path2(job, "best", "keep_baseline")) && !ok_keep ? CLI_KEEP : CLI_OK;
}

bool job_gains_nothing(const json_t *job)
{
	return !job_is_final(job) && json_is_string(path2(job, "progress", "hint")) &&
	       json_is_true(path2(job, "best", "keep_baseline"));
}

char *job_verdict(const json_t *best)
{
	const char *verdict = json_string_value(json_object_get(best, "verdict"));

	if (verdict != NULL) {
		return text_clean(verdict);
	}
	return json_is_true(json_object_get(best, "keep_baseline"))
		       ? mem_dup("keep fp32: nothing that meets the criterion beats it")
		       : NULL;
}

void job_warn_of_kept(const json_t *job)
{
	const json_t *best = json_object_get(job, "best");
	char *verdict =
		json_is_true(json_object_get(best, "keep_baseline")) ? job_verdict(best) : NULL;

	if (verdict != NULL) {
		(void)fprintf(stderr,
			      "narrow: warning: this is trial %" JSON_INTEGER_FORMAT
			      ", and the job says: %s\n",
			      json_integer_value(json_object_get(best, "trial")), verdict);
	}
	free(verdict);
}

char *job_state(const json_t *job)
{
	char *state = text_member(job, "state");

	if (strcmp(state, "baseline") == 0) {
		free(state);
		state = mem_dup("measuring the baseline");
	}
	return state;
}

char *job_warning(const json_t *warning)
{
	const char *pointer = json_string_value(json_object_get(warning, "pointer"));
	char *at = text_clean(pointer != NULL ? pointer : "");
	char *detail = text_member(warning, "detail");
	char *text = mem_printf("%s%s%s", at, at[0] != '\0' ? ": " : "", detail);

	free(at);
	free(detail);
	return text;
}

void job_warn(const json_t *document)
{
	size_t i;
	json_t *warning;

	json_array_foreach(json_object_get(document, "warnings"), i, warning) {
		char *text = job_warning(warning);

		(void)fprintf(stderr, "narrow: warning: %s\n", text);
		free(text);
	}
}

char *job_trials(const json_t *job)
{
	char *measured = text_number(path2(job, "budget", "trials_measured"));
	char *max = text_number(path2(job, "budget", "max_trials"));
	char *text = mem_printf("%s/%s", measured, max);

	free(measured);
	free(max);
	return text;
}

char *job_objective(const json_t *job)
{
	const json_t *terms = json_object_get(job, "objective");
	struct buf buf;
	size_t i;
	json_t *term;

	if (json_array_size(terms) == 1) {
		return text_member(json_array_get(terms, 0), "metric");
	}
	buf_init(&buf, TEXT_MAX);
	json_array_foreach(terms, i, term) {
		text_add(&buf, i > 0 ? " + " : "", text_number(json_object_get(term, "weight")),
			 " ");
		text_add(&buf, "", text_member(term, "metric"), "");
	}
	buf_text(&buf, buf.length == 0 ? "objective" : "");
	return buf_take(&buf, NULL);
}

static bool is_relative(const json_t *job)
{
	const char *kind = json_string_value(path2(job, "criterion", "criterion"));

	return kind != NULL && strcmp(kind, "relative") == 0;
}

bool job_is_lost(const json_t *loss)
{
	return !(json_number_value(loss) < -ROUNDING);
}

char *job_loss(const json_t *job, const json_t *loss)
{
	double share = fabs(json_number_value(loss));
	char *number, *text;

	if (!json_is_number(loss)) {
		return text_number(loss);
	}
	if (!is_relative(job)) {
		json_t *amount = json_real(share);

		text = text_number(amount);
		json_decref(amount);
		return text;
	}
	number = text_rough(share < ROUNDING ? 0 : share * 100);
	text = mem_printf("%s %%", number);
	free(number);
	return text;
}

/* The accuracy that may just be, where the baseline has `accuracy`. */
static double bound_at(const json_t *criterion, double accuracy, bool relative)
{
	double loss = json_number_value(json_object_get(criterion, "tolerable_loss"));
	double drop = relative ? loss * fabs(accuracy) : loss;
	bool higher = !json_is_false(json_object_get(criterion, "higher_is_better"));

	return higher ? accuracy - drop : accuracy + drop;
}

/* The one that the search went by, and that of the best where it is judged beside another baseline. */
static void add_bound(struct buf *buf, const json_t *job, const json_t *best)
{
	const json_t *criterion = json_object_get(job, "criterion");
	const json_t *bound = json_object_get(criterion, "bound");
	bool higher = !json_is_false(json_object_get(criterion, "higher_is_better"));
	const char *before = higher ? ": accuracy at least " : ": accuracy at most ";
	const json_t *used = path2(best, "baseline", "accuracy");
	bool has = bound != NULL && !json_is_null(bound);
	char *now = text_number(used), *then = text_number(path2(job, "baseline", "accuracy"));
	bool moved = used != NULL && strcmp(now, then) != 0;

	if (!moved && has) {
		text_add(buf, before, text_number(bound), "");
	} else if (moved && json_is_number(used)) {
		json_t *judged =
			json_real(bound_at(criterion, json_number_value(used), is_relative(job)));

		text_add(buf, before, text_number(judged), "");
		text_add(buf, " beside a baseline of ", text_number(used), "");
		if (has) {
			text_add(buf, " (", text_number(bound), " in the search)");
		}
		json_decref(judged);
	}
	free(now);
	free(then);
}

char *job_criterion(const json_t *job, const json_t *best)
{
	const json_t *criterion = json_object_get(job, "criterion");
	const json_t *tolerable = json_object_get(criterion, "tolerable_loss");
	struct buf buf;

	buf_init(&buf, TEXT_MAX);
	text_add(&buf, "", text_member(criterion, "criterion"),
		 job_is_lost(tolerable) ? " loss of at most " : " gain of at least ");
	text_add(&buf, "", job_loss(job, tolerable), "");
	add_bound(&buf, job, best);
	return buf_take(&buf, NULL);
}

char *job_gain(const json_t *best)
{
	const json_t *gain = json_object_get(best, "gain");
	char *number, *text;

	if (!json_is_number(gain)) {
		return mem_dup("-");
	}
	number = text_rough(100 * json_number_value(gain));
	text = mem_printf("%s%s %%", json_number_value(gain) > 0 ? "+" : "", number);
	free(number);
	return text;
}

char *job_improvement(const json_t *best)
{
	const json_t *speedup = json_object_get(best, "speedup");
	char *number, *text;

	if (!json_is_number(speedup)) {
		return job_gain(best);
	}
	number = text_rough(json_number_value(speedup));
	text = mem_printf("%sx", number);
	free(number);
	return text;
}

static bool is_about(double value, double other)
{
	return fabs(value - other) <= SAME_SHARE * fabs(other);
}

const json_t *job_baseline_accuracy(const json_t *job, const json_t *best)
{
	const json_t *used = path2(best, "baseline", "accuracy");

	return used != NULL ? used : path2(job, "baseline", "accuracy");
}

char *job_baseline_value(const json_t *job, const json_t *best)
{
	char *name = job_objective(job);
	const json_t *first = json_object_get(path2(job, "baseline", "metrics"), name);
	const json_t *used = path2(best, "baseline", "objective_value");
	bool moved = json_is_number(used) && json_is_number(first) &&
		     !is_about(json_number_value(used), json_number_value(first));

	free(name);
	return text_number(moved ? used : first);
}

char *job_measured_again(const json_t *job)
{
	const json_t *best = json_object_get(job, "best");
	const json_t *baseline = json_object_get(job, "baseline");
	char *name = job_objective(job);
	char *first = text_number(json_object_get(json_object_get(baseline, "metrics"), name));
	char *used = job_baseline_value(job, best);
	char *then = text_number(json_object_get(baseline, "accuracy"));
	char *now = text_number(job_baseline_accuracy(job, best));
	bool other = strcmp(now, then) != 0,
	     moved = strcmp(used, "-") != 0 && strcmp(used, first) != 0;
	char *text = other || moved
			     ? mem_printf("%s%s%s%s%s%s", other ? "accuracy " : "",
					  other ? now : "", other && moved ? ", " : "",
					  moved ? name : "", moved ? " " : "", moved ? used : "")
			     : NULL;

	free(now);
	free(then);
	free(used);
	free(first);
	free(name);
	return text;
}

static void add_accuracy(struct buf *buf, const json_t *job, const json_t *best)
{
	const json_t *loss = json_object_get(best, "accuracy_loss");

	text_add(buf, "accuracy ", text_number(json_object_get(best, "accuracy")), "");
	if (json_is_number(loss)) {
		text_add(buf, job_is_lost(loss) ? " (loss " : " (gain ", job_loss(job, loss), ")");
	}
}

static void add_value(struct buf *buf, const json_t *job, const json_t *best,
		      enum job_best_size size)
{
	const json_t *value = json_object_get(best, "objective_value");

	if (size == JOB_BEST_VALUE && json_is_number(value)) {
		text_add(buf, "", text_rough(json_number_value(value)), "");
	} else if (size == JOB_BEST_SHORT) {
		text_add(buf, ", ", text_number(value), "");
	} else if (json_is_number(value)) {
		text_add(buf, ", ", job_objective(job), " ");
		text_add(buf, "", text_number(value), "");
	}
}

char *job_best(const json_t *job, enum job_best_size size)
{
	const json_t *best = json_object_get(job, "best");
	char *improvement;
	struct buf buf;

	if (!json_is_object(best)) {
		return mem_dup("-");
	}
	buf_init(&buf, TEXT_MAX);
	if (size != JOB_BEST_VALUE) {
		text_add(&buf, "trial ", text_number(json_object_get(best, "trial")), "");
	}
	if (size == JOB_BEST_WHOLE) {
		buf_text(&buf, ", ");
		add_accuracy(&buf, job, best);
	}
	add_value(&buf, job, best, size);
	improvement = job_improvement(best);
	if (strcmp(improvement, "-") != 0 && (size != JOB_BEST_VALUE || job_is_met(job))) {
		buf_printf(&buf, " (%s)", improvement);
	}
	free(improvement);
	if (!job_is_met(job)) {
		buf_text(&buf, size == JOB_BEST_WHOLE ? ", misses the criterion" : " misses");
	}
	return buf_take(&buf, NULL);
}

char *job_remedy(const json_t *job)
{
	char *id = text_member(job, "id");
	char *text = mem_printf("mend it, then: narrow resume %s", id);

	free(id);
	return text;
}

char *job_start(const json_t *job)
{
	char *start = text_member(json_object_get(job, "evaluator"), "start");
	bool is_known = strcmp(start, "-") != 0;
	char *text = mem_printf("%s%s", is_known ? "; to have that measured: " : "",
				is_known ? start : "");

	free(start);
	return text;
}

char *job_way_on(const json_t *job)
{
	char *id = text_member(job, "id"), *max = text_number(path2(job, "budget", "max_trials"));
	char *start = job_start(job);
	char *text = mem_printf(
		"to go on from what it measured: narrow clone %s --warm-start; for "
		"other than %s more trial%s: --set tuning_criterion.max_trials=N%s",
		id, max, plural_s(json_integer_value(path2(job, "budget", "max_trials"))), start);

	free(id);
	free(max);
	free(start);
	return text;
}

bool job_is_short(const json_t *job)
{
	const char *reason = json_string_value(path2(job, "exit", "reason"));

	return reason != NULL && job_exit(job, false) != CLI_OK &&
	       (strcmp(reason, "max_trials") == 0 || strcmp(reason, "timeout") == 0);
}

/* Ended before its choice was measured again, as a job ends that fails, is cancelled or runs out of time. */
static bool is_cut_short(const json_t *job)
{
	const char *state = json_string_value(json_object_get(job, "state"));
	const char *reason = json_string_value(path2(job, "exit", "reason"));

	return job_is_final(job) && (strcmp(state, "completed") != 0 ||
				     (reason != NULL && strcmp(reason, "timeout") == 0));
}

char *job_verdict_word(const json_t *job)
{
	const json_t *best = json_object_get(job, "best");

	const char *word = !job_is_met(job) ? "criterion missed"
			   : json_is_true(json_object_get(best, "keep_baseline")) ? "keep baseline"
			   : is_cut_short(job)                                    ? "not proved"
										  : "ship";

	if (!json_is_object(best)) {
		return mem_dup("-");
	}
	return mem_printf("%s%s", job_is_final(job) ? "" : "so far: ", word);
}

char *job_end(const json_t *job)
{
	const json_t *end = json_object_get(job, job_is_final(job) ? "exit" : "pause");
	const char *detail = json_string_value(json_object_get(end, "detail"));
	struct buf buf;

	buf_init(&buf, TEXT_MAX);
	text_add(&buf, "", text_member(job, "state"), "");
	if (job_is_final(job)) {
		text_add(&buf, " after ", text_number(path2(job, "budget", "trials_measured")), "");
		text_add(&buf, " of ", text_number(path2(job, "budget", "max_trials")), " trial");
		buf_text(&buf, plural_s(json_integer_value(path2(job, "budget", "max_trials"))));
		if (json_integer_value(path2(job, "progress", "failed")) > 0) {
			text_add(&buf, ", ", text_number(path2(job, "progress", "failed")),
				 " more failed");
		}
	}
	text_add(&buf, ": ", text_member(end, "reason"), "");
	if (detail != NULL && detail[0] != '\0') {
		text_add(&buf, " (", text_clean(detail), ")");
	}
	return buf_take(&buf, NULL);
}
