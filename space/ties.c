/* Checks tied groups and folds each into its first operator. */
#include "space/ties.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "space/kind.h"

static bool has_option(const struct kind *kind, enum mode mode, enum item item, uint16_t atom)
{
	for (uint16_t i = 0; i < kind->per_mode[mode]; i++) {
		if (kind->choices[kind->first[mode] + i].options[item] == atom) {
			return true;
		}
	}
	return false;
}

/* What operator `a` can be and `b` cannot, in words that the caller frees; NULL when nothing. */
static char *surplus(const struct space *space, size_t a, size_t b)
{
	const struct kind *had = space_kind(space, a), *other = space_kind(space, b);
	const char *name = space->ops[a].name;

	for (uint16_t c = 0; c < had->count; c++) {
		const struct choice *choice = &had->choices[c];
		const char *mode = mode_names[choice->mode];

		if (other->per_mode[choice->mode] == 0) {
			return mem_printf("only \"%s\" has %s", name, mode);
		}
		for (enum item item = 0; item < ITEM_COUNT; item++) {
			uint16_t atom = choice->options[item];

			if (atom != 0 && !has_option(other, choice->mode, item, atom)) {
				return mem_printf("only \"%s\" has the %s %s \"%s\" in %s", name,
						  item_names[item].weight ? "weight" : "activation",
						  item_names[item].name, space_atom(space, atom),
						  mode);
			}
		}
	}
	return NULL;
}

static void refuse(const struct space *space, const struct op_list *group, size_t a, size_t b,
		   struct err *reterr)
{
	char *words = surplus(space, a, b);

	words = words != NULL ? words : surplus(space, b, a);
	words = words != NULL ? words : mem_dup("they combine or order their options otherwise");
	(void)err_fault(reterr, group->name,
			"\"%s\" and \"%s\" are tied and cannot have one choice: %s",
			space->ops[a].name, space->ops[b].name, words);
	free(words);
}

static int check(const struct space *space, struct err *reterr)
{
	const struct capability *capability = &space->capability;
	size_t faults = reterr->fault_count;

	for (size_t g = 0; g < capability->tied_count; g++) {
		const struct op_list *group = &capability->tied[g];

		for (size_t i = 1; i < group->count; i++) {
			if (!kind_equal(space_kind(space, group->ops[0]),
					space_kind(space, group->ops[i]))) {
				refuse(space, group, group->ops[0], group->ops[i], reterr);
				break;
			}
		}
	}
	return reterr->fault_count > faults ? -ERR_INVALID_FIELD : 0;
}

/* The leader of each operator, as an index among all operators. */
static uint32_t *leaders(const struct capability *capability)
{
	uint32_t *lead = mem_new(capability->op_count, sizeof(*lead));

	for (size_t i = 0; i < capability->op_count; i++) {
		lead[i] = (uint32_t)i;
	}
	for (size_t g = 0; g < capability->tied_count; g++) {
		for (size_t i = 1; i < capability->tied[g].count; i++) {
			lead[capability->tied[g].ops[i]] = capability->tied[g].ops[0];
		}
	}
	return lead;
}

/* Each operator once, where it or the first that follows it stood. */
static void fold_lists(const struct space *space, struct op_list *lists, size_t count)
{
	bool *listed = mem_new(space->op_count, sizeof(*listed));

	for (size_t i = 0; i < count; i++) {
		size_t kept = 0;

		memset(listed, 0, space->op_count * sizeof(*listed));
		for (size_t k = 0; k < lists[i].count; k++) {
			uint32_t op = space->members[lists[i].ops[k]].op;

			if (!listed[op]) {
				listed[op] = true;
				lists[i].ops[kept++] = op;
			}
		}
		lists[i].count = kept;
	}
	free(listed);
}

/* Who knows a group as one may say it at any of its operators. */
double space_fact(const struct space *space, enum fact fact, size_t op, const struct choice *choice)
{
	uint32_t m = space->ops[op].member;
	double sum = NAN;

	do {
		double value = capability_fact(&space->capability, fact, m, choice);

		if (!isnan(value)) {
			sum = isnan(sum) ? value : sum + value;
		}
		m = space->members[m].next;
	} while (m > 0);
	return sum;
}

bool space_knows(const struct space *space, enum fact fact)
{
	return capability_tells(&space->capability, fact);
}

bool space_learnt(const struct space *space, enum fact fact)
{
	return capability_learnt(&space->capability, fact);
}

int ties_fold(struct space *space, struct err *reterr)
{
	struct capability *capability = &space->capability;
	uint32_t *lead;
	int rc = check(space, reterr);

	if (rc != 0) {
		return rc;
	}
	lead = leaders(capability);
	space->member_count = capability->op_count;
	space->members = mem_new(space->member_count, sizeof(*space->members));
	space->op_count = 0;
	for (size_t m = 0; m < space->member_count; m++) {
		bool leads = lead[m] == m;

		space->members[m] = (struct space_member){
			.name = space->ops[m].name,
			.type = space->ops[m].type,
			.op = leads ? (uint32_t)space->op_count : space->members[lead[m]].op,
		};
		if (leads) {
			space->ops[space->op_count] = space->ops[m];
			space->ops[space->op_count++].member = (uint32_t)m;
		}
	}
	for (size_t g = 0; g < capability->tied_count; g++) {
		for (size_t i = 1; i < capability->tied[g].count; i++) {
			space->members[capability->tied[g].ops[i - 1]].next =
				capability->tied[g].ops[i];
		}
	}
	free(lead);
	if (space->op_count < space->member_count) {
		fold_lists(space, capability->blocks, capability->block_count);
		fold_lists(space, capability->recipes, capability->recipe_count);
	}
	return 0;
}
