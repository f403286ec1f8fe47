/*
 * The spec: what the user asked for in one job, checked and ready to be used.
 *
 * Made from the submitted JSON together with the capability it refers to; made again from the
 * stored texts after a restart. Immutable except for what PATCH may edit.
 *
 * A log holds configs as indices into a space that is built again from the body, and a job is
 * judged again while its log is replayed. So whatever turns a body into a space, a bound, a
 * direction, a default or a judgement goes by the job's rules, a number that is stored with the
 * body: a change that alters any of these for an unchanged body is a new number, and the old rules
 * stay for the jobs that were submitted under them.
 */
#ifndef NARROWD_JOB_SPEC_SPEC_H
#define NARROWD_JOB_SPEC_SPEC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/answer.h"
#include "backends/hash.h"
#include "base/json.h"
#include "strategies/interface/strategy.h"
#include "job/spec/spec_target.h"

enum {
	RULES_FIRST = 1, /* of jobs that do not say */
	RULES_NEWEST = 2,
};

enum stop_on { STOP_FIRST_FEASIBLE, STOP_BUDGET, STOP_FIRST_GAIN };
extern const char *const spec_stop_names[]; /* NULL-terminated */

struct spec {
	atomic_int refs;
	int64_t rules;
	char *name;             /* owned, or NULL */
	json_t *labels;         /* owned object */
	json_t *ranking;        /* the part of the data that is enough to rank; owned, or NULL */
	json_t *model;          /* what the capability says of it; owned, or NULL */
	json_t *evaluator_args; /* nobody here interprets them; owned object */
	json_t *recipes;        /* owned; as every config has them but for what it tunes */
	struct space *space;    /* owned */
	char digest[HASH_SHA256_HEX_SIZE]; /* of the space, or "": see spec_keep_digest() */
	struct criterion criterion;
	struct objective objective;
	/* The metric of it that is searched for where accuracy is the other one, see spec_goals.c; its name is
	 * the objective's. `count` is 0 where the objective is searched for as a whole. */
	struct objective apart;
	size_t apart_at;                     /* its place among the objective's metrics */
	const struct strategy_ops *strategy; /* NULL: a stored job's, whose plug-in is gone */
	char **answers;          /* what the evaluator answers, NULL-terminated; owned */
	char **offered;          /* metrics of the capability in the same way, or NULL; owned */
	struct args args;        /* its texts belong to `kwargs` */
	json_t *kwargs;          /* owned */
	const char *quant_level; /* "auto", "0" or "1" */
	const struct strategy_ops *outranked; /* what it keeps from being used, or NULL */
	double min_gain; /* what a config must gain to be worth more than the baseline */
	int64_t max_trials;
	double timeout_s; /* 0: none */
	enum stop_on stop_on;
	int64_t parallel;
	bool deterministic;
	uint64_t seed;
	int64_t confirm;     /* rounds of the end game at least; 0: none */
	int64_t confirm_max; /* and at most */
	json_t *acceptance; /* the part of the data that the end game is judged on; owned, or NULL */
	int64_t max_attempts;
	double backoff_s;
	int64_t max_failed_trials;
	double busy_s;            /* how long a question may be put off; 0: for ever */
	double max_question_s;    /* how long an attempt may take; 0: no limit */
	double error_probability; /* of early verdicts that are not certain; 0: none such */
	int64_t samples;          /* of an evaluation, where its progress does not say; 0 */
	char *warm_start;  /* the job whose measurements this one starts with; owned, or NULL */
	bool from_library; /* starts with what earlier jobs of its owner learnt, too */
	struct target *targets; /* any of them measures; owned */
	size_t target_count;
	struct target adviser; /* of strategies that have one */
};

/*
 * Reads a job body. `capability` is the document to use (the body's own or the one the evaluator
 * gave); `target` the document of the evaluator, with what spec_secrets_keep() added to it. Faults are reported through `reterr`, all of
 * them. Returns NULL on any fault.
 */
struct spec *spec_create(json_t *body, json_t *capability, json_t *target, struct err *reterr);
/*
 * The same without giving up: `capability` and `target` may be NULL where nobody knows them, faults
 * are added to those that `reterr` has, and a faulty spec, never NULL, may lack its space.
 */
struct spec *spec_draft(json_t *body, json_t *capability, json_t *target, struct err *reterr);
enum { SPEC_TEXTS = 4 }; /* that the store keeps: spec_load()'s */
/* The same from the texts that the store keeps; `matched` is spec_matched()'s, or NULL. */
struct spec *spec_load(const char *body, const char *capability, const char *target,
		       const char *matched, struct err *reterr);
/* What the dictionaries' entries matched, to be stored with the submission and not to be matched
 * again; NULL when nothing need be. The caller frees. */
char *spec_matched(const struct spec *spec);
/* One reference more; any thread. What several hold is not changed. Returns it. */
struct spec *spec_ref(struct spec *spec);
/* Drops a reference; the last one takes the spec with it. Takes NULL. */
void spec_destroy(struct spec *spec);
/* The SHA-256 of the space's text, which job_submitted holds. */
void spec_space_digest(const struct spec *spec, char *ret_hex65);
/* Computes it once, before the spec is shared and as long as its space does not change. */
void spec_keep_digest(struct spec *spec);
/* ERR_DIVERGED when the space is not the one that configs of the log are indices into. `digest` as
 * above; NULL, as of jobs from before there was one, fits all. */
int spec_check_space(const struct spec *spec, const char *digest, struct err *reterr);

/* Labels, {name: text}, or an empty object. New reference. The first rules took any name. */
json_t *spec_labels_read(const struct json_at *at, int64_t rules);

/* What the strategy may know of the job. Borrows from the spec. */
struct problem spec_problem(const struct spec *spec);

/* {"criterion", "objective"}: what the job looks for, for whoever advises it. New reference. */
json_t *spec_goals(const struct spec *spec);

/* What every measurement must contain: the names, borrowed from the spec, NULL-terminated. */
struct spec_needs {
	const char *metrics[LIMIT_METRICS + 1];
	const char *accuracies[LIMIT_METRICS + 1];
	const char *const *offered;
};
void spec_needs_init(struct spec_needs *needs, const struct spec *spec);
/* The same as the checks of answers want it. Borrows `needs`. */
struct answer_expect spec_needs_expect(const struct spec_needs *needs);

/* What the job document shows and no event changes, as the store wants it. New reference. */
json_t *spec_head(const struct spec *spec, const json_t *body, const json_t *target);
/* What of other jobs' learning the job begins with: {"from": [job], "operators": how many it fits, "of": all}, or null.
 * New reference. */
json_t *spec_learnt(const struct spec *spec, const json_t *body);
/* How a job of this spec would be tuned: what of the above a dry run says. New reference. */
json_t *spec_plan(const struct spec *spec, const json_t *body);

#endif
