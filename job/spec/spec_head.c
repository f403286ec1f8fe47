/* Writes what a job's document shows of its spec. */
#include "job/spec/spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/spec/spec_adviser.h"
#include "job/spec/spec_read.h"

/* A job has 100 warnings at most (store/project.c), and those that come while it runs count more. */
enum { WARNINGS_SHOWN = 50 };

static json_t *criterion_head(const struct criterion *c)
{
	json_t *head =
		json_pack("{s:s, s:b, s:f}", "criterion", c->relative ? "relative" : "absolute",
			  "higher_is_better", c->metrics[0].higher_is_better, "tolerable_loss",
			  c->metrics[0].tolerable_loss);
	json_t *list;

	if (c->metric_count == 1) {
		return head;
	}
	list = json_array();
	for (size_t i = 0; i < c->metric_count; i++) {
		json_t *metric = json_pack("{s:s, s:b, s:f}", "name", c->metrics[i].name,
					   "higher_is_better", c->metrics[i].higher_is_better,
					   "tolerable_loss", c->metrics[i].tolerable_loss);

		if (c->weighted) {
			(void)json_object_set_new(metric, "weight",
						  json_real(c->metrics[i].weight));
		}
		(void)json_array_append_new(list, metric);
	}
	(void)json_object_set_new(head, "metrics", list);
	return head;
}

static json_t *objective_head(const struct objective *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->count; i++) {
		(void)json_array_append_new(
			list, json_pack("{s:s, s:f, s:s}", "metric", o->metrics[i].name, "weight",
					o->metrics[i].weight, "direction",
					o->metrics[i].higher_is_better ? "max" : "min"));
	}
	return list;
}

json_t *spec_goals(const struct spec *spec)
{
	return json_pack("{s:o, s:o}", "criterion", criterion_head(&spec->criterion), "objective",
			 objective_head(&spec->objective));
}

/* What a submission does in vain may be as long as the submission; the space has all of it. */
static json_t *warnings_head(const struct space *space)
{
	size_t shown = space->note_count <= WARNINGS_SHOWN ? space->note_count : WARNINGS_SHOWN - 1;
	json_t *list = json_array();

	for (size_t i = 0; i < shown; i++) {
		(void)json_array_append_new(list, json_pack("{s:s, s:s}", "pointer",
							    space->notes[i].pointer, "detail",
							    space->notes[i].detail));
	}
	if (shown < space->note_count) {
		char *rest = mem_printf("%zu more are in the warnings of the job's space",
					space->note_count - shown);

		(void)json_array_append_new(list,
					    json_pack("{s:s, s:s}", "pointer", "", "detail", rest));
		free(rest);
	}
	return list;
}

/* As it is written in a job: a number or "auto". */
static json_t *level_head(const char *level)
{
	return strcmp(level, "auto") == 0 ? json_string(level) : json_integer(level[0] - '0');
}

/* In seconds, as it was written. */
static json_t *timeout_head(const json_t *body)
{
	const json_t *criterion = json_object_get(body, "tuning_criterion");
	const json_t *timeout = json_object_get(criterion, "timeout");

	return timeout != NULL ? json_copy((json_t *)timeout) : json_integer(0);
}

json_t *spec_plan(const struct spec *spec, const json_t *body)
{
	return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:I, s:I, s:o, s:f, s:o}", "approach",
			 spec_approach_name(spec->space->approach), "strategy",
			 spec->strategy->name, "quant_level", level_head(spec->quant_level),
			 "stop_on", spec_stop_names[spec->stop_on], "criterion",
			 criterion_head(&spec->criterion), "objective",
			 objective_head(&spec->objective), "parallel", (json_int_t)spec->parallel,
			 "max_trials", (json_int_t)spec->max_trials, "timeout", timeout_head(body),
			 "min_gain", spec->min_gain, "learnt", spec_learnt(spec, body));
}

json_t *spec_head(const struct spec *spec, const json_t *body, const json_t *target)
{
	return json_pack(
		"{s:I, s:s?, s:O, s:s, s:o, s:I, s:b, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:f}",
		"rules", (json_int_t)spec->rules, "name", spec->name, "labels", spec->labels,
		"strategy", spec->strategy->name, "quant_level", level_head(spec->quant_level),
		"seed", (json_int_t)spec->seed, "deterministic", spec->deterministic, "stop_on",
		spec_stop_names[spec->stop_on], "criterion", criterion_head(&spec->criterion),
		"objective", objective_head(&spec->objective), "evaluator",
		spec_target_head(target), "warnings", warnings_head(spec->space), "parallel",
		(json_int_t)spec->parallel, "max_trials", (json_int_t)spec->max_trials, "timeout",
		timeout_head(body), "min_gain", spec->min_gain);
}
