/*
 * A program around backends/fetch and backends/endpoint: fetches the URLs of its command line in
 * one loop and prints one line of JSON for each outcome and one at the end, for test_fetch.py.
 *
 * --dns NAME=ANSWER,ANSWER|NEXT,... answers lookups in place of the system ("hang" never returns);
 * it works by taking the place of getaddrinfo(), so it also counts what libcurl itself would ask.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <getopt.h>
#include <jansson.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/endpoint.h"
#include "backends/fetch.h"
#include "backends/sign.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

enum { LIST_MAX = 32, OPTIONS_MAX = 64 };

struct list_option {
	const char *items[LIST_MAX + 1];
	size_t count;
};

static struct {
	struct list_option allow, dns, own, header, metric, accuracy, op;
	const char *policy, *method, *body, *ask, *secret, *key, *path, *unix_path;
	long timeout, connect_timeout, max_reply, per_host, together, cancel_after;
	bool capability;
} args = {
	.method = "GET",
	.timeout = 10000,
	.connect_timeout = 2000,
	.max_reply = 65536,
	.per_host = 8,
	.together = 1,
};

static const struct {
	const char *name;
	struct list_option *list;
	const char **text;
	long *number;
	bool *flag;
} table[] = {
	{"allow", &args.allow, NULL, NULL, NULL},
	{"dns", &args.dns, NULL, NULL, NULL},
	{"own", &args.own, NULL, NULL, NULL},
	{"header", &args.header, NULL, NULL, NULL},
	{"metric", &args.metric, NULL, NULL, NULL},
	{"accuracy", &args.accuracy, NULL, NULL, NULL},
	{"op", &args.op, NULL, NULL, NULL},
	{"policy", NULL, &args.policy, NULL, NULL},
	{"method", NULL, &args.method, NULL, NULL},
	{"body", NULL, &args.body, NULL, NULL},
	{"ask", NULL, &args.ask, NULL, NULL},
	{"secret", NULL, &args.secret, NULL, NULL},
	{"key", NULL, &args.key, NULL, NULL},
	{"path", NULL, &args.path, NULL, NULL},
	{"unix", NULL, &args.unix_path, NULL, NULL},
	{"timeout", NULL, NULL, &args.timeout, NULL},
	{"connect-timeout", NULL, NULL, &args.connect_timeout, NULL},
	{"max-reply", NULL, NULL, &args.max_reply, NULL},
	{"per-host", NULL, NULL, &args.per_host, NULL},
	{"together", NULL, NULL, &args.together, NULL},
	{"cancel-after", NULL, NULL, &args.cancel_after, NULL},
	{"capability", NULL, NULL, NULL, &args.capability},
};

enum { TABLE_ROWS = sizeof(table) / sizeof(table[0]) };

struct one {
	struct world *world;
	const char *url;
	struct fetch_call *fetch;
	struct endpoint_call *call;
	struct endpoint endpoint;
};

struct world {
	struct loop *loop;
	struct guard *guard;
	struct fetch *fetch;
	struct one *ones;
	int count, started, ended;
	bool starting; /* inside fetch_start() */
	struct loop_timer cancel;
};

static atomic_int lookups;

/* The system's own getaddrinfo(), for names without a --dns. */
static int system_lookup(const char *host, const char *port, const struct addrinfo *hints,
			 struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(host, port, hints, ret);
}

static struct addrinfo *numeric(const char *text)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *ret = NULL;

	if (system_lookup(text, NULL, &hints, &ret) != 0) {
		fprintf(stderr, "not an address: %s\n", text);
		exit(2);
	}
	return ret;
}

/* Builds the list in glibc's own form, so that the real freeaddrinfo() takes it. */
static int answer_lookup(char *answers, struct addrinfo **ret)
{
	struct addrinfo **end = ret;
	char *saved;

	*ret = NULL;
	for (char *one = strtok_r(answers, ",", &saved); one != NULL;
	     one = strtok_r(NULL, ",", &saved)) {
		while (strcmp(one, "hang") == 0) {
			(void)pause();
		}
		*end = numeric(one);
		end = &(*end)->ai_next;
	}
	return *ret != NULL ? 0 : EAI_NONAME;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	static atomic_int turns[LIST_MAX];
	size_t n = strlen(host);

	atomic_fetch_add(&lookups, 1);
	for (size_t i = 0; i < args.dns.count; i++) {
		const char *row = args.dns.items[i];
		char copy[2048];
		char *answers = copy, *next;

		if (strncmp(row, host, n) != 0 || row[n] != '=') {
			continue;
		}
		(void)snprintf(copy, sizeof(copy), "%s", row + n + 1);
		for (int turn = atomic_fetch_add(&turns[i], 1); turn > 0; turn--) {
			next = strchr(answers, '|');
			answers = next != NULL ? next + 1 : answers;
		}
		answers[strcspn(answers, "|")] = '\0';
		return answer_lookup(answers, ret);
	}
	return system_lookup(host, port, hints, ret);
}

static void print_json(json_t *line)
{
	char *text = json_text(line);

	(void)printf("%s\n", text);
	(void)fflush(stdout);
	free(text);
	json_decref(line);
}

static void start_more(struct world *world);

static void on_stopped(void *arg)
{
	struct world *world = arg;

	loop_close(world->loop);
}

static void finish_all(struct world *world)
{
	fetch_stop(world->fetch, on_stopped, world);
	loop_timer_close(&world->cancel, NULL);
}

static void end_one(struct one *one, json_t *line)
{
	struct world *world = one->world;

	one->fetch = NULL;
	one->call = NULL;
	(void)json_object_set_new(line, "url", json_string(one->url));
	(void)json_object_set_new(line, "inside", json_boolean(world->starting));
	print_json(line);
	world->ended++;
	if (world->ended == world->count) {
		finish_all(world);
	} else {
		start_more(world);
	}
}

static void on_reply(void *arg, const struct fetch_reply *reply)
{
	size_t shown = reply->length < 300 ? reply->length : 300;
	json_t *body = json_stringn(reply->body, shown);
	json_t *line = json_pack("{s:s, s:b, s:s, s:i, s:s, s:s, s:I, s:I, s:I, s:b}", "rc",
				 reply->rc == 0 ? "ok" : err_name((enum err_code) - reply->rc),
				 "retryable", reply->retryable, "message", reply->err.message,
				 "status", reply->status, "content_type", reply->content_type,
				 "etag", reply->etag, "length", (json_int_t)reply->length,
				 "retry_after_ms", (json_int_t)reply->retry_after_ms, "elapsed_ms",
				 (json_int_t)reply->elapsed_ms, "ended",
				 (int)(reply->body[reply->length] == '\0'));

	(void)json_object_set_new(line, "body", body != NULL ? body : json_null());
	end_one(arg, line);
}

static json_t *answer_json(const struct answer *answer)
{
	json_t *line = json_pack("{s:b, s:b, s:[], s:{}, s:[]}", "failed", answer->failed,
				 "retryable", answer->retryable, "accuracy", "metrics", "scores");

	for (size_t i = 0; i < answer->accuracy_count; i++) {
		(void)json_array_append_new(json_object_get(line, "accuracy"),
					    json_real(answer->accuracy[i]));
	}
	for (size_t i = 0; i < answer->metric_count; i++) {
		(void)json_object_set_new(json_object_get(line, "metrics"), answer->metrics[i].name,
					  json_real(answer->metrics[i].value));
	}
	for (size_t i = 0; i < answer->score_count; i++) {
		(void)json_array_append_new(json_object_get(line, "scores"),
					    json_real(answer->scores[i]));
	}
	if (answer->error != NULL) {
		(void)json_object_set_new(line, "error", json_string(answer->error));
	}
	return line;
}

static void on_result(void *arg, const struct endpoint_result *result)
{
	static const char *const names[] = {"answered", "accepted", "failed"};
	json_t *line =
		json_pack("{s:s, s:b, s:b, s:b, s:I, s:s}", "outcome", names[result->outcome],
			  "retryable", result->retryable, "broken", result->broken, "blameless",
			  result->blameless, "retry_after_ms", (json_int_t)result->retry_after_ms,
			  "message", result->err->message);

	if (result->outcome == ENDPOINT_ANSWERED) {
		(void)json_object_set_new(line, "answer", answer_json(result->answer));
	}
	end_one(arg, line);
}

static void on_capability(void *arg, json_t *capability, const struct err *err)
{
	end_one(arg, json_pack("{s:O?, s:s}", "capability", capability, "message", err->message));
}

static void start_fetch(struct one *one)
{
	struct fetch_header headers[LIST_MAX];
	char *names[LIST_MAX];
	struct fetch_request request = {
		.method = args.method,
		.url = one->url,
		.path = args.path,
		.unix_path = args.unix_path,
		.headers = headers,
		.header_count = args.header.count,
		.body = args.body,
		.body_length = args.body != NULL ? strlen(args.body) : 0,
		.connect_timeout_ms = (uint64_t)args.connect_timeout,
		.timeout_ms = (uint64_t)args.timeout,
		.max_reply = (size_t)args.max_reply,
	};

	for (size_t i = 0; i < args.header.count; i++) {
		names[i] = mem_dup(args.header.items[i]);
		headers[i].value = strchr(names[i], '=') + 1;
		*strchr(names[i], '=') = '\0';
		headers[i].name = names[i];
	}
	one->fetch = fetch_start(one->world->fetch, &request, on_reply, one);
	for (size_t i = 0; i < args.header.count; i++) {
		free(names[i]);
	}
}

static void start_ask(struct one *one)
{
	struct endpoint_question question = {
		.path = args.ask,
		.body = args.body != NULL ? args.body : "{}",
		.length = strlen(args.body != NULL ? args.body : "{}"),
		.idempotency_key = args.key,
		.expect = {.scores = args.op.count > 0,
			   .accuracies = args.accuracy.count > 0 ? args.accuracy.items : NULL,
			   .metrics = args.metric.items,
			   .ops = args.op.items,
			   .op_count = args.op.count},
	};

	one->endpoint.url = one->url;
	one->endpoint.connect_timeout_ms = (uint64_t)args.connect_timeout;
	one->endpoint.timeout_ms = (uint64_t)args.timeout;
	if (args.secret != NULL &&
	    sign_secret_parse(args.secret, &one->endpoint.secret, NULL) != 0) {
		exit(2);
	}
	one->call = args.capability ? endpoint_capability(one->world->fetch, &one->endpoint,
							  on_capability, one)
				    : endpoint_ask(one->world->fetch, &one->endpoint, &question,
						   on_result, one);
}

/* The first `together` at once, the rest one after the other. */
static void start_more(struct world *world)
{
	while (world->started < world->count &&
	       (world->started < args.together || world->started == world->ended)) {
		struct one *one = &world->ones[world->started++];

		world->starting = true;
		if (args.ask != NULL || args.capability) {
			start_ask(one);
		} else {
			start_fetch(one);
		}
		world->starting = false;
	}
}

static void on_cancel(void *arg)
{
	struct world *world = arg;

	for (int i = 0; i < world->started; i++) {
		if (world->ones[i].fetch != NULL) {
			fetch_cancel(world->ones[i].fetch);
		}
		endpoint_cancel(world->ones[i].call);
	}
	finish_all(world);
}

static void take_option(int row)
{
	if (table[row].list != NULL && table[row].list->count < LIST_MAX) {
		table[row].list->items[table[row].list->count++] = optarg;
	} else if (table[row].text != NULL) {
		*table[row].text = optarg;
	} else if (table[row].number != NULL) {
		*table[row].number = strtol(optarg, NULL, 10);
	} else {
		*table[row].flag = true;
	}
}

static void read_options(int argc, char **argv)
{
	struct option options[OPTIONS_MAX] = {0};
	int option, row;

	for (row = 0; row < TABLE_ROWS; row++) {
		options[row].name = table[row].name;
		options[row].has_arg = table[row].flag == NULL;
	}
	while ((option = getopt_long(argc, argv, "", options, &row)) != -1) {
		if (option != 0) {
			exit(2);
		}
		take_option(row);
	}
}

static struct guard *make_guard(void)
{
	struct guard *guard;
	struct err err;
	int policy = 0;

	if (args.policy == NULL) {
		return NULL;
	}
	while (strcmp(guard_policy_names[policy], args.policy) != 0) {
		policy++;
	}
	guard = guard_create((enum guard_policy)policy, args.allow.items, &err);
	for (size_t i = 0; guard != NULL && i < args.own.count; i++) {
		struct addrinfo *own = numeric("127.0.0.1");

		((struct sockaddr_in *)own->ai_addr)->sin_port =
			htons((uint16_t)atoi(args.own.items[i]));
		guard_add_own(guard, own->ai_addr);
		freeaddrinfo(own);
	}
	return guard;
}

int main(int argc, char **argv)
{
	struct world world = {0};
	struct fetch_options options = {.max_total = 16, .user_agent = "fetch-probe"};

	json_setup();
	log_setup(LOG_ERROR, false); /* how long its own work takes is not what it shows */
	read_options(argc, argv);
	options.max_per_host = (size_t)args.per_host;
	world.loop = loop_create();
	world.guard = make_guard();
	world.fetch = fetch_create(world.loop, world.guard, &options, NULL);
	world.count = argc - optind;
	world.ones = mem_new((size_t)world.count, sizeof(*world.ones));
	loop_timer_init(world.loop, &world.cancel, on_cancel, &world);
	for (int i = 0; i < world.count; i++) {
		world.ones[i].world = &world;
		world.ones[i].url = argv[optind + i];
	}
	if (args.cancel_after > 0) {
		loop_timer_start(&world.cancel, (uint64_t)args.cancel_after);
	}
	start_more(&world);
	loop_run(world.loop);
	print_json(json_pack("{s:b, s:i}", "done", 1, "lookups", atomic_load(&lookups)));
	for (int i = 0; i < world.count; i++) {
		secret_finish(&world.ones[i].endpoint.secret);
	}
	fetch_destroy(world.fetch);
	guard_destroy(world.guard);
	loop_destroy(world.loop);
	free(world.ones);
	return 0;
}
