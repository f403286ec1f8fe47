/*
 * What the settings mean: whether they fit each other and this machine, and what is made of them.
 */
#ifndef NARROWD_DAEMON_SETUP_H
#define NARROWD_DAEMON_SETUP_H

#include "backends/guard.h"
#include "courier/schedule.h"
#include "daemon/faults.h"
#include "daemon/options.h"
#include "store/store.h"
#include "tuner/tuner.h"

struct setup {
	struct guard *guard;
	struct schedule schedule; /* of webhooks */
	bool is_reachable;        /* by other machines */
	bool is_token_wanted;     /* on loopback, too */
};

/* Also sets up the log and loads the certificate. setup_finish() in either case. */
void setup_check(struct setup *setup, const struct settings *options, struct faults *faults);
/* What a start would find in the folders that settings name. */
void setup_check_folders(const struct settings *options, struct faults *faults);
/* Where the store is, borrowed from the settings; this one writes or does not open it. */
struct store_options setup_store(const struct settings *options);
/* How much is logged, and in which form. */
void setup_log(const struct settings *options, struct faults *faults);
/* A guard as the settings say, owned by the caller; NULL with a fault. */
struct guard *setup_guard(const struct setup *setup, const struct settings *options,
			  struct faults *faults);
/* What can change while the daemon runs: whether it would fit. Returns the new guard, owned by the caller, or NULL. */
struct guard *setup_check_live(const struct setup *setup, const struct settings *options,
			       struct faults *faults);
/* Where secrets are that are named, as the settings or systemd say; borrowed, or NULL. */
const char *setup_secrets_directory(const struct settings *options);
/* What is kept, and what one owner may take. */
struct store_retention setup_retention(const struct settings *options);
struct quota_limits setup_quota(const struct settings *options);
void setup_finish(struct setup *setup);
/* The certificate and its key: both files, or neither. */
int setup_load_tls(const struct settings *options, struct err *reterr);

#endif
