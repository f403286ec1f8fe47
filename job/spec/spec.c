/* Reads a job body with its capability into a spec, and reads it again after a restart. */
#include "job/spec/spec.h"

#include <stdlib.h>
#include <string.h>

#include "backends/hash.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/id.h"
#include "base/mem.h"
#include "strategies/interface/host.h"
#include "job/spec/codec_capability.h"
#include "job/spec/spec_adviser.h"
#include "job/spec/spec_read.h"
#include "job/spec/spec_wire.h"

static const char *const body_members[] = {
	"rules",
	"name",
	"labels",
	"capability",
	"approach",
	"quant_level",
	"op_type_dict",
	"op_name_dict",
	"recipes",
	"calibration_sampling_size",
	"excluded_precisions",
	"tuning_criterion",
	"accuracy_criterion",
	"evaluator",
	"evaluator_args",
	"retry",
	"early_verdict",
	"ranking",
	"max_failed_trials",
	"busy_s",
	"max_question_s",
	"confirm",
	"confirm_max",
	"acceptance",
	"min_gain",
	"parallel",
	"deterministic",
	"seed",
	"warm_start",
	NULL,
};
static const char *const criterion_members[] = {
	"strategy", "strategy_kwargs", "objective", "timeout", "max_trials", "stop_on", NULL,
};
static const char *const verdict_members[] = {"error_probability", "samples", NULL};
static const char *const retry_members[] = {"max_attempts", "backoff_s", NULL};
const char *const spec_stop_names[] = {"first_feasible", "budget", "first_gain", NULL};

enum { DEFAULT_SEED = 42, DAY_S = 24 * 3600, YEAR_S = 366 * DAY_S };

json_t *spec_labels_read(const struct json_at *at, int64_t rules)
{
	const char *key;
	json_t *value;

	if (at->value == NULL || !json_is_object_at(at)) {
		return json_object();
	}
	if (json_object_size(at->value) > LIMIT_LABELS) {
		(void)json_fault(at, "at most %d labels are taken", LIMIT_LABELS);
	}
	json_object_foreach(at->value, key, value) {
		struct json_at member = json_member(at, key);

		if (rules > RULES_FIRST && (*key == '\0' || strlen(key) > LIMIT_NAME_BYTES)) {
			(void)json_fault(&member, "the name of a label has 1 to %d bytes",
					 LIMIT_NAME_BYTES);
		}
		if (!json_is_string(value)) {
			(void)json_fault(&member, "a string is expected");
		} else if (json_string_length(value) > 0) {
			(void)json_string_in(&member, NULL, LIMIT_NAME_BYTES);
		}
	}
	return json_incref(at->value);
}

static void read_budget(const struct json_at *body, struct spec *spec)
{
	struct json_at criterion = json_member(body, "tuning_criterion");
	struct json_at timeout = json_member(&criterion, "timeout");
	struct json_at trials = json_member(&criterion, "max_trials");
	struct json_at stop = json_member(&criterion, "stop_on");

	if (criterion.value != NULL && json_is_object_at(&criterion)) {
		json_only(&criterion, criterion_members);
	}
	spec->timeout_s = json_real_in(&timeout, 0, 0, YEAR_S);
	spec->max_trials = json_int(&trials, 100, 1, LIMIT_TRIALS);
	spec->stop_on = (enum stop_on)json_choice(
		&stop, spec->timeout_s > 0 ? STOP_BUDGET : STOP_FIRST_FEASIBLE, spec_stop_names);
}

static void read_early_verdict(const struct json_at *at, struct spec *spec)
{
	struct json_at error = json_member(at, "error_probability");
	struct json_at samples = json_member(at, "samples");

	if (at->value != NULL && json_is_object_at(at)) {
		json_only(at, verdict_members);
	}
	spec->error_probability = json_real_in(&error, 0, 0, 0.2);
	spec->samples = json_int(&samples, 0, 1, INT64_C(1) << 40);
}

/* What it says is the evaluator's business. */
static json_t *read_subset(const struct json_at *at)
{
	static const char *const members[] = {"subset", NULL};
	struct json_at subset = json_member(at, "subset");

	if (at->value == NULL || !json_is_object_at(at)) {
		return NULL;
	}
	json_only(at, members);
	return json_required(&subset) && json_is_object_at(&subset) ? json_incref(subset.value)
								    : NULL;
}

/* How often what is handed over is measured again, and on what. */
static void read_endgame(const struct json_at *body, struct spec *spec)
{
	struct json_at confirm = json_member(body, "confirm");
	struct json_at confirm_max = json_member(body, "confirm_max");
	struct json_at acceptance = json_member(body, "acceptance");
	int64_t most = spec->rules < 2 ? 100 : 20;

	spec->confirm = json_int(&confirm, 1, 0, most);
	spec->confirm_max = json_int(&confirm_max, spec->confirm > 5 ? spec->confirm : 5, 0, most);
	spec->acceptance = read_subset(&acceptance);
	if (spec->confirm_max < spec->confirm) {
		(void)json_fault(&confirm_max, "must be at least \"confirm\", which is %lld",
				 (long long)spec->confirm);
	}
	if (spec->acceptance != NULL && spec->confirm == 0) {
		(void)json_fault(&acceptance, "is judged by what \"confirm\" measures, which is 0");
	}
}

static void read_rest(const struct json_at *body, struct spec *spec)
{
	struct json_at name = json_member(body, "name");
	struct json_at labels = json_member(body, "labels");
	struct json_at retry = json_member(body, "retry");
	struct json_at attempts = json_member(&retry, "max_attempts");
	struct json_at backoff = json_member(&retry, "backoff_s");
	struct json_at verdict = json_member(body, "early_verdict");
	struct json_at ranking = json_member(body, "ranking");
	struct json_at args = json_member(body, "evaluator_args");
	struct json_at failed = json_member(body, "max_failed_trials");
	struct json_at busy = json_member(body, "busy_s");
	struct json_at question = json_member(body, "max_question_s");
	struct json_at parallel = json_member(body, "parallel");
	struct json_at deterministic = json_member(body, "deterministic");
	struct json_at seed = json_member(body, "seed");
	struct json_at warm_start = json_member(body, "warm_start");
	const char *text = json_string_in(&name, NULL, LIMIT_NAME_BYTES);

	spec->name = text != NULL ? mem_dup(text) : NULL;
	spec->labels = spec_labels_read(&labels, spec->rules);
	spec_read_warm_start(&warm_start, spec);
	if (retry.value != NULL && json_is_object_at(&retry)) {
		json_only(&retry, retry_members);
	}
	read_early_verdict(&verdict, spec);
	spec->ranking = read_subset(&ranking);
	read_endgame(body, spec);
	spec->evaluator_args = spec_wire_args(&args);
	spec->max_attempts = json_int(&attempts, 3, 1, 20);
	spec->backoff_s = json_real_in(&backoff, 1, 0, 3600);
	spec->max_failed_trials = json_int(&failed, 10, 0, LIMIT_TRIALS);
	spec->busy_s = json_real_in(&busy, DAY_S, 0, LIMIT_QUESTION_S);
	spec->max_question_s = json_real_in(&question, 0, 1, LIMIT_QUESTION_S);
	spec->parallel = json_int(&parallel, 1, 1, LIMIT_PARALLEL);
	spec->deterministic = json_bool(&deterministic, true);
	spec->seed = (uint64_t)json_int(&seed, DEFAULT_SEED, 0, INT64_MAX);
}

/* "accuracy, latency_ms" */
static char *metrics_text(const json_t *capability)
{
	struct buf buf;
	size_t i;
	json_t *name;

	buf_init(&buf, LIMIT_BODY_BYTES);
	json_array_foreach(json_object_get(capability, "metrics"), i, name) {
		if (json_is_string(name)) {
			buf_printf(&buf, "%s%s", buf.length > 0 ? ", " : "",
				   json_string_value(name));
		}
	}
	buf_text(&buf, buf.length == 0 ? "nothing" : "");
	return buf_take(&buf, NULL);
}

/* What only the spec and the capability together can tell. */
static void check_against_capability(const struct json_at *body, const json_t *capability,
				     const struct spec *spec)
{
	struct json_at criterion = json_member(body, "tuning_criterion");
	struct json_at strategy = json_member(&criterion, "strategy");
	struct json_at objective = json_member(&criterion, "objective");
	const char *const *need = spec->strategy != NULL ? spec->strategy->needs : NULL;

	for (; need != NULL && *need != NULL; need++) {
		if (!codec_capability_answers(capability, *need)) {
			(void)json_fault(&strategy, "%s needs an evaluator that answers \"%s\"",
					 spec->strategy->name, *need);
		}
	}
	for (size_t i = 0; i < spec->objective.count; i++) {
		const char *metric = spec->objective.metrics[i].name;

		if (!codec_capability_has_metric(capability, metric)) {
			char *reported = metrics_text(capability);

			(void)json_fault(&objective,
					 "the evaluator does not report \"%s\": it reports %s",
					 metric, reported);
			free(reported);
		}
	}
}

static struct spec *read_body(json_t *body, json_t *capability, json_t *target, bool stored,
			      const json_t *matched, struct err *reterr)
{
	struct spec *spec = mem_new(1, sizeof(*spec));
	json_t *bare = spec_secrets_removed(target);
	json_t *whole = spec_secrets_restored(body, target);
	struct json_at at = json_root(whole, reterr);
	struct json_at evaluator = {.parent = &at, .key = "evaluator", .err = reterr};
	struct json_at rules = json_member(&at, "rules");

	atomic_store(&spec->refs, 1);
	json_only_or(&at, body_members, "tuning_criterion", criterion_members);
	spec->rules =
		json_int(&rules, stored ? RULES_FIRST : RULES_NEWEST, RULES_FIRST, RULES_NEWEST);
	if (json_object_get(bare, "baseline") != NULL) {
		spec->targets = spec_own_pool(bare);
		spec->target_count = 1;
	} else if (bare != NULL) {
		spec->targets = spec_targets_load(bare, &evaluator, &spec->target_count);
	}
	read_rest(&at, spec);
	read_budget(&at, spec);
	spec_read_goals(&at, spec);
	spec_read_strategy(&at, stored, spec);
	spec_open_both(spec);
	spec_read_space(&at, capability, matched, spec);
	spec_wire_check_places(spec);
	if (capability != NULL) {
		check_against_capability(&at, capability, spec);
		spec->answers = codec_capability_answer_list(capability);
		spec->offered = codec_capability_list(capability, "metrics");
		spec->model = json_incref(json_object_get(capability, "model"));
	}
	json_decref(bare);
	json_decref(whole);
	return spec;
}

static struct spec *create(json_t *body, json_t *capability, json_t *target, bool stored,
			   const json_t *matched, struct err *reterr)
{
	struct spec *spec;

	err_init(reterr);
	spec = read_body(body, capability, target, stored, matched, reterr);
	if (reterr->code != ERR_OK) {
		spec_destroy(spec);
		return NULL;
	}
	return spec;
}

struct spec *spec_draft(json_t *body, json_t *capability, json_t *target, struct err *reterr)
{
	return read_body(body, capability, target, false, NULL, reterr);
}

struct spec *spec_create(json_t *body, json_t *capability, json_t *target, struct err *reterr)
{
	return create(body, capability, target, false, NULL, reterr);
}

struct spec *spec_load(const char *body, const char *capability, const char *target,
		       const char *matched, struct err *reterr)
{
	json_t *values[] = {json_loads(body, 0, NULL), json_loads(capability, 0, NULL),
			    json_loads(target, 0, NULL),
			    matched != NULL ? json_loads(matched, 0, NULL) : NULL};
	struct spec *spec = create(values[0], values[1], values[2], true, values[3], reterr);

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		json_decref(values[i]);
	}
	return spec;
}

static void free_list(char **list)
{
	for (char **text = list; text != NULL && *text != NULL; text++) {
		free(*text);
	}
	free(list);
}

struct spec *spec_ref(struct spec *spec)
{
	atomic_fetch_add(&spec->refs, 1);
	return spec;
}

void spec_destroy(struct spec *spec)
{
	if (spec == NULL || atomic_fetch_sub(&spec->refs, 1) > 1) {
		return;
	}
	space_destroy(spec->space);
	criterion_finish(&spec->criterion);
	objective_finish(&spec->objective);
	spec_targets_destroy(spec->targets, spec->target_count);
	target_finish(&spec->adviser);
	json_decref(spec->labels);
	json_decref(spec->recipes);
	json_decref(spec->ranking);
	json_decref(spec->acceptance);
	json_decref(spec->model);
	json_decref(spec->evaluator_args);
	json_decref(spec->kwargs);
	free_list(spec->answers);
	free_list(spec->offered);
	free(spec->warm_start);
	free(spec->name);
	free(spec);
}

void spec_space_digest(const struct spec *spec, char *ret_hex65)
{
	struct buf text;

	if (spec->digest[0] != '\0') {
		memcpy(ret_hex65, spec->digest, sizeof(spec->digest));
		return;
	}
	buf_init(&text, SIZE_MAX);
	space_text(spec->space, &text);
	hash_sha256_hex(text.bytes, text.length, ret_hex65);
	buf_finish(&text);
}

void spec_keep_digest(struct spec *spec)
{
	char digest[HASH_SHA256_HEX_SIZE];

	spec_space_digest(spec, digest);
	memcpy(spec->digest, digest, sizeof(digest));
}

int spec_check_space(const struct spec *spec, const char *digest, struct err *reterr)
{
	char now[HASH_SHA256_HEX_SIZE];

	if (digest == NULL) {
		return 0;
	}
	spec_space_digest(spec, now);
	if (strcmp(now, digest) == 0) {
		return 0;
	}
	return err_set(reterr, ERR_DIVERGED,
		       "the tuning space that this narrowd builds from the submission is not the "
		       "one that the job's configs were chosen from: go on with the narrowd that "
		       "it was submitted to, or cancel it and clone it");
}

static enum level level_of(const struct spec *spec)
{
	static const enum level levels[] = {LEVEL_TYPES, LEVEL_OPS};

	return strcmp(spec->quant_level, "auto") == 0 ? LEVEL_AUTO
						      : levels[spec->quant_level[0] - '0'];
}

struct problem spec_problem(const struct spec *spec)
{
	return (struct problem){
		.space = spec->space,
		.criterion = &spec->criterion,
		.objective = spec->apart.count > 0 ? &spec->apart : &spec->objective,
		.weighed = spec->apart.count > 0 ? &spec->objective : NULL,
		.seed = spec->seed,
		.parallel = (int)spec->parallel,
		.level = level_of(spec),
		.keep_searching = spec->stop_on != STOP_FIRST_FEASIBLE,
		.wants_gain = spec->stop_on == STOP_FIRST_GAIN,
		.partial = spec->ranking != NULL,
		.answers = (const char *const *)spec->answers,
		.host = &host_functions,
	};
}

void spec_needs_init(struct spec_needs *needs, const struct spec *spec)
{
	const struct criterion *criterion = &spec->criterion;
	size_t n = 0;

	memset(needs, 0, sizeof(*needs));
	needs->offered = (const char *const *)spec->offered;
	for (size_t i = 0; i < spec->objective.count; i++) {
		if (strcmp(spec->objective.metrics[i].name, "accuracy") != 0) {
			needs->metrics[n++] = spec->objective.metrics[i].name;
		}
	}
	for (size_t i = 0; i < criterion->metric_count; i++) {
		needs->accuracies[i] = criterion->metrics[i].name;
	}
}

struct answer_expect spec_needs_expect(const struct spec_needs *needs)
{
	return (struct answer_expect){
		.accuracies = needs->accuracies[0] != NULL ? needs->accuracies : NULL,
		.metrics = needs->metrics,
		.offered = needs->offered,
	};
}
