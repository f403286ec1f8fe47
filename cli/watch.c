#include "cli/watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/job.h"
#include "cli/text.h"

enum {
	PATIENCE_MS = 15 * 1000, /* how long the daemon may be away, for a restart */
	PAUSE_MS = 500,
	PAUSE_MAX_MS = 5 * 1000,
	BAR_COLUMNS = 24,
	BAR_MIN = 4,
	BAR_ENDS = 3, /* its brackets and the gap */
	COLUMNS_DEFAULT = 80,
	LINE_BYTES_MAX = 16 * 1024,
	OK = 200,
	NOT_MODIFIED = 304,
	UNAVAILABLE = 503,
};

struct watch {
	struct cli *cli;
	bool terminal;
	bool json;
	bool quiet;         /* prints the end alone */
	json_t *job;        /* NULL before the first answer */
	int64_t job_at;     /* when it came, monotonic */
	int64_t away_since; /* when the daemon was missed first, or -1 */
	char *etag;
	char *shown; /* the last line that was printed; never NULL */
};

static double number_of(const json_t *job, const char *member)
{
	return json_number_value(json_object_get(json_object_get(job, "budget"), member));
}

static bool is_running(const json_t *job)
{
	const char *state = json_string_value(json_object_get(job, "state"));

	return state != NULL && (strcmp(state, "running") == 0 || strcmp(state, "baseline") == 0);
}

/* Active seconds up to now: the document's, and what has passed since it came. */
static double elapsed_s(const struct watch *watch)
{
	double elapsed = number_of(watch->job, "elapsed_s");

	if (is_running(watch->job) && watch->away_since < 0) {
		elapsed += (double)(clock_mono_ms() - watch->job_at) / 1000;
	}
	return elapsed;
}

static double count_of(const json_t *job, const char *member)
{
	return json_number_value(json_object_get(json_object_get(job, "progress"), member));
}

/* From the mean time of a question so far, the baseline's too; negative when nothing is known. */
static double remaining_s(const struct watch *watch, double elapsed)
{
	const json_t *clock = json_object_get(watch->job, "clock");
	const json_t *active = json_object_get(clock, "active_s");
	double measured = number_of(watch->job, "trials_measured");
	double failed = count_of(watch->job, "failed");
	double asked = measured + failed + json_is_object(json_object_get(watch->job, "baseline"));
	double left = number_of(watch->job, "max_trials") - measured - failed;
	double timeout = number_of(watch->job, "timeout");
	double spent =
		active != NULL ? json_number_value(active) : number_of(watch->job, "elapsed_s");
	double remaining = -1;

	if (measured > 0 && left > 0) {
		remaining = spent / asked * left;
	}
	if (timeout > 0 && (remaining < 0 || timeout - elapsed < remaining)) {
		remaining = fmax(timeout - elapsed, 0);
	}
	return is_running(watch->job) ? remaining : -1;
}

static void add_times(const struct watch *watch, struct buf *line)
{
	double elapsed = elapsed_s(watch), remaining = remaining_s(watch, elapsed);
	char *text = text_duration(elapsed);

	buf_printf(line, "  %s", text);
	free(text);
	if (remaining >= 0) {
		text = text_duration(remaining);
		buf_printf(line, ", at most %s left", text);
		free(text);
	}
}

static void add_bar(const json_t *job, int columns, struct buf *line)
{
	double max = number_of(job, "max_trials");
	double part = max > 0 ? number_of(job, "trials_measured") / max : 0;
	int full = (int)(fmin(fmax(part, 0), 1) * columns);

	buf_text(line, "[");
	for (int i = 0; i < columns; i++) {
		buf_text(line, i < full ? "#" : "-");
	}
	buf_text(line, "] ");
}

/* What of the line is shown. */
struct look {
	bool state, stage; /* without the state all words are spared */
	int bar;           /* its columns; 0: none */
	bool times, whole_best;
};

static void add_progress(const json_t *job, const struct look *look, struct buf *line)
{
	const json_t *progress = json_object_get(job, "progress");
	char *state = text_member(job, "state"), *stage = text_member(progress, "stage");
	char *trials = job_trials(job);
	json_int_t failed = json_integer_value(json_object_get(progress, "failed"));

	if (look->state) {
		buf_printf(line, "%s  ", state);
	}
	if (look->stage && strcmp(stage, "-") != 0) {
		buf_printf(line, "%s  ", stage);
	}
	if (look->bar > 0) {
		add_bar(job, look->bar, line);
	}
	buf_printf(line, "%s%s", trials, look->state ? " trials" : "");
	if (failed > 0) {
		buf_printf(line, ", %lld failed", (long long)failed);
	}
	free(state);
	free(stage);
	free(trials);
}

static void add_best(const json_t *job, bool whole, struct buf *line)
{
	char *best = whole ? job_best(job) : job_best_short(job);

	if (strcmp(best, "-") != 0) {
		buf_printf(line, "  best: %s", best);
	}
	free(best);
}

/* The first words, or all of them, of why nothing moves. */
static void add_waiting(const json_t *job, bool whole, struct buf *line)
{
	char *waiting = job_waiting(job), *since = strstr(waiting, " since ");

	if (!whole && since != NULL) {
		*since = '\0';
	}
	if (strcmp(waiting, "-") != 0) {
		buf_printf(line, "  (%s)", waiting);
	}
	free(waiting);
}

static size_t terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
		return COLUMNS_DEFAULT;
	}
	return size.ws_col;
}

static char *line_of(const struct watch *watch, const struct look *look)
{
	struct buf line;

	buf_init(&line, LINE_BYTES_MAX);
	add_progress(watch->job, look, &line);
	if (look->times) {
		add_times(watch, &line);
	}
	if (watch->away_since >= 0) {
		buf_text(&line, "  (waiting for the daemon)");
	}
	add_waiting(watch->job, false, &line);
	add_best(watch->job, look->whole_best, &line);
	return buf_take(&line, NULL);
}

/* The most that fits: first the stage goes, then the bar gets shorter, then the times go; the counts
 * and the best stay. */
static char *fitting_line(const struct watch *watch, size_t columns)
{
	static const struct look looks[] = {
		{true, true, BAR_COLUMNS, true, true}, {true, false, BAR_COLUMNS, true, true},
		{true, false, 0, true, true},          {true, false, 0, true, false},
		{true, false, 0, false, false},        {false, false, 0, false, false},
	};
	enum { LOOKS = sizeof(looks) / sizeof(looks[0]) };
	struct look look = looks[0];
	char *text = line_of(watch, &look);

	for (size_t i = 1; i < LOOKS && text_width(text) > columns; i++) {
		free(text);
		look = looks[i];
		text = line_of(watch, &look);
	}
	if (look.bar == 0 && text_width(text) + BAR_MIN + BAR_ENDS <= columns) {
		look.bar = (int)(columns - text_width(text)) - BAR_ENDS;
		look.bar = look.bar < BAR_COLUMNS ? look.bar : BAR_COLUMNS;
		free(text);
		text = line_of(watch, &look);
	}
	text_clip(text, columns);
	return text;
}

static void draw_terminal(struct watch *watch)
{
	char *text = fitting_line(watch, terminal_columns() - 1);

	printf("\r%s\033[K", text);
	(void)fflush(stdout);
	free(text);
}

/* Prints a line when anything but the times has changed. */
static void draw_line(struct watch *watch)
{
	static const struct look plain = {.state = true, .stage = true, .whole_best = true};
	struct buf line, times;
	char *text;

	buf_init(&line, LINE_BYTES_MAX);
	add_progress(watch->job, &plain, &line);
	add_waiting(watch->job, true, &line);
	add_best(watch->job, true, &line);
	text = buf_take(&line, NULL);
	if (strcmp(text, watch->shown) != 0) {
		buf_init(&times, LINE_BYTES_MAX);
		add_times(watch, &times);
		printf("%s%s\n", text, times.bytes);
		(void)fflush(stdout);
		buf_finish(&times);
	}
	free(watch->shown);
	watch->shown = text;
}

/* So that what comes next begins a line of its own. */
static void leave_line(const struct watch *watch)
{
	if (watch->terminal && watch->job != NULL) {
		(void)putchar('\n');
		(void)fflush(stdout);
	}
}

static void on_tick(void *arg)
{
	struct watch *watch = arg;

	if (watch->job != NULL) {
		draw_terminal(watch);
	}
}

static void sleep_ms(int64_t ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000 * 1000};

	(void)nanosleep(&pause, NULL);
}

/* Whether to try again after the daemon was not there or too busy; has paused then. */
static bool is_patient(struct watch *watch, int64_t retry_after_ms)
{
	int64_t now = clock_mono_ms(), pause = PAUSE_MS;

	if (watch->job == NULL) {
		return false;
	}
	if (watch->away_since < 0) {
		watch->away_since = now;
	}
	if (now - watch->away_since >= PATIENCE_MS) {
		return false;
	}
	if (retry_after_ms > pause) {
		pause = retry_after_ms < PAUSE_MAX_MS ? retry_after_ms : PAUSE_MAX_MS;
	}
	if (watch->terminal) {
		draw_terminal(watch);
	}
	sleep_ms(pause);
	return true;
}

static enum cli_exit take(struct watch *watch, const struct client_reply *reply)
{
	json_t *job;
	enum cli_exit code = cli_parse(reply, &job);

	if (code != CLI_OK) {
		return code;
	}
	json_decref(watch->job);
	watch->job = job;
	watch->job_at = clock_mono_ms();
	watch->away_since = -1;
	free(watch->etag);
	watch->etag = mem_dup(reply->etag);
	if (watch->json) {
		cli_print(reply);
		(void)fflush(stdout);
	} else if (watch->terminal) {
		draw_terminal(watch);
	} else if (!watch->quiet) {
		draw_line(watch);
	}
	return CLI_OK;
}

/* One question and its answer. A server that does not wait is not asked in a tight loop. */
static enum cli_exit step(struct watch *watch, const char *path)
{
	struct client *client = &watch->cli->client;
	int64_t start = clock_mono_ms();
	struct client_reply reply;
	struct err err;
	enum cli_exit code = CLI_OK;

	err_init(&err);
	if (client_wait(client, path, watch->etag, &reply, &err) != 0) {
		if (is_patient(watch, -1)) {
			return CLI_OK;
		}
		leave_line(watch);
		return cli_unreachable(watch->cli, &err);
	}
	if (reply.status == NOT_MODIFIED) {
		watch->away_since = -1;
	} else if (reply.status == UNAVAILABLE && is_patient(watch, reply.retry_after_ms)) {
		start = 0;
	} else if (reply.status == OK) {
		code = take(watch, &reply);
	} else {
		leave_line(watch);
		code = cli_refused(&reply);
	}
	if ((reply.status == NOT_MODIFIED || reply.etag[0] == '\0') &&
	    clock_mono_ms() - start < PAUSE_MS) {
		sleep_ms(PAUSE_MS);
	}
	client_reply_finish(&reply);
	return code;
}

static void print_end(const struct watch *watch)
{
	char *end = job_end(watch->job), *best = job_best(watch->job);
	char *verdict = job_verdict(watch->job);

	leave_line(watch);
	printf("%s\nbest: %s\n", end, best);
	if (verdict != NULL) {
		printf("%s\n", verdict);
	}
	if (job_is_stuck(watch->job)) {
		char *why = text_member(json_object_get(watch->job, "pause"), "detail");

		printf("paused: %s\n", why);
		free(why);
	}
	free(end);
	free(best);
	free(verdict);
}

static enum cli_exit follow(struct cli *cli, bool quiet)
{
	struct watch watch = {
		.cli = cli,
		.json = cli->options[OPTION_JSON] != NULL,
		.quiet = quiet,
		.away_since = -1,
		.etag = mem_dup(""),
		.shown = mem_dup(""),
	};
	char *path = cli_job_path(cli, "");
	enum cli_exit code;

	watch.terminal = !watch.json && !quiet && isatty(STDOUT_FILENO) == 1;
	if (watch.terminal) {
		cli->client.tick = on_tick;
		cli->client.tick_arg = &watch;
	}
	do {
		code = step(&watch, path);
	} while (code == CLI_OK && !job_is_final(watch.job) && !job_is_stuck(watch.job));
	if (code == CLI_OK) {
		if (!watch.json) {
			print_end(&watch);
		}
		code = job_exit(watch.job, cli->options[OPTION_OK_KEEP] != NULL);
	}
	cli->client.tick = NULL;
	json_decref(watch.job);
	free(watch.etag);
	free(watch.shown);
	free(path);
	return code;
}

enum cli_exit watch_job(struct cli *cli)
{
	return follow(cli, false);
}

enum cli_exit watch_wait(struct cli *cli)
{
	return follow(cli, true);
}
