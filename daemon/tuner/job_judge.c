#include "tuner/job_fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void read_accuracy(const struct criterion *criterion, const json_t *accuracy, double *ret)
{
	if (json_is_number(accuracy)) {
		ret[0] = json_number_value(accuracy);
		return;
	}
	for (size_t i = 0; i < criterion->metric_count; i++) {
		ret[i] = json_number_value(json_object_get(accuracy, criterion->metrics[i].name));
	}
}

void job_read_measurement(const struct spec *spec, const json_t *told, double *accuracy,
			  double *objectives)
{
	const json_t *metrics = json_object_get(told, "metrics");

	read_accuracy(&spec->criterion, json_object_get(told, "accuracy"), accuracy);

	for (size_t i = 0; i < spec->objective.count; i++) {
		const char *name = spec->objective.metrics[i].name;

		objectives[i] = strcmp(name, "accuracy") == 0
					? accuracy[0]
					: json_number_value(json_object_get(metrics, name));
	}
}

static const double *baseline_objectives(const struct job *job, const double *own)
{
	return job->trial_count > 0 && job->trials[0]->state == TRIAL_TOLD
		       ? job->trials[0]->objectives
		       : own;
}

struct candidate job_candidate(const struct job *job, const double *accuracy,
			       const double *objectives)
{
	const struct criterion *criterion = &job->spec->criterion;
	struct candidate c = {
		.objective = objective_value(&job->spec->objective, objectives,
					     baseline_objectives(job, objectives)),
		.merit = criterion_merit(criterion, accuracy),
	};

	c.feasible = !criterion->fixed || criterion_meets(criterion, accuracy);
	c.margin = criterion->fixed ? criterion_margin(criterion, accuracy) : 0;
	return c;
}

void job_judge(const struct job *job, json_t *told)
{
	double accuracy[LIMIT_METRICS] = {0}, objectives[LIMIT_METRICS] = {0};
	struct candidate c;

	job_read_measurement(job->spec, told, accuracy, objectives);
	c = job_candidate(job, accuracy, objectives);
	(void)json_object_set_new(told, "feasible", json_boolean(c.feasible));
	(void)json_object_set_new(
		told, "objective_value",
		json_real(job->spec->objective.count == 1 ? objectives[0] : c.objective));
	(void)json_object_set_new(told, "margin", json_real(c.margin));
}

static bool can_be_best(const struct trial *trial)
{
	return trial->kind == QUESTION_EVALUATE && trial->state == TRIAL_TOLD && !trial->partial &&
	       !trial->rejected && trial->settled;
}

static void choose_best(struct job *job)
{
	job->best = NULL;
	for (int64_t i = 1; i < job->trial_count; i++) {
		struct trial *trial = job->trials[i];

		if (can_be_best(trial) &&
		    (job->best == NULL ||
		     candidate_better(&trial->candidate, &job->best->candidate))) {
			job->best = trial;
		}
	}
}

/* NULL when the strategy leaves it to the measurements. */
static struct trial *strategys_choice(const struct job *job)
{
	int64_t number = strategy_choice(&job->strategy);
	struct trial *trial = number > 0 && number < job->trial_count ? job->trials[number] : NULL;

	return trial != NULL && can_be_best(trial) && trial->candidate.feasible ? trial : NULL;
}

struct trial *job_final_choice(const struct job *job)
{
	const struct trial *baseline = job->trials[0];
	const struct objective_row zero = {baseline->accuracy, baseline->objectives, true};
	struct objective_row *rows;
	struct trial **trials, *chosen;
	size_t count = 0;

	if (job->best == NULL || !job->best->candidate.feasible) {
		return job->best;
	}
	if (strategys_choice(job) != NULL) {
		return strategys_choice(job);
	}
	if (job->spec->objective.count == 1) {
		return job->best;
	}
	rows = mem_new((size_t)job->trial_count, sizeof(*rows));
	trials = mem_new((size_t)job->trial_count, sizeof(struct trial *));
	for (int64_t i = 1; i < job->trial_count; i++) {
		struct trial *t = job->trials[i];

		if (can_be_best(t) && t->twin < 0) {
			rows[count] = (struct objective_row){t->accuracy, t->objectives,
							     t->candidate.feasible};
			trials[count++] = t;
		}
	}
	trials[0] = trials[objective_choose(&job->spec->objective, &job->spec->criterion, &zero,
					    rows, count)];
	free(rows);
	chosen = trials[0];
	free(trials);
	return chosen;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The median of a trial's own measurement and its confirmations decides, metric by metric. */
static void weigh_confirmations(struct job *job, struct trial *subject)
{
	const struct criterion *criterion = &job->spec->criterion;
	double *values = mem_new((size_t)job->trial_count, sizeof(*values));
	double accuracy[LIMIT_METRICS];

	for (size_t m = 0; m < criterion->metric_count; m++) {
		size_t n = 0;

		values[n++] = subject->accuracy[m];
		for (int64_t i = subject->number + 1; i < job->trial_count; i++) {
			const struct trial *t = job->trials[i];

			if (t->kind == QUESTION_CONFIRM && t->twin == subject->number &&
			    t->state == TRIAL_TOLD) {
				values[n++] = t->accuracy[m];
			}
		}
		accuracy[m] = median(values, n);
	}
	free(values);
	if (!criterion_meets(criterion, accuracy)) {
		subject->rejected = true;
		choose_best(job);
		if (job->best != NULL) {
			job->best->best_logged = false; /* it was best before: say so again */
		}
	}
}

void job_weigh_confirmation(struct job *job, const struct trial *trial)
{
	struct trial *subject = trial->twin >= 0 ? job->trials[trial->twin] : NULL;

	if (subject == NULL) {
		return;
	}
	subject->confirmed++;
	if (subject->confirmed >= job->spec->confirm) {
		weigh_confirmations(job, subject);
	}
}

json_t *job_best_data(const struct job *job, const struct trial *trial)
{
	const struct candidate *c = &trial->candidate;
	double speedup = objective_speedup(&job->spec->objective, c->objective,
					   job->trials[0]->candidate.objective);
	json_t *data = json_pack("{s:b, s:O, s:O, s:f}", "feasible", c->feasible, "accuracy",
				 json_object_get(trial->told, "accuracy"), "objective_value",
				 json_object_get(trial->told, "objective_value"), "accuracy_loss",
				 criterion_loss(&job->spec->criterion, trial->accuracy));

	(void)json_object_set_new(data, "speedup",
				  isnan(speedup) ? json_null() : json_real(speedup));
	return data;
}

void job_show(struct job *job, struct trial *trial)
{
	struct event event = {
		.type = trial->state == TRIAL_TOLD || trial->state == TRIAL_PRUNED ? EVENT_TOLD
										   : EVENT_FAILED,
		.trial = trial->number,
		.kind = trial->kind,
		.config = trial->config,
		.feasible = trial->candidate.feasible,
		.partial = trial->partial,
		.merit = trial->candidate.merit,
		.margin = trial->candidate.margin,
		.objective = trial->candidate.objective,
		.ops = trial->ops,
		.op_count = trial->op_count,
		.scores = trial->scores,
		.option_scores = trial->option_scores,
	};

	if (job_is_strategys(trial) && !(trial->imported && trial->kind == QUESTION_SCORE)) {
		strategy_apply(&job->strategy, &event);
	}
	if (can_be_best(trial) &&
	    (job->best == NULL || candidate_better(&trial->candidate, &job->best->candidate))) {
		job->best = trial;
	}
}

void job_settle_one(struct job *job, struct trial *trial)
{
	job->settled++;
	trial->settled = true;
	job_show(job, trial);
}
