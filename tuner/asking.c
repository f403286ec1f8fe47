/* Writes questions, the same for all who measure. */
#include "tuner/asking.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/spec/codec_config.h"
#include "job/remark.h"
#include "job/trial.h"
#include "job/spec/spec_read.h"

static const char *const question_names[] = {
	[QUESTION_BASELINE] = "baseline",
	[QUESTION_EVALUATE] = "evaluate",
	[QUESTION_SCORE] = "score",
};

/* The choices of each operator, in the order in which they are to be scored. */
static json_t *options_json(const struct space *space, const struct trial *trial)
{
	json_t *all = json_object();
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));

	if (trial->config != NULL) {
		config_expand(trial->config, space, choices);
	}
	for (size_t i = 0; i < trial->op_count; i++) {
		const struct kind *kind = space_kind(space, trial->ops[i]);
		json_t *list = json_array();

		for (uint16_t o = 0; o < kind->count; o++) {
			struct choice c = space_resolve(space, trial->ops[i], o, choices);

			(void)json_array_append_new(list, codec_choice_json(space, &c));
		}
		(void)json_object_set_new(all, space->ops[trial->ops[i]].name, list);
	}
	free(choices);
	return all;
}

/*
 * Who is scored with each of those that are asked about: NULL-terminated, NULL when nobody is. Lists
 * and names of lists are the caller's to free.
 */
static const char ***followers(const struct space *space, const struct trial *trial)
{
	const char ***lists = mem_new(trial->op_count, sizeof(*lists));
	size_t *place = mem_new(space->op_count, sizeof(*place));
	size_t *count = mem_new(trial->op_count, sizeof(*count));

	for (size_t i = 0; i < trial->op_count; i++) {
		place[trial->ops[i]] = i + 1;
	}
	for (size_t m = 0; m < space->member_count; m++) {
		size_t i = place[space->members[m].op];

		if (i > 0 && space_follows(space, m)) {
			i--;
			lists[i] = mem_grow(lists[i], count[i] + 2, sizeof(*lists[i]));
			lists[i][count[i]++] = space->members[m].name;
			lists[i][count[i]] = NULL;
		}
	}
	free(place);
	free(count);
	return lists;
}

/* {"q": ["k", "v"]} */
static json_t *tied_json(const struct flight *flight)
{
	json_t *all = json_object();

	for (size_t i = 0; i < flight->op_count; i++) {
		json_t *names = json_array();

		for (const char **name = flight->tied[i]; name != NULL && *name != NULL; name++) {
			(void)json_array_append_new(names, json_string(*name));
		}
		if (json_array_size(names) > 0) {
			(void)json_object_set(all, flight->ops[i], names);
		}
		json_decref(names);
	}
	return all;
}

/* Names the operators of a score question, once. */
static void name_ops(struct flight *flight)
{
	const struct trial *trial = flight->trial;
	const struct space *space = flight->run->job->spec->space;

	if (trial->kind != QUESTION_SCORE || flight->ops != NULL) {
		return;
	}
	flight->ops = mem_new(trial->op_count, sizeof(*flight->ops));
	flight->option_counts = mem_new(trial->op_count, sizeof(*flight->option_counts));
	for (size_t i = 0; i < trial->op_count; i++) {
		flight->ops[i] = space->ops[trial->ops[i]].name;
		flight->option_counts[i] = space_kind(space, trial->ops[i])->count;
	}
	flight->tied = followers(space, trial);
	flight->op_count = trial->op_count;
}

static void add_score_members(json_t *body, struct flight *flight, const json_t *question)
{
	static const char *const copied[] = {"method", "phase", "confidence_batches", "loss"};
	const struct trial *trial = flight->trial;
	const struct space *space = flight->run->job->spec->space;
	json_t *ops = json_array(), *tied;

	name_ops(flight);
	tied = tied_json(flight);
	for (size_t i = 0; i < trial->op_count; i++) {
		(void)json_array_append_new(ops, json_string(flight->ops[i]));
	}
	(void)json_object_set_new(body, "ops", ops);
	if (json_object_size(tied) > 0) {
		(void)json_object_set(body, "tied", tied);
	}
	json_decref(tied);
	if (trial->per_option) {
		(void)json_object_set_new(body, "options", options_json(space, trial));
	}
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		json_t *value = json_object_get(question, copied[i]);

		if (value != NULL && !json_is_null(value)) {
			(void)json_object_set(body, copied[i], value);
		}
	}
}

/* What whoever measures may want to know besides the config. */
static void add_circumstances(json_t *body, const struct trial *trial)
{
	const struct spec *spec = trial->job->spec;

	(void)json_object_update_new(body, json_pack("{s:s, s:I, s:s, s:O, s:O*}", "kind",
						     question_kind_names[trial->kind], "repeat",
						     (json_int_t)remark_repeat(trial), "approach",
						     spec_approach_name(spec->space->approach),
						     "evaluator_args", spec->evaluator_args,
						     "model", spec->model));
	if (trial->kind == QUESTION_CONFIRM) {
		(void)json_object_set_new(body, "subject",
					  json_integer(trial->twin >= 0 ? trial->twin : 0));
	}
}

json_t *asking_document(struct flight *flight)
{
	const struct trial *trial = flight->trial;
	const struct run *run = flight->run;
	char callback[512], expires[CLOCK_TEXT_SIZE];
	json_t *body, *question = trial_question(trial);

	(void)snprintf(callback, sizeof(callback), "%s/v1/leases/%s", run->tuner->callback_url,
		       trial->lease);
	body = json_pack("{s:s, s:s, s:I, s:I, s:s, s:o, s:s, s:s}", "job", run->job->id, "lease",
			 trial->lease, "trial", (json_int_t)trial->number, "attempt",
			 (json_int_t)trial->attempts, "question",
			 question_names[asking_kind(trial)], "config",
			 codec_config_json(run->job->spec, trial->config, false), "callback",
			 callback, "expires_at", clock_format(flight->expires_at, expires));
	add_circumstances(body, trial);
	if (trial->kind == QUESTION_SCORE) {
		add_score_members(body, flight, question);
	}
	if (json_object_get(question, "subset") != NULL) {
		(void)json_object_set(body, "subset", json_object_get(question, "subset"));
	}
	json_decref(question);
	return body;
}

struct answer_expect asking_expectation(struct flight *flight)
{
	const struct trial *trial = flight->trial;
	struct answer_expect expect = spec_needs_expect(&flight->run->needs);

	name_ops(flight);
	expect.of_config = trial->kind != QUESTION_SCORE && trial->config != NULL;
	expect.trial = trial->number;
	expect.lease = trial->lease;
	expect.past = (const char(*)[ID_SIZE])trial->past;
	expect.past_count = trial->past_count;
	expect.scores = trial->kind == QUESTION_SCORE;
	expect.ops = flight->ops;
	expect.tied = (const char *const *const *)flight->tied;
	expect.op_count = trial->op_count;
	expect.option_counts = trial->per_option ? flight->option_counts : NULL;
	return expect;
}
