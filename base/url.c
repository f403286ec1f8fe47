/* Cuts off what of a URL people should not see. */
#include "base/url.h"

#include <string.h>

#include "base/mem.h"

char *url_shown(const char *url)
{
	size_t n = strcspn(url, "?");

	return url[n] == '\0' ? mem_dup(url) : mem_printf("%.*s?...", (int)n, url);
}
