/* Asks an evaluator what it can do, writes the job that fits it, and tries it out. */
#include "cli/init.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/plural.h"
#include "cli/body.h"
#include "cli/job.h"
#include "cli/probe.h"
#include "cli/text.h"

enum { TRIALS_MAX = 100, SCORES_TIMEOUT_S = 3600 };
enum { STATIC, DYNAMIC, WEIGHT_ONLY, BF16, FP16, MODES };

static const char *const mode_names[MODES] = {"static", "dynamic", "weight_only", "bf16", "fp16"};

/* What the capability says. */
struct facts {
	const char *evaluator; /* as the command names it */
	const json_t *capability;
	size_t offered[MODES]; /* by how many operators */
	size_t ops, lowered;   /* named; and of these, that have any of the modes */
	long max_trials;
	bool front; /* how much may be lost is open */
};

static const json_t *modes_of(const struct facts *facts, const json_t *op)
{
	const json_t *modes = json_object_get(op, "modes");
	const char *type = json_string_value(json_object_get(op, "type"));

	return modes != NULL || type == NULL
		       ? modes
		       : json_object_get(json_object_get(facts->capability, "op_types"), type);
}

/* Trials after which `sgp` has most of what there is to gain, see docs/strategies.md. */
static long trials_for(size_t ops)
{
	static const struct {
		size_t ops;
		long trials;
	} rows[] = {{50, 20}, {100, 30}, {300, 50}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (ops <= rows[i].ops) {
			return rows[i].trials;
		}
	}
	return TRIALS_MAX;
}

/* Whether the evaluator can be asked which operators hurt. */
static bool answers_scores(const struct facts *facts)
{
	static const char prefix[] = "score:";
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(facts->capability, "answers"), i, item) {
		const char *name = json_string_value(item);

		if (name != NULL && strncmp(name, prefix, sizeof(prefix) - 1) == 0) {
			return true;
		}
	}
	return false;
}

/* Whether anything but trials says it. */
static bool gives_scores(const struct facts *facts)
{
	size_t i;
	json_t *item;

	if (answers_scores(facts)) {
		return true;
	}
	json_array_foreach(json_object_get(facts->capability, "ops"), i, item) {
		if (json_object_get(item, "score") != NULL) {
			return true;
		}
	}
	return false;
}

static void read_facts(struct facts *facts)
{
	const json_t *ops = json_object_get(facts->capability, "ops");
	size_t i;
	json_t *op;

	json_array_foreach(ops, i, op) {
		const json_t *modes = modes_of(facts, op);
		bool any = false;

		for (size_t mode = 0; mode < MODES; mode++) {
			bool has = json_object_get(modes, mode_names[mode]) != NULL;

			facts->offered[mode] += has;
			any = any || has;
		}
		facts->lowered += any;
	}
	facts->ops = json_array_size(ops);
	facts->max_trials = trials_for(facts->lowered);
	if (!gives_scores(facts)) {
		long least =
			facts->lowered < TRIALS_MAX / 2 ? 2 * (long)facts->lowered : TRIALS_MAX;

		facts->max_trials = least > facts->max_trials ? least : facts->max_trials;
	}
}

/* "static for 36, bf16 for 12" */
static char *offer_text(const struct facts *facts)
{
	struct buf buf;

	buf_init(&buf, LIMIT_BODY_BYTES);
	for (size_t mode = 0; mode < MODES; mode++) {
		if (facts->offered[mode] > 0) {
			buf_printf(&buf, "%s%s for %zu", buf.length > 0 ? ", " : "",
				   mode_names[mode], facts->offered[mode]);
		}
	}
	return buf_take(&buf, NULL);
}

static bool is_quantizable(const struct facts *facts)
{
	return facts->offered[STATIC] + facts->offered[DYNAMIC] + facts->offered[WEIGHT_ONLY] > 0;
}

static const char *approach_of(const struct facts *facts)
{
	if (facts->offered[STATIC] > 0 && facts->offered[DYNAMIC] > 0) {
		return "auto";
	}
	for (size_t mode = STATIC; mode < WEIGHT_ONLY; mode++) {
		if (facts->offered[mode] > 0) {
			return mode_names[mode];
		}
	}
	return facts->offered[WEIGHT_ONLY] > 0 ? "weight_only" : "static";
}

/* Latency if it is measured, else what is. */
static const char *objective_of(const struct facts *facts)
{
	const json_t *metrics = json_object_get(facts->capability, "metrics");
	const char *first = NULL;
	size_t i;
	json_t *metric;

	json_array_foreach(metrics, i, metric) {
		const char *name = json_string_value(metric);

		if (name != NULL && strcmp(name, "latency_ms") == 0) {
			return "latency_ms";
		}
		if (name != NULL && first == NULL && strcmp(name, "accuracy") != 0) {
			first = name;
		}
	}
	if (json_array_size(metrics) == 0) {
		return "latency_ms";
	}
	return first != NULL ? first : "accuracy";
}

static void add_string(struct buf *buf, const char *before, const char *text, const char *after)
{
	buf_text(buf, before);
	buf_json_string(buf, text, strlen(text));
	buf_text(buf, after);
}

static void add_head(struct buf *buf, const struct facts *facts)
{
	const json_t *model = json_object_get(facts->capability, "model");
	const char *name = json_string_value(json_object_get(model, "name"));
	char *offer = offer_text(facts);

	buf_printf(buf, "// A job for narrowd. Submit it with: narrow submit FILE --watch\n"
			"// Comments are for you: narrow does not send them.\n"
			"// Every member is explained in docs/jobs.md.\n"
			"{\n");
	if (name != NULL && name[0] != '\0') {
		add_string(buf, "  \"name\": ", name, ",\n\n");
	}
	buf_printf(buf, "  // The evaluator names %zu operator%s", facts->ops,
		   plural_s((long long)facts->ops));
	if (facts->lowered < facts->ops) {
		buf_printf(buf, ", of which %zu can be lowered", facts->lowered);
	}
	buf_printf(buf, ". It offers %s.\n", offer);
	if (strcmp(approach_of(facts), "auto") == 0) {
		buf_text(buf, "  // \"auto\" tries static and dynamic for each of them.\n");
	}
	if (is_quantizable(facts)) {
		buf_printf(buf, "  \"approach\": \"%s\",\n\n", approach_of(facts));
	}
	free(offer);
}

/* The whole front is what sgp searches with two objectives of which one is accuracy. */
static void add_objective(struct buf *buf, const struct facts *facts)
{
	const char *objective = objective_of(facts);
	char *metrics = probe_names(json_object_get(facts->capability, "metrics"));

	buf_printf(buf, "    // What to improve. Measured are: %s.\n", metrics);
	free(metrics);
	if (facts->front) {
		buf_text(buf,
			 "    // With accuracy beside it the best at every loss is searched, up to "
			 "five\n"
			 "    // times tolerable_loss: narrow pareto lists it, narrow best\n"
			 "    // --tolerable-loss picks from it.\n");
		add_string(buf, "    \"objective\": [", objective, ", \"accuracy\"],\n");
		return;
	}
	if (is_quantizable(facts) && strcmp(objective, "accuracy") != 0) {
		add_string(buf,
			   "    // Nobody can say yet how much may be lost? The best at every loss "
			   "is\n"
			   "    // searched with [",
			   objective, ", \"accuracy\"]: narrow init --front.\n");
	}
	add_string(buf, "    \"objective\": ", objective, ",\n");
}

static void add_search(struct buf *buf, const struct facts *facts)
{
	bool learns = is_quantizable(facts) || facts->front;

	buf_printf(buf,
		   "  \"tuning_criterion\": {\n"
		   "    // %s. \"narrow strategies\" lists the others.\n"
		   "    \"strategy\": \"%s\",\n",
		   learns ? "Learns most from each trial" : "Lowers precisions alone",
		   learns ? "sgp" : "auto_mixed_precision");
	add_objective(buf, facts);
	buf_printf(buf,
		   "    // Goes on for the best until max_trials%s.\n"
		   "    \"stop_on\": \"budget\",\n"
		   "    // Configs that are measured at most; it may end before.\n"
		   "    \"max_trials\": %ld,\n"
		   "    // Seconds at most; 0: no limit.\n"
		   "    \"timeout\": 0\n"
		   "  },\n\n",
		   facts->front ? ""
				: "; \"first_gain\" ends at the first\n"
				  "    // config that meets the criterion and gains min_gain",
		   facts->max_trials);
}

/* Its name is the example of what can be kept as it is. */
static const char *last_name(const struct facts *facts)
{
	const json_t *ops = json_object_get(facts->capability, "ops");
	const json_t *op = json_array_get(ops, facts->ops > 0 ? facts->ops - 1 : 0);
	const char *name = json_string_value(json_object_get(op, "name"));

	return name != NULL ? name : "NAME";
}

static void add_rest(struct buf *buf, const struct facts *facts)
{
	bool is_id = probe_is_id(facts->evaluator);

	buf_text(
		buf,
		"  \"accuracy_criterion\": {\n"
		"    // What may be lost: 0.01 of the baseline's accuracy. \"absolute\" is in the\n"
		"    // accuracy's own unit. docs/jobs.md says how to choose it.\n"
		"    \"criterion\": \"relative\",\n"
		"    \"tolerable_loss\": 0.01,\n"
		"    // false for an error rate or a perplexity.\n"
		"    \"higher_is_better\": true\n"
		"  },\n\n"
		"  // What a config must gain to be worth shipping: 0.02 is 2 %.\n"
		"  \"min_gain\": 0.02,\n\n"
		"  // How often the best and the baseline are measured again at the end, at "
		"least.\n"
		"  \"confirm\": 1,\n\n"
		"  // Judge the best on data that no trial has seen, if the evaluator knows\n"
		"  // subsets. What the object says is between you and the evaluator: those of\n"
		"  // narrowd's examples know this, 200 samples from the 300th on: there must be\n"
		"  // so many.\n"
		"  // \"acceptance\": {\"subset\": {\"images\": 200, \"from\": 300}},\n\n"
		"  // Operators to leave as they are, by name or pattern.\n");
	add_string(buf, "  // \"op_name_dict\": {", last_name(facts),
		   ": {\"weight\": {\"dtype\": [\"fp32\"]}, \"activation\": {\"dtype\": "
		   "[\"fp32\"]}}},\n\n");
	if (answers_scores(facts) && !is_id) {
		buf_text(buf, "  // One question for scores takes a build for each operator and "
			      "option: give\n"
			      "  // it the time. narrow watch says how far it is, if the evaluator "
			      "does.\n");
	}
	add_string(buf, is_id ? "  \"evaluator\": {\"id\": " : "  \"evaluator\": {\"url\": ",
		   facts->evaluator, "");
	if (answers_scores(facts) && !is_id) {
		buf_printf(buf, ", \"timeout_s\": %d", SCORES_TIMEOUT_S);
	}
	buf_text(buf, "}\n}\n");
}

/* The file; the caller frees. */
static char *job_text(const struct facts *facts)
{
	struct buf buf;

	buf_init(&buf, LIMIT_BODY_BYTES);
	add_head(&buf, facts);
	add_search(&buf, facts);
	add_rest(&buf, facts);
	return buf_take(&buf, NULL);
}

/* The same for the API. New reference. */
static json_t *job_value(const struct facts *facts)
{
	char *text = job_text(facts);
	json_t *value;

	(void)body_blank_comments(text);
	value = json_loads(text, 0, NULL);
	free(text);
	return value;
}

/* Lets the daemon say how large the space is, and whether it takes the job. */
static enum cli_exit try_out(struct cli *cli, struct facts *facts)
{
	json_t *draft = job_value(facts), *space = NULL;
	const char *size;
	struct client_reply reply;
	enum cli_exit code;
	char *text;

	(void)json_object_del(draft, "evaluator");
	(void)json_object_set(draft, "capability", (json_t *)facts->capability);
	text = json_text(draft);
	json_decref(draft);
	code = cli_call(cli, "POST", "/v1/spaces", text, &reply);
	free(text);
	if (code != CLI_OK) {
		return code;
	}
	code = cli_parse(&reply, &space);
	client_reply_finish(&reply);
	size = json_string_value(json_object_get(space, "size"));
	if (size != NULL && strlen(size) <= 3) {
		/* All but the one that is the baseline. */
		long others = strtol(size, NULL, 10) - 1;

		facts->max_trials =
			others > 0 && others < facts->max_trials ? others : facts->max_trials;
	}
	if (code == CLI_OK) {
		job_warn(space);
	}
	json_decref(space);
	return code;
}

/* To a file that is not there yet, or to standard output. */
static enum cli_exit write_out(const struct cli *cli, const char *text)
{
	const char *name = cli->options[OPTION_OUTPUT];
	enum cli_exit code;

	if (name == NULL) {
		(void)fputs(text, stdout);
		return CLI_OK;
	}
	code = cli_make_file(name, text);
	if (code == CLI_OK) {
		printf("%s is written; look at it, then: narrow submit %s --watch\n", name, name);
	}
	return code;
}

static enum cli_exit init(struct cli *cli, struct facts *facts)
{
	enum cli_exit code;
	char *text;

	read_facts(facts);
	if (!is_quantizable(facts) && facts->offered[BF16] + facts->offered[FP16] == 0) {
		(void)fprintf(stderr, "narrow: the evaluator offers nothing but fp32 for any "
				      "operator: see docs/capability.md\n");
		return CLI_REFUSED;
	}
	if (facts->front && strcmp(objective_of(facts), "accuracy") == 0) {
		(void)fprintf(stderr,
			      "narrow: the evaluator measures nothing but accuracy: a front "
			      "is between that and another metric of its capability\n");
		return CLI_REFUSED;
	}
	code = try_out(cli, facts);
	if (code != CLI_OK) {
		return code;
	}
	if (cli->options[OPTION_JSON] != NULL) {
		json_t *value = job_value(facts);
		char *compact = json_text(value);

		text = mem_printf("%s\n", compact);
		free(compact);
		json_decref(value);
	} else {
		text = job_text(facts);
	}
	code = write_out(cli, text);
	free(text);
	return code;
}

enum cli_exit init_run(struct cli *cli)
{
	struct facts facts = {.evaluator = cli->argument,
			      .front = cli->options[OPTION_FRONT] != NULL};
	json_t *probe = NULL;
	enum cli_exit code = probe_ask(cli, &probe);

	if (code == CLI_OK) {
		facts.capability = json_object_get(probe, "capability");
		code = init(cli, &facts);
	}
	json_decref(probe);
	return code;
}
