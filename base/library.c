/* The table of faults, and the order of versions. */
#include "base/library.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { PARTS = 3 };

/* From the first version that has it to the first that does not. */
static const struct {
	const char *name, *from, *until, *words;
} faults[] = {
	{"sqlite", "3.7.0", "3.51.3",
	 "two programs that write or checkpoint at once can damage a database in WAL mode: narrowd "
	 "is "
	 "one, so let no other write narrowd.db, and copy it with narrowd backup, not with a "
	 "replicating sidecar"},
	{"libmicrohttpd", "1.0.0", "1.0.10",
	 "it writes beyond buffers and mistakes lengths of requests in ways that a guard in front "
	 "of it "
	 "cannot all see: use 1.0.10 or newer, or let nobody but a reverse proxy reach it"},
	{"pcre2", "10.45", "10.46",
	 "patterns with (*scs: read beyond their buffer (CVE-2025-58050): use 10.46 or newer where "
	 "others may submit jobs"},
	{"zlib", "1.0.0", "1.2.12",
	 "compressing some texts writes beyond a buffer (CVE-2018-25032): use 1.2.12 or newer"},
	{"gnutls", "3.7.0", "3.7.9",
	 "how long it takes to refuse a TLS handshake tells of the RSA key (CVE-2023-0361): use "
	 "3.7.9 "
	 "or newer, or a key on an elliptic curve"},
};

static void read_version(const char *text, int *ret)
{
	memset(ret, 0, PARTS * sizeof(*ret));
	(void)sscanf(text, "%d.%d.%d", &ret[0], &ret[1], &ret[2]);
}

static bool is_older(const char *version, const char *than)
{
	int a[PARTS], b[PARTS];

	read_version(version, a);
	read_version(than, b);
	for (size_t i = 0; i < PARTS; i++) {
		if (a[i] != b[i]) {
			return a[i] < b[i];
		}
	}
	return false;
}

const char *library_fault(const struct library *library)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (strcmp(faults[i].name, library->name) == 0 &&
		    !is_older(library->version, faults[i].from) &&
		    is_older(library->version, faults[i].until)) {
			return faults[i].words;
		}
	}
	return NULL;
}
