/* The model that the judge keeps: jobs and trials as their events say. */
#ifndef NARROWD_TESTS_SIM_MODEL_H
#define NARROWD_TESTS_SIM_MODEL_H

#include "tests/sim/judge.h"

enum stage { OPEN, LEASED, TOLD, FAILED, CANCELLED, PRUNED };

struct model_trial {
	char kind[16];
	enum stage stage;
	bool known; /* answered from a cache or imported: nobody is asked */
	bool imported;
	bool excluded;
	int64_t attempts, charged, twin;
	char lease[ID_SIZE];
	int64_t leased_in; /* which reading of its job */
	int64_t promised_ms;
	int expected; /* how the attempt is to be charged: 1, 0, or -1 when nobody said */
	bool spent;   /* nothing may be tried any more */
};

struct model_job {
	char id[ID_SIZE];
	enum job_state state;
	int64_t operators;
	json_t *args; /* owned */
	int64_t version, max_trials, parallel, most_parallel, max_attempts, timeout_at;
	bool pooled, failed_to_store;
	bool plain;                 /* one accuracy, higher is better, and latency alone */
	struct model_trial *trials; /* owned */
	int64_t trial_count, out, charged, told, failed;
	int64_t *recorded_ms; /* owned; of each event, by n */
	int64_t recorded;
	int64_t readings; /* of its log: after a restart, and when it could not be stored */
};

struct judge {
	struct world *world;
	struct model_job **jobs; /* owned */
	size_t job_count;
	struct map leases; /* -> number of the job * 2^20 + number of the trial */
};

/* Takes one event that is on disk; what does not fit ends the world. */
void model_take(struct judge *judge, struct model_job *job, const struct log_event *event);

static inline int64_t number_in(const json_t *data, const char *member, int64_t otherwise)
{
	const json_t *value = json_object_get(data, member);

	return json_is_number(value) ? (int64_t)json_number_value(value) : otherwise;
}

static inline const char *text_in(const json_t *data, const char *member)
{
	const char *text = json_string_value(json_object_get(data, member));

	return text != NULL ? text : "";
}

#endif
