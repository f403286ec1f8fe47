/*
 * A capability: what a framework can do to each operator of one model, as plain data.
 *
 * Operators share sets of mode descriptions (those of their type, unless they have their own), so
 * memory grows with the operators and not with operators times options. Filled by the codec,
 * read by space_create(). Option values are atoms: small numbers that stand for texts.
 */
#ifndef NARROWD_SPACE_CAPABILITY_H
#define NARROWD_SPACE_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"

/* Quantized modes first, then the precisions, both in order of preference. */
enum mode {
	MODE_STATIC,
	MODE_DYNAMIC,
	MODE_WEIGHT_ONLY,
	MODE_BF16,
	MODE_FP16,
	MODE_FP32,
	MODE_COUNT,
};

/* The tunable items in the order of the loops over them, the last varying fastest
 * (docs/inc.md, "Op-wise"); the data types of activations are fixed per description. */
enum item {
	ITEM_ACTIVATION_SCHEME,
	ITEM_ACTIVATION_ALGORITHM,
	ITEM_ACTIVATION_GRANULARITY,
	ITEM_ACTIVATION_COMPUTE_DTYPE,
	ITEM_WEIGHT_SCHEME,
	ITEM_WEIGHT_ALGORITHM,
	ITEM_WEIGHT_GRANULARITY,
	ITEM_WEIGHT_BITS,
	ITEM_WEIGHT_GROUP_SIZE,
	ITEM_WEIGHT_DTYPE,
	ITEM_ACTIVATION_DTYPE,
	ITEM_COUNT,
};

struct item_name {
	bool weight; /* attribute: weight or activation */
	const char *name;
};

extern const char *const mode_names[]; /* NULL-terminated, by enum mode */
extern const struct item_name item_names[ITEM_COUNT];

static inline bool mode_is_quantized(enum mode mode)
{
	return mode < MODE_BF16;
}

/* Data types are fixed by the description, except that of a weight-only weight. */
static inline bool item_is_tuned(enum mode mode, enum item item)
{
	return item < ITEM_WEIGHT_DTYPE || (item == ITEM_WEIGHT_DTYPE && mode == MODE_WEIGHT_ONLY);
}

/* Atom 0 is "none". */
struct atom {
	char *text;  /* owned */
	bool number; /* written as a JSON number */
};

struct atoms {
	struct map by_text;
	struct atom *list;
	size_t count;
};

void atoms_init(struct atoms *atoms);
void atoms_finish(struct atoms *atoms);
uint16_t atoms_intern(struct atoms *atoms, const char *text, bool number);
/* 0 when nobody interned it. */
uint16_t atoms_find(const struct atoms *atoms, const char *text);

struct options {
	uint16_t *atoms; /* owned */
	size_t count;    /* 0: the item is not offered */
};

/* What one mode offers for one data type. */
struct mode_description {
	enum mode mode;
	bool has_weight;
	struct options items[ITEM_COUNT];
};

struct mode_set {
	struct mode_description *descriptions; /* owned; in the order given */
	size_t count;
};

/* An option that has one value for all operators of a mode. */
struct uniform {
	enum item item;
	char *pointer; /* JSON Pointer of where that is said; owned */
};

/* What may be known beforehand of an operator in a choice. */
enum fact {
	FACT_LATENCY_MS,
	FACT_SIZE_BYTES,
	FACT_SCORE, /* how much it suffers */
	FACT_COUNT,
};

/* What is known of the choices that fit. */
struct fact_entry {
	bool of_mode;
	enum mode mode;
	uint16_t options[ITEM_COUNT]; /* 0: any */
	double values[FACT_COUNT];    /* NAN: not said */
};

struct fact_list {
	struct fact_entry *entries; /* owned; the first that fits counts */
	size_t count;
};

struct capability_op {
	char *name; /* owned, unique */
	uint32_t type;
	uint32_t set;
	/* Places plus one in `facts`, or 0: its own, those of its type, and what other jobs learnt. */
	uint32_t own_facts, type_facts, learnt_facts;
};

struct choice;

struct op_list {
	char *name;    /* a recipe's name, the JSON Pointer of a tied group, or NULL */
	uint32_t *ops; /* owned, indexes of operators */
	size_t count;
};

struct capability {
	struct atoms atoms;
	char **types; /* owned; in order of first appearance */
	size_t type_count;
	struct mode_set *sets;
	size_t set_count;
	struct capability_op *ops; /* graph order */
	size_t op_count;
	/* The shorthands of facts, op_count x MODE_COUNT, NAN where nothing is said; NULL when nothing
	 * is. Owned. */
	double *latency_ms, *score;
	struct fact_list *facts; /* those that the document tells come first */
	size_t told_count, fact_count;
	struct op_list *blocks; /* last layer first */
	size_t block_count;
	struct op_list *recipes; /* recipe -> the operators that it puts into high precision */
	size_t recipe_count;
	struct op_list *tied; /* disjoint, of two or more each, ascending: the first leads */
	size_t tied_count;
	struct uniform *uniform;
	size_t uniform_count;
	int64_t *calibration_sizes; /* at least one; the first is the default */
	size_t calibration_size_count;
};

void capability_init(struct capability *capability);
void capability_finish(struct capability *capability);
/* What is known of an operator in a choice without uniform options, or NAN. Its own entries come
 * first, then its shorthands, then the entries of its type, then what was learnt of others like it; those that do not
 * say it are passed over. */
double capability_fact(const struct capability *capability, enum fact fact, size_t op,
		       const struct choice *choice);
/* Whether an entry of the document says it; shorthands are none. */
bool capability_has_entries(const struct capability *capability, enum fact fact);
/* Whether the document says it of any operator, in whatever way. */
bool capability_tells(const struct capability *capability, enum fact fact);
/* Whether other jobs learnt it of operators like some of these. */
bool capability_learnt(const struct capability *capability, enum fact fact);
void mode_set_finish(struct mode_set *set);

#endif
