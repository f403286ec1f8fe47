/* Takes options that all operators share out of them, and makes them dimensions. */
#include "space/uniform.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void left_finish(struct left *left)
{
	for (size_t i = 0; i < left->set_count; i++) {
		mode_set_finish(&left->sets[i]);
	}
	free(left->sets);
	free(left->set_of);
}

const struct extra *space_uniform(const struct space *space, enum mode mode, enum item item,
				  size_t *ret_dimension)
{
	for (size_t i = space->extra_count - space->uniform_count; i < space->extra_count; i++) {
		if (space->extras[i].mode == mode && space->extras[i].item == item) {
			*ret_dimension = space->op_count + i;
			return &space->extras[i];
		}
	}
	return NULL;
}

uint16_t extra_find(const struct extra *extra, uint16_t atom)
{
	uint16_t i = 0;

	while (i < extra->count && extra->atoms[i] != atom) {
		i++;
	}
	return i;
}

struct choice space_resolve(const struct space *space, size_t op, uint16_t choice,
			    const uint16_t *choices)
{
	struct choice resolved = space_kind(space, op)->choices[choice];

	for (enum item item = 0; space->uniform_count > 0 && item < ITEM_COUNT; item++) {
		if (resolved.options[item] == OPTION_UNIFORM) {
			size_t dimension = 0;
			const struct extra *extra =
				space_uniform(space, resolved.mode, item, &dimension);

			resolved.options[item] =
				extra->atoms[choices != NULL ? choices[dimension] : 0];
		}
	}
	return resolved;
}

bool space_defaults_to(const struct space *space, enum mode mode)
{
	for (size_t op = 0; op < space->op_count; op++) {
		if (space_kind(space, op)->choices[0].mode == mode) {
			return true;
		}
	}
	return false;
}

/* One option in one mode. */
struct taking {
	struct space *space;
	struct left *left;
	const struct space_request *request;
	const struct uniform *uniform;
	enum mode mode;
	struct options common;
	size_t first; /* operator that has it */
};

static bool contains(const struct options *options, uint16_t atom)
{
	for (size_t i = 0; i < options->count; i++) {
		if (options->atoms[i] == atom) {
			return true;
		}
	}
	return false;
}

static void add(struct options *options, uint16_t atom)
{
	options->atoms = mem_grow(options->atoms, options->count + 1, sizeof(*options->atoms));
	options->atoms[options->count++] = atom;
}

static bool is_about(const struct taking *t, const struct mode_description *d)
{
	return d->mode == t->mode && d->items[t->uniform->item].count > 0;
}

static bool equal_but(const struct mode_description *a, const struct mode_description *b,
		      enum item but)
{
	for (enum item item = 0; item < ITEM_COUNT; item++) {
		const struct options *x = &a->items[item], *y = &b->items[item];

		if (item != but && (x->count != y->count ||
				    (x->count > 0 && memcmp(x->atoms, y->atoms,
							    x->count * sizeof(*x->atoms)) != 0))) {
			return false;
		}
	}
	return true;
}

static void drop(struct mode_set *set, size_t place)
{
	for (int item = 0; item < ITEM_COUNT; item++) {
		free(set->descriptions[place].items[item].atoms);
	}
	set->count--;
	memmove(&set->descriptions[place], &set->descriptions[place + 1],
		(set->count - place) * sizeof(*set->descriptions));
}

/* Several data types are several descriptions; those that differ in nothing else become one. */
static void join_descriptions(const struct taking *t, struct mode_set *set)
{
	enum item item = t->uniform->item;

	for (size_t i = 0; i < set->count; i++) {
		struct options *to = &set->descriptions[i].items[item];

		for (size_t k = i + 1; k < set->count; k++) {
			const struct mode_description *other = &set->descriptions[k];

			if (!is_about(t, &set->descriptions[i]) || !is_about(t, other) ||
			    !equal_but(&set->descriptions[i], other, item)) {
				continue;
			}
			for (size_t o = 0; o < other->items[item].count; o++) {
				if (!contains(to, other->items[item].atoms[o])) {
					add(to, other->items[item].atoms[o]);
				}
			}
			drop(set, k--);
		}
	}
}

/* The values as a person reads them: "minmax, kl". The caller frees. */
static char *values_text(const struct space *space, const struct options *options)
{
	char *text = mem_dup("");

	for (size_t i = 0; i < options->count; i++) {
		char *longer = mem_printf("%s%s%s", text, i > 0 ? ", " : "",
					  space_atom(space, options->atoms[i]));

		free(text);
		text = longer;
	}
	return text;
}

static const struct options *options_of(const struct taking *t, size_t op)
{
	const struct mode_set *set = &t->left->sets[t->left->set_of[op]];

	for (size_t i = 0; i < set->count; i++) {
		if (is_about(t, &set->descriptions[i])) {
			return &set->descriptions[i].items[t->uniform->item];
		}
	}
	return NULL;
}

static bool are_disjoint(const struct options *a, const struct options *b)
{
	for (size_t i = 0; a != NULL && i < a->count; i++) {
		if (contains(b, a->atoms[i])) {
			return false;
		}
	}
	return a != NULL;
}

/* Names one that has nothing in common with `op`, or else the first. */
static int refuse(const struct taking *t, size_t op, const struct options *had, struct err *reterr)
{
	const struct item_name *name = &item_names[t->uniform->item];
	size_t other = t->first;
	char *texts[2];

	for (size_t i = t->first; i < op; i++) {
		if (are_disjoint(options_of(t, i), had)) {
			other = i;
			break;
		}
	}
	if (other == op) {
		return err_fault(
			reterr, t->uniform->pointer,
			"no value of the %s %s suits all that \"%s\" can be in %s, which are "
			"several descriptions",
			name->weight ? "weight" : "activation", name->name, t->space->ops[op].name,
			mode_names[t->mode]);
	}
	texts[0] = values_text(t->space, options_of(t, other));
	texts[1] = values_text(t->space, had);
	(void)err_fault(reterr, t->uniform->pointer,
			"no value of the %s %s suits all operators in %s: \"%s\" has %s, \"%s\" "
			"has %s",
			name->weight ? "weight" : "activation", name->name, mode_names[t->mode],
			t->space->ops[other].name, texts[0], t->space->ops[op].name, texts[1]);
	free(texts[0]);
	free(texts[1]);
	return -ERR_INVALID_FIELD;
}

/* Keeps of what is common what `had` has, too; in the order of the first. */
static void keep_common(struct options *common, const struct options *had)
{
	size_t kept = 0;

	for (size_t i = 0; i < common->count; i++) {
		if (contains(had, common->atoms[i])) {
			common->atoms[kept++] = common->atoms[i];
		}
	}
	common->count = kept;
}

/* Of all operators, each set once. */
static int find_common(struct taking *t, struct err *reterr)
{
	bool *seen = mem_new(t->left->set_count, sizeof(*seen));
	bool any = false;
	int rc = 0;

	for (size_t op = 0; op < t->space->op_count && rc == 0; op++) {
		uint32_t s = t->left->set_of[op];
		struct mode_set *set = &t->left->sets[s];

		if (!seen[s]) {
			join_descriptions(t, set);
		}
		for (size_t i = 0; i < set->count && !seen[s] && rc == 0; i++) {
			const struct options *had = &set->descriptions[i].items[t->uniform->item];

			if (!is_about(t, &set->descriptions[i])) {
				continue;
			}
			for (size_t o = 0; !any && o < had->count; o++) {
				add(&t->common, had->atoms[o]);
			}
			t->first = any ? t->first : op;
			any = true;
			keep_common(&t->common, had);
			rc = t->common.count == 0 ? refuse(t, op, had, reterr) : 0;
		}
		seen[s] = true;
	}
	free(seen);
	return rc;
}

static void set_all(const struct taking *t, const uint16_t *atoms, size_t count)
{
	for (size_t s = 0; s < t->left->set_count; s++) {
		for (size_t i = 0; i < t->left->sets[s].count; i++) {
			struct mode_description *d = &t->left->sets[s].descriptions[i];

			if (is_about(t, d)) {
				d->items[t->uniform->item].atoms[0] = atoms[0];
				d->items[t->uniform->item].count = count;
			}
		}
	}
}

static void add_dimension(const struct taking *t)
{
	const struct item_name *item = &item_names[t->uniform->item];
	char *name = mem_printf("%s.%s.%s", mode_names[t->mode],
				item->weight ? "weight" : "activation", item->name);
	struct extra *extra = space_add_extra(t->space, name, t->common.count);

	extra->mode = t->mode;
	extra->item = t->uniform->item;
	extra->atoms = mem_new(extra->count, sizeof(*extra->atoms));
	for (uint16_t i = 0; i < extra->count; i++) {
		const struct atom *atom = &t->space->capability.atoms.list[t->common.atoms[i] - 1];
		struct buf text;

		extra->atoms[i] = t->common.atoms[i];
		buf_init(&text, SIZE_MAX / 2);
		if (atom->number) {
			buf_text(&text, atom->text);
		} else {
			buf_json_string(&text, atom->text, strlen(atom->text));
		}
		extra->values[i] = buf_take(&text, NULL);
	}
	t->space->uniform_count++;
	free(name);
}

/* How many of the operators have the option in this mode; `ops` NULL: of all. */
static size_t count_about(const struct taking *t, const uint32_t *ops, size_t count)
{
	size_t about = 0;

	for (size_t i = 0; i < count; i++) {
		about += options_of(t, ops != NULL ? ops[i] : i) != NULL;
	}
	return about;
}

/* Entries of op_name_dict that are about some of the operators are so about all. */
static void note_names(const struct taking *t)
{
	const struct item_name *name = &item_names[t->uniform->item];
	const char *attribute = name->weight ? "weight" : "activation";
	size_t all = count_about(t, NULL, t->space->op_count);

	for (size_t e = 0; e < t->space->entry_count; e++) {
		const struct space_entry *entry = &t->space->entries[e];
		size_t about = 0;

		if (entry->by_name &&
		    t->request->restrictions[e].items[t->uniform->item].count > 0) {
			about = count_about(t, entry->matched, entry->count);
		}
		if (about > 0 && about < all) {
			char *pointer =
				mem_printf("%s/%s/%s", entry->pointer, attribute, name->name);
			char *detail =
				mem_printf("the option is uniform, so this narrows it for all "
					   "operators in %s",
					   mode_names[t->mode]);

			space_note(t->space, pointer, detail);
			free(pointer);
			free(detail);
		}
	}
}

static int take(struct taking *t, bool *found, struct err *reterr)
{
	static const uint16_t uniform[] = {OPTION_UNIFORM};
	int rc = find_common(t, reterr);

	*found = *found || t->common.count > 0;
	if (rc == 0 && t->common.count > 0) {
		note_names(t);
	}
	if (rc == 0 && t->common.count > 1) {
		add_dimension(t);
		set_all(t, uniform, 1);
	} else if (rc == 0 && t->common.count == 1) {
		set_all(t, t->common.atoms, 1);
	}
	free(t->common.atoms);
	return rc;
}

int uniform_take(struct space *space, struct left *left, const struct space_request *request,
		 struct err *reterr)
{
	const struct capability *capability = &space->capability;
	bool *found = mem_new(capability->uniform_count, sizeof(*found));
	int rc = 0;

	for (enum mode mode = 0; mode_is_quantized(mode); mode++) {
		for (size_t u = 0; u < capability->uniform_count; u++) {
			struct taking t = {.space = space,
					   .left = left,
					   .request = request,
					   .uniform = &capability->uniform[u],
					   .mode = mode};
			int taken = take(&t, &found[u], reterr);

			rc = rc == 0 ? taken : rc;
		}
	}
	for (size_t u = 0; u < capability->uniform_count && rc == 0; u++) {
		if (!found[u]) {
			space_note(space, capability->uniform[u].pointer,
				   "no operator that is quantized has this option");
		}
	}
	free(found);
	return rc;
}
