/*
 * The settings of each choice of each kind as text, which many operators share.
 */
#ifndef NARROWD_TUNER_SETTINGS_H
#define NARROWD_TUNER_SETTINGS_H

#include "space/space.h"

struct settings {
	const struct space *space;
	size_t *first; /* of each kind */
	char **texts;  /* NULL until one is needed */
	size_t count;
};

void settings_init(struct settings *settings, const struct space *space);
void settings_finish(struct settings *settings);
/* An object without its end. Borrowed. */
const char *settings_of(struct settings *settings, size_t op, uint16_t choice);

#endif
