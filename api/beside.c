/* A call waits for a thread of the pool as it waits for the store. */
#include "api/beside.h"

#include <stdlib.h>

#include "base/mem.h"

struct beside {
	struct loop_job job;
	struct call *call;
	struct store_rows rows;
	beside_fn *work;
	call_fn *next;
	beside_make_fn *make; /* instead of the two */
	char *text;
};

static void work(void *arg)
{
	struct beside *beside = arg;
	json_t *document;

	if (beside->make == NULL) {
		beside->work(beside->call, &beside->rows);
		return;
	}
	document = beside->make(beside->call, &beside->rows);
	beside->text = json_text(document);
	json_decref(document);
}

static void reply(struct beside *beside)
{
	if (beside->text != NULL) {
		call_reply_text(beside->call, 200, "application/json", beside->text);
	} else {
		call_error(beside->call, ERR_NO_MEMORY, "no memory for the answer");
	}
}

static void done(void *arg)
{
	struct beside *beside = arg;

	if (beside->make != NULL) {
		reply(beside);
	} else if (beside->call->request != NULL) {
		beside->next(beside->call);
	}
	store_rows_free(&beside->rows);
	call_unref(beside->call);
	free(beside);
}

static void begin(struct call *call, const struct store_rows *rows, const struct beside *how)
{
	struct beside *beside = mem_new(1, sizeof(*beside));

	*beside = *how;
	beside->call = call;
	if (rows != NULL) {
		store_rows_take(rows, &beside->rows);
	}
	call_ref(call);
	loop_work(call->server->loop, &beside->job, work, done, beside);
}

void beside_run(struct call *call, const struct store_rows *rows, beside_fn *fn, call_fn *next)
{
	const struct beside how = {.work = fn, .next = next};

	begin(call, rows, &how);
}

void beside_reply(struct call *call, const struct store_rows *rows, beside_make_fn *make)
{
	const struct beside how = {.make = make};

	begin(call, rows, &how);
}
