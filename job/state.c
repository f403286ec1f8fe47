/* Folds what happens to a job as a whole: its submission, states, stages and edits. */
#include "job/fold.h"

#include <stdio.h>
#include <string.h>

#include "backends/hash.h"

int job_name_index(const json_t *data, const char *member, const char *const *names)
{
	const char *text = json_string_value(json_object_get(data, member));

	for (int i = 0; text != NULL && names[i] != NULL; i++) {
		if (strcmp(names[i], text) == 0) {
			return i;
		}
	}
	return -1;
}

void job_take_active(struct job *job, const json_t *data)
{
	const json_t *active = json_object_get(data, "active_s");

	if (json_is_number(active)) {
		job->active_s = json_number_value(active);
	}
}

int job_on_state(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	/* Row: from, column: to. */
	static const bool allowed[][7] = {
		[JOB_QUEUED] = {[JOB_BASELINE] = true,
				[JOB_PAUSED] = true,
				[JOB_FAILED] = true,
				[JOB_CANCELLED] = true},
		[JOB_BASELINE] = {[JOB_RUNNING] = true,
				  [JOB_PAUSED] = true,
				  [JOB_COMPLETED] = true,
				  [JOB_FAILED] = true,
				  [JOB_CANCELLED] = true},
		[JOB_RUNNING] = {[JOB_PAUSED] = true,
				 [JOB_COMPLETED] = true,
				 [JOB_FAILED] = true,
				 [JOB_CANCELLED] = true},
		[JOB_PAUSED] = {[JOB_QUEUED] = true,
				[JOB_BASELINE] = true,
				[JOB_RUNNING] = true,
				[JOB_PAUSED] = true, /* for another reason */
				[JOB_COMPLETED] = true,
				[JOB_FAILED] = true,
				[JOB_CANCELLED] = true},
		[JOB_COMPLETED] = {0},
		[JOB_FAILED] = {0},
		[JOB_CANCELLED] = {0},
	};
	int to = job_name_index(data, "state", job_state_names);

	(void)trial;
	if (to < 0 || !allowed[job->state][to]) {
		return job_corrupt(reterr, "a state that cannot follow");
	}
	job->state = to;
	job_take_active(job, data);
	return job_state_is_final(job->state) ? job_on_end(job, data, reterr) : 0;
}

json_t *job_submitted_data(const struct job *job)
{
	char digest[HASH_SHA256_HEX_SIZE];

	spec_space_digest(job->spec, digest);
	return json_pack("{s:I, s:s}", "rules", (json_int_t)job->spec->rules, "space", digest);
}

int job_on_submitted(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	(void)trial;
	json_decref(job->warm_baseline);
	job->warm_baseline = json_deep_copy(json_object_get(data, "warm_baseline"));
	return spec_check_space(job->spec, json_string_value(json_object_get(data, "space")),
				reterr);
}

int job_on_stage(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	const char *stage = json_string_value(json_object_get(data, "stage"));

	(void)trial;
	(void)reterr;
	(void)snprintf(job->stage, sizeof(job->stage), "%s", stage != NULL ? stage : "");
	return 0;
}

int job_on_edited(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	json_t *labels = json_object_get(data, "labels");
	const json_t *trials = json_object_get(data, "max_trials");
	const json_t *parallel = json_object_get(data, "parallel");
	const json_t *timeout = json_object_get(data, "timeout");
	int rc = job_settle_until(job, json_integer_value(json_object_get(data, "seen")), reterr);

	(void)trial;
	job->max_trials = trials != NULL ? json_integer_value(trials) : job->max_trials;
	job->parallel = parallel != NULL ? json_integer_value(parallel) : job->parallel;
	job->timeout_s = timeout != NULL ? json_number_value(timeout) : job->timeout_s;
	if (json_is_object(labels)) {
		json_decref(job->labels);
		job->labels = json_incref(labels);
	}
	return rc;
}
