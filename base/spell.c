/* Compares spellings in lower case and without signs, by Levenshtein's distance. */
#include "base/spell.h"

#include <ctype.h>
#include <string.h>

enum { LETTERS_MAX = 64, LETTERS_MIN = 3 };

/* Letters in lower case and digits: what spellings have in common. */
static void plain(const char *name, char *ret)
{
	size_t length = 0;

	for (; *name != '\0' && length < LETTERS_MAX; name++) {
		if (isalnum((unsigned char)*name)) {
			ret[length++] = (char)tolower((unsigned char)*name);
		}
	}
	ret[length] = '\0';
}

/* Levenshtein's distance. */
static size_t distance(const char *a, const char *b)
{
	size_t row[LETTERS_MAX + 1];
	size_t width = strlen(b);

	for (size_t k = 0; k <= width; k++) {
		row[k] = k;
	}
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t k = 1; k <= width; k++) {
			size_t change = corner + (a[i - 1] != b[k - 1]);
			size_t less = row[k] < row[k - 1] ? row[k] : row[k - 1];

			corner = row[k];
			row[k] = change < less + 1 ? change : less + 1;
		}
	}
	return row[width];
}

size_t spell_apart(const char *wanted, const char *known)
{
	char a[LETTERS_MAX + 1], b[LETTERS_MAX + 1];
	size_t apart;

	plain(wanted, a);
	plain(known, b);
	if (strcmp(a, b) == 0) {
		return 0;
	}
	if (strlen(a) < LETTERS_MIN) {
		return SPELL_OTHER;
	}
	if (strstr(b, a) != NULL) {
		return 1;
	}
	apart = distance(a, b);
	return 2 * apart < strlen(a) ? apart : SPELL_OTHER;
}
