/* Says which operators cost accuracy. */
#include "tuner/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "job/spec/codec_changes.h"
#include "job/spec/codec_config.h"
#include "job/fold.h"
#include "tuner/lowered.h"
#include "tuner/settings.h"

/* Trials with every operator quantized that others are compared with: the first ones. */
enum { BASES_MAX = 256, WORDS_MAX = 1024 };

struct answered {
	int64_t number;
	struct config *config; /* owned */
	json_t *event;         /* what was asked and what came back; owned */
};

struct sensitivity {
	const struct spec *spec;
	const struct space *space;
	json_t *baseline;        /* owned */
	json_t **items;          /* what was found of each operator; NULL: nothing; owned */
	struct map ops;          /* as codec_ops_init() has them */
	struct answered *trials; /* owned */
	size_t trial_count;
	const struct answered *bases[BASES_MAX];
	size_t base_count;
	double *scores;           /* of each operator, NAN without one; owned */
	uint32_t *first;          /* the options of an operator among those of all; owned */
	double *option_scores;    /* of each option, NAN without one; owned */
	struct finding *findings; /* owned */
	size_t finding_count;
	struct posterior *posterior; /* owned; NULL while there is nothing to learn from */
};

static void make_items(struct sensitivity *s)
{
	const struct space *space = s->space;

	s->items = mem_new(space->op_count, sizeof(json_t *));
	s->scores = mem_new(space->op_count, sizeof(*s->scores));
	s->first = mem_new(space->op_count + 1, sizeof(*s->first));
	codec_ops_init(&s->ops, space);
	for (size_t i = 0; i < space->op_count; i++) {
		s->scores[i] = NAN;
		s->first[i + 1] = s->first[i] + space_kind(space, i)->count;
	}
	s->option_scores = mem_new(s->first[space->op_count], sizeof(*s->option_scores));
	for (uint32_t o = 0; o < s->first[space->op_count]; o++) {
		s->option_scores[o] = NAN;
	}
}

static bool is_quantized(const struct space *space, size_t op)
{
	return mode_is_quantized(space_kind(space, op)->choices[0].mode);
}

static json_t *nothing_found(void)
{
	return json_pack("{s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "method", "score", "precision",
			 "trial", "base", "accuracy_change", "latency_change_ms");
}

/* Borrowed. */
static json_t *item_of(struct sensitivity *s, size_t op)
{
	s->items[op] = s->items[op] != NULL ? s->items[op] : nothing_found();
	return s->items[op];
}

static bool is_null(const json_t *item, const char *member)
{
	return json_is_null(json_object_get(item, member));
}

static void read_option_scores(struct sensitivity *s, size_t op, const json_t *list)
{
	uint32_t count = s->first[op + 1] - s->first[op];

	for (uint32_t k = 0; k < count && k < json_array_size(list); k++) {
		s->option_scores[s->first[op] + k] = json_number_value(json_array_get(list, k));
	}
}

static void read_scores(struct sensitivity *s, const json_t *event)
{
	json_t *scores = json_object_get(event, "scores");
	const char *name;
	json_t *score;

	json_object_foreach(scores, name, score) {
		intptr_t m = map_get(&s->ops, name, -1);
		size_t op = m >= 0 ? s->space->members[m].op : 0;
		json_t *item = m >= 0 && is_quantized(s->space, op) ? item_of(s, op) : NULL;

		if (item != NULL && is_null(item, "score")) {
			(void)json_object_set(item, "method", json_object_get(event, "method"));
			read_option_scores(s, op, score);
			score = json_is_array(score) ? json_array_get(score, 0) : score;
			(void)json_object_set(item, "score", score);
			s->scores[op] = json_number_value(score);
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
static uint32_t fallen(const struct sensitivity *s, const struct config *config)
{
	uint32_t op = 0;

	for (size_t i = 0; i < config->count; i++) {
		const struct config_change *c = &config->changes[i];

		if (c->dimension < s->space->op_count && is_quantized(s->space, c->dimension) &&
		    !mode_is_quantized(
			    space_kind(s->space, c->dimension)->choices[c->choice].mode)) {
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

static void read_alone(struct sensitivity *s, const struct answered *alone)
{
	uint32_t op = fallen(s, alone->config);
	json_t *item = item_of(s, op);
	const struct answered *base = NULL;
	uint16_t choice = config_choice(alone->config, op);

	for (size_t i = 0; i < s->base_count && base == NULL; i++) {
		base = differ_in_one(alone->config, s->bases[i]->config, op) ? s->bases[i] : NULL;
	}
	if (base == NULL || !is_null(item, "trial")) {
		return;
	}
	(void)json_object_set_new(
		item, "precision",
		json_string(mode_names[space_kind(s->space, op)->choices[choice].mode]));
	(void)json_object_set_new(item, "trial", json_integer(alone->number));
	(void)json_object_set_new(item, "base", json_integer(base->number));
	(void)json_object_set_new(item, "accuracy_change",
				  change(json_object_get(alone->event, "accuracy"),
					 json_object_get(base->event, "accuracy")));
	(void)json_object_set_new(item, "latency_change_ms",
				  change(latency(alone->event), latency(base->event)));
}

/* An event with its config, which may be most of it, apart: as a text of its own, or NULL. */
static json_t *read_event(const char *text, char **ret_config)
{
	size_t length = 0, before;
	const char *config = json_text_member(text, "config", &length);
	char *rest;
	json_t *event;

	*ret_config = config != NULL ? mem_dup_n(config, length) : NULL;
	if (config == NULL) {
		return json_loads(text, 0, NULL);
	}
	before = (size_t)(config - text);
	rest = mem_printf("%.*snull%s", (int)before, text, config + length);
	event = json_loads(rest, 0, NULL);
	free(rest);
	return event;
}

static void read_all(struct sensitivity *s, const struct store_rows *rows)
{
	s->trials = mem_new(rows->count, sizeof(*s->trials));
	s->trial_count = rows->count;
	for (size_t i = 0; i < rows->count; i++) {
		char *const *cells = &rows->cells[i * rows->columns];
		struct answered *trial = &s->trials[i];
		json_t *told = json_loads(cells[2], 0, NULL);
		char *config;

		trial->number = strtoll(cells[0], NULL, 10);
		trial->event = read_event(cells[1], &config);
		(void)json_object_update(trial->event, told);
		json_decref(told);
		trial->config = config != NULL ? codec_changes_parse(s->space, config) : NULL;
		free(config);
	}
}

static bool has_fallbacks(const struct sensitivity *s, const struct answered *trial, size_t count)
{
	return trial->config != NULL && json_object_get(trial->event, "scores") == NULL &&
	       config_fallbacks(trial->config, s->space) == count;
}

/* What a model can learn from: measurements, compared with the baseline. */
static void find_findings(struct sensitivity *s)
{
	struct criterion criterion = s->spec->criterion;
	double accuracy[LIMIT_METRICS] = {0}, objectives[LIMIT_METRICS] = {0};

	s->findings = mem_new(s->trial_count, sizeof(*s->findings));
	if (!json_is_object(s->baseline)) {
		return;
	}
	job_read_measurement(s->spec, s->baseline, accuracy, objectives);
	if (criterion_fix(&criterion, accuracy, NULL) != 0) {
		return;
	}
	for (size_t i = 0; i < s->trial_count; i++) {
		const struct answered *trial = &s->trials[i];
		const json_t *ms = latency(trial->event), *of = latency(s->baseline);

		if (trial->config == NULL || json_object_get(trial->event, "scores") != NULL) {
			continue;
		}
		job_read_measurement(s->spec, trial->event, accuracy, objectives);
		s->findings[s->finding_count++] = (struct finding){
			.config = trial->config,
			.margin = criterion_margin(&criterion, accuracy),
			.latency = json_is_number(ms) && json_number_value(of) > 0
					   ? json_number_value(ms) / json_number_value(of)
					   : NAN,
		};
	}
}

static void find_bases(struct sensitivity *s)
{
	for (size_t i = 0; i < s->trial_count && s->base_count < BASES_MAX; i++) {
		if (has_fallbacks(s, &s->trials[i], 0)) {
			s->bases[s->base_count++] = &s->trials[i];
		}
	}
}

struct sensitivity *sensitivity_create(const struct spec *spec, const json_t *baseline,
				       const struct store_rows *rows)
{
	struct sensitivity *s = mem_new(1, sizeof(*s));

	s->spec = spec;
	s->space = spec->space;
	s->baseline = json_incref((json_t *)baseline);
	make_items(s);
	read_all(s, rows);
	find_bases(s);
	for (size_t i = 0; i < s->trial_count; i++) {
		read_scores(s, s->trials[i].event);
		if (has_fallbacks(s, &s->trials[i], 1)) {
			read_alone(s, &s->trials[i]);
		}
	}
	find_findings(s);
	return s;
}

void sensitivity_destroy(struct sensitivity *s)
{
	if (s == NULL) {
		return;
	}
	for (size_t i = 0; i < s->space->op_count; i++) {
		json_decref(s->items[i]);
	}
	for (size_t i = 0; i < s->trial_count; i++) {
		config_destroy(s->trials[i].config);
		json_decref(s->trials[i].event);
	}
	posterior_destroy(s->posterior);
	json_decref(s->baseline);
	free(s->findings);
	free(s->scores);
	free(s->option_scores);
	free(s->first);
	free(s->trials);
	free(s->items);
	map_finish(&s->ops);
	free(s);
}

void sensitivity_learn(struct sensitivity *s)
{
	struct problem problem = spec_problem(s->spec);

	if (s->finding_count > 0) {
		s->posterior = posterior_create(&problem, s->scores, s->option_scores, s->findings,
						s->finding_count);
	}
}

const struct posterior *sensitivity_posterior(const struct sensitivity *s)
{
	return s->posterior;
}

/* What is believed has no more digits than it deserves. */
static void add_belief(struct buf *text, const char *name, const struct belief *belief, double unit)
{
	buf_text(text, name);
	buf_text(text, ":{\"mean\":");
	buf_short_number(text, belief->mean * unit);
	buf_text(text, ",\"spread\":");
	buf_short_number(text, belief->spread * unit);
	buf_text(text, "}");
}

/* What is believed of each option of an operator, in the order of GET .../space. */
static void add_options(const struct sensitivity *s, size_t op, struct settings *settings,
			struct buf *text)
{
	const struct posterior *p = s->posterior;
	double baseline_ms = json_number_value(latency(s->baseline));

	for (uint16_t i = 0; i < space_kind(s->space, op)->count; i++) {
		uint32_t o = p->first[op] + i;
		double score = s->option_scores[s->first[op] + i];

		buf_text(text, i > 0 ? "," : "");
		buf_text(text, settings_of(settings, op, i));
		buf_text(text, ",\"score\":");
		if (isnan(score)) {
			buf_text(text, "null");
		} else {
			buf_short_number(text, score);
		}
		add_belief(text, ",\"loss\"", &p->losses[o], 1);
		if (p->latencies != NULL) {
			add_belief(text, ",\"latency_change_ms\"", &p->latencies[o], baseline_ms);
		} else {
			buf_text(text, ",\"latency_change_ms\":null");
		}
		buf_text(text, "}");
	}
}

static void add_least(const struct sensitivity *s, size_t op, struct buf *text)
{
	int least = lowered_least(s->space, s->posterior, op);
	struct buf words;

	if (least < 0) {
		buf_text(text, ",\"least\":null,\"lowered\":null");
		return;
	}
	buf_init(&words, WORDS_MAX);
	lowered_words(s->spec, s->posterior, op, json_number_value(latency(s->baseline)), &words);
	buf_printf(text, ",\"least\":%d,\"lowered\":", least);
	buf_json_string(text, words.bytes, words.length);
	buf_finish(&words);
}

static void add_name(struct buf *text, const char *member, const char *name)
{
	buf_text(text, member);
	buf_json_string(text, name, strlen(name));
}

/* The same, and where it is in the text: what is like an operator before is copied from there. */
struct written {
	size_t start, length; /* 0: it is not written yet */
};

static void add_known_options(const struct sensitivity *s, size_t op, struct settings *settings,
			      struct written *written, struct buf *text)
{
	struct written *known = &written[s->posterior->alike[op]];
	size_t start = text->length;

	if (known->length > 0) {
		buf_again(text, known->start, known->length);
		return;
	}
	add_options(s, op, settings, text);
	buf_text(text, "]");
	add_least(s, op, text);
	*known = (struct written){start, text->length - start};
}

/* Members of a group that is tied have the same numbers, each under its own name. */
static void add_item(const struct sensitivity *s, size_t m, const char *nothing,
		     struct settings *settings, struct written *written, struct buf *text)
{
	const struct space_member *member = &s->space->members[m];
	const json_t *found = s->items[member->op];
	char *own = found != NULL ? json_text(found) : NULL;
	const char *rest = own != NULL ? own : nothing;

	add_name(text, "{\"op\":", member->name);
	add_name(text, ",\"type\":", s->space->capability.types[member->type]);
	buf_text(text, ",");
	buf_add(text, rest + 1, strlen(rest) - 2);
	if (s->posterior != NULL) {
		buf_text(text, ",\"options\":[");
		add_known_options(s, member->op, settings, written, text);
	} else {
		buf_text(text, ",\"options\":null,\"least\":null,\"lowered\":null");
	}
	if (space_follows(s->space, m)) {
		add_name(text, ",\"tied_to\":", s->space->ops[member->op].name);
	}
	buf_text(text, "}");
	free(own);
}

char *sensitivity_text(const struct sensitivity *s)
{
	struct written *written = mem_new(s->space->op_count, sizeof(*written));
	char *nothing = json_text_last(nothing_found());
	struct settings settings;
	struct buf text;
	bool first = true;

	settings_init(&settings, s->space);
	buf_init_long(&text, SIZE_MAX / 2);
	buf_text(&text, "{\"items\":[");
	for (size_t m = 0; m < s->space->member_count; m++) {
		if (is_quantized(s->space, s->space->members[m].op)) {
			buf_text(&text, first ? "" : ",");
			add_item(s, m, nothing, &settings, written, &text);
			first = false;
		}
	}
	buf_text(&text, "],\"model\":");
	if (s->posterior != NULL) {
		buf_printf(&text, "{\"trials\":%zu,\"loss_noise\":", s->finding_count);
		buf_short_number(&text, s->posterior->loss_noise);
		buf_text(&text, "},\"next\":null}");
	} else {
		buf_text(&text, "null,\"next\":null}");
	}
	settings_finish(&settings);
	free(written);
	free(nothing);
	return buf_take_whole(&text);
}
