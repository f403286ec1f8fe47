/* Makes priors of every option's loss and time from scores, facts and experience. */
#include "strategies/models/effects.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Rough experience; what is measured corrects it. */
static const struct {
	const char *option;
	double factor;
} option_factors[] = {{"per_tensor", 2}, {"sym", 1.3}, {"kl", 1}, {NULL, 1.2}};

static const double mode_factors[MODE_COUNT] = {
	[MODE_STATIC] = 1,  [MODE_DYNAMIC] = 0.7, [MODE_WEIGHT_ONLY] = 0.7,
	[MODE_BF16] = 0.02, [MODE_FP16] = 0.01,   [MODE_FP32] = 0,
};

static const uint8_t mode_classes[MODE_COUNT] = {
	[MODE_BF16] = CLASS_BF16,
	[MODE_FP16] = CLASS_FP16,
	[MODE_FP32] = CLASS_FP32,
};

/* The first and the last operator often suffer more than others. */
static const double end_score = 3;
/* Nothing is expected to cost less than this share of the average. */
static const double least_score = 0.02;

/* What a bit less makes of a loss, and the power of a group's size that it grows with. */
static const double per_bit = 4, of_group_size = 0.3;
/* Of the tag of a quantized mode that is not the operator's default: its number takes the place of the atom. */
static const enum item mode_item = ITEM_COUNT;
/* What precision gains are against. */
static const double high_bits = 16;

/* The number that the text ends with, as in "int4" and "4"; 0 without one. */
static double number_at_end(const char *text)
{
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] >= '0' && text[length - 1] <= '9') {
		length--;
	}
	return strtod(text + length, NULL);
}

static bool is_width(enum item item)
{
	return item == ITEM_WEIGHT_BITS || item == ITEM_WEIGHT_DTYPE ||
	       item == ITEM_ACTIVATION_DTYPE;
}

static double option_factor(const char *text)
{
	size_t i = 0;

	while (option_factors[i].option != NULL && strcmp(option_factors[i].option, text) != 0) {
		i++;
	}
	return option_factors[i].factor;
}

/* What an option makes of the loss, as against the operator's default. */
static double factor_of(const struct effects *effects, enum item item, uint16_t atom,
			uint16_t usual)
{
	double factor = option_factor(space_atom(effects->space, atom)), number, before;

	if (effects->first_rules || usual == 0 || usual == OPTION_UNIFORM) {
		return factor;
	}
	number = number_at_end(space_atom(effects->space, atom));
	before = number_at_end(space_atom(effects->space, usual));
	if (number > 0 && before > 0 && number != before && is_width(item)) {
		return pow(per_bit, before - number);
	}
	return number > 0 && before > 0 && item == ITEM_WEIGHT_GROUP_SIZE
		       ? pow(number / before, of_group_size)
		       : factor;
}

/* Of the weights, where a choice says it. */
static double bits_of(const struct effects *effects, const struct choice *choice)
{
	uint16_t bits = choice->options[ITEM_WEIGHT_BITS];
	uint16_t atom = bits != 0 ? bits : choice->options[ITEM_WEIGHT_DTYPE];

	return atom != 0 && atom != OPTION_UNIFORM ? number_at_end(space_atom(effects->space, atom))
						   : 0;
}

/* How much is gained by fewer bits, as against the operator's default. */
static double pace_of(const struct effects *effects, const struct kind *kind, size_t option)
{
	double bits = bits_of(effects, &kind->choices[option]);
	double usual = bits_of(effects, &kind->choices[0]);
	bool known = bits > 0 && bits < high_bits && usual > 0 && usual < high_bits;

	return known && !effects->first_rules ? (high_bits - bits) / (high_bits - usual) : 1;
}

/* The number of the tag; all that come late share the last. */
static size_t intern_tag(struct effects *effects, enum item item, uint16_t atom)
{
	size_t t = 0;

	while (t < effects->tag_count &&
	       (effects->tag_items[t] != item || effects->tag_atoms[t] != atom)) {
		t++;
	}
	if (t == EFFECTS_TAGS) {
		return EFFECTS_TAGS - 1;
	}
	effects->tag_items[t] = (uint8_t)item;
	effects->tag_atoms[t] = atom;
	effects->tag_count = t == effects->tag_count ? t + 1 : effects->tag_count;
	return t;
}

static void describe(struct effects *effects, const struct kind *kind, size_t option,
		     uint32_t place)
{
	const struct choice *choice = &kind->choices[option];

	effects->classes[place] = mode_classes[choice->mode];
	effects->factors[place] = mode_factors[choice->mode];
	effects->paces[place] =
		mode_is_quantized(choice->mode) ? pace_of(effects, kind, option) : 1;
	if (!effects->first_rules && mode_is_quantized(choice->mode) &&
	    choice->mode != kind->choices[0].mode) {
		effects->tags[place] |= UINT32_C(1)
					<< intern_tag(effects, mode_item, (uint16_t)choice->mode);
	}
	for (int item = 0; item < ITEM_COUNT && mode_is_quantized(choice->mode); item++) {
		uint16_t atom = choice->options[item];

		if (atom != 0 && atom != OPTION_UNIFORM && atom != kind->choices[0].options[item]) {
			effects->tags[place] |= UINT32_C(1)
						<< intern_tag(effects, (enum item)item, atom);
			effects->factors[place] *= factor_of(effects, (enum item)item, atom,
							     kind->choices[0].options[item]);
		}
	}
}

/* Operators of one kind have the same options. */
static void copy_options(struct effects *effects, uint32_t from, uint32_t to, size_t count)
{
	memcpy(&effects->classes[to], &effects->classes[from], count * sizeof(*effects->classes));
	memcpy(&effects->tags[to], &effects->tags[from], count * sizeof(*effects->tags));
	memcpy(&effects->factors[to], &effects->factors[from], count * sizeof(*effects->factors));
	memcpy(&effects->paces[to], &effects->paces[from], count * sizeof(*effects->paces));
}

static void list_options(struct effects *effects)
{
	const struct space *space = effects->space;
	uint32_t *described; /* of each kind, where the first operator's options are, from 1 on */

	effects->first = mem_new(space->op_count + 1, sizeof(*effects->first));
	for (size_t i = 0; i < space->op_count; i++) {
		effects->first[i + 1] = effects->first[i] + space_kind(space, i)->count;
	}
	effects->option_count = effects->first[space->op_count];
	effects->classes = mem_new(effects->option_count, sizeof(*effects->classes));
	effects->tags = mem_new(effects->option_count, sizeof(*effects->tags));
	effects->factors = mem_new(effects->option_count, sizeof(*effects->factors));
	effects->paces = mem_new(effects->option_count, sizeof(*effects->paces));
	effects->losses = mem_new(effects->option_count, sizeof(*effects->losses));
	effects->latencies = mem_new(effects->option_count, sizeof(*effects->latencies));
	described = mem_new(space->kind_count, sizeof(*described));
	for (size_t i = 0; i < space->op_count; i++) {
		const struct kind *kind = space_kind(space, i);
		uint32_t *known = &described[space->ops[i].kind];

		if (*known != 0) {
			copy_options(effects, *known - 1, effects->first[i], kind->count);
			continue;
		}
		for (size_t k = 0; k < kind->count; k++) {
			describe(effects, kind, k, effects->first[i] + (uint32_t)k);
		}
		*known = effects->first[i] + 1;
	}
	free(described);
}

static struct choice choice_at(const struct effects *effects, size_t op, uint32_t option)
{
	return space_resolve(effects->space, op, (uint16_t)option, NULL);
}

static double known_cost(const struct effects *effects, size_t op, const struct choice *choice)
{
	return effects->paced ? space_fact(effects->space, effects->cost, op, choice) : NAN;
}

/* Shares add up to 1; where nothing is known all take the same time in any mode. */
static void time_options(struct effects *effects)
{
	static const struct choice fp32 = {.mode = MODE_FP32};
	size_t known = 0;
	double sum = 0;

	for (size_t i = 0; i < effects->op_count; i++) {
		double latency = known_cost(effects, i, &fp32);

		known += latency >= 0;
		sum += latency >= 0 ? latency : 0;
	}
	for (size_t i = 0; i < effects->op_count; i++) {
		double latency = known_cost(effects, i, &fp32);
		double mean = known > 0 ? sum / (double)known : 1;
		double all = mean * (double)effects->op_count;

		all += sum - mean * (double)known;
		effects->shares[i] = (latency >= 0 ? latency : mean) / all;
		for (uint32_t o = effects->first[i]; o < effects->first[i + 1]; o++) {
			latency = NAN;
			if (effects->paced) {
				struct choice choice = choice_at(effects, i, o - effects->first[i]);

				latency = known_cost(effects, i, &choice);
			}
			effects->latencies[o] = latency >= 0 ? latency / all : effects->shares[i];
		}
	}
}

static void normalize(struct effects *effects)
{
	double sum = 0;

	for (size_t i = 0; i < effects->op_count; i++) {
		sum += fmax(effects->scores[i], 0);
	}
	for (size_t i = 0; i < effects->op_count && sum > 0; i++) {
		effects->scores[i] *= (double)effects->op_count / sum;
	}
}

/*
 * Makes factors of the operator's scores relative to their mean over what is quantized, which is
 * returned. Nothing is known to be better than the floor, and fp32 loses nothing.
 */
static double take_options(struct effects *effects, size_t op, const double *scores)
{
	uint32_t first = effects->first[op], count = effects->first[op + 1] - first;
	uint32_t quantized = 0;
	double sum = 0, mean;

	for (uint32_t k = 0; k < count; k++) {
		bool counts = effects->classes[first + k] == CLASS_QUANTIZED;

		quantized += counts;
		sum += counts ? fmax(scores[k], 0) : 0;
	}
	mean = quantized > 0 ? sum / quantized : 0;
	for (uint32_t k = 0; k < count && mean > 0; k++) {
		double floor = least_score * fmin(effects->factors[first + k], 1);

		effects->factors[first + k] = effects->classes[first + k] == CLASS_FP32
						      ? 0
						      : fmax(scores[k] / mean, floor);
	}
	return mean;
}

/* What is known of the option; where nothing is, the guess, as against the default. */
static double known_score(const struct effects *effects, size_t op, uint32_t option)
{
	struct choice choice = choice_at(effects, op, option), usual = choice_at(effects, op, 0);
	double score = space_fact(effects->space, FACT_SCORE, op, &choice);

	return isnan(score) ? space_fact(effects->space, FACT_SCORE, op, &usual) *
				      effects->factors[effects->first[op] + option] /
				      effects->factors[effects->first[op]]
			    : score;
}

/* Shorthands say nothing of options, and take no part. Returns NAN when nothing is known. */
static double take_known(struct effects *effects, size_t op)
{
	uint32_t count = effects->first[op + 1] - effects->first[op];
	double *scores = mem_new(count, sizeof(*scores));
	double score = known_score(effects, op, 0);

	if (!isnan(score) && effects->entries &&
	    effects->classes[effects->first[op]] == CLASS_QUANTIZED) {
		for (uint32_t k = 0; k < count; k++) {
			scores[k] = known_score(effects, op, k);
		}
		score = take_options(effects, op, scores);
	}
	free(scores);
	return score;
}

static void guess_scores(struct effects *effects)
{
	size_t last = effects->op_count - 1;
	bool told = space_knows(effects->space, FACT_SCORE);
	bool any = told || space_learnt(effects->space, FACT_SCORE);

	for (size_t i = 0; i < effects->op_count; i++) {
		double score = any ? take_known(effects, i) : NAN;

		effects->scored = effects->scored || (told && !isnan(score));
		effects->learnt = effects->learnt || (!told && !isnan(score));
		effects->scores[i] = !isnan(score) ? score : (i == 0 || i == last ? end_score : 1);
	}
	normalize(effects);
}

/* The fact that the objective is about; FACT_COUNT for any other. */
static enum fact cost_of(const struct objective *objective)
{
	static const struct {
		const char *name;
		enum fact fact;
	} costs[] = {{"latency_ms", FACT_LATENCY_MS},
		     {"model_size_bytes", FACT_SIZE_BYTES},
		     {"size_bytes", FACT_SIZE_BYTES}};
	const char *name = objective->metrics[0].name;

	for (size_t i = 0; objective->count == 1 && i < sizeof(costs) / sizeof(costs[0]); i++) {
		if (name == NULL || strcmp(name, costs[i].name) == 0) {
			return costs[i].fact;
		}
	}
	return FACT_COUNT;
}

void effects_init(struct effects *effects, const struct problem *problem)
{
	memset(effects, 0, sizeof(*effects));
	effects->space = problem->space;
	effects->first_rules = problem->objective->rules < 2;
	effects->op_count = problem->space->op_count;
	effects->cost = cost_of(problem->objective);
	effects->timed = effects->cost != FACT_COUNT && space_knows(problem->space, effects->cost);
	effects->paced = effects->timed || (effects->cost != FACT_COUNT &&
					    space_learnt(problem->space, effects->cost));
	effects->entries = capability_has_entries(&problem->space->capability, FACT_SCORE) ||
			   space_learnt(problem->space, FACT_SCORE);
	list_options(effects);
	effects->scores = mem_new(effects->op_count, sizeof(*effects->scores));
	effects->shares = mem_new(effects->op_count, sizeof(*effects->shares));
	guess_scores(effects);
	time_options(effects);
	effects_expect(effects, 1, 1);
}

void effects_finish(struct effects *effects)
{
	free(effects->first);
	free(effects->classes);
	free(effects->tags);
	free(effects->factors);
	free(effects->paces);
	free(effects->scores);
	free(effects->losses);
	free(effects->shares);
	free(effects->latencies);
}

size_t effects_quantizable(const struct effects *effects, uint32_t *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < effects->op_count; i++) {
		if (mode_is_quantized(space_kind(effects->space, i)->choices[0].mode)) {
			ret[count++] = (uint32_t)i;
		}
	}
	return count;
}

void effects_take_scores(struct effects *effects, const double *scores, const double *options)
{
	uint32_t *ops = mem_new(effects->op_count, sizeof(*ops));
	size_t count = effects_quantizable(effects, ops);
	double *list = mem_new(count, sizeof(*list)), sum = 0;

	for (size_t i = 0; i < count; i++) {
		list[i] = options != NULL ? take_options(effects, ops[i], options) : scores[i];
		options +=
			options != NULL ? effects->first[ops[i] + 1] - effects->first[ops[i]] : 0;
		sum += fmax(list[i], 0);
	}
	for (size_t i = 0; i < count && sum > 0; i++) {
		effects->scores[ops[i]] = list[i] * (double)count / sum;
	}
	effects->scored = effects->scored || sum > 0;
	normalize(effects);
	free(list);
	free(ops);
}

void effects_expect(struct effects *effects, double exponent, double scale)
{
	for (size_t i = 0; i < effects->op_count; i++) {
		double score = pow(fmax(effects->scores[i], least_score), exponent);

		for (uint32_t o = effects->first[i]; o < effects->first[i + 1]; o++) {
			effects->losses[o] = scale * score * effects->factors[o];
		}
	}
}

void effects_expect_some(struct effects *effects)
{
	uint16_t *options = mem_new(effects->op_count, sizeof(*options));
	double loss = effects_loss(effects, options);

	effects_expect(effects, 1, loss > 0 ? 3 / loss : 1);
	free(options);
}

bool effects_tag_is_coarse(const struct effects *effects, size_t tag)
{
	bool used = !effects->first_rules && tag < effects->tag_count;

	return used && (effects->tag_items[tag] == mode_item ||
			is_width((enum item)effects->tag_items[tag]));
}

void effects_options(const struct effects *effects, const struct config *config,
		     uint16_t *ret_options)
{
	config_expand(config, effects->space, ret_options);
}

void effects_ban(const struct effects *effects, double *of_options)
{
	for (size_t i = 0; effects->bans != NULL && i < effects->bans->count; i++) {
		const struct ban *ban = &effects->bans->list[i];
		const struct kind *kind = space_kind(effects->space, ban->op);
		double *of_op = of_options + effects->first[ban->op];

		for (uint16_t k = 0; k < kind->per_mode[ban->mode]; k++) {
			of_op[kind->first[ban->mode] + k] = of_op[ban->instead];
		}
	}
}

struct config *effects_config(const struct effects *effects, const uint16_t *options)
{
	uint16_t *choices = mem_new(effects->space->dimension_count, sizeof(*choices));
	struct config *config;

	memcpy(choices, options, effects->op_count * sizeof(*choices));
	if (effects->bans != NULL) {
		bans_apply(effects->bans, effects->space, choices);
	}
	for (size_t i = 1; effects->extras != NULL && i < effects->space->extra_count; i++) {
		choices[effects->space->op_count + i] = effects->extras[i];
	}
	config = config_create(effects->space, choices);
	free(choices);
	return config;
}

size_t effects_most_rows(const struct effects *effects)
{
	double rows = sqrt(2e8 / (double)effects->op_count);

	return rows > 400 ? 400 : (rows < 30 ? 30 : (size_t)rows);
}

size_t effects_learnt_rows(const struct effects *effects)
{
	double rows = sqrt(8e6 / (double)effects->op_count);

	return rows > 100 ? 100 : (rows < 20 ? 20 : (size_t)rows);
}

double effects_loss(const struct effects *effects, const uint16_t *options)
{
	double sum = 0;

	for (size_t i = 0; i < effects->op_count; i++) {
		sum += effects->losses[effects->first[i] + options[i]];
	}
	return sum;
}

double effects_measured_loss(const struct criterion *criterion, double margin)
{
	double lost = 1 - margin, tolerable = criterion->metrics[0].tolerable_loss, loss;

	if (!criterion->relative || tolerable <= 0 || tolerable >= 1) {
		return lost;
	}
	loss = fmin(lost * tolerable, 0.95);
	return loss / (1 - loss) * (1 - tolerable) / tolerable;
}
