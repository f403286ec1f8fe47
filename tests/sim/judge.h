/*
 * What must hold: a model of jobs, trials, leases and budgets of its own, kept from the events as they are committed
 * and from what goes over the wire, and compared with both. It knows nothing of the tuner but what docs/events.md and
 * docs/ say of its behaviour; what does not fit ends the world with broken().
 */
#ifndef NARROWD_TESTS_SIM_JUDGE_H
#define NARROWD_TESTS_SIM_JUDGE_H

#include "job/job.h"
#include "store/op.h"
#include "tests/sim/world.h"

struct judge *judge_create(struct world *world);
void judge_destroy(struct judge *judge);

/* The daemon hands something to the store; it is committed; it is refused. */
void judge_recorded(struct judge *judge, const struct op *op);
void judge_stored(struct judge *judge, const struct op *op);
void judge_refused(struct judge *judge, const struct op *op, const struct err *err);
/* The daemon begins another life. */
void judge_restarted(struct judge *judge);
/* inside.c: what must hold inside of the daemon, after every happening. */
void inside_check(struct world *world);

/* Somebody is asked: `document` is what came over the wire, `key` the idempotency key of a call, or NULL. */
void judge_asked(struct judge *judge, const json_t *document, const char *key);
/* How an attempt under this lease ends: whether it may be charged to its trial. An `answer` is one that a plain job can
 * use or cannot; one that wants more metrics judges it in its own way. */
void judge_expects(struct judge *judge, const char *lease, bool charged, bool answer);
/* Somebody was told that the lease holds until then, at least. */
void judge_promised(struct judge *judge, const char *lease, int64_t until_mono_ms);
/* ... that nobody needs what it measures. */
void judge_needless(struct judge *judge, const char *lease);
/* ... that it is over. */
void judge_gone(struct judge *judge, const char *lease);
/* Somebody was told that this answer counts, that this job exists, that it is over. */
void judge_counts(struct judge *judge, const char *lease);
void judge_submitted(struct judge *judge, const char *job);
void judge_cancelled(struct judge *judge, const char *job);
/* ... that so many trials from there on are measurements which were brought in. */
void judge_imported(const struct judge *judge, const char *job, int64_t first, int64_t count);

/* Jobs by number, in the order in which they came; NULL behind the last. */
const char *judge_job(const struct judge *judge, size_t number);
enum job_state judge_state(const struct judge *judge, const char *job);
int64_t judge_trials(const struct judge *judge, const char *job);
/* What its questions bring of evaluator_args, borrowed. */
json_t *judge_args(const struct judge *judge, const char *job);
int64_t judge_operators(const struct judge *judge, const char *job);
bool judge_all_over(const struct judge *judge);
/* All is over: the log, the documents and the model say the same. */
void judge_end(struct judge *judge);

/* again.c: the log of this job replays, and its strategy asks again what it asked. */
void again_check(struct world *world, const char *job);

#endif
