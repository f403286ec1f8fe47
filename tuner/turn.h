/* Turns: what jobs decide is carried out; private to the tuner. */
#ifndef NARROWD_TUNER_TURN_H
#define NARROWD_TUNER_TURN_H

#include "tuner/parts.h"

/* Carries out the next thing and stores what was recorded. Any number of times. */
void turn_take(struct run *run);

#endif
