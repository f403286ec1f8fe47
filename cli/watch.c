/* Follows a job: asks for what has changed, and shows it for a terminal or for a log. */
#include "cli/watch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/given_clock.h"
#include "base/mem.h"
#include "cli/job.h"
#include "cli/line.h"
#include "cli/rival.h"
#include "cli/stages.h"
#include "cli/text.h"

enum {
	PAUSE_MS = 500,
	PAUSE_MAX_MS = 5 * 1000,
	LOST_MIN_S = 1,
	FAREWELL_BYTES = 512,
	OK = 200,
	NOT_MODIFIED = 304,
	UNAVAILABLE = 503,
};

struct watch {
	struct cli *cli;
	bool terminal;
	bool json;
	bool quiet;         /* prints the end alone */
	const char *until;  /* what to wait for besides the end, or NULL */
	bool hinted;        /* has said that nothing gains */
	json_t *stages;     /* by name those that were explained */
	json_t *job;        /* NULL before the first answer */
	int64_t job_at;     /* when it came, monotonic */
	int64_t away_since; /* when the daemon was missed first, or -1 */
	char *etag;
	char *shown; /* the last line that was printed; never NULL */
};

/* What the daemon has not said when it went away is not known to have passed. */
static struct line line_of(const struct watch *watch)
{
	bool away = watch->away_since >= 0;
	int64_t until = away ? watch->away_since : clock_mono_ms();

	return (struct line){
		.job = watch->job,
		.age_s = (double)(until - watch->job_at) / 1000,
		.away = away,
	};
}

/* A sentence that stays, above the line that is drawn anew. */
static void say(const struct watch *watch, const char *before, const char *text)
{
	printf("%s%s%s%s\n", watch->terminal ? "\r" : "", before, text,
	       watch->terminal ? "\033[K" : "");
	(void)fflush(stdout);
}

/* The daemon's words on a job that gains nothing, once. */
static void draw_hint(struct watch *watch)
{
	if (!watch->hinted && job_gains_nothing(watch->job)) {
		char *hint = text_member(json_object_get(watch->job, "progress"), "hint");

		watch->hinted = true;
		say(watch, "no gain so far: ", hint);
		free(hint);
	}
}

/* What a stage is for, when the job comes to it first. */
static void draw_stage(struct watch *watch)
{
	const json_t *progress = json_object_get(watch->job, "progress");
	const char *name = json_string_value(json_object_get(progress, "stage"));

	if (name != NULL && !job_is_final(watch->job) &&
	    json_is_string(json_object_get(progress, "stage_words")) &&
	    json_object_get(watch->stages, name) == NULL) {
		char *text = stages_of_job(watch->job);

		say(watch, "stage ", text);
		(void)json_object_set_new(watch->stages, name, json_true());
		free(text);
	}
}

/* Why the best became another one that measured worse, when it did; at the end of a job its verdict is printed anyway. */
static void draw_step_back(const struct watch *watch, const json_t *before)
{
	char *why = job_is_final(watch->job)
			    ? NULL
			    : rival_passed_over(watch->job, json_object_get(before, "best"));

	if (why != NULL && !watch->json && !watch->quiet) {
		say(watch, "", why);
	}
	free(why);
}

/* Since when the clock of a job has run for what is not in `active_s` yet; CLOCK_NONE where it does not. */
static int64_t running_since(const json_t *clock)
{
	const char *since = json_string_value(json_object_get(clock, "running_since"));

	return since != NULL ? clock_parse(since) : CLOCK_NONE;
}

/* What of the seconds that a document came to is not in the clock of a newer one, if that clock was started anew meanwhile: it
 * has less than has passed then. Only who runs the job knows its clock. */
static double lost_s(const struct line *before, const json_t *job)
{
	const json_t *old = json_object_get(before->job, "clock");
	const json_t *new = json_object_get(job, "clock");
	int64_t then = running_since(old), since = running_since(new);
	double active = json_number_value(json_object_get(new, "active_s"));
	double counted = active - json_number_value(json_object_get(old, "active_s"));

	if (then == CLOCK_NONE || since == CLOCK_NONE ||
	    (double)(since - then) / 1000 - counted < LOST_MIN_S) {
		return 0;
	}
	return line_elapsed_s(before) - active;
}

/* A daemon that was killed has forgotten for how long the job had been active since its last result. */
static void draw_lost(const struct watch *watch, const struct line *before)
{
	double lost = lost_s(before, watch->job);
	char *text, *its;

	if (!before->away || lost < LOST_MIN_S || watch->json || watch->quiet) {
		return;
	}
	its = text_duration(lost);
	text = mem_printf(
		"the daemon was started anew, or another one took over: %s of the job's active "
		"time, since its last result, were not stored and do not count",
		its);
	say(watch, "", text);
	free(text);
	free(its);
}

static void draw_terminal(struct watch *watch)
{
	struct line line = line_of(watch);
	char *text = line_fitting(&line, text_columns() - 1);

	draw_hint(watch);
	printf("\r%s\033[K", text);
	(void)fflush(stdout);
	free(text);
}

/* Prints a line when anything but the times has changed. */
static void draw_line(struct watch *watch)
{
	struct line line = line_of(watch);
	char *text = line_whole(&line);

	draw_hint(watch);
	if (strcmp(text, watch->shown) != 0) {
		char *times = line_times(&line);

		printf("%s  %s\n", text, times);
		(void)fflush(stdout);
		free(times);
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

/* Whether to try again after the daemon was not there, or too busy and `err` is NULL; has paused then. */
static bool is_patient(struct watch *watch, struct err *err, int64_t retry_after_ms)
{
	int64_t now = clock_mono_ms(), pause = PAUSE_MS;

	if (watch->job == NULL) {
		return cli_is_patient(watch->cli, err);
	}
	if (err != NULL && client_is_futile(&watch->cli->client, err)) {
		return false;
	}
	if (watch->away_since < 0) {
		watch->away_since = now;
		watch->etag[0] = '\0'; /* a daemon that has come back says at once where it is */
	}
	if (now - watch->away_since >= CLI_PATIENCE_MS) {
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
	json_t *job, *before;
	struct line line;
	enum cli_exit code = cli_parse(reply, &job);

	if (code != CLI_OK) {
		return code;
	}
	before = watch->job;
	line = line_of(watch);
	watch->job = job;
	watch->job_at = clock_mono_ms();
	watch->away_since = -1;
	draw_step_back(watch, before);
	draw_lost(watch, &line);
	json_decref(before);
	free(watch->etag);
	watch->etag = mem_dup(reply->etag);
	if (watch->json) {
		cli_print(reply);
		(void)fflush(stdout);
	} else if (watch->terminal) {
		draw_stage(watch);
		draw_terminal(watch);
	} else if (!watch->quiet) {
		draw_stage(watch);
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
		if (is_patient(watch, &err, -1)) {
			return CLI_OK;
		}
		leave_line(watch);
		return cli_unreachable(watch->cli, &err);
	}
	if (reply.status == NOT_MODIFIED) {
		watch->away_since = -1;
	} else if (reply.status == UNAVAILABLE && is_patient(watch, NULL, reply.retry_after_ms)) {
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
	char *end = job_end(watch->job), *best = job_best(watch->job, JOB_BEST_WHOLE);
	char *verdict = job_verdict(json_object_get(watch->job, "best"));

	leave_line(watch);
	printf("%s\n", end);
	if (strcmp(best, "-") != 0 || job_is_final(watch->job)) {
		printf("best: %s\n", best);
	}
	if (verdict != NULL) {
		printf("%s\n", verdict);
	}
	if (job_is_stuck(watch->job) || job_is_short(watch->job)) {
		char *way =
			job_is_stuck(watch->job) ? job_remedy(watch->job) : job_way_on(watch->job);

		printf("%s\n", way);
		free(way);
	}
	free(end);
	free(best);
	free(verdict);
}

/* What a signal handler can say. */
static char farewell[FAREWELL_BYTES];

static void on_interrupt(int number)
{
	if (write(STDERR_FILENO, farewell, strlen(farewell)) < 0) {
		_exit(CLI_NOT_MET);
	}
	/* The handler is there for once: this ends the process as if there were none. */
	(void)raise(number);
}

/* Who stops watching by Ctrl-C may think that the job stops too. */
static void expect_interrupt(const struct cli *cli)
{
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND}, old;
	char *id = text_clean(cli->argument);

	(void)snprintf(farewell, sizeof(farewell),
		       "\nnarrow: the job goes on; to come back: narrow %s %s; to end it: narrow "
		       "cancel %s\n",
		       cli->command[0] == 'w' ? cli->command : "watch", id, id);
	free(id);
	if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
		(void)sigaction(SIGINT, &action, NULL);
	}
}

static bool has_baseline(const json_t *job)
{
	return json_is_object(json_object_get(job, "baseline"));
}

static bool gains(const json_t *job)
{
	return job_is_met(job) &&
	       !json_is_true(json_object_get(json_object_get(job, "best"), "keep_baseline"));
}

static bool never(const json_t *job)
{
	(void)job;
	return false;
}

/* What `wait --for` may wait for. */
static const struct {
	const char *name;
	bool (*holds)(const json_t *job);
} conditions[] = {
	{"end", never}, {"baseline", has_baseline}, {"feasible", job_is_met}, {"gain", gains}};

/* So many trials; -1 when the text says something else. */
static json_int_t trials_of(const char *text)
{
	char *end;
	long long trials;

	if (strncmp(text, "trials=", strlen("trials=")) != 0) {
		return -1;
	}
	text += strlen("trials=");
	trials = strtoll(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' ? trials : -1;
}

static bool is_condition(const char *until)
{
	bool known = trials_of(until) >= 0;

	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		known = known || strcmp(until, conditions[i].name) == 0;
	}
	return known;
}

/* Whether what is waited for has come, while the job goes on. */
static bool has_come(const struct watch *watch)
{
	json_int_t trials = watch->until != NULL ? trials_of(watch->until) : -1;
	const json_t *budget = json_object_get(watch->job, "budget");

	if (watch->until == NULL) {
		return false;
	}
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		if (strcmp(watch->until, conditions[i].name) == 0) {
			return conditions[i].holds(watch->job);
		}
	}
	return trials >= 0 &&
	       json_integer_value(json_object_get(budget, "trials_measured")) >= trials;
}

/* Whether lines can be drawn anew. */
static bool is_terminal(void)
{
	const char *kind = getenv("TERM");

	return isatty(STDOUT_FILENO) == 1 && kind != NULL && strcmp(kind, "dumb") != 0;
}

static enum cli_exit follow(struct cli *cli, bool quiet)
{
	struct watch watch = {
		.cli = cli,
		.json = cli->options[OPTION_JSON] != NULL,
		.quiet = quiet,
		.until = cli->options[OPTION_FOR],
		.away_since = -1,
		.etag = mem_dup(""),
		.shown = mem_dup(""),
		.stages = json_object(),
	};
	char *path = cli_job_path(cli, "");
	enum cli_exit code;

	watch.terminal = !watch.json && !quiet && is_terminal();
	expect_interrupt(cli);
	if (watch.terminal) {
		cli->client.tick = on_tick;
		cli->client.tick_arg = &watch;
	}
	do {
		code = step(&watch, path);
	} while (code == CLI_OK && !job_is_final(watch.job) && !job_is_stuck(watch.job) &&
		 !has_come(&watch));
	if (code == CLI_OK && has_come(&watch)) {
		if (!watch.json) {
			watch.quiet = false;
			draw_line(&watch);
		}
	} else if (code == CLI_OK) {
		if (!watch.json) {
			print_end(&watch);
		}
		code = job_exit(watch.job, cli->options[OPTION_OK_KEEP] != NULL);
	}
	cli->client.tick = NULL;
	json_decref(watch.job);
	json_decref(watch.stages);
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
	const char *until = cli->options[OPTION_FOR];

	if (until != NULL && !is_condition(until)) {
		(void)fprintf(stderr,
			      "narrow: --for takes baseline, feasible, gain, end or "
			      "trials=N, not \"%s\"\n",
			      until);
		return CLI_USAGE;
	}
	return follow(cli, true);
}
