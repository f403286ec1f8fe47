/* Holds what is stored, asked and acknowledged against the model. */
#include "tests/sim/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/query.h"

struct judge *judge_create(struct world *world)
{
	struct judge *judge = mem_new(1, sizeof(*judge));

	judge->world = world;
	map_init(&judge->leases);
	return judge;
}

void judge_destroy(struct judge *judge)
{
	for (size_t i = 0; i < judge->job_count; i++) {
		free(judge->jobs[i]->trials);
		free(judge->jobs[i]->recorded_ms);
		json_decref(judge->jobs[i]->args);
		free(judge->jobs[i]);
	}
	free(judge->jobs);
	map_finish(&judge->leases);
	free(judge);
}

static struct model_job *find(const struct judge *judge, const char *id)
{
	for (size_t i = 0; i < judge->job_count; i++) {
		if (strcmp(judge->jobs[i]->id, id) == 0) {
			return judge->jobs[i];
		}
	}
	return NULL;
}

static struct model_trial *trial_of_lease(const struct judge *judge, const char *lease,
					  struct model_job **ret_job)
{
	intptr_t place = map_get(&judge->leases, lease, -1);

	if (place < 0) {
		return NULL;
	}
	*ret_job = judge->jobs[place >> 20];
	return &(*ret_job)->trials[place & 0xFFFFF];
}

static int64_t operators_in(const char *capability)
{
	json_t *read = json_loads(capability, 0, NULL);
	size_t count = json_array_size(json_object_get(read, "ops"));

	json_decref(read);
	return (int64_t)count;
}

/* What the model knows of a submission: docs/jobs.md. */
static struct model_job *add_job(struct judge *judge, const struct op *op)
{
	json_t *body = json_loads(op->texts[1], 0, NULL);
	const json_t *tuning = json_object_get(body, "tuning_criterion");
	struct model_job *job = mem_new(1, sizeof(*job));

	(void)snprintf(job->id, sizeof(job->id), "%s", op->texts[0]);
	job->max_trials = number_in(tuning, "max_trials", 100);
	job->parallel = number_in(body, "parallel", 1);
	job->max_attempts = number_in(json_object_get(body, "retry"), "max_attempts", 3);
	job->plain = json_object_get(body, "evaluator_args") == NULL &&
		     json_object_get(tuning, "objective") == NULL;
	job->args = json_incref(json_object_get(body, "evaluator_args"));
	job->operators = operators_in(op->texts[2]);
	job->pooled = json_object_get(json_object_get(body, "evaluator"), "pool") != NULL;
	json_decref(body);
	judge->jobs = mem_grow(judge->jobs, judge->job_count + 1, sizeof(struct model_job *));
	judge->jobs[judge->job_count++] = job;
	return job;
}

void judge_recorded(struct judge *judge, const struct op *op)
{
	struct model_job *job = find(judge, op->texts[0]);
	int64_t last = op->version + (int64_t)op->event_count;

	if (job == NULL) {
		job = add_job(judge, op);
	}
	if (last >= job->recorded) {
		job->recorded_ms =
			mem_grow(job->recorded_ms, (size_t)last + 1, sizeof(*job->recorded_ms));
		job->recorded = last + 1;
	}
	for (int64_t n = op->version + 1; n <= last; n++) {
		job->recorded_ms[n] = judge->world->mono_ms;
	}
}

void judge_stored(struct judge *judge, const struct op *op)
{
	struct model_job *job = find(judge, op->texts[0]);

	if (op->kind == OP_APPEND && op->version != job->version) {
		broken(judge->world, "%s: events are stored behind %lld, the last was %lld",
		       job->id, (long long)op->version, (long long)job->version);
	}
	for (size_t i = 0; i < op->event_count; i++) {
		model_take(judge, job, &op->events[i]);
	}
}

/* Who answers under a lease that has outlived this has a whole one before him. */
static void read_again(const struct judge *judge, struct model_job *job)
{
	job->readings++;
	for (int64_t i = 0; i < job->trial_count; i++) {
		job->trials[i].promised_ms = judge->world->mono_ms;
	}
}

void judge_refused(struct judge *judge, const struct op *op, const struct err *err)
{
	struct model_job *job = find(judge, op->texts[0]);

	tell(judge->world, "%s  not stored: %s", job->id + ID_SIZE - 7, err->message);
	if (err->code == ERR_CONFLICT && job->failed_to_store) {
		return; /* what came behind a write that failed does not fit */
	}
	if (err->code != ERR_DISK_FULL) {
		broken(judge->world, "%s: the store refuses what the tuner records: %s", job->id,
		       err->message);
	}
	job->failed_to_store = true;
	read_again(judge, job);
}

void judge_restarted(struct judge *judge)
{
	for (size_t i = 0; i < judge->job_count; i++) {
		judge->jobs[i]->failed_to_store = false;
		read_again(judge, judge->jobs[i]);
	}
}

void judge_asked(struct judge *judge, const json_t *document, const char *key)
{
	const char *lease = text_in(document, "lease");
	struct model_job *job = NULL;
	const struct model_trial *trial = trial_of_lease(judge, lease, &job);
	int64_t number = number_in(document, "trial", -1);
	char expected[ID_SIZE + 24];

	if (trial == NULL) {
		broken(judge->world, "somebody is asked under lease %s, which is not on disk",
		       lease);
	}
	(void)snprintf(expected, sizeof(expected), "%s.%lld", job->id, (long long)number);
	if (trial != &job->trials[number] || strcmp(text_in(document, "job"), job->id) != 0 ||
	    (key != NULL && strcmp(key, expected) != 0)) {
		broken(judge->world, "%s: trial %lld is asked as another one", job->id,
		       (long long)number);
	}
	/* A worker may be told of a lease that was over in the very same commit: its job has ended, or somebody gave the
	 * trial up. */
	if ((trial->stage != LEASED &&
	     (key != NULL || (trial->stage != CANCELLED && trial->stage != FAILED))) ||
	    strcmp(trial->lease, lease) != 0) {
		broken(judge->world, "%s: trial %lld is asked under lease %s, which is over",
		       job->id, (long long)number, lease);
	}
	if (number_in(document, "attempt", -1) != trial->attempts) {
		broken(judge->world, "%s: trial %lld says attempt %lld, it is number %lld", job->id,
		       (long long)number, (long long)number_in(document, "attempt", -1),
		       (long long)trial->attempts);
	}
}

void judge_expects(struct judge *judge, const char *lease, bool charged, bool answer)
{
	struct model_job *job = NULL;
	struct model_trial *trial = trial_of_lease(judge, lease, &job);

	if (trial != NULL && strcmp(trial->lease, lease) == 0 && (job->plain || !answer)) {
		trial->expected = charged;
	}
}

void judge_promised(struct judge *judge, const char *lease, int64_t until_mono_ms)
{
	struct model_job *job = NULL;
	struct model_trial *trial = trial_of_lease(judge, lease, &job);

	if (trial != NULL && trial->stage == LEASED && strcmp(trial->lease, lease) == 0) {
		trial->promised_ms = until_mono_ms;
	}
}

void judge_counts(struct judge *judge, const char *lease)
{
	struct model_job *job = NULL;
	const struct model_trial *trial = trial_of_lease(judge, lease, &job);

	if (trial == NULL || (trial->stage == LEASED && strcmp(trial->lease, lease) == 0)) {
		broken(judge->world, "the answer to lease %s was said to count, and is not on disk",
		       lease);
	}
	if (trial->stage == TOLD && strcmp(trial->lease, lease) != 0) {
		broken(judge->world,
		       "%s: the answer to lease %s was said to count, but that to %s does", job->id,
		       lease, trial->lease);
	}
}

void judge_needless(struct judge *judge, const char *lease)
{
	struct model_job *job = NULL;
	const struct model_trial *trial = trial_of_lease(judge, lease, &job);

	if (trial == NULL || (trial->stage == LEASED && strcmp(trial->lease, lease) == 0)) {
		broken(judge->world, "who has lease %s is told to stop, and its trial goes on",
		       lease);
	}
}

void judge_gone(struct judge *judge, const char *lease)
{
	struct model_job *job = NULL;
	const struct model_trial *trial = trial_of_lease(judge, lease, &job);

	if (trial != NULL && trial->stage == LEASED && strcmp(trial->lease, lease) == 0) {
		broken(judge->world, "lease %s is said to be over, and is not", lease);
	}
}

void judge_submitted(struct judge *judge, const char *id)
{
	const struct model_job *job = find(judge, id);

	if (job == NULL || job->version == 0) {
		broken(judge->world, "%s was said to exist, and is not on disk", id);
	}
}

void judge_cancelled(struct judge *judge, const char *id)
{
	if (!job_state_is_final(find(judge, id)->state)) {
		broken(judge->world, "%s was said to be cancelled, and the disk says no such thing",
		       id);
	}
}

const char *judge_job(const struct judge *judge, size_t number)
{
	return number < judge->job_count ? judge->jobs[number]->id : NULL;
}

enum job_state judge_state(const struct judge *judge, const char *job)
{
	return find(judge, job)->state;
}

int64_t judge_trials(const struct judge *judge, const char *job)
{
	return find(judge, job)->trial_count;
}

bool judge_all_over(const struct judge *judge)
{
	for (size_t i = 0; i < judge->job_count; i++) {
		if (judge->jobs[i]->version > 0 && !job_state_is_final(judge->jobs[i]->state)) {
			return false;
		}
	}
	return true;
}

void judge_imported(const struct judge *judge, const char *id, int64_t first, int64_t count)
{
	const struct model_job *job = find(judge, id);

	for (int64_t i = first; i < first + count; i++) {
		if (i >= job->trial_count || !job->trials[i].imported) {
			broken(judge->world, "%s: trial %lld was said to be brought in, and is not",
			       id, (long long)i);
		}
	}
}

int64_t judge_operators(const struct judge *judge, const char *id)
{
	return find(judge, id)->operators;
}

json_t *judge_args(const struct judge *judge, const char *id)
{
	return find(judge, id)->args;
}

struct shown {
	struct judge *judge;
	const struct model_job *job;
};

static void compare_document(void *arg, char *const *cells)
{
	const struct shown *shown = arg;
	const struct model_job *job = shown->job;
	json_t *document = json_loads(cells[JOB_DOCUMENT], 0, NULL);
	const json_t *progress = json_object_get(document, "progress");
	const struct {
		const char *name;
		int64_t is, says;
	} numbers[] = {
		{"version", job->version, strtoll(cells[JOB_VERSION], NULL, 10)},
		{"told", job->told, number_in(progress, "told", -1)},
		{"failed", job->failed, number_in(progress, "failed", -1)},
		{"running", 0, number_in(progress, "running", -1)},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].is != numbers[i].says) {
			broken(shown->judge->world,
			       "%s: its document says %s %lld, its events %lld", job->id,
			       numbers[i].name, (long long)numbers[i].says,
			       (long long)numbers[i].is);
		}
	}
	json_decref(document);
}

void judge_end(struct judge *judge)
{
	for (size_t i = 0; i < judge->job_count; i++) {
		struct shown shown = {judge, judge->jobs[i]};

		if (judge->jobs[i]->version == 0) {
			continue;
		}
		if (!disk_row(judge->world->disk, QUERY_JOB, judge->jobs[i]->id, compare_document,
			      &shown)) {
			broken(judge->world, "%s is gone", judge->jobs[i]->id);
		}
		again_check(judge->world, judge->jobs[i]->id);
	}
}
