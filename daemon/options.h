/*
 * Settings: one table says for each its name, type, default, environment variable, flag and help.
 * Flags win over the environment, which wins over the file.
 */
#ifndef NARROWD_DAEMON_OPTIONS_H
#define NARROWD_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "daemon/faults.h"

enum { OPTIONS_LIST_MAX = 32 };

/* A list of texts, NULL-terminated; owned. */
struct option_list {
	char *items[OPTIONS_LIST_MAX + 1];
	size_t count;
};

struct settings {
	struct option_list listen;
	struct option_list evaluator_allow;
	struct option_list allowed_hosts;
	struct option_list webhook_schedule_s;
	char *data_dir;
	char *plugin_dir;         /* "" means: no plug-ins */
	char *data;               /* "" means: no log elsewhere */
	char *key_file;           /* "" means: narrowd.key in data_dir */
	char *secrets_dir;        /* "" means: systemd's, if there is one */
	char *evaluator_policy;   /* "" means: by the listeners */
	char *auth;               /* auto or always */
	char *tls_cert, *tls_key; /* files; "" means: no TLS */
	bool allow_cleartext;
	char *callback_url; /* "" means: the first listener's */
	char *advertise;    /* "" means: that of a listener, if it can be */
	char *peer_ca;      /* file; "" means: the system's */
	int64_t takeover_s;
	char *log_format, *log_level;
	char *access_log; /* "" means: none */
	int64_t drain_timeout_s;
	int64_t idle_exit_s; /* 0: it stays */
	int64_t lease_ttl_s;
	int64_t evaluator_probe_s, evaluator_down_s;
	int64_t webhook_timeout_s;
	int64_t max_connections, max_connections_per_ip;
	int64_t quota_open_jobs, quota_open_bytes, quota_submits_per_s, quota_trials_per_day;
	int64_t retain_days, retain_jobs, retain_bytes, retain_deliveries_days;
	int64_t database_max_bytes;
	int64_t snapshot_operations;
	bool unsafe_sync;
	const char *file; /* they came from, borrowed; or NULL */
	int argc;         /* likewise */
	char **argv;
};

/* Reads file, environment and flags (argv without subcommand, borrowed). ERR_USAGE or ERR_CONFIG. */
void options_read(struct settings *options, int argc, char **argv, struct faults *faults);
/* Reads all of it again, has it checked, and takes over what can change while the daemon runs; logs what was changed and
 * what needs a restart. With a fault nothing is taken over. */
bool options_reload(struct settings *options,
		    void (*check)(void *arg, const struct settings *fresh, struct faults *faults),
		    void *arg, struct faults *faults);
void options_finish(struct settings *options);
void options_help(FILE *out);
/* A file with every setting as a comment. */
void options_example(FILE *out);
/* "name = value" lines. */
void options_print(const struct settings *options, FILE *out);
/* {"items": [{"name", "value", "default", "env", "flag", "help"}], "next": null}; caller frees. */
char *options_json(const struct settings *options);

#endif
