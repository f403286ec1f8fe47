/* Reads trials from elsewhere, copies those of an earlier job, and records both. */
#include "job/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "job/fold.h"
#include "job/spec/codec_changes.h"
#include "job/spec/codec_config.h"

/* What a trial's document has. Only the config and the measurement are used. */
static const char *const trial_members[] = {
	"job",
	"number",
	"kind",
	"stage",
	"state",
	"source",
	"attempts",
	"accuracy",
	"metrics",
	"feasible",
	"objective_value",
	"margin",
	"worker",
	"asked_at",
	"told_at",
	"error",
	"hash",
	"method",
	"scores",
	"config",
	"latency_ms",
	"subset",
	"excluded",
	"rejected",
	NULL,
};

static const char *const trial_states[] = {"told",   "asked",     "leased", "failed",
					   "pruned", "cancelled", NULL};
static const char *const sources[] = {"measured", "imported", "cache", NULL};
enum { STATE_TOLD, SOURCE_IMPORTED = 1, SOURCE_CACHE = 2 };

struct reader {
	const struct spec *spec;
	struct map ops;
	struct spec_needs needs;
	struct import *import;
};

/* Whether the trial is a measurement of a config on all data that counts, and not another trial's. */
static bool is_measurement(const struct json_at *at)
{
	struct json_at kind = json_member(at, "kind");
	struct json_at state = json_member(at, "state");
	struct json_at source = json_member(at, "source");
	bool evaluates =
		json_choice(&kind, QUESTION_EVALUATE, question_kind_names) == QUESTION_EVALUATE;
	bool told = json_choice(&state, STATE_TOLD, trial_states) == STATE_TOLD;
	bool partial = json_member(at, "subset").value != NULL;
	bool excluded = json_member(at, "excluded").value != NULL;

	return json_choice(&source, 0, sources) != SOURCE_CACHE && told && evaluates && !partial &&
	       !excluded;
}

/* The measurement alone, as an evaluator would have sent it. */
static int read_measurement(const struct reader *reader, const struct json_at *at,
			    struct answer *ret)
{
	static const char *const members[] = {"accuracy", "latency_ms", "metrics"};
	struct answer_expect expect = spec_needs_expect(&reader->needs);
	json_t *body = json_object();
	char pointer[ERR_POINTER_MAX];
	struct err why;
	int rc;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct json_at member = json_member(at, members[i]);

		(void)json_object_set(body, members[i], member.value);
	}
	rc = answer_parse(body, &expect, ret, &why);
	json_decref(body);
	(void)json_pointer(at, pointer);
	for (size_t i = 0; rc != 0 && i < why.fault_count && i < ERR_FAULTS_MAX; i++) {
		char *path = mem_printf("%s%s", pointer, why.faults[i].pointer);

		(void)err_fault(at->err, path, "%s", why.faults[i].detail);
		free(path);
	}
	return rc;
}

static void read_trial(const struct reader *reader, const struct json_at *at)
{
	struct import *import = reader->import;
	struct json_at config_at = json_member(at, "config");
	struct config *config;
	struct answer answer;

	if (!json_required(at) || !json_is_object_at(at)) {
		return;
	}
	json_only(at, trial_members);
	if (!is_measurement(at)) {
		import->skipped++;
		return;
	}
	config = codec_config_read(reader->spec, &reader->ops, &config_at);
	if (read_measurement(reader, at, &answer) == 0 && config != NULL) {
		import->list[import->count++] = job_imported_data(reader->spec, config, &answer);
	}
	answer_finish(&answer);
	config_destroy(config);
}

int import_read(const struct spec *spec, json_t *body, struct import *ret, struct err *reterr)
{
	static const char *const members[] = {"trials", NULL};
	struct reader reader = {.spec = spec, .import = ret};
	struct json_at at, trials;
	size_t count;

	err_init(reterr);
	memset(ret, 0, sizeof(*ret));
	at = json_root(body, reterr);
	trials = json_member(&at, "trials");
	json_only(&at, members);
	if (!json_required(&trials) || !json_is_array_at(&trials, IMPORT_TRIALS_MAX)) {
		return -(int)reterr->code;
	}
	count = json_array_size(trials.value);
	codec_ops_init(&reader.ops, spec->space);
	spec_needs_init(&reader.needs, spec);
	ret->list = mem_new(count, sizeof(*ret->list));
	for (size_t i = 0; i < count; i++) {
		struct json_at trial = json_item(&trials, i);

		read_trial(&reader, &trial);
	}
	map_finish(&reader.ops);
	return -(int)reterr->code;
}

static json_t *copied_score(const json_t *event)
{
	static const char *const members[] = {"config", "hash",   "method",
					      "phase",  "ops",    "confidence_batches",
					      "loss",   "scores", "options"};
	json_t *data = json_pack("{s:s, s:s, s:s}", "kind", question_kind_names[QUESTION_SCORE],
				 "stage", "import", "source", sources[SOURCE_IMPORTED]);

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *value = json_object_get(event, members[i]);

		if (value != NULL) {
			(void)json_object_set(data, members[i], value);
		}
	}
	return data;
}

/* NULL when the measurement lacks what this job needs. */
static json_t *copied_measurement(const struct reader *reader, json_t *event)
{
	struct err ignored;
	struct json_at at = json_root(event, &ignored);
	struct config *config =
		codec_changes_read(reader->spec->space, json_object_get(event, "config"));
	struct answer answer;
	json_t *data = NULL;

	if (read_measurement(reader, &at, &answer) == 0 && config != NULL) {
		data = job_imported_data(reader->spec, config, &answer);
	}
	answer_finish(&answer);
	config_destroy(config);
	return data;
}

void import_copy(const struct spec *spec, json_t *history, struct import *ret)
{
	struct reader reader = {.spec = spec, .import = ret};
	const char *score = question_kind_names[QUESTION_SCORE];
	json_t *event;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	spec_needs_init(&reader.needs, spec);
	ret->list = mem_new(json_array_size(history), sizeof(*ret->list));
	json_array_foreach(history, i, event) {
		const char *kind = json_string_value(json_object_get(event, "kind"));
		json_t *data = kind != NULL && strcmp(kind, score) == 0
				       ? copied_score(event)
				       : copied_measurement(&reader, event);

		if (data != NULL) {
			ret->list[ret->count++] = data;
		} else {
			ret->skipped++;
		}
	}
}

void import_finish(struct import *import)
{
	for (size_t i = 0; i < import->count; i++) {
		json_decref(import->list[i]);
	}
	free(import->list);
	memset(import, 0, sizeof(*import));
}

int import_check(const struct job *job, const struct import *import, struct err *reterr)
{
	if (job->trial_count + (int64_t)import->count > 2 * (int64_t)LIMIT_TRIALS) {
		return err_fault(reterr, "/trials", "the job would have more than %d trials",
				 2 * LIMIT_TRIALS);
	}
	return 0;
}

void import_record(struct job *job, struct import *import)
{
	for (size_t i = 0; i < import->count; i++) {
		/* Trial 0 is the baseline, also when it has not been asked for yet. */
		int64_t number = job->trial_count > 0 ? job->trial_count : 1;
		json_t *data = import->list[i];

		if (job->strategy_ready && json_object_get(data, "accuracy") != NULL) {
			job_judge(job, data);
		}
		job_record(job, LOGGED_TRIAL_IMPORTED, number, json_incref(data));
	}
}
