/*
 * Configs as tools see them that are told layer by layer how its weights are stored.
 */
#ifndef NARROWD_API_FORMAT_LAYERS_H
#define NARROWD_API_FORMAT_LAYERS_H

#include "api/format.h"

enum { LAYER_WHOLE = -1 }; /* a group: all weights of a layer */

struct layer {
	const char *name, *mode; /* "fp32": it is left as it is */
	int64_t bits;            /* of a weight */
	int64_t group;           /* of weights that share a scale; 0: those of one output */
	bool asymmetric;
	const char *algorithm;         /* of the weight, "" when there is no choice */
	const char *activation_scheme; /* "" when there is none */
};

/* What a tool can be told. Lists are words with blanks between them and around them. */
struct layer_tool {
	const char *name;
	const char *types; /* of operators; another one it leaves out in silence */
	const struct layer_words {
		const char *modes, *attribute, *item;
		const char *values; /* NULL: any integer */
	} *words;                   /* until one without modes; what is not here cannot be said */
};

typedef int layer_fn(void *arg, const struct layer *layer, struct err *reterr);

/* Calls `add` for every operator of a config. ERR_INVALID_FIELD with the operator and the option where something cannot be
 * said, and when there is nothing to say. */
int layers_each(const json_t *config, const struct layer_tool *tool, layer_fn *add, void *arg,
		struct err *reterr);
/* The same error for a layer that the tool takes in no combination like this. */
int layer_refuse(const struct layer *layer, const struct layer_tool *tool, const char *why,
		 struct err *reterr);
/* Recipes that name operators are in a config already; others that are on cannot be said to a tool. */
int format_check_recipes(const json_t *config, const char *tool, struct err *reterr);
/* That every operator is in fp32. */
int format_nothing_to_say(struct err *reterr);

#endif
