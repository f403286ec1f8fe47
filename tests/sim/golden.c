/*
 * What is on disk at the end of a world, in one number: the log, the document of each job, each trial. Recorded in
 * tests/sim/golden, so that what a change of the code changes is seen, and either meant or not.
 *
 * Texts are taken as they are. Numbers with a fraction are taken to five digits: libraries of mathematics differ in the
 * last ones from one release to the next. Strategies that learn do not live in these worlds, where such a difference
 * makes another question.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/query.h"
#include "tests/sim/judge.h"
#include "tests/sim/world.h"

enum { DIGITS = 5, NUMBER_SIZE = 64 };

struct digest {
	struct disk *disk;
	const char *job;
	uint64_t hash;
};

static void add(struct digest *digest, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		digest->hash = (digest->hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001B3);
	}
}

/* Of a number that begins here: how long it is, and whether it has a fraction or an exponent. */
static size_t number_length(const char *text, bool *ret_fraction)
{
	size_t length = strspn(text, "0123456789.eE+-");

	*ret_fraction = memchr(text, '.', length) != NULL;
	return length;
}

static void add_text(struct digest *digest, const char *text)
{
	while (*text != '\0') {
		bool fraction = false;
		size_t length = isdigit((unsigned char)*text) ? number_length(text, &fraction) : 1;

		if (fraction) {
			char rounded[NUMBER_SIZE], *end;
			double number = strtod(text, &end);

			(void)snprintf(rounded, sizeof(rounded), "%.*g", DIGITS, number);
			add(digest, rounded, strlen(rounded));
			length = (size_t)(end - text);
		} else {
			add(digest, text, length);
		}
		text += length;
	}
	add(digest, "", 1);
}

static void add_job(void *arg, char *const *cells)
{
	add_text(arg, cells[JOB_DOCUMENT]);
}

static void add_trial(void *arg, char *const *cells)
{
	add_text(arg, cells[0]);
}

static void add_event(void *arg, char *const *cells)
{
	struct digest *digest = arg;

	add_text(digest, cells[2]);
	add_text(digest, cells[3]);
	add_text(digest, cells[4] != NULL ? cells[4] : "");
	add_text(digest, cells[5]);
}

uint64_t golden_digest(struct world *world)
{
	struct digest digest = {.disk = world->disk, .hash = UINT64_C(14695981039346656037)};

	for (size_t i = 0; (digest.job = judge_job(world->judge, i)) != NULL; i++) {
		disk_log(world->disk, digest.job, add_event, &digest);
		(void)disk_row(world->disk, QUERY_JOB, digest.job, add_job, &digest);
		for (int64_t n = 0; n < judge_trials(world->judge, digest.job); n++) {
			disk_trial(world->disk, digest.job, n, add_trial, &digest);
		}
	}
	return digest.hash;
}
