/*
 * The tuning space of one job: capability x the user's configuration, one dimension per operator
 * and one per other thing that is tuned.
 *
 * The operators of a tied group have one dimension, that of the first: `ops` has those that have
 * one, and to whatever chooses these are all there are. `members` has all operators of the model.
 *
 * Each operator belongs to a `kind`, the list of all that can be done to it, best first: choice 0
 * is its default. A choice is a mode and one option per item. Everything that strategies and
 * samplers do is index arithmetic on these lists. Immutable once created; any thread may read.
 */
#ifndef NARROWD_SPACE_SPACE_H
#define NARROWD_SPACE_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "space/capability.h"

enum approach {
	APPROACH_STATIC,
	APPROACH_DYNAMIC,
	APPROACH_AUTO,
	APPROACH_WEIGHT_ONLY,
	APPROACH_QAT
};

/* One entry of op_type_dict or op_name_dict. */
struct restriction {
	const char *pattern;              /* a name, or a regular expression matched in full */
	bool by_name;                     /* op_name_dict */
	struct options items[ITEM_COUNT]; /* atoms of the capability's table; owned */
	const char *pointer; /* JSON Pointer of the entry, for notes; owned by caller */
};

struct space_request {
	int64_t rules; /* of the job: job/spec/spec.h */
	enum approach approach;
	const struct restriction *restrictions; /* op_type_dict's entries, then op_name_dict's */
	size_t restriction_count;
	/* What each entry matched when the job was submitted; NULL: match now. */
	const struct op_list *known;
	bool exclude[MODE_COUNT];         /* excluded_precisions */
	const bool *keep_fp32;            /* per operator: fp32 is its only choice; NULL: of none */
	const int64_t *calibration_sizes; /* the user's, or NULL for the capability's */
	size_t calibration_size_count;
	bool smooth_quant;         /* the recipe is on */
	bool tune_algorithms;      /* of weights, each for all operators */
	const char *const *alphas; /* of smooth quant, as JSON texts, the default first */
	size_t alpha_count;        /* tuned when there are two or more */
};

/* In a choice: the option is what a dimension for all operators of the mode says. No atom. */
enum { OPTION_UNIFORM = UINT16_MAX };

struct choice {
	enum mode mode;
	uint16_t branch;              /* which description of the mode: data types in order */
	uint16_t options[ITEM_COUNT]; /* atoms, 0 = the item is not there; or OPTION_UNIFORM */
};

struct kind {
	struct choice *choices;
	uint16_t count;
	uint16_t first[MODE_COUNT];    /* first choice of the mode */
	uint16_t per_mode[MODE_COUNT]; /* how many of it; 0 = not supported */
	uint16_t defaults; /* choices 0 .. defaults-1 share choice 0's mode and branch */
};

struct space_op {
	const char *name;
	uint32_t type;
	uint32_t kind;
	uint32_t member; /* itself among the members */
};

/* An operator of the model; its choice is that of ops[op]. */
struct space_member {
	const char *name;
	uint32_t type;
	uint32_t op;
	uint32_t next; /* who is tied to it next, or 0 */
};

/* A dimension that is not an operator. Its values are JSON texts; the first is the default. */
struct extra {
	char *name; /* "calibration_sampling_size" */
	char **values;
	uint16_t count;
	/* Of an option that is uniform; `atoms`, owned, is NULL for other extras. */
	uint16_t *atoms;
	enum mode mode;
	enum item item;
};

/* What an entry of op_type_dict or op_name_dict means. */
struct space_entry {
	char *pointer; /* JSON Pointer of the entry; owned */
	bool by_name;
	bool given_up;     /* under rules 1: some match took too long and counts as none */
	uint32_t *matched; /* types, or operators of op_name_dict; ascending; owned */
	size_t count;
};

/* Something of the user's configuration that was ignored, and why. */
struct space_remark {
	char *pointer;
	char *detail;
};

struct space {
	struct capability capability; /* owned; taken over by space_create() */
	struct space_op *ops;
	size_t op_count;
	struct space_member *members; /* graph order, as the capability has them */
	size_t member_count;
	struct kind *kinds;
	size_t kind_count;
	struct extra *extras;
	size_t extra_count;
	size_t uniform_count; /* so many of the extras, the last ones, are options for all */
	struct space_remark *notes;
	size_t note_count;
	struct space_entry *entries; /* op_type_dict's, then op_name_dict's */
	size_t entry_count;
	size_t dimension_count; /* op_count + extra_count */
	int64_t rules;          /* of the job: job/spec/spec.h */
	enum approach approach;
	bool smooth_quant, tunes_algorithms; /* as the request says */
	uint64_t fingerprint;                /* of operators, types, choices and extras */
};

/* Takes over `capability` (left empty), also on failure. ERR_INVALID_FIELD with faults. */
struct space *space_create(struct capability *capability, const struct space_request *request,
			   struct err *reterr);
void space_destroy(struct space *space);
/* The first thing that makes configs of one space none of the other, in words that the caller
 * frees; NULL when they have the same fingerprint. */
char *space_difference(const struct space *a, const struct space *b);
/* All that makes indices of configs mean what they mean, as text in an order that is fixed for ever:
 * names, kinds and choices, other dimensions, the lists of operators that stages go through. */
void space_text(const struct space *space, struct buf *ret);
/* Reports something else that was ignored. Before the space is shared. */
void space_note(struct space *space, const char *pointer, const char *detail);

static inline const struct kind *space_kind(const struct space *space, size_t op)
{
	return &space->kinds[space->ops[op].kind];
}

/* Whether the member follows another one of its group. */
static inline bool space_follows(const struct space *space, size_t member)
{
	return space->members[member].name != space->ops[space->members[member].op].name;
}

/* How many choices dimension `d` has. */
uint16_t space_choices(const struct space *space, size_t dimension);
/* The dimension of the calibration sampling size: every space has it. */
static inline size_t space_size_dimension(const struct space *space)
{
	return space->op_count;
}
/* The dimension of smooth quant's alpha, there only when several are to be tried. */
static inline bool space_has_alphas(const struct space *space)
{
	return space->extra_count - space->uniform_count > 1;
}
static inline size_t space_alpha_dimension(const struct space *space)
{
	return space->op_count + 1;
}
/* The extra of an option that is uniform in this mode, or NULL, and its dimension. */
const struct extra *space_uniform(const struct space *space, enum mode mode, enum item item,
				  size_t *ret_dimension);
/* Where among the values of a uniform option an atom is; its count when it is none of them. */
uint16_t extra_find(const struct extra *extra, uint16_t atom);
/* The choice that an operator has in a config, whose full vector is `choices`: options that are
 * uniform are filled in. Without `choices` they have their defaults. */
struct choice space_resolve(const struct space *space, size_t op, uint16_t choice,
			    const uint16_t *choices);
/* What is known of an operator in a choice that space_resolve() made: of all that are tied to it
 * together. NAN when nothing is. */
double space_fact(const struct space *space, enum fact fact, size_t op,
		  const struct choice *choice);
/* Whether the capability tells it of any operator, and whether other jobs learnt it of operators like some of these. */
bool space_knows(const struct space *space, enum fact fact);
bool space_learnt(const struct space *space, enum fact fact);
/* Whether operators that are quantized by default are so in this mode. */
bool space_defaults_to(const struct space *space, enum mode mode);
/* How many calibration sizes are worth trying: one when no operator is quantized. */
uint16_t space_sizes(const struct space *space);
/* How many alphas are tuned together with operators: one under rules 1. */
uint16_t space_alphas(const struct space *space);
/* The choice of `kind` with this mode, branch and options, or -1. */
int kind_find(const struct kind *kind, const struct choice *like);
/* Number of configs as an exact decimal; the caller frees. */
char *space_size_text(const struct space *space);
const char *space_atom(const struct space *space, uint16_t atom);

#endif
