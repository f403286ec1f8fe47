/*
 * The table of settings: what there is to be set, and how it is spelt; private to options_*.c.
 */
#ifndef NARROWD_DAEMON_OPTIONS_TABLE_H
#define NARROWD_DAEMON_OPTIONS_TABLE_H

#include "daemon/options.h"

enum option_type { OPTION_TEXT, OPTION_LIST, OPTION_INTEGER, OPTION_BOOL };

struct setting {
	const char *name; /* in the file; the flag has - for _, the environment NARROWD_NAME */
	enum option_type type;
	size_t offset; /* in struct settings */
	const char *fallback;
	int64_t min, max;
	const char *help;
};

enum { OPTIONS_MAX = 64 };

/* The one behind the last has no name. */
extern const struct setting options_table[OPTIONS_MAX];

/* Whether it can be changed while the daemon runs. */
bool options_is_live(const struct setting *option);
/* Its value as the file would have it; the caller frees. */
char *options_text(const struct settings *options, const struct setting *option);
/* The name as a flag ("--data-dir") or a variable ("NARROWD_DATA_DIR"); the caller frees. */
char *options_flag(const struct setting *option);
char *options_variable(const struct setting *option);

#endif
