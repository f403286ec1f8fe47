/* Judges results in the order of settling: whether they meet the criterion, and which is best. */
#include "job/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/median.h"
#include "base/mem.h"
#include "job/endgame.h"
#include "job/trial.h"
#include "job/words.h"

/* Strategies square margins. */
#define MARGIN_MAX 1e100

/* Of margins that are compared. */
static const double rounding = 1e-9;

/* JSON has no infinity. */
static json_t *finite_json(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

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

/* Of several accuracies the objective takes what the criterion weighs, or the first. */
static double one_accuracy(const struct spec *spec, const double *accuracy)
{
	return spec->rules >= 2 ? criterion_accuracy(&spec->criterion, accuracy) : accuracy[0];
}

void job_read_measurement(const struct spec *spec, const json_t *told, double *accuracy,
			  double *objectives)
{
	const json_t *metrics = json_object_get(told, "metrics");

	read_accuracy(&spec->criterion, json_object_get(told, "accuracy"), accuracy);

	for (size_t i = 0; i < spec->objective.count; i++) {
		const char *name = spec->objective.metrics[i].name;

		objectives[i] = strcmp(name, "accuracy") == 0
					? one_accuracy(spec, accuracy)
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
	if (job->spec->rules >= 2) {
		c.margin = fmax(-MARGIN_MAX, fmin(c.margin, MARGIN_MAX));
	}
	return c;
}

double job_told_objective(const struct job *job, const struct trial *trial)
{
	const struct spec *spec = job->spec;

	return spec->apart.count > 0 && !isnan(trial->candidate.objective)
		       ? objective_value(&spec->apart, &trial->objectives[spec->apart_at], NULL)
		       : trial->candidate.objective;
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
		finite_json(job->spec->objective.count == 1 ? objectives[0] : c.objective));
	(void)json_object_set_new(told, "margin",
				  fabs(c.margin) < MARGIN_MAX ? json_real(c.margin) : json_null());
}

bool job_can_be_best(const struct trial *trial)
{
	bool again = trial->twin >= 0 && !trial->cached; /* the first measurement stands for it */
	bool shares = trial->cached && trial->twin >= 0 && trial->job->spec->rules >= 2;

	if (shares && trial->job->trials[trial->twin]->rejected) {
		return false; /* it is the same config */
	}
	return trial->kind == QUESTION_EVALUATE && trial->state == TRIAL_TOLD && !trial->partial &&
	       !again && !trial->rejected && !trial->excluded &&
	       (trial->settled || trial->job->beyond);
}

/* The better of two trials, `best` may be NULL; a config that is the baseline never is. */
static struct trial *better(const struct job *job, struct trial *best, struct trial *trial)
{
	struct trial *stands = job_can_be_best(trial) ? job_stand_in(job, trial) : NULL;

	return stands != NULL && (best == NULL ||
				  candidate_better(&stands->candidate, &best->candidate))
		       ? stands
		       : best;
}

struct trial *job_best_measured(const struct job *job)
{
	struct trial *best = NULL;

	for (int64_t i = 1; i < job->trial_count; i++) {
		best = better(job, best, job->trials[i]);
	}
	return best;
}

void job_choose_best(struct job *job)
{
	job->best = job_best_measured(job);
}

/* The first that gains is what was looked for, whatever others are worth. */
static bool gain_decides(const struct job *job)
{
	return job->best != NULL && job->best->candidate.gains;
}

/* Whether it meets the criterion even when it loses this much more. */
static bool can_bear(const struct trial *trial, double excess)
{
	return trial->candidate.feasible &&
	       (!(excess > 0) || trial->candidate.margin >= excess - rounding);
}

/* NULL when the strategy leaves it to the measurements. */
static struct trial *strategys_choice(const struct job *job, double excess)
{
	int64_t number = strategy_choice(&job->strategy);
	struct trial *trial = number > 0 && number < job->trial_count ? job->trials[number] : NULL;

	return trial != NULL && !gain_decides(job) && job_can_be_best(trial) &&
			       can_bear(trial, excess) && job_stand_in(job, trial) == trial
		       ? trial
		       : NULL;
}

/* The trials that several objectives choose among, and what they are chosen by. */
struct ranking {
	struct trial **trials;
	struct objective_row *rows;
	double *values;
	size_t count;
	struct trial *chosen; /* NULL when another rule chooses */
};

static void ranking_init(struct ranking *ranking, const struct job *job, double excess)
{
	const struct trial *baseline = job->trials[0];
	const struct objective_row zero = {baseline->accuracy, baseline->objectives, true};
	size_t count = (size_t)job->trial_count;

	memset(ranking, 0, sizeof(*ranking));
	if (job->best == NULL || job->best->number == 0 || !job->best->candidate.feasible ||
	    job->spec->objective.count == 1 || gain_decides(job) ||
	    strategys_choice(job, excess) != NULL) {
		return;
	}
	ranking->trials = mem_new(count, sizeof(struct trial *));
	ranking->rows = mem_new(count, sizeof(*ranking->rows));
	ranking->values = mem_new(count, sizeof(*ranking->values));
	for (int64_t i = 1; i < job->trial_count; i++) {
		struct trial *t = job->trials[i];

		if (job_can_be_best(t) && t->twin < 0 && job_stand_in(job, t) == t) {
			ranking->rows[ranking->count] = (struct objective_row){
				t->accuracy, t->objectives, can_bear(t, excess)};
			ranking->trials[ranking->count++] = t;
		}
	}
	ranking->chosen = ranking->trials[objective_choose(
		&job->spec->objective, &job->spec->criterion, &zero, ranking->rows, ranking->count,
		ranking->values)];
}

static void ranking_finish(struct ranking *ranking)
{
	free(ranking->trials);
	free(ranking->rows);
	free(ranking->values);
}

/* Whether it is worth more than the baseline, as far as that means anything. */
static bool is_worth_it(const struct job *job, const struct trial *trial)
{
	double gain = objective_gain(&job->spec->objective, trial->objectives,
				     job->trials[0]->objectives);

	return !job_is_baseline(job, trial->config) &&
	       (isnan(gain) || objective_gains(gain, job->spec->min_gain));
}

/* The best that can bear the excess; where none can, the one that loses least. NULL where none is worth it. */
static struct trial *find_surer(const struct job *job, double excess)
{
	struct trial *best = NULL, *surest = NULL;

	for (int64_t i = 1; i < job->trial_count; i++) {
		struct trial *t = job->trials[i];
		double more;

		if (!job_can_be_best(t) || !t->candidate.feasible || !is_worth_it(job, t)) {
			continue;
		}
		if (can_bear(t, excess) &&
		    (best == NULL || candidate_better(&t->candidate, &best->candidate))) {
			best = t;
		}
		more = surest != NULL ? t->candidate.margin - surest->candidate.margin : 1;
		if (more > 0 ||
		    (more == 0 && candidate_better(&t->candidate, &surest->candidate))) {
			surest = t;
		}
	}
	return best != NULL ? best : surest;
}

/* NULL when neither the strategy nor several objectives choose. */
static struct trial *chosen_otherwise(const struct job *job, double excess)
{
	struct trial *chosen = strategys_choice(job, excess);
	struct ranking ranking;

	if (chosen != NULL) {
		return chosen;
	}
	ranking_init(&ranking, job, excess);
	chosen = ranking.chosen;
	ranking_finish(&ranking);
	return chosen;
}

struct trial *job_final_choice(const struct job *job)
{
	double excess = endgame_excess(job);
	struct trial *chosen;

	if (job->best == NULL || !job->best->candidate.feasible) {
		return job->best;
	}
	chosen = chosen_otherwise(job, excess);
	if (excess > 0 && (chosen == NULL || !can_bear(chosen, excess))) {
		chosen = find_surer(job, excess);
	}
	return chosen != NULL ? chosen : job->best;
}

json_t *job_ranked_data(const struct job *job)
{
	json_t *values = json_array();
	struct ranking ranking;
	size_t next = 0;

	ranking_init(&ranking, job, 0);
	for (int64_t i = 0; ranking.chosen != NULL && i < job->trial_count; i++) {
		const struct trial *trial = job->trials[i];
		bool ranks = ranking.trials[next] == trial; /* NULL behind the last */
		json_t *shared = trial->kind == QUESTION_EVALUATE && trial->twin >= 0
					 ? json_array_get(values, (size_t)trial->twin)
					 : NULL;

		(void)json_array_append_new(values, ranks    ? finite_json(ranking.values[next])
						    : shared ? json_incref(shared)
							     : json_null());
		next += ranks;
	}
	ranking_finish(&ranking);
	if (ranking.chosen == NULL || job->ranked || job->spec->rules < 2) {
		json_decref(values);
		return NULL;
	}
	return json_pack("{s:o}", "values", values);
}

int job_on_ranked(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	const json_t *values = json_object_get(data, "values");

	(void)trial;
	if (json_array_size(values) > (size_t)job->trial_count) {
		return job_corrupt(reterr, "ranks of trials that are not there");
	}
	for (size_t i = 1; i < json_array_size(values); i++) { /* trial 0 is the baseline */
		struct trial *ranked = job->trials[i];

		if (ranked->kind == QUESTION_EVALUATE && ranked->state == TRIAL_TOLD) {
			trial_revalue(ranked, json_array_get(values, i));
		}
	}
	job->ranked = true;
	return 0;
}

void job_reject(struct job *job, struct trial *trial)
{
	trial->rejected = true;
	job->ranked = false;
	job_choose_best(job);
	if (job->best != NULL) {
		job->best->best_logged = false; /* it was best before: say so again */
	}
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
		job_reject(job, subject);
	}
}

void job_weigh_confirmation(struct job *job, const struct trial *trial)
{
	struct trial *subject = trial->twin >= 0 ? job->trials[trial->twin] : NULL;

	if (job->spec->rules >= 2) {
		endgame_weigh(job, trial);
		return;
	}
	if (subject == NULL) {
		return;
	}
	subject->confirmed++;
	if (subject->confirmed >= job->spec->confirm) {
		weigh_confirmations(job, subject);
	}
}

void job_add_gain(const struct spec *spec, const double *values, const double *baseline,
		  json_t *data)
{
	double speedup = objective_speedup(&spec->objective, values, baseline);

	(void)json_object_set_new(data, "speedup", finite_json(speedup));
	if (spec->rules >= 2) {
		(void)json_object_set_new(
			data, "gain",
			finite_json(objective_gain(&spec->objective, values, baseline)));
	}
}

json_t *job_best_data(const struct job *job, const struct trial *trial)
{
	json_t *data, *told;

	if (job->spec->rules >= 2) {
		return words_best_data(job, trial, false);
	}
	told = trial_told(trial);
	data = json_pack("{s:b, s:O, s:O, s:o}", "feasible", trial->candidate.feasible, "accuracy",
			 json_object_get(told, "accuracy"), "objective_value",
			 json_object_get(told, "objective_value"), "accuracy_loss",
			 finite_json(criterion_loss(&job->spec->criterion, trial->accuracy)));
	json_decref(told);
	job_add_gain(job->spec, trial->objectives, job->trials[0]->objectives, data);
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
		.objective = job_told_objective(job, trial),
		.ops = trial->ops,
		.op_count = trial->op_count,
		.scores = trial->scores,
		.option_scores = trial->option_scores,
	};

	if (job_is_strategys(trial) && !(trial->imported && trial->kind == QUESTION_SCORE)) {
		strategy_apply_later(&job->strategy, &event);
	}
	job->best = better(job, job->best, trial);
}

void job_settle_one(struct job *job, struct trial *trial)
{
	job->settled++;
	trial->settled = true;
	job_count_gain(job, trial);
	job_show(job, trial);
}
