/* The rows of the table of settings, and the spellings of their names. */
#include "daemon/options_table.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

#define AT(member) offsetof(struct settings, member)

const struct setting options_table[OPTIONS_MAX] = {
	{"listen", OPTION_LIST, AT(listen), "127.0.0.1:8585 [::1]:8585", 0, 0,
	 "ADDR:PORT or unix:PATH to listen on; repeatable; port 0 picks one"},
	{"data_dir", OPTION_TEXT, AT(data_dir), "", 0, 0,
	 "directory of the database (default: $STATE_DIRECTORY, $XDG_STATE_HOME/narrowd)"},
	{"data", OPTION_TEXT, AT(data), "", 0, 0,
	 "postgresql://... of the database that holds the log of which data_dir is a replica "
	 "(default: data_dir holds "
	 "all there is)"},
	{"plugin_dir", OPTION_TEXT, AT(plugin_dir), "", 0, 0,
	 "directory of strategies as plug-ins, loaded at start-up (default: none)"},
	{"secrets_dir", OPTION_TEXT, AT(secrets_dir), "", 0, 0,
	 "directory of secrets that evaluators are registered with by name (default: "
	 "$CREDENTIALS_DIRECTORY)"},
	{"key_file", OPTION_TEXT, AT(key_file), "", 0, 0,
	 "key that secrets in the database are sealed with, made when there is none yet (default: "
	 "narrowd.key in data_dir)"},
	{"evaluator_policy", OPTION_TEXT, AT(evaluator_policy), "", 0, 0,
	 "lan, public, allowlist, registered or off: which addresses may be called "
	 "(default: lan on loopback, else allowlist)"},
	{"evaluator_allow", OPTION_LIST, AT(evaluator_allow), "", 0, 0,
	 "CIDR[:PORTS] or NAME-GLOB[:PORTS] that may be called; repeatable"},
	{"allowed_hosts", OPTION_LIST, AT(allowed_hosts), "", 0, 0,
	 "Host names taken on loopback besides its own; repeatable"},
	{"auth", OPTION_TEXT, AT(auth), "auto", 0, 0,
	 "auto or always: whether loopback needs a token, too"},
	{"tls_cert", OPTION_TEXT, AT(tls_cert), "", 0, 0,
	 "certificate of listeners beyond loopback, PEM, with those that lead to its authority"},
	{"tls_key", OPTION_TEXT, AT(tls_key), "", 0, 0,
	 "its private key, PEM; both files are read again on SIGHUP"},
	{"allow_cleartext", OPTION_BOOL, AT(allow_cleartext), "false", 0, 0,
	 "let listeners beyond loopback do without TLS: tokens can be read on the way"},
	{"callback_url", OPTION_TEXT, AT(callback_url), "", 0, 0,
	 "where evaluators reach this daemon (default: the first listener)"},
	{"advertise", OPTION_TEXT, AT(advertise), "", 0, 0,
	 "URL where other daemons of the same PostgreSQL database reach this one (default: the "
	 "first listener with an address of its own)"},
	{"peer_ca", OPTION_TEXT, AT(peer_ca), "", 0, 0,
	 "certificates, PEM, of the authorities that vouch for other daemons (default: the "
	 "system's)"},
	{"takeover_s", OPTION_INTEGER, AT(takeover_s), "15", 3, 3600,
	 "seconds of silence after which another daemon of the same database takes this one's "
	 "place"},
	{"log_format", OPTION_TEXT, AT(log_format), "json", 0, 0, "json or text"},
	{"log_level", OPTION_TEXT, AT(log_level), "info", 0, 0, "error, warning, info or debug"},
	{"access_log", OPTION_TEXT, AT(access_log), "", 0, 0,
	 "file that gets a JSON line for each request, - for standard error; opened anew on "
	 "SIGHUP"},
	{"drain_timeout_s", OPTION_INTEGER, AT(drain_timeout_s), "30", 0, 3600,
	 "seconds that open questions get to be answered when stopping"},
	{"idle_exit_s", OPTION_INTEGER, AT(idle_exit_s), "0", 0, 31536000,
	 "seconds without a client and without a question to an evaluator after which it ends; 0: "
	 "it "
	 "stays"},
	{"lease_ttl_s", OPTION_INTEGER, AT(lease_ttl_s), "60", 5, 3600,
	 "seconds between heartbeats after which an accepted question is asked again"},
	{"evaluator_probe_s", OPTION_INTEGER, AT(evaluator_probe_s), "30", 1, 3600,
	 "seconds between the questions to an evaluator that is down"},
	{"evaluator_down_s", OPTION_INTEGER, AT(evaluator_down_s), "600", 0, 31536000,
	 "seconds that jobs wait for an evaluator that is down before they fail; 0: for ever"},
	{"webhook_timeout_s", OPTION_INTEGER, AT(webhook_timeout_s), "15", 1, 300,
	 "seconds that the receiver of a webhook gets to answer"},
	{"webhook_schedule_s", OPTION_LIST, AT(webhook_schedule_s),
	 "5 300 1800 7200 18000 36000 50400 72000 86400", 0, 0,
	 "seconds to wait after each delivery that failed, before it is given up"},
	{"max_connections", OPTION_INTEGER, AT(max_connections), "1024", 16, 65536,
	 "HTTP connections at once"},
	{"max_connections_per_ip", OPTION_INTEGER, AT(max_connections_per_ip), "64", 1, 65536,
	 "... of one address beyond loopback: more for a load balancer, or a daemon that hands on"},
	{"quota_open_jobs", OPTION_INTEGER, AT(quota_open_jobs), "50", 0, 1000000,
	 "jobs that one owner may have open; 0: any number; admins have no quotas"},
	{"quota_open_bytes", OPTION_INTEGER, AT(quota_open_bytes), "67108864", 0, INT64_MAX,
	 "bytes of their bodies, capabilities and told scores; 0: any number"},
	{"quota_submits_per_s", OPTION_INTEGER, AT(quota_submits_per_s), "10", 0, 1000000,
	 "submissions of one owner a second, five times as many at once; 0: any number"},
	{"quota_trials_per_day", OPTION_INTEGER, AT(quota_trials_per_day), "100000", 0, INT64_MAX,
	 "questions about configs of one owner in 24 hours, after which it submits no more; 0: any "
	 "number"},
	{"retain_days", OPTION_INTEGER, AT(retain_days), "0", 0, 36500,
	 "days that jobs are kept after their end, with all that is known of them; 0: for ever; "
	 "label keep=true keeps one in any case"},
	{"retain_jobs", OPTION_INTEGER, AT(retain_jobs), "0", 0, 100000000,
	 "jobs of one owner that are kept when they have ended, the newest; 0: any number"},
	{"retain_bytes", OPTION_INTEGER, AT(retain_bytes), "0", 0, INT64_MAX,
	 "bytes in the database above which the jobs that ended first are deleted; 0: any number"},
	{"retain_deliveries_days", OPTION_INTEGER, AT(retain_deliveries_days), "30", 0, 36500,
	 "days that webhooks' deliveries are listed when they are over; 0: as long as their job"},
	{"database_max_bytes", OPTION_INTEGER, AT(database_max_bytes), "4294967296", 0, INT64_MAX,
	 "size of the database at which it counts as full; 0: as large as the disk"},
	{"snapshot_operations", OPTION_INTEGER, AT(snapshot_operations), "100000", 0, INT64_MAX,
	 "operations that PostgreSQL's log grows by at least before a snapshot takes the place of "
	 "its beginning; 0: it only grows"},
	{"unsafe_sync", OPTION_BOOL, AT(unsafe_sync), "false", 0, 0,
	 "let a power loss take the last commits, for speed"},
};

bool options_is_live(const struct setting *option)
{
	static const char *const live[] = {
		"evaluator_policy",
		"evaluator_allow",
		"log_format",
		"log_level",
		"drain_timeout_s",
		"quota_open_jobs",
		"quota_open_bytes",
		"quota_submits_per_s",
		"quota_trials_per_day",
		"retain_days",
		"retain_jobs",
		"retain_bytes",
		"retain_deliveries_days",
	};

	for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++) {
		if (strcmp(live[i], option->name) == 0) {
			return true;
		}
	}
	return false;
}

static int dashed(int c)
{
	return c == '_' ? '-' : c;
}

static char *spell(const char *prefix, const char *setting, int (*map)(int))
{
	char *name = mem_printf("%s%s", prefix, setting);

	for (char *c = name; *c != '\0'; c++) {
		*c = (char)map((unsigned char)*c);
	}
	return name;
}

char *options_flag(const struct setting *option)
{
	return spell("--", option->name, dashed);
}

char *options_variable(const struct setting *option)
{
	return spell("NARROWD_", option->name, toupper);
}
