/*
 * Tied operators: groups that the runtime fuses, so that they have one choice.
 */
#ifndef NARROWD_SPACE_TIES_H
#define NARROWD_SPACE_TIES_H

#include "space/space.h"

/*
 * Makes the members of a space whose `ops` are still all operators of the capability, and leaves in
 * `ops` those that lead. Lists of operators become the leaders'. ERR_INVALID_FIELD with a fault at each group whose operators differ.
 */
int ties_fold(struct space *space, struct err *reterr);

#endif
