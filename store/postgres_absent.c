/* What stands in for postgres.c in a build without libpq: it says so to whoever asks for PostgreSQL. */
#include <stddef.h>

#include "store/postgres.h"

const char *postgres_engine_version(void)
{
	return NULL;
}

static int absent(struct err *reterr)
{
	return err_set(reterr, ERR_CONFIG,
		       "this narrowd was built without PostgreSQL: build it with "
		       "-Dpostgresql=enabled, or take a package that has it");
}

struct postgres *postgres_create(const char *url, struct err *reterr)
{
	(void)url;
	(void)absent(reterr);
	return NULL;
}

void postgres_destroy(struct postgres *postgres)
{
	(void)postgres;
}

void postgres_give_up_when(struct postgres *postgres, bool (*give_up)(void *arg), void *arg)
{
	(void)postgres;
	(void)give_up;
	(void)arg;
}

bool postgres_is_connected(const struct postgres *postgres)
{
	(void)postgres;
	return false;
}

int64_t postgres_peer(const struct postgres *postgres)
{
	(void)postgres;
	return 0;
}

int postgres_connect(struct postgres *postgres, struct err *reterr)
{
	(void)postgres;
	return absent(reterr);
}

int postgres_send(struct postgres *postgres, const char *sql, const struct postgres_value *values,
		  size_t count, struct err *reterr)
{
	(void)postgres;
	(void)sql;
	(void)values;
	(void)count;
	return absent(reterr);
}

int postgres_receive(struct postgres *postgres, struct postgres_rows *ret_rows, struct err *reterr)
{
	(void)postgres;
	(void)ret_rows;
	return absent(reterr);
}

int postgres_run(struct postgres *postgres, const char *sql, const struct postgres_value *values,
		 size_t count, struct postgres_rows *ret_rows, struct err *reterr)
{
	(void)postgres;
	(void)sql;
	(void)values;
	(void)count;
	(void)ret_rows;
	return absent(reterr);
}

int postgres_script(struct postgres *postgres, const char *sql, struct err *reterr)
{
	(void)postgres;
	(void)sql;
	return absent(reterr);
}

bool postgres_wait(struct postgres *postgres, int wake, int64_t ms)
{
	(void)postgres;
	(void)wake;
	(void)ms;
	return false;
}

const char *postgres_cell(const struct postgres_rows *rows, size_t row, size_t column,
			  size_t *ret_length)
{
	(void)rows;
	(void)row;
	(void)column;
	(void)ret_length;
	return NULL;
}

int64_t postgres_number(const struct postgres_rows *rows, size_t row, size_t column)
{
	(void)rows;
	(void)row;
	(void)column;
	return 0;
}

void postgres_rows_free(struct postgres_rows *rows)
{
	*rows = (struct postgres_rows){0};
}
