/* Writes spaces as JSON. */
#include "job/spec/codec_space.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "job/spec/codec_config.h"

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
				add_once(item_list(result, item), codec_option_json(space, atom));
			}
			for (uint16_t i = 0; extra != NULL && i < extra->count; i++) {
				add_once(item_list(result, item),
					 codec_option_json(space, extra->atoms[i]));
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
		(void)json_array_append_new(values, codec_extra_json(extra, c));
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

/* What operators of one kind and type have in common, as text behind their names; made when first needed. */
struct common {
	const struct space *space;
	char **texts; /* of each kind, and of each type beside it */
};

static const char *common_text(struct common *common, size_t m)
{
	const struct space *space = common->space;
	const struct space_member *member = &space->members[m];
	size_t place = space->ops[member->op].kind * space->capability.type_count + member->type;
	const struct kind *kind = space_kind(space, member->op);
	struct choice usual;

	if (common->texts[place] == NULL) {
		usual = space_resolve(space, member->op, 0, NULL);
		common->texts[place] = json_text_last(json_pack(
			"{s:s, s:I, s:o, s:o}", "type", space->capability.types[member->type],
			"choices", (json_int_t)kind->count, "modes", kind_json(space, kind),
			"default", codec_choice_json(space, &usual)));
	}
	return common->texts[place];
}

static void add_ops(const struct space *space, struct buf *to)
{
	size_t places = space->kind_count * space->capability.type_count;
	struct common common = {space, mem_new(places, sizeof(char *))};

	for (size_t m = 0; m < space->member_count; m++) {
		const struct space_member *member = &space->members[m];
		const char *text = common_text(&common, m), *tied;

		buf_text(to, m > 0 ? ",{\"name\":" : "{\"name\":");
		buf_json_string(to, member->name, strlen(member->name));
		buf_add(to, ",", 1);
		buf_add(to, text + 1, strlen(text) - 2);
		if (space_follows(space, m)) {
			tied = space->ops[member->op].name;
			buf_text(to, ",\"tied_to\":");
			buf_json_string(to, tied, strlen(tied));
		}
		buf_add(to, "}", 1);
	}
	for (size_t i = 0; i < places; i++) {
		free(common.texts[i]);
	}
	free(common.texts);
}

static json_t *warnings_json(const struct space *space)
{
	json_t *warnings = json_array();

	for (size_t i = 0; i < space->note_count; i++) {
		(void)json_array_append_new(warnings, json_pack("{s:s, s:s}", "pointer",
								space->notes[i].pointer, "detail",
								space->notes[i].detail));
	}
	return warnings;
}

/* Members of an object, with a comma before. */
static void add_members(struct buf *to, json_t *object)
{
	char *text = json_text_last(object);

	buf_text(to, ",");
	buf_add(to, text + 1, strlen(text) - 2);
	free(text);
}

void codec_space_write(const struct spec *spec, struct buf *to)
{
	const struct space *space = spec->space;
	char *size = space_size_text(space);
	json_t *rest = json_pack("{s:o, s:o, s:o}", "blocks", blocks_json(space), "entries",
				 entries_json(space), "warnings", warnings_json(space));

	for (size_t i = 0; i < space->extra_count; i++) {
		add_extra(rest, i, &space->extras[i]);
	}
	buf_text(to, "{\"size\":");
	buf_json_string(to, size, strlen(size));
	buf_printf(to, ",\"dimensions\":%zu,\"ops\":[", space->dimension_count);
	add_ops(space, to);
	buf_text(to, "]");
	add_members(to, rest);
	free(size);
}

json_t *codec_space_json(const struct spec *spec)
{
	struct buf text;
	json_t *document;

	buf_init(&text, SIZE_MAX / 2);
	codec_space_write(spec, &text);
	buf_text(&text, "}");
	document = json_loads(text.bytes, 0, NULL);
	buf_finish(&text);
	return document;
}
