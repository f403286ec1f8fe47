/* Reads what a capability knows of costs beforehand. */
#include "job/spec/codec_facts.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "job/spec/codec_capability.h"

static const double largest = 1e15;

static void read_options(const struct json_at *at, bool weight, struct atoms *atoms,
			 struct fact_entry *entry)
{
	const char *key;
	json_t *value;

	if (at->value == NULL || !json_is_object_at(at)) {
		return;
	}
	json_object_foreach(at->value, key, value) {
		struct json_at member = json_member(at, key);
		enum item item = 0;

		while (item < ITEM_COUNT && (item_names[item].weight != weight ||
					     strcmp(item_names[item].name, key) != 0)) {
			item++;
		}
		if (item == ITEM_COUNT) {
			(void)json_fault(&member, "unknown item");
		} else if (member.value != NULL) {
			entry->options[item] = codec_option_read(&member, atoms);
		}
	}
}

/* An empty one fits all. */
static void read_when(const struct json_at *at, struct atoms *atoms, struct fact_entry *entry)
{
	static const char *const members[] = {"mode", "weight", "activation", NULL};
	struct json_at mode = json_member(at, "mode");
	struct json_at weight = json_member(at, "weight");
	struct json_at activation = json_member(at, "activation");

	if (!json_required(at) || !json_is_object_at(at)) {
		return;
	}
	json_only(at, members);
	entry->of_mode = mode.value != NULL;
	entry->mode = (enum mode)json_choice(&mode, MODE_FP32, mode_names);
	read_options(&weight, true, atoms, entry);
	read_options(&activation, false, atoms, entry);
}

static void read_entry(const struct json_at *at, struct atoms *atoms, struct fact_entry *entry)
{
	static const char *const members[] = {"when", "latency_ms", "size_bytes", "score", NULL};
	static const char *const facts[FACT_COUNT] = {[FACT_LATENCY_MS] = "latency_ms",
						      [FACT_SIZE_BYTES] = "size_bytes",
						      [FACT_SCORE] = "score"};
	struct json_at when = json_member(at, "when");

	*entry = (struct fact_entry){.of_mode = false};
	for (enum fact fact = 0; fact < FACT_COUNT; fact++) {
		struct json_at value = json_member(at, facts[fact]);

		entry->values[fact] =
			value.value != NULL ? json_real_in(&value, 0, 0, largest) : NAN;
	}
	if (json_is_object_at(at)) {
		json_only(at, members);
		read_when(&when, atoms, entry);
	}
}

uint32_t codec_facts_read(const struct json_at *at, struct capability *capability)
{
	struct fact_list *list;

	if (!json_is_array_at(at, LIMIT_KNOWN)) {
		return 0;
	}
	capability->facts =
		mem_grow(capability->facts, capability->fact_count + 1, sizeof(*capability->facts));
	list = &capability->facts[capability->fact_count++];
	list->count = json_array_size(at->value);
	list->entries = mem_new(list->count, sizeof(*list->entries));
	for (size_t i = 0; i < list->count; i++) {
		struct json_at item = json_item(at, i);

		read_entry(&item, &capability->atoms, &list->entries[i]);
	}
	return (uint32_t)capability->fact_count;
}

void codec_shorthand_read(const struct json_at *at, double min, size_t op, size_t room,
			  double **table)
{
	const char *key;
	json_t *value;

	if (at->value == NULL || !json_is_object_at(at)) {
		return;
	}
	json_only(at, mode_names);
	if (*table == NULL) {
		*table = mem_new(room * MODE_COUNT, sizeof(**table));
		for (size_t i = 0; i < room * MODE_COUNT; i++) {
			(*table)[i] = NAN;
		}
	}
	json_object_foreach(at->value, key, value) {
		struct json_at member = json_member(at, key);
		int mode = 0;

		while (mode_names[mode] != NULL && strcmp(mode_names[mode], key) != 0) {
			mode++;
		}
		if (mode < MODE_COUNT && json_required(&member)) {
			(*table)[op * MODE_COUNT + (size_t)mode] =
				json_real_in(&member, 0, min, 1e12);
		}
	}
}
