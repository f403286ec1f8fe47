/*
 * The process: what is started in which order, and stopped in the reverse one.
 *
 *	options -> guard -> plug-ins -> fetch -> store -> HTTP -> tuner (begins to replay the logs) -> courier -> ready
 *	signal  -> tuner drains -> HTTP closes -> courier -> fetch -> store checkpoints -> loop ends
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/access_log.h"
#include "api/document.h"
#include "api/http/http_socket.h"
#include "api/http/http_tls.h"
#include "api/router.h"
#include "backends/credential.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/control.h"
#include "daemon/sighold.h"
#include "daemon/libraries.h"
#include "daemon/machine.h"
#include "daemon/notify.h"
#include "daemon/ourselves.h"
#include "daemon/peers.h"
#include "daemon/process.h"
#include "daemon/setup.h"

enum {
	EVALUATOR_CONNECTIONS = 1024,
	PER_EVALUATOR = 256,
	STORE_STOP_MS = 5000,
	HTTP_STOP_MS = 2000,
	COURIER_STOP_MS = 2000,
	SIGNALS = 3,
	IDLE_LOOK_MS = 500,
};

struct process {
	struct settings *options;
	struct loop *loop;
	struct setup setup;
	struct ledger *ledger;
	struct server server;
	struct machine machine; /* as the tuner has it */
	struct tuner_io io;
	uv_signal_t signals[SIGNALS];
	uv_timer_t watchdog, idle;
	int64_t busy_ms; /* monotonic; when somebody was last at it */
	bool stopping;
	bool again;         /* it begins anew: there is nobody any more for whom it waited */
	struct err failure; /* why it stops by itself, if it does */
};

static struct process process;

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
	uv_close((uv_handle_t *)&p->idle, NULL);
	loop_close(p->loop);
}

static void stop_store(void *arg)
{
	store_stop(((struct process *)arg)->server.store, end_loop, arg);
}

static void stop_relays(void *arg)
{
	fetch_stop(((struct process *)arg)->server.relays.fetch, stop_store, arg);
}

static void stop_fetch(void *arg)
{
	fetch_stop(((struct process *)arg)->server.fetch, stop_relays, arg);
}

static void stop_courier(void *arg)
{
	struct courier *courier = ((struct process *)arg)->server.courier;

	if (courier != NULL) {
		courier_stop(courier, COURIER_STOP_MS, stop_fetch, arg);
	} else {
		stop_fetch(arg);
	}
}

static void stop_http(void *arg)
{
	http_stop(((struct process *)arg)->server.http, HTTP_STOP_MS, stop_courier, arg);
}

static void stop(struct process *p, uint64_t drain_ms)
{
	p->stopping = p->server.draining = true;
	if (!p->again) {
		notify_send("STOPPING=1");
	}
	ledger_unfollow(p->ledger);
	store_hurry(p->server.store,
		    (int64_t)drain_ms + HTTP_STOP_MS + COURIER_STOP_MS + STORE_STOP_MS);
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

/* What waits has nothing that could be lost, so taking over is what a start does. */
static void on_free(void *arg)
{
	struct process *p = arg;

	if (!p->stopping) {
		log_line(LOG_WARNING,
			 "the daemon that wrote is dead or has ended; this one takes its place");
		p->again = true;
		sighold_begin_ends();
		stop(p, 0);
	}
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct process *p = handle->data;

	if (p->again) {
		p->again = false; /* it ends as it would have begun anew */
		return;
	}
	if (p->stopping) {
		/* Safe at any moment: what is not on disk was not acknowledged. */
		_exit(128 + number);
	}
	log_line(LOG_INFO, "stopping", LOG_INT("signal", number));
	stop(p, (uint64_t)p->options->drain_timeout_s * 1000);
}

static void set_retention(struct process *p)
{
	const struct store_retention retention = setup_retention(p->options);

	if (!store_is_spare(p->server.store)) {
		store_retain(p->server.store, &retention);
	}
}

/* What the settings would be on SIGHUP. */
struct fresh {
	const struct setup *setup;
	struct guard *guard;
};

static void check_fresh(void *arg, const struct settings *options, struct faults *faults)
{
	struct fresh *fresh = arg;

	fresh->guard = setup_check_live(fresh->setup, options, faults);
}

static void take_over(struct process *p, struct guard *guard)
{
	const struct quota_limits quota = setup_quota(p->options);
	struct faults none = {.logged = true};

	setup_log(p->options, &none);
	set_retention(p);
	tuner_set_quota(p->server.tuner, &quota);
	guard_exchange(p->setup.guard, guard);
}

/* What closing a terminal sends, and what asks many a daemon to read its files again. */
static void on_hangup(uv_signal_t *handle, int number)
{
	struct process *p = handle->data;
	struct faults faults = {.logged = true};
	struct fresh fresh = {.setup = &p->setup};
	struct err err;

	(void)number;
	(void)sighold_hangup();
	if (options_reload(p->options, check_fresh, &fresh, &faults)) {
		take_over(p, fresh.guard);
	}
	guard_destroy(fresh.guard);
	log_line(LOG_INFO, faults.count == 0 ? "SIGHUP: the settings were read again"
					     : "SIGHUP: the settings stay as they were");
	if (access_log_open(p->options->access_log, &err) != 0) {
		log_line(LOG_ERROR, "SIGHUP: the old access log stays",
			 LOG_TEXT("error", err.message));
	}
	if (http_tls_is_loaded() && setup_load_tls(p->options, &err) == 0) {
		log_line(LOG_INFO, "SIGHUP: certificate and key were read again");
	} else if (http_tls_is_loaded()) {
		log_line(LOG_ERROR, "SIGHUP: the old certificate and key stay",
			 LOG_TEXT("error", err.message));
	}
}

static void on_watchdog(uv_timer_t *handle)
{
	(void)handle;
	notify_again("WATCHDOG=1");
}

/* Requests come and go between two looks. */
static void note_request(const struct request *request, const struct http_over *over, void *arg)
{
	process.busy_ms = clock_mono_ms();
	access_log_note(request, over, arg);
}

/* Nobody needs it: neither clients, nor jobs that an evaluator is asked for. */
static void on_idle(uv_timer_t *handle)
{
	struct process *p = handle->data;
	int64_t now = clock_mono_ms();

	if (http_connection_count(p->server.http) > 0 || !fetch_is_idle(p->server.fetch) ||
	    tuner_is_unread(p->server.tuner, NULL)) {
		p->busy_ms = now;
	}
	if (!p->stopping && now - p->busy_ms >= p->options->idle_exit_s * 1000) {
		log_line(LOG_INFO, "stopping: nobody has needed it",
			 LOG_INT("idle_exit_s", p->options->idle_exit_s));
		stop(p, 0);
	}
}

static void watch_idleness(struct process *p)
{
	p->busy_ms = clock_mono_ms();
	p->idle.data = p;
	(void)uv_timer_init(loop_uv(p->loop), &p->idle);
	if (p->options->idle_exit_s > 0) {
		(void)uv_timer_start(&p->idle, on_idle, IDLE_LOOK_MS, IDLE_LOOK_MS);
	}
}

static void watch_signals(struct process *p)
{
	static const struct {
		int number;
		uv_signal_cb fn;
	} watched[SIGNALS] = {{SIGTERM, on_signal}, {SIGINT, on_signal}, {SIGHUP, on_hangup}};
	uint64_t every = notify_watchdog_ms();
	int number;

	for (int i = 0; i < SIGNALS; i++) {
		(void)uv_signal_init(loop_uv(p->loop), &p->signals[i]);
		p->signals[i].data = p;
		(void)uv_signal_start(&p->signals[i], watched[i].fn, watched[i].number);
	}
	number = sighold_end();
	if (number != 0) {
		on_signal(&p->signals[0], number);
	} else if (sighold_hangup()) {
		on_hangup(&p->signals[SIGNALS - 1], SIGHUP);
	}
	(void)uv_timer_init(loop_uv(p->loop), &p->watchdog);
	if (every > 0) {
		(void)uv_timer_start(&p->watchdog, on_watchdog, every, every);
	}
}

static int open_store(struct process *p, struct err *reterr)
{
	struct store_options options = setup_store(p->options);

	options.standby = true;
	options.snapshot_operations = p->options->snapshot_operations;
	p->server.store = store_open(p->loop, &options, reterr);
	return p->server.store != NULL ? 0 : -(int)reterr->code;
}

static int open_ledger(struct process *p, struct err *reterr)
{
	p->ledger = ledger_create(p->server.store, reterr);
	if (p->ledger == NULL) {
		return -(int)reterr->code;
	}
	access_init(&p->server.access, p->ledger, p->setup.is_token_wanted);
	if (p->setup.is_reachable && ledger_count(p->ledger) == 0) {
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
		.over = note_request,
		.max_connections = (unsigned)p->options->max_connections,
		.max_connections_per_ip = (unsigned)p->options->max_connections_per_ip,
		.header_timeout_ms = 10000,
		.body_timeout_ms = 30000,
		.idle_timeout_ms = 60000,
	};

	p->server.http = http_create(p->loop, &options, router_handle, &p->server, reterr);
	free(control);
	return p->server.http != NULL ? 0 : -(int)reterr->code;
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
		.guard = p->setup.guard,
		.callback_url = callback_url(p),
		.lease_ttl_ms = (uint64_t)p->options->lease_ttl_s * 1000,
		.evaluator_probe_ms = (uint64_t)p->options->evaluator_probe_s * 1000,
		.evaluator_down_ms = (uint64_t)p->options->evaluator_down_s * 1000,
		.quota = setup_quota(p->options),
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
		.schedule = p->setup.schedule,
	};

	p->server.courier = store_is_spare(p->server.store) ? NULL : courier_create(&options);
}

/* Neither the tuner nor the courier may do anything before. */
static int wait_for_place(struct process *p)
{
	peers_follow(&p->server);
	ledger_follow(p->ledger);
	store_on_free(p->server.store, on_free, p);
	return 0;
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
	list_init(&p->server.makers);
	list_init(&p->server.news);
	p->server.loop = p->loop;
	p->server.guard = p->setup.guard;
	p->server.settings = settings;
	p->server.started_ms = clock_mono_ms();
	p->server.fetch = fetch_create(p->loop, p->setup.guard, &fetch_options, reterr);
	rc = p->server.fetch != NULL ? peers_open(&p->server, p->options, reterr)
				     : -(int)reterr->code;
	if (rc == 0) {
		rc = access_log_open(p->options->access_log, reterr);
	}
	if (rc == 0) {
		rc = credential_open_directory(setup_secrets_directory(p->options), reterr);
	}
	rc = rc == 0 ? open_store(p, reterr) : rc;
	rc = rc == 0 ? open_ledger(p, reterr) : rc;
	rc = rc == 0 ? open_http(p, reterr) : rc;
	if (rc == 0) {
		ourselves_guard(p->server.http, p->setup.guard);
		peers_advertise(&p->server, p->options);
		make_tuner(p);
		rc = store_is_spare(p->server.store) ? wait_for_place(p)
						     : tuner_resume(p->server.tuner, reterr);
	}
	if (rc == 0) {
		make_courier(p);
		store_on_gone(p->server.store, document_changed, &p->server);
		set_retention(p);
	}
	return rc;
}

static int serve(struct process *p, struct err *reterr)
{
	int rc;

	notify_hold(p->options->data[0] != '\0'); /* running a log may take long */
	rc = start(p, reterr);
	notify_release();
	if (rc != 0) {
		return rc;
	}
	watch_signals(p);
	watch_idleness(p);
	err_init(&p->failure);
	store_on_lost(p->server.store, on_lost, p);
	(void)printf("narrowd: listening on %s\n", http_url(p->server.http, 0));
	(void)fflush(stdout);
	notify_send("READY=1");
	libraries_warn();
	loop_run(p->loop);
	tuner_destroy(p->server.tuner);
	courier_destroy(p->server.courier);
	http_destroy(p->server.http);
	fetch_destroy(p->server.fetch);
	peers_close(&p->server);
	if (!p->again || p->failure.code != 0) {
		store_renounce(p->server.store);
	}
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

int process_serve(struct err *reterr)
{
	int rc;

	sighold_begin();
	rc = serve(&process, reterr);
	while (rc == 0 && process.again) {
		access_log_close();
		process = (struct process){.options = process.options, .setup = process.setup};
		rc = serve(&process, reterr);
	}
	sighold_finish();
	return rc;
}

void process_check(struct settings *options, struct faults *faults)
{
	process.options = options;
	setup_check(&process.setup, options, faults);
}

void process_finish(void)
{
	setup_finish(&process.setup);
	access_log_close();
}
