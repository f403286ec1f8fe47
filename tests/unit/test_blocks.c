/*
 * space/blocks: module trees of well-known transformers, and some that are none.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "space/blocks.h"

/* One layer of a model: names below "m.layers.N", separated by spaces; a star marks what belongs to
 * the feed-forward block. */
struct model {
	const char *title, *type, *layer;
};

static const struct model models[] = {
	{"BERT", "Linear",
	 "attention.self.query attention.self.key attention.self.value attention.output.dense "
	 "*intermediate.dense *output.dense"},
	{"OPT", "Linear",
	 "self_attn.k_proj self_attn.v_proj self_attn.q_proj self_attn.out_proj *fc1 *fc2"},
	{"Llama", "Linear",
	 "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj "
	 "*mlp.gate_proj *mlp.up_proj *mlp.down_proj"},
	{"GPT-2", "Conv1D", "attn.c_attn attn.c_proj *mlp.c_fc *mlp.c_proj"},
	{"T5's encoder", "Linear", "layer0.q layer0.k layer0.v layer0.o *layer1.wi *layer1.wo"},
	{"T5's decoder", "Linear",
	 "layer0.q layer0.k layer0.v layer0.o *layer1.q *layer1.k *layer1.v *layer1.o "
	 "*layer2.wi *layer2.wo"},
};

enum { LAYERS = 3, ROOM = 100 };

struct list {
	struct module modules[ROOM];
	size_t count;
	char expected[4000]; /* names of each block in brackets */
};

static void add(struct list *list, char *name, const char *type)
{
	list->modules[list->count++] = (struct module){name, type};
}

static void build(const struct model *model, struct list *list)
{
	char blocks[LAYERS][1000];

	memset(list, 0, sizeof(*list));
	for (int layer = 0; layer < LAYERS; layer++) {
		char *names = mem_dup(model->layer), *rest = NULL;

		(void)snprintf(blocks[layer], sizeof(blocks[layer]), "[");
		for (char *name = strtok_r(names, " ", &rest); name != NULL;
		     name = strtok_r(NULL, " ", &rest)) {
			bool forward = *name == '*';
			char *full = mem_printf("m.layers.%d.%s", layer, name + forward);

			add(list, full, model->type);
			if (forward) {
				(void)strcat(strcat(blocks[layer], full), " ");
			}
			/* Others in between do not count. */
			add(list, mem_printf("%s_norm", full), "LayerNorm");
		}
		(void)strcat(blocks[layer], "]");
		free(names);
	}
	for (int layer = LAYERS; layer-- > 0;) {
		(void)strcat(list->expected, blocks[layer]);
	}
	add(list, mem_dup("m.head"), model->type);
}

static char *found(const struct list *list)
{
	struct op_list *blocks;
	size_t count = blocks_find(list->modules, list->count, &blocks);
	struct buf text;

	buf_init(&text, 100000);
	for (size_t b = 0; b < count; b++) {
		buf_text(&text, "[");
		for (size_t i = 0; i < blocks[b].count; i++) {
			buf_printf(&text, "%s ", list->modules[blocks[b].ops[i]].name);
		}
		buf_text(&text, "]");
		free(blocks[b].ops);
	}
	free(blocks);
	return buf_take(&text, NULL);
}

static void clear(struct list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free((char *)list->modules[i].name);
	}
}

Test(blocks, finds_the_feed_forward_blocks_the_last_first)
{
	for (size_t m = 0; m < sizeof(models) / sizeof(models[0]); m++) {
		struct list list;
		char *text;

		build(&models[m], &list);
		text = found(&list);
		cr_expect_str_eq(text, list.expected, "%s: %s", models[m].title, text);
		free(text);
		clear(&list);
	}
}

Test(blocks, finds_nothing_elsewhere)
{
	static const char *const layers[] = {
		"conv1 conv2",                             /* no attention */
		"qkv.a qkv.b qkv.c *fc1 *fc2",             /* fused in three */
		"attn.q attn.k attn.v attn.o",             /* nothing after it */
		"a.q a.k a.v a.o *f.1 *f.2 *f.3 *f.4 g.1", /* five more */
	};

	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		const struct model model = {"", "Linear", layers[i]};
		struct list list;
		char *text;

		build(&model, &list);
		text = found(&list);
		cr_expect_str_empty(text, "%s: %s", layers[i], text);
		free(text);
		clear(&list);
	}
}

Test(blocks, an_empty_list_has_none)
{
	struct op_list *blocks;

	cr_assert_eq(blocks_find(NULL, 0, &blocks), 0);
	cr_assert_null(blocks);
}
