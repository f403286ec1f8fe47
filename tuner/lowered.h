/*
 * What lowering an operator is believed to do: one truth for everybody who shows it.
 */
#ifndef NARROWD_TUNER_LOWERED_H
#define NARROWD_TUNER_LOWERED_H

#include "base/buf.h"
#include "job/spec/spec.h"
#include "strategies/models/posterior.h"

/* Of its options in lower precision the one that is believed to lose least; -1 without one. */
int lowered_least(const struct space *space, const struct posterior *posterior, size_t op);
/* What that option is believed to lose and to save, and what it says of an operator that was not lowered. There is one. */
void lowered_words(const struct spec *spec, const struct posterior *posterior, size_t op,
		   double baseline_ms, struct buf *text);

#endif
