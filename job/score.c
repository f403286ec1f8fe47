/* Score questions: what they ask about, and what was answered. */
#include "job/fold.h"

#include "base/mem.h"

void job_read_score_question(struct trial *trial, const json_t *data)
{
	const json_t *ops = json_object_get(data, "ops");

	trial->op_count = (uint32_t)json_array_size(ops);
	trial->ops = mem_new(trial->op_count, sizeof(*trial->ops));
	for (size_t i = 0; i < trial->op_count; i++) {
		trial->ops[i] = (uint32_t)json_integer_value(json_array_get(ops, i));
	}
	trial->per_option = json_is_true(json_object_get(data, "options"));
}

/* The score of an operator as a whole is that of its default option. */
static void read_table(const struct space *space, struct trial *trial, const json_t *scores)
{
	size_t count = 0;

	for (size_t i = 0; i < trial->op_count; i++) {
		count += space_kind(space, trial->ops[i])->count;
	}
	trial->option_scores = mem_new(count, sizeof(*trial->option_scores));
	count = 0;
	for (size_t i = 0; i < trial->op_count; i++) {
		const struct kind *kind = space_kind(space, trial->ops[i]);
		const json_t *list = json_object_get(scores, space->ops[trial->ops[i]].name);

		trial->scores[i] = json_number_value(json_array_get(list, 0));
		for (uint16_t o = 0; o < kind->count; o++) {
			trial->option_scores[count++] = json_number_value(json_array_get(list, o));
		}
	}
}

void job_read_scores(const struct space *space, struct trial *trial, const json_t *scores)
{
	trial->scores = mem_new(trial->op_count, sizeof(*trial->scores));
	if (trial->per_option) {
		read_table(space, trial, scores);
		return;
	}
	for (size_t i = 0; i < trial->op_count; i++) {
		trial->scores[i] =
			json_number_value(json_object_get(scores, space->ops[trial->ops[i]].name));
	}
}
