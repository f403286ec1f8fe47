#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http/http_socket.h"
#include "api/http/http_tls.h"
#include "api/router.h"
#include "backends/credential.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/control.h"
#include "daemon/machine.h"
#include "daemon/notify.h"
#include "daemon/process.h"

/*
 * The process: what is started in which order, and stopped in the reverse one.
 *
 *	options -> guard -> plug-ins -> fetch -> store -> HTTP -> tuner (replays the logs) -> courier -> ready
 *	signal  -> tuner drains -> HTTP closes -> courier -> fetch -> store checkpoints -> loop ends
 */

enum {
	EVALUATOR_CONNECTIONS = 1024,
	PER_EVALUATOR = 256,
	HTTP_STOP_MS = 2000,
	COURIER_STOP_MS = 2000,
	SIGNALS = 3,
};

struct process {
	struct settings *options;
	struct loop *loop;
	struct guard *guard;
	struct schedule schedule; /* of webhooks */
	struct ledger *ledger;
	struct server server;
	struct machine machine; /* as the tuner has it */
	struct tuner_io io;
	uv_signal_t signals[SIGNALS];
	uv_timer_t watchdog;
	bool is_reachable;    /* by other machines */
	bool is_token_wanted; /* on loopback, too */
	bool stopping;
	struct err failure; /* why it stops by itself, if it does */
};

static struct process process;

/* Both files, or neither. */
static int load_tls(const struct settings *options, struct err *reterr)
{
	bool cert = options->tls_cert[0] != '\0', key = options->tls_key[0] != '\0';

	if (cert != key) {
		return err_set(reterr, ERR_CONFIG,
			       "tls_cert and tls_key go together: %s is missing",
			       cert ? "tls_key" : "tls_cert");
	}
	return cert ? http_tls_load(options->tls_cert, options->tls_key, reterr) : 0;
}

/* What other machines can reach has to be encrypted, or somebody has to have said that it need not. */
static int check_listener(struct process *p, const char *text, struct err *reterr)
{
	struct http_socket parsed;
	int rc = http_socket_parse(&parsed, text, http_tls_is_loaded(), reterr);

	if (rc != 0) {
		return rc;
	}
	if (parsed.is_tls && !http_tls_is_loaded()) {
		return err_set(reterr, ERR_CONFIG, "%s needs tls_cert and tls_key", text);
	}
	if (parsed.is_unix || parsed.is_loopback) {
		return 0;
	}
	p->is_reachable = true;
	if (!parsed.is_tls && !p->options->allow_cleartext) {
		return err_set(reterr, ERR_CONFIG,
			       "other machines can reach %s: give tls_cert and tls_key, or "
			       "allow_cleartext = true where something else encrypts",
			       text);
	}
	return 0;
}

static int check_listeners(struct process *p, struct err *reterr)
{
	int rc = load_tls(p->options, reterr);

	if (rc == 0 && p->options->listen.count == 0) {
		rc = err_set(reterr, ERR_CONFIG, "listen is empty");
	}
	for (size_t i = 0; rc == 0 && i < p->options->listen.count; i++) {
		rc = check_listener(p, p->options->listen.items[i], reterr);
	}
	return rc;
}

static int read_choice(const char *what, const char *text, const char *const *names,
		       struct err *reterr)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(names[i], text) == 0) {
			return i;
		}
	}
	return err_set(reterr, ERR_CONFIG, "%s cannot be \"%s\"", what, text);
}

static int set_up_log(const struct settings *options, struct err *reterr)
{
	static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
	static const char *const formats[] = {"text", "json", NULL};
	int level = read_choice("log_level", options->log_level, levels, reterr);
	int format = level >= 0 ? read_choice("log_format", options->log_format, formats, reterr)
				: level;

	if (format >= 0) {
		log_setup((enum log_level)level, format == 1);
	}
	return format < 0 ? format : 0;
}

static int make_guard(struct process *p, struct err *reterr)
{
	const char *name = p->options->evaluator_policy;
	int policy = name[0] != '\0'
			     ? read_choice("evaluator_policy", name, guard_policy_names, reterr)
		     : p->is_reachable ? GUARD_ALLOWLIST
				       : GUARD_LAN;

	if (policy < 0) {
		return policy;
	}
	p->guard = guard_create((enum guard_policy)policy,
				(const char *const *)p->options->evaluator_allow.items, reterr);
	return p->guard != NULL ? 0 : -(int)reterr->code;
}

static char *settings(void)
{
	return options_json(process.options);
}

static void end_loop(void *arg)
{
	struct process *p = arg;

	for (int i = 0; i < SIGNALS; i++) {
		uv_close((uv_handle_t *)&p->signals[i], NULL);
	}
	uv_close((uv_handle_t *)&p->watchdog, NULL);
	loop_close(p->loop);
}

static void stop_store(void *arg)
{
	store_stop(((struct process *)arg)->server.store, end_loop, arg);
}

static void stop_fetch(void *arg)
{
	fetch_stop(((struct process *)arg)->server.fetch, stop_store, arg);
}

static void stop_courier(void *arg)
{
	courier_stop(((struct process *)arg)->server.courier, COURIER_STOP_MS, stop_fetch, arg);
}

static void stop_http(void *arg)
{
	http_stop(((struct process *)arg)->server.http, HTTP_STOP_MS, stop_courier, arg);
}

static void stop(struct process *p, uint64_t drain_ms)
{
	p->stopping = p->server.draining = true;
	notify_send("STOPPING=1");
	tuner_stop(p->server.tuner, drain_ms, stop_http, p);
}

/* Nothing can be stored any more, so there is nothing to wait for. */
static void on_lost(void *arg, const struct err *why)
{
	struct process *p = arg;

	p->failure = *why;
	if (!p->stopping) {
		stop(p, 0);
	}
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct process *p = handle->data;

	if (p->stopping) {
		/* Safe at any moment: what is not on disk was not acknowledged. */
		_exit(128 + number);
	}
	log_line(LOG_INFO, "stopping", LOG_INT("signal", number));
	stop(p, (uint64_t)p->options->drain_timeout_s * 1000);
}

/* What closing a terminal sends, and what asks many a daemon to read its files again. */
static void on_hangup(uv_signal_t *handle, int number)
{
	const struct process *p = handle->data;
	struct err err;

	(void)number;
	if (!http_tls_is_loaded()) {
		log_line(LOG_INFO, "SIGHUP is ignored: settings are read at the start alone");
	} else if (load_tls(p->options, &err) == 0) {
		log_line(LOG_INFO, "SIGHUP: certificate and key were read again");
	} else {
		log_line(LOG_ERROR, "SIGHUP: the old certificate and key stay",
			 LOG_TEXT("error", err.message));
	}
}

static void on_watchdog(uv_timer_t *handle)
{
	(void)handle;
	notify_send("WATCHDOG=1");
}

static void watch_signals(struct process *p)
{
	static const struct {
		int number;
		uv_signal_cb fn;
	} watched[SIGNALS] = {{SIGTERM, on_signal}, {SIGINT, on_signal}, {SIGHUP, on_hangup}};
	uint64_t every = notify_watchdog_ms();

	for (int i = 0; i < SIGNALS; i++) {
		(void)uv_signal_init(loop_uv(p->loop), &p->signals[i]);
		p->signals[i].data = p;
		(void)uv_signal_start(&p->signals[i], watched[i].fn, watched[i].number);
	}
	(void)uv_timer_init(loop_uv(p->loop), &p->watchdog);
	if (every > 0) {
		(void)uv_timer_start(&p->watchdog, on_watchdog, every, every);
	}
}

static int open_store(struct process *p, struct err *reterr)
{
	const struct store_options options = {.directory = p->options->data_dir,
					      .unsafe_sync = p->options->unsafe_sync};

	p->server.store = store_open(p->loop, &options, reterr);
	return p->server.store != NULL ? 0 : -(int)reterr->code;
}

static int open_ledger(struct process *p, struct err *reterr)
{
	p->ledger = ledger_create(p->server.store, reterr);
	if (p->ledger == NULL) {
		return -(int)reterr->code;
	}
	access_init(&p->server.access, p->ledger, p->is_token_wanted);
	if (p->is_reachable && ledger_count(p->ledger) == 0) {
		return err_set(
			reterr, ERR_CONFIG,
			"other machines can reach this daemon and there is no token: make one with "
			"narrowd --data-dir %s token create --scope admin",
			p->options->data_dir);
	}
	return 0;
}

static int open_http(struct process *p, struct err *reterr)
{
	char *control = control_path(p->options->data_dir);
	const struct http_options options = {
		.private_socket = control,
		.listen = (const char *const *)p->options->listen.items,
		.allowed_hosts = (const char *const *)p->options->allowed_hosts.items,
		.max_body = LIMIT_BODY_BYTES,
		.max_connections = (unsigned)p->options->max_connections,
		.max_connections_per_ip = LIMIT_CONNECTIONS_PER_IP,
		.header_timeout_ms = 10000,
		.body_timeout_ms = 30000,
		.idle_timeout_ms = 60000,
	};

	p->server.http = http_create(p->loop, &options, router_handle, &p->server, reterr);
	free(control);
	return p->server.http != NULL ? 0 : -(int)reterr->code;
}

/* The daemon must not be made to call itself, whatever the policy allows. */
static void guard_ourselves(struct process *p)
{
	const char *url;

	for (size_t i = 0; (url = http_url(p->server.http, i)) != NULL; i++) {
		struct sockaddr_in v4 = {.sin_family = AF_INET};
		struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
		char host[64] = "";
		unsigned port = 0;

		if (sscanf(strchr(url, ':'), "://[%63[^]]]:%u", host, &port) == 2 &&
		    inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
			v6.sin6_port = htons((uint16_t)port);
			guard_add_own(p->guard, (struct sockaddr *)&v6);
		} else if (sscanf(strchr(url, ':'), "://%63[^:]:%u", host, &port) == 2 &&
			   inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
			v4.sin_port = htons((uint16_t)port);
			guard_add_own(p->guard, (struct sockaddr *)&v4);
		}
	}
	if (guard_never_entries(p->guard) > 0) {
		log_line(LOG_WARNING,
			 "evaluator_allow opens addresses that are never called otherwise",
			 LOG_INT("entries", (int64_t)guard_never_entries(p->guard)));
	}
}

/* Evaluators cannot reach a unix socket: the first listener with an address, if there is one. */
static const char *callback_url(const struct process *p)
{
	const char *url = p->options->callback_url;

	for (size_t i = 0; url != NULL && strncmp(url, "http", 4) != 0; i++) {
		url = http_url(p->server.http, i);
	}
	return url != NULL ? url : "";
}

/* The tuner tells evaluators where we are, so it is made when the listeners are known. */
static void make_tuner(struct process *p)
{
	const struct tuner_options options = {
		.io = &p->io,
		.guard = p->guard,
		.callback_url = callback_url(p),
		.lease_ttl_ms = (uint64_t)p->options->lease_ttl_s * 1000,
		.evaluator_probe_ms = (uint64_t)p->options->evaluator_probe_s * 1000,
		.evaluator_down_ms = (uint64_t)p->options->evaluator_down_s * 1000,
		.quota = {.open_jobs = p->options->quota_open_jobs,
			  .open_bytes = p->options->quota_open_bytes,
			  .submits_per_s = p->options->quota_submits_per_s,
			  .trials_per_day = p->options->quota_trials_per_day},
	};

	p->machine = (struct machine){p->loop, p->server.store, p->server.fetch};
	p->io = machine_io(&p->machine);
	p->server.tuner = tuner_create(&options);
}

static void make_courier(struct process *p)
{
	const struct courier_options options = {
		.loop = p->loop,
		.store = p->server.store,
		.fetch = p->server.fetch,
		.timeout_ms = (uint64_t)p->options->webhook_timeout_s * 1000,
		.schedule = p->schedule,
	};

	p->server.courier = courier_create(&options);
}

static const char *secrets_directory(const struct process *p)
{
	return p->options->secrets_dir[0] != '\0' ? p->options->secrets_dir
						  : getenv("CREDENTIALS_DIRECTORY");
}

static int start(struct process *p, struct err *reterr)
{
	const struct fetch_options fetch_options = {
		.max_total = EVALUATOR_CONNECTIONS,
		.max_per_host = PER_EVALUATOR,
		.user_agent = "narrowd/" NARROWD_VERSION,
	};
	int rc;

	p->loop = loop_create();
	map_init(&p->server.keys);
	map_init(&p->server.finals);
	list_init(&p->server.large);
	p->server.loop = p->loop;
	p->server.guard = p->guard;
	p->server.settings = settings;
	p->server.started_ms = clock_mono_ms();
	p->server.fetch = fetch_create(p->loop, p->guard, &fetch_options, reterr);
	rc = p->server.fetch != NULL ? credential_open_directory(secrets_directory(p), reterr)
				     : -(int)reterr->code;
	if (rc == 0) {
		rc = open_store(p, reterr);
	}
	if (rc == 0) {
		rc = open_ledger(p, reterr);
	}
	if (rc == 0) {
		rc = open_http(p, reterr);
	}
	if (rc == 0) {
		guard_ourselves(p);
		make_tuner(p);
		rc = tuner_resume(p->server.tuner, reterr);
	}
	if (rc == 0) {
		make_courier(p);
	}
	return rc;
}

int process_serve(struct err *reterr)
{
	struct process *p = &process;
	int rc = start(p, reterr);

	if (rc != 0) {
		return rc;
	}
	watch_signals(p);
	err_init(&p->failure);
	store_on_lost(p->server.store, on_lost, p);
	(void)printf("narrowd: listening on %s\n", http_url(p->server.http, 0));
	(void)fflush(stdout);
	notify_send("READY=1");
	loop_run(p->loop);
	tuner_destroy(p->server.tuner);
	courier_destroy(p->server.courier);
	http_destroy(p->server.http);
	fetch_destroy(p->server.fetch);
	store_destroy(p->server.store);
	access_finish(&p->server.access);
	ledger_destroy(p->ledger);
	map_finish(&p->server.keys);
	map_finish(&p->server.finals);
	shelf_finish(&p->server.shelf);
	loop_destroy(p->loop);
	log_line(LOG_INFO, "stopped", LOG_TEXT("version", NARROWD_VERSION));
	*reterr = p->failure;
	return -(int)p->failure.code;
}

static int read_schedule(struct process *p, struct err *reterr)
{
	const char *const *waits = (const char *const *)p->options->webhook_schedule_s.items;

	return schedule_read(waits, &p->schedule, reterr) == 0
		       ? 0
		       : err_prefix(reterr, "webhook_schedule_s");
}

int process_check(struct settings *options, struct err *reterr)
{
	struct process *p = &process;
	int rc = set_up_log(options, reterr);

	p->options = options;

	if (rc == 0) {
		rc = check_listeners(p, reterr);
	}
	if (rc == 0) {
		static const char *const modes[] = {"auto", "always", NULL};
		int mode = read_choice("auth", options->auth, modes, reterr);

		p->is_token_wanted = p->is_reachable || mode == 1;
		rc = mode < 0 ? mode : 0;
	}
	if (rc == 0) {
		rc = read_schedule(p, reterr);
	}
	return rc == 0 ? make_guard(p, reterr) : rc;
}

void process_finish(void)
{
	guard_destroy(process.guard);
	http_tls_forget();
}
