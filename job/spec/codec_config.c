/* Writes configs as JSON. */
#include "job/spec/codec_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/spec/recipes.h"

json_t *codec_option_json(const struct space *space, uint16_t atom)
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
					  codec_option_json(space, choice->options[item]));
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

json_t *codec_extra_json(const struct extra *extra, uint16_t choice)
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
	(void)json_object_set_new(
		config, size->name,
		codec_extra_json(size, writer->choices[space_size_dimension(space)]));
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
