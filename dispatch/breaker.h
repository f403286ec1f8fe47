/*
 * A circuit breaker: whether somebody who is called over the network is well enough to be asked.
 *
 * It opens after BREAKER_LIMIT failures in a row that speak of whoever is called and not of the
 * question, and then nobody asks. From time to time it is half open: one question may go out, and
 * what becomes of that decides. Pure: what time it is comes with the calls.
 *
 *	closed --failures--> open --time--> half_open --answer--> closed
 *	                      ^-----------failure-----'
 */
#ifndef NARROWD_DISPATCH_BREAKER_H
#define NARROWD_DISPATCH_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { BREAKER_LIMIT = 5 };

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

extern const char *const breaker_state_names[];

/* Times are those of the caller's clock, in ms. */
struct breaker {
	enum breaker_state state;
	bool probing;                /* half open, and the one question is out */
	int64_t failures;            /* in a row */
	int64_t opened_ms;           /* when it opened; unless it is closed */
	int64_t failed_ms;           /* the last failure; 0: none yet */
	char error[ERR_MESSAGE_MAX]; /* of the last failure */
};

/* Whether one more question may go out. */
bool breaker_admits(const struct breaker *breaker);
/* One goes out. */
void breaker_enter(struct breaker *breaker);
/* One is over, whatever became of it. */
void breaker_leave(struct breaker *breaker);
/* True when it was not closed before: who waits may go on. */
bool breaker_answered(struct breaker *breaker);
/* True when it opens from closed. */
bool breaker_failed(struct breaker *breaker, const char *error, int64_t now_ms);
/* It has been open for long enough: one question may go out. */
void breaker_try(struct breaker *breaker);
/* For how long it has not been closed; -1 when it is. */
int64_t breaker_down_ms(const struct breaker *breaker, int64_t now_ms);

#endif
