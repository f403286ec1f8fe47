/* Asks each library for its version where it has its home. */
#include "daemon/libraries.h"

#include <stdlib.h>
#include <uv.h>

#include "api/http/gzip.h"
#include "api/http/http.h"
#include "api/http/http_tls.h"
#include "backends/fetch.h"
#include "backends/hash.h"
#include "base/buf.h"
#include "base/log.h"
#include "space/pattern.h"
#include "store/store.h"
#include "strategies/models/linalg.h"

static const struct {
	const char *name;
	const char *(*version)(void);
} table[] = {
	{"curl", fetch_engine_version},      {"gnutls", http_tls_engine_version},
	{"jansson", jansson_version_str},    {"libmicrohttpd", http_engine_version},
	{"libpq", store_postgres_version},   {"libuv", uv_version_string},
	{"openblas", linalg_engine_version}, {"openssl", hash_engine_version},
	{"pcre2", pattern_engine_version},   {"sqlite", store_engine_version},
	{"zlib", gzip_engine_version},
};

void libraries_each(void (*fn)(void *arg, const struct library *library), void *arg)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct library library = {table[i].name, table[i].version()};

		/* What stands in for OpenBLAS has no number, and a build without PostgreSQL no libpq. */
		if (library.version != NULL) {
			fn(arg, &library);
		}
	}
}

static void print(void *arg, const struct library *library)
{
	(void)fprintf(arg, "%s %s\n", library->name, library->version);
}

void libraries_print(FILE *out)
{
	libraries_each(print, out);
}

static void append(void *arg, const struct library *library)
{
	(void)json_array_append_new(arg,
				    json_pack("{s:s, s:s, s:s?}", "name", library->name, "version",
					      library->version, "fault", library_fault(library)));
}

json_t *libraries_json(void)
{
	json_t *all = json_array();

	libraries_each(append, all);
	return all;
}

enum { WORDS_BYTES = 4096 };

static void add_fault(void *arg, const struct library *library)
{
	struct buf *words = arg;
	const char *fault = library_fault(library);

	if (fault != NULL) {
		buf_printf(words, "%s%s %s: %s", words->length > 0 ? "; " : "", library->name,
			   library->version, fault);
	}
}

void libraries_warn(void)
{
	struct buf words;

	buf_init(&words, WORDS_BYTES);
	libraries_each(add_fault, &words);
	if (words.length > 0) {
		log_line(
			LOG_WARNING,
			"libraries with known faults, unless whoever packaged them has mended them",
			LOG_TEXT("libraries", words.bytes));
	}
	buf_finish(&words);
}
