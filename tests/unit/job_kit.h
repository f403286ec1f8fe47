/*
 * A job in hand: submitted, asked, answered and read again by a test, with no tuner, no store and nobody who measures.
 *
 * Its operators are "a" and "b", each int8 per channel, int8 per tensor or fp32, and its strategy tries configs in order.
 */
#ifndef NARROWD_TESTS_UNIT_JOB_KIT_H
#define NARROWD_TESTS_UNIT_JOB_KIT_H

#include "job/job.h"
#include "job/next.h"

/* What kit_prefer() makes strategies hand over. */
extern int64_t kit_preferred;
/* What the jobs' clock shows, both of them. */
extern int64_t kit_now_ms;

/* `extra` is more of the body, ", \"member\": ..."; what it says twice is as it says last. */
struct spec *kit_spec(const char *extra);
struct job *kit_job(const char *extra);
/* The same once its baseline has this accuracy and 100 ms. */
struct job *kit_running(const char *extra, double accuracy);
/* The same with what an evaluator said of the baseline. */
struct job *kit_running_from(const char *extra, const char *baseline);

struct next kit_next(struct job *job);
/* The strategy's next question; NULL when its answer is known. */
struct trial *kit_ask(struct job *job);
/* Its results are settled and shown to the strategy. */
void kit_settle(struct job *job);
void kit_tell(struct job *job, struct trial *trial, double accuracy, double latency_ms);
/* From now on the job's strategy would hand over this trial. */
void kit_prefer(struct job *job, int64_t number);
/* The same with an answer as an evaluator sends it. */
void kit_answer(struct job *job, struct trial *trial, const char *answer);
/* Asks for the config of a trial, 0 is the baseline, once more in a round of the end game. */
struct trial *kit_ask_again(struct job *job, int64_t subject, int64_t round);
/* The same, and tells what came of it. */
struct trial *kit_tell_again(struct job *job, int64_t subject, int64_t round, double accuracy,
			     double latency_ms);
/* Three rounds, which measure the baseline and the first config with the same difference and so much noise. */
void kit_rounds(struct job *job, double baseline, double config, double spread);
void kit_fail(struct job *job, struct trial *trial, const char *error);
/* Records an event with this data. */
void kit_record(struct job *job, enum logged type, int64_t trial, const char *data);
/* Applies an event as a restart would. */
int kit_replay(struct job *job, enum logged type, int64_t trial, const char *data);

/* The data of the newest event of this type, or NULL. Borrowed. */
const json_t *kit_newest(const struct job *job, enum logged type);
/* A text in it, "" without it. */
const char *kit_text(const struct job *job, enum logged type, const char *member);
size_t kit_count(const struct job *job, enum logged type);
/* "reason" or "detail" of how it ended. */
const char *kit_exit(const struct job *job, const char *member);
/* Another job that has read the log of this one: what was recorded comes to the same. */
struct job *kit_again(const struct job *job, const char *extra);
/* That holds for what decides the future, once both have settled what they can. */
void kit_check_again(struct job *job, const char *extra);

#endif
