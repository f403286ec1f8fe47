/* Makes the text of a choice's settings once. */
#include "tuner/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "job/spec/codec_config.h"

void settings_init(struct settings *settings, const struct space *space)
{
	settings->space = space;
	settings->first = mem_new(space->kind_count, sizeof(*settings->first));
	settings->count = 0;
	for (size_t k = 0; k < space->kind_count; k++) {
		settings->first[k] = settings->count;
		settings->count += space->kinds[k].count;
	}
	settings->texts = mem_new(settings->count, sizeof(*settings->texts));
}

void settings_finish(struct settings *settings)
{
	for (size_t i = 0; i < settings->count; i++) {
		free(settings->texts[i]);
	}
	free(settings->texts);
	free(settings->first);
}

const char *settings_of(struct settings *settings, size_t op, uint16_t choice)
{
	char **text = &settings->texts[settings->first[settings->space->ops[op].kind] + choice];

	if (*text == NULL) {
		struct choice resolved = space_resolve(settings->space, op, choice, NULL);

		*text = json_text_last(codec_choice_json(settings->space, &resolved));
		(*text)[strlen(*text) - 1] = '\0';
	}
	return *text;
}
