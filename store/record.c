/* Writes operations as bytes, and reads them again. */
#include "store/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/seal.h"

#define MARK    "narrowd-op "
#define VERSION "1"

/* Longer than any name of a kind or a type. */
enum { WORD_MAX = 40 };

/* `secret` is the text that is sealed for the first one, which is the id; 0: none. */
static const struct {
	const char *name;
	int secret;
} kinds[] = {
	[OP_JOB_INSERT] = {"job_insert", 4},
	[OP_APPEND] = {"append", 0},
	[OP_JOB_DELETE] = {"job_delete", 0},
	[OP_EVALUATOR_PUT] = {"evaluator_put", 2},
	[OP_EVALUATOR_DELETE] = {"evaluator_delete", 0},
	[OP_WEBHOOK_PUT] = {"webhook_put", 2},
	[OP_WEBHOOK_DELETE] = {"webhook_delete", 0},
	[OP_WEBHOOK_ENABLE] = {"webhook_enable", 0},
	[OP_DELIVERY_END] = {"delivery_end", 0},
	[OP_DELIVERY_REPLAY] = {"delivery_replay", 0},
	[OP_TOKEN_PUT] = {"token_put", 0},
	[OP_TOKEN_END] = {"token_end", 0},
	[OP_TOKEN_USED] = {"token_used", 0},
	[OP_KEY_PUT] = {"key_put", 0},
	[OP_FORGET] = {"forget", 0},
};

_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == OP_KINDS_, "every kind has a name");

static const char *const verdicts[] = {
	[STORE_DELIVERED] = "delivered",
	[STORE_RETRY] = "retry",
	[STORE_DEAD] = "dead",
	[STORE_GONE] = "gone",
};

enum { VERDICTS = sizeof(verdicts) / sizeof(verdicts[0]) };

const char *record_kind(enum op_kind kind)
{
	return kinds[kind].name;
}

static void put_text(struct buf *buf, const char *text)
{
	if (text == NULL) {
		buf_text(buf, " -");
		return;
	}
	buf_printf(buf, " %zu:", strlen(text));
	buf_text(buf, text);
}

static int put_secret(struct buf *buf, const char *text, const char *id, struct err *reterr)
{
	char *sealed = text != NULL ? seal_text(text, id) : NULL;

	if (text != NULL && sealed == NULL) {
		return err_set(reterr, ERR_CONFIG, "there is no key to seal secrets with");
	}
	put_text(buf, sealed);
	free(sealed);
	return 0;
}

static int put_texts(struct buf *buf, const struct op *op, struct err *reterr)
{
	int secret = kinds[op->kind].secret;
	int rc = 0;

	for (int i = 0; rc == 0 && i < OP_TEXTS; i++) {
		if (i > 0 && i == secret) {
			rc = put_secret(buf, op->texts[i], op->texts[0], reterr);
		} else {
			put_text(buf, op->texts[i]);
		}
	}
	return rc;
}

static int put_key(struct buf *buf, const struct store_key *key, struct err *reterr)
{
	if (key == NULL) {
		buf_text(buf, " -");
		return 0;
	}
	put_text(buf, key->scope);
	put_text(buf, key->key);
	put_text(buf, key->fingerprint);
	buf_printf(buf, " %d", key->status);
	put_text(buf, key->location);
	buf_printf(buf, " %lld", (long long)key->at_ms);
	return put_secret(buf, key->body, key->key, reterr);
}

static size_t length_of(const char *text)
{
	return text != NULL ? strlen(text) : 0;
}

size_t record_length(const struct op *op)
{
	size_t length = op->key != NULL ? length_of(op->key->body) : 0;

	for (int i = 0; i < OP_TEXTS; i++) {
		length += length_of(op->texts[i]);
	}
	for (size_t i = 0; i < op->event_count; i++) {
		length += length_of(op->events[i].data);
	}
	return length;
}

int record_write(const struct op *op, struct buf *buf, struct err *reterr)
{
	const struct store_attempt *attempt = &op->attempt;
	int rc;

	buf_text(buf, MARK VERSION " ");
	buf_text(buf, kinds[op->kind].name);
	rc = put_texts(buf, op, reterr);
	if (rc == 0) {
		rc = put_key(buf, op->key, reterr);
	}
	if (op->kind == OP_DELIVERY_END || op->kind == OP_DELIVERY_REPLAY) {
		buf_printf(buf, " %lld %s %lld %lld %d", (long long)attempt->n,
			   verdicts[attempt->verdict], (long long)attempt->at_ms,
			   (long long)attempt->retry_at_ms, attempt->status);
	}
	buf_printf(buf, " %lld %zu", (long long)op->version, op->event_count);
	for (size_t i = 0; i < op->event_count; i++) {
		const struct log_event *event = &op->events[i];

		buf_printf(buf, " %s %lld %lld", logged_name(event->type), (long long)event->at_ms,
			   (long long)event->trial);
		put_text(buf, event->data);
	}
	return rc;
}

/* What is left to read. */
struct cursor {
	const char *at;
	size_t left;
	int rc; /* of the first that was not as it must be */
	struct err *reterr;
};

static void spoil(struct cursor *cursor, enum err_code code, const char *what)
{
	if (cursor->rc == 0) {
		cursor->rc = err_set(cursor->reterr, code, "an operation in the log: %s", what);
	}
	cursor->left = 0;
}

/* Up to the next space; "" when there is none that long. */
static void get_word(struct cursor *cursor, char word[WORD_MAX])
{
	size_t length = 0;

	word[0] = '\0';
	while (length < cursor->left && cursor->at[length] != ' ') {
		length++;
	}
	if (length == 0 || length >= WORD_MAX) {
		spoil(cursor, ERR_CORRUPT, "a word is missing");
		return;
	}
	memcpy(word, cursor->at, length);
	word[length] = '\0';
	length += length < cursor->left ? 1 : 0;
	cursor->at += length;
	cursor->left -= length;
}

static int64_t get_number(struct cursor *cursor)
{
	char word[WORD_MAX];
	char *end;
	long long value;

	get_word(cursor, word);
	errno = 0;
	value = strtoll(word, &end, 10);
	if (end == word || *end != '\0' || errno != 0) {
		spoil(cursor, ERR_CORRUPT, "a number is missing");
		return 0;
	}
	return value;
}

static bool is_null(const struct cursor *cursor)
{
	return cursor->left >= 1 && cursor->at[0] == '-' &&
	       (cursor->left == 1 || cursor->at[1] == ' ');
}

static size_t get_length(struct cursor *cursor)
{
	size_t length = 0;
	size_t digits = 0;

	while (digits < cursor->left && cursor->at[digits] >= '0' && cursor->at[digits] <= '9' &&
	       length <= cursor->left) {
		length = length * 10 + (size_t)(cursor->at[digits++] - '0');
	}
	if (digits == 0 || digits == cursor->left || cursor->at[digits] != ':' ||
	    length > cursor->left - digits - 1) {
		spoil(cursor, ERR_CORRUPT, "a text is cut");
		return 0;
	}
	cursor->at += digits + 1;
	cursor->left -= digits + 1;
	return length;
}

/* NULL where one was written, and for what is no text. */
static char *get_text(struct cursor *cursor)
{
	char word[WORD_MAX];
	size_t length;
	char *text;

	if (is_null(cursor)) {
		get_word(cursor, word);
		return NULL;
	}
	length = get_length(cursor);
	if (cursor->rc == 0 && (memchr(cursor->at, '\0', length) != NULL ||
				(length < cursor->left && cursor->at[length] != ' '))) {
		spoil(cursor, ERR_CORRUPT, "a text is not as long as it says");
	}
	if (cursor->rc != 0) {
		return NULL;
	}
	text = mem_new(length + 1, 1);
	memcpy(text, cursor->at, length);
	length += length < cursor->left ? 1 : 0;
	cursor->at += length;
	cursor->left -= length;
	return text;
}

static char *get_secret(struct cursor *cursor, const char *id)
{
	char *sealed = get_text(cursor);
	char *text = sealed != NULL && id != NULL ? seal_open(sealed, id) : NULL;

	if (sealed != NULL && text == NULL) {
		spoil(cursor, ERR_CONFIG,
		      "a secret was not sealed by this key: all daemons of a database share one");
	}
	free(sealed);
	return text;
}

/* A key that lacks a text is not kept, so that nobody meets it. */
static struct store_key *get_key(struct cursor *cursor)
{
	struct store_key *key;
	char word[WORD_MAX];

	if (is_null(cursor)) {
		get_word(cursor, word);
		return NULL;
	}
	key = mem_new(1, sizeof(*key));
	key->scope = get_text(cursor);
	key->key = get_text(cursor);
	key->fingerprint = get_text(cursor);
	key->status = (int)get_number(cursor);
	key->location = get_text(cursor);
	key->at_ms = get_number(cursor);
	key->body = get_secret(cursor, key->key);
	if (key->scope == NULL || key->key == NULL || key->fingerprint == NULL) {
		spoil(cursor, ERR_CORRUPT, "a key is not whole");
	}
	return key;
}

static enum op_kind get_kind(struct cursor *cursor)
{
	char word[WORD_MAX];
	int kind = 0;

	get_word(cursor, word);
	while (kind < OP_KINDS_ && strcmp(kinds[kind].name, word) != 0) {
		kind++;
	}
	if (kind == OP_KINDS_) {
		spoil(cursor, ERR_NEWER_SCHEMA, "only a newer narrowd knows its kind: upgrade");
		return OP_KEY_PUT;
	}
	return (enum op_kind)kind;
}

static void get_attempt(struct cursor *cursor, struct op *op)
{
	char word[WORD_MAX];
	int verdict = 0;

	op->attempt.webhook = op->texts[0];
	op->attempt.error = op->texts[1];
	op->attempt.n = get_number(cursor);
	get_word(cursor, word);
	while (verdict < VERDICTS && strcmp(verdicts[verdict], word) != 0) {
		verdict++;
	}
	if (verdict == VERDICTS) {
		spoil(cursor, ERR_CORRUPT, "a delivery has no such end");
		verdict = STORE_RETRY;
	}
	op->attempt.verdict = (enum store_verdict)verdict;
	op->attempt.at_ms = get_number(cursor);
	op->attempt.retry_at_ms = get_number(cursor);
	op->attempt.status = (int)get_number(cursor);
}

static void get_events(struct cursor *cursor, struct op *op)
{
	int64_t count = get_number(cursor);

	/* Each takes more bytes than one: no count makes us ask for more than was sent. */
	if (count < 0 || (size_t)count > cursor->left) {
		spoil(cursor, ERR_CORRUPT, "events are missing");
		count = 0;
	}
	op->events = mem_new((size_t)count, sizeof(*op->events));
	for (int64_t i = 0; i < count && cursor->rc == 0; i++) {
		struct log_event *event = &op->events[i];
		char word[WORD_MAX];

		get_word(cursor, word);
		event->type = logged_find(word);
		event->at_ms = get_number(cursor);
		event->trial = get_number(cursor);
		event->data = get_text(cursor);
		op->event_count++;
		if (event->type == LOGGED_TYPES_) {
			spoil(cursor, ERR_NEWER_SCHEMA,
			      "only a newer narrowd knows its event: upgrade");
		} else if (event->data == NULL) {
			spoil(cursor, ERR_CORRUPT, "an event has no data");
		}
	}
}

static void get_version(struct cursor *cursor)
{
	char word[WORD_MAX];

	if (cursor->left < strlen(MARK) || memcmp(cursor->at, MARK, strlen(MARK)) != 0) {
		spoil(cursor, ERR_CORRUPT, "narrowd did not write it");
		return;
	}
	cursor->at += strlen(MARK);
	cursor->left -= strlen(MARK);
	get_word(cursor, word);
	if (cursor->rc == 0 && strcmp(word, VERSION) != 0) {
		spoil(cursor, ERR_NEWER_SCHEMA, "a newer narrowd wrote it: upgrade");
	}
}

struct op *record_read(const char *bytes, size_t length, struct err *reterr)
{
	struct cursor cursor = {.at = bytes, .left = length, .reterr = reterr};
	struct op *op = mem_new(1, sizeof(*op));

	op->urgent = true;
	get_version(&cursor);
	op->kind = get_kind(&cursor);
	for (int i = 0; i < OP_TEXTS; i++) {
		op->texts[i] = i > 0 && i == kinds[op->kind].secret
				       ? get_secret(&cursor, op->texts[0])
				       : get_text(&cursor);
	}
	op->key = get_key(&cursor);
	if (op->kind == OP_DELIVERY_END || op->kind == OP_DELIVERY_REPLAY) {
		get_attempt(&cursor, op);
	}
	op->version = get_number(&cursor);
	get_events(&cursor, op);
	if (cursor.left > 0) {
		spoil(&cursor, ERR_CORRUPT, "more stands behind it");
	}
	if (cursor.rc != 0) {
		op_destroy(op);
		return NULL;
	}
	return op;
}
