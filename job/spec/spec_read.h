/*
 * The parts of a job body, each read by one function; private to the spec.
 */
#ifndef NARROWD_JOB_SPEC_SPEC_READ_H
#define NARROWD_JOB_SPEC_SPEC_READ_H

#include "job/spec/spec.h"

/* The criterion, the objective, and what is worth a change. */
void spec_read_goals(const struct json_at *body, struct spec *spec);
/* quant_level, strategy and its arguments. A strategy that is unknown is a fault, but NULL for a job
 * that is `stored`: its plug-in may be gone. */
void spec_read_strategy(const struct json_at *body, bool stored, struct spec *spec);
/* Where accuracy and one other metric are the objectives, a strategy that searches the whole front is given the other
 * one alone. After both of the above, and after the budget. */
void spec_open_both(struct spec *spec);
/* An approach by its short name. */
const char *spec_approach_name(enum approach approach);
/* Approach, dictionaries, precisions, sampling sizes; makes the space unless `capability` is NULL or
 * one of these is faulty. `matched` is what the store kept of the dictionaries' matches, or NULL. */
void spec_read_space(const struct json_at *body, json_t *capability, const json_t *matched,
		     struct spec *spec);

/* What the job begins with; all but `known`, which spec_read_space() takes. */
void spec_read_warm_start(const struct json_at *at, struct spec *spec);
/* Notes where what other jobs learnt is of no use. After spec_read_space(). */
void spec_note_learnt(const struct json_at *body, struct spec *spec);

/* Notes what of the submission, or of the capability, has no effect; a fault where nothing that was
 * asked for is possible. After everything above. */
void spec_note_silence(const struct json_at *body, const struct json_at *capability,
		       struct spec *spec);

#endif
