/*
 * What SigOpt is told of a space: every dimension with more than one choice is an integer parameter.
 *
 * Integers, because a server whose parameters are all categorical draws at random; one-option
 * dimensions are left out, because it refuses bounds of which both are the same.
 */
#ifndef NARROWD_BACKENDS_SIGOPT_BODY_H
#define NARROWD_BACKENDS_SIGOPT_BODY_H

#include <jansson.h>

#include "base/err.h"
#include "space/product.h"

/* [{"name": "op_17", "type": "int", "bounds": {"min": 0, "max": 5}}, ...]. New reference. Operators
 * go by their index, since their own names may be too long or used twice for SigOpt. */
json_t *sigopt_body_parameters(const struct product *product);
/* The config that `assignments` mean, or NULL with a reason. The caller destroys it. */
struct config *sigopt_body_config(const struct product *product, const json_t *assignments,
				  struct err *reterr);

#endif
