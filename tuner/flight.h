/*
 * Flights: who has a question; private to the tuner. What goes out is launch.h's, what comes back landing.h's and attempt.h's.
 */
#ifndef NARROWD_TUNER_FLIGHT_H
#define NARROWD_TUNER_FLIGHT_H

#include "tuner/parts.h"

struct flight *flight_find(const struct run *run, const struct trial *trial);
/* The flight under this lease, or NULL when the lease is not in force. */
struct flight *flight_of_lease(const struct tuner *tuner, const char *lease);
/* Whether workers answer it; whether the strategy's adviser does; whether another evaluator could have been asked. */
bool flight_is_pooled(const struct flight *flight);
bool flight_is_advice(const struct flight *flight);
bool flight_has_choice(const struct flight *flight);
/* Whether whoever made the job said what its baseline is, and nobody is asked. */
bool flight_is_known(const struct flight *flight);
/* Its answer came and could be used or not: for /metrics. Nothing where nobody was asked. */
void flight_note_time(const struct flight *flight, bool fine);
/* Who is asked. */
const struct target *flight_target(const struct flight *flight);
/* The name of who has it or had it: a worker's, or an evaluator's id or URL. NULL when nobody has. Borrowed. */
const char *flight_who(const struct flight *flight);
/* What is to be said of it, with that name where there are several who could have had it. The caller frees. */
char *flight_named(const struct flight *flight, const char *error);
/* Takes the flight down; its place becomes free. */
void flight_end(struct flight *flight);
void flight_end_all(struct run *run);
/* Records a lease, for so long; `more` says who has it; taken over. */
void flight_lease(struct flight *flight, int64_t ttl_ms, json_t *more);
/* The same for a worker that came. It does not run out before flight_hand_over(). */
void flight_grant(struct flight *flight, const char *worker, int64_t ttl_ms);
/* From now on the lease lasts `ttl_ms`. */
void flight_extend(struct flight *flight, int64_t ttl_ms);
/* A worker that was granted one is told of it now. Where the store took a second or more it lasts from now;
 * returns whether that is so. */
bool flight_hand_over(struct flight *flight);
/* That of a worker lasts as it wished from now on, and it is at work until then. */
void flight_renew(struct flight *flight);
/* The attempt, which began then (wall clock), is given up in time. */
void flight_limit(struct flight *flight, int64_t since_ms);
/* Whoever has it will not answer: the question goes back, and that was no attempt. `data` says why; taken over. The run
 * is to be woken. */
void flight_give_back(struct flight *flight, json_t *data);

#endif
