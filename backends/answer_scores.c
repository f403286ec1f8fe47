/* Reads the scores of an answer: a number, or one for each option, of every operator that was asked for. */
#include "backends/answer_reader.h"
#include "base/map.h"
#include "base/mem.h"

static const char *const score_members[] = {"scores", NULL};
static const char *const no_name = NULL;

/* One number, or a list of `count`, is added to those in `sums`. */
static void add_scores(struct answer_reader *reader, const struct json_at *at, size_t count,
		       double *sums)
{
	bool list = reader->expect->option_counts != NULL;

	if (list && json_required(at) && json_is_array_at(at, count) &&
	    json_array_size(at->value) != count) {
		(void)json_fault(at, "%zu numbers are expected, one for each option", count);
	}
	for (size_t i = 0; i < count && (!list || i < json_array_size(at->value)); i++) {
		struct json_at item = list ? json_item(at, i) : *at;
		double number = 0;

		(void)answer_reader_number(reader, &item, &number);
		sums[i] += number;
	}
}

static const char *const *tied_to(const struct answer_expect *expect, size_t op)
{
	return expect->tied != NULL && expect->tied[op] != NULL ? expect->tied[op] : &no_name;
}

static size_t read_tied_scores(struct answer_reader *reader, const struct json_at *scores,
			       size_t op, double *sums)
{
	const struct answer_expect *expect = reader->expect;
	size_t count = expect->option_counts != NULL ? expect->option_counts[op] : 1;
	struct json_at member = json_member(scores, expect->ops[op]);

	add_scores(reader, &member, count, sums);
	for (const char *const *name = tied_to(expect, op); *name != NULL; name++) {
		member = json_member(scores, *name);
		if (member.value != NULL) {
			add_scores(reader, &member, count, sums);
		}
	}
	return count;
}

static size_t count_scores(const struct answer_expect *expect)
{
	size_t count = 0;

	for (size_t i = 0; i < expect->op_count; i++) {
		count += expect->option_counts != NULL ? expect->option_counts[i] : 1;
	}
	return count;
}

static void note_unasked(struct answer_reader *reader, const struct json_at *scores)
{
	struct map asked;
	const char *key;
	json_t *value;

	map_init(&asked);
	for (size_t i = 0; i < reader->expect->op_count; i++) {
		map_set(&asked, reader->expect->ops[i], 1);
		for (const char *const *t = tied_to(reader->expect, i); *t != NULL; t++) {
			map_set(&asked, *t, 1);
		}
	}
	json_object_foreach(scores->value, key, value) {
		struct json_at member = json_member(scores, key);

		if (map_get(&asked, key, 0) == 0) {
			answer_reader_stranger(reader, &member);
		}
	}
	map_finish(&asked);
}

void answer_scores_read(struct answer_reader *reader, const struct json_at *at)
{
	const struct answer_expect *expect = reader->expect;
	struct json_at scores = json_member(at, "scores");
	struct answer *ret = reader->ret;
	double *next;

	answer_reader_strangers(reader, at, score_members, answer_reader_any_members);
	if (!json_required(&scores) || !json_is_object_at(&scores)) {
		return;
	}
	ret->scores = next = mem_new(count_scores(expect), sizeof(*ret->scores));
	ret->score_count = expect->op_count;
	for (size_t i = 0; i < expect->op_count; i++) {
		next += read_tied_scores(reader, &scores, i, next);
	}
	if (json_object_size(scores.value) > expect->op_count) {
		note_unasked(reader, &scores);
	}
}
