/* What the linker puts between the store and libpq, and the clock: a call of f reaches __wrap_f, which has __real_f. */
#ifndef NARROWD_TESTS_SEVERAL_WRAPS_H
#define NARROWD_TESTS_SEVERAL_WRAPS_H

#include <time.h>

#include "store/postgres.h"

int __real_postgres_connect(struct postgres *postgres, struct err *reterr);
int __real_postgres_run(struct postgres *postgres, const char *sql,
			const struct postgres_value *values, size_t count,
			struct postgres_rows *ret_rows, struct err *reterr);
int __real_postgres_script(struct postgres *postgres, const char *sql, struct err *reterr);
int __real_postgres_send(struct postgres *postgres, const char *sql,
			 const struct postgres_value *values, size_t count, struct err *reterr);
int __real_postgres_receive(struct postgres *postgres, struct postgres_rows *ret_rows,
			    struct err *reterr);
int __wrap_postgres_connect(struct postgres *postgres, struct err *reterr);
int __wrap_postgres_run(struct postgres *postgres, const char *sql,
			const struct postgres_value *values, size_t count,
			struct postgres_rows *ret_rows, struct err *reterr);
int __wrap_postgres_script(struct postgres *postgres, const char *sql, struct err *reterr);
int __wrap_postgres_send(struct postgres *postgres, const char *sql,
			 const struct postgres_value *values, size_t count, struct err *reterr);
int __wrap_postgres_receive(struct postgres *postgres, struct postgres_rows *ret_rows,
			    struct err *reterr);
int64_t __wrap_clock_mono_ms(void);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

#endif
