/* Makes spaces from short texts, and writes configs as such. */
#include "space_kit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static enum mode mode_of(const char *name)
{
	enum mode mode = 0;

	while (mode < MODE_COUNT && strcmp(mode_names[mode], name) != 0) {
		mode++;
	}
	assert(mode < MODE_COUNT);
	return mode;
}

/* "a.scheme" */
static enum item item_of(const char *name)
{
	enum item item = 0;

	while (item < ITEM_COUNT && (item_names[item].weight != (name[0] == 'w') ||
				     strcmp(item_names[item].name, name + 2) != 0)) {
		item++;
	}
	assert(item < ITEM_COUNT);
	return item;
}

static void add_options(struct atoms *atoms, struct options *options, char *list)
{
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word != NULL;
	     word = strtok_r(NULL, ",", &rest)) {
		options->atoms =
			mem_grow(options->atoms, options->count + 1, sizeof(*options->atoms));
		options->atoms[options->count++] = atoms_intern(atoms, word, false);
	}
}

/* "a.scheme=asym,sym" */
static void add_item(struct atoms *atoms, struct options *items, char *text)
{
	char *list = strchr(text, '=');

	assert(list != NULL);
	*list = '\0';
	add_options(atoms, &items[item_of(text)], list + 1);
}

static void add_description(struct atoms *atoms, struct mode_set *set, char *text)
{
	struct mode_description *description;
	char *rest = NULL;
	char *word = strtok_r(text, " ", &rest);

	set->descriptions = mem_grow(set->descriptions, set->count + 1, sizeof(*set->descriptions));
	description = &set->descriptions[set->count++];
	memset(description, 0, sizeof(*description));
	description->mode = mode_of(word);
	while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
		description->has_weight |= word[0] == 'w';
		add_item(atoms, description->items, word);
	}
}

static uint32_t type_of(struct capability *capability, const char *name)
{
	for (size_t t = 0; t < capability->type_count; t++) {
		if (strcmp(capability->types[t], name) == 0) {
			return (uint32_t)t;
		}
	}
	capability->types =
		mem_grow(capability->types, capability->type_count + 1, sizeof(*capability->types));
	capability->types[capability->type_count] = mem_dup(name);
	return (uint32_t)capability->type_count++;
}

static uint32_t add_set(struct capability *capability, const char *modes)
{
	char *text = mem_dup(modes);
	char *rest = NULL;
	struct mode_set *set;

	capability->sets =
		mem_grow(capability->sets, capability->set_count + 1, sizeof(*capability->sets));
	set = &capability->sets[capability->set_count];
	memset(set, 0, sizeof(*set));
	for (char *part = strtok_r(text, ";", &rest); part != NULL;
	     part = strtok_r(NULL, ";", &rest)) {
		add_description(&capability->atoms, set, part);
	}
	free(text);
	return (uint32_t)capability->set_count++;
}

static void fill_capability(struct capability *capability, const struct kit_op *ops)
{
	const char *last_modes = NULL;
	size_t count = 0;

	capability_init(capability);
	capability->calibration_sizes = mem_new(1, sizeof(*capability->calibration_sizes));
	capability->calibration_sizes[0] = 100;
	capability->calibration_size_count = 1;
	while (ops[count].name != NULL) {
		count++;
	}
	capability->ops = mem_new(count, sizeof(*capability->ops));
	for (size_t i = 0; i < count; i++) {
		/* Neighbours that share a text share a set, as operators of one type do. */
		if (last_modes != ops[i].modes) {
			last_modes = ops[i].modes;
			(void)add_set(capability, last_modes);
		}
		capability->ops[i] = (struct capability_op){
			.name = mem_dup(ops[i].name),
			.type = type_of(capability, ops[i].type),
			.set = (uint32_t)capability->set_count - 1,
		};
	}
	capability->op_count = count;
}

static void tie(struct capability *capability, const struct kit_request *request)
{
	capability->tied = mem_new(request->tied_count, sizeof(*capability->tied));
	capability->tied_count = request->tied_count;
	for (size_t g = 0; g < request->tied_count; g++) {
		struct op_list *group = &capability->tied[g];

		group->name = mem_printf("/tied/%zu", g);
		group->ops = mem_new(KIT_TIED, sizeof(*group->ops));
		for (size_t i = 0; i < KIT_TIED && (i == 0 || request->tied[g][i] > 0); i++) {
			group->ops[group->count++] = request->tied[g][i];
		}
	}
}

static void share(struct capability *capability, const char *paths)
{
	char *text = mem_dup(paths != NULL ? paths : "");
	char *rest = NULL;

	for (char *word = strtok_r(text, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		capability->uniform = mem_grow(capability->uniform, capability->uniform_count + 1,
					       sizeof(*capability->uniform));
		capability->uniform[capability->uniform_count] = (struct uniform){
			item_of(word), mem_printf("/uniform/%zu", capability->uniform_count)};
		capability->uniform_count++;
	}
	free(text);
}

static struct restriction *make_restrictions(struct atoms *atoms, const struct kit_restriction *kit,
					     size_t count)
{
	struct restriction *list = mem_new(count, sizeof(*list));

	for (size_t i = 0; i < count; i++) {
		char *text = mem_dup(kit[i].options);
		char *rest = NULL;

		list[i].pattern = kit[i].pattern;
		list[i].by_name = kit[i].by_name;
		list[i].pointer =
			mem_printf("/%s/%s", kit[i].by_name ? "name" : "type", kit[i].pattern);
		for (char *word = strtok_r(text, " ", &rest); word != NULL;
		     word = strtok_r(NULL, " ", &rest)) {
			add_item(atoms, list[i].items, word);
		}
		free(text);
	}
	return list;
}

static void free_restrictions(struct restriction *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (int item = 0; item < ITEM_COUNT; item++) {
			free(list[i].items[item].atoms);
		}
		free((char *)list[i].pointer);
	}
	free(list);
}

struct space *kit_space(const struct kit_op *ops, const struct kit_request *request,
			struct err *reterr)
{
	static const char *const alphas[] = {"0.5", "\"auto\"", "0.25", "1"};
	struct space_request inner = {.approach = request->approach,
				      .rules = request->alphas > 0 ? 2 : 1,
				      .smooth_quant = request->alphas > 0,
				      .alphas = alphas,
				      .alpha_count = request->alphas};
	struct restriction *restrictions;
	struct capability capability;
	struct space *space;
	int64_t sizes[16];
	size_t count = 0;

	assert(request->sizes <= sizeof(sizes) / sizeof(sizes[0]));
	for (size_t i = 0; i < request->sizes; i++) {
		sizes[i] = (int64_t)(i + 1) * 100;
	}
	while (request->restrictions != NULL && request->restrictions[count].pattern != NULL) {
		count++;
	}
	fill_capability(&capability, ops);
	tie(&capability, request);
	share(&capability, request->uniform);
	restrictions = make_restrictions(&capability.atoms, request->restrictions, count);
	inner.restrictions = restrictions;
	inner.restriction_count = count;
	inner.calibration_sizes = sizes;
	inner.calibration_size_count = request->sizes;
	memcpy(inner.exclude, request->exclude, sizeof(inner.exclude));
	err_init(reterr);
	space = space_create(&capability, &inner, reterr);
	free_restrictions(restrictions, count);
	return space;
}

/* What is uniform is a "*". */
static void print_choice(FILE *out, const struct space *space, const struct choice *choice)
{
	char separator = ':';

	if (!mode_is_quantized(choice->mode)) {
		(void)fputs(mode_names[choice->mode], out);
		return;
	}
	(void)fputc("SDW"[choice->mode], out);
	for (int item = 0; item < ITEM_COUNT; item++) {
		if (choice->options[item] != 0) {
			(void)fprintf(out, "%c%s", separator,
				      choice->options[item] == OPTION_UNIFORM
					      ? "*"
					      : space_atom(space, choice->options[item]));
			separator = '/';
		}
	}
}

char *kit_config_text(const struct space *space, const struct config *config)
{
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	const struct extra *sizes = &space->extras[0];
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	config_expand(config, space, choices);
	for (size_t op = 0; op < space->op_count; op++) {
		const struct choice choice = space_resolve(space, op, choices[op], choices);

		(void)fputs(op > 0 ? " " : "", out);
		print_choice(out, space, &choice);
	}
	if (sizes->count > 1) {
		(void)fprintf(out, " @%s", sizes->values[choices[space_size_dimension(space)]]);
	}
	(void)fclose(out);
	free(choices);
	return text;
}

char *kit_choices_text(const struct space *space, size_t op)
{
	const struct kind *kind = space_kind(space, op);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (uint16_t c = 0; c < kind->count; c++) {
		(void)fputs(c > 0 ? " " : "", out);
		print_choice(out, space, &kind->choices[c]);
	}
	(void)fclose(out);
	return text;
}
