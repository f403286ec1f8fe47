/*
 * Every limit on what a client can make us hold, in one place.
 */
#ifndef NARROWD_BASE_LIMITS_H
#define NARROWD_BASE_LIMITS_H

enum {
	/* HTTP server */
	LIMIT_TARGET_BYTES = 8 * 1024,
	LIMIT_HEADER_BYTES = 16 * 1024,
	LIMIT_QUERY_ARGS = 64,
	LIMIT_BODY_BYTES = 8 * 1024 * 1024,
	LIMIT_CONNECTIONS = 1024,
	LIMIT_REPLIES_BYTES = 32 * 1024 * 1024, /* long answers that clients have not taken yet */
	LIMIT_WAIT_S = 25,
	LIMIT_SSE_QUEUE_BYTES = 256 * 1024,
	/* JSON */
	LIMIT_JSON_DEPTH = 32,
	LIMIT_JSON_VALUES = 1000 * 1000,
	LIMIT_JSON_BYTES = 128 * 1024 * 1024, /* of memory, for all trees together */
	/* Jobs */
	LIMIT_OPS = 20000,
	LIMIT_NAME_BYTES = 1024,
	LIMIT_CLONE_NAMES = 20, /* that are tried for one clone */
	LIMIT_REASON_BYTES = 256,
	LIMIT_OPTIONS_PER_ITEM = 256,
	LIMIT_CHOICES_PER_OP = 16384,
	LIMIT_LABELS = 64,
	LIMIT_TRIALS = 100000,
	LIMIT_TRIALS_CHANGED = 2500, /* in one call */
	LIMIT_PARALLEL = 256,
	LIMIT_METRICS = 16,
	LIMIT_SAMPLES = 1000, /* of one metric in one answer */
	LIMIT_CALIBRATION_SIZES = 64,
	LIMIT_DICT_ENTRIES = 4096,
	LIMIT_LIBRARY_JOBS = 4,                /* whose learning one job begins with */
	LIMIT_KNOWN = 256,                     /* entries, of one operator or type */
	LIMIT_SCORES_BYTES = 32 * 1024 * 1024, /* that one job is told; as a restart has them */
	/* Pages */
	LIMIT_PAGE_DEFAULT = 100,
	LIMIT_PAGE = 1000,
	/* Idempotency */
	LIMIT_KEY_BYTES = 128,
	/* Evaluators */
	LIMIT_URL_BYTES = 2048,
	LIMIT_EVALUATORS = 32, /* of one job */
	LIMIT_CA_BYTES = 64 * 1024,
	LIMIT_EVALUATOR_HEADERS = 16,
	LIMIT_EVALUATOR_HEADER_BYTES = 4 * 1024, /* names and values of all */
	LIMIT_POOL_BYTES = 64,
	LIMIT_WORKER_BYTES = 128,
	LIMIT_WORKERS = 10000,
	LIMIT_LEASES = 64, /* in one request */
	LIMIT_TTL_MIN_S = 5,
	LIMIT_TTL_S = 3600,
	LIMIT_QUESTION_S = 30 * 24 * 3600,
	LIMIT_ARGS_BYTES = 16 * 1024,
	LIMIT_ARGS_DEPTH = 8,
	LIMIT_LATE_ANSWER_BYTES = 4096,
	LIMIT_REPLY_BYTES = 1024 * 1024,
	LIMIT_REPLY_HEADER_BYTES = 16 * 1024,
	LIMIT_ERROR_TEXT_BYTES = 256,
	/* Webhooks */
	LIMIT_WEBHOOKS = 100,
	LIMIT_WEBHOOK_EVENTS = 64,
	LIMIT_RECEIPT_BYTES = 64 * 1024,
	/* Tokens */
	LIMIT_TOKENS = 10000,
	LIMIT_OWNER_BYTES = 64,
	LIMIT_TOKEN_POOLS = 32,
	LIMIT_TOKEN_FAILURES = 20, /* a minute, of one address */
};

#endif
