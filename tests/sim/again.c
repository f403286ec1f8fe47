/*
 * A log is read as a restart reads it, into a job that nobody runs, and before each question of the strategy the
 * strategy is asked: what it says then must be what it was asked for in the life of the job, whatever went wrong in it.
 * So a restart anywhere in that life would have gone on with the same question (docs/promises.md).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/fold.h"
#include "job/spec/codec_changes.h"
#include "store/query.h"
#include "tests/sim/judge.h"
#include "tests/sim/world.h"

struct again {
	struct world *world;
	const char *id;
	struct job *job;
	size_t compared;
};

static bool is_asked_of_strategy(const struct again *again, enum logged type, const json_t *data)
{
	const char *kind = json_string_value(json_object_get(data, "kind"));

	return type == LOGGED_QUESTION_ASKED && again->job->strategy_ready &&
	       (strcmp(kind, "evaluate") == 0 || strcmp(kind, "score") == 0);
}

static bool same_config(const struct again *again, const struct question *question,
			const json_t *data)
{
	json_t *mine = question->config != NULL ? codec_changes_json(question->config) : NULL;
	const json_t *logged = json_object_get(data, "config");
	bool same = (mine == NULL && logged == NULL) || json_equal(mine, (json_t *)logged) == 1;

	(void)again;
	json_decref(mine);
	return same;
}

static void ask_again(struct again *again, int64_t n, const json_t *data)
{
	struct question question;
	struct err err;
	enum step step;

	if (job_settle_until(again->job, json_integer_value(json_object_get(data, "seen")), &err) !=
	    0) {
		broken(again->world, "%s: event %lld: %s", again->id, (long long)n, err.message);
	}
	(void)strategy_catch_up(&again->job->strategy, NULL);
	step = strategy_next(&again->job->strategy, &question);
	if (step != STEP_ASK) {
		broken(again->world, "%s: event %lld: asked again, the strategy asks nothing",
		       again->id, (long long)n);
	}
	if (!same_config(again, &question, data)) {
		broken(again->world,
		       "%s: event %lld: asked again, the strategy asks another question", again->id,
		       (long long)n);
	}
	question_finish(&question);
	again->compared++;
}

static void on_event(void *arg, char *const *cells)
{
	struct again *again = arg;
	enum logged type = logged_find(cells[2]);
	json_t *data = json_loads(cells[5], 0, NULL);
	int64_t n = strtoll(cells[0], NULL, 10);
	int64_t trial = cells[4] != NULL ? strtoll(cells[4], NULL, 10) : -1;
	struct err err;

	if (is_asked_of_strategy(again, type, data)) {
		ask_again(again, n, data);
	}
	again->job->now_ms = strtoll(cells[3], NULL, 10);
	if (job_replay(again->job, type, trial, data, &err) != 0) {
		broken(again->world, "%s: event %lld does not replay: %s", again->id, (long long)n,
		       err.message);
	}
	json_decref(data);
}

static void on_job(void *arg, char *const *cells)
{
	struct again *again = arg;
	struct err err;
	struct spec *spec = spec_load(cells[JOB_SPEC], cells[JOB_CAPABILITY], cells[JOB_EVALUATOR],
				      cells[JOB_MATCHED], &err);

	if (spec == NULL) {
		broken(again->world, "%s cannot be read: %s", again->id, err.message);
	}
	again->job = job_create(again->id, spec, &again->world->io.clock);
}

void again_check(struct world *world, const char *job)
{
	struct again again = {.world = world, .id = job};

	(void)disk_row(world->disk, QUERY_JOB, job, on_job, &again);
	disk_log(world->disk, job, on_event, &again);
	if (!job_state_is_final(again.job->state)) {
		broken(world, "%s has ended, but not by its log", job);
	}
	job_destroy(again.job);
}
