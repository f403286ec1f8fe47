/* Draws the points of a test by the commit that is tested. */
#include "tests/unit/points.h"

#include <stdlib.h>

enum { HEX = 16 };

int64_t points_every(int64_t every)
{
	return getenv("NARROWD_EVERY_POINT") != NULL ? 1 : every;
}

int64_t points_first(int64_t every)
{
	const char *commit = getenv("NARROWD_COMMIT");
	char start[8] = "";

	for (size_t i = 0; commit != NULL && commit[i] != '\0' && i + 1 < sizeof(start); i++) {
		start[i] = commit[i];
	}
	return strtol(start, NULL, HEX) % every;
}
