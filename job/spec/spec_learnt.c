/* Reads what a job begins with, of measurements and of what other jobs learnt. */
#include "job/spec/spec_read.h"

#include <math.h>
#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/mem.h"

/* Those that are told what is known of options. */
static const char *const users[] = {"sgp", "knapsack", "bisect"};

static const char nothing_fits[] = "no job of yours that has ended has learnt anything of "
				   "operators of these types and shapes: "
				   "this one begins with nothing";
static const char told_already[] =
	"the capability itself tells all that other jobs learnt: of what it "
	"tells of any operator nothing is taken from elsewhere";
static const char not_used[] =
	"the strategy does not use what other jobs learnt: sgp, knapsack and bisect do";

/* {"job": "job_...", "library": true}, and what the latter found when the job was submitted. */
void spec_read_warm_start(const struct json_at *at, struct spec *spec)
{
	static const char *const members[] = {"job", "library", "from", "known", NULL};
	struct json_at job = json_member(at, "job");
	struct json_at library = json_member(at, "library");
	struct json_at from = json_member(at, "from");
	struct json_at known = json_member(at, "known");
	bool learnt = library.value != NULL || known.value != NULL;
	const char *text;

	if (at->value == NULL || !json_is_object_at(at)) {
		return;
	}
	json_only(at, members);
	spec->from_library = json_bool(&library, false);
	for (size_t i = 0;
	     json_is_array_at(&from, LIMIT_LIBRARY_JOBS) && i < json_array_size(from.value); i++) {
		struct json_at item = json_item(&from, i);

		(void)json_string_in(&item, NULL, ID_SIZE - 1);
	}
	if (job.value == NULL && learnt) {
		return;
	}
	text = json_required(&job) ? json_string_in(&job, NULL, ID_SIZE - 1) : NULL;
	spec->warm_start = text != NULL ? mem_dup(text) : NULL;
}

static size_t learnt_ops(const struct capability *capability)
{
	size_t count = 0;

	for (size_t i = 0; i < capability->op_count; i++) {
		count += capability->ops[i].learnt_facts > 0;
	}
	return count;
}

/* Whether they learnt something, and nothing of it is left beside what the capability tells. */
static bool is_told(const struct capability *capability)
{
	bool learnt = false;

	for (size_t l = capability->told_count; l < capability->fact_count; l++) {
		const struct fact_list *list = &capability->facts[l];

		for (size_t i = 0; i < list->count * FACT_COUNT; i++) {
			learnt = true;
			if (!isnan(list->entries[i / FACT_COUNT].values[i % FACT_COUNT])) {
				return false;
			}
		}
	}
	return learnt;
}

void spec_note_learnt(const struct json_at *body, struct spec *spec)
{
	const json_t *warm_start = json_object_get(body->value, "warm_start");
	const struct capability *capability = &spec->space->capability;
	bool used = spec->strategy == NULL; /* a plug-in that is gone */

	for (size_t i = 0; !used && i < sizeof(users) / sizeof(users[0]); i++) {
		used = strcmp(users[i], spec->strategy->name) == 0;
	}
	if (learnt_ops(capability) > 0 && is_told(capability)) {
		space_note(spec->space, "/warm_start", told_already);
	} else if (spec->from_library && learnt_ops(capability) == 0) {
		space_note(spec->space, "/warm_start/library", nothing_fits);
	}
	if (!used && (spec->from_library || json_object_get(warm_start, "known") != NULL)) {
		space_note(spec->space, "/warm_start", not_used);
	}
}

json_t *spec_learnt(const struct spec *spec, const json_t *body)
{
	const json_t *warm_start = json_object_get(body, "warm_start");
	json_t *from = json_object_get(warm_start, "from");
	const struct capability *capability = &spec->space->capability;

	if (!spec->from_library && json_object_get(warm_start, "known") == NULL) {
		return json_null();
	}
	return json_pack("{s:o, s:I, s:I}", "from", from != NULL ? json_incref(from) : json_array(),
			 "operators", (json_int_t)learnt_ops(capability), "of",
			 (json_int_t)capability->op_count);
}
