/* How far spellings are apart, and how nouns end. */
#include <criterion/criterion.h>

#include "base/plural.h"
#include "base/spell.h"

struct pair {
	const char *wanted, *known;
	size_t apart;
};

static const struct pair pairs[] = {
	{"sgp", "sgp", 0},
	{"MSE-v2", "mse_v2", 0},
	{"o0", "O0", 0},
	{"", "", 0},
	{"sho", "show", 1}, /* a part of it */
	{"eval", "evaluators", 1},
	{"sgb", "sgp", 1}, /* changed, missing, one too many */
	{"cance", "cancel", 1},
	{"cancell", "cancel", 1},
	{"wacth", "watch", 2},
	{"get", "best", SPELL_OTHER}, /* two of three letters are another word */
	{"sp", "spell", SPELL_OTHER},
	{"--", "show", SPELL_OTHER},
	{"", "show", SPELL_OTHER},
	{"frobnicate", "clone", SPELL_OTHER},
	{"strategist", "strategies", 2},
	{"abcdefgh", "abcdewxy", SPELL_OTHER},
};

Test(spell, counts_what_a_typist_got_wrong)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		cr_expect_eq(spell_apart(pairs[i].wanted, pairs[i].known), pairs[i].apart,
			     "%s, %s: %zu", pairs[i].wanted, pairs[i].known,
			     spell_apart(pairs[i].wanted, pairs[i].known));
	}
}

Test(spell, takes_names_of_any_length)
{
	static char longest[4096];

	for (size_t i = 0; i + 1 < sizeof(longest); i++) {
		longest[i] = (char)('a' + i % 26);
	}
	cr_assert_eq(spell_apart(longest, "show"), SPELL_OTHER);
	cr_assert_eq(spell_apart("show", longest), SPELL_OTHER);
}

Test(plural, one_thing_is_no_more_than_one)
{
	cr_assert_str_eq(plural_s(1), "");
	cr_assert_str_eq(plural_s(0), "s");
	cr_assert_str_eq(plural_s(2), "s");
}
