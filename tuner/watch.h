/*
 * Those who watch a job: until it has a newer event on disk, is open no more, or was read from the disk; private to the
 * tuner. tuner_watch() and tuner_unwatch() are theirs.
 */
#ifndef NARROWD_TUNER_WATCH_H
#define NARROWD_TUNER_WATCH_H

#include "base/list.h"

/* Calls all of them, soon. */
void watch_wake(struct list *watches);

#endif
