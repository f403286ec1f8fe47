/* How evaluators are, for those who ask and those who wait; private to the tuner. */
#ifndef NARROWD_TUNER_HEALTH_H
#define NARROWD_TUNER_HEALTH_H

#include "tuner/parts.h"

void health_init(struct tuner *tuner);
/* As long as some evaluator is not well, somebody sees to it; who watches a job hears of changes. */
void health_watch(struct tuner *tuner);

#endif
