/* Makes ids from the time and from random bytes, and checks their form. */
#include "base/id.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

enum { ID_CHARS = 26, ID_TIME_CHARS = 10 };

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void id_make(char *id, const char *prefix)
{
	unsigned char random[ID_CHARS];
	uint64_t ms = (uint64_t)clock_wall_ms();
	size_t n = strlen(prefix);

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		abort();
	}
	memcpy(id, prefix, n);
	for (int i = 0; i < ID_CHARS; i++) {
		unsigned digit = i < ID_TIME_CHARS
					 ? (unsigned)(ms >> (5 * (ID_TIME_CHARS - 1 - i))) & 31u
					 : random[i] & 31u;

		id[n + (size_t)i] = alphabet[digit];
	}
	id[n + ID_CHARS] = '\0';
}

bool id_valid(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 && strlen(text + n) == ID_CHARS &&
	       strspn(text + n, alphabet) == ID_CHARS;
}
