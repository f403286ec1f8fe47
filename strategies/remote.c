/* The strategy remote: a program of the user's is the adviser, asked over HTTP. */
#include "strategies/advised.h"
#include "strategies/registry.h"

#include "base/limits.h"

static const struct param params[] = {
	[ADVISED_URL] = {.name = "url",
			 .type = PARAM_TEXT,
			 .min = 1,
			 .max = LIMIT_URL_BYTES,
			 .help = "Where your strategy listens: it is asked at URL/begin, URL/next, "
				 "URL/observe.",
			 .required = true},
	[ADVISED_SECRET] = {.name = "secret",
			    .type = PARAM_TEXT,
			    .min = 1,
			    .max = LIMIT_NAME_BYTES,
			    .help = "Signs every request (Standard Webhooks): \"whsec_\" and 24 to "
				    "64 bytes in "
				    "base64.",
			    .secret = true},
	[ADVISED_TIMEOUT] = {.name = "timeout_s",
			     .type = PARAM_REAL,
			     .fallback = 60,
			     .min = 0.001,
			     .max = 86400,
			     .help = "How long it may think about one question; then the question "
				     "is put again."},
	{.name = NULL},
};

const struct strategy_ops remote_strategy = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "remote",
	.summary = "Your own strategy: a program that says over HTTP which config to try next.",
	.when = "When you search in your own way, in any language, and want the rest to be done.",
	.params = params,
	.in_order = true,
	.adviser = ADVISER_REMOTE,
	.state_size = advised_state_size,
	.init = advised_init,
	.apply = advised_apply,
	.next = advised_next,
	.finish = advised_finish,
	.owes = advised_owes,
};
