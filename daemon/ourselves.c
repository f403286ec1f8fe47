/* Reads the addresses of the listeners out of their URLs. */
#include "daemon/ourselves.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

void ourselves_guard(const struct http *http, struct guard *guard)
{
	const char *url;

	for (size_t i = 0; (url = http_url(http, i)) != NULL; i++) {
		struct sockaddr_in v4 = {.sin_family = AF_INET};
		struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
		char host[64] = "";
		unsigned port = 0;

		if (sscanf(strchr(url, ':'), "://[%63[^]]]:%u", host, &port) == 2 &&
		    inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
			v6.sin6_port = htons((uint16_t)port);
			guard_add_own(guard, (struct sockaddr *)&v6);
		} else if (sscanf(strchr(url, ':'), "://%63[^:]:%u", host, &port) == 2 &&
			   inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
			v4.sin_port = htons((uint16_t)port);
			guard_add_own(guard, (struct sockaddr *)&v4);
		}
	}
	if (guard_never_entries(guard) > 0) {
		log_line(LOG_WARNING,
			 "evaluator_allow opens addresses that are never called otherwise",
			 LOG_INT("entries", (int64_t)guard_never_entries(guard)));
	}
}
