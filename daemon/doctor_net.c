/* What can be wrong between this machine and others: ports, certificates, evaluators. */
#include <stdlib.h>
#include <string.h>

#include "api/http/http_socket.h"
#include "api/http/http_tls.h"
#include "backends/fetch.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "daemon/control.h"
#include "daemon/doctor_checks.h"
#include "store/look.h"

enum { CERTIFICATE_DAYS = 14, DAY_S = 86400, CONNECT_MS = 5000, REPLY_MAX = 64 * 1024 };

/* A daemon that runs has them; otherwise each is taken for a moment. */
void doctor_listeners(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	const struct option_list *listen = &doctor->options.listen;

	for (size_t i = 0; i < listen->count && !doctor->is_up; i++) {
		struct http_socket socket;
		struct err err;

		if (http_socket_parse(&socket, listen->items[i], false, &err) != 0) {
			continue; /* a fault of the settings */
		}
		if (socket.is_unix) {
			if (control_is_up(socket.address.un.sun_path)) {
				checkup_say(found, "somebody listens on %s already",
					    listen->items[i]);
			}
			continue;
		}
		if (http_socket_init(&socket, listen->items[i], false, &err) != 0) {
			checkup_say(found, "%s", err.message);
		}
		http_socket_finish(&socket);
	}
}

void doctor_tokens(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	int64_t count = 0;
	struct err err;

	if (!doctor->setup.is_reachable) {
		return;
	}
	if (doctor->has_data && look_at_tokens(doctor->options.data_dir, &count, &err) != 0) {
		return; /* a fault of the database */
	}
	if (count == 0) {
		checkup_say(found,
			    "other machines can reach this daemon and there is no token: it will "
			    "not start");
	}
}

void doctor_certificate_end(void *arg, struct checkup *found)
{
	int64_t end_s = http_tls_end_s(), now_s = clock_wall_ms() / 1000;
	char at[CLOCK_TEXT_SIZE];

	(void)arg;
	if (end_s >= 0 && end_s - now_s < (int64_t)CERTIFICATE_DAYS * DAY_S) {
		checkup_say(found, "the certificate %s at %s", end_s < now_s ? "ended" : "ends",
			    clock_format(end_s * 1000, at));
	}
}

static void look_at_name(struct checkup *found, const char *host, const char *setting)
{
	if (!http_tls_is_of(host)) {
		checkup_say(found, "the certificate is not one of %s, which %s names", host,
			    setting);
	}
}

/* Clients come to the callback's name, to those that are allowed, and to addresses that are no wildcards. */
void doctor_certificate_name(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	const struct settings *options = &doctor->options;
	struct guard_url url;
	struct err err;

	if (!http_tls_is_loaded()) {
		return;
	}
	if (guard_check_url(NULL, options->callback_url, &url, &err) == 0 && url.tls) {
		look_at_name(found, url.host, "callback_url");
	}
	for (size_t i = 0; i < options->allowed_hosts.count; i++) {
		char *host = mem_dup_n(options->allowed_hosts.items[i],
				       strcspn(options->allowed_hosts.items[i], ":"));

		look_at_name(found, host, "allowed_hosts");
		free(host);
	}
	for (size_t i = 0; i < options->listen.count; i++) {
		struct http_socket socket;
		char *text;

		if (http_socket_parse(&socket, options->listen.items[i], true, &err) != 0 ||
		    !socket.is_tls) {
			continue;
		}
		text = mem_printf("https://%s", options->listen.items[i]);
		if (guard_check_url(NULL, strncmp(text + 8, "https://", 8) == 0 ? text + 8 : text,
				    &url, &err) == 0 &&
		    strcmp(url.host, "0.0.0.0") != 0 && strcmp(url.host, "::") != 0) {
			look_at_name(found, url.host, "listen");
		}
		free(text);
	}
}

struct allowed {
	const struct guard *guard;
	struct checkup *found;
};

static void look_at_allowed(void *arg, const char *url)
{
	const struct allowed *allowed = arg;
	struct guard_url parts;
	struct err err;

	if (guard_check_url(allowed->guard, url, &parts, &err) != 0) {
		checkup_say(allowed->found, "%s: %s", url, err.message);
	}
}

void doctor_allowed(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	struct allowed allowed = {doctor->setup.guard, found};
	struct err err;

	if (doctor->has_data && doctor->setup.guard != NULL) {
		(void)look_at_evaluators(doctor->options.data_dir, look_at_allowed, &allowed, &err);
	}
}

/* Asks one after the other in a loop of its own. */
struct visit {
	struct loop *loop;
	struct fetch *fetch;
	struct loop_task stop;
	size_t out; /* questions */
	const struct guard *guard;
	struct checkup *found;
};

struct visitor {
	struct visit *visit;
	char *url;
};

static void on_stopped(void *arg)
{
	loop_close(((struct visit *)arg)->loop);
}

static void stop(void *arg)
{
	struct visit *visit = arg;

	fetch_stop(visit->fetch, on_stopped, visit);
}

static void end_one(struct visit *visit)
{
	if (--visit->out == 0) {
		loop_defer(visit->loop, &visit->stop, stop, visit);
	}
}

static void on_reply(void *arg, const struct fetch_reply *reply)
{
	struct visitor *visitor = arg;

	/* Whatever was said, somebody is there. One that the policy forbids is named by another check. */
	if (reply->rc != 0 && (!reply->sent || reply->err.code == ERR_TIMEOUT) &&
	    reply->err.code != ERR_EVALUATOR_DENIED) {
		checkup_say(visitor->visit->found, "%s: %s", visitor->url, reply->err.message);
	}
	end_one(visitor->visit);
	free(visitor->url);
	free(visitor);
}

/* What it answers does not matter: it needs no secret then. */
static void ask(void *arg, const char *url)
{
	struct visit *visit = arg;
	struct visitor *visitor = mem_new(1, sizeof(*visitor));
	struct fetch_request request = {
		.method = "GET",
		.path = "/healthz",
		.connect_timeout_ms = CONNECT_MS,
		.timeout_ms = CONNECT_MS,
		.max_reply = REPLY_MAX,
	};

	/* What stands in the place of a query is not one. */
	*visitor = (struct visitor){visit, mem_dup_n(url, strcspn(url, "?"))};
	request.url = visitor->url;
	visit->out++;
	(void)fetch_start(visit->fetch, &request, on_reply, visitor);
}

void doctor_evaluators(void *arg, struct checkup *found)
{
	static const struct fetch_options options = {
		.max_total = 64, .max_per_host = 4, .user_agent = "narrowd"};
	const struct doctor *doctor = arg;
	struct visit visit = {.guard = doctor->setup.guard, .found = found, .out = 1};
	struct err err;

	if (!doctor->has_data || doctor->setup.guard == NULL) {
		return;
	}
	visit.loop = loop_create();
	visit.fetch = fetch_create(visit.loop, visit.guard, &options, &err);
	if (visit.fetch == NULL) {
		loop_close(visit.loop);
	} else {
		(void)look_at_evaluators(doctor->options.data_dir, ask, &visit, &err);
		end_one(&visit);
	}
	loop_run(visit.loop);
	fetch_destroy(visit.fetch);
	loop_destroy(visit.loop);
}
