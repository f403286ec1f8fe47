/* Calls to evaluators; private to the tuner. */
#ifndef NARROWD_TUNER_DELIVERY_H
#define NARROWD_TUNER_DELIVERY_H

#include "tuner/parts.h"

/* Asks the evaluator whose place it has. One delivery is one attempt. */
void delivery_send(struct flight *flight);

#endif
