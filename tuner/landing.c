/* Takes results: they are recorded, and the job goes on. */
#include "tuner/landing.h"

#include "job/active.h"
#include "job/next.h"
#include "job/remark.h"
#include "tuner/attempt.h"
#include "tuner/flight.h"
#include "tuner/health.h"
#include "tuner/run.h"

/* Adds what every result has. Returns `data`. */
static json_t *result_data(const struct flight *flight, json_t *data)
{
	struct run *run = flight->run;
	const char *who = flight_who(flight);

	(void)json_object_update_new(data, job_active(run->job));
	if (who != NULL && flight_is_pooled(flight)) {
		workers_answered(&run->tuner->workers, flight_target(flight)->pool, who);
	}
	if (who != NULL) {
		(void)json_object_set_new(data, "worker", json_string(who));
	}
	return data;
}

/* The trial has a result, and its flight is over. */
static void landed(struct run *run, struct trial *trial)
{
	run->tuner->stats.trials_told++;
	job_after_result(run->job, trial);
	run_follow(run);
	run_wake(run);
}

void landing_tell(struct flight *flight, json_t *data)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;

	job_record(run->job, LOGGED_TRIAL_TOLD, trial->number, result_data(flight, data));
	flight_end(flight);
	landed(run, trial);
}

void landing_prune(struct flight *flight, const struct early *early)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;

	job_record(run->job, LOGGED_TRIAL_PRUNED, trial->number,
		   result_data(flight, early_json(early)));
	flight_end(flight);
	landed(run, trial);
}

void landing_take(struct flight *flight, const struct answer *answer, const char *hash)
{
	struct sched_seat *seat = &flight->run->seat;
	json_t *data;

	if (!flight_is_pooled(flight)) {
		sched_answered(seat, flight->place,
			       (double)(io_mono_ms(flight->run->io) - flight->asked_ms) / 1000);
		health_watch(flight->run->tuner);
	}
	if (answer->failed) {
		attempt_fail(flight, &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
							   .error = answer->error,
							   .retryable = answer->retryable,
							   .retry_after_ms = -1,
							   .hash = hash});
		return;
	}
	flight_note_time(flight, true);
	data = job_told_data(flight->run->job, flight->trial, answer);
	remark_answer(flight->run->job, flight->trial, answer, data);
	if (hash != NULL) {
		(void)json_object_set_new(data, "answer", json_string(hash));
	}
	landing_tell(flight, data);
}
