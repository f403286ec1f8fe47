/* Writes the one line of `watch`, shorter and shorter until it fits. */
#include "cli/line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/job.h"
#include "cli/out.h"
#include "cli/text.h"

enum {
	BAR_COLUMNS = 24,
	BAR_MIN = 4,
	BAR_ENDS = 3, /* its brackets and the gap */
	LINE_BYTES_MAX = 16 * 1024,
};

enum times { TIMES_NONE, TIMES_LEFT, TIMES_BOTH };

/* What of the line is shown. */
struct look {
	int bar; /* its columns; 0: none */
	enum job_best_size best;
	enum times times;
	bool stage;
	bool words;      /* the state, and what the counts count */
	bool whole_note; /* with its reason */
};

static double number_of(const json_t *job, const char *member, const char *name)
{
	return json_number_value(json_object_get(json_object_get(job, member), name));
}

static bool is_running(const json_t *job)
{
	const char *state = json_string_value(json_object_get(job, "state"));

	return state != NULL && (strcmp(state, "running") == 0 || strcmp(state, "baseline") == 0);
}

double line_elapsed_s(const struct line *line)
{
	return number_of(line->job, "budget", "elapsed_s") +
	       (is_running(line->job) ? line->age_s : 0);
}

static bool is_confirming(const json_t *job)
{
	const char *stage =
		json_string_value(json_object_get(json_object_get(job, "progress"), "stage"));

	return stage != NULL && strcmp(stage, "confirm") == 0;
}

/* From the mean time of a question so far, the baseline's too; negative when nothing is known. */
static double remaining_s(const struct line *line)
{
	const json_t *job = line->job;
	const json_t *active = json_object_get(json_object_get(job, "clock"), "active_s");
	double measured = number_of(job, "budget", "trials_measured");
	double failed = number_of(job, "progress", "failed");
	double asked = measured + failed + json_is_object(json_object_get(job, "baseline"));
	double left = number_of(job, "budget", "max_trials") - measured - failed;
	double timeout = number_of(job, "budget", "timeout"), elapsed = line_elapsed_s(line);
	double spent =
		active != NULL ? json_number_value(active) : number_of(job, "budget", "elapsed_s");
	double remaining = -1;

	/* In the end game the trials that are left are not going to be asked. */
	if (measured > 0 && left > 0 && !is_confirming(job)) {
		remaining = spent / asked * left;
	}
	if (timeout > 0 && (remaining < 0 || timeout - elapsed < remaining)) {
		remaining = fmax(timeout - elapsed, 0);
	}
	return is_running(job) ? remaining : -1;
}

static void add_times(const struct line *line, enum times times, const char *before,
		      struct buf *buf)
{
	double remaining = remaining_s(line);
	char *elapsed = text_duration(line_elapsed_s(line)), *left = text_duration(remaining);

	if (times == TIMES_BOTH) {
		buf_printf(buf, "%s%s", before, elapsed);
	}
	if (times != TIMES_NONE && remaining >= 0) {
		buf_printf(buf, "%s%s left", times == TIMES_BOTH ? ", about " : before, left);
	}
	free(elapsed);
	free(left);
}

char *line_times(const struct line *line)
{
	struct buf buf;

	buf_init(&buf, LINE_BYTES_MAX);
	add_times(line, TIMES_BOTH, "", &buf);
	return buf_take(&buf, NULL);
}

static void add_bar(const json_t *job, int columns, struct buf *buf)
{
	double max = number_of(job, "budget", "max_trials");
	double part = max > 0 ? number_of(job, "budget", "trials_measured") / max : 0;
	int full = (int)(fmin(fmax(part, 0), 1) * columns);

	buf_text(buf, "[");
	for (int i = 0; i < columns; i++) {
		buf_text(buf, i < full ? "#" : "-");
	}
	buf_text(buf, "] ");
}

static void add_counts(const json_t *job, const struct look *look, struct buf *buf)
{
	const json_t *progress = json_object_get(job, "progress");
	char *state = text_member(job, "state"), *stage = text_member(progress, "stage");
	char *trials = job_trials(job);
	json_int_t failed = json_integer_value(json_object_get(progress, "failed"));

	if (look->words) {
		buf_printf(buf, "%s  ", state);
	}
	/* Of a job that has ended it says nothing any more, and reads like a reason. */
	if (look->stage && strcmp(stage, "-") != 0 && !job_is_final(job)) {
		buf_printf(buf, "%s  ", stage);
	}
	if (look->bar > 0) {
		add_bar(job, look->bar, buf);
	}
	buf_printf(buf, "%s%s", trials, look->words ? " trials" : "");
	if (failed > 0) {
		buf_printf(buf, ", %lld failed", (long long)failed);
	}
	free(state);
	free(stage);
	free(trials);
}

static void add_best(const json_t *job, enum job_best_size size, struct buf *buf)
{
	char *best = job_best(job, size);

	if (strcmp(best, "-") != 0) {
		buf_printf(buf, "  best%s %s", size <= JOB_BEST_SHORT ? ":" : "", best);
	}
	free(best);
}

/* Why nothing moves, what is unusual, or that nothing comes of it; NULL when all is well. */
static char *note_of(const struct line *line, bool whole)
{
	char *note;

	if (line->away) {
		return mem_dup("waiting for the daemon");
	}
	note = out_note(line->job, line->age_s, whole);
	return note != NULL || !job_gains_nothing(line->job) ? note : mem_dup("no gain so far");
}

static char *line_of(const struct line *line, const struct look *look)
{
	char *note = note_of(line, look->whole_note);
	struct buf buf;

	buf_init(&buf, LINE_BYTES_MAX);
	add_counts(line->job, look, &buf);
	add_best(line->job, look->best, &buf);
	if (note != NULL) {
		buf_printf(&buf, "  (%s)", note);
	}
	add_times(line, look->times, "  ", &buf);
	free(note);
	return buf_take(&buf, NULL);
}

char *line_whole(const struct line *line)
{
	static const struct look look = {
		.stage = true, .words = true, .best = JOB_BEST_WHOLE, .whole_note = true};

	return line_of(line, &look);
}

/* First the stage goes, then the bar gets shorter, then words are spared, then the times. */
static const struct look looks[] = {
	{.stage = true, .bar = BAR_COLUMNS, .words = true, .times = TIMES_BOTH},
	{.bar = BAR_COLUMNS, .words = true, .times = TIMES_BOTH},
	{.words = true, .times = TIMES_BOTH},
	{.words = true, .best = JOB_BEST_SHORT, .times = TIMES_BOTH},
	{.words = true, .best = JOB_BEST_SHORT, .times = TIMES_LEFT},
	{.best = JOB_BEST_SHORT, .times = TIMES_LEFT},
	{.best = JOB_BEST_VALUE, .times = TIMES_LEFT},
	{.best = JOB_BEST_SHORT},
	{.best = JOB_BEST_VALUE},
};

char *line_fitting(const struct line *line, size_t columns)
{
	struct look look = looks[0];
	char *text = line_of(line, &look);

	for (size_t i = 1; i < sizeof(looks) / sizeof(looks[0]) && text_width(text) > columns;
	     i++) {
		free(text);
		look = looks[i];
		text = line_of(line, &look);
	}
	if (look.bar == 0 && text_width(text) + BAR_MIN + BAR_ENDS <= columns) {
		look.bar = (int)(columns - text_width(text)) - BAR_ENDS;
		look.bar = look.bar < BAR_COLUMNS ? look.bar : BAR_COLUMNS;
		free(text);
		text = line_of(line, &look);
	}
	text_clip(text, columns);
	return text;
}
