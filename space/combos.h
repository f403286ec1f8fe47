/*
 * Combos: the op-type-wise product, in which all operators of one type and mode are set alike.
 *
 * For each pair of (type, quantized mode), in the order in which the default config uses them,
 * each item has the union of its options over the pair's operators (docs/inc.md, "Op-type-wise"). A combo is
 * one option for each item of each pair, the last item of the last pair varying fastest. An option
 * that is uniform varies for all pairs of its mode at once, where the first of them has it: that is
 * the list of all combos without those in which operators differ. Nothing is materialised: a combo
 * is its number.
 */
#ifndef NARROWD_SPACE_COMBOS_H
#define NARROWD_SPACE_COMBOS_H

#include <stdint.h>

#include "space/space.h"

struct combo_items {
	struct options items[ITEM_COUNT];
	/* Of a pair: the extra that the item varies, or 0, the calibration size, for none. */
	uint16_t extra[ITEM_COUNT];
};

struct combos {
	const struct space *space; /* borrowed */
	struct combo_items *pairs; /* the unions */
	size_t pair_count;
	uint32_t *pair_of;         /* by operator; UINT32_MAX when its default is a precision */
	struct combo_items *kinds; /* what each kind offers in its default mode and branch */
	uint64_t count;            /* of combos, UINT64_MAX when there are more */
};

void combos_init(struct combos *combos, const struct space *space);
void combos_finish(struct combos *combos);
/*
 * Writes the choices of the operators that are in a pair, and uniform options; others are left alone. An operator that
 * does not offer one of the combo's options takes its default for all items.
 */
void combos_choices(const struct combos *combos, uint64_t number, uint16_t *choices);

#endif
