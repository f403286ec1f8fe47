/*
 * Restrictions: what a user's op_type_dict and op_name_dict leave of a set of mode descriptions.
 *
 * For one operator all matching entries are first merged into one restriction (types before names,
 * later entries win item by item), which is then applied once (docs/inc.md, "Restrictions").
 */
#ifndef NARROWD_SPACE_RESTRICT_H
#define NARROWD_SPACE_RESTRICT_H

#include "space/space.h"

/* Where something that was ignored is reported: `entry` is a restriction's index. */
typedef void (*restrict_note_fn)(void *arg, size_t entry, enum item item, const char *detail);

struct restrict_merged {
	const struct options *items[ITEM_COUNT]; /* NULL: not restricted */
	size_t entry[ITEM_COUNT];                /* which restriction said so */
};

/* Whether the approach quantizes in this mode. */
bool restrict_has(enum approach approach, enum mode mode);

void restrict_merge(struct restrict_merged *merged, const struct restriction *restriction,
		    size_t entry);

/*
 * Writes into `ret` (to be finished with mode_set_finish()) what remains of `set` for this
 * approach: quantized descriptions with their filtered options, then one description per precision
 * that is left. An option that is not offered is ignored and reported.
 */
void restrict_apply(const struct mode_set *set, const struct restrict_merged *merged,
		    const struct space_request *request, const struct atoms *atoms,
		    restrict_note_fn note, void *arg, struct mode_set *ret);

#endif
