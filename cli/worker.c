/*
 * The command worker: questions of a pool, answered by a command of the user.
 *
 * A loop: take a question, run the command with the question on its standard input, or put it to the process that
 * answered the last one, send what it prints as the answer; with signs of life meanwhile. A daemon that is away is
 * waited for.
 *
 * Lines of the output that are {"progress": ...} go along with the signs of life. A command that
 * fails says {"failed": true, ...} when its config cannot be run; when it ends with another status
 * than 0 the question is asked again, because the machine may be to blame.
 *
 * SIGTERM and SIGINT stop the command, give its question back and end the worker. So does a command that cannot be run.
 */
#include "cli/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/answer.h"
#include "cli/child.h"
#include "cli/text.h"

enum {
	REQUEST_TIMEOUT_MS = 15 * 1000,
	STOP_MS = 5 * 1000, /* what is left to give a question back once the worker is to end */
	PAUSE_CAP_MS = 30 * 1000,
	GIVE_UP_MS = 60 * 60 * 1000, /* measuring it took as long, perhaps */
	TICK_MAX_MS = 1000,
};

static const int64_t wait_s = 20, default_ttl_ms = 60000;

static volatile sig_atomic_t stop_asked;

static const struct json_limits limits = {
	.max_bytes = LIMIT_REPLY_BYTES,
	.max_depth = LIMIT_JSON_DEPTH,
	.max_values = LIMIT_JSON_VALUES,
	.words = true,
};

struct worker {
	struct cli *cli;
	char *request; /* the body of POST /v1/leases; owned */
	int64_t ttl_ms, idle_ms,
		asked_at;  /* idle_ms: how long to stay without questions; -1: ever */
	uint64_t pauses;   /* in a row */
	char key[ID_SIZE]; /* of the question that is being asked for; "" between two */
	struct rng rng;
	struct child *
		child; /* waits for its next question; NULL before the first one, and without --persistent */
	bool hopeless; /* its command cannot be run at all */
	char *refusal; /* why the daemon refused the last answer that it refused; owned */
};

/* One question being answered. */
struct task {
	struct worker *worker;
	const char *lease;
	int64_t beat_at; /* monotonic ms */
	char *told;      /* the progress that the daemon knows; owned */
	bool over;       /* the daemon wants no answer any more */
};

static void on_signal(int number)
{
	(void)number;
	stop_asked = 1;
}

/* While nothing is being measured there is nothing to give back. */
static void leave_when_asked(void *arg)
{
	struct worker *worker = arg;

	if (stop_asked) {
		child_end(&worker->child);
		_exit(CLI_OK);
	}
}

/* Longer each time, up to half a minute, and never in step with other workers. */
static void pause_a_little(struct worker *worker)
{
	uint64_t cap = worker->pauses < 5 ? UINT64_C(1000) << worker->pauses : PAUSE_CAP_MS;
	int64_t until = clock_mono_ms() + (int64_t)(cap / 2 + rng_below(&worker->rng, cap / 2));

	worker->pauses++;
	do {
		(void)poll(NULL, 0, 100);
	} while (!stop_asked && clock_mono_ms() < until);
}

/* Whether the same request may fare better later. */
static bool is_passing(const struct client_reply *reply)
{
	return reply->status == 408 || reply->status == 429 || reply->status >= 500 ||
	       (reply->status == 409 && strstr(reply->body, "idempotency_in_progress") != NULL);
}

/* `key` as in struct client. */
static int post(struct worker *worker, const char *path, const char *body, const char *key,
		int64_t timeout_ms, struct client_reply *ret_reply, struct err *reterr)
{
	struct client *client = &worker->cli->client;
	int rc;

	err_init(reterr);
	client->timeout_ms = (uint64_t)timeout_ms;
	client->key = key;
	rc = client_call(client, "POST", path, body, ret_reply, reterr);
	client->key = NULL;
	return rc;
}

/* Sends one time. Returns the answer's status, 0 when it is to be sent again. */
static int deliver_once(struct worker *worker, const char *key, const char *path, const char *body)
{
	int64_t timeout_ms = stop_asked ? STOP_MS : REQUEST_TIMEOUT_MS;
	struct client_reply reply;
	struct err err;
	int status = 0;

	if (post(worker, path, body, key, timeout_ms, &reply, &err) == 0) {
		if (!is_passing(&reply)) {
			status = reply.status;
		}
		if (status >= 400) {
			(void)cli_refused(&reply);
			free(worker->refusal);
			worker->refusal = answer_fault(&reply);
		}
		client_reply_finish(&reply);
	}
	return status;
}

/* Sends until it is answered what becomes of the lease, "complete" or "return"; returns the status, 0 when that did not
 * happen for long. */
static int deliver(struct worker *worker, const char *lease, const char *what, const char *body)
{
	char *path = mem_printf("/v1/leases/%s/%s", lease, what);
	char *key = mem_printf("%s.%s", lease, what);
	bool stopping = stop_asked;
	int64_t until = clock_mono_ms() + (stopping ? STOP_MS : GIVE_UP_MS);
	int status = deliver_once(worker, key, path, body);

	while (status == 0 && clock_mono_ms() < until) {
		pause_a_little(worker);
		if (stop_asked && !stopping) {
			stopping = true;
			until = clock_mono_ms() + STOP_MS;
		}
		status = deliver_once(worker, key, path, body);
	}
	worker->pauses = 0;
	free(path);
	free(key);
	return status;
}

/* Whether the daemon heard it. */
static bool beat(struct task *task, const char *body)
{
	int64_t third = task->worker->ttl_ms / 3;
	int64_t timeout_ms = third < REQUEST_TIMEOUT_MS ? third : REQUEST_TIMEOUT_MS;
	char *path = mem_printf("/v1/leases/%s/heartbeat", task->lease);
	struct client_reply reply;
	bool heard = false;
	struct err err;

	if (post(task->worker, path, body, NULL, timeout_ms, &reply, &err) == 0) {
		json_t *answer = json_parse(reply.body, reply.length, &limits, NULL);

		heard = !is_passing(&reply);
		task->over = reply.status == 404 || reply.status == 410 ||
			     json_is_false(json_object_get(answer, "continue"));
		json_decref(answer);
		client_reply_finish(&reply);
	}
	free(path);
	return heard;
}

/* What is new goes at once, as often as there are ticks, and so does what was lost on the way. */
static bool on_tick(void *arg, const char *output)
{
	struct task *task = arg;
	int64_t now = clock_mono_ms();
	char *progress = answer_progress(output);

	if ((now >= task->beat_at || strcmp(progress, task->told) != 0) && beat(task, progress)) {
		task->beat_at = now + task->worker->ttl_ms / 3;
		free(task->told);
		task->told = progress;
	} else {
		free(progress);
	}
	return !task->over && !stop_asked;
}

static bool on_line(void *arg, const char *line, size_t length)
{
	const struct task *task = arg;

	return answer_is_line(line, length, task->lease);
}

/* An answer that cannot be used speaks of this command, and of a config only when there is one. */
static void send_answer(struct worker *worker, const json_t *question, const char *answer)
{
	const char *lease = json_string_value(json_object_get(question, "lease"));
	const char *asked = json_string_value(json_object_get(question, "question"));
	int status = deliver(worker, lease, "complete", answer);
	char *why, *text;

	if (status != 422 && status != 409) {
		return;
	}
	why = mem_printf("the daemon refused the command's answer: %s", worker->refusal);
	if (asked != NULL && strcmp(asked, "baseline") == 0) {
		text = answer_cannot(why);
		(void)deliver(worker, lease, "return", text);
	} else {
		text = answer_failure(why, false);
		(void)deliver(worker, lease, "complete", text);
	}
	free(text);
}

static void answer_question(struct worker *worker, const json_t *question)
{
	char *text = json_text(question), *input = mem_printf("%s\n", text), *answer, *back;
	struct task task = {
		.worker = worker,
		.lease = json_string_value(json_object_get(question, "lease")),
		.beat_at = clock_mono_ms() + worker->ttl_ms / 3,
		.told = mem_dup("{}"),
	};
	struct child_plan plan = {
		.argv = worker->cli->rest,
		.input = input,
		.input_length = strlen(input),
		.max_output = LIMIT_REPLY_BYTES,
		.tick_ms = TICK_MAX_MS,
		.tick = on_tick,
		.is_answer = worker->cli->options[OPTION_PERSISTENT] != NULL ? on_line : NULL,
		.arg = &task,
	};
	struct child_output output;
	struct err err;
	int rc;

	err_init(&err);
	worker->cli->client.tick = NULL;
	rc = child_run(&worker->child, &plan, &output, &err);
	back = rc == 0 ? answer_return(&output) : NULL;
	answer = rc == 0 ? answer_of(&output) : answer_failure(mem_dup(err.message), false);
	worker->hopeless = rc == 0 && !output.stopped && answer_is_hopeless(&output);
	(void)fprintf(stderr, "narrow: %s trial %lld: %.200s\n",
		      json_string_value(json_object_get(question, "job")),
		      (long long)json_integer_value(json_object_get(question, "trial")),
		      task.over      ? "not wanted any more"
		      : back != NULL ? back
				     : answer);
	if (!task.over && back != NULL) {
		(void)deliver(worker, task.lease, "return", back);
	} else if (!task.over) {
		send_answer(worker, question, answer);
	}
	free(back);
	child_output_finish(&output);
	free(task.told);
	free(answer);
	free(input);
	free(text);
}

static enum cli_exit read_question(struct worker *worker, const struct client_reply *reply,
				   json_t **ret_question)
{
	json_t *answer;
	enum cli_exit code;

	if (reply->status != 200) {
		return cli_refused(reply);
	}
	code = cli_parse(reply, &answer);
	if (code == CLI_OK) {
		*ret_question = json_incref(json_array_get(json_object_get(answer, "items"), 0));
		json_decref(answer);
	}
	worker->pauses = 0;
	worker->key[0] = '\0';
	return code;
}

/* CLI_OK with a question (a new reference) or without one. A question whose answer was lost on its
 * way is asked for under the same key, and comes under the same lease. */
static enum cli_exit take(struct worker *worker, json_t **ret_question)
{
	struct client *client = &worker->cli->client;
	struct client_reply reply;
	enum cli_exit code = CLI_OK;
	struct err err;

	*ret_question = NULL;
	if (worker->key[0] == '\0') {
		id_make(worker->key, "key_");
	}
	client->tick = leave_when_asked;
	client->tick_arg = worker;
	if (post(worker, "/v1/leases", worker->request, worker->key,
		 wait_s * 1000 + REQUEST_TIMEOUT_MS, &reply, &err) != 0) {
		if (worker->pauses == 0) {
			(void)cli_unreachable(worker->cli, &err);
		}
		pause_a_little(worker);
		return CLI_OK;
	}
	if (is_passing(&reply)) {
		pause_a_little(worker);
	} else {
		code = read_question(worker, &reply, ret_question);
	}
	client_reply_finish(&reply);
	return code;
}

static bool is_idle_for_long(const struct worker *worker)
{
	return worker->idle_ms >= 0 && clock_mono_ms() - worker->asked_at >= worker->idle_ms;
}

static enum cli_exit work(struct worker *worker)
{
	while (!stop_asked && !worker->hopeless && !is_idle_for_long(worker)) {
		json_t *question;
		enum cli_exit code = take(worker, &question);

		if (code != CLI_OK) {
			return code;
		}
		if (question != NULL) {
			answer_question(worker, question);
			worker->asked_at = clock_mono_ms();
		}
		json_decref(question);
	}
	return worker->hopeless ? CLI_USAGE : CLI_OK;
}

/* The value of an option in seconds, as ms; the fallback when it was not given, -2 when it is wrong. */
static int64_t seconds(const char *text, int64_t min_s, int64_t fallback_ms)
{
	char *end;
	long value;

	if (text == NULL) {
		return fallback_ms;
	}
	errno = 0;
	value = strtol(text, &end, 10);
	return *text != '\0' && *end == '\0' && errno == 0 && value >= min_s && value <= LIMIT_TTL_S
		       ? (int64_t)value * 1000
		       : -2;
}

static void default_name(char *name, size_t size)
{
	char host[64] = "worker";

	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(name, size, "%s.%ld", host, (long)getpid());
}

static enum cli_exit usage(const char *why)
{
	(void)fprintf(stderr, "narrow: %s\nnarrow worker --help tells more\n", why);
	return CLI_USAGE;
}

enum cli_exit worker_run(struct cli *cli)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct worker worker = {.cli = cli, .asked_at = clock_mono_ms()};
	const char *pool = cli->options[OPTION_POOL], *name = cli->options[OPTION_NAME];
	char own_name[LIMIT_WORKER_BYTES];
	enum cli_exit code;
	int64_t wait;
	json_t *request;

	worker.ttl_ms = seconds(cli->options[OPTION_TTL], LIMIT_TTL_MIN_S, default_ttl_ms);
	worker.idle_ms = seconds(cli->options[OPTION_IDLE_EXIT], 0, -1);
	if (pool == NULL || cli->rest == NULL) {
		return usage("a worker needs --pool POOL and, after --, a COMMAND");
	}
	if (!child_is_there(cli->rest[0])) {
		(void)fprintf(stderr, "narrow: %s cannot be run: %s\n", cli->rest[0],
			      strerror(errno));
		return CLI_USAGE;
	}
	if (worker.ttl_ms < 0 || worker.idle_ms < -1) {
		return usage("--ttl takes 5 to 3600 seconds, --idle-exit 0 to 3600");
	}
	default_name(own_name, sizeof(own_name));
	worker.rng = rng_make((uint64_t)getpid(), RNG_TIMING, (uint64_t)clock_wall_ms());
	wait = worker.idle_ms >= 0 && worker.idle_ms < wait_s * 1000 ? worker.idle_ms / 1000
								     : wait_s;
	request = json_pack("{s:s, s:s, s:I, s:I}", "pool", pool, "worker",
			    name != NULL ? name : own_name, "wait_s", (json_int_t)wait, "ttl_s",
			    (json_int_t)(worker.ttl_ms / 1000));
	worker.request = json_text(request);
	json_decref(request);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	code = work(&worker);
	child_end(&worker.child);
	free(worker.request);
	free(worker.refusal);
	return code;
}
