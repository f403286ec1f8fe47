/* The log keeps a config as the numbers of what differs from the default. */
#include "job/spec/codec_changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

json_t *codec_changes_json(const struct config *config)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->count; i++) {
		json_t *pair = json_array();

		(void)json_array_append_new(pair, json_integer(config->changes[i].dimension));
		(void)json_array_append_new(pair, json_integer(config->changes[i].choice));
		(void)json_array_append_new(list, pair);
	}
	return list;
}

struct config *codec_changes_read(const struct space *space, const json_t *changes)
{
	size_t count = json_array_size(changes);
	struct config_change *list;
	struct config *config;

	if (!json_is_array(changes) || count > space->dimension_count) {
		return NULL;
	}
	list = mem_new(count, sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		const json_t *pair = json_array_get(changes, i);
		json_int_t dimension = json_integer_value(json_array_get(pair, 0));
		json_int_t choice = json_integer_value(json_array_get(pair, 1));

		if (dimension < 0 || dimension > UINT32_MAX || choice < 0 || choice > UINT16_MAX) {
			free(list);
			return NULL;
		}
		list[i] = (struct config_change){(uint32_t)dimension, (uint16_t)choice};
	}
	config = config_from_changes(space, list, count);
	free(list);
	return config;
}

/* The number at *text, which is moved behind it and the character that has to follow; false when it is none. */
static bool parse_number(const char **text, unsigned long most, char end, unsigned long *ret)
{
	const char *at = *text;
	unsigned long number = 0;

	while (*at >= '0' && *at <= '9' && number <= most) {
		number = number * 10 + (unsigned long)(*at++ - '0');
	}
	*ret = number;
	if (at == *text || number > most || *at != end) {
		return false;
	}
	*text = at + 1;
	return true;
}

struct config *codec_changes_parse(const struct space *space, const char *text)
{
	struct config_change *list = mem_new(space->dimension_count, sizeof(*list));
	unsigned long dimension, choice;
	struct config *config = NULL;
	size_t count = 0;
	bool fits = *text++ == '[';

	while (fits && *text == '[' && count < space->dimension_count) {
		text++;
		fits = parse_number(&text, UINT32_MAX, ',', &dimension) &&
		       parse_number(&text, UINT16_MAX, ']', &choice);
		if (fits) {
			list[count++] =
				(struct config_change){(uint32_t)dimension, (uint16_t)choice};
			text += *text == ',';
		}
	}
	if (fits && strcmp(text, "]") == 0) {
		config = config_from_changes(space, list, count);
	}
	free(list);
	return config;
}
