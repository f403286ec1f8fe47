/*
 * A strategy: what to try next. A fold over a job's events, and a question.
 *
 * apply() changes the state, next() asks and changes nothing. Neither does I/O, looks at a clock
 * or draws hidden random numbers, so a restart applies the stored events again and goes on. The
 * host allocates the state; one thread at a time has it.
 *
 * Contract of the host: the first event is the baseline's EVENT_TOLD. Every question that next()
 * asks comes back as EVENT_ASKED, then, once, as EVENT_TOLD or EVENT_FAILED. With `deterministic`
 * results arrive in the order of trial numbers. Any time later a trial that failed may come as
 * EVENT_TOLD too, because somebody had it measured again. What events and questions point to lives
 * as long as the state. With STRATEGY_SCORES an EVENT_TOLD that has a `space` may come at any time.
 *
 * The strategies of narrowd and those of plug-ins are the same struct. A plug-in is a shared object
 * that defines narrowd_plugin[]; docs/plugins.md explains how it gets into the daemon.
 */
#ifndef NARROWD_STRATEGY_H
#define NARROWD_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "narrowd/rng.h"

struct config;
struct criterion;
struct err;
struct objective;
struct space;
struct strategy_host;

enum {
	STRATEGY_ABI = 2, /* of all that this file declares */
	STRATEGY_PARAMS_MAX = 16,
};

enum question_kind {
	QUESTION_BASELINE,
	QUESTION_EVALUATE,
	QUESTION_SCORE,
	QUESTION_CONFIRM,
	/* Put to the strategy's adviser, who decides elsewhere (strategies/advised.h): */
	QUESTION_BEGIN,   /* here is a job */
	QUESTION_SUGGEST, /* which config next? */
	QUESTION_OBSERVE, /* this is what came of `subject` */
};

struct question {
	enum question_kind kind;
	const char *stage;     /* static text: which part of the strategy asks */
	struct config *config; /* owned by whoever received the question */
	/* QUESTION_SCORE only: */
	const char *method; /* static text: "mse", "mse_v2", "hawq_v2" */
	const char *phase;  /* static text or NULL: "fallback", "requantize" */
	uint32_t *ops;      /* from malloc(), owned like config; whom to score: op_dimension() */
	size_t op_count;
	int64_t confidence_batches; /* 0: the evaluator's own default */
	const char *loss;           /* borrowed from the arguments, or NULL */
	/* QUESTION_EVALUATE: the trial that suggested the config, or 0. QUESTION_OBSERVE: the trial
	 * whose result is to be told. */
	int64_t subject;
	/* QUESTION_EVALUATE: a feasible answer becomes the best whatever its objective, because the
	 * strategy goes from good configs to more quantized ones. */
	bool insists;
	/* QUESTION_EVALUATE: the strategy needs the numbers, not only whether the criterion is met: it
	 * is measured to the end even when part of the data says that it misses. */
	bool whole;
	/* QUESTION_EVALUATE: the numbers only rank configs among each other, so that part of the data is
	 * enough where the job says so. Such a question is `whole`, too. */
	bool ranks;
	/* QUESTION_SCORE: a score for each choice of each operator. */
	bool per_option;
	/* QUESTION_EVALUATE of a config that was measured: it is measured anew, to find out how noisy
	 * measurements are. Without it the answer is that of the first time, and costs nothing. */
	bool again;
};

enum event_type { EVENT_ASKED, EVENT_TOLD, EVENT_FAILED };

/*
 * One step of a job as strategies see it. An EVENT_TOLD of a config that was never asked is a
 * measurement from elsewhere: learn from it, or leave it.
 */
struct event {
	enum event_type type;
	int64_t trial;
	enum question_kind kind;
	/* EVENT_TOLD of QUESTION_SUGGEST: what is suggested, NULL for "nothing more". */
	const struct config *config;
	/* EVENT_ASKED of a score question: */
	const uint32_t *ops;
	size_t op_count;
	/* EVENT_TOLD of a measurement: */
	bool feasible;
	/* Measured on part of the data, of a question that `ranks`: never feasible, and to be compared
	 * with others of the kind alone. */
	bool partial;
	double merit;  /* higher is better whatever the metric */
	double margin; /* to the bound, in units of what may be lost */
	/* Lower is better; NAN when it was measured only until it was clear that it misses the criterion:
	 * then merit and margin are estimates. Never of a question that is `whole`. */
	double objective;
	/* EVENT_TOLD of a score question; higher = suffers more when quantized: */
	const double
		*scores; /* one for each of `ops`; that of its default when each choice has one */
	/* ... those of all choices of the first of `ops`, then of the second, ...; NULL unless that is
	 * what was asked. */
	const double *option_scores;
	/* EVENT_TOLD of a score question that nobody asked, which is of no trial: somebody tells scores that were
	 * made elsewhere. The space as it was, but for what is known of scores: known_score() says it, and what it
	 * said before, or an evaluator has answered, counts no more. It stays until the next such event has been
	 * applied, or the state is finished. NULL in all other events. */
	const struct space *space;
};

/* INC's quant_level where it does not choose the strategy but how the strategy goes on. */
enum level { LEVEL_AUTO, LEVEL_TYPES, LEVEL_OPS };

/* All that a strategy may know of its job besides its events. Borrowed for the state's life. */
struct problem {
	const struct space *space;
	const struct criterion *criterion;
	const struct objective *objective;
	uint64_t seed;
	int parallel;
	enum level level;    /* for strategies that have levels */
	bool keep_searching; /* a config that meets the criterion is not the end */
	bool partial;        /* questions that `ranks` are answered on part of the data */
	/* What the evaluator answers: "evaluate", "score:mse", ...; NULL-terminated. */
	const char *const *answers;
	const struct strategy_host *host; /* how the pointers above are read */
	bool wants_gain; /* stop_on is "first_gain": the job ends by itself at what is looked for */
	/* Of strategies with STRATEGY_FRONT, where both the accuracy and one other metric are to get better: the
	 * objective is then the other metric alone, of events too, and this is how both are weighed when one config
	 * is to be handed over. Else NULL. */
	const struct objective *weighed;
};

/*
 * What the daemon lends to a strategy that is not built in: it reads spaces and makes configs by
 * these functions, and is linked to nothing. All may be called by any thread and do no I/O.
 *
 * A space first has dimensions for operators, in the order of the graph. Operators are not
 * dimensions: those that are tied share one, so ask op_dimension(). Then come the other things that
 * are tuned: the first is the calibration sampling size. Each dimension has a list of choices, best
 * first: 0 is the default.
 */
struct strategy_host {
	size_t (*dimension_count)(const struct space *space);
	/* All operators of the model, in the order of the graph. */
	size_t (*op_count)(const struct space *space);
	/* Where in a config the operator's choice is; that of those that are tied is one and the same. */
	size_t (*op_dimension)(const struct space *space, size_t op);
	uint16_t (*choice_count)(const struct space *space, size_t dimension);
	/* Texts live as long as the space. */
	const char *(*op_name)(const struct space *space, size_t op);
	const char *(*op_type)(const struct space *space, size_t op);
	/* "static", "dynamic", "weight_only", "bf16", "fp16" or "fp32". */
	const char *(*choice_mode)(const struct space *space, size_t op, uint16_t choice);
	bool (*choice_is_quantized)(const struct space *space, size_t op, uint16_t choice);
	/* As configs have it: attribute "weight" or "activation", option "dtype", "scheme", ...; NULL
	 * when the operator's choice does not have it. `choices` is a whole config, one choice for every
	 * dimension: options that are uniform follow from others than the operator's. */
	const char *(*choice_option)(const struct space *space, size_t op, const uint16_t *choices,
				     const char *attribute, const char *option);
	/* What the capability says of the operator in the choice, or of all that are tied to it together;
	 * NAN when nothing. Options that are uniform are as in the default. */
	double (*known_latency_ms)(const struct space *space, size_t op, uint16_t choice);
	double (*known_size_bytes)(const struct space *space, size_t op, uint16_t choice);
	double (*known_score)(const struct space *space, size_t op, uint16_t choice);
	/* From one choice for every dimension; NULL when one is outside of the space. The config
	 * belongs to the caller, who gives it away in a question or destroys it. */
	struct config *(*config_create)(const struct space *space, const uint16_t *choices);
	void (*config_destroy)(struct config *config);
	uint16_t (*config_choice)(const struct config *config, size_t dimension);
	bool (*config_equal)(const struct config *a, const struct config *b);
	/* Zeroed memory, for free(); never NULL: without memory the daemon ends. */
	void *(*allocate)(size_t count, size_t size);
	/* Uniform in 0 .. bound - 1, bound > 0; and in [0, 1). */
	uint64_t (*random_below)(struct rng *rng, uint64_t bound);
	double (*random_unit)(struct rng *rng);
	/* Fills the error of init() with what a user is to read, and returns what init() returns. */
	int (*fail)(struct err *reterr, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
};

/* One strategy_kwarg: validation, documentation and the web form come from this. */
struct param {
	const char *name;           /* NULL ends a table */
	double fallback, min, max;  /* numbers; for PARAM_TEXT min and max bound the bytes */
	const char *const *choices; /* PARAM_TEXT: NULL-terminated, or NULL for any */
	const char *text_fallback;
	const char *help;
	enum { PARAM_INTEGER, PARAM_REAL, PARAM_BOOL, PARAM_TEXT } type;
	bool required;
	bool secret; /* never shown or written where people read it */
};

/* Who suggests configs to a strategy that does not decide itself. */
enum adviser { ADVISER_NONE, ADVISER_REMOTE, ADVISER_SIGOPT };

/* Values in the order of the params table. */
struct args {
	double numbers[STRATEGY_PARAMS_MAX];
	const char *texts[STRATEGY_PARAMS_MAX];
};

enum step {
	STEP_ASK,     /* *out is a question */
	STEP_WAIT,    /* results that are still out are needed first */
	STEP_DONE,    /* nothing is left to try */
	STEP_CONTENT, /* what was found meets the criterion, and that is all that is looked for */
};

/* What users are told of a strategy, and what is done about it; flags. */
enum strategy_trait {
	STRATEGY_ONE_SIZE = 1,  /* uses the first calibration sampling size alone */
	STRATEGY_ONE_ALPHA = 2, /* uses the first alpha of smooth quant alone */
	STRATEGY_NO_QUANT = 4,  /* lowers precisions and quantizes nothing */
	STRATEGY_BASELINE = 8,  /* has the config measured that is the baseline, as INC does; for
				  * others it is answered by the baseline's own measurement */
	STRATEGY_FRONT = 16, /* searches the whole front where accuracy is one of two objectives */
	STRATEGY_SCORES =
		32, /* takes up scores that are told while it searches; others are not shown any */
};

struct strategy_ops {
	uint32_t abi;     /* STRATEGY_ABI; stays the first member for ever */
	uint32_t version; /* of behaviour: a job that goes on under another one says so */
	const char *name, *summary, *when; /* when: when to choose it */
	const struct param *params;        /* may be NULL */
	const char *const *needs; /* what the evaluator must answer besides "evaluate"; NULL */
	bool has_levels; /* the job's quant_level is its level: it does not outrank this strategy */
	/* With `deterministic` next() is called for trial n once the results of trials 0 .. n - parallel
	 * are known, and sees no newer ones unless it waits for them. */
	bool in_order;
	uint16_t
		traits; /* enum strategy_trait; lies where there was padding, so 0 in older plug-ins */
	enum adviser adviser;
	size_t (*state_size)(const struct problem *problem);
	/* `state` is zeroed. */
	int (*init)(void *state, const struct problem *problem, const struct args *args,
		    struct err *reterr);
	void (*apply)(void *state, const struct event *event);
	enum step (*next)(const void *state, struct rng rng, struct question *out);
	/* Optional. Frees what init() and apply() allocated, not the state itself. */
	void (*finish)(void *state);
	/* Optional. While true only the budget ends the job, however good its best config is; with
	 * `wants_gain` a config that gains does. */
	bool (*holds)(const void *state);
	/* Optional. While true next() asks QUESTION_OBSERVE or waits for its answer, whatever the
	 * budget, and the job does not end by its own exit policy. */
	bool (*owes)(const void *state);
	/* Optional. The trial to hand over in the end, for strategies that know better than single
	 * noisy measurements do; 0 for the best that was measured. */
	int64_t (*choose)(const void *state);
};

/*
 * What a plug-in defines: its strategies, NULL-terminated. Their `abi` is compared with that of the
 * daemon before anything else is read.
 */
extern const struct strategy_ops *const narrowd_plugin[] __attribute__((visibility("default")));

#endif
