/*
 * The command bench: measures what this machine can do with a daemon of its own.
 *
 * The daemon is another process, asked over HTTP by one client that waits for each answer, so that what is measured is what
 * a single worker would see:
 *
 *	requests (GET /healthz) -> a job -> trials (lease, answer) -> commits, of which the daemon says how long they took
 */
#include "daemon/bench.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/fetch.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

enum {
	PHASE_MS = 3000,
	TIMEOUT_MS = 30000,
	MAX_REPLY = 1024 * 1024,
	LINE_BYTES = 256,
	DEPTH = 8,
	OPERATORS = 12
};

struct bench {
	struct loop *loop;
	struct fetch *fetch;
	struct loop_task stop;
	char url[LINE_BYTES];
	void (*next)(struct bench *bench, const char *answer);
	int64_t since_ms;
	long count;
	struct err *err;
	int rc;
};

static void fail(struct bench *bench, const char *what)
{
	if (bench->rc == 0) {
		bench->rc = err_set(bench->err, ERR_INTERNAL, "bench: %.200s", what);
	}
}

static void on_stopped(void *arg)
{
	loop_close(((struct bench *)arg)->loop);
}

static void stop(void *arg)
{
	fetch_stop(((struct bench *)arg)->fetch, on_stopped, arg);
}

static void end(struct bench *bench)
{
	loop_defer(bench->loop, &bench->stop, stop, bench);
}

static void on_reply(void *arg, const struct fetch_reply *reply)
{
	struct bench *bench = arg;

	if (reply->rc != 0 || reply->status >= 300) {
		fail(bench, reply->rc != 0 ? reply->err.message : reply->body);
		end(bench);
	} else {
		bench->next(bench, reply->body);
	}
}

static void ask(struct bench *bench, const char *method, const char *path, const char *body,
		void (*next)(struct bench *bench, const char *answer))
{
	static const struct fetch_header json = {"Content-Type", "application/json"};
	const struct fetch_request request = {
		.method = method,
		.url = bench->url,
		.path = path,
		.headers = &json,
		.header_count = body != NULL,
		.body = body,
		.body_length = body != NULL ? strlen(body) : 0,
		.connect_timeout_ms = TIMEOUT_MS,
		.timeout_ms = TIMEOUT_MS,
		.max_reply = MAX_REPLY,
	};

	bench->next = next;
	(void)fetch_start(bench->fetch, &request, on_reply, bench);
}

/* Counts one more. When the phase is over: prints its line, begins the next one and returns true. */
static bool is_over(struct bench *bench, const char *what)
{
	int64_t spent = clock_mono_ms() - bench->since_ms;

	bench->count++;
	if (spent < PHASE_MS) {
		return false;
	}
	(void)printf("%-10s %8.0f a second   one at a time\n", what,
		     1000 * (double)bench->count / (double)spent);
	bench->count = 0;
	bench->since_ms = clock_mono_ms();
	return true;
}

/* The value of a series without labels; 0 when it is not there. */
static double series(const char *page, const char *name)
{
	const char *at = strstr(page, name);

	return at != NULL ? strtod(at + strlen(name), NULL) : 0;
}

static void on_metrics(struct bench *bench, const char *page)
{
	double count = series(page, "\nnarrowd_store_commit_seconds_count ");
	double seconds = series(page, "\nnarrowd_store_commit_seconds_sum ");

	if (count > 0 && seconds > 0) {
		(void)printf(
			"%-10s %8.0f a second   %.2f ms each, the flush of the disk included\n",
			"commits", count / seconds, 1000 * seconds / count);
	} else {
		fail(bench, "the daemon told of no commits");
	}
	end(bench);
}

static void on_leased(struct bench *bench, const char *answer);

static void lease(struct bench *bench)
{
	ask(bench, "POST", "/v1/leases",
	    "{\"pool\": \"bench\", \"worker\": \"bench\", \"max\": 1, \"wait_s\": 10}", on_leased);
}

static void on_told(struct bench *bench, const char *answer)
{
	(void)answer;
	if (is_over(bench, "trials")) {
		ask(bench, "GET", "/metrics", NULL, on_metrics);
	} else {
		lease(bench);
	}
}

static void on_leased(struct bench *bench, const char *answer)
{
	json_t *page = json_loads(answer, 0, NULL);
	json_t *item = json_array_get(json_object_get(page, "items"), 0);
	const char *id = json_string_value(json_object_get(item, "lease"));

	if (id == NULL) {
		fail(bench, "no question came");
		end(bench);
	} else {
		char *path = mem_printf("/v1/leases/%s/complete", id);

		ask(bench, "POST", path, "{\"accuracy\": 0.9, \"latency_ms\": 1}", on_told);
		free(path);
	}
	json_decref(page);
}

static void on_submitted(struct bench *bench, const char *answer)
{
	(void)answer;
	bench->since_ms = clock_mono_ms();
	lease(bench);
}

static void submit(struct bench *bench)
{
	json_t *ops = json_array();
	json_t *job;
	char *text;

	for (int i = 0; i < OPERATORS; i++) {
		char name[] = {(char)('a' + i), '\0'};

		(void)json_array_append_new(
			ops, json_pack("{s:s, s:s}", "name", name, "type", "Linear"));
	}
	job = json_pack("{s:s, s:{s:s}, s:i, s:{s:s, s:s, s:i}, s:{s:o, s:[s], s:{s:{s:{s:{s:[s], "
			"s:[s, s]}, "
			"s:{s:[s], s:[s, s]}}, s:{}}}}}",
			"name", "bench", "evaluator", "pool", "bench", "confirm", 0,
			"tuning_criterion", "strategy", "exhaustive", "stop_on", "budget",
			"max_trials", 100000, "capability", "ops", ops, "answers", "evaluate",
			"op_types", "Linear", "static", "weight", "dtype", "int8", "granularity",
			"per_channel", "per_tensor", "activation", "dtype", "uint8", "algorithm",
			"kl", "minmax", "fp32");
	text = job != NULL ? json_text(job) : NULL;
	ask(bench, "POST", "/v1/jobs", text, on_submitted);
	free(text);
	json_decref(job);
}

static void on_answer(struct bench *bench, const char *answer)
{
	(void)answer;
	if (is_over(bench, "requests")) {
		submit(bench);
	} else {
		ask(bench, "GET", "/healthz", NULL, on_answer);
	}
}

static int measure(struct bench *bench)
{
	static const struct fetch_options options = {
		.max_total = 1, .max_per_host = 1, .user_agent = "narrowd-bench"};

	bench->loop = loop_create();
	bench->fetch = fetch_create(bench->loop, NULL, &options, bench->err);
	if (bench->fetch == NULL) {
		loop_close(bench->loop);
		bench->rc = -(int)bench->err->code;
	} else {
		bench->since_ms = clock_mono_ms();
		ask(bench, "GET", "/healthz", NULL, on_answer);
	}
	loop_run(bench->loop);
	fetch_destroy(bench->fetch);
	loop_destroy(bench->loop);
	return bench->rc;
}

/* The child: this program as a daemon, with its defaults, whatever is set for the one that runs here. */
static void serve(const char *directory, int output)
{
	char *const arguments[] = {
		"narrowd",     "--listen", "127.0.0.1:0",        "--data-dir", (char *)directory,
		"--log-level", "error",    "--evaluator-policy", "off",        "--auth",
		"auto",        NULL};
	char *const environment[] = {NULL};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(output, STDOUT_FILENO) >= 0) {
		(void)execve("/proc/self/exe", arguments, environment);
	}
	_exit(1);
}

/* Fills the URL from the line that says that it is ready. */
static int start(struct bench *bench, const char *directory, pid_t *ret)
{
	static const char begin[] = "narrowd: listening on ";
	char line[LINE_BYTES] = "";
	int ends[2];
	FILE *output;

	if (pipe(ends) != 0) {
		return err_set(bench->err, ERR_INTERNAL, "bench: %s", strerror(errno));
	}
	*ret = fork();
	if (*ret == 0) {
		serve(directory, ends[1]);
	}
	(void)close(ends[1]);
	output = fdopen(ends[0], "r");
	if (*ret < 0 || output == NULL || fgets(line, sizeof(line), output) == NULL ||
	    strncmp(line, begin, sizeof(begin) - 1) != 0) {
		fail(bench, "its daemon did not start");
	}
	(void)snprintf(bench->url, sizeof(bench->url), "%.*s",
		       (int)strcspn(line + (bench->rc == 0 ? sizeof(begin) - 1 : 0), "\n"),
		       line + (bench->rc == 0 ? sizeof(begin) - 1 : 0));
	if (output != NULL) {
		(void)fclose(output);
	}
	return bench->rc;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

int bench_run(const char *directory, struct err *reterr)
{
	struct bench bench = {.err = reterr};
	char *folder = mem_printf("%s.bench-XXXXXX", directory);
	pid_t child = -1;

	if (mkdtemp(folder) == NULL) {
		bench.rc =
			err_set(reterr, ERR_STORAGE, "cannot make %s: %s", folder, strerror(errno));
		free(folder);
		return bench.rc;
	}
	if (start(&bench, folder, &child) == 0) {
		(void)measure(&bench);
	}
	if (child > 0) {
		(void)kill(child, SIGTERM);
		(void)kill(child, SIGTERM); /* the second one does not let it wait */
		(void)waitpid(child, NULL, 0);
	}
	(void)nftw(folder, remove_one, DEPTH, FTW_DEPTH | FTW_PHYS);
	free(folder);
	return bench.rc;
}
