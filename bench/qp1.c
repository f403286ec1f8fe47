/* Draws QP1 from its seed and computes what a config of it is worth. */
#include "bench/qp1.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { TYPES = 5, DRAWS = 18, INT8 = 0, BF16, FP32 };

static const double baseline_accuracy = 0.76, tolerable = 0.01;

const char *const qp1_curve_names[] = {"hyperbola", "exponential", "convex", "concave", NULL};
const char *const qp1_scores_names[] = {"none", "hessian", "mse", "weak", NULL};

/* splitmix64 and xoshiro256** (Blackman and Vigna, public domain algorithms). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static uint64_t split(uint64_t *s)
{
	*s += UINT64_C(0x9E3779B97F4A7C15);
	return mix(*s);
}

static uint64_t rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static double draw(uint64_t *s)
{
	uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return (double)(result >> 11) * 0x1p-53;
}

/* Of an operator type: penalties of per tensor, symmetric and KL; speeds of int8 and bf16. */
struct traits {
	double per_tensor, symmetric, kl, int8, bf16;
};

static int type_of(int family, double u)
{
	static const double thresholds[2][4] = {{0.62, 0.66, 0.66, 0.84}, {0, 0.55, 0.80, 0.92}};
	int type = 0;

	while (type < 4 && u >= thresholds[family][type]) {
		type++;
	}
	return type;
}

static double at_least(double x, double least)
{
	return x < least ? least : x;
}

/* What an operator's options are made of. */
struct make {
	struct qp1_op *op;
	double sensitivity, per_tensor, symmetric, kl; /* factors */
	double time, speed, per_tensor_gain, asymmetric_cost;
};

static void add_int8(struct make *m, bool per_tensor, bool symmetric, bool kl)
{
	double loss = m->sensitivity, latency = m->time / m->speed;

	loss = per_tensor ? loss * m->per_tensor : loss;
	loss = symmetric ? loss * m->symmetric : loss;
	loss = kl ? loss * m->kl : loss;
	latency = per_tensor ? latency * (1 - m->per_tensor_gain) : latency;
	latency = !symmetric && m->op->type <= 2 ? latency * (1 + m->asymmetric_cost) : latency;
	m->op->losses[m->op->options] = loss;
	m->op->latencies[m->op->options++] = latency;
}

static void add_option(struct qp1_op *op, double loss, double latency)
{
	op->losses[op->options] = loss;
	op->latencies[op->options++] = latency;
}

/* The grid of each type: granularities x schemes x algorithms. */
static void add_int8s(struct make *m)
{
	int type = m->op->type;

	for (int g = 0; g < (type <= 1 ? 2 : 1); g++) {
		for (int s = 0; s < (type <= 3 ? 2 : 1); s++) {
			for (int k = 0; k < (type <= 2 ? 2 : 1); k++) {
				add_int8(m, g > 0, s > 0, k > 0);
			}
		}
	}
}

static void make_op(struct qp1 *qp1, size_t i, const struct traits *traits, const double *u)
{
	struct qp1_op *op = &qp1->ops[i];
	int type = type_of(qp1->family, u[0]);
	const struct traits *t = &traits[type];
	struct make m = {.op = op};
	double v = u[1] + 0.001, bf16_loss = 0.01 + 0.03 * u[7], bf16_speed, mag;

	op->type = type;
	m.sensitivity = 1 / (v * sqrt(v));
	if (u[2] < 0.08) {
		m.sensitivity = -(0.1 + 0.4 * u[1]);
	} else if (i == 0 || i == qp1->count - 1) {
		m.sensitivity = m.sensitivity * 3;
	}
	m.per_tensor = t->per_tensor * (0.6 + 0.8 * u[3]);
	m.per_tensor = at_least(u[4] < 0.1 ? m.per_tensor * 5 : m.per_tensor, 1);
	m.symmetric = at_least(t->symmetric * (0.7 + 0.6 * u[5]), 0.9);
	m.kl = t->kl * (0.5 + u[6]);
	m.time = type <= 2 ? 1 / (u[8] + 0.05) : 0.1 + 0.2 * u[8];
	m.speed = t->int8 * (0.8 + 0.4 * u[9]);
	bf16_speed = at_least(t->bf16 * (0.9 + 0.2 * u[10]), 1.02);
	m.per_tensor_gain = 0.02 * u[11];
	m.asymmetric_cost = 0.02 + 0.06 * u[12];
	op->border = 0.02 + 0.10 * u[13];
	op->interaction = -0.4 + 0.9 * u[14];
	mag = m.sensitivity > 0 ? m.sensitivity : 0.05;
	op->mse = mag * ((0.25 + 4 * u[15]) / (0.25 + 4 * u[16]));
	op->hessian = mag * ((1 + 3 * u[17]) / 2.5);
	add_int8s(&m);
	if (type <= 2) {
		add_option(op, m.sensitivity > 0 ? m.sensitivity * bf16_loss : 0,
			   m.time / bf16_speed);
	}
	add_option(op, 0, m.time);
}

double qp1_interaction(const struct qp1_op *op, double loss, double next_loss)
{
	return loss > 0 && next_loss > 0 ? op->interaction * sqrt(loss * next_loss) : 0;
}

static double raw_loss(const struct qp1 *qp1, const uint16_t *options)
{
	double sum = 0, before = 0;

	for (size_t i = 0; i < qp1->count; i++) {
		double loss = qp1->ops[i].losses[options[i]];

		sum = sum + loss;
		if (i > 0) {
			sum = sum + qp1_interaction(&qp1->ops[i - 1], before, loss);
		}
		before = loss;
	}
	return sum;
}

/* So that the default loses `hard` times what may be lost. */
static void set_scale(struct qp1 *qp1)
{
	uint16_t *options = mem_new(qp1->count, sizeof(*options));

	qp1->scale =
		qp1->hard * (tolerable / (1 - tolerable)) / at_least(raw_loss(qp1, options), 1);
	free(options);
}

void qp1_init(struct qp1 *qp1, size_t count, uint64_t seed)
{
	uint64_t start = seed * UINT64_C(0x9E3779B97F4A7C15) + count, s[4];
	struct traits traits[TYPES];
	uint16_t *options = mem_new(count, sizeof(*options));
	double u[DRAWS];

	memset(qp1, 0, sizeof(*qp1));
	qp1->count = count;
	qp1->seed = seed;
	qp1->ops = mem_new(count, sizeof(*qp1->ops));
	for (int i = 0; i < 4; i++) {
		s[i] = split(&start);
	}
	qp1->family = draw(s) < 0.5 ? 0 : 1;
	qp1->hard = 2 + 10 * draw(s);
	for (int t = 0; t < TYPES; t++) {
		traits[t].per_tensor = 1 + 3 * draw(s);
		traits[t].symmetric = 1 + 1.5 * draw(s);
		traits[t].kl = 0.4 + 1.2 * draw(s);
		traits[t].int8 = 1.6 + 2 * draw(s);
		traits[t].bf16 = 1.1 + 0.7 * draw(s);
	}
	for (size_t i = 0; i < count; i++) {
		for (int k = 0; k < DRAWS; k++) {
			u[k] = draw(s);
		}
		make_op(qp1, i, traits, u);
	}
	set_scale(qp1);
	for (size_t i = 0; i < count; i++) {
		options[i] = (uint16_t)(qp1->ops[i].options - 1);
	}
	qp1->latency_fp32 = qp1_latency(qp1, options);
	free(options);
}

void qp1_finish(struct qp1 *qp1)
{
	free(qp1->ops);
}

void qp1_vary(struct qp1 *qp1, double interactions, enum qp1_curve curve)
{
	for (size_t i = 0; i < qp1->count; i++) {
		qp1->ops[i].interaction *= interactions;
	}
	qp1->curve = curve;
	set_scale(qp1);
}

static double bend(enum qp1_curve curve, double d)
{
	switch (curve) {
	case QP1_EXPONENTIAL:
		return 1 - exp(-d);
	case QP1_CONVEX:
		return tolerable * pow(d / tolerable, 1.5);
	case QP1_CONCAVE:
		return tolerable * pow(d / tolerable, 2.0 / 3);
	default:
		return d / (1 + d);
	}
}

double qp1_tolerable_loss(const struct qp1 *qp1)
{
	switch (qp1->curve) {
	case QP1_EXPONENTIAL:
		return -log(1 - tolerable) / qp1->scale;
	case QP1_CONVEX:
	case QP1_CONCAVE:
		return tolerable / qp1->scale;
	default:
		return tolerable / (1 - tolerable) / qp1->scale;
	}
}

double qp1_accuracy(const struct qp1 *qp1, const uint16_t *options)
{
	double d = qp1->scale * raw_loss(qp1, options);
	double loss = d > 0 ? bend(qp1->curve, d) : d;

	loss = loss > 1 ? 1 : loss;
	return baseline_accuracy * (1 - (loss < -0.01 ? -0.01 : loss));
}

static int class_of(const struct qp1_op *op, int option)
{
	if (option == op->options - 1) {
		return FP32;
	}
	return op->type <= 2 && option == op->options - 2 ? BF16 : INT8;
}

double qp1_conversion(const struct qp1_op *op, int option, int next_option)
{
	return class_of(op, option) != class_of(op + 1, next_option) ? op->border : 0;
}

double qp1_latency(const struct qp1 *qp1, const uint16_t *options)
{
	double sum = 0;

	for (size_t i = 0; i < qp1->count; i++) {
		sum = sum + qp1->ops[i].latencies[options[i]];
		if (i > 0) {
			sum = sum + qp1_conversion(&qp1->ops[i - 1], options[i - 1], options[i]);
		}
	}
	return sum;
}

double qp1_noise(const struct qp1 *qp1, const uint16_t *options, uint64_t repeat)
{
	uint64_t h = mix(qp1->seed ^ UINT64_C(0xA0761D6478BD642F));
	double z = 0;

	h = mix(h ^ repeat * UINT64_C(0xE7037ED1A0B428DB));
	for (size_t i = 0; i < qp1->count; i++) {
		h = mix((h ^ (uint64_t)(options[i] + 1)) + UINT64_C(0x9E3779B97F4A7C15));
	}
	for (int i = 0; i < 4; i++) {
		z = z + (double)(split(&h) >> 11) * 0x1p-53;
	}
	return (z - 2) * 1.7320508075688772;
}

static void offer(struct capability *capability, struct mode_description *description,
		  enum item item, const char *first, const char *second)
{
	struct options *options = &description->items[item];

	options->atoms = mem_new(2, sizeof(*options->atoms));
	options->atoms[options->count++] = atoms_intern(&capability->atoms, first, false);
	if (second != NULL) {
		options->atoms[options->count++] = atoms_intern(&capability->atoms, second, false);
	}
}

static void add_set(struct capability *capability, int type)
{
	static const enum mode precisions[] = {MODE_BF16, MODE_FP32};
	struct mode_set *set = &capability->sets[capability->set_count++];
	struct mode_description *d;

	set->descriptions = mem_new(3, sizeof(*set->descriptions));
	d = &set->descriptions[set->count++];
	d->mode = MODE_STATIC;
	d->has_weight = type <= 1;
	offer(capability, d, ITEM_ACTIVATION_SCHEME, "asym", type <= 3 ? "sym" : NULL);
	offer(capability, d, ITEM_ACTIVATION_ALGORITHM, "minmax", type <= 2 ? "kl" : NULL);
	if (type <= 1) {
		offer(capability, d, ITEM_WEIGHT_GRANULARITY, "per_channel", "per_tensor");
	}
	for (size_t p = type <= 2 ? 0 : 1; p < 2; p++) {
		set->descriptions[set->count++].mode = precisions[p];
	}
}

double qp1_score(const struct qp1 *qp1, size_t op, enum qp1_scores scores)
{
	if (scores == QP1_HESSIAN) {
		return qp1->ops[op].hessian;
	}
	/* Of every four operators the first two are taken for each other. */
	if (scores == QP1_WEAK && op % 4 < 2 && (op | 1) < qp1->count) {
		return qp1->ops[op ^ 1].mse;
	}
	return qp1->ops[op].mse;
}

/* Of operators per mode: latencies, or else scores. */
static double *known(const struct qp1 *qp1, bool latencies, enum qp1_scores scores)
{
	double *table = mem_new(qp1->count * MODE_COUNT, sizeof(*table));

	for (size_t i = 0; i < qp1->count; i++) {
		const struct qp1_op *op = &qp1->ops[i];
		double *row = &table[i * MODE_COUNT];

		for (int m = 0; m < MODE_COUNT; m++) {
			row[m] = NAN;
		}
		if (latencies) {
			row[MODE_STATIC] = op->latencies[0];
			row[MODE_BF16] = op->type <= 2 ? op->latencies[op->options - 2] : NAN;
			row[MODE_FP32] = op->latencies[op->options - 1];
		} else {
			row[MODE_STATIC] = qp1_score(qp1, i, scores);
		}
	}
	return table;
}

struct space *qp1_space(const struct qp1 *qp1, const struct qp1_hints *hints)
{
	static const char *const types[TYPES] = {"conv", "linear", "matmul", "eltwise", "pool"};
	struct space_request request = {.approach = APPROACH_STATIC};
	struct capability c;
	struct err err;
	struct space *space;

	capability_init(&c);
	c.types = mem_new(TYPES, sizeof(*c.types));
	c.sets = mem_new(TYPES, sizeof(*c.sets));
	for (int t = 0; t < TYPES; t++) {
		c.types[c.type_count++] = mem_dup(types[t]);
		add_set(&c, t);
	}
	c.ops = mem_new(qp1->count, sizeof(*c.ops));
	for (size_t i = 0; i < qp1->count; i++) {
		uint32_t type = (uint32_t)qp1->ops[i].type;

		c.ops[c.op_count++] = (struct capability_op){
			.name = mem_printf("op%zu", i), .type = type, .set = type};
	}
	c.calibration_sizes = mem_new(1, sizeof(*c.calibration_sizes));
	c.calibration_sizes[c.calibration_size_count++] = 100;
	c.latency_ms = hints->latencies ? known(qp1, true, QP1_UNSCORED) : NULL;
	c.score = hints->scores != QP1_UNSCORED ? known(qp1, false, hints->scores) : NULL;
	space = space_create(&c, &request, &err);
	if (space == NULL) {
		(void)fprintf(stderr, "%s\n", err.message);
		abort();
	}
	return space;
}

void qp1_options(const struct qp1 *qp1, const struct space *space, const uint16_t *choices,
		 uint16_t *ret_options)
{
	uint16_t sym = atoms_find(&space->capability.atoms, "sym");
	uint16_t kl = atoms_find(&space->capability.atoms, "kl");
	uint16_t per_tensor = atoms_find(&space->capability.atoms, "per_tensor");

	for (size_t i = 0; i < qp1->count; i++) {
		const struct qp1_op *op = &qp1->ops[i];
		const struct choice *choice = &space_kind(space, i)->choices[choices[i]];
		const uint16_t *o = choice->options;
		int option = 0;

		if (choice->mode == MODE_FP32) {
			option = op->options - 1;
		} else if (choice->mode == MODE_BF16) {
			option = op->options - 2;
		} else {
			option = 2 * option +
				 (per_tensor != 0 && o[ITEM_WEIGHT_GRANULARITY] == per_tensor);
			option = 2 * option + (sym != 0 && o[ITEM_ACTIVATION_SCHEME] == sym);
			option = op->type <= 2 ? 2 * option + (kl != 0 &&
							       o[ITEM_ACTIVATION_ALGORITHM] == kl)
					       : option;
		}
		ret_options[i] = (uint16_t)option;
	}
}
