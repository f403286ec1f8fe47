/* When a tuner that is to stop has stopped; private to the tuner. */
#ifndef NARROWD_TUNER_STOP_H
#define NARROWD_TUNER_STOP_H

#include "tuner/parts.h"

/* Something is over: once nothing flies every run is closed; once the last one is gone the tuner has stopped. */
void stop_check(struct tuner *tuner);

#endif
