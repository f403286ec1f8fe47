/* Questions that go out; private to the tuner. */
#ifndef NARROWD_TUNER_LAUNCH_H
#define NARROWD_TUNER_LAUNCH_H

#include "tuner/parts.h"

/* Makes the trial fly: with a lease, sent once that is on disk, or waiting for a worker. `place` was
 * taken from the run's seat, or is -1 for an adviser's question. */
void launch_start(struct run *run, struct trial *trial, int place);
/* After a restart, for a trial that somebody works on: waits for the answer once more. */
void launch_wait(struct run *run, struct trial *trial, int place);
/* The lease of this trial is on disk. */
void launch_send(struct run *run, int64_t number, const char *lease_id);

#endif
