/*
 * A member of an event's data, found without parsing the whole, of which a config may be most.
 *
 *	narrowd_member(data, name, sum)  the member as JSON, or null: as data -> '$.name'
 *
 * The data of an event with a sum (sum.h) is as json_text() made it. Without one it may be as somebody wrote it.
 */
#ifndef NARROWD_STORE_MEMBER_H
#define NARROWD_STORE_MEMBER_H

#include <sqlite3.h>

#include "base/err.h"

int member_register(sqlite3 *db, struct err *reterr);

#endif
