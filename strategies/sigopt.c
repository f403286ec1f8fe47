/* The strategy sigopt: a SigOpt server is the adviser. */
#include "strategies/advised.h"
#include "strategies/registry.h"

#include "base/limits.h"

/* Names as in INC, except for what a hosted service did not need. */
static const struct param params[] = {
	[ADVISED_URL] = {.name = "base_url",
			 .type = PARAM_TEXT,
			 .min = 1,
			 .max = LIMIT_URL_BYTES,
			 .help = "Where your SigOpt server listens, without \"/v1\".",
			 .required = true},
	[ADVISED_SECRET] = {.name = "sigopt_api_token",
			    .type = PARAM_TEXT,
			    .min = 1,
			    .max = LIMIT_NAME_BYTES,
			    .help = "The API token of a team; never shown again.",
			    .required = true,
			    .secret = true},
	[ADVISED_TIMEOUT] = {.name = "timeout_s",
			     .type = PARAM_REAL,
			     .fallback = 150,
			     .min = 0.001,
			     .max = 3600,
			     .help = "How long one request may take before it is tried again."},
	[SIGOPT_PROJECT] = {.name = "sigopt_project_id",
			    .type = PARAM_TEXT,
			    .min = 1,
			    .max = LIMIT_NAME_BYTES,
			    .help = "The reference id of the project, which must exist.",
			    .required = true},
	[SIGOPT_NAME] = {.name = "sigopt_experiment_name",
			 .type = PARAM_TEXT,
			 .min = 1,
			 .max = 100,
			 .text_fallback = "nc-tune",
			 .help = "What the experiment is called there."},
	[SIGOPT_FALLBACK] =
		{.name = "fallback",
		 .type = PARAM_BOOL,
		 .min = 0,
		 .max = 1,
		 .help = "Whether high precision and other modes are options too; INC's "
			 "has only the options of the default mode."},
	{.name = NULL},
};

const struct strategy_ops sigopt_strategy = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "sigopt",
	.summary = "Bayesian optimization by a SigOpt server: accuracy as constraint, objective "
		   "optimized.",
	.when = "When you run a SigOpt server and want its optimizer, or your experiments kept "
		"there.",
	.params = params,
	.in_order = true,
	.adviser = ADVISER_SIGOPT,
	.state_size = advised_state_size,
	.init = advised_init,
	.apply = advised_apply,
	.next = advised_next,
	.finish = advised_finish,
	.owes = advised_owes,
};
