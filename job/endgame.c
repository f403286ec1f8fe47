/* Decides what is measured again before a job ends, and what comes of it. */
#include "job/endgame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/figures.h"
#include "job/trial.h"
#include "job/fold.h"

enum { CHOICES_MAX = 3, QUESTIONS_MIN = 8, PART_OF_SEARCH = 3 };

/* The share by which the objective must be better where a config is handed over that the strategy does not trust. */
static const double worth_a_risk = 0.01;

static bool is_again(const struct trial *trial, int64_t subject)
{
	return trial->kind == QUESTION_CONFIRM && trial->twin == subject;
}

static int64_t last_round(const struct job *job)
{
	int64_t last = 0;

	for (int64_t i = 1; i < job->trial_count; i++) {
		const struct trial *t = job->trials[i];

		last = t->kind == QUESTION_CONFIRM && t->round > last ? t->round : last;
	}
	return last;
}

const char *endgame_worker(const struct job *job, const struct trial *trial)
{
	if (trial->kind != QUESTION_CONFIRM || job->spec->rules < 2) {
		return NULL;
	}
	for (int64_t i = 1; i < trial->number; i++) {
		const struct trial *t = job->trials[i];

		if (t->kind == QUESTION_CONFIRM && t->round == trial->round) {
			return t->worker;
		}
	}
	return NULL;
}

bool endgame_applies(const struct job *job, const char *reason)
{
	return job->spec->rules >= 2 && job->spec->confirm > 0 &&
	       strcmp(reason, "too_many_failures") != 0;
}

/* Whether the measurements, not a strategy, say which config is handed over. */
static bool measurements_choose(const struct job *job, const struct trial *winner)
{
	int64_t number = strategy_choice(&job->strategy);

	return job->spec->stop_on == STOP_BUDGET && job->spec->objective.count == 1 &&
	       !winner->insists && number <= 0;
}

/* The second best config that meets the criterion, if noise may have put it behind the winner. How much
 * noise there is nobody knows yet: nothing was measured twice. */
static const struct trial *find_rival(const struct job *job, const struct trial *winner)
{
	const struct trial *second = NULL;
	double value = winner->objectives[0];

	for (int64_t i = 1; i < job->trial_count; i++) {
		const struct trial *t = job->trials[i];

		if (t != winner && t->twin < 0 && job_can_be_best(t) && t->candidate.feasible &&
		    !job_is_baseline(job, t->config) &&
		    (second == NULL || candidate_better(&t->candidate, &second->candidate))) {
			second = t;
		}
	}
	return second != NULL && fabs(second->objectives[0] - value) <= noise_unknown * fabs(value)
		       ? second
		       : NULL;
}

/* Whether the round that chooses between rivals has asked for it again. */
static bool was_in_choice(const struct job *job, int64_t subject)
{
	return figures_count(job, subject, 0, 0) > 0;
}

/* By the mean of all that was measured of it; lower is better. */
static double standing(const struct job *job, const struct trial *trial)
{
	const struct trial **list = mem_new((size_t)job->trial_count, sizeof(struct trial *));
	size_t count = figures_gather(job, trial->number, true, 0, list);
	double sum = 0;

	for (size_t i = 0; i < count; i++) {
		sum += list[i]->candidate.objective / (double)count;
	}
	free(list);
	return count > 0 ? sum : trial->candidate.objective;
}

/* The better of those that the choice's round has measured. */
static struct trial *better_mean(const struct job *job, struct trial *winner)
{
	struct trial *best = winner;
	double least = standing(job, winner);

	if (!was_in_choice(job, winner->number)) {
		return winner;
	}
	for (int64_t i = 1; i < job->trial_count; i++) {
		struct trial *t = job->trials[i];
		bool measured = t != winner && job_can_be_best(t) && t->candidate.feasible &&
				was_in_choice(job, i);

		if (measured && standing(job, t) < least) {
			best = t;
			least = standing(job, t);
		}
	}
	return best;
}

/* The last choice that was rejected. */
static struct trial *last_rejected(const struct job *job)
{
	struct trial *last = NULL;

	for (int64_t i = 1; i < job->trial_count; i++) {
		if (job->trials[i]->kind == QUESTION_CONFIRM && job->trials[i]->twin > 0 &&
		    job->trials[job->trials[i]->twin]->rejected) {
			last = job->trials[job->trials[i]->twin];
		}
	}
	return last;
}

static bool same_member(const struct trial *a, const struct trial *b, const char *member)
{
	json_t *x = trial_told(a), *y = trial_told(b);
	bool same = json_equal(json_object_get(x, member), json_object_get(y, member)) != 0;

	json_decref(x);
	json_decref(y);
	return same;
}

static bool same_accuracy(const struct trial *a, const struct trial *b)
{
	return same_member(a, b, "accuracy");
}

static bool same_numbers(const struct trial *a, const struct trial *b)
{
	return same_accuracy(a, b) && same_member(a, b, "metrics");
}

/* Whether all that was measured again was the same every time, and something was. */
static bool is_exact(const struct job *job,
		     bool (*same)(const struct trial *, const struct trial *))
{
	const struct trial **list = mem_new((size_t)job->trial_count, sizeof(struct trial *));
	bool exact = true, repeated = false;

	for (int64_t i = 1; i < job->trial_count && exact; i++) {
		const struct trial *t = job->trials[i];
		size_t count = t->kind == QUESTION_CONFIRM && t->twin >= 0
				       ? figures_gather(job, t->twin, true, 0, list)
				       : 0;

		for (size_t k = 1; k < count && exact; k++) {
			exact = same(list[0], list[k]);
			repeated = true;
		}
	}
	free(list);
	return exact && repeated;
}

/* A strategy may prefer a config to a better one whose accuracy may have been lucky. Where accuracies do not vary nothing
 * that was measured was lucky; other data may still say otherwise, so what is hardly better is not worth it. */
static struct trial *believed(const struct job *job)
{
	struct trial *winner = job_final_choice(job), *best;
	double value;

	if (winner == NULL || winner->number != strategy_choice(&job->strategy) ||
	    job->rejections > 0 || job->spec->objective.count > 1 ||
	    !is_exact(job, same_accuracy)) {
		return winner;
	}
	best = job_best_measured(job);
	value = standing(job, winner);
	return best != NULL && value - standing(job, best) > worth_a_risk * fabs(value) ? best
											: winner;
}

char *endgame_overruled(const struct job *job, const struct trial *choice)
{
	const struct trial *strategys = job_final_choice(job);

	if (strategys == NULL || strategys == choice || job->rejections > 0 ||
	    strategys->number != strategy_choice(&job->strategy)) {
		return NULL;
	}
	return mem_printf(
		"the strategy would have handed over trial %lld, which is surer to meet the "
		"criterion on other data: trial %lld is better, and whatever was measured again on "
		"the same data had the same accuracy to the last digit%s",
		(long long)strategys->number, (long long)choice->number,
		job->spec->acceptance != NULL
			? "; what the acceptance data says of it is in the verdict"
			: ". To have the choice judged on other data give the job acceptance");
}

/* Other data cost what comes next about as much. On the same data a choice was only luckier than others are at their first
 * measurement: to pass these by would cost speed more often than it helps, until there is only one choice left. */
double endgame_excess(const struct job *job)
{
	bool counts = job->spec->acceptance != NULL || job->rejections >= CHOICES_MAX - 1;

	return counts ? job->excess : 0;
}

struct trial *endgame_choice(const struct job *job, const char *reason)
{
	struct trial *winner = believed(job);
	bool over = strcmp(reason, "criterion_met") != 0;

	if ((winner == NULL || winner->candidate.feasible) && job->rejections > 0 &&
	    (winner == NULL || (over && job->rejections >= CHOICES_MAX))) {
		return last_rejected(job);
	}
	if (winner == NULL || !winner->candidate.feasible || !measurements_choose(job, winner) ||
	    last_round(job) > 0) {
		return winner;
	}
	return better_mean(job, winner);
}

static struct endgame_next ask(int64_t subject, int64_t round)
{
	return (struct endgame_next){ENDGAME_ASK, subject, round};
}

/* Whether the round of the choice still wants somebody. */
static bool choosing(const struct job *job, const struct trial *winner, struct endgame_next *ret)
{
	const struct trial *rival;

	if (!measurements_choose(job, winner) || last_round(job) > 0) {
		return false;
	}
	rival = find_rival(job, winner);
	if (rival == NULL) {
		return false;
	}
	if (!was_in_choice(job, 0) && job->spec->targets[0].baseline == NULL) {
		*ret = ask(0, 0);
	} else if (!was_in_choice(job, winner->number)) {
		*ret = ask(winner->number, 0);
	} else if (!was_in_choice(job, rival->number)) {
		*ret = ask(rival->number, 0);
	} else {
		return false;
	}
	return true;
}

static bool failed_again(const struct job *job, const struct trial *choice)
{
	for (int64_t i = choice->number + 1; i < job->trial_count; i++) {
		if (is_again(job->trials[i], choice->number) &&
		    job->trials[i]->state == TRIAL_FAILED) {
			return true;
		}
	}
	return false;
}

/* Whether another round may say something. */
static bool wants_more(const struct job *job, const struct trial *choice)
{
	const struct spec *spec = job->spec;
	size_t rounds = figures_count(job, choice->number, 1, INT64_MAX);
	size_t asked = 2 * rounds + (was_in_choice(job, choice->number) ? 3 : 0);
	size_t budget = (size_t)fmax(fmax(2 * (double)spec->confirm, QUESTIONS_MIN),
				     (double)job->charged / PART_OF_SEARCH);
	struct figures f;
	bool open;

	if (choice->rejected || failed_again(job, choice)) {
		return false;
	}
	if (rounds == 0) {
		return true;
	}
	if (is_exact(job, same_numbers)) {
		return false;
	}
	if (rounds < (size_t)spec->confirm) {
		return true;
	}
	figures_init(&f, job, choice);
	open = !isnan(f.gain) && (isnan(f.interval[0]) || (f.interval[0] <= spec->min_gain &&
							   f.interval[1] >= spec->min_gain));
	figures_finish(&f);
	return open && rounds < (size_t)spec->confirm_max && asked + 2 <= budget;
}

struct endgame_next endgame_next(const struct job *job, const struct trial *choice)
{
	struct endgame_next next = {.step = ENDGAME_DONE};
	int64_t last = last_round(job);
	bool given = job->spec->targets[0].baseline != NULL;

	if (choice == NULL || choice->number == 0 || choice->rejected ||
	    !choice->candidate.feasible || choosing(job, choice, &next)) {
		return next;
	}
	if (last > 0 && figures_count(job, 0, last, last) > 0) {
		bool complete = false;

		for (int64_t i = 1; i < job->trial_count && !complete; i++) {
			const struct trial *t = job->trials[i];

			complete = t->kind == QUESTION_CONFIRM && t->twin > 0 && t->round == last;
		}
		if (!complete) {
			return ask(choice->number, last);
		}
	}
	if (!wants_more(job, choice)) {
		return next;
	}
	return ask(given ? choice->number : 0, last + 1);
}

void endgame_weigh(struct job *job, const struct trial *told)
{
	struct trial *choice = told->twin > 0 ? job->trials[told->twin] : NULL;
	struct figures f;

	if (choice == NULL || told->round < 1 || told->state != TRIAL_TOLD || choice->rejected ||
	    (figures_count(job, choice->number, 1, INT64_MAX) < (size_t)job->spec->confirm &&
	     !is_exact(job, same_numbers))) {
		return;
	}
	figures_init(&f, job, choice);
	if (!f.feasible) {
		job->rejections++;
		job->excess = fmax(job->excess, choice->candidate.margin - f.margin);
		job_reject(job, choice);
	}
	figures_finish(&f);
}
