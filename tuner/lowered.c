/* Puts into words what the models believe of the option that an operator would be lowered to. */
#include "tuner/lowered.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/words.h"

/* A loss below this share of what may be lost keeps nobody from quantizing. */
#define HARMLESS 0.05

int lowered_least(const struct space *space, const struct posterior *posterior, size_t op)
{
	const struct kind *kind = space_kind(space, op);
	const struct belief *losses = &posterior->losses[posterior->first[op]];
	int least = -1;

	for (int i = 0; i < (int)kind->count; i++) {
		if (mode_is_quantized(kind->choices[i].mode) &&
		    (least < 0 || losses[i].mean < losses[least].mean)) {
			least = i;
		}
	}
	return least;
}

static bool is_for_latency(const struct objective *objective)
{
	return objective->count == 1 && strcmp(objective->metrics[0].name, "latency_ms") == 0;
}

void lowered_words(const struct spec *spec, const struct posterior *posterior, size_t op,
		   double baseline_ms, struct buf *text)
{
	uint16_t *choices = mem_new(spec->space->dimension_count, sizeof(*choices));
	int least = lowered_least(spec->space, posterior, op);
	uint32_t o = posterior->first[op] + (uint32_t)least;
	double loss = posterior->losses[o].mean;
	double saved =
		posterior->latencies != NULL ? -posterior->latencies[o].mean * baseline_ms : NAN;

	choices[op] = (uint16_t)least;
	buf_printf(text, "in %s it is believed to lose ", words_format(spec->space, op, choices));
	words_share(&spec->criterion, loss, text);
	if (!isnan(saved)) {
		buf_printf(text, " and to %s %.2g ms", saved > 0 ? "save" : "cost", fabs(saved));
	}
	if (saved <= 0 && is_for_latency(&spec->objective)) {
		buf_text(text, ": nothing would be gained");
	} else if (loss <= HARMLESS) {
		buf_text(text, ": nothing that was measured speaks against it");
	}
	free(choices);
}
