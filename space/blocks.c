/* Finds transformer blocks in a module tree. */
#include "space/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

enum { CHILDREN = 3, CLASSES = 2, NONE = -1 };

static const char *const classes[CLASSES] = {"Linear", "Conv1D"};

/* How many layers of one class the children of a block have, those without any left out. */
static const struct {
	int class, counts[CHILDREN]; /* 0 ends the counts */
} patterns[] = {
	{0, {4, 4}}, {0, {2, 2}}, /* GPT-2's layers are of class Conv1D: */
	{1, {2, 2}}, {0, {4, 3}}, {0, {4, 2}}, {0, {4, 1, 1}}, {0, {4, 4, 2}},
};

struct node {
	int first_child, last_child, next; /* NONE: there is none */
	int parent;
	int depth;
	int module; /* NONE for a container that is not in the list */
	int layers[CLASSES];
};

struct tree {
	struct node *nodes; /* 0 is the root; parents come before children */
	int count;
	struct map by_name;
};

static int add_node(struct tree *tree, int parent)
{
	struct node *node;
	int index = tree->count++;

	tree->nodes = mem_grow(tree->nodes, (size_t)tree->count, sizeof(*tree->nodes));
	node = &tree->nodes[index];
	*node = (struct node){NONE, NONE, NONE, parent, 0, NONE, {0}};
	if (parent == NONE) {
		return index;
	}
	node->depth = tree->nodes[parent].depth + 1;
	if (tree->nodes[parent].first_child == NONE) {
		tree->nodes[parent].first_child = index;
	} else {
		tree->nodes[tree->nodes[parent].last_child].next = index;
	}
	tree->nodes[parent].last_child = index;
	return index;
}

static void insert(struct tree *tree, const char *name, int module)
{
	char *path = mem_dup(name);
	int node = 0;

	for (char *dot = path; dot != NULL; *dot = '.', dot++) {
		intptr_t found;

		dot = strchr(dot, '.');
		if (dot != NULL) {
			*dot = '\0';
		}
		found = map_get(&tree->by_name, path, NONE);
		if (found == NONE) {
			found = add_node(tree, node);
			map_set(&tree->by_name, path, found);
		}
		node = (int)found;
		if (dot == NULL) {
			break;
		}
	}
	tree->nodes[node].module = module;
	free(path);
}

static void count_layers(struct tree *tree, const struct module *modules)
{
	for (int i = tree->count - 1; i > 0; i--) {
		struct node *node = &tree->nodes[i];

		for (int c = 0; c < CLASSES; c++) {
			if (node->first_child == NONE && node->module != NONE) {
				node->layers[c] =
					strcmp(modules[node->module].type, classes[c]) == 0;
			}
			tree->nodes[node->parent].layers[c] += node->layers[c];
		}
	}
}

static bool matches(const struct tree *tree, int node, size_t pattern)
{
	const int *expected = patterns[pattern].counts;
	int place = 0;

	for (int i = tree->nodes[node].first_child; i != NONE; i = tree->nodes[i].next) {
		int layers = tree->nodes[i].layers[patterns[pattern].class];

		if (layers == 0) {
			continue;
		}
		if (place == CHILDREN || layers != expected[place]) {
			return false;
		}
		place++;
	}
	return place > 0 && (place == CHILDREN || expected[place] == 0);
}

/* Layers of the class below a node, in the order of the model. */
static void collect(const struct tree *tree, int node, int class, struct op_list *ret)
{
	const struct node *n = &tree->nodes[node];

	if (n->first_child == NONE && n->layers[class] > 0) {
		ret->ops[ret->count++] = (uint32_t)n->module;
	}
	for (int i = n->first_child; i != NONE; i = tree->nodes[i].next) {
		collect(tree, i, class, ret);
	}
}

/* The first child with layers is the attention; all others are the feed-forward block. */
static struct op_list feed_forward(const struct tree *tree, int node, int class)
{
	struct op_list block = {0};
	bool attention = true;

	block.ops = mem_new((size_t)tree->nodes[node].layers[class], sizeof(*block.ops));
	for (int i = tree->nodes[node].first_child; i != NONE; i = tree->nodes[i].next) {
		if (tree->nodes[i].layers[class] > 0 && !attention) {
			collect(tree, i, class, &block);
		}
		attention = attention && tree->nodes[i].layers[class] == 0;
	}
	return block;
}

static void reverse(struct op_list *blocks, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct op_list other = blocks[count - 1 - i];

		blocks[count - 1 - i] = blocks[i];
		blocks[i] = other;
	}
}

/* Breadth first: the nodes of one depth stand together, in the order of the tree. */
static int *breadth_first(const struct tree *tree)
{
	int *order = mem_new((size_t)tree->count, sizeof(*order));
	int used = 1;

	for (int i = 0; i < used; i++) {
		for (int c = tree->nodes[order[i]].first_child; c != NONE;
		     c = tree->nodes[c].next) {
			order[used++] = c;
		}
	}
	return order;
}

/* By pattern, then the deepest first, then in the order of the tree. */
static size_t find_all(const struct tree *tree, struct op_list **ret)
{
	int *order = breadth_first(tree);
	size_t count = 0;

	*ret = NULL;
	for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++) {
		for (int start, end = tree->count; end > 0; end = start) {
			int depth = tree->nodes[order[end - 1]].depth;

			for (start = end;
			     start > 0 && tree->nodes[order[start - 1]].depth == depth;) {
				start--;
			}
			for (int i = start; i < end; i++) {
				if (matches(tree, order[i], p)) {
					*ret = mem_grow(*ret, count + 1, sizeof(**ret));
					(*ret)[count++] =
						feed_forward(tree, order[i], patterns[p].class);
				}
			}
		}
	}
	free(order);
	return count;
}

size_t blocks_find(const struct module *modules, size_t count, struct op_list **ret_blocks)
{
	struct tree tree = {0};
	size_t found;

	map_init(&tree.by_name);
	(void)add_node(&tree, NONE);
	for (size_t i = 0; i < count; i++) {
		insert(&tree, modules[i].name, (int)i);
	}
	count_layers(&tree, modules);
	found = find_all(&tree, ret_blocks);
	reverse(*ret_blocks, found);
	map_finish(&tree.by_name);
	free(tree.nodes);
	return found;
}
