#include "daemon/setup.h"

#include <string.h>

#include "api/http/http_socket.h"
#include "api/http/http_tls.h"
#include "base/log.h"

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

static int check_listeners(struct setup *setup, const struct settings *options, struct err *reterr)
{
	int rc = setup_load_tls(options, reterr);

	if (rc == 0 && options->listen.count == 0) {
		rc = err_set(reterr, ERR_CONFIG, "listen is empty");
	}
	for (size_t i = 0; rc == 0 && i < options->listen.count; i++) {
		rc = check_listener(setup, options, options->listen.items[i], reterr);
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

static int make_guard(struct setup *setup, const struct settings *options, struct err *reterr)
{
	const char *name = options->evaluator_policy;
	int policy = name[0] != '\0'
			     ? read_choice("evaluator_policy", name, guard_policy_names, reterr)
		     : setup->is_reachable ? GUARD_ALLOWLIST
					   : GUARD_LAN;

	if (policy < 0) {
		return policy;
	}
	setup->guard = guard_create((enum guard_policy)policy,
				    (const char *const *)options->evaluator_allow.items, reterr);
	return setup->guard != NULL ? 0 : -(int)reterr->code;
}

static int read_schedule(struct setup *setup, const struct settings *options, struct err *reterr)
{
	const char *const *waits = (const char *const *)options->webhook_schedule_s.items;

	return schedule_read(waits, &setup->schedule, reterr) == 0
		       ? 0
		       : err_prefix(reterr, "webhook_schedule_s");
}

int setup_check(struct setup *setup, const struct settings *options, struct err *reterr)
{
	int rc = set_up_log(options, reterr);

	if (rc == 0) {
		rc = check_listeners(setup, options, reterr);
	}
	if (rc == 0) {
		static const char *const modes[] = {"auto", "always", NULL};
		int mode = read_choice("auth", options->auth, modes, reterr);

		setup->is_token_wanted = setup->is_reachable || mode == 1;
		rc = mode < 0 ? mode : 0;
	}
	if (rc == 0) {
		rc = read_schedule(setup, options, reterr);
	}
	return rc == 0 ? make_guard(setup, options, reterr) : rc;
}

void setup_finish(struct setup *setup)
{
	guard_destroy(setup->guard);
	http_tls_forget();
}
