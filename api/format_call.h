/*
 * Configs as one call of a function that has one value of an option for the whole model, and the names of operators to leave
 * out.
 */
#ifndef NARROWD_API_FORMAT_CALL_H
#define NARROWD_API_FORMAT_CALL_H

#include "api/format.h"

/* One value of an item of a config, and the argument that says it. A value of NULL is any integer, said as it
 * is; an argument of NULL is what the function does anyway. */
struct call_rule {
	const char *attribute, *item, *value;
	const char *argument, *said; /* as JSON; "extra:" before those that stand apart */
};

/* Lists end with NULL. */
struct call_function {
	const char *mode, *name;
	const struct call_rule *rules;
	const char *const *types; /* that it quantizes; another one it ignores in silence */
};

/* The call in the making. */
struct format_call {
	const char *tool;
	const struct call_function *functions, *function;
	const char *first; /* the operator that chose the function */
	json_t *arguments, *extra, *types, *excluded;
};

/* ERR_INVALID_FIELD with the operator and the option where something cannot be said. format_call_finish() in any case. */
int format_call_make(struct format_call *made, const json_t *config, const char *tool,
		     const struct call_function *functions, struct err *reterr);
void format_call_finish(struct format_call *made);
/* Adds a type to those of operators that are quantized, unless it is there. */
void format_call_add_type(struct format_call *made, const char *type);

#endif
