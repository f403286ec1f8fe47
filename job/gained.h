/*
 * What a config gains over the baseline, in words; part of the job, pure.
 *
 * Where one measurement of many makes most of a mean, medians say something else, and that is said, too.
 */
#ifndef NARROWD_JOB_GAINED_H
#define NARROWD_JOB_GAINED_H

#include "base/buf.h"
#include "job/figures.h"

/* "1.98 times as fast (1.71 to 2.24)", from gain, middle_gain, measurements and interval of the figures, which are of `spec`. */
void gained_words(const struct spec *spec, const struct figures *figures, struct buf *text);
/* What has to be gained, in the same unit beside the share: "2 % (1.02 times as fast)". */
void gained_asked(const struct spec *spec, struct buf *text);
/* Whether gained_words() names the medians. */
bool gained_apart(const struct spec *spec, const struct figures *figures);
/* False where the medians of several measurements gain less than that. */
bool gained_by_medians(const struct figures *figures, double min_gain);

#endif
