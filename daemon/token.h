/*
 * narrowd token create|list|revoke: on a running daemon through its control socket, on a stopped one
 * in its data directory.
 */
#ifndef NARROWD_DAEMON_TOKEN_H
#define NARROWD_DAEMON_TOKEN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "daemon/options.h"

enum token_verb { TOKEN_NONE, TOKEN_CREATE, TOKEN_LIST, TOKEN_REVOKE };

struct token_command {
	enum token_verb verb;
	json_t *body;   /* of POST /v1/tokens; owned */
	const char *id; /* to be revoked */
};

/* Takes the command and its own options out of the arguments; settings stay. `verb` is TOKEN_NONE when
 * it is another command. 0 or -ERR_USAGE. */
int token_take(int *argc, char **argv, struct token_command *ret, struct err *reterr);
int token_run(const struct token_command *command, const struct settings *settings,
	      struct err *reterr);

#endif
