/* Says whether a noun behind a count is one thing or several. */
#include "base/plural.h"

const char *plural_s(long long count)
{
	return count == 1 ? "" : "s";
}
