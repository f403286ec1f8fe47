/* The checks that a client can make, and their report. */
#include "cli/doctor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checkup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/out.h"
#include "cli/text.h"

enum {
	OK = 200,
	UNAUTHORIZED = 401,
	CLOCK_SLACK_S = 30,
	BACKUP_S = 7 * 86400,
	ENDING_S = 14 * 86400,
};

#define OPEN_JOBS "/v1/jobs?limit=1000&state=queued&state=baseline&state=running&state=paused"

struct visit {
	struct cli *cli;
	bool is_up;    /* narrowd answers there */
	bool knows_us; /* and takes our token, if it wants one */
	double now_s;  /* by its clock; NaN when it does not say */
	json_t *jobs;  /* those that are open, or NULL; owned */
};

/* The answer's status, 0 when none came; *ret_answer is a new reference to its JSON, or NULL. */
static int ask(struct visit *visit, const char *path, json_t **ret_answer, struct err *reterr)
{
	struct client_reply reply;
	int status = 0;

	*ret_answer = NULL;
	err_init(reterr);
	if (client_call(&visit->cli->client, "GET", path, NULL, &reply, reterr) == 0) {
		status = reply.status;
		visit->now_s = reply.date_ms >= 0 ? (double)reply.date_ms / 1000 : NAN;
		*ret_answer = json_loadb(reply.body, reply.length, 0, NULL);
		client_reply_finish(&reply);
	}
	return status;
}

/* The answer when it is 200, a new reference; else NULL: what this token may not see says nothing. */
static json_t *get(struct visit *visit, const char *path)
{
	struct err err;
	json_t *answer = NULL;

	if (visit->knows_us && ask(visit, path, &answer, &err) != OK) {
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}

static void server(void *arg, struct checkup *found)
{
	struct visit *visit = arg;
	const struct client *client = &visit->cli->client;
	const char *at = client->unix_path != NULL ? client->unix_path : client->url;
	struct err err;
	json_t *answer;
	int status = ask(visit, "/healthz", &answer, &err);

	visit->is_up = status == OK && json_is_object(answer);
	if (status == 0) {
		checkup_say(found, "%s: %s", at, err.message);
	} else if (!visit->is_up) {
		checkup_say(found, "%s answers with status %d, and not as narrowd does", at,
			    status);
	}
	json_decref(answer);
}

static void token(void *arg, struct checkup *found)
{
	struct visit *visit = arg;
	struct err err;
	json_t *answer = NULL;
	int status = visit->is_up ? ask(visit, "/v1/session", &answer, &err) : 0;

	visit->knows_us = status == OK;
	if (status == UNAUTHORIZED) {
		char *detail = text_member(answer, "detail");

		checkup_say(found, "%s", detail);
		free(detail);
	}
	json_decref(answer);
	visit->jobs = get(visit, OPEN_JOBS);
}

static bool is_local(const char *url)
{
	static const char *const names[] = {"127.", "localhost", "[::1]"};
	const char *host = url + strlen("http://");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(host, names[i], strlen(names[i])) == 0) {
			return true;
		}
	}
	return false;
}

static void clear_text(void *arg, struct checkup *found)
{
	const struct client *client = &((struct visit *)arg)->cli->client;

	if (client->unix_path == NULL && client->authorization != NULL &&
	    strncmp(client->url, "http://", strlen("http://")) == 0 && !is_local(client->url)) {
		checkup_say(found, "the token goes to %s unencrypted", client->url);
	}
}

static void ready(void *arg, struct checkup *found)
{
	struct visit *visit = arg;
	struct err err;
	json_t *answer = NULL;
	int status = visit->is_up ? ask(visit, "/readyz", &answer, &err) : OK;

	if (status != OK) {
		char *detail = text_member(answer, "detail");

		checkup_say(found, "/readyz: %s", status == 0 ? err.message : detail);
		free(detail);
	}
	json_decref(answer);
}

static void clocks(void *arg, struct checkup *found)
{
	const struct visit *visit = arg;
	double apart_s = visit->now_s - (double)clock_wall_ms() / 1000;

	if (visit->is_up && fabs(apart_s) > CLOCK_SLACK_S) {
		checkup_say(found, "the daemon's clock is %.0f s %s this machine's", fabs(apart_s),
			    apart_s < 0 ? "behind" : "ahead of");
	}
}

/* Settings, with the versions, are for admins. */
static void versions(void *arg, struct checkup *found)
{
	json_t *config = get(arg, "/v1/config");
	char *version = text_member(config, "version");

	if (config != NULL && strcmp(version, NARROW_VERSION) != 0) {
		checkup_say(found, "the daemon is narrowd %s, and this is narrow " NARROW_VERSION,
			    version);
	}
	free(version);
	json_decref(config);
}

static void libraries(void *arg, struct checkup *found)
{
	json_t *config = get(arg, "/v1/config");
	const json_t *library;
	size_t i;

	json_array_foreach(json_object_get(config, "libraries"), i, library) {
		char *name = text_member(library, "name"),
		     *version = text_member(library, "version");
		char *fault = text_member(library, "fault");

		if (json_is_string(json_object_get(library, "fault"))) {
			checkup_say(found, "%s %s: %s", name, version, fault);
		}
		free(name);
		free(version);
		free(fault);
	}
	json_decref(config);
}

static void backup(void *arg, struct checkup *found)
{
	static const char family[] = "\nnarrowd_backup_age_seconds ";
	struct visit *visit = arg;
	struct client_reply reply;
	struct err err;
	const char *at;

	if (!visit->knows_us ||
	    client_call(&visit->cli->client, "GET", "/metrics", NULL, &reply, &err) != 0) {
		return;
	}
	at = reply.status == OK ? strstr(reply.body, family) : NULL;
	if (at != NULL && strtod(at + strlen(family), NULL) > BACKUP_S) {
		double age_s = strtod(at + strlen(family), NULL);
		char *age = text_duration(age_s);

		checkup_say(found,
			    isinf(age_s) ? "no backup was ever made%s" : "the last one is %s old",
			    isinf(age_s) ? "" : age);
		free(age);
	}
	client_reply_finish(&reply);
}

/* Says so of each open job of which `words` has some, which it frees. */
static void each_job(struct visit *visit, struct checkup *found, char *(*words)(const json_t *job))
{
	const json_t *job;
	size_t i;

	json_array_foreach(json_object_get(visit->jobs, "items"), i, job) {
		char *text = words(job);

		if (text != NULL) {
			char *id = text_member(job, "id");

			checkup_say(found, "%s: %s", id, text);
			free(id);
		}
		free(text);
	}
}

static void waiting(void *arg, struct checkup *found)
{
	each_job(arg, found, out_waiting);
}

static char *own_pause(const json_t *job)
{
	const json_t *pause = json_object_get(job, "pause");
	char *reason = text_member(pause, "reason"), *detail = text_member(pause, "detail");
	bool is_own = json_is_object(pause) && strcmp(reason, "requested") != 0;
	char *text = is_own ? mem_printf("paused, %s: %s", reason, detail) : NULL;

	free(reason);
	free(detail);
	return text;
}

static void paused(void *arg, struct checkup *found)
{
	each_job(arg, found, own_pause);
}

/* A worker is heard of at least every third of the time that its lease lasts. */
static void say_stale(const json_t *worker, double now_s, struct checkup *found)
{
	double seen_s = text_epoch_s(json_string_value(json_object_get(worker, "last_seen")));
	const json_t *lease;
	size_t i;

	json_array_foreach(json_object_get(worker, "leases"), i, lease) {
		double end_s =
			text_epoch_s(json_string_value(json_object_get(lease, "expires_at")));

		if (now_s > seen_s + (end_s - seen_s) * 2 / 3) {
			char *name = text_member(worker, "name"),
			     *pool = text_member(worker, "pool");
			char *trial = text_number(json_object_get(lease, "trial"));
			char *silence = text_duration(now_s - seen_s);

			checkup_say(found,
				    "%s of pool %s holds trial %s and was last heard of %s ago",
				    name, pool, trial, silence);
			free(name);
			free(pool);
			free(trial);
			free(silence);
		}
	}
}

static void workers(void *arg, struct checkup *found)
{
	struct visit *visit = arg;
	json_t *page = get(visit, "/v1/workers");
	const json_t *worker;
	size_t i;

	json_array_foreach(json_object_get(page, "items"), i, worker) {
		say_stale(worker, visit->now_s, found);
	}
	json_decref(page);
}

static void webhooks(void *arg, struct checkup *found)
{
	json_t *page = get(arg, "/v1/webhooks?limit=1000");
	const json_t *hook;
	size_t i;

	json_array_foreach(json_object_get(page, "items"), i, hook) {
		char *id = text_member(hook, "id"), *state = text_member(hook, "state");
		char *error = text_member(hook, "error");

		if (strcmp(state, "disabled") == 0) {
			checkup_say(found, "%s is told no more: %s", id, error);
		}
		free(id);
		free(state);
		free(error);
	}
	json_decref(page);
}

static void tokens(void *arg, struct checkup *found)
{
	struct visit *visit = arg;
	json_t *page = get(visit, "/v1/tokens?limit=1000");
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(page, "items"), i, item) {
		const char *end = json_string_value(json_object_get(item, "expires_at"));
		double left_s = text_epoch_s(end) - visit->now_s;

		if (json_is_null(json_object_get(item, "revoked_at")) && left_s > 0 &&
		    left_s < ENDING_S) {
			char *id = text_member(item, "id"), *left = text_duration(left_s);

			checkup_say(found, "%s ends in %s", id, left);
			free(id);
			free(left);
		}
	}
	json_decref(page);
}

static const struct check checks[] = {
	{"server", server,
	 "start the daemon, or name another one by --server or NARROWD_URL; narrowd doctor on its "
	 "machine says why it does not start",
	 false},
	{"token", token,
	 "give one by --token-file or NARROWD_TOKEN; narrowd token create makes one", false},
	{"clear_text", clear_text,
	 "give the daemon tls_cert and tls_key and use https://, or come through an SSH tunnel; "
	 "then "
	 "make another token",
	 false},
	{"ready", ready,
	 "make room on the disk of the daemon's data_dir, or wait until it has started or stopped; "
	 "narrowd doctor there says more",
	 false},
	{"clock", clocks, "set both clocks, and keep them set with NTP: timedatectl set-ntp true",
	 false},
	{"version", versions, "install the narrow that belongs to this daemon", true},
	{"libraries", libraries,
	 "upgrade the package on the daemon's machine that has it, unless its changelog says that "
	 "this "
	 "was mended",
	 true},
	{"backup", backup, "make one on the daemon's machine: narrowd backup FOLDER --keep 14",
	 true},
	{"waiting", waiting,
	 "start the evaluator, or a worker: narrow worker --pool POOL -- COMMAND; narrow probe ID "
	 "asks "
	 "an evaluator",
	 false},
	{"paused", paused, "mend what it says, then narrow resume ID", false},
	{"workers", workers,
	 "look whether it still runs; its question goes to another one when its lease ends", false},
	{"webhooks", webhooks,
	 "its receiver wanted no more: enable it again by PATCH, or narrow webhooks rm ID", false},
	{"tokens", tokens, "make another one in time: narrow tokens add; then narrow tokens rm ID",
	 false},
	{NULL, NULL, NULL, false},
};

json_t *doctor_report(struct cli *cli)
{
	struct visit visit = {.cli = cli, .now_s = NAN};
	json_t *report = checkup_run(checks, &visit);

	json_decref(visit.jobs);
	return report;
}

/* Whether something is wrong, as checkup_print() would count it. */
static bool is_well(const json_t *report)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(report, "items"), i, item) {
		if (json_array_size(json_object_get(item, "found")) > 0 &&
		    json_is_false(json_object_get(item, "advice"))) {
			return false;
		}
	}
	return true;
}

enum cli_exit doctor_run(struct cli *cli)
{
	json_t *report = doctor_report(cli);
	bool well = is_well(report);

	if (cli->options[OPTION_JSON] != NULL) {
		cli_print_json(report);
	} else {
		(void)checkup_print(report, stdout);
	}
	json_decref(report);
	return well ? CLI_OK : CLI_NOT_MET;
}
