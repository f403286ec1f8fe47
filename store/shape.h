/*
 * Whether a database has the tables of its schema and nothing else that does something.
 */
#ifndef NARROWD_STORE_SHAPE_H
#define NARROWD_STORE_SHAPE_H

#include <sqlite3.h>

#include "base/err.h"

/*
 * ERR_CORRUPT names what is missing or made otherwise than narrowd makes it, and triggers and views,
 * of which narrowd has none. Tables and indexes of others are logged.
 */
int shape_check(sqlite3 *db, struct err *reterr);

#endif
