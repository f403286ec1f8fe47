/* Looks through what earlier jobs learnt. */
#include "tuner/library.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "job/spec/codec_config.h"
#include "job/spec/codec_learnt.h"
#include "store/query.h"
#include "tuner/sensitivity.h"

enum {
	LOOKED_AT =
		32, /* jobs: whether they have an operator in common is seen in the capability */
	MOST_ENTRIES = 20000 /* that a submission keeps of it: some megabytes */
};

/* Operators whose gains take more than all of their time take this much more than they gain. */
static const double most_gain = 1.25;
/* A score is a share of what operators lose on average: where that is next to nothing it says no more than this. */
static const double most_score = 1e6;
/* Digits beyond these say nothing. */
static const int digits = 4;

/* A mean. */
struct mean {
	double sum, weight;
};

/* What was learnt of an option of the operators of a group. */
struct entry {
	json_t *when; /* owned */
	struct mean score, latency;
};

/* Operators of one type and shape. */
struct group {
	const json_t *op;  /* the first of them, borrowed from the capability */
	struct map places; /* the text of an option's settings -> place in `entries` */
	struct entry *entries;
	size_t count;
};

struct library {
	struct map keys; /* of operators -> place in `groups`, in the capability's order */
	struct group *groups;
	size_t group_count, entry_count;
};

static void library_init(struct library *l, const json_t *capability)
{
	const json_t *ops = json_object_get(capability, "ops");
	char key[LEARNT_KEY_SIZE];
	json_t *op;
	size_t i;

	*l = (struct library){.groups = mem_new(json_array_size(ops), sizeof(*l->groups))};
	map_init(&l->keys);
	json_array_foreach(ops, i, op) {
		if (!json_is_string(json_object_get(op, "type")) ||
		    map_get(&l->keys, codec_learnt_key(op, key), -1) >= 0) {
			continue;
		}
		map_set(&l->keys, key, (intptr_t)l->group_count);
		l->groups[l->group_count].op = op;
		map_init(&l->groups[l->group_count++].places);
	}
}

static void library_finish(struct library *l)
{
	for (size_t g = 0; g < l->group_count; g++) {
		for (size_t i = 0; i < l->groups[g].count; i++) {
			json_decref(l->groups[g].entries[i].when);
		}
		map_finish(&l->groups[g].places);
		free(l->groups[g].entries);
	}
	map_finish(&l->keys);
	free(l->groups);
}

/* NULL when it is not among the capability's. */
static struct group *group_of(const struct library *l, const json_t *op)
{
	char key[LEARNT_KEY_SIZE];
	intptr_t place = map_get(&l->keys, codec_learnt_key(op, key), -1);

	return place >= 0 ? &l->groups[place] : NULL;
}

/* Settings that are the same in every operator are no part of it. NULL when there is no room for one more. */
static struct entry *entry_of(struct library *l, struct group *group, const struct space *space,
			      size_t op, uint16_t option)
{
	struct choice choice = space_resolve(space, op, option, NULL);
	json_t *when = codec_choice_json(space, &choice);
	char *text = json_text_sorted(when);
	intptr_t place = map_get(&group->places, text, -1);

	if (place < 0 && group->count < LIMIT_KNOWN && l->entry_count < MOST_ENTRIES) {
		place = (intptr_t)group->count;
		map_set(&group->places, text, place);
		group->entries =
			mem_grow(group->entries, group->count + 1, sizeof(*group->entries));
		group->entries[group->count++] = (struct entry){.when = json_incref(when)};
		l->entry_count++;
	}
	json_decref(when);
	free(text);
	return place >= 0 ? &group->entries[place] : NULL;
}

static void add(struct mean *mean, double value, double weight)
{
	mean->sum += value * weight;
	mean->weight += weight;
}

/* A job that has ended. */
struct source {
	struct spec *spec;      /* owned */
	json_t *capability;     /* owned */
	json_t *baseline;       /* owned */
	struct store_rows rows; /* of QUERY_ANSWERED */
};

static void source_finish(struct source *source)
{
	spec_destroy(source->spec);
	json_decref(source->capability);
	json_decref(source->baseline);
	store_rows_free(&source->rows);
}

static bool has_any(const struct library *l, const json_t *capability)
{
	const json_t *ops = json_object_get(capability, "ops");
	bool any = false;

	for (size_t i = 0; i < json_array_size(ops) && !any; i++) {
		any = group_of(l, json_array_get(ops, i)) != NULL;
	}
	return any;
}

/* What all operators that are in question lose in their default, on average: jobs may lose different amounts. */
static double usual_loss(const struct library *l, const struct source *source,
			 const struct posterior *posterior)
{
	const struct space *space = source->spec->space;
	const json_t *ops = json_object_get(source->capability, "ops");
	double sum = 0;
	size_t count = 0;

	for (size_t m = 0; m < space->member_count; m++) {
		uint32_t op = space->members[m].op;

		if (group_of(l, json_array_get(ops, m)) != NULL &&
		    mode_is_quantized(space_kind(space, op)->choices[0].mode)) {
			sum += fmax(posterior->losses[posterior->first[op]].mean, 0);
			count++;
		}
	}
	return count > 0 ? sum / (double)count : 0;
}

static size_t tied(const struct space *space, uint32_t op)
{
	uint32_t m = space->ops[op].member;
	size_t count = 0;

	do {
		count++;
		m = space->members[m].next;
	} while (m > 0);
	return count;
}

/* Milliseconds of an operator in high precision: what is known, or its part, so that no gain is more than all of it. */
static double high_latency(const struct source *source, const struct posterior *posterior,
			   uint32_t op, double baseline_ms)
{
	static const struct choice fp32 = {.mode = MODE_FP32};
	const struct space *space = source->spec->space;
	double known = space_fact(space, FACT_LATENCY_MS, op, &fp32);
	double latency = isnan(known) ? baseline_ms / (double)space->op_count : known;

	for (uint32_t o = posterior->first[op]; o < posterior->first[op + 1]; o++) {
		latency = fmax(latency, -most_gain * posterior->latencies[o].mean * baseline_ms);
	}
	return latency;
}

/* Members of a tied group have its numbers in equal parts. */
static void learn_op(struct library *l, const struct source *source,
		     const struct posterior *posterior, size_t m, double usual)
{
	const struct space *space = source->spec->space;
	uint32_t op = space->members[m].op;
	const json_t *ops = json_object_get(source->capability, "ops");
	struct group *group = group_of(l, json_array_get(ops, m));
	double baseline_ms = json_number_value(
		json_object_get(json_object_get(source->baseline, "metrics"), "latency_ms"));
	bool timed = posterior->latencies != NULL;
	double high = timed ? high_latency(source, posterior, op, baseline_ms) : 0;
	double part = 1 / (double)tied(space, op), weight = (double)source->rows.count;

	for (uint16_t k = 0; group != NULL && k < space_kind(space, op)->count; k++) {
		uint32_t o = posterior->first[op] + k;
		struct entry *entry = entry_of(l, group, space, op, k);

		if (entry == NULL) {
			continue;
		}
		add(&entry->score,
		    fmin(part * fmax(posterior->losses[o].mean, 0) / usual, most_score), weight);
		if (timed) {
			double ms = high + posterior->latencies[o].mean * baseline_ms;

			add(&entry->latency, part * fmax(ms, 0), weight);
		}
	}
}

static bool learn(struct library *l, const struct source *source)
{
	struct sensitivity *s = sensitivity_create(source->spec, source->baseline, &source->rows);
	const struct posterior *posterior;
	double usual = 0;

	sensitivity_learn(s);
	posterior = sensitivity_posterior(s);
	usual = posterior != NULL ? usual_loss(l, source, posterior) : 0;
	for (size_t m = 0; posterior != NULL && usual > 0 && m < source->spec->space->member_count;
	     m++) {
		learn_op(l, source, posterior, m, usual);
	}
	sensitivity_destroy(s);
	return usual > 0;
}

enum { COLUMNS = 3 }; /* of QUERY_ANSWERED */

static void keep_row(void *arg, char *const *cells)
{
	struct store_rows *rows = arg;

	rows->columns = COLUMNS;
	rows->cells = mem_grow(rows->cells, (rows->count + 1) * COLUMNS, sizeof(*rows->cells));
	for (size_t c = 0; c < COLUMNS; c++) {
		rows->cells[rows->count * COLUMNS + c] =
			cells[c] != NULL ? mem_dup(cells[c]) : NULL;
	}
	rows->count++;
}

struct reading {
	const struct library *library;
	struct source source;
};

static void read_job(void *arg, char *const *cells)
{
	struct reading *reading = arg;
	struct source *source = &reading->source;
	struct err ignored;
	json_t *document;

	source->capability = json_loads(cells[JOB_CAPABILITY], 0, NULL);
	if (!has_any(reading->library, source->capability)) {
		return;
	}
	source->spec = spec_load(cells[JOB_SPEC], cells[JOB_CAPABILITY], cells[JOB_EVALUATOR],
				 cells[JOB_MATCHED], &ignored);
	if (source->spec != NULL &&
	    spec_check_space(source->spec, cells[JOB_SPACE], &ignored) != 0) {
		spec_destroy(source->spec);
		source->spec = NULL;
	}
	document = json_loads(cells[JOB_DOCUMENT], 0, NULL);
	source->baseline = json_incref(json_object_get(document, "baseline"));
	json_decref(document);
}

static bool look_at(const struct tuner_io *io, struct library *l, const char *owner, const char *id,
		    const atomic_bool *stop)
{
	struct store_value values[] = {{.text = id}, {.text = owner}};
	struct reading reading = {.library = l};
	struct err ignored;
	bool learnt = false;

	if (io->query_apart(io->world, QUERY_JOB, values, 2, read_job, &reading, &ignored) == 0 &&
	    reading.source.spec != NULL &&
	    io->query_apart(io->world, QUERY_ANSWERED, values, 1, keep_row, &reading.source.rows,
			    &ignored) == 0 &&
	    !atomic_load(stop)) {
		learnt = learn(l, &reading.source);
	}
	source_finish(&reading.source);
	return learnt;
}

static json_t *rounded(const struct mean *mean)
{
	char *text = mem_printf("%.*g", digits, mean->sum / mean->weight);
	json_t *number = json_real(strtod(text, NULL));

	free(text);
	return number;
}

static json_t *known_json(const struct group *group)
{
	json_t *list = json_array();

	for (size_t i = 0; i < group->count; i++) {
		const struct entry *entry = &group->entries[i];
		json_t *known = json_pack("{s:O, s:o}", "when", entry->when, "score",
					  rounded(&entry->score));

		if (entry->latency.weight > 0) {
			(void)json_object_set_new(known, "latency_ms", rounded(&entry->latency));
		}
		(void)json_array_append_new(list, known);
	}
	return list;
}

static json_t *groups_json(const struct library *l)
{
	json_t *list = json_array();

	for (size_t g = 0; g < l->group_count; g++) {
		const struct group *group = &l->groups[g];
		json_t *shape = json_object_get(group->op, "shape");
		json_t *item;

		if (group->count == 0) {
			continue;
		}
		item = json_pack("{s:O, s:o}", "type", json_object_get(group->op, "type"), "known",
				 known_json(group));
		if (json_is_string(shape)) {
			(void)json_object_set(item, "shape", shape);
		}
		(void)json_array_append_new(list, item);
	}
	return list;
}

static void keep_id(void *arg, char *const *cells)
{
	(void)json_array_append_new(arg, json_string(cells[0]));
}

json_t *library_look(const struct tuner_io *io, const char *owner, const json_t *capability,
		     const atomic_bool *stop)
{
	struct store_value values[] = {{.text = owner}, {.integer = LOOKED_AT}};
	json_t *ids = json_array(), *from = json_array(), *found;
	struct library library;
	struct err ignored;

	library_init(&library, capability);
	(void)io->query_apart(io->world, QUERY_LIBRARY, values, 2, keep_id, ids, &ignored);
	for (size_t i = 0; i < json_array_size(ids) && !atomic_load(stop) &&
			   json_array_size(from) < LIMIT_LIBRARY_JOBS;
	     i++) {
		json_t *id = json_array_get(ids, i);

		if (look_at(io, &library, owner, json_string_value(id), stop)) {
			(void)json_array_append(from, id);
		}
	}
	found = json_pack("{s:o, s:o}", "from", from, "known", groups_json(&library));
	json_decref(ids);
	library_finish(&library);
	return found;
}
