/* Finds operators that cannot be run in a mode, by group tests, and bans them. */
#include "strategies/models/culprit.h"

#include <stdlib.h>

#include "base/mem.h"

enum {
	WHOLE_TYPE = 3, /* culprits of a type that make it one */
	FEW = 3,        /* suspects that are not worth a test of one alone */
};

void culprit_init(struct culprit *culprit, const struct problem *problem)
{
	*culprit = (struct culprit){0};
	if (problem->objective->rules >= 2) {
		culprit->space = problem->space;
		culprit->ran =
			mem_new(problem->space->op_count * MODE_COUNT, sizeof(*culprit->ran));
	}
}

void culprit_finish(struct culprit *culprit)
{
	free(culprit->ran);
	free(culprit->failures);
	free(culprit->out);
	free(culprit->found.list);
	bans_finish(&culprit->bans);
}

static size_t pair_of(size_t op, enum mode mode)
{
	return op * MODE_COUNT + mode;
}

/* Whether the operator is lowered in the choice and need not be. */
static bool is_lowered(const struct culprit *culprit, size_t op, uint16_t choice)
{
	const struct kind *kind = space_kind(culprit->space, op);
	enum mode mode = kind->choices[choice].mode;

	return mode != MODE_FP32 && kind->per_mode[mode] < kind->count;
}

static uint16_t *choices_of(const struct culprit *culprit, const struct config *config)
{
	uint16_t *choices = mem_new(culprit->space->dimension_count, sizeof(*choices));

	config_expand(config, culprit->space, choices);
	return choices;
}

static int by_class(const void *a, const void *b)
{
	const struct suspect *x = a, *y = b;

	if (x->type != y->type) {
		return x->type < y->type ? -1 : 1;
	}
	if (x->mode != y->mode) {
		return x->mode < y->mode ? -1 : 1;
	}
	return (x->op > y->op) - (x->op < y->op);
}

/* Nobody when somebody who is banned is to blame. The caller frees the list. */
static struct suspects suspects_of(const struct culprit *culprit, const struct config *config)
{
	const struct space *space = culprit->space;
	uint16_t *choices = choices_of(culprit, config);
	struct suspects suspects = {mem_new(space->op_count, sizeof(struct suspect)), 0};
	bool explained = false;

	for (size_t op = 0; op < space->op_count; op++) {
		enum mode mode = space_kind(space, op)->choices[choices[op]].mode;

		explained = explained || bans_find(&culprit->bans, op, mode) != NULL;
		if (is_lowered(culprit, op, choices[op]) && !culprit->ran[pair_of(op, mode)]) {
			suspects.list[suspects.count++] = (struct suspect){
				(uint32_t)op, space->ops[op].type, choices[op], (uint8_t)mode};
		}
	}
	suspects.count = explained ? 0 : suspects.count;
	qsort(suspects.list, suspects.count, sizeof(*suspects.list), by_class);
	free(choices);
	return suspects;
}

/* How many of the first are alike in type and mode. */
static size_t count_class(const struct suspect *from, const struct suspect *end)
{
	size_t count = 0;

	while (from + count < end && from[count].type == from->type &&
	       from[count].mode == from->mode) {
		count++;
	}
	return count;
}

/* Operators of the type that may be in the mode, but for those in `banned`; nobody when one of them ran. */
static struct suspects untold_of(const struct culprit *culprit, const bool *banned,
				 const struct suspect *like)
{
	const struct space *space = culprit->space;
	struct suspects untold = {mem_new(space->op_count, sizeof(struct suspect)), 0};
	bool ran = false;

	for (size_t op = 0; op < space->op_count; op++) {
		const struct kind *kind = space_kind(space, op);
		size_t pair = pair_of(op, like->mode);
		uint16_t choice = kind->first[like->mode];

		if (space->ops[op].type != like->type || kind->per_mode[like->mode] == 0) {
			continue;
		}
		ran = ran || culprit->ran[pair];
		if (!banned[pair] && is_lowered(culprit, op, choice)) {
			untold.list[untold.count++] =
				(struct suspect){(uint32_t)op, like->type, choice, like->mode};
		}
	}
	untold.count = ran ? 0 : untold.count;
	return untold;
}

/* Bans all of a type that has enough culprits in a mode, and nobody who ran. */
static void blame_types(const struct culprit *culprit, bool *banned)
{
	const struct suspect *at = culprit->found.list, *end = at + culprit->found.count;

	for (size_t alike; at < end; at += alike) {
		struct suspects untold = {0};

		alike = count_class(at, end);
		if (alike >= WHOLE_TYPE) {
			untold = untold_of(culprit, banned, at);
		}
		for (size_t i = 0; i < untold.count; i++) {
			banned[pair_of(untold.list[i].op, untold.list[i].mode)] = true;
		}
		free(untold.list);
	}
}

static void find_bans(struct culprit *culprit)
{
	bool *banned = mem_new(culprit->space->op_count * MODE_COUNT, sizeof(*banned));
	struct suspects *found = &culprit->found;

	bans_finish(&culprit->bans);
	found->list = mem_grow(found->list, culprit->failure_count, sizeof(*found->list));
	found->count = 0;
	for (size_t i = 0; i < culprit->failure_count; i++) {
		struct suspects suspects = suspects_of(culprit, culprit->failures[i].config);
		const struct suspect *first = suspects.list;

		if (suspects.count == 1 && !banned[pair_of(first->op, first->mode)]) {
			banned[pair_of(first->op, first->mode)] = true;
			found->list[found->count++] = *first;
		}
		free(suspects.list);
	}
	qsort(found->list, found->count, sizeof(*found->list), by_class);
	blame_types(culprit, banned);
	bans_set(&culprit->bans, culprit->space, banned);
	free(banned);
}

static void remove_out(struct culprit *culprit, int64_t trial)
{
	for (size_t i = 0; i < culprit->out_count; i++) {
		if (culprit->out[i] == trial) {
			culprit->out[i] = culprit->out[--culprit->out_count];
		}
	}
}

/* Whether somebody ran who had not. A failure that was measured again is none. */
static bool take_success(struct culprit *culprit, const struct event *event)
{
	uint16_t *choices = choices_of(culprit, event->config);
	bool news = false;

	for (size_t op = 0; op < culprit->space->op_count; op++) {
		bool *ran = &culprit->ran[pair_of(
			op, space_kind(culprit->space, op)->choices[choices[op]].mode)];

		news = news || !*ran;
		*ran = true;
	}
	for (size_t i = 0; i < culprit->failure_count; i++) {
		if (culprit->failures[i].trial == event->trial) {
			culprit->failures[i] = culprit->failures[--culprit->failure_count];
			news = true;
		}
	}
	free(choices);
	return news;
}

void culprit_apply(struct culprit *culprit, const struct event *event)
{
	bool news = true;

	if (culprit->space == NULL || event->kind != QUESTION_EVALUATE) {
		return;
	}
	if (event->type == EVENT_ASKED) {
		culprit->out =
			mem_grow(culprit->out, culprit->out_count + 1, sizeof(*culprit->out));
		culprit->out[culprit->out_count++] = event->trial;
		return;
	}
	remove_out(culprit, event->trial);
	if (event->type == EVENT_TOLD) {
		news = take_success(culprit, event);
	} else {
		culprit->failures = mem_grow(culprit->failures, culprit->failure_count + 1,
					     sizeof(*culprit->failures));
		culprit->failures[culprit->failure_count++] =
			(struct failure){event->trial, event->config};
	}
	if (news && culprit->failure_count > 0) {
		find_bans(culprit);
	}
}

/* As in `like` for those from `from` to `to`, and everybody else in the highest precision; NULL when it is
 * known. */
static struct config *lower(const struct culprit *culprit, const struct config_set *seen,
			    const struct config *like, const struct suspect *from,
			    const struct suspect *to)
{
	const struct space *space = culprit->space;
	uint16_t *choices = choices_of(culprit, like);
	struct config *config;

	for (size_t op = 0; op < space->op_count; op++) {
		const struct kind *kind = space_kind(space, op);

		choices[op] = kind->per_mode[MODE_FP32] > 0 ? kind->first[MODE_FP32]
							    : (uint16_t)(kind->count - 1);
	}
	for (; from < to; from++) {
		choices[from->op] = from->choice;
	}
	config = config_create(space, choices);
	free(choices);
	if (config_set_has(seen, config)) {
		config_destroy(config);
		return NULL;
	}
	return config;
}

/* Where to part several suspects: whole types as near to a half as they come, then halves of one. */
static size_t half_of(const struct suspects *suspects)
{
	const struct suspect *end = suspects->list + suspects->count;
	size_t first = count_class(suspects->list, end), at = first;

	if (first == suspects->count) {
		return first / 2;
	}
	while (2 * (at + count_class(suspects->list + at, end)) <= suspects->count) {
		at += count_class(suspects->list + at, end);
	}
	return at;
}

/* While nobody of a type ever ran in the mode it may be the whole type, and one alone says so soonest. */
static bool may_be_type(const struct culprit *culprit, const struct suspects *suspects)
{
	const struct suspect *first = suspects->list;
	struct suspects untold;
	bool *nobody;

	if (suspects->count <= FEW ||
	    count_class(first, first + suspects->count) < suspects->count) {
		return false;
	}
	nobody = mem_new(culprit->space->op_count * MODE_COUNT, sizeof(*nobody));
	untold = untold_of(culprit, nobody, first);
	free(untold.list);
	free(nobody);
	return untold.count > 0;
}

static struct config *part(const struct culprit *culprit, const struct config_set *seen,
			   const struct config *like, const struct suspects *suspects)
{
	const struct suspect *list = suspects->list;
	size_t half = half_of(suspects);
	struct config *config;

	if (may_be_type(culprit, suspects)) {
		return lower(culprit, seen, like, list + half, list + half + 1);
	}
	config = lower(culprit, seen, like, list, list + half);
	return config != NULL ? config
			      : lower(culprit, seen, like, list + half, list + suspects->count);
}

/* Another one of a type that may be to blame as a whole, alone; NULL when there is no such type. */
static struct config *ask_another(const struct culprit *culprit, const struct config_set *seen)
{
	const struct suspect *at = culprit->found.list, *end = at + culprit->found.count;
	bool *banned = mem_new(culprit->space->op_count * MODE_COUNT, sizeof(*banned));
	struct config *config = NULL;

	for (size_t i = 0; i < culprit->found.count; i++) {
		banned[pair_of(at[i].op, at[i].mode)] = true;
	}
	for (size_t alike; at < end && config == NULL; at += alike) {
		struct suspects untold = {0};

		alike = count_class(at, end);
		if (alike < WHOLE_TYPE) {
			untold = untold_of(culprit, banned, at);
		}
		if (untold.count > FEW) {
			const struct suspect *one = untold.list + untold.count / 2;

			config = lower(culprit, seen, culprit->failures[0].config, one, one + 1);
		}
		free(untold.list);
	}
	free(banned);
	return config;
}

enum step culprit_end(const struct culprit *culprit)
{
	return culprit->out_count > 0 ? STEP_WAIT : STEP_DONE;
}

enum step culprit_next(const struct culprit *culprit, const struct config_set *seen,
		       struct question *out)
{
	struct suspects fewest = {0};
	const struct config *like = NULL;

	if (culprit->failure_count == 0) {
		return STEP_DONE;
	}
	for (size_t i = 0; i < culprit->failure_count; i++) {
		struct suspects suspects = suspects_of(culprit, culprit->failures[i].config);

		if (suspects.count > 1 && (like == NULL || suspects.count < fewest.count)) {
			free(fewest.list);
			fewest = suspects;
			like = culprit->failures[i].config;
		} else {
			free(suspects.list);
		}
	}
	out->kind = QUESTION_EVALUATE;
	out->stage = "culprit";
	out->config =
		like != NULL ? part(culprit, seen, like, &fewest) : ask_another(culprit, seen);
	free(fewest.list);
	if (out->config != NULL) {
		return STEP_ASK;
	}
	return like != NULL ? culprit_end(culprit) : STEP_DONE;
}

bool culprit_blames(const struct culprit *culprit, const struct config *config)
{
	struct suspects suspects;
	uint16_t *choices;
	bool blames;

	if (culprit->space == NULL) {
		return false;
	}
	suspects = suspects_of(culprit, config);
	choices = choices_of(culprit, config);
	blames = suspects.count > 0;
	for (size_t op = 0; op < culprit->space->op_count; op++) {
		const struct kind *kind = space_kind(culprit->space, op);

		blames = blames ||
			 bans_find(&culprit->bans, op, kind->choices[choices[op]].mode) != NULL;
	}
	free(choices);
	free(suspects.list);
	return blames;
}
