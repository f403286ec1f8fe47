/* Says by how much the objective is better than the baseline's. */
#include "job/gained.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 3, DIGITS_MAX = 6, NUMBER_MAX = 40, MIDDLE_MIN = 3 };

/* The share by which means and medians differ where that is said. */
static const double apart_by = 0.1;

/* Metrics whose ratio has a word of its own. */
static const struct {
	const char *metric, *words;
} ratio_words[] = {
	{"latency_ms", "times as fast"},
	{"model_size_bytes", "times smaller"},
	{"peak_memory_bytes", "times less memory"},
};

static const char *word_of(const struct objective *objective)
{
	for (size_t i = 0; i < sizeof(ratio_words) / sizeof(ratio_words[0]); i++) {
		if (objective->count == 1 && !objective->metrics[0].higher_is_better &&
		    strcmp(objective->metrics[0].name, ratio_words[i].metric) == 0) {
			return ratio_words[i].words;
		}
	}
	return NULL;
}

/* NULL where a gain is said as a share. */
static const char *ratio_word(const struct spec *spec, const struct figures *f)
{
	bool bounded = isnan(f->interval[1]) || f->interval[1] < 1;

	return f->gain < 1 && bounded ? word_of(&spec->objective) : NULL;
}

void gained_asked(const struct spec *spec, struct buf *text)
{
	const char *word = word_of(&spec->objective);

	buf_printf(text, "%.3g %%", 100 * spec->min_gain);
	if (word != NULL && spec->min_gain > 0 && spec->min_gain < 1) {
		buf_printf(text, " (%.3g %s)", 1 / (1 - spec->min_gain), word);
	}
}

/* As many digits as the value and both ends of its interval need to differ; 0 where they are the same number to a reader. */
static int digits_of(double low, double value, double high)
{
	char a[NUMBER_MAX], b[NUMBER_MAX], c[NUMBER_MAX];

	for (int digits = DIGITS; digits <= DIGITS_MAX; digits++) {
		(void)snprintf(a, sizeof(a), "%.*g", digits, low);
		(void)snprintf(b, sizeof(b), "%.*g", digits, value);
		(void)snprintf(c, sizeof(c), "%.*g", digits, high);
		if (strcmp(a, b) != 0 && strcmp(b, c) != 0) {
			return digits;
		}
	}
	return 0;
}

bool gained_apart(const struct spec *spec, const struct figures *f)
{
	double apart = ratio_word(spec, f) != NULL ? (1 - f->middle_gain) / (1 - f->gain) - 1
						   : f->middle_gain - f->gain;

	return f->measurements >= MIDDLE_MIN && fabs(apart) > apart_by;
}

bool gained_by_medians(const struct figures *f, double min_gain)
{
	return f->measurements < MIDDLE_MIN || isnan(f->middle_gain) ||
	       objective_gains(f->middle_gain, min_gain);
}

/* "(1.71 to 2.24; 1.18 times by medians)", or what is known of it. */
static void add_around(const struct figures *f, const double *ends, bool known, bool apart,
		       bool ratio, int digits, struct buf *text)
{
	buf_text(text, known || apart ? " (" : "");
	if (known) {
		buf_printf(text, "%.*g to %.*g%s", digits, ends[0], digits, ends[1],
			   ratio ? "" : " %");
	}
	buf_text(text, known && apart ? "; " : "");
	if (apart && ratio) {
		buf_printf(text, "%.3g times by medians", 1 / (1 - f->middle_gain));
	} else if (apart) {
		buf_printf(text, "%.3g %% by medians", 100 * f->middle_gain);
	}
	buf_text(text, known || apart ? ")" : "");
}

/* "latency_ms", or "latency_ms and accuracy weighed together". */
static void add_names(const struct objective *objective, struct buf *text)
{
	for (size_t i = 0; i < objective->count; i++) {
		buf_text(text, i == 0 ? "" : i + 1 < objective->count ? ", " : " and ");
		buf_text(text, objective->metrics[i].name);
	}
	buf_text(text, objective->count > 1 ? " weighed together" : "");
}

void gained_words(const struct spec *spec, const struct figures *f, struct buf *text)
{
	const char *word = ratio_word(spec, f);
	bool ratio = word != NULL, worse = f->gain < 0;
	double value = ratio ? 1 / (1 - f->gain) : 100 * fabs(f->gain);
	double ends[2];
	int apart, digits;

	for (size_t i = 0; i < 2; i++) {
		ends[i] = ratio   ? 1 / (1 - f->interval[i])
			  : worse ? -100 * f->interval[1 - i]
				  : 100 * f->interval[i];
	}
	apart = isnan(f->interval[0]) ? 0 : digits_of(ends[0], value, ends[1]);
	digits = apart > 0 ? apart : DIGITS;
	if (ratio) {
		buf_printf(text, "%.*g %s", digits, value, word);
	} else {
		buf_printf(text, "%.*g %% %s than the baseline in ", digits, value,
			   worse ? "worse" : "better");
		add_names(&spec->objective, text);
	}
	add_around(f, ends, apart > 0, gained_apart(spec, f), ratio, digits, text);
}
