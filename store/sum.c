/* Sums bytes up, with one multiplication for each eight bytes: a change within them always changes the sum. */
#include "store/sum.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "store/db.h"

static const uint64_t factor = UINT64_C(0x9E3779B97F4A7C15); /* odd: nothing collapses */

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * factor;
	return sum ^ (sum >> 29);
}

static uint64_t add(uint64_t sum, sqlite3_value *value)
{
	const unsigned char *text;
	size_t length;

	if (sqlite3_value_type(value) == SQLITE_INTEGER) {
		return mix(mix(sum, 1), (uint64_t)sqlite3_value_int64(value));
	}
	if (sqlite3_value_type(value) == SQLITE_NULL) {
		return mix(sum, 2);
	}
	text = sqlite3_value_text(value);
	length = (size_t)sqlite3_value_bytes(value);
	sum = mix(mix(sum, 3), length);
	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = 0;

		for (size_t k = 0; k < sizeof(word) && i + k < length; k++) {
			word |= (uint64_t)text[i + k] << 8 * k; /* the same on every machine */
		}
		sum = mix(sum, word);
	}
	return sum;
}

static int64_t sum_of(sqlite3_value **values, int count)
{
	uint64_t sum = 0;

	for (int i = 0; i < count; i++) {
		sum = add(sum, values[i]);
	}
	return (int64_t)sum;
}

static void sum(sqlite3_context *context, int count, sqlite3_value **values)
{
	sqlite3_result_int64(context, sum_of(values, count));
}

static void checked(sqlite3_context *context, int count, sqlite3_value **values)
{
	enum { SUM, NAME, FIRST };
	char message[160];

	if (count <= FIRST) {
		sqlite3_result_error_code(context, SQLITE_MISUSE);
	} else if (sqlite3_value_type(values[SUM]) == SQLITE_NULL ||
		   sqlite3_value_int64(values[SUM]) == sum_of(&values[FIRST], count - FIRST)) {
		sqlite3_result_value(context, values[count - 1]);
	} else {
		(void)snprintf(message, sizeof(message),
			       "%s is damaged: it is not what was written",
			       (const char *)sqlite3_value_text(values[NAME]));
		sqlite3_result_error(context, message, -1);
		sqlite3_result_error_code(context, SQLITE_CORRUPT); /* keeps the message */
	}
}

int sum_register(sqlite3 *db, struct err *reterr)
{
	static const struct {
		const char *name;
		void (*fn)(sqlite3_context *context, int count, sqlite3_value **values);
	} functions[] = {{"narrowd_sum", sum}, {"narrowd_checked", checked}};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (sqlite3_create_function(db, functions[i].name, -1,
					    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
					    NULL, functions[i].fn, NULL, NULL) != SQLITE_OK) {
			return db_error(db, "preparing", reterr);
		}
	}
	return 0;
}
