/* What comes in under a lease; private to the tuner. */
#ifndef NARROWD_TUNER_LEASE_H
#define NARROWD_TUNER_LEASE_H

#include "tuner/parts.h"

/* What a sign of life is answered with. */
struct beat {
	bool go_on;
	int64_t expires_at_ms; /* wall clock */
	struct run *run;       /* whose log says why the work is to stop, or NULL */
};

/* A sign of life, perhaps with how far the measurement is. */
int lease_beat(struct tuner *tuner, const char *lease_id, json_t *body, struct beat *ret,
	       struct err *reterr);
/* who has the lease will not answer: {"reason", "detail"}. As lease_complete(). */
int lease_return(struct tuner *tuner, const char *lease_id, json_t *body, struct run **ret_run,
		 struct err *reterr);
/* records the answer to a leased question. `ret_run` is the job's run, or NULL. */
int lease_complete(struct tuner *tuner, const char *lease_id, json_t *body, struct run **ret_run,
		   struct err *reterr);
/* says through `done` what became of a lease that is not in force: 0 when `answer` is the one
 * that counted. `answer` is NULL for a sign of life. */
void lease_judge(struct tuner *tuner, const char *lease_id, json_t *answer, tuner_done_fn done,
		 void *arg);

#endif
