/*
 * How long places stood idle: a strategy that learns waits for the oldest question that is out, and who
 * has workers to pay for should know what that costs.
 */
#ifndef NARROWD_TUNER_IDLE_H
#define NARROWD_TUNER_IDLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct run;

enum { IDLE_MINUTES = 60 };

/* Zeroed at first. Times in ms of a clock that never goes back. */
struct idle {
	double minutes[IDLE_MINUTES]; /* idle ms in each of the last, the current one at `minute` */
	int64_t minute;               /* since the clock began */
	double part;                  /* of the places that are idle now */
	int64_t noted_ms;
	int64_t since_wall_ms; /* 0 while none is */
};

/* From now on this part of the places is idle. */
void idle_note(struct idle *idle, double part, int64_t now_ms);
/* The share of the last hour that the places were idle, up to the last note. */
double idle_share(const struct idle *idle);

/* After a turn: takes note, and warns once when it was too much. */
void idle_turn(struct run *run);
/* progress.waits_for: {"trial", "since", "worker"} or null. New reference. */
json_t *idle_json(const struct run *run);

#endif
