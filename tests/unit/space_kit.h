/*
 * A kit for tests that need spaces: capabilities and restrictions written as short texts, and
 * configs read back as such.
 *
 * Modes are written "static a.scheme=asym,sym w.granularity=pc; bf16; fp32": descriptions in the
 * order given, `a.` and `w.` for the attributes. Restrictions are written like one description
 * without its mode: "a.scheme=sym w.dtype=fp32".
 */
#ifndef NARROWD_TESTS_UNIT_SPACE_KIT_H
#define NARROWD_TESTS_UNIT_SPACE_KIT_H

#include "space/config.h"
#include "space/space.h"

struct kit_op {
	const char *name, *type, *modes; /* a name of NULL ends a list */
};

struct kit_restriction {
	bool by_name;
	const char *pattern, *options; /* a pattern of NULL ends a list */
};

enum { KIT_TIED = 4 };

struct kit_request {
	enum approach approach;
	const struct kit_restriction *restrictions; /* may be NULL */
	bool exclude[MODE_COUNT];
	size_t sizes;  /* calibration sizes 100, 200, ...; 0 for the capability's only one */
	size_t alphas; /* of smooth quant, "auto" and numbers, under rules 2; at most 4 */
	const uint32_t (*tied)[KIT_TIED]; /* groups of operators, ascending, filled up with 0 */
	size_t tied_count;
	const char *uniform; /* "a.algorithm w.bits", or NULL */
};

/* NULL with err when the space cannot be created; otherwise the caller destroys it. */
struct space *kit_space(const struct kit_op *ops, const struct kit_request *request,
			struct err *reterr);
/* "S:asym/pc fp32 @200": the operators that have a dimension in order, quantized ones with their options in the order
 * of items, then the calibration size if there are several. The caller frees. */
char *kit_config_text(const struct space *space, const struct config *config);
/* All choices of an operator in the same notation, "*" for what is uniform. The caller frees. */
char *kit_choices_text(const struct space *space, size_t op);

#endif
