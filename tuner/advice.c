/* Asks the adviser of a strategy, whichever it has. */
#include "tuner/advice.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

static const struct advice_ops *const advisers[] = {
	[ADVISER_REMOTE] = &advice_remote,
	[ADVISER_SIGOPT] = &advice_sigopt,
};

struct advice *advice_ask(struct run *run, const struct trial *trial, advice_fn fn, void *arg)
{
	const struct advice_ops *ops = advisers[run->job->spec->strategy->adviser];
	struct advice *advice = mem_new(1, ops->size);

	*advice = (struct advice){.ops = ops, .run = run, .trial = trial, .fn = fn, .arg = arg};
	ops->ask(advice);
	return advice;
}

void advice_cancel(struct advice *advice)
{
	if (advice != NULL) {
		advice->ops->cancel(advice);
		free(advice);
	}
}

char *advice_key(const struct advice *advice, char *key)
{
	(void)snprintf(key, ADVICE_KEY_SIZE, "%s.%lld", advice->run->job->id,
		       (long long)advice->trial->number);
	return key;
}

void advice_end(struct advice *advice, const struct advice_result *result)
{
	advice->fn(advice->arg, result);
	free(advice);
}
