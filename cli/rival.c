/* Says of a trial that measured better than the best one why it is not the best. */
#include "cli/rival.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/job.h"
#include "cli/text.h"

/* Whether a value of the objective is better than another one, where it is one number. */
static bool is_better(const json_t *job, const json_t *value, const json_t *than)
{
	const json_t *terms = json_object_get(job, "objective");
	const char *direction =
		json_string_value(json_object_get(json_array_get(terms, 0), "direction"));
	double a = json_number_value(value), b = json_number_value(than);

	return json_array_size(terms) == 1 && json_is_number(value) && json_is_number(than) &&
	       (direction != NULL && strcmp(direction, "max") == 0 ? a > b : a < b);
}

/* Chosen by one measurement of many, and then measured again: the two numbers are not of one kind. NULL where that is not so. */
static char *proof_text(const json_t *best, const char *is, const char *was)
{
	json_int_t times = json_integer_value(json_object_get(best, "measurements"));

	if (times > 1) {
		return mem_printf("%s is the mean of %lld measurements, %s a single one of the "
				  "search, which may be lucky",
				  is, (long long)times, was);
	}
	if (json_is_array(json_object_get(best, "gain_interval"))) {
		return mem_printf("%s was measured after it was chosen, %s is a single measurement "
				  "of the search, which may be lucky",
				  is, was);
	}
	return NULL;
}

/* Whether a trial that meets the criterion measured better than the best one. */
static bool is_passed_over(const json_t *job, const json_t *trial)
{
	const json_t *best = json_object_get(job, "best");

	return json_is_true(json_object_get(best, "feasible")) &&
	       json_is_true(json_object_get(trial, "feasible")) &&
	       !json_equal(json_object_get(trial, "trial"), json_object_get(best, "trial")) &&
	       is_better(job, json_object_get(trial, "objective_value"),
			 json_object_get(best, "objective_value"));
}

/* `why` is taken over; NULL for none, which gives NULL. */
static char *all_the_same(const json_t *job, const json_t *trial, char *why)
{
	const json_t *best = json_object_get(job, "best");
	char *name = job_objective(job), *text;
	char *was = text_number(json_object_get(trial, "objective_value"));
	char *is = text_number(json_object_get(best, "objective_value"));
	char *its = text_number(json_object_get(best, "trial"));

	text = why != NULL
		       ? mem_printf("trial %lld had %s %s, trial %s has %s and is the best all "
				    "the same: %s",
				    (long long)json_integer_value(json_object_get(trial, "trial")),
				    name, was, its, is, why)
		       : NULL;
	free(name);
	free(was);
	free(is);
	free(its);
	free(why);
	return text;
}

/* Whether a verdict says of this trial why it is not the best: it names at most one, and goes by what each measured first. */
static bool is_named(const char *verdict, const json_t *trial)
{
	char *name = mem_printf("; trial %lld ",
				(long long)json_integer_value(json_object_get(trial, "trial")));
	bool found = verdict != NULL && strstr(verdict, name) != NULL;

	free(name);
	return found;
}

char *rival_passed_over(const json_t *job, const json_t *trial)
{
	char *verdict = job_verdict(json_object_get(job, "best"));

	if (is_passed_over(job, trial) && is_named(verdict, trial)) {
		return all_the_same(job, trial, verdict);
	}
	free(verdict);
	return NULL;
}

/* Of one that the best was ahead of in the search; why others were passed over is in the verdict. */
static char *luckier(const json_t *job, const json_t *trial, const json_t *first)
{
	const json_t *best = json_object_get(job, "best");
	const json_t *value = json_object_get(trial, "objective_value");
	char *was, *is, *text;

	if (!is_passed_over(job, trial) || !json_is_number(first) || is_better(job, value, first)) {
		return NULL;
	}
	was = text_number(value);
	is = text_number(json_object_get(best, "objective_value"));
	text = all_the_same(job, trial, proof_text(best, is, was));
	free(was);
	free(is);
	return text;
}

struct rival {
	const json_t *job;
	json_t *trial; /* as a best reads; NULL for none; owned */
	json_t *first; /* what the best itself measured in the search; NULL where it is not known; owned */
};

static void add_rival(void *arg, const json_t *trial)
{
	struct rival *rival = arg;
	const json_t *value = json_object_get(trial, "objective_value");
	const char *kind = json_string_value(json_object_get(trial, "kind"));

	if (json_equal(json_object_get(trial, "number"),
		       json_object_get(json_object_get(rival->job, "best"), "trial"))) {
		json_decref(rival->first);
		rival->first = json_incref(json_object_get(trial, "objective_value"));
		return;
	}
	if (kind == NULL || strcmp(kind, "evaluate") != 0 || !json_is_number(value) ||
	    json_is_object(json_object_get(trial, "excluded")) ||
	    json_is_object(json_object_get(trial, "rejected")) ||
	    (rival->trial != NULL &&
	     !is_better(rival->job, value, json_object_get(rival->trial, "objective_value")))) {
		return;
	}
	json_decref(rival->trial);
	rival->trial = json_pack("{s:O, s:O, s:b}", "trial", json_object_get(trial, "number"),
				 "objective_value", value, "feasible", 1);
}

void rival_print(struct cli *cli, const json_t *job)
{
	struct rival rival = {.job = job};
	char *path = cli_job_path(cli, "/trials?limit=1000&feasible=true"), *why;

	if (cli_each_beside(cli, path, add_rival, &rival) && rival.trial != NULL) {
		why = luckier(job, rival.trial, rival.first);
		if (why != NULL) {
			printf("%s\n", why);
		}
		free(why);
	}
	json_decref(rival.trial);
	json_decref(rival.first);
	free(path);
}
