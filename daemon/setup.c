/*
 * Holds the settings against each other and the machine, and makes of them what the daemon needs.
 */
#include "daemon/setup.h"

#include <stdlib.h>
#include <string.h>

#include "api/http/http_socket.h"
#include "api/http/http_tls.h"
#include "backends/credential.h"
#include "base/buf.h"
#include "base/log.h"
#include "daemon/peers.h"
#include "daemon/plugins.h"

/* Both files, or neither. */
int setup_load_tls(const struct settings *options, struct err *reterr)
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
static int check_listener(struct setup *setup, const struct settings *options, const char *text,
			  struct err *reterr)
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
	setup->is_reachable = true;
	if (!parsed.is_tls && !options->allow_cleartext) {
		return err_set(reterr, ERR_CONFIG,
			       "other machines can reach %s: give tls_cert and tls_key, or "
			       "allow_cleartext = true where something else encrypts",
			       text);
	}
	return 0;
}

/* Adds what `rc` says; `err` is looked at when it is not 0 only. */
static bool is_good(struct faults *faults, int rc, const struct err *err)
{
	if (rc < 0) {
		faults_add(faults, err);
	}
	return rc >= 0;
}

static void check_listeners(struct setup *setup, const struct settings *options,
			    struct faults *faults)
{
	struct err err;

	(void)is_good(faults, setup_load_tls(options, &err), &err);
	if (options->listen.count == 0) {
		(void)is_good(faults, err_set(&err, ERR_CONFIG, "listen is empty"), &err);
	}
	for (size_t i = 0; i < options->listen.count; i++) {
		(void)is_good(faults,
			      check_listener(setup, options, options->listen.items[i], &err), &err);
	}
}

/* The index of one of the names, or negative; said already then. */
static int read_choice(const char *what, const char *text, const char *const *names,
		       struct faults *faults)
{
	struct buf all;
	struct err err;

	buf_init(&all, ERR_MESSAGE_MAX);
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(names[i], text) == 0) {
			buf_finish(&all);
			return i;
		}
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	(void)err_set(&err, ERR_CONFIG, "%s cannot be \"%s\": it is one of %s", what, text,
		      all.bytes);
	faults_add(faults, &err);
	buf_finish(&all);
	return -1;
}

static void read_log(const struct settings *options, int *ret_level, int *ret_format,
		     struct faults *faults)
{
	static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
	static const char *const formats[] = {"text", "json", NULL};

	*ret_level = read_choice("log_level", options->log_level, levels, faults);
	*ret_format = read_choice("log_format", options->log_format, formats, faults);
}

void setup_log(const struct settings *options, struct faults *faults)
{
	int level, format;

	read_log(options, &level, &format, faults);
	if (level >= 0 && format >= 0) {
		log_setup((enum log_level)level, format == 1);
	}
}

struct store_options setup_store(const struct settings *options)
{
	return (struct store_options){.directory = options->data_dir,
				      .key_file = options->key_file,
				      .postgresql = options->data,
				      .lease_ms = options->takeover_s * 1000,
				      .unsafe_sync = options->unsafe_sync,
				      .max_bytes = options->database_max_bytes};
}

static int policy_of(const struct setup *setup, const struct settings *options,
		     struct faults *faults)
{
	const char *name = options->evaluator_policy;

	if (name[0] == '\0') {
		return setup->is_reachable ? GUARD_ALLOWLIST : GUARD_LAN;
	}
	return read_choice("evaluator_policy", name, guard_policy_names, faults);
}

struct guard *setup_guard(const struct setup *setup, const struct settings *options,
			  struct faults *faults)
{
	const char *const *entries = (const char *const *)options->evaluator_allow.items;
	int policy = policy_of(setup, options, faults);
	struct guard *guard = NULL;
	struct err err;

	for (size_t i = 0; entries[i] != NULL; i++) {
		const char *const one[] = {entries[i], NULL};
		struct guard *alone = guard_create(GUARD_ALLOWLIST, one, &err);

		(void)is_good(faults, alone != NULL ? 0 : -1, &err);
		guard_destroy(alone);
	}
	if (faults->count == 0 && policy >= 0) {
		guard = guard_create((enum guard_policy)policy, entries, &err);
		(void)is_good(faults, guard != NULL ? 0 : -1, &err);
	}
	return guard;
}

static int check_url(const char *name, const char *url, struct err *reterr)
{
	struct guard_url parts;

	if (url[0] == '\0' || guard_check_url(NULL, url, &parts, reterr) == 0) {
		return 0;
	}
	reterr->code = ERR_CONFIG;
	return err_prefix(reterr, "%s", name);
}

static int check_peer_ca(const struct settings *options, struct err *reterr)
{
	char *ca = NULL;
	int rc = peers_read_ca(options, &ca, reterr);

	free(ca);
	return rc;
}

static int check_sizes(const struct settings *options, struct err *reterr)
{
	if (options->database_max_bytes > 0 &&
	    options->retain_bytes >= options->database_max_bytes) {
		return err_set(reterr, ERR_CONFIG,
			       "retain_bytes must be less than database_max_bytes, or nothing is "
			       "deleted before the database is full");
	}
	return 0;
}

static int check_data(const struct settings *options, struct err *reterr)
{
	return options->data[0] == '\0' || store_check_postgresql(options->data, reterr) == 0
		       ? 0
		       : err_prefix(reterr, "data");
}

static int read_schedule(struct setup *setup, const struct settings *options, struct err *reterr)
{
	const char *const *waits = (const char *const *)options->webhook_schedule_s.items;

	return schedule_read(waits, &setup->schedule, reterr) == 0
		       ? 0
		       : err_prefix(reterr, "webhook_schedule_s");
}

void setup_check(struct setup *setup, const struct settings *options, struct faults *faults)
{
	static const char *const modes[] = {"auto", "always", NULL};
	struct err err;

	setup_log(options, faults);
	check_listeners(setup, options, faults);
	setup->is_token_wanted =
		read_choice("auth", options->auth, modes, faults) == 1 || setup->is_reachable;
	(void)is_good(faults, read_schedule(setup, options, &err), &err);
	(void)is_good(faults, check_url("callback_url", options->callback_url, &err), &err);
	(void)is_good(faults, check_url("advertise", options->advertise, &err), &err);
	(void)is_good(faults, check_peer_ca(options, &err), &err);
	(void)is_good(faults, check_sizes(options, &err), &err);
	(void)is_good(faults, check_data(options, &err), &err);
	setup->guard = setup_guard(setup, options, faults);
}

struct guard *setup_check_live(const struct setup *setup, const struct settings *options,
			       struct faults *faults)
{
	int level, format;
	struct err err;

	read_log(options, &level, &format, faults);
	(void)is_good(faults, check_sizes(options, &err), &err);
	return setup_guard(setup, options, faults);
}

void setup_check_folders(const struct settings *options, struct faults *faults)
{
	struct err err;

	(void)is_good(faults, plugins_load(options->plugin_dir, &err), &err);
	(void)is_good(faults, credential_open_directory(options->secrets_dir, &err), &err);
}

const char *setup_secrets_directory(const struct settings *options)
{
	return options->secrets_dir[0] != '\0' ? options->secrets_dir
					       : getenv("CREDENTIALS_DIRECTORY");
}

struct store_retention setup_retention(const struct settings *options)
{
	static const int64_t day_ms = INT64_C(86400) * 1000;

	return (struct store_retention){.job_ms = options->retain_days * day_ms,
					.jobs = options->retain_jobs,
					.bytes = options->retain_bytes,
					.delivery_ms = options->retain_deliveries_days * day_ms};
}

struct quota_limits setup_quota(const struct settings *options)
{
	return (struct quota_limits){.open_jobs = options->quota_open_jobs,
				     .open_bytes = options->quota_open_bytes,
				     .submits_per_s = options->quota_submits_per_s,
				     .trials_per_day = options->quota_trials_per_day};
}

void setup_finish(struct setup *setup)
{
	guard_destroy(setup->guard);
	http_tls_forget();
}
