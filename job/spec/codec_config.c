/* Writes configs and spaces as JSON. */
#include "job/spec/codec_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/spec/recipes.h"

static json_t *option_json(const struct space *space, uint16_t atom)
{
	const struct atom *a = &space->capability.atoms.list[atom - 1];

	return a->number ? json_integer(strtoll(a->text, NULL, 10)) : json_string(a->text);
}

static void add_attribute(json_t *op, const struct space *space, const struct choice *choice,
			  bool weight)
{
	json_t *attribute = NULL;

	for (int item = 0; item < ITEM_COUNT; item++) {
		if (item_names[item].weight != weight || choice->options[item] == 0) {
			continue;
		}
		if (attribute == NULL) {
			attribute = json_object();
		}
		(void)json_object_set_new(attribute, item_names[item].name,
					  option_json(space, choice->options[item]));
	}
	if (attribute != NULL) {
		(void)json_object_set_new(op, weight ? "weight" : "activation", attribute);
	}
}

json_t *codec_choice_json(const struct space *space, const struct choice *choice)
{
	json_t *op = json_pack("{s:s}", "mode", mode_names[choice->mode]);

	add_attribute(op, space, choice, true);
	add_attribute(op, space, choice, false);
	return op;
}

/*
 * A config on its way to a document. Operators that are alike share one object and its text: a model has
 * thousands of operators and a few dozen different settings, and these are what encoding costs.
 */
enum { CACHE_SLOTS = 512, USUAL_OP_BYTES = 192 };

struct op_like {
	json_t *object;
	char *text; /* of the object, once somebody has asked */
	size_t length;
	const struct choice *choice;
	uint32_t type;
};

struct writer {
	const struct spec *spec;
	const struct space *space;
	uint16_t *choices; /* of the config, what is uniform included; zeros without one */
	bool is_baseline, only_changes;
	struct op_like slots[CACHE_SLOTS];
};

static struct writer *writer_create(const struct spec *spec, const struct config *config,
				    bool only_changes)
{
	struct writer *writer = mem_new(1, sizeof(*writer));

	writer->spec = spec;
	writer->space = spec->space;
	writer->is_baseline = config == NULL;
	writer->only_changes = only_changes && config != NULL;
	writer->choices = mem_new(spec->space->dimension_count, sizeof(*writer->choices));
	if (config != NULL) {
		config_expand(config, spec->space, writer->choices);
	}
	return writer;
}

static void writer_destroy(struct writer *writer)
{
	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		json_decref(writer->slots[i].object);
		free(writer->slots[i].text);
	}
	free(writer->choices);
	free(writer);
}

static json_t *op_json(const struct space *space, uint32_t type, const struct choice *choice)
{
	json_t *result = json_pack("{s:s}", "type", space->capability.types[type]);
	json_t *rest = codec_choice_json(space, choice);

	(void)json_object_update(result, rest);
	json_decref(rest);
	return result;
}

/* Lent by the writer, until it is asked for another one. */
static struct op_like *written_op(struct writer *writer, const struct space_member *member)
{
	static const struct choice fp32 = {.mode = MODE_FP32};
	const struct space *space = writer->space;
	uint16_t c = writer->choices[member->op];
	const struct choice *choice =
		writer->is_baseline ? &fp32 : &space_kind(space, member->op)->choices[c];
	size_t place =
		((uintptr_t)choice / sizeof(*choice) + (size_t)member->type * 31) % CACHE_SLOTS;
	struct op_like *slot = &writer->slots[place];

	if (slot->choice != choice || slot->type != member->type) {
		struct choice resolved =
			writer->is_baseline ? fp32
					    : space_resolve(space, member->op, c, writer->choices);

		json_decref(slot->object);
		free(slot->text);
		*slot = (struct op_like){.object = op_json(space, member->type, &resolved),
					 .choice = choice,
					 .type = member->type};
	}
	return slot;
}

static json_t *extra_json(const struct extra *extra, uint16_t choice)
{
	return json_loads(extra->values[choice], JSON_DECODE_ANY, NULL);
}

/* Against the default, by its choice or by an option that is uniform. */
static bool is_changed(const struct space *space, size_t op, const uint16_t *choices)
{
	struct choice was, now;

	if (choices[op] != 0 || space->uniform_count == 0) {
		return choices[op] != 0;
	}
	was = space_resolve(space, op, 0, NULL);
	now = space_resolve(space, op, 0, choices);
	return memcmp(was.options, now.options, sizeof(was.options)) != 0;
}

static bool is_written(const struct writer *writer, const struct space_member *member)
{
	return !writer->only_changes || is_changed(writer->space, member->op, writer->choices);
}

/* What a config has besides its operators. */
static void write_rest(const struct writer *writer, json_t *config)
{
	const struct space *space = writer->space;
	const struct extra *size = &space->extras[0];

	(void)json_object_set_new(config, "recipes",
				  recipes_effective(writer->spec->recipes, space,
						    writer->is_baseline ? NULL : writer->choices));
	(void)json_object_set_new(config, size->name,
				  extra_json(size, writer->choices[space_size_dimension(space)]));
}

json_t *codec_config_json(const struct spec *spec, const struct config *config, bool only_changes)
{
	struct writer *writer = writer_create(spec, config, only_changes);
	json_t *ops = json_object();
	json_t *result = json_pack("{s:o}", "ops", ops);

	for (size_t m = 0; m < spec->space->member_count; m++) {
		const struct space_member *member = &spec->space->members[m];

		if (is_written(writer, member)) {
			(void)json_object_set_nocheck(ops, member->name,
						      written_op(writer, member)->object);
		}
	}
	write_rest(writer, result);
	writer_destroy(writer);
	return result;
}

static void write_op(struct writer *writer, const struct space_member *member, bool first,
		     struct buf *to)
{
	struct op_like *op = written_op(writer, member);

	if (op->text == NULL) {
		op->text = json_text(op->object);
		op->length = strlen(op->text);
	}
	buf_add(to, ",", !first);
	buf_json_string(to, member->name, strlen(member->name));
	buf_add(to, ":", 1);
	buf_add(to, op->text, op->length);
}

void codec_config_write(const struct spec *spec, const struct config *config, bool only_changes,
			struct buf *to)
{
	struct writer *writer = writer_create(spec, config, only_changes);
	json_t *rest = json_object();
	bool first = true;
	char *text;

	buf_expect(to, USUAL_OP_BYTES * spec->space->member_count);
	buf_text(to, "{\"ops\":{");
	for (size_t m = 0; m < spec->space->member_count; m++) {
		if (is_written(writer, &spec->space->members[m])) {
			write_op(writer, &spec->space->members[m], first, to);
			first = false;
		}
	}
	write_rest(writer, rest);
	text = json_text_last(rest);
	text[0] = ',';
	buf_text(to, "}");
	buf_text(to, text);
	free(text);
	writer_destroy(writer);
}

static void add_once(json_t *options, json_t *option)
{
	bool known = false;

	for (size_t i = 0; i < json_array_size(options) && !known; i++) {
		known = json_equal(json_array_get(options, i), option) != 0;
	}
	if (!known) {
		(void)json_array_append(options, option);
	}
	json_decref(option);
}

/* The list of an item in {"weight": {"scheme": []}}, made when it is not there. */
static json_t *item_list(json_t *branch, int item)
{
	const char *attribute = item_names[item].weight ? "weight" : "activation";
	json_t *options;

	if (json_object_get(branch, attribute) == NULL) {
		(void)json_object_set_new(branch, attribute, json_object());
	}
	branch = json_object_get(branch, attribute);
	options = json_object_get(branch, item_names[item].name);
	if (options == NULL) {
		options = json_array();
		(void)json_object_set_new(branch, item_names[item].name, options);
	}
	return options;
}

/* {"weight": {"scheme": ["sym", ...]}} of the choices of one mode and branch. */
static json_t *branch_json(const struct space *space, const struct choice *choices, size_t count)
{
	json_t *result = json_object();
	size_t dimension;

	for (size_t c = 0; c < count; c++) {
		for (enum item item = 0; item < ITEM_COUNT; item++) {
			uint16_t atom = choices[c].options[item];
			const struct extra *extra =
				atom == OPTION_UNIFORM
					? space_uniform(space, choices[c].mode, item, &dimension)
					: NULL;

			if (atom != 0 && extra == NULL) {
				add_once(item_list(result, item), option_json(space, atom));
			}
			for (uint16_t i = 0; extra != NULL && i < extra->count; i++) {
				add_once(item_list(result, item),
					 option_json(space, extra->atoms[i]));
			}
		}
	}
	return result;
}

static json_t *kind_json(const struct space *space, const struct kind *kind)
{
	json_t *modes = json_object();
	uint16_t start = 0;

	for (uint16_t c = 1; c <= kind->count; c++) {
		const struct choice *a = &kind->choices[start];
		const char *name = mode_names[a->mode];
		json_t *branch, *before;

		if (c < kind->count && kind->choices[c].mode == a->mode &&
		    kind->choices[c].branch == a->branch) {
			continue;
		}
		branch = branch_json(space, a, (size_t)(c - start));
		before = json_object_get(modes, name);
		if (before == NULL) {
			(void)json_object_set_new(modes, name, branch);
		} else if (json_is_array(before)) {
			(void)json_array_append_new(before, branch);
		} else {
			(void)json_object_set_new(modes, name, json_pack("[O,o]", before, branch));
		}
		start = c;
	}
	return modes;
}

static json_t *blocks_json(const struct space *space)
{
	json_t *blocks = json_array();

	for (size_t b = 0; b < space->capability.block_count; b++) {
		const struct op_list *block = &space->capability.blocks[b];
		json_t *names = json_array();

		for (size_t i = 0; i < block->count; i++) {
			(void)json_array_append_new(names,
						    json_string(space->ops[block->ops[i]].name));
		}
		(void)json_array_append_new(blocks, names);
	}
	return blocks;
}

/* What is shown of what entries match: of one, and of all together. */
enum { MATCHED_SHOWN = 1000, MATCHED_SHOWN_IN_ALL = 20000 };

static json_t *entries_json(const struct space *space)
{
	json_t *list = json_array();
	size_t left = MATCHED_SHOWN_IN_ALL;

	for (size_t e = 0; e < space->entry_count; e++) {
		const struct space_entry *entry = &space->entries[e];
		json_t *names = json_array();

		for (size_t i = 0; i < entry->count && i < MATCHED_SHOWN && left > 0; i++, left--) {
			uint32_t index = entry->matched[i];

			(void)json_array_append_new(
				names,
				json_string(entry->by_name ? space->members[index].name
							   : space->capability.types[index]));
		}
		(void)json_array_append_new(
			list, json_pack("{s:s, s:I, s:o}", "pointer", entry->pointer, "count",
					(json_int_t)entry->count, "matched", names));
	}
	return list;
}

/* Those that are uniform in a list of their own. */
static void add_extra(json_t *extras, size_t place, const struct extra *extra)
{
	json_t *values = json_array(), *uniform = json_object_get(extras, "uniform");
	char *option;

	for (uint16_t c = 0; c < extra->count; c++) {
		(void)json_array_append_new(values, extra_json(extra, c));
	}
	if (extra->atoms == NULL) {
		(void)json_object_set_new(
			extras, place == 0 ? "calibration_sampling_sizes" : "smooth_quant_alphas",
			values);
		return;
	}
	if (uniform == NULL) {
		uniform = json_array();
		(void)json_object_set_new(extras, "uniform", uniform);
	}
	option = mem_printf("%s.%s", item_names[extra->item].weight ? "weight" : "activation",
			    item_names[extra->item].name);
	(void)json_array_append_new(uniform,
				    json_pack("{s:s, s:s, s:o}", "mode", mode_names[extra->mode],
					      "option", option, "values", values));
	free(option);
}

json_t *codec_space_json(const struct spec *spec)
{
	const struct space *space = spec->space;
	struct {
		json_t *modes, *usual;
	} *kinds = mem_new(space->kind_count, sizeof(*kinds));
	json_t *ops = json_array();
	json_t *extras = json_object();
	json_t *warnings = json_array();
	char *size = space_size_text(space);
	json_t *result;

	for (size_t k = 0; k < space->kind_count; k++) {
		kinds[k].modes = kind_json(space, &space->kinds[k]);
	}
	for (size_t m = 0; m < space->member_count; m++) {
		const struct space_member *member = &space->members[m];
		const struct space_op *op = &space->ops[member->op];
		const struct kind *kind = space_kind(space, member->op);

		if (kinds[op->kind].usual == NULL) {
			struct choice usual = space_resolve(space, member->op, 0, NULL);

			kinds[op->kind].usual = codec_choice_json(space, &usual);
		}
		(void)json_array_append_new(
			ops, json_pack("{s:s, s:s, s:I, s:O, s:O, s:s*}", "name", member->name,
				       "type", space->capability.types[member->type], "choices",
				       (json_int_t)kind->count, "modes", kinds[op->kind].modes,
				       "default", kinds[op->kind].usual, "tied_to",
				       space_follows(space, m) ? op->name : NULL));
	}
	for (size_t i = 0; i < space->extra_count; i++) {
		add_extra(extras, i, &space->extras[i]);
	}
	for (size_t i = 0; i < space->note_count; i++) {
		(void)json_array_append_new(warnings, json_pack("{s:s, s:s}", "pointer",
								space->notes[i].pointer, "detail",
								space->notes[i].detail));
	}
	result =
		json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "size", size, "dimensions",
			  (json_int_t)space->dimension_count, "ops", ops, "blocks",
			  blocks_json(space), "entries", entries_json(space), "warnings", warnings);
	(void)json_object_update(result, extras);
	json_decref(extras);
	for (size_t k = 0; k < space->kind_count; k++) {
		json_decref(kinds[k].modes);
		json_decref(kinds[k].usual);
	}
	free(kinds);
	free(size);
	return result;
}
