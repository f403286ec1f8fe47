/* Finds what dictionary entries mean: names first, then patterns, within one budget of steps. */
#include "space/match.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "space/pattern.h"

/* Of PCRE2, for all entries of a job: a few tenths of a second at most. */
static const uint64_t budget = UINT64_C(16) * 1000 * 1000;

/* What keys are compared with. */
struct universe {
	struct map by_name; /* name -> index + 1 */
	const char **names; /* borrowed */
	size_t count;
};

struct matcher {
	const struct space_request *request;
	uint64_t steps;   /* that are left */
	size_t dearest;   /* the entry that took most of them */
	uint64_t highest; /* so many */
	struct err *reterr;
};

static void universe_init(struct universe *universe, size_t count)
{
	map_init(&universe->by_name);
	universe->names = mem_new(count, sizeof(*universe->names));
	universe->count = 0;
}

static void universe_add(struct universe *universe, const char *name)
{
	universe->names[universe->count++] = name;
	map_set(&universe->by_name, name, (intptr_t)universe->count);
}

static void universe_finish(struct universe *universe)
{
	map_finish(&universe->by_name);
	free(universe->names);
}

static void add(struct space_entry *entry, size_t index)
{
	entry->matched = mem_grow(entry->matched, entry->count + 1, sizeof(*entry->matched));
	entry->matched[entry->count++] = (uint32_t)index;
}

/* As rules 1 have it: each match has its own limits, and one that reaches them matches nothing. */
static void match_each(const struct pattern *pattern, const struct universe *universe,
		       struct space_entry *entry)
{
	for (size_t i = 0; i < universe->count; i++) {
		int rc = pattern_match(pattern, universe->names[i]);

		entry->given_up = entry->given_up || rc < 0;
		if (rc > 0) {
			add(entry, i);
		}
	}
}

static int match_within(struct matcher *m, size_t e, const struct pattern *pattern,
			const struct universe *universe, struct space_entry *entry)
{
	uint64_t before = m->steps;
	int rc = 0;

	for (size_t i = 0; i < universe->count && rc >= 0; i++) {
		rc = pattern_match_within(pattern, universe->names[i], &m->steps);
		if (rc > 0) {
			add(entry, i);
		}
	}
	if (before - m->steps > m->highest) {
		m->highest = before - m->steps;
		m->dearest = e;
	}
	if (rc >= 0) {
		return 0;
	}
	/* When it is the sum that is too much, the entry that came last is not to blame. */
	e = m->steps > 0 ? e : m->dearest;
	return err_fault(m->reterr, m->request->restrictions[e].pointer,
			 "the pattern takes too much work to match with %zu %s: write the names "
			 "out, or avoid repetitions within repetitions",
			 universe->count,
			 m->request->restrictions[e].by_name ? "operators" : "types");
}

static int match_pattern(struct matcher *m, size_t e, const struct universe *universe,
			 struct space_entry *entry)
{
	const struct restriction *restriction = &m->request->restrictions[e];
	struct err why;
	struct pattern *pattern = pattern_create(restriction->pattern, &why);
	int rc = 0;

	if (pattern == NULL) {
		(void)err_fault(m->reterr, restriction->pointer, "%s", why.message);
		return 0; /* the other keys' faults are found, too */
	}
	if (m->request->rules >= 2) {
		rc = match_within(m, e, pattern, universe, entry);
	} else {
		match_each(pattern, universe, entry);
	}
	pattern_destroy(pattern);
	return rc;
}

int match_all(const struct capability *capability, const struct space_request *request,
	      struct space_entry *entries, struct err *reterr)
{
	struct matcher m = {.request = request, .steps = budget, .reterr = reterr};
	size_t faults = reterr->fault_count;
	struct universe ops, types;
	int rc = 0;

	universe_init(&ops, capability->op_count);
	universe_init(&types, capability->type_count);
	for (size_t i = 0; i < capability->op_count; i++) {
		universe_add(&ops, capability->ops[i].name);
	}
	for (size_t i = 0; i < capability->type_count; i++) {
		universe_add(&types, capability->types[i]);
	}
	for (size_t e = 0; e < request->restriction_count && rc == 0; e++) {
		const struct universe *universe = entries[e].by_name ? &ops : &types;
		intptr_t literal = map_get(&universe->by_name, request->restrictions[e].pattern, 0);

		if (request->rules >= 2 && literal > 0) {
			add(&entries[e], (size_t)literal - 1);
		} else {
			rc = match_pattern(&m, e, universe, &entries[e]);
		}
	}
	universe_finish(&ops);
	universe_finish(&types);
	return reterr->fault_count > faults ? -(int)ERR_INVALID_FIELD : rc;
}

void match_index_init(struct match_index *index, const struct space_entry *entries, size_t count,
		      bool by_name, size_t universe)
{
	size_t *next;

	index->first = mem_new(universe + 1, sizeof(*index->first));
	for (size_t e = 0; e < count; e++) {
		for (size_t i = 0; entries[e].by_name == by_name && i < entries[e].count; i++) {
			index->first[entries[e].matched[i] + 1]++;
		}
	}
	for (size_t i = 0; i < universe; i++) {
		index->first[i + 1] += index->first[i];
	}
	index->list = mem_new(index->first[universe], sizeof(*index->list));
	next = mem_new(universe, sizeof(*next));
	for (size_t e = 0; e < count; e++) {
		for (size_t i = 0; entries[e].by_name == by_name && i < entries[e].count; i++) {
			size_t of = entries[e].matched[i];

			index->list[index->first[of] + next[of]++] = (uint32_t)e;
		}
	}
	free(next);
}

void match_index_finish(struct match_index *index)
{
	free(index->first);
	free(index->list);
}
