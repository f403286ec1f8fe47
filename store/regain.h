/*
 * The start of a replica that has nothing, or too little: it begins from the newest snapshot of its log (snapshot.h).
 */
#ifndef NARROWD_STORE_REGAIN_H
#define NARROWD_STORE_REGAIN_H

#include "store/directory.h"
#include "store/shared.h"

/*
 * Puts a snapshot in the place of the database when that is empty, or is of this log and lacks operations that stand
 * there no more. ERR_CONFIG when something else is in it. Nobody has it open, the directory is locked, and there is a connection. A
 * kill leaves either. Fails as shared.h says, and with ERR_DISK_FULL.
 */
int regain_run(struct shared *shared, const struct directory *directory, struct err *reterr);

#endif
