/* Lets a pool thread work for a call, which waits for the thread as it waits for the store. */
#include "api/beside.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_budget.h"
#include "base/mem.h"

/* So much of trees or of text is not left to the allocator, which keeps it. */
enum {
	LARGE_OPERATORS = 2000,
	LARGE_TREES_BYTES = 1024 * 1024,
	LARGE_TEXT_BYTES = 4 * 1024 * 1024
};

struct beside {
	struct list node; /* in server->large */
	bool large;
	struct loop_job job;
	struct call *call;
	struct store_rows rows;
	beside_fn *work;
	call_fn *next;
	beside_make_fn *make;      /* instead of the two */
	struct answer_text answer; /* without a text when there is no memory for it */
};

/* Returns the bytes of the text. */
static size_t make_text(struct beside *beside)
{
	char *text = beside->make(beside->call, &beside->rows);
	size_t length = text != NULL ? strlen(text) : 0;

	if (text != NULL) {
		call_answer_make(&beside->answer, beside->call, 200, "application/json", text);
	}
	return length;
}

static void work(void *arg)
{
	struct beside *beside = arg;
	size_t made = json_budget_made(), text = 0;

	if (beside->make != NULL) {
		text = make_text(beside);
	} else {
		beside->work(beside->call, &beside->rows);
	}
	if (json_budget_made() - made > LARGE_TREES_BYTES || text > LARGE_TEXT_BYTES) {
		mem_give_back();
	}
}

static void reply(struct beside *beside)
{
	if (beside->answer.text != NULL) {
		call_reply_answer(beside->call, &beside->answer);
	} else if (beside->call->refusal != NULL) {
		call_fail(beside->call, beside->call->refusal);
	} else {
		call_error(beside->call, ERR_NO_MEMORY, "no memory for the answer");
	}
}

static void finish(struct beside *beside)
{
	store_rows_free(&beside->rows);
	call_unref(beside->call);
	free(beside);
}

static void done(void *arg);

/* The tree of a document is many times its text: of long ones one is made at a time. */
static void start_next(struct server *server)
{
	struct list *node;

	while (!server->large_at_work && (node = list_pop(&server->large)) != NULL) {
		struct beside *beside = list_entry(node, struct beside, node);

		if (beside->call->request == NULL) {
			finish(beside);
		} else if (!request_may_be_long(beside->call->request)) {
			request_add_header(beside->call->request, "Connection", "close");
			call_error(beside->call, ERR_OVERLOADED,
				   "too much waits to be read by other clients: try again later");
			finish(beside);
		} else {
			server->large_at_work = true;
			loop_work(server->loop, &beside->job, work, done, beside);
		}
	}
}

static void done(void *arg)
{
	struct beside *beside = arg;
	struct server *server = beside->call->server;
	bool large = beside->large;

	if (beside->make != NULL) {
		reply(beside);
	} else if (beside->call->request != NULL) {
		beside->next(beside->call);
	}
	finish(beside);
	if (large) {
		server->large_at_work = false;
		start_next(server);
	}
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
	beside->large = how->make != NULL &&
			(call->large_body ||
			 (call->spec != NULL && call->spec->space->op_count > LARGE_OPERATORS));
	if (beside->large) {
		list_append(&call->server->large, &beside->node);
		start_next(call->server);
	} else {
		loop_work(call->server->loop, &beside->job, work, done, beside);
	}
}

void beside_run(struct call *call, const struct store_rows *rows, beside_fn *beside_work,
		call_fn *next)
{
	const struct beside how = {.work = beside_work, .next = next};

	begin(call, rows, &how);
}

void beside_reply(struct call *call, const struct store_rows *rows, beside_make_fn *make)
{
	const struct beside how = {.make = make};

	begin(call, rows, &how);
}

void beside_refuse(struct call *call, const struct err *err)
{
	call->refusal = mem_new(1, sizeof(*err));
	*call->refusal = *err;
}
