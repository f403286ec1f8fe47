/* A strategy of somebody's own, over HTTP: what it suggests follows from the question alone, so it says the same again. */
#include <string.h>

#include "base/rng.h"
#include "tests/sim/judge.h"
#include "tests/sim/world.h"

enum { ROUGHLY = 10 }; /* suggestions, until it has none left */

json_t *adviser_answer(const struct world *world, const char *path, const json_t *document)
{
	const char *job = json_string_value(json_object_get(document, "job"));
	json_int_t trial = json_integer_value(json_object_get(document, "trial"));
	uint64_t chance = rng_mix(world->seed * 1000003 + (uint64_t)trial);

	if (strcmp(path, "/next") != 0) {
		return json_object();
	}
	if (chance % ROUGHLY == 0) {
		return json_pack("{s:b}", "done", 1);
	}
	return json_pack(
		"{s:o}", "config",
		body_config(chance / ROUGHLY % BODY_CONFIGS, judge_operators(world->judge, job)));
}
