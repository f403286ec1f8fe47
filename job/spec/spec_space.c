/* Reads what a job body says of its tuning space, and makes the space. */
#include "job/spec/spec_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "job/spec/codec_capability.h"
#include "job/spec/recipes.h"

static const char *const approach_names[] = {
	"static",
	"dynamic",
	"auto",
	"weight_only",
	"qat",
	/* INC's names for the same, in the same order */
	"post_training_static_quant",
	"post_training_dynamic_quant",
	"post_training_auto_quant",
	"post_training_weight_only",
	"quant_aware_training",
	NULL,
};
enum { APPROACH_NAMES = 5 };

struct dictionary {
	struct restriction *list;
	size_t count;
};

static void read_dictionary(const struct json_at *at, bool by_name, struct atoms *atoms,
			    struct dictionary *ret)
{
	static const char *const members[] = {"weight", "activation", NULL};
	const char *key;
	json_t *value;

	if (at->value == NULL || !json_is_object_at(at)) {
		return;
	}
	if (json_object_size(at->value) > LIMIT_DICT_ENTRIES) {
		(void)json_fault(at, "at most %d entries are taken", LIMIT_DICT_ENTRIES);
		return;
	}
	json_object_foreach(at->value, key, value) {
		struct json_at member = json_member(at, key);
		struct json_at weight = json_member(&member, "weight");
		struct json_at activation = json_member(&member, "activation");
		struct restriction *entry;
		char pointer[ERR_POINTER_MAX];

		if (!json_required(&member) || !json_is_object_at(&member)) {
			continue;
		}
		json_only(&member, members);
		ret->list = mem_grow(ret->list, ret->count + 1, sizeof(*ret->list));
		entry = &ret->list[ret->count++];
		memset(entry, 0, sizeof(*entry));
		entry->pattern = key;
		entry->by_name = by_name;
		entry->pointer = mem_dup(json_pointer(&member, pointer));
		codec_attribute_read(&weight, true, atoms, entry->items);
		codec_attribute_read(&activation, false, atoms, entry->items);
	}
}

static void pin(struct options *options, struct atoms *atoms, const char *text)
{
	if (options->count == 0) {
		options->atoms = mem_new(1, sizeof(*options->atoms));
		options->atoms[options->count++] = atoms_intern(atoms, text, true);
	}
}

/* As INC does: whoever restricts the weights of weight-only quantization and does not say how many
 * bits and how large groups gets 4 and 32 (docs/inc.md, "Restrictions"). */
static void pin_bits(const struct dictionary *entries, struct atoms *atoms)
{
	for (size_t i = 0; i < entries->count; i++) {
		struct options *items = entries->list[i].items;
		bool weight = false;

		for (enum item item = 0; item < ITEM_COUNT; item++) {
			weight = weight || (item_names[item].weight && items[item].count > 0);
		}
		if (weight) {
			pin(&items[ITEM_WEIGHT_BITS], atoms, "4");
			pin(&items[ITEM_WEIGHT_GROUP_SIZE], atoms, "32");
		}
	}
}

static void dictionary_finish(struct dictionary *dictionary)
{
	for (size_t i = 0; i < dictionary->count; i++) {
		for (int item = 0; item < ITEM_COUNT; item++) {
			free(dictionary->list[i].items[item].atoms);
		}
		free((char *)dictionary->list[i].pointer);
	}
	free(dictionary->list);
}

static void read_excluded(const struct json_at *at, bool *exclude)
{
	static const char *const names[] = {"bf16", "fp16", NULL};

	if (!json_is_array_at(at, 2)) {
		return;
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		exclude[MODE_BF16 + json_choice(&item, 0, names)] = true;
	}
}

static size_t read_sizes(const struct json_at *at, int64_t *sizes)
{
	size_t count = 0;

	if (at->value == NULL) {
		return 0;
	}
	if (!json_is_array(at->value)) {
		sizes[0] = json_int(at, 100, 1, INT32_MAX);
		return 1;
	}
	if (!json_is_array_at(at, LIMIT_CALIBRATION_SIZES)) {
		return 0;
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);
		int64_t size = json_int(&item, 100, 1, INT32_MAX);
		size_t k = 0;

		while (k < count && sizes[k] != size) {
			k++;
		}
		sizes[k] = size;
		count += k == count;
	}
	return count;
}

/* INC tries weight-only algorithms with ONNX Runtime, unless the user has chosen some by type. */
static bool tunes_algorithms(const json_t *capability, const struct space_request *request)
{
	const char *framework = json_string_value(json_object_get(capability, "framework"));

	for (size_t i = 0; i < request->restriction_count; i++) {
		const struct restriction *entry = &request->restrictions[i];

		if (!entry->by_name && (entry->items[ITEM_WEIGHT_ALGORITHM].count > 0 ||
					entry->items[ITEM_ACTIVATION_ALGORITHM].count > 0)) {
			return false;
		}
	}
	return request->approach == APPROACH_WEIGHT_ONLY &&
	       (framework == NULL || strncmp(framework, "onnx", 4) == 0);
}

/* Runs of first, count, first, count, ... below `end`, ascending. False when they are not. */
static bool read_runs(const json_t *runs, size_t end, struct op_list *ret)
{
	json_int_t after = 0;

	for (size_t i = 0; i + 1 < json_array_size(runs); i += 2) {
		json_int_t first = json_integer_value(json_array_get(runs, i));
		json_int_t count = json_integer_value(json_array_get(runs, i + 1));

		if (first < after || count < 1 || first > (json_int_t)end - count) {
			return false;
		}
		after = first + count;
		ret->ops = mem_grow(ret->ops, ret->count + (size_t)count, sizeof(*ret->ops));
		for (json_int_t k = first; k < after; k++) {
			ret->ops[ret->count++] = (uint32_t)k;
		}
	}
	return json_is_array(runs) && json_array_size(runs) % 2 == 0;
}

static void matches_free(struct op_list *known, size_t count)
{
	for (size_t e = 0; known != NULL && e < count; e++) {
		free(known[e].ops);
	}
	free(known);
}

/* What the store has kept of an earlier spec_matched(), one list for each entry. */
static struct op_list *matches_read(const json_t *matched, const struct space_request *request,
				    const struct capability *capability, struct err *reterr)
{
	struct op_list *known = mem_new(request->restriction_count, sizeof(*known));
	bool fits = json_array_size(matched) == request->restriction_count;

	for (size_t e = 0; e < request->restriction_count && fits; e++) {
		fits = read_runs(json_array_get(matched, e),
				 request->restrictions[e].by_name ? capability->op_count
								  : capability->type_count,
				 &known[e]);
	}
	if (!fits) {
		(void)err_set(reterr, ERR_CORRUPT,
			      "what the dictionaries matched does not fit the submission");
	}
	return known;
}

char *spec_matched(const struct spec *spec)
{
	const struct space *space = spec->space;
	json_t *list;
	char *text;

	if (spec->rules < 2 || space->entry_count == 0) {
		return NULL;
	}
	list = json_array();
	for (size_t e = 0; e < space->entry_count; e++) {
		const struct space_entry *entry = &space->entries[e];
		json_t *runs = json_array();

		for (size_t i = 0, k; i < entry->count; i = k) {
			for (k = i + 1; k < entry->count &&
					entry->matched[k] == entry->matched[i] + (k - i);) {
				k++;
			}
			(void)json_array_append_new(runs, json_integer(entry->matched[i]));
			(void)json_array_append_new(runs, json_integer((json_int_t)(k - i)));
		}
		(void)json_array_append_new(list, runs);
	}
	text = json_text(list);
	json_decref(list);
	return text;
}

const char *spec_approach_name(enum approach approach)
{
	return approach_names[approach];
}

void spec_read_space(const struct json_at *body, json_t *capability, const json_t *matched,
		     struct spec *spec)
{
	struct json_at capability_at = {
		.value = capability, .parent = body, .key = "capability", .err = body->err};
	struct json_at warm_start = json_member(body, "warm_start");
	struct json_at learnt = json_member(&warm_start, "known");
	struct json_at approach = json_member(body, "approach");
	struct json_at types = json_member(body, "op_type_dict");
	struct json_at names = json_member(body, "op_name_dict");
	struct json_at excluded = json_member(body, "excluded_precisions");
	struct json_at sizes_at = json_member(body, "calibration_sampling_size");
	struct json_at recipes_at = json_member(body, "recipes");
	int64_t sizes[LIMIT_CALIBRATION_SIZES];
	struct space_request request = {.rules = spec->rules, .calibration_sizes = sizes};
	struct op_list *known = NULL;
	bool *kept;
	struct recipes recipes;
	struct capability read;
	struct dictionary entries = {0};
	size_t faults = body->err->fault_count;

	if (capability != NULL) {
		codec_capability_read(&capability_at, &learnt, &read);
	} else {
		capability_init(&read);
	}
	recipes_read(&recipes_at, spec->rules, &recipes);
	request.keep_fp32 = kept = recipes_kept(&recipes, &read);
	recipes_choose_tuned(&recipes, &read);
	spec->recipes = json_incref(recipes.values);
	request.smooth_quant = recipes.smooth_quant;
	request.alphas = (const char *const *)recipes.alphas;
	request.alpha_count = recipes.alpha_count;
	request.approach = json_choice(&approach, APPROACH_STATIC, approach_names) % APPROACH_NAMES;
	read_dictionary(&types, false, &read.atoms, &entries);
	read_dictionary(&names, true, &read.atoms, &entries);
	if (request.approach == APPROACH_WEIGHT_ONLY) {
		pin_bits(&entries, &read.atoms);
	}
	read_excluded(&excluded, request.exclude);
	request.calibration_size_count = read_sizes(&sizes_at, sizes);
	request.restrictions = entries.list;
	request.restriction_count = entries.count;
	request.tune_algorithms = tunes_algorithms(capability, &request);
	if (matched != NULL) {
		request.known = known = matches_read(matched, &request, &read, body->err);
	}
	if (capability != NULL && body->err->fault_count == faults) {
		spec->space = space_create(&read, &request, body->err);
	}
	if (spec->space != NULL && recipes.ignored != NULL) {
		space_note(spec->space, recipes.ignored,
			   "the alphas are not tried, since the recipe smooth_quant is off");
	}
	if (spec->space != NULL && spec->rules >= 2) {
		spec_note_silence(body, &capability_at, spec);
		spec_note_learnt(body, spec);
	}
	free(kept);
	matches_free(known, entries.count);
	recipes_finish(&recipes);
	capability_finish(&read);
	dictionary_finish(&entries);
}
