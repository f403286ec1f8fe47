/* Keeps specs on a shelf within its budget of bytes; the least recently used go first. */
#include "api/shelf.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void drop(struct shelf *shelf, size_t i)
{
	spec_destroy(shelf->places[i].spec);
	shelf->places[i].spec = NULL;
	shelf->places[i].used = 0;
}

void shelf_finish(struct shelf *shelf)
{
	for (size_t i = 0; i < SHELF_SPECS; i++) {
		drop(shelf, i);
	}
}

struct spec *shelf_find(struct shelf *shelf, const char *job)
{
	for (size_t i = 0; i < SHELF_SPECS; i++) {
		if (shelf->places[i].spec != NULL && strcmp(shelf->places[i].job, job) == 0) {
			shelf->places[i].used = ++shelf->uses;
			return spec_ref(shelf->places[i].spec);
		}
	}
	return NULL;
}

/* A free place, if there is one. */
static size_t oldest(const struct shelf *shelf)
{
	size_t found = 0;

	for (size_t i = 1; i < SHELF_SPECS; i++) {
		if (shelf->places[i].used < shelf->places[found].used) {
			found = i;
		}
	}
	return found;
}

static size_t operators(const struct shelf *shelf)
{
	size_t sum = 0;

	for (size_t i = 0; i < SHELF_SPECS; i++) {
		sum += shelf->places[i].spec != NULL ? shelf->places[i].spec->space->op_count : 0;
	}
	return sum;
}

/* Of all that are on the shelf; at least one is. */
static void drop_oldest(struct shelf *shelf)
{
	size_t found = 0;

	for (size_t i = 1; i < SHELF_SPECS; i++) {
		bool older = shelf->places[i].used < shelf->places[found].used;

		if (shelf->places[i].spec != NULL && (shelf->places[found].spec == NULL || older)) {
			found = i;
		}
	}
	drop(shelf, found);
}

void shelf_put(struct shelf *shelf, const char *job, struct spec *spec)
{
	struct spec *known = shelf_find(shelf, job);
	size_t place;

	if (known != NULL) {
		spec_destroy(known);
		return;
	}
	while (operators(shelf) > 0 && operators(shelf) + spec->space->op_count > SHELF_OPERATORS) {
		drop_oldest(shelf);
	}
	place = oldest(shelf);
	drop(shelf, place);
	(void)snprintf(shelf->places[place].job, sizeof(shelf->places[place].job), "%s", job);
	shelf->places[place].spec = spec_ref(spec);
	shelf->places[place].used = ++shelf->uses;
}
