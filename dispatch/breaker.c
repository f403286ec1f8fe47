/* Counts failures in a row, and says when somebody may be asked again. */
#include "dispatch/breaker.h"

#include <stdio.h>

const char *const breaker_state_names[] = {
	[BREAKER_CLOSED] = "closed",
	[BREAKER_OPEN] = "open",
	[BREAKER_HALF_OPEN] = "half_open",
};

bool breaker_admits(const struct breaker *breaker)
{
	return breaker->state == BREAKER_CLOSED ||
	       (breaker->state == BREAKER_HALF_OPEN && !breaker->probing);
}

void breaker_enter(struct breaker *breaker)
{
	breaker->probing = breaker->state == BREAKER_HALF_OPEN;
}

void breaker_leave(struct breaker *breaker)
{
	breaker->probing = false;
}

bool breaker_answered(struct breaker *breaker)
{
	bool reopens = breaker->state != BREAKER_CLOSED;

	breaker->failures = 0;
	breaker->state = BREAKER_CLOSED;
	breaker->probing = false;
	return reopens;
}

bool breaker_failed(struct breaker *breaker, const char *error, int64_t now_ms)
{
	bool opens;

	breaker->failures++;
	breaker->failed_ms = now_ms;
	breaker->probing = false;
	(void)snprintf(breaker->error, sizeof(breaker->error), "%s", error);
	opens = breaker->state == BREAKER_CLOSED && breaker->failures >= BREAKER_LIMIT;
	if (opens) {
		breaker->opened_ms = now_ms;
	}
	if (opens || breaker->state == BREAKER_HALF_OPEN) {
		breaker->state = BREAKER_OPEN;
	}
	return opens;
}

void breaker_try(struct breaker *breaker)
{
	if (breaker->state == BREAKER_OPEN) {
		breaker->state = BREAKER_HALF_OPEN;
	}
}

int64_t breaker_down_ms(const struct breaker *breaker, int64_t now_ms)
{
	return breaker->state == BREAKER_CLOSED ? -1 : now_ms - breaker->opened_ms;
}
