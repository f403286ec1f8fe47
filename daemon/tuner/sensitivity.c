#include "tuner/sensitivity.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tuner/codec_config.h"

/* Trials with every operator quantized that others are compared with: the first ones. */
enum { BASES_MAX = 256 };

struct answered {
	int64_t number;
	struct config *config; /* owned */
	json_t *event;         /* what was asked and what came back; owned */
};

struct reader {
	const struct space *space;
	json_t **items; /* by operator; NULL for those that cannot be quantized; owned */
	struct map ops;
	struct answered *trials; /* owned */
	size_t trial_count;
	const struct answered *bases[BASES_MAX];
	size_t base_count;
};

static void reader_init(struct reader *reader, const struct space *space)
{
	memset(reader, 0, sizeof(*reader));
	reader->space = space;
	reader->items = mem_new(space->op_count, sizeof(json_t *));
	codec_ops_init(&reader->ops, space);
	for (size_t i = 0; i < space->op_count; i++) {
		const struct space_op *op = &space->ops[i];

		if (mode_is_quantized(space_kind(space, i)->choices[0].mode)) {
			reader->items[i] =
				json_pack("{s:s, s:s, s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "op",
					  op->name, "type", space->capability.types[op->type],
					  "method", "score", "precision", "trial", "base",
					  "accuracy_change", "latency_change_ms");
		}
	}
}

static bool is_null(const json_t *item, const char *member)
{
	return json_is_null(json_object_get(item, member));
}

static void read_scores(struct reader *reader, const json_t *event)
{
	json_t *scores = json_object_get(event, "scores");
	const char *name;
	json_t *score;

	json_object_foreach(scores, name, score) {
		intptr_t op = map_get(&reader->ops, name, -1);
		json_t *item = op >= 0 ? reader->items[op] : NULL;

		if (item != NULL && is_null(item, "score")) {
			(void)json_object_set(item, "method", json_object_get(event, "method"));
			(void)json_object_set(item, "score", score);
		}
	}
}

/* The operator that is in high precision in `alone` is all that the two differ in. */
static bool differ_in_one(const struct config *alone, const struct config *base, uint32_t op)
{
	size_t i = 0, k = 0;

	while (i < alone->count || k < base->count) {
		const struct config_change *a = &alone->changes[i], *b = &base->changes[k];

		if (i < alone->count && a->dimension == op) {
			i++;
		} else if (k < base->count && b->dimension == op) {
			k++;
		} else if (i == alone->count || k == base->count || a->dimension != b->dimension ||
			   a->choice != b->choice) {
			return false;
		} else {
			i++;
			k++;
		}
	}
	return true;
}

/* The operator that fell back, when there is just one. */
static uint32_t fallen(const struct reader *reader, const struct config *config)
{
	uint32_t op = 0;

	for (size_t i = 0; i < config->count; i++) {
		const struct config_change *c = &config->changes[i];

		if (c->dimension < reader->space->op_count && reader->items[c->dimension] != NULL &&
		    !mode_is_quantized(
			    space_kind(reader->space, c->dimension)->choices[c->choice].mode)) {
			op = c->dimension;
		}
	}
	return op;
}

/* Of numbers, or of each of several accuracies; null without both. */
static json_t *change(const json_t *to, const json_t *from)
{
	json_t *changes;
	const char *name;
	json_t *value;

	if (json_is_number(to) && json_is_number(from)) {
		return json_real(json_number_value(to) - json_number_value(from));
	}
	if (!json_is_object(to) || !json_is_object(from)) {
		return json_null();
	}
	changes = json_object();
	json_object_foreach((json_t *)to, name, value) {
		(void)json_object_set_new(changes, name,
					  change(value, json_object_get(from, name)));
	}
	return changes;
}

static const json_t *latency(const json_t *event)
{
	return json_object_get(json_object_get(event, "metrics"), "latency_ms");
}

static void read_alone(struct reader *reader, const struct answered *alone)
{
	uint32_t op = fallen(reader, alone->config);
	json_t *item = reader->items[op];
	const struct answered *base = NULL;
	uint16_t choice = config_choice(alone->config, op);

	for (size_t i = 0; i < reader->base_count && base == NULL; i++) {
		base = differ_in_one(alone->config, reader->bases[i]->config, op) ? reader->bases[i]
										  : NULL;
	}
	if (base == NULL || !is_null(item, "trial")) {
		return;
	}
	(void)json_object_set_new(
		item, "precision",
		json_string(mode_names[space_kind(reader->space, op)->choices[choice].mode]));
	(void)json_object_set_new(item, "trial", json_integer(alone->number));
	(void)json_object_set_new(item, "base", json_integer(base->number));
	(void)json_object_set_new(item, "accuracy_change",
				  change(json_object_get(alone->event, "accuracy"),
					 json_object_get(base->event, "accuracy")));
	(void)json_object_set_new(item, "latency_change_ms",
				  change(latency(alone->event), latency(base->event)));
}

static void read_all(struct reader *reader, const struct store_rows *rows)
{
	reader->trials = mem_new(rows->count, sizeof(*reader->trials));
	reader->trial_count = rows->count;
	for (size_t i = 0; i < rows->count; i++) {
		char *const *cells = &rows->cells[i * rows->columns];
		struct answered *trial = &reader->trials[i];
		json_t *told = json_loads(cells[2], 0, NULL);

		trial->number = strtoll(cells[0], NULL, 10);
		trial->event = json_loads(cells[1], 0, NULL);
		(void)json_object_update(trial->event, told);
		json_decref(told);
		trial->config =
			codec_changes_read(reader->space, json_object_get(trial->event, "config"));
	}
}

static bool has_fallbacks(const struct reader *reader, const struct answered *trial, size_t count)
{
	return trial->config != NULL && json_object_get(trial->event, "scores") == NULL &&
	       config_fallbacks(trial->config, reader->space) == count;
}

static json_t *take_items(struct reader *reader)
{
	json_t *items = json_array();

	for (size_t i = 0; i < reader->space->op_count; i++) {
		if (reader->items[i] != NULL) {
			(void)json_array_append_new(items, reader->items[i]);
		}
	}
	for (size_t i = 0; i < reader->trial_count; i++) {
		config_destroy(reader->trials[i].config);
		json_decref(reader->trials[i].event);
	}
	free(reader->trials);
	free(reader->items);
	map_finish(&reader->ops);
	return items;
}

json_t *sensitivity_json(const struct spec *spec, const struct store_rows *rows)
{
	struct reader reader;

	reader_init(&reader, spec->space);
	read_all(&reader, rows);
	for (size_t i = 0; i < reader.trial_count; i++) {
		read_scores(&reader, reader.trials[i].event);
		if (has_fallbacks(&reader, &reader.trials[i], 0) && reader.base_count < BASES_MAX) {
			reader.bases[reader.base_count++] = &reader.trials[i];
		}
	}
	for (size_t i = 0; i < reader.trial_count; i++) {
		if (has_fallbacks(&reader, &reader.trials[i], 1)) {
			read_alone(&reader, &reader.trials[i]);
		}
	}
	return json_pack("{s:o, s:n}", "items", take_items(&reader), "next");
}
