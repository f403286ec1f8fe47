/*
 * Specs of jobs that were read lately, so that a space is not built anew for each read of a trial.
 *
 * What is on the shelf never changes; a job's submission does not either. Loop thread.
 */
#ifndef NARROWD_API_SHELF_H
#define NARROWD_API_SHELF_H

#include <stdint.h>

#include "base/id.h"
#include "job/spec/spec.h"

enum {
	SHELF_SPECS = 32,
	/* Operators of all of them together; one spec may have more. */
	SHELF_OPERATORS = 40000,
};

struct shelf {
	struct {
		char job[ID_SIZE];
		struct spec *spec; /* one reference; NULL in free places */
		uint64_t used;     /* the greater, the later */
	} places[SHELF_SPECS];
	uint64_t uses;
};

void shelf_finish(struct shelf *shelf);
/* A reference, for spec_destroy(); or NULL. */
struct spec *shelf_find(struct shelf *shelf, const char *job);
/* Keeps a reference of its own, for as long as others are not wanted more. */
void shelf_put(struct shelf *shelf, const char *job, struct spec *spec);

#endif
