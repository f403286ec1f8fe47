/*
 * Modes that operators cannot be in, and what they are in instead: what turned out not to run, while the
 * space still has it.
 */
#ifndef NARROWD_SPACE_BANS_H
#define NARROWD_SPACE_BANS_H

#include "space/space.h"

struct ban {
	uint32_t op;
	uint8_t mode;     /* enum mode */
	uint16_t instead; /* a choice of the operator */
};

/* Empty when zeroed. */
struct bans {
	struct ban *list; /* owned; by operator, ascending, then by mode */
	size_t count;
};

void bans_finish(struct bans *bans);
/* Takes the place of what there was: `banned` has op_count x MODE_COUNT. Of an operator that would have no
 * mode left nothing is banned. What stands in is the highest precision that is left. */
void bans_set(struct bans *bans, const struct space *space, const bool *banned);
/* NULL when the operator can be in the mode. */
const struct ban *bans_find(const struct bans *bans, size_t op, enum mode mode);
/* Puts what stands in into the choices of operators, in their order. */
void bans_apply(const struct bans *bans, const struct space *space, uint16_t *choices);

#endif
