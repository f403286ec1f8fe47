/* The canonical text of a space: equal texts mean that indices of configs mean the same. */
#include "space/space.h"

#include <string.h>

static void add_kind(const struct space *space, const struct kind *kind, struct buf *ret)
{
	for (uint16_t c = 0; c < kind->count; c++) {
		const struct choice *choice = &kind->choices[c];

		buf_printf(ret, " %s/%u", mode_names[choice->mode], choice->branch);
		for (int item = 0; item < ITEM_COUNT; item++) {
			uint16_t atom = choice->options[item];

			if (atom == OPTION_UNIFORM) {
				buf_printf(ret, " %d=*", item);
			} else if (atom != 0) {
				buf_printf(ret, " %d=", item);
				buf_json_string(ret, space_atom(space, atom),
						strlen(space_atom(space, atom)));
			}
		}
	}
	buf_text(ret, "\n");
}

static void add_lists(const char *title, const struct op_list *lists, size_t count, struct buf *ret)
{
	for (size_t i = 0; i < count; i++) {
		buf_printf(ret, "%s %s", title, lists[i].name != NULL ? lists[i].name : "");
		for (size_t k = 0; k < lists[i].count; k++) {
			buf_printf(ret, " %u", (unsigned)lists[i].ops[k]);
		}
		buf_text(ret, "\n");
	}
}

void space_text(const struct space *space, struct buf *ret)
{
	const struct capability *capability = &space->capability;

	for (size_t k = 0; k < space->kind_count; k++) {
		buf_printf(ret, "kind %zu", k);
		add_kind(space, &space->kinds[k], ret);
	}
	for (size_t i = 0; i < space->op_count; i++) {
		const struct space_op *op = &space->ops[i];

		buf_printf(ret, "op %u ", (unsigned)op->kind);
		buf_json_string(ret, op->name, strlen(op->name));
		buf_text(ret, " ");
		buf_json_string(ret, capability->types[op->type],
				strlen(capability->types[op->type]));
		buf_text(ret, "\n");
	}
	for (size_t m = 0; m < space->member_count; m++) {
		const struct space_member *member = &space->members[m];

		if (space_follows(space, m)) {
			buf_printf(ret, "tied %u ", (unsigned)member->op);
			buf_json_string(ret, member->name, strlen(member->name));
			buf_text(ret, "\n");
		}
	}
	for (size_t e = 0; e < space->extra_count; e++) {
		buf_printf(ret, "extra %s", space->extras[e].name);
		for (uint16_t v = 0; v < space->extras[e].count; v++) {
			buf_printf(ret, " %s", space->extras[e].values[v]);
		}
		buf_text(ret, "\n");
	}
	add_lists("block", capability->blocks, capability->block_count, ret);
	add_lists("recipe", capability->recipes, capability->recipe_count, ret);
}
