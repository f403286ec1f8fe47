/* Routes about what a job has found: its space, its best, its Pareto front, sensitivities. */
#include "api/beside.h"
#include "api/front.h"
#include "api/outcome.h"
#include "api/resources.h"
#include "api/tolerance.h"

#include <stdlib.h>

#include "base/buf.h"
#include "job/spec/codec_space.h"
#include "tuner/sensitivity.h"

static char *make_space(struct call *call, const struct store_rows *rows)
{
	struct buf text;

	(void)rows;
	buf_init_long(&text, SIZE_MAX / 2);
	codec_space_write(call->spec, &text);
	buf_add(&text, "}", 1);
	return buf_take_whole(&text);
}

static void reply_space(struct call *call)
{
	beside_reply(call, NULL, make_space);
}

static void space(struct call *call, const struct store_rows *rows)
{
	document_with_spec(call, rows, reply_space);
}

void results_space(struct call *call)
{
	document_of_space(call, space);
}

static char *make_best(struct call *call, const struct store_rows *rows)
{
	return outcome_best(call->state, rows);
}

static void on_best_trial(struct call *call, const struct store_rows *rows)
{
	if (!call_found(call, rows, "job")) {
		return;
	}
	beside_reply(call, rows, make_best);
}

static void read_best(struct call *call)
{
	struct outcome *outcome = call->state;
	bool asked = request_query(call->request, "tolerable_loss") != NULL;

	if (asked) {
		outcome->criterion = outcome->spec->criterion;
	}
	if (asked && !tolerance_is_own(call)) {
		tolerance_reply(call);
	} else if (!outcome_read_best(call, on_best_trial)) {
		outcome_no_best(call);
	}
}

static void best(struct call *call, const struct store_rows *rows)
{
	outcome_keep(call, rows, read_best);
}

void results_best(struct call *call)
{
	document_of_space(call, best);
}

static char *make_front(struct call *call, const struct store_rows *rows)
{
	return front_text(call->state, rows);
}

static void on_told(struct call *call, const struct store_rows *rows)
{
	beside_reply(call, rows, make_front);
}

static void read_told(struct call *call)
{
	call_find(call, QUERY_TOLD, on_told);
}

static void pareto(struct call *call, const struct store_rows *rows)
{
	outcome_keep(call, rows, read_told);
}

void results_pareto(struct call *call)
{
	document_of_space(call, pareto);
}

/* Fits models, and is long with many operators. */
static char *make_sensitivity(struct call *call, const struct store_rows *rows)
{
	const struct outcome *outcome = call->state;
	struct sensitivity *sensitivity =
		sensitivity_create(outcome->spec, json_object_get(outcome->job, "baseline"), rows);
	char *text;

	sensitivity_learn(sensitivity);
	text = sensitivity_text(sensitivity);
	sensitivity_destroy(sensitivity);
	return text;
}

static void on_answered(struct call *call, const struct store_rows *rows)
{
	beside_reply(call, rows, make_sensitivity);
}

static void read_answered(struct call *call)
{
	call_find(call, QUERY_ANSWERED, on_answered);
}

static void sensitivity(struct call *call, const struct store_rows *rows)
{
	outcome_keep(call, rows, read_answered);
}

void results_sensitivity(struct call *call)
{
	document_of_space(call, sensitivity);
}
