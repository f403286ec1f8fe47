/* Keeps the hosts of a URL, and turns their order. */
#include "store/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *const hosts_options[HOSTS_OPTIONS] = {"host", "hostaddr", "port"};

void hosts_init(struct hosts *hosts)
{
	*hosts = (struct hosts){.count = 1};
}

void hosts_finish(struct hosts *hosts)
{
	for (size_t i = 0; i < HOSTS_OPTIONS; i++) {
		free(hosts->lists[i]);
	}
	*hosts = (struct hosts){0};
}

static size_t count_items(const char *list)
{
	size_t count = 1;

	while ((list = strchr(list, ',')) != NULL) {
		list++;
		count++;
	}
	return count;
}

void hosts_note(struct hosts *hosts, const char *option, const char *text)
{
	for (size_t i = 0; i < HOSTS_OPTIONS; i++) {
		if (strcmp(option, hosts_options[i]) == 0) {
			size_t count = count_items(text);

			free(hosts->lists[i]);
			hosts->lists[i] = mem_dup(text);
			hosts->count = count > hosts->count ? count : hosts->count;
		}
	}
}

void hosts_turn(struct hosts *hosts)
{
	for (size_t i = 0; i < HOSTS_OPTIONS; i++) {
		char *list = hosts->lists[i];
		char *comma = list != NULL ? strchr(list, ',') : NULL;

		if (comma != NULL) {
			hosts->lists[i] =
				mem_printf("%s,%.*s", comma + 1, (int)(comma - list), list);
			free(list);
		}
	}
}
