/* Merges the entries that are about an operator, and leaves of its descriptions what they allow. */
#include "space/restrict.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const bool approach_has[][MODE_COUNT] = {
	[APPROACH_STATIC] = {[MODE_STATIC] = true},
	[APPROACH_DYNAMIC] = {[MODE_DYNAMIC] = true},
	[APPROACH_AUTO] = {[MODE_STATIC] = true, [MODE_DYNAMIC] = true},
	[APPROACH_WEIGHT_ONLY] = {[MODE_WEIGHT_ONLY] = true},
	[APPROACH_QAT] = {[MODE_STATIC] = true, [MODE_DYNAMIC] = true},
};

bool restrict_has(enum approach approach, enum mode mode)
{
	return approach_has[approach][mode];
}

void restrict_merge(struct restrict_merged *merged, const struct restriction *restriction,
		    size_t entry)
{
	for (int item = 0; item < ITEM_COUNT; item++) {
		if (restriction->items[item].count > 0) {
			merged->items[item] = &restriction->items[item];
			merged->entry[item] = entry;
		}
	}
}

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

static enum mode precision_of(const struct atoms *atoms, uint16_t dtype)
{
	for (enum mode mode = MODE_BF16; mode < MODE_COUNT; mode++) {
		if (dtype != 0 && strcmp(atoms->list[dtype - 1].text, mode_names[mode]) == 0) {
			return mode;
		}
	}
	return MODE_COUNT;
}

struct application {
	const struct restrict_merged *merged;
	const struct space_request *request;
	const struct atoms *atoms;
	restrict_note_fn note;
	void *arg;
};

static void report_ignored(const struct application *a, enum item item, const char *option)
{
	char detail[ERR_DETAIL_MAX];

	(void)snprintf(detail, sizeof(detail), "\"%s\" is not in the capability and was ignored",
		       option);
	a->note(a->arg, a->merged->entry[item], item, detail);
}

/* What the user's dtypes of one attribute ask for. */
struct dtype_wish {
	bool any_precision;
	bool any_quantized;
	bool precision[MODE_COUNT];
};

static struct dtype_wish read_wish(const struct application *a, enum item item)
{
	const struct options *wanted = a->merged->items[item];
	struct dtype_wish wish = {0};

	for (size_t i = 0; wanted != NULL && i < wanted->count; i++) {
		enum mode precision = precision_of(a->atoms, wanted->atoms[i]);

		if (precision < MODE_COUNT) {
			wish.any_precision = wish.precision[precision] = true;
		} else {
			wish.any_quantized = true;
		}
	}
	return wish;
}

/* In the user's order where there is one. Nothing left means that the wish is ignored. */
static void filter_item(const struct application *a, enum item item, const struct options *offered,
			struct options *ret)
{
	const struct options *wanted = a->merged->items[item];

	for (size_t i = 0; wanted != NULL && i < wanted->count; i++) {
		if (contains(offered, wanted->atoms[i])) {
			add(ret, wanted->atoms[i]);
		}
	}
	for (size_t i = 0; ret->count == 0 && i < offered->count; i++) {
		ret->atoms = mem_grow(ret->atoms, offered->count, sizeof(*ret->atoms));
		memcpy(ret->atoms, offered->atoms, offered->count * sizeof(*ret->atoms));
		ret->count = offered->count;
	}
}

/* Whether a description offers none of the user's quantized data types for its attribute. */
static bool dtype_refused(const struct application *a, const struct mode_description *d,
			  enum item item)
{
	const struct options *wanted = a->merged->items[item];

	if (wanted == NULL || d->items[item].count == 0) {
		return false;
	}
	for (size_t i = 0; i < wanted->count; i++) {
		if (contains(&d->items[item], wanted->atoms[i])) {
			return false;
		}
	}
	return read_wish(a, item).any_quantized;
}

static void add_quantized(const struct application *a, const struct mode_description *d,
			  struct mode_set *ret)
{
	struct mode_description *copy;

	ret->descriptions = mem_grow(ret->descriptions, ret->count + 1, sizeof(*ret->descriptions));
	copy = &ret->descriptions[ret->count++];
	memset(copy, 0, sizeof(*copy));
	copy->mode = d->mode;
	copy->has_weight = d->has_weight;
	for (enum item item = 0; item < ITEM_COUNT; item++) {
		filter_item(a, item, &d->items[item], &copy->items[item]);
		if (!item_is_tuned(d->mode, item) && copy->items[item].count > 1) {
			copy->items[item].count = 1;
		}
	}
}

static bool offers(const struct mode_set *set, enum mode mode)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->descriptions[i].mode == mode) {
			return true;
		}
	}
	return mode == MODE_FP32;
}

static void add_precisions(const struct application *a, const struct mode_set *set,
			   const struct dtype_wish *wish, struct mode_set *ret)
{
	for (enum mode mode = MODE_BF16; mode < MODE_COUNT; mode++) {
		if (!offers(set, mode) || a->request->exclude[mode] ||
		    (wish->any_precision && !wish->precision[mode])) {
			continue;
		}
		ret->descriptions =
			mem_grow(ret->descriptions, ret->count + 1, sizeof(*ret->descriptions));
		memset(&ret->descriptions[ret->count], 0, sizeof(*ret->descriptions));
		ret->descriptions[ret->count++].mode = mode;
	}
}

static bool offered_anywhere(const struct mode_set *set, enum item item, uint16_t atom)
{
	for (size_t i = 0; i < set->count; i++) {
		if (contains(&set->descriptions[i].items[item], atom)) {
			return true;
		}
	}
	return false;
}

static void report_unknown(const struct application *a, const struct mode_set *set)
{
	for (enum item item = 0; item < ITEM_COUNT; item++) {
		const struct options *wanted = a->merged->items[item];

		for (size_t i = 0; wanted != NULL && i < wanted->count; i++) {
			enum mode precision = precision_of(a->atoms, wanted->atoms[i]);

			if (precision < MODE_COUNT
				    ? !offers(set, precision)
				    : !offered_anywhere(set, item, wanted->atoms[i])) {
				report_ignored(a, item, a->atoms->list[wanted->atoms[i] - 1].text);
			}
		}
	}
}

/* The precision wish of both attributes; an activation of weight-only is fp32 anyway. */
static struct dtype_wish precision_wish(const struct application *a)
{
	struct dtype_wish wish = read_wish(a, ITEM_WEIGHT_DTYPE);

	if (!wish.any_precision && a->request->approach != APPROACH_WEIGHT_ONLY) {
		wish = read_wish(a, ITEM_ACTIVATION_DTYPE);
	}
	return wish;
}

static bool wish_can_be_met(const struct application *a, const struct mode_set *set,
			    const struct dtype_wish *wish)
{
	for (enum mode mode = MODE_BF16; mode < MODE_COUNT; mode++) {
		if (wish->precision[mode] && offers(set, mode) && !a->request->exclude[mode]) {
			return true;
		}
	}
	return false;
}

void restrict_apply(const struct mode_set *set, const struct restrict_merged *merged,
		    const struct space_request *request, const struct atoms *atoms,
		    restrict_note_fn note, void *arg, struct mode_set *ret)
{
	const struct application a = {merged, request, atoms, note, arg};
	struct dtype_wish wish = precision_wish(&a);

	memset(ret, 0, sizeof(*ret));
	report_unknown(&a, set);
	if (!wish_can_be_met(&a, set, &wish)) {
		wish = (struct dtype_wish){.any_quantized = true};
	}
	for (int strict = 1; strict >= 0 && ret->count == 0; strict--) {
		for (size_t i = 0; i < set->count; i++) {
			const struct mode_description *d = &set->descriptions[i];

			if (!mode_is_quantized(d->mode) ||
			    !approach_has[request->approach][d->mode] ||
			    (wish.any_precision && !wish.any_quantized) ||
			    (strict && (dtype_refused(&a, d, ITEM_WEIGHT_DTYPE) ||
					dtype_refused(&a, d, ITEM_ACTIVATION_DTYPE)))) {
				continue;
			}
			add_quantized(&a, d, ret);
		}
	}
	add_precisions(&a, set, &wish, ret);
	if (ret->count == 0) {
		struct dtype_wish none = {0};

		add_precisions(&a, set, &none, ret);
	}
}
