/* Arguments that are no settings are taken out before the settings are read. */
#include "daemon/arguments.h"

#include <string.h>

bool arguments_flag(int *argc, char **argv, const char *flag)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], flag) == 0) {
			memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof(*argv));
			(*argc)--;
			return true;
		}
	}
	return false;
}

const char *arguments_value(int *argc, char **argv, const char *option)
{
	for (int i = 1; i + 1 < *argc; i++) {
		const char *value = argv[i + 1];

		if (strcmp(argv[i], option) == 0) {
			memmove(&argv[i], &argv[i + 2], (size_t)(*argc - i - 1) * sizeof(*argv));
			*argc -= 2;
			return value;
		}
	}
	return NULL;
}

const char *arguments_command(int *argc, char **argv, const char *name, int words)
{
	bool first = *argc > words && strcmp(argv[1], name) == 0;
	int at = first ? 1 : *argc - words;
	const char *last;

	if (at < 1 || strcmp(argv[at], name) != 0) {
		return NULL;
	}
	last = argv[at + words - 1];
	memmove(&argv[at], &argv[at + words], (size_t)(*argc - at - words) * sizeof(*argv));
	*argc -= words;
	return last;
}
