/* Makes the pairs of the op-type-wise product, and sets all operators by one combo. */
#include "space/combos.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define NO_PAIR UINT32_MAX

static size_t position(const struct options *options, uint16_t atom)
{
	size_t i = 0;

	while (i < options->count && options->atoms[i] != atom) {
		i++;
	}
	return i;
}

static void add_option(struct options *options, uint16_t atom)
{
	if (position(options, atom) == options->count) {
		options->atoms =
			mem_grow(options->atoms, options->count + 1, sizeof(*options->atoms));
		options->atoms[options->count++] = atom;
	}
}

/* Options in order of appearance are the digits of the kind's mixed radix. */
static void read_kind(struct combo_items *items, const struct kind *kind)
{
	for (uint16_t c = 0; c < kind->defaults; c++) {
		for (enum item item = 0; item < ITEM_COUNT; item++) {
			uint16_t atom = kind->choices[c].options[item];

			if (atom != 0) {
				add_option(&items->items[item], atom);
			}
		}
	}
}

static void join(struct combo_items *pair, const struct combo_items *kind, enum mode mode)
{
	for (enum item item = 0; item < ITEM_COUNT; item++) {
		for (size_t i = 0; item_is_tuned(mode, item) && i < kind->items[item].count; i++) {
			add_option(&pair->items[item], kind->items[item].atoms[i]);
		}
	}
}

static void add_pair(struct combos *combos)
{
	combos->pairs = mem_grow(combos->pairs, combos->pair_count + 1, sizeof(*combos->pairs));
	memset(&combos->pairs[combos->pair_count++], 0, sizeof(*combos->pairs));
}

/* The pairs of a mode from `first` on: the first that has a uniform option varies it. */
static void share_extras(struct combos *combos, enum mode mode, size_t first)
{
	const struct space *space = combos->space;

	for (size_t i = space->extra_count - space->uniform_count; i < space->extra_count; i++) {
		enum item item = space->extras[i].item;
		size_t p = first;

		while (p < combos->pair_count &&
		       position(&combos->pairs[p].items[item], OPTION_UNIFORM) ==
			       combos->pairs[p].items[item].count) {
			p++;
		}
		if (space->extras[i].mode == mode && p < combos->pair_count) {
			combos->pairs[p].extra[item] = (uint16_t)i;
		}
	}
}

/* Which pair a type has in the mode at hand, and whose kind was joined to it last. */
struct type_pair {
	uint32_t pair, kind;
};

/* `types` is scratch, one for each type. */
static void add_mode(struct combos *combos, enum mode mode, struct type_pair *types)
{
	const struct space *space = combos->space;
	size_t first = combos->pair_count;

	memset(types, 0xFF, space->capability.type_count * sizeof(*types));
	for (size_t op = 0; op < space->op_count; op++) {
		struct type_pair *type = &types[space->ops[op].type];
		uint32_t kind = space->ops[op].kind;

		if (space->kinds[kind].choices[0].mode != mode) {
			continue;
		}
		if (type->pair == NO_PAIR) {
			type->pair = (uint32_t)combos->pair_count;
			add_pair(combos);
		}
		combos->pair_of[op] = type->pair;
		if (type->kind != kind) {
			join(&combos->pairs[type->pair], &combos->kinds[kind], mode);
			type->kind = kind;
		}
	}
	share_extras(combos, mode, first);
}

/* How many values a pair's item goes through. */
static size_t radix(const struct combos *combos, size_t pair, size_t item)
{
	uint16_t extra = combos->pairs[pair].extra[item];

	return extra > 0 ? combos->space->extras[extra].count
			 : combos->pairs[pair].items[item].count;
}

static uint64_t product(const struct combos *combos)
{
	uint64_t count = 1;

	for (size_t p = 0; p < combos->pair_count; p++) {
		for (enum item item = 0; item < ITEM_COUNT; item++) {
			size_t options = radix(combos, p, item);

			if (options > 0 && __builtin_mul_overflow(count, options, &count)) {
				return UINT64_MAX;
			}
		}
	}
	return count;
}

void combos_init(struct combos *combos, const struct space *space)
{
	struct type_pair *types = mem_new(space->capability.type_count, sizeof(*types));

	memset(combos, 0, sizeof(*combos));
	combos->space = space;
	combos->pair_of = mem_new(space->op_count, sizeof(*combos->pair_of));
	memset(combos->pair_of, 0xFF, space->op_count * sizeof(*combos->pair_of));
	combos->kinds = mem_new(space->kind_count, sizeof(*combos->kinds));
	for (size_t k = 0; k < space->kind_count; k++) {
		read_kind(&combos->kinds[k], &space->kinds[k]);
	}
	for (enum mode mode = 0; mode_is_quantized(mode); mode++) {
		add_mode(combos, mode, types);
	}
	combos->count = product(combos);
	free(types);
}

static void items_finish(struct combo_items *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (enum item item = 0; item < ITEM_COUNT; item++) {
			free(list[i].items[item].atoms);
		}
	}
	free(list);
}

void combos_finish(struct combos *combos)
{
	items_finish(combos->pairs, combos->pair_count);
	items_finish(combos->kinds, combos->space->kind_count);
	free(combos->pair_of);
}

/* One atom for each item of each pair, 0 where the pair has no such item. Writes what is uniform. */
static uint16_t *digits_of(const struct combos *combos, uint64_t number, uint16_t *choices)
{
	uint16_t *atoms = mem_new(combos->pair_count * ITEM_COUNT, sizeof(*atoms));

	for (size_t i = combos->pair_count * ITEM_COUNT; i-- > 0;) {
		size_t pair = i / ITEM_COUNT, item = i % ITEM_COUNT;
		uint16_t extra = combos->pairs[pair].extra[item];
		size_t count = radix(combos, pair, item);

		if (extra > 0) {
			choices[combos->space->op_count + extra] = (uint16_t)(number % count);
			atoms[i] = OPTION_UNIFORM;
		} else if (count > 0) {
			atoms[i] = combos->pairs[pair].items[item].atoms[number % count];
		}
		number /= count > 0 ? count : 1;
	}
	return atoms;
}

static uint16_t matching_choice(const struct combo_items *kind, const uint16_t *atoms)
{
	size_t choice = 0;

	for (enum item item = 0; item < ITEM_COUNT; item++) {
		const struct options *options = &kind->items[item];
		size_t digit;

		if (options->count == 0 || atoms[item] == 0) {
			continue;
		}
		digit = position(options, atoms[item]);
		if (digit == options->count) {
			return 0;
		}
		choice = choice * options->count + digit;
	}
	return (uint16_t)choice;
}

void combos_choices(const struct combos *combos, uint64_t number, uint16_t *choices)
{
	uint16_t *atoms = digits_of(combos, number, choices);

	for (size_t op = 0; op < combos->space->op_count; op++) {
		uint32_t pair = combos->pair_of[op];

		if (pair != NO_PAIR) {
			choices[op] = matching_choice(&combos->kinds[combos->space->ops[op].kind],
						      &atoms[(size_t)pair * ITEM_COUNT]);
		}
	}
	free(atoms);
}
