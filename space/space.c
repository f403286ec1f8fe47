/* Builds the space of a job. */
#include "space/space.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plural.h"
#include "base/rng.h"
#include "space/kind.h"
#include "space/match.h"
#include "space/restrict.h"
#include "space/ties.h"
#include "space/uniform.h"

/*
 * Building a space walks the operators once. The kind of an operator depends on its set of
 * descriptions and on the entries that match it, so (set, entries) is the key of a cache; operators
 * that differ in the key but not in what is left to them still share one kind. What is uniform is
 * taken out of what is left before kinds are made of it.
 */
struct builder {
	struct space *space;
	const struct space_request *request;
	struct match_index by_type, by_name;
	struct map cache; /* key text -> place in `left` + 1 */
	struct left left; /* what restrictions leave of the capability */
	struct map kinds; /* hash of a kind's content -> kind */
	struct map noted; /* what was reported already */
	struct err *reterr;
};

void space_destroy(struct space *space)
{
	if (space == NULL) {
		return;
	}
	for (size_t i = 0; i < space->kind_count; i++) {
		kind_finish(&space->kinds[i]);
	}
	for (size_t i = 0; i < space->extra_count; i++) {
		for (uint16_t k = 0; k < space->extras[i].count; k++) {
			free(space->extras[i].values[k]);
		}
		free(space->extras[i].values);
		free(space->extras[i].atoms);
		free(space->extras[i].name);
	}
	for (size_t i = 0; i < space->note_count; i++) {
		free(space->notes[i].pointer);
		free(space->notes[i].detail);
	}
	for (size_t e = 0; e < space->entry_count; e++) {
		free(space->entries[e].pointer);
		free(space->entries[e].matched);
	}
	free(space->entries);
	free(space->kinds);
	free(space->extras);
	free(space->notes);
	free(space->ops);
	free(space->members);
	capability_finish(&space->capability);
	free(space);
}

uint16_t space_choices(const struct space *space, size_t dimension)
{
	assert(dimension < space->dimension_count);
	return dimension < space->op_count ? space_kind(space, dimension)->count
					   : space->extras[dimension - space->op_count].count;
}

static bool quantizes(const struct space *space)
{
	bool any = false;

	for (enum mode mode = 0; mode_is_quantized(mode); mode++) {
		any = any || space_defaults_to(space, mode);
	}
	return any;
}

uint16_t space_sizes(const struct space *space)
{
	return quantizes(space) ? space_choices(space, space_size_dimension(space)) : 1;
}

uint16_t space_alphas(const struct space *space)
{
	return space->rules >= 2 && space_has_alphas(space) && quantizes(space)
		       ? space_choices(space, space_alpha_dimension(space))
		       : 1;
}

const char *space_atom(const struct space *space, uint16_t atom)
{
	assert(atom > 0 && atom <= space->capability.atoms.count);
	return space->capability.atoms.list[atom - 1].text;
}

void space_note(struct space *space, const char *pointer, const char *detail)
{
	space->notes = mem_grow(space->notes, space->note_count + 1, sizeof(*space->notes));
	space->notes[space->note_count++] =
		(struct space_remark){mem_dup(pointer), mem_dup(detail)};
}

static void add_note(struct builder *b, const char *pointer, const char *detail)
{
	char *key = mem_printf("%s %s", pointer, detail);

	if (map_get(&b->noted, key, 0) == 0) {
		map_set(&b->noted, key, 1);
		space_note(b->space, pointer, detail);
	}
	free(key);
}

static void on_ignored(void *arg, size_t entry, enum item item, const char *detail)
{
	struct builder *b = arg;
	const struct item_name *name = &item_names[item];
	char *pointer = mem_printf("%s/%s/%s", b->request->restrictions[entry].pointer,
				   name->weight ? "weight" : "activation", name->name);

	add_note(b, pointer, detail);
	free(pointer);
}

static int find_matches(struct builder *b)
{
	const struct space_request *request = b->request;
	struct space *space = b->space;
	const struct capability *capability = &space->capability;
	int rc = 0;

	space->entry_count = request->restriction_count;
	space->entries = mem_new(space->entry_count, sizeof(*space->entries));
	for (size_t e = 0; e < space->entry_count; e++) {
		struct space_entry *entry = &space->entries[e];

		entry->pointer = mem_dup(request->restrictions[e].pointer);
		entry->by_name = request->restrictions[e].by_name;
		if (request->known != NULL) {
			entry->count = request->known[e].count;
			entry->matched = mem_new(entry->count, sizeof(*entry->matched));
			for (size_t i = 0; i < entry->count; i++) {
				entry->matched[i] = request->known[e].ops[i];
			}
		}
	}
	if (request->known == NULL) {
		rc = match_all(capability, request, space->entries, b->reterr);
	}
	match_index_init(&b->by_type, space->entries, space->entry_count, false,
			 capability->type_count);
	match_index_init(&b->by_name, space->entries, space->entry_count, true,
			 capability->op_count);
	return rc;
}

static void note_entries(struct builder *b)
{
	for (size_t e = 0; e < b->space->entry_count; e++) {
		const struct space_entry *entry = &b->space->entries[e];

		if (entry->given_up) {
			add_note(b, entry->pointer,
				 "the pattern takes too long to match and was ignored for some "
				 "operators");
		}
		if (entry->count == 0) {
			add_note(b, entry->pointer, "the pattern matches no operator");
		}
	}
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	do {
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001B3);
	} while (*text++ != '\0');
	return rng_mix(hash);
}

static uint64_t mix_kind(uint64_t hash, const struct space *space, const struct kind *kind)
{
	for (uint16_t c = 0; c < kind->count; c++) {
		hash = mix_text(hash, mode_names[kind->choices[c].mode]);
		for (int item = 0; item < ITEM_COUNT; item++) {
			uint16_t atom = kind->choices[c].options[item];

			hash = mix_text(hash, atom == OPTION_UNIFORM ? "\n"
					      : atom != 0            ? space_atom(space, atom)
								     : "");
		}
	}
	return hash;
}

/* Found by the hash of its content; a kind whose hash is taken by another is kept apart. */
static uint32_t intern_kind(struct builder *b, struct kind *kind)
{
	struct space *space = b->space;
	char key[24];
	intptr_t found;

	(void)snprintf(key, sizeof(key), "%016llx", (unsigned long long)mix_kind(0, space, kind));
	found = map_get(&b->kinds, key, -1);
	if (found >= 0 && kind_equal(&space->kinds[found], kind)) {
		kind_finish(kind);
		return (uint32_t)found;
	}
	map_set(&b->kinds, key, (intptr_t)space->kind_count);
	space->kinds = mem_grow(space->kinds, space->kind_count + 1, sizeof(*space->kinds));
	space->kinds[space->kind_count] = *kind;
	return (uint32_t)space->kind_count++;
}

/* What is left of an operator whose restrictions are merged; NULL: it stays in fp32. */
static uint32_t make_left(struct builder *b, const struct capability_op *op,
			  const struct restrict_merged *merged)
{
	struct space *space = b->space;
	struct left *left = &b->left;
	struct mode_set *set;

	left->sets = mem_grow(left->sets, left->set_count + 1, sizeof(*left->sets));
	set = &left->sets[left->set_count];
	if (merged == NULL) {
		set->descriptions = mem_new(1, sizeof(*set->descriptions));
		set->descriptions->mode = MODE_FP32;
		set->count = 1;
	} else {
		restrict_apply(&space->capability.sets[op->set], merged, b->request,
			       &space->capability.atoms, on_ignored, b, set);
	}
	return (uint32_t)left->set_count++;
}

/* Merges the entries that match operator or type `of`, and makes them part of the key. */
static void merge_entries(const struct builder *b, const struct match_index *index, size_t of,
			  struct restrict_merged *merged, char **key)
{
	for (size_t i = index->first[of]; i < index->first[of + 1]; i++) {
		size_t e = index->list[i];
		char *longer = mem_printf("%s,%zu", *key, e);

		restrict_merge(merged, &b->request->restrictions[e], e);
		free(*key);
		*key = longer;
	}
}

static void leave_op(struct builder *b, size_t index)
{
	const struct capability_op *op = &b->space->capability.ops[index];
	struct restrict_merged merged = {0};
	bool kept = b->request->keep_fp32 != NULL && b->request->keep_fp32[index];
	char *key = mem_printf("%u%s", op->set, kept ? "kept" : "");
	uint32_t set = 0;

	merge_entries(b, &b->by_type, op->type, &merged, &key);
	merge_entries(b, &b->by_name, index, &merged, &key);
	set = (uint32_t)map_get(&b->cache, key, 0);
	if (set > 0) {
		set--;
	} else {
		set = make_left(b, op, kept ? NULL : &merged);
		map_set(&b->cache, key, (intptr_t)set + 1);
	}
	free(key);
	b->left.set_of[index] = set;
	b->space->ops[index] = (struct space_op){.name = op->name, .type = op->type};
}

static int make_kinds(struct builder *b)
{
	uint32_t *made = mem_new(b->left.set_count, sizeof(*made)); /* kind + 1 */
	int rc = 0;

	for (size_t i = 0; i < b->space->op_count && rc == 0; i++) {
		uint32_t set = b->left.set_of[i];
		struct kind kind;

		if (made[set] == 0) {
			rc = kind_init(&kind, &b->left.sets[set], b->reterr);
			made[set] = rc == 0 ? intern_kind(b, &kind) + 1 : 1;
		}
		b->space->ops[i].kind = made[set] - 1;
	}
	free(made);
	return rc;
}

struct extra *space_add_extra(struct space *space, const char *name, size_t count)
{
	struct extra *extra;

	space->extras = mem_grow(space->extras, space->extra_count + 1, sizeof(*space->extras));
	extra = &space->extras[space->extra_count++];
	*extra = (struct extra){.name = mem_dup(name),
				.values = mem_new(count, sizeof(*extra->values)),
				.count = (uint16_t)count};
	return extra;
}

static void add_extras(struct builder *b)
{
	const struct space_request *request = b->request;
	const struct capability *capability = &b->space->capability;
	bool asked = request->calibration_size_count > 0;
	const int64_t *sizes = asked ? request->calibration_sizes : capability->calibration_sizes;
	size_t count = asked ? request->calibration_size_count : 1;
	struct extra *extra = space_add_extra(b->space, "calibration_sampling_size", count);

	for (size_t i = 0; i < count; i++) {
		extra->values[i] = mem_printf("%lld", (long long)sizes[i]);
	}
	if (request->smooth_quant && request->alpha_count > 1) {
		extra = space_add_extra(b->space, "smooth_quant_alpha", request->alpha_count);
		for (size_t i = 0; i < request->alpha_count; i++) {
			extra->values[i] = mem_dup(request->alphas[i]);
		}
	}
}

static uint64_t fingerprint(const struct space *space)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < space->kind_count; i++) {
		hash = mix_kind(hash, space, &space->kinds[i]);
	}
	for (size_t i = 0; i < space->op_count; i++) {
		hash = mix_text(hash, space->ops[i].name);
		hash = mix_text(hash, space->capability.types[space->ops[i].type]);
		hash = rng_mix(hash + space->ops[i].kind);
	}
	for (size_t m = 0; m < space->member_count; m++) {
		if (space_follows(space, m)) {
			hash = mix_text(hash, space->members[m].name);
			hash = rng_mix(hash + space->members[m].op);
		}
	}
	for (size_t i = 0; i < space->extra_count; i++) {
		hash = mix_text(hash, space->extras[i].name);
		for (uint16_t k = 0; k < space->extras[i].count; k++) {
			hash = mix_text(hash, space->extras[i].values[k]);
		}
	}
	return hash;
}

static char *op_difference(const struct space *a, const struct space *b, size_t op)
{
	const char *name = a->ops[op].name;
	const char *types[] = {a->capability.types[a->ops[op].type],
			       b->capability.types[b->ops[op].type]};

	if (strcmp(name, b->ops[op].name) != 0) {
		return mem_printf("operator %zu is %s in one and %s in the other", op, name,
				  b->ops[op].name);
	}
	if (strcmp(types[0], types[1]) != 0) {
		return mem_printf("operator %s is a %s in one and a %s in the other", name,
				  types[0], types[1]);
	}
	if (mix_kind(0, a, space_kind(a, op)) != mix_kind(0, b, space_kind(b, op))) {
		return mem_printf("operator %s has other options", name);
	}
	return NULL;
}

char *space_difference(const struct space *a, const struct space *b)
{
	char *difference = NULL;

	if (a->fingerprint == b->fingerprint) {
		return NULL;
	}
	if (a->member_count != b->member_count) {
		return mem_printf("one has %zu operator%s, the other %zu", a->member_count,
				  plural_s((long long)a->member_count), b->member_count);
	}
	if (a->op_count != b->op_count) {
		return mem_dup("other operators are tied");
	}
	for (size_t i = 0; i < a->op_count && difference == NULL; i++) {
		difference = op_difference(a, b, i);
	}
	return difference != NULL ? difference
				  : mem_dup("other operators are tied, or calibration sizes or "
					    "recipes are tuned over other values");
}

static int build(struct builder *b)
{
	struct space *space = b->space;
	int rc = find_matches(b);

	if (rc != 0) {
		return rc;
	}
	space->op_count = space->capability.op_count;
	space->ops = mem_new(space->op_count, sizeof(*space->ops));
	b->left.set_of = mem_new(space->op_count, sizeof(*b->left.set_of));
	for (size_t i = 0; i < space->op_count; i++) {
		leave_op(b, i);
	}
	add_extras(b);
	rc = uniform_take(space, &b->left, b->request, b->reterr);
	rc = rc == 0 ? make_kinds(b) : rc;
	rc = rc == 0 ? ties_fold(space, b->reterr) : rc;
	if (rc != 0) {
		return rc;
	}
	note_entries(b);
	space->dimension_count = space->op_count + space->extra_count;
	space->fingerprint = fingerprint(space);
	return 0;
}

struct space *space_create(struct capability *capability, const struct space_request *request,
			   struct err *reterr)
{
	struct builder b = {.request = request, .reterr = reterr};
	int rc;

	b.space = mem_new(1, sizeof(*b.space));
	b.space->capability = *capability;
	b.space->rules = request->rules;
	b.space->approach = request->approach;
	b.space->smooth_quant = request->smooth_quant;
	b.space->tunes_algorithms = request->tune_algorithms;
	capability_init(capability);
	map_init(&b.cache);
	map_init(&b.kinds);
	map_init(&b.noted);
	rc = build(&b);
	match_index_finish(&b.by_type);
	match_index_finish(&b.by_name);
	left_finish(&b.left);
	map_finish(&b.cache);
	map_finish(&b.kinds);
	map_finish(&b.noted);
	if (rc != 0) {
		space_destroy(b.space);
		return NULL;
	}
	return b.space;
}

/* Schoolbook multiplication in base 10^9: a space of 20 000 operators has some 10 000 digits. */
char *space_size_text(const struct space *space)
{
	const uint64_t base = 1000000000;
	size_t room = space->dimension_count / 2 + 16;
	uint32_t *digits = mem_new(room, sizeof(*digits));
	size_t used = 1;
	char *text, *end;

	digits[0] = 1;
	for (size_t d = 0; d < space->dimension_count; d++) {
		uint64_t carry = 0;

		for (size_t i = 0; i < used; i++) {
			carry += (uint64_t)digits[i] * space_choices(space, d);
			digits[i] = (uint32_t)(carry % base);
			carry /= base;
		}
		if (carry > 0) {
			digits[used++] = (uint32_t)carry;
		}
	}
	text = mem_new(used * 9 + 1, 1);
	end = text + sprintf(text, "%u", digits[used - 1]);
	for (size_t i = used - 1; i-- > 0;) {
		end += sprintf(end, "%09u", digits[i]);
	}
	free(digits);
	return text;
}
