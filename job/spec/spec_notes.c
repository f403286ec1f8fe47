/* Says what of a submission has no effect, so that nothing is dropped or replaced in silence. */
#include "job/spec/spec_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plural.h"
#include "space/restrict.h"
#include "job/spec/recipes.h"

#define SUSPICIOUS_LOSS 0.5

struct notes {
	const struct json_at *body, *capability;
	struct spec *spec;
	struct space *space;
	size_t offered[MODE_COUNT]; /* how many operators have the mode */
};

static void note(const struct notes *n, const struct json_at *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void note(const struct notes *n, const struct json_at *at, const char *format, ...)
{
	char pointer[ERR_POINTER_MAX], detail[ERR_DETAIL_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	space_note(n->space, json_pointer(at, pointer), detail);
}

static void count_modes(struct notes *n)
{
	const struct capability *capability = &n->space->capability;

	for (size_t op = 0; op < capability->op_count; op++) {
		const struct mode_set *set = &capability->sets[capability->ops[op].set];
		bool has[MODE_COUNT] = {false};

		for (size_t i = 0; i < set->count; i++) {
			has[set->descriptions[i].mode] = true;
		}
		for (enum mode mode = 0; mode < MODE_COUNT; mode++) {
			n->offered[mode] += has[mode];
		}
	}
}

/* "static by 3 operators, weight_only by 1", or "none". */
static char *offer_text(const struct notes *n)
{
	char *text = NULL;

	for (enum mode mode = 0; mode_is_quantized(mode); mode++) {
		char *longer;

		if (n->offered[mode] == 0) {
			continue;
		}
		longer = mem_printf("%s%s%s by %zu", text != NULL ? text : "",
				    text != NULL ? ", " : "", mode_names[mode], n->offered[mode]);
		free(text);
		text = longer;
	}
	return text != NULL ? text : mem_dup("none");
}

static bool is_tried(const struct notes *n, enum mode mode)
{
	return restrict_has(n->space->approach, mode) &&
	       (n->spec->strategy->traits & STRATEGY_NO_QUANT) == 0;
}

static void note_modes(const struct notes *n, const struct json_at *approach)
{
	const char *strategy = n->spec->strategy->name;

	for (enum mode mode = 0; mode_is_quantized(mode); mode++) {
		const char *plural = plural_s((long long)n->offered[mode]);

		if (n->offered[mode] == 0 || is_tried(n, mode)) {
			continue;
		}
		if (restrict_has(n->space->approach, mode)) {
			note(n, approach,
			     "%s is offered by %zu operator%s and not tried: %s lowers precisions "
			     "alone",
			     mode_names[mode], n->offered[mode], plural, strategy);
		} else {
			note(n, approach,
			     "%s is offered by %zu operator%s and not tried: approach is %s",
			     mode_names[mode], n->offered[mode], plural,
			     spec_approach_name(n->space->approach));
		}
	}
}

static bool is_offered(const struct notes *n)
{
	for (enum mode mode = 0; mode_is_quantized(mode); mode++) {
		if (n->offered[mode] > 0 && restrict_has(n->space->approach, mode)) {
			return true;
		}
	}
	return false;
}

static bool is_left(const struct space *space)
{
	for (size_t op = 0; op < space->op_count; op++) {
		if (mode_is_quantized(space_kind(space, op)->choices[0].mode)) {
			return true;
		}
	}
	return false;
}

/* The member that leaves nothing to quantize: the last one that is there. */
static struct json_at excluder(const struct notes *n)
{
	static const char *const members[] = {"op_name_dict", "op_type_dict", "recipes"};
	struct json_at at = json_member(n->body, members[0]);

	for (size_t i = 1; i < sizeof(members) / sizeof(members[0]) && at.value == NULL; i++) {
		at = json_member(n->body, members[i]);
	}
	return at;
}

static void note_nothing_left(const struct notes *n, const struct json_at *approach)
{
	const char *name = spec_approach_name(n->space->approach);
	struct json_at by = excluder(n);
	char *offer;

	if (is_left(n->space)) {
		return;
	}
	offer = offer_text(n);
	if (is_offered(n)) {
		note(n, &by,
		     "no operator is left to quantize: the dictionaries and recipes keep all of "
		     "them in high precision");
	} else if (approach->value != NULL) {
		(void)json_fault(approach,
				 "no operator can be quantized by the approach %s: the capability "
				 "offers %s; choose an approach that it offers",
				 name, offer);
	} else if ((n->spec->strategy->traits & STRATEGY_NO_QUANT) == 0) {
		note(n, approach,
		     "nothing is left to quantize: approach is %s when it is left out, and the "
		     "capability offers %s",
		     name, offer);
	}
	free(offer);
}

static bool is_stated(const json_t *list, double size)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item) {
		if (json_number_value(item) == size) {
			return true;
		}
	}
	return false;
}

static void note_size(const struct notes *n, const struct json_at *at)
{
	const json_t *stated = json_object_get(n->capability->value, "calibration_sampling_sizes");

	if (json_is_array(stated) && json_array_size(stated) > 0 &&
	    !is_stated(stated, json_number_value(at->value))) {
		note(n, at,
		     "%.0f is not among the capability's calibration_sampling_sizes; the evaluator "
		     "is asked for it all the same",
		     json_number_value(at->value));
	}
}

static void note_sizes(const struct notes *n)
{
	struct json_at at = json_member(n->body, "calibration_sampling_size");
	const struct extra *sizes = &n->space->extras[0];

	for (size_t i = 0; i < json_array_size(at.value); i++) {
		struct json_at item = json_item(&at, i);

		note_size(n, &item);
	}
	if (json_is_number(at.value)) {
		note_size(n, &at);
	}
	if (sizes->count > 1 && space_sizes(n->space) == 1) {
		note(n, &at, "the sizes are not tried, since nothing is quantized");
	} else if (sizes->count > 1 && (n->spec->strategy->traits & STRATEGY_ONE_SIZE) != 0) {
		note(n, &at, "%s does not tune the size: every config has the first, %s",
		     n->spec->strategy->name, sizes->values[0]);
	}
}

static void note_alphas(const struct notes *n)
{
	struct json_at recipes = json_member(n->body, "recipes");
	struct json_at args = json_member(&recipes, "smooth_quant_args");
	struct json_at at = json_member(&args, "alpha");

	if (!space_has_alphas(n->space)) {
		return;
	}
	if (space_alphas(n->space) == 1) {
		note(n, &at, "the alphas are not tried, since nothing is quantized");
	} else if ((n->spec->strategy->traits & STRATEGY_ONE_ALPHA) != 0) {
		note(n, &at, "%s does not tune alphas: every config has the first, %s",
		     n->spec->strategy->name, n->space->extras[1].values[0]);
	}
}

static void note_outranked(const struct notes *n)
{
	struct json_at criterion = json_member(n->body, "tuning_criterion");
	struct json_at strategy = json_member(&criterion, "strategy");
	struct json_at kwargs = json_member(&criterion, "strategy_kwargs");

	if (n->spec->outranked == NULL) {
		return;
	}
	note(n, &strategy,
	     "%s is not used: quant_level outranks it and chooses %s; leave quant_level out, or "
	     "make it 1",
	     n->spec->outranked->name, n->spec->strategy->name);
	if (json_object_size(kwargs.value) > 0) {
		note(n, &kwargs, "ignored together with %s, which quant_level outranks",
		     n->spec->outranked->name);
	}
}

/* Recipes that the user turned off although nobody knows what they are about. */
static void note_recipes_off(const struct notes *n, const struct json_at *recipes_ops)
{
	struct json_at recipes = json_member(n->body, "recipes");
	const char *name;
	json_t *value;

	json_object_foreach(recipes.value, name, value) {
		struct json_at at = json_member(&recipes, name);

		if (json_is_false(value) && recipes_is_tuned(name) &&
		    json_array_size(json_object_get(recipes_ops->value, name)) == 0) {
			note(n, &at,
			     "the capability's recipes_ops name no operator for it, so none is "
			     "kept in high precision");
		}
	}
}

static void note_recipes(const struct notes *n)
{
	struct json_at recipes = json_member(n->capability, "recipes_ops");
	const char *name;
	json_t *value;

	json_object_foreach(recipes.value, name, value) {
		struct json_at at = json_member(&recipes, name);

		if (!recipes_has(name)) {
			note(n, &at, "no recipe that can be turned off has this name: ignored");
		}
	}
	note_recipes_off(n, &recipes);
}

/* Empty lists below `at`: how many, and a note at the first. */
static size_t count_empty(const struct notes *n, const struct json_at *at, size_t before)
{
	size_t count = before;
	const char *key;
	json_t *value;

	if (json_is_array(at->value) && json_array_size(at->value) == 0) {
		if (count == 0) {
			note(n, at, "the list is empty, so nothing of it is offered");
		}
		return count + 1;
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		count = count_empty(n, &item, count);
	}
	json_object_foreach(at->value, key, value) {
		struct json_at member = json_member(at, key);

		count = count_empty(n, &member, count);
	}
	return count;
}

static void note_empty_offers(const struct notes *n)
{
	struct json_at types = json_member(n->capability, "op_types");
	struct json_at ops = json_member(n->capability, "ops");
	size_t count = count_empty(n, &types, 0);

	for (size_t i = 0; i < json_array_size(ops.value); i++) {
		struct json_at op = json_item(&ops, i);
		struct json_at modes = json_member(&op, "modes");

		count = count_empty(n, &modes, count);
	}
	if (count > 1) {
		note(n, n->capability, "%zu lists are empty; the first is named", count);
	}
}

/* An entry of a dictionary that says nothing, or an option list that does. */
static void note_empty_entries(const struct notes *n, const char *member)
{
	struct json_at dictionary = json_member(n->body, member);
	const char *key, *attribute, *option;
	json_t *entry, *options, *list;

	json_object_foreach(dictionary.value, key, entry) {
		struct json_at entry_at = json_member(&dictionary, key);
		bool says = false;

		json_object_foreach(entry, attribute, options) {
			struct json_at options_at = json_member(&entry_at, attribute);

			json_object_foreach(options, option, list) {
				struct json_at at = json_member(&options_at, option);
				bool empty = json_is_array(list) && json_array_size(list) == 0;

				says = true;
				if (empty) {
					note(n, &at, "the list is empty and restricts nothing");
				}
			}
		}
		if (!says) {
			note(n, &entry_at, "the entry is empty and restricts nothing");
		}
	}
}

/* Whether the user chose a data type anywhere for this attribute, and so dropped the others himself. */
static bool is_dtype_chosen(const struct notes *n, const char *attribute)
{
	static const char *const members[] = {"op_name_dict", "op_type_dict"};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct json_at dictionary = json_member(n->body, members[i]);
		const char *key;
		json_t *entry;

		json_object_foreach(dictionary.value, key, entry) {
			if (json_object_get(json_object_get(entry, attribute), "dtype") != NULL) {
				return true;
			}
		}
	}
	return false;
}

static bool is_used(const struct kind *kind, enum mode mode, enum item item, uint16_t atom)
{
	for (uint16_t i = 0; i < kind->count; i++) {
		if (kind->choices[i].mode == mode && kind->choices[i].options[item] == atom) {
			return true;
		}
	}
	return false;
}

/* A data type that the operator offers in this mode and that no choice has; 0 when there is none. */
static uint16_t dropped_dtype(const struct space *space, size_t op, enum mode mode, enum item item)
{
	const struct capability *capability = &space->capability;
	const struct mode_set *set = &capability->sets[capability->ops[op].set];
	const struct kind *kind = space_kind(space, space->members[op].op);

	for (size_t i = 0; i < set->count && kind->per_mode[mode] > 0; i++) {
		const struct options *offered = &set->descriptions[i].items[item];

		for (size_t k = 1; k < offered->count && set->descriptions[i].mode == mode; k++) {
			if (!is_used(kind, mode, item, offered->atoms[k])) {
				return offered->atoms[k];
			}
		}
	}
	return 0;
}

static void note_dtypes_of(const struct notes *n, enum mode mode, enum item item)
{
	const struct json_at types = json_member(n->capability, "op_types");
	const char *attribute = item_names[item].weight ? "weight" : "activation";
	uint16_t first = 0;
	size_t count = 0;

	for (size_t op = 0; op < n->space->member_count; op++) {
		uint16_t dropped = dropped_dtype(n->space, op, mode, item);

		first = first == 0 ? dropped : first;
		count += dropped != 0;
	}
	if (count > 0 && !is_dtype_chosen(n, attribute)) {
		note(n, &types,
		     "%s is offered as a data type of the %s in %s by %zu operator%s and not "
		     "tried: "
		     "the first of a list is; write one description for each to have all tried",
		     n->space->capability.atoms.list[first - 1].text, attribute, mode_names[mode],
		     count, plural_s((long long)count));
	}
}

static void note_dtypes(const struct notes *n)
{
	for (enum mode mode = 0; mode_is_quantized(mode); mode++) {
		for (enum item item = ITEM_WEIGHT_DTYPE; item < ITEM_COUNT; item++) {
			if (is_tried(n, mode) && !item_is_tuned(mode, item)) {
				note_dtypes_of(n, mode, item);
			}
		}
	}
}

static void note_excluded(const struct notes *n)
{
	struct json_at excluded = json_member(n->body, "excluded_precisions");

	for (size_t i = 0; i < json_array_size(excluded.value); i++) {
		struct json_at item = json_item(&excluded, i);

		for (enum mode mode = MODE_BF16; mode < MODE_FP32; mode++) {
			const char *name = json_string_value(item.value);

			if (name != NULL && strcmp(name, mode_names[mode]) == 0 &&
			    n->offered[mode] == 0) {
				note(n, &item, "no operator offers %s, so nothing is excluded",
				     name);
			}
		}
	}
}

/* Who means one percent writes 0.01; 1 allows to lose everything. */
static void note_losses(const struct notes *n, const struct json_at *of)
{
	struct json_at loss = json_member(of, "tolerable_loss"),
		       metrics = json_member(of, "metrics");
	double share = json_number_value(loss.value);

	if (n->spec->criterion.relative && share >= SUSPICIOUS_LOSS) {
		note(n, &loss, "may lose %.3g %%: 1 %% is 0.01", 100 * share);
	}
	for (size_t i = 0; i < json_array_size(metrics.value); i++) {
		struct json_at item = json_item(&metrics, i);

		note_losses(n, &item);
	}
}

void spec_note_silence(const struct json_at *body, const struct json_at *capability,
		       struct spec *spec)
{
	struct json_at approach = json_member(body, "approach");
	struct json_at criterion = json_member(body, "accuracy_criterion");
	struct notes n = {body, capability, spec, spec->space, {0}};

	if (spec->strategy == NULL) {
		return;
	}
	count_modes(&n);
	note_modes(&n, &approach);
	note_nothing_left(&n, &approach);
	note_dtypes(&n);
	note_excluded(&n);
	note_sizes(&n);
	note_alphas(&n);
	note_outranked(&n);
	note_recipes(&n);
	note_empty_offers(&n);
	note_empty_entries(&n, "op_type_dict");
	note_empty_entries(&n, "op_name_dict");
	note_losses(&n, &criterion);
}
