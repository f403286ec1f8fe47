/* Makes a job body ready to be submitted. */
#include "tuner/parts.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/query.h"
#include "job/spec/spec_adviser.h"
#include "tuner/prepared.h"
#include "tuner/wire.h"

/*
 * A job body becomes a prepared job in up to four steps: look the evaluator up when it is named
 * by id, put its URL to the guard, ask it for its capability when the body brings none, read what
 * the job to start warm from has found. The user hears of every fault at submission, whichever step
 * finds it, and what is stored never needs asking again.
 */
struct preparation {
	struct tuner *tuner;
	struct prepared *prepared;
	json_t *documents; /* of those that could be read by now; owned */
	bool several, dry, newer_rules;
	char only[LIMIT_OWNER_BYTES + 1]; /* whose things it may use; "": everybody's */
	struct target
		*targets; /* one for each that is named, as far as they could be read; owned */
	size_t target_count;
	size_t next; /* of the named ones */
	struct endpoint endpoint;
	struct store_query_call *query;
	struct endpoint_call *call;
	struct loop_task task;
	struct loop_job job;    /* a pool thread makes the spec, or reads another job's ... */
	struct store_rows rows; /* ... from these */
	bool away;
	atomic_bool unwanted; /* ... which nobody waits for any more */
	struct err err;
	tuner_prepared_fn fn;
	void *arg;
};

static void release_documents(struct preparation *p)
{
	spec_targets_destroy(p->targets, p->target_count);
	json_decref(p->documents);
	p->targets = NULL;
	p->target_count = 0;
	p->documents = NULL;
}

void tuner_prepare_cancel(struct preparation *p)
{
	if (p == NULL) {
		return;
	}
	if (p->away) {
		atomic_store(&p->unwanted, true);
		return;
	}
	if (p->query != NULL) {
		p->tuner->io->query_cancel(p->tuner->io->world, p->query);
	}
	if (p->call != NULL) {
		p->tuner->io->cancel_call(p->tuner->io->world, p->call);
	}
	io_cancel(p->tuner->io, &p->task);
	release_documents(p);
	store_rows_free(&p->rows);
	prepared_destroy(p->prepared);
	free(p);
}

/*
 * The prepared job shares values with the documents it was made of, and who gets it may hand it to another
 * thread at once: the documents are let go of before.
 */
static void deliver(void *arg)
{
	struct preparation *p = arg;
	struct prepared *prepared = p->err.code == ERR_OK ? p->prepared : NULL;

	release_documents(p);
	if (prepared != NULL) {
		p->prepared = NULL;
	}
	p->fn(p->arg, prepared, &p->err);
	tuner_prepare_cancel(p);
}

static void finish_later(struct preparation *p)
{
	io_defer(p->tuner->io, &p->task, deliver, p);
}

static struct store_value only_value(const struct preparation *p)
{
	bool all = p->only[0] == '\0';

	return (struct store_value){.text = all ? NULL : p->only, .is_null = all};
}

/* `next` goes on with what a pool thread made of the rows. */
static void read_apart(struct preparation *p, int rc, const struct store_rows *rows,
		       const struct err *err, loop_fn work, loop_fn next)
{
	p->query = NULL;
	if (rc != 0) {
		(void)err_set(&p->err, err->code, "%s", err->message);
		finish_later(p);
		return;
	}
	p->away = true;
	store_rows_free(&p->rows);
	store_rows_take(rows, &p->rows);
	io_work(p->tuner->io, &p->job, work, next, p);
}

/* False when the preparation is gone. */
static bool is_back(struct preparation *p)
{
	p->away = false;
	if (atomic_load(&p->unwanted)) {
		tuner_prepare_cancel(p);
		return false;
	}
	return true;
}

static void work_history(void *arg)
{
	struct preparation *p = arg;

	prepared_remember(p->prepared, &p->rows);
	prepared_write(p->prepared);
}

static void after_history(void *arg)
{
	struct preparation *p = arg;

	if (is_back(p)) {
		finish_later(p);
	}
}

static void on_history(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	read_apart(arg, rc, rows, err, work_history, after_history);
}

static void work_source(void *arg)
{
	struct preparation *p = arg;
	const struct store_rows *rows = &p->rows;
	struct err why;
	struct spec *source =
		rows->count > 0
			? spec_load(rows->cells[JOB_SPEC], rows->cells[JOB_CAPABILITY],
				    rows->cells[JOB_EVALUATOR], rows->cells[JOB_MATCHED], &why)
			: NULL;
	char *difference;

	if (source == NULL || spec_check_space(source, rows->cells[JOB_SPACE], &why) != 0) {
		(void)err_fault(&p->err, "/warm_start/job", "%s",
				rows->count > 0 ? "the job cannot be read any more"
						: "no job has this id");
		spec_destroy(source);
		return;
	}
	difference = p->prepared->spec->space != NULL
			     ? space_difference(source->space, p->prepared->spec->space)
			     : NULL;
	if (difference != NULL) {
		(void)err_fault(&p->err, "/warm_start/job",
				"its tuning space is not this job's: %s", difference);
	}
	prepared_take_baseline(p->prepared, rows->cells[JOB_DOCUMENT]);
	free(difference);
	spec_destroy(source);
}

static void after_source(void *arg)
{
	struct preparation *p = arg;
	struct store_value id = {.text = p->prepared->spec->warm_start};

	if (!is_back(p)) {
		return;
	}
	if (p->err.code != ERR_OK) {
		finish_later(p);
		return;
	}
	p->query = p->tuner->io->query(p->tuner->io->world, QUERY_ANSWERED, &id, 1, on_history, p);
}

static void on_source(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	read_apart(arg, rc, rows, err, work_source, after_source);
}

static void work_spec(void *arg)
{
	struct preparation *p = arg;
	struct prepared *prepared = p->prepared;

	prepared_look(p->tuner->io, prepared, &p->unwanted);
	if (atomic_load(&p->unwanted)) {
		return;
	}
	prepared->spec =
		spec_draft(prepared->body, prepared->capability, prepared->target, &p->err);
	if (p->err.code != ERR_OK) {
		return;
	}
	if (p->newer_rules) {
		space_note(prepared->spec->space, "/rules",
			   "the job was cloned from one under older rules and follows the newest: "
			   "its space, defaults and judgements may differ");
	}
	if (!p->dry && prepared->spec->warm_start == NULL) {
		prepared_write(prepared);
	}
}

static void after_spec(void *arg)
{
	struct preparation *p = arg;
	struct store_value values[] = {{0}, only_value(p)};
	struct spec *spec = p->prepared->spec;

	if (!is_back(p)) {
		return;
	}
	(void)spec_adviser_check(spec, p->tuner->options.guard, &p->err);
	if (spec->warm_start == NULL) {
		finish_later(p);
		return;
	}
	values[0].text = spec->warm_start;
	p->query = p->tuner->io->query(p->tuner->io->world, QUERY_JOB, values, 2, on_source, p);
}

/* Reading a job of many operators, and matching their names, takes a while. */
static void make_spec(struct preparation *p)
{
	p->away = true;
	io_work(p->tuner->io, &p->job, work_spec, after_spec, p);
}

static void on_capability(void *arg, json_t *capability, const struct err *err)
{
	struct preparation *p = arg;

	p->call = NULL;
	if (capability == NULL) {
		(void)err_fault(&p->err, "/evaluator",
				"the job has no capability and the evaluator gave none: %s",
				err->message);
	} else {
		p->prepared->capability = json_incref(capability);
	}
	make_spec(p);
}

static struct json_at evaluator_at(struct preparation *p, const struct json_at *all, size_t index)
{
	return p->several ? json_item(all, index) : *all;
}

/* A pool is named alone, an evaluator once, and all that is said of one can be used. */
static void check_target(struct preparation *p, const struct json_at *at, size_t index)
{
	const struct guard *guard = p->tuner->options.guard;
	const struct target *target = &p->targets[index];
	struct json_at pool = json_member(at, "pool");
	struct json_at url = json_member(at, "url");
	struct guard_url checked;
	struct err why;

	if (target->pool != NULL && p->several) {
		(void)json_fault(&pool, "a pool is named alone: all of its workers are asked");
	}
	if (target->url == NULL) {
		return;
	}
	for (size_t i = 0; i < index; i++) {
		if (p->targets[i].url != NULL && strcmp(p->targets[i].url, target->url) == 0) {
			(void)json_fault(at, "the same evaluator is named twice");
			return;
		}
	}
	wire_check(at, target);
	if (guard != NULL && guard_check_url(guard, target->url, &checked, &why) != 0) {
		(void)json_fault(&url, "%s", why.message);
		p->err.code = p->err.fault_count == 1 ? why.code : p->err.code;
	}
}

static void ask_capability(struct preparation *p)
{
	const struct target *first = &p->targets[0];
	struct wire keep;

	if (first->pool != NULL) {
		(void)err_fault(&p->err, "/capability",
				"a pool of workers cannot be asked for it: give the capability");
		make_spec(p);
		return;
	}
	if (wire_endpoint(first, &keep, &p->endpoint, &p->err) != 0) {
		finish_later(p);
	} else {
		p->call = p->tuner->io->capability(p->tuner->io->world, &p->endpoint, on_capability,
						   p);
	}
	wire_forget(&keep, &p->endpoint);
}

static bool has_capability(const struct preparation *p)
{
	const json_t *capability = json_object_get(p->prepared->body, "capability");

	return capability != NULL && !json_is_null(capability);
}

/* Every evaluator that is named is known, or is a fault. */
static void with_targets(struct preparation *p)
{
	json_t *body = p->prepared->body;

	if (p->err.code == ERR_OK && p->target_count > 0) {
		p->prepared->target = spec_targets_document(p->documents, p->several);
	}
	if (has_capability(p)) {
		p->prepared->capability = json_incref(json_object_get(body, "capability"));
	} else if (p->err.code == ERR_OK) {
		ask_capability(p);
		return;
	}
	make_spec(p);
}

static bool is_shared(const struct store_rows *rows)
{
	json_t *document = json_loads(rows->cells[0], 0, NULL);
	bool shared = json_is_true(json_object_get(document, "shared"));

	json_decref(document);
	return shared;
}

/* Whether no other evaluators may be asked than those for which an admin stands. */
static bool takes_shared_alone(const struct preparation *p)
{
	const struct guard *guard = p->tuner->options.guard;

	return guard != NULL && guard_policy_of(guard) == GUARD_REGISTERED;
}

static void next_target(struct preparation *p);

static void add_target(struct preparation *p, const struct json_at *at, size_t index)
{
	spec_target_read(at, &p->targets[index]);
	check_target(p, at, index);
	(void)json_array_append(p->documents, at->value);
}

static void on_evaluator(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct preparation *p = arg;
	struct json_at body = json_root(p->prepared->body, &p->err);
	struct json_at all = json_member(&body, "evaluator");
	struct json_at at = evaluator_at(p, &all, p->next - 1);
	struct json_at id = json_member(&at, "id");

	p->query = NULL;
	if (rc != 0) {
		(void)err_set(&p->err, err->code, "%s", err->message);
		finish_later(p);
		return;
	}
	if (rows->count == 0) {
		(void)json_fault(&id, "no evaluator has this id; see /v1/evaluators");
	} else if (takes_shared_alone(p) && !is_shared(rows)) {
		(void)json_fault(&id, "only evaluators that an admin shares are allowed here");
	} else {
		json_t *document = prepared_registered(rows);

		at.value = document;
		add_target(p, &at, p->next - 1);
		json_decref(document);
	}
	next_target(p);
}

/* What measures disturbs itself unless its owner knows otherwise; before rules 2 four at once were the default, and
 * still are for whom it was never said. New reference. */
static json_t *inline_document(const struct preparation *p, json_t *given)
{
	const json_t *rules = json_object_get(p->prepared->body, "rules");
	json_t *document = json_copy(given);

	if (json_object_get(document, "url") != NULL && json_object_get(document, "pool") == NULL &&
	    json_object_get(document, "max_concurrency") == NULL &&
	    (!json_is_integer(rules) || json_integer_value(rules) >= 2)) {
		(void)json_object_set_new(document, "max_concurrency", json_integer(1));
	}
	return document;
}

/* One that is named by its id is looked up, which goes on later; others say all themselves. */
static void find_target(struct preparation *p, const struct json_at *at, size_t index)
{
	static const char *const id_only[] = {"id", NULL};
	struct json_at id = json_member(at, "id");
	struct store_value values[] = {{0}, only_value(p)};

	if (!json_is_object_at(at)) {
		return;
	}
	if (id.value != NULL) {
		json_only(at, id_only);
		values[0].text = json_string_in(&id, NULL, ID_SIZE);
		if (values[0].text != NULL) {
			p->query = p->tuner->io->query(p->tuner->io->world, QUERY_EVALUATOR, values,
						       2, on_evaluator, p);
		}
	} else if (json_object_get(at->value, "pool") == NULL && takes_shared_alone(p)) {
		(void)json_fault(at, "only registered evaluators are allowed here: give an \"id\"");
	} else {
		struct json_at known = *at;

		known.value = inline_document(p, at->value);
		add_target(p, &known, index);
		json_decref(known.value);
	}
}

static void next_target(struct preparation *p)
{
	struct json_at body = json_root(p->prepared->body, &p->err);
	struct json_at all = json_member(&body, "evaluator");

	while (p->query == NULL && p->next < p->target_count) {
		size_t index = p->next++;
		struct json_at at = evaluator_at(p, &all, index);

		find_target(p, &at, index);
	}
	if (p->query == NULL) {
		with_targets(p);
	}
}

static void find_targets(struct preparation *p)
{
	struct json_at body = json_root(p->prepared->body, &p->err);
	struct json_at at = json_member(&body, "evaluator");

	p->several = json_is_array(at.value);
	p->documents = json_array();
	p->target_count = at.value != NULL ? 1 : 0;
	if (at.value == NULL && !(p->dry && has_capability(p))) {
		(void)json_required(&at);
	}
	if (p->several) {
		p->target_count =
			json_is_array_at(&at, LIMIT_EVALUATORS) ? json_array_size(at.value) : 0;
		if (json_array_size(at.value) == 0) {
			(void)json_fault(&at, "at least one evaluator is needed");
		}
	}
	p->targets = mem_new(p->target_count, sizeof(*p->targets));
	next_target(p);
}

struct preparation *tuner_prepare(struct tuner *tuner, const struct prepare_request *request,
				  tuner_prepared_fn fn, void *arg)
{
	struct preparation *p = mem_new(1, sizeof(*p));

	p->tuner = tuner;
	p->dry = request->dry;
	p->newer_rules = request->newer_rules;
	(void)snprintf(p->only, sizeof(p->only), "%s", request->only != NULL ? request->only : "");
	p->fn = fn;
	p->arg = arg;
	p->prepared = mem_new(1, sizeof(*p->prepared));
	p->prepared->body = json_incref(request->body);
	(void)snprintf(p->prepared->owner, sizeof(p->prepared->owner), "%s", request->owner);
	list_init(&p->task.node);
	err_init(&p->err);
	find_targets(p);
	return p;
}
