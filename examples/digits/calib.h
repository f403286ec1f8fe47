/* Calibration: which range of each operator's input is mapped onto the 256 values of uint8. */
#ifndef DIGITS_CALIB_H
#define DIGITS_CALIB_H

#include "config.h"
#include "fault.h"
#include "model.h"

struct range {
	float low, high;
};

struct calib {
	size_t samples;
	struct range ranges[MODEL_MAX_OPS][ALGORITHMS];
};

/* real = scale * (stored - zero); a tensor that is not `u8` is stored as it is. */
struct quant {
	bool u8;
	float scale;
	int32_t zero;
};

/* Runs the first `samples` calibration images in fp32. Returns 0, or -1 and `fault`. */
int calib_init(struct calib *calib, const struct model *model, size_t samples, struct fault *fault);

/* How the input of operator `op` is stored under this choice. */
struct quant calib_quant(const struct calib *calib, size_t op, const struct choice *choice);

#endif
