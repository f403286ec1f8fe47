/* Says of which engines the store is made here. */
#include <sqlite3.h>

#include "store/postgres.h"
#include "store/store.h"

const char *store_engine_version(void)
{
	return sqlite3_libversion();
}

int store_check_postgresql(const char *url, struct err *reterr)
{
	struct postgres *postgres = postgres_create(url, reterr);

	postgres_destroy(postgres);
	return postgres != NULL ? 0 : -(int)reterr->code;
}

const char *store_postgres_version(void)
{
	return postgres_engine_version();
}
