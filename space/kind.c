/* Enumerates the choices of an operator from its mode descriptions. */
#include "space/kind.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

bool choice_equal(const struct choice *a, const struct choice *b)
{
	return a->mode == b->mode && a->branch == b->branch &&
	       memcmp(a->options, b->options, sizeof(a->options)) == 0;
}

int kind_find(const struct kind *kind, const struct choice *like)
{
	for (uint16_t i = 0; i < kind->per_mode[like->mode]; i++) {
		if (choice_equal(&kind->choices[kind->first[like->mode] + i], like)) {
			return kind->first[like->mode] + i;
		}
	}
	return -1;
}

static size_t product(const struct mode_description *d)
{
	size_t count = 1;

	for (int item = 0; item < ITEM_COUNT && count <= LIMIT_CHOICES_PER_OP; item++) {
		count *= d->items[item].count > 0 ? d->items[item].count : 1;
	}
	return count;
}

/* The n-th combination in mixed radix, the last item being the lowest digit. */
static struct choice combination(const struct mode_description *d, uint16_t branch, size_t n)
{
	struct choice choice = {.mode = d->mode, .branch = branch};

	for (int item = ITEM_COUNT - 1; item >= 0; item--) {
		const struct options *options = &d->items[item];

		if (options->count > 0) {
			choice.options[item] = options->atoms[n % options->count];
			n /= options->count;
		}
	}
	return choice;
}

static int add_mode(struct kind *kind, const struct mode_set *set, enum mode mode,
		    struct err *reterr)
{
	uint16_t branch = 0;

	kind->first[mode] = kind->count;
	for (size_t i = 0; i < set->count; i++) {
		const struct mode_description *d = &set->descriptions[i];
		size_t count = product(d);

		if (d->mode != mode) {
			continue;
		}
		if (kind->count + count > LIMIT_CHOICES_PER_OP) {
			return err_set(reterr, ERR_INVALID_FIELD,
				       "an operator has more than %d choices",
				       LIMIT_CHOICES_PER_OP);
		}
		kind->choices =
			mem_grow(kind->choices, kind->count + count, sizeof(*kind->choices));
		for (size_t n = 0; n < count; n++) {
			kind->choices[kind->count++] = combination(d, branch, n);
		}
		if (kind->defaults == 0) {
			kind->defaults = kind->count;
		}
		branch++;
	}
	kind->per_mode[mode] = (uint16_t)(kind->count - kind->first[mode]);
	return 0;
}

int kind_init(struct kind *kind, const struct mode_set *set, struct err *reterr)
{
	memset(kind, 0, sizeof(*kind));
	for (enum mode mode = 0; mode < MODE_COUNT; mode++) {
		int rc = add_mode(kind, set, mode, reterr);

		if (rc != 0) {
			kind_finish(kind);
			return rc;
		}
	}
	return 0;
}

void kind_finish(struct kind *kind)
{
	free(kind->choices);
	memset(kind, 0, sizeof(*kind));
}

bool kind_equal(const struct kind *a, const struct kind *b)
{
	if (a->count != b->count) {
		return false;
	}
	for (uint16_t i = 0; i < a->count; i++) {
		if (!choice_equal(&a->choices[i], &b->choices[i])) {
			return false;
		}
	}
	return true;
}
