/* Answers callers from the loop, never from inside their call. */
#include "tuner/reply.h"

#include <stdlib.h>

#include "base/mem.h"

/* A completion that needs no write: it still comes from the loop, never from inside the call. */
struct reply {
	struct loop_task task;
	tuner_done_fn done;
	void *arg;
	struct err err;
};

static void on_reply(void *arg)
{
	struct reply *reply = arg;

	reply->done(reply->arg, -(int)reply->err.code, &reply->err);
	free(reply);
}

void reply_later(struct tuner *tuner, const struct err *err, tuner_done_fn done, void *arg)
{
	struct reply *reply = mem_new(1, sizeof(*reply));

	reply->done = done;
	reply->arg = arg;
	reply->err = *err;
	io_defer(tuner->io, &reply->task, on_reply, reply);
}
