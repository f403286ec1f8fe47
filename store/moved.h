/*
 * What is in a database that is moved between a data directory and PostgreSQL.
 */
#ifndef NARROWD_STORE_MOVED_H
#define NARROWD_STORE_MOVED_H

#include "store/store.h"

/* Looks whether the database is sound, as verify_run() does, and counts what is in it. Blocks. */
int moved_look(const char *path, struct store_moved *ret, struct err *reterr);

#endif
