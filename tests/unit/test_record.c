/*
 * record: an operation that was written as bytes is read back as the same operation, and bytes that are none are refused.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/db.h"
#include "store/record.h"
#include "store/seal.h"

/* What could be taken for something else by who reads it. */
static const char *const odd[OP_TEXTS] = {"job 7:",
					  "-",
					  "",
					  "{\"a\": \"\\u0000 12:\"}",
					  "sealed:1:AAAA",
					  NULL,
					  "\xe2\x82\xac\n3:abc -"};

static void take_key(void)
{
	char directory[] = "/tmp/narrowd-record-XXXXXX";
	char *path;
	sqlite3 *db;
	struct err err;

	cr_assert_not_null(mkdtemp(directory));
	path = mem_printf("%s/key", directory);
	cr_assert_eq(db_open(":memory:", DB_COPY, &db, &err), 0, "%s", err.message);
	cr_assert_eq(seal_take_key(db, path, &err), 0, "%s", err.message);
	(void)sqlite3_close(db);
	(void)unlink(path);
	(void)rmdir(directory);
	free(path);
}

static struct op *make(enum op_kind kind)
{
	const struct log_event events[] = {
		{LOGGED_QUESTION_LEASED, 1700000000123, 0, "{\"x\": 1.50}"},
		{LOGGED_WARNING, -1, -1, NULL},
		{LOGGED_TRIAL_TOLD, INT64_MAX, INT64_MAX, " "},
	};
	const struct store_key key = {"a scope", "k 3:", "00ff", 201, NULL, "{\"the\":\"body\"}",
				      -5};
	struct op *op = op_create(kind, odd, events, 3, &key, NULL, NULL);

	op->version = INT64_MIN;
	op->attempt = (struct store_attempt){.webhook = op->texts[0],
					     .n = 77,
					     .verdict = STORE_GONE,
					     .at_ms = 12,
					     .retry_at_ms = -13,
					     .status = 410,
					     .error = op->texts[1]};
	return op;
}

static void write_op(const struct op *op, struct buf *buf)
{
	struct err err;

	buf_init(buf, 100000);
	cr_assert_eq(record_write(op, buf, &err), 0, "%s", err.message);
	cr_assert_not(buf->failed);
}

static void same_text(const char *is, const char *must)
{
	cr_assert_eq(is == NULL, must == NULL);
	if (must != NULL) {
		cr_assert_str_eq(is, must);
	}
}

static void same_key(const struct store_key *is, const struct store_key *must)
{
	cr_assert_eq(is == NULL, must == NULL);
	if (must == NULL) {
		return;
	}
	same_text(is->scope, must->scope);
	same_text(is->key, must->key);
	same_text(is->fingerprint, must->fingerprint);
	cr_assert_eq(is->status, must->status);
	same_text(is->location, must->location);
	same_text(is->body, must->body);
	cr_assert_eq(is->at_ms, must->at_ms);
}

static void same_attempt(const struct op *is, const struct op *must)
{
	cr_assert_eq(is->attempt.webhook, is->texts[0]);
	cr_assert_eq(is->attempt.error, is->texts[1]);
	cr_assert_eq(is->attempt.n, must->attempt.n);
	cr_assert_eq(is->attempt.verdict, must->attempt.verdict);
	cr_assert_eq(is->attempt.at_ms, must->attempt.at_ms);
	cr_assert_eq(is->attempt.retry_at_ms, must->attempt.retry_at_ms);
	cr_assert_eq(is->attempt.status, must->attempt.status);
}

static void same(const struct op *is, const struct op *must)
{
	cr_assert_eq(is->kind, must->kind);
	for (int i = 0; i < OP_TEXTS; i++) {
		same_text(is->texts[i], must->texts[i]);
	}
	cr_assert_eq(is->version, must->version);
	cr_assert_eq(is->event_count, must->event_count);
	for (size_t i = 0; i < must->event_count; i++) {
		cr_assert_eq(is->events[i].type, must->events[i].type);
		cr_assert_eq(is->events[i].at_ms, must->events[i].at_ms);
		cr_assert_eq(is->events[i].trial, must->events[i].trial);
		same_text(is->events[i].data, must->events[i].data);
	}
	same_key(is->key, must->key);
	if (must->kind == OP_DELIVERY_END || must->kind == OP_DELIVERY_REPLAY) {
		same_attempt(is, must);
	}
	cr_assert(is->urgent, "what was logged is run on a full disk, too");
}

Test(record, every_kind_is_read_as_it_was_written)
{
	take_key();
	for (int kind = 0; kind < OP_KINDS_; kind++) {
		struct op *op = make((enum op_kind)kind);
		struct op *read;
		struct buf buf;
		struct err err;

		write_op(op, &buf);
		read = record_read(buf.bytes, buf.length, &err);
		cr_assert_not_null(read, "%s: %s", record_kind(op->kind), err.message);
		same(read, op);
		op_destroy(read);
		buf_finish(&buf);
		op_destroy(op);
	}
}

Test(record, what_is_not_there_stays_away)
{
	const char *none[OP_TEXTS] = {NULL};
	struct op *op = op_create(OP_KEY_PUT, none, NULL, 0, NULL, NULL, NULL);
	struct op *read;
	struct buf buf;
	struct err err;

	write_op(op, &buf);
	cr_assert_str_eq(buf.bytes, "narrowd-op 1 key_put - - - - - - - - 0 0");
	read = record_read(buf.bytes, buf.length, &err);
	cr_assert_not_null(read, "%s", err.message);
	same(read, op);
	op_destroy(read);
	buf_finish(&buf);
	op_destroy(op);
}

Test(record, secrets_are_sealed)
{
	static const enum op_kind kinds[] = {OP_JOB_INSERT, OP_EVALUATOR_PUT, OP_WEBHOOK_PUT};
	static const char *const texts[OP_TEXTS] = {"id", "a", "hidden", "b", "hidden"};
	const struct store_key key = {"s", "k", "f", 200, NULL, "hidden", 0};

	take_key();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *given[OP_TEXTS] = {"id", "a", i > 0 ? texts[2] : "c", "b",
					       i == 0 ? texts[4] : "d"};
		struct op *op = op_create(kinds[i], given, NULL, 0, &key, NULL, NULL);
		struct buf buf;

		write_op(op, &buf);
		cr_assert_null(strstr(buf.bytes, "hidden"), "%s", buf.bytes);
		buf_finish(&buf);
		op_destroy(op);
	}
}

Test(record, another_key_is_named_as_the_fault)
{
	struct op *op = make(OP_WEBHOOK_PUT);
	struct buf buf;
	struct err err;

	cr_assert_eq((buf_init(&buf, 100000), record_write(op, &buf, &err)), -ERR_CONFIG,
		     "there is no key yet");
	buf_finish(&buf);
	take_key();
	write_op(op, &buf);
	take_key();
	cr_assert_null(record_read(buf.bytes, buf.length, &err));
	cr_assert_eq(err.code, ERR_CONFIG);
	cr_assert_not_null(strstr(err.message, "all daemons of a database share one"));
	buf_finish(&buf);
	op_destroy(op);
}

static enum err_code refusal(const char *bytes, size_t length)
{
	/* A copy of its own, so that a sanitizer sees who reads on. */
	char *copy = mem_dup_n(bytes, length);
	struct err err;
	struct op *op = record_read(copy, length, &err);

	free(copy);
	cr_assert_null(op, "%.*s", (int)length, bytes);
	return err.code;
}

Test(record, what_is_cut_or_changed_is_refused)
{
	struct op *op;
	struct buf buf;

	take_key();
	op = make(OP_DELIVERY_END);
	write_op(op, &buf);
	for (size_t length = 0; length < buf.length; length++) {
		(void)refusal(buf.bytes, length);
	}
	for (size_t i = 0; i < buf.length; i++) {
		struct err err;
		char *copy = mem_dup_n(buf.bytes, buf.length);

		copy[i] = (char)(copy[i] ^ 0x15);
		op_destroy(record_read(copy, buf.length, &err)); /* a changed text is a text */
		free(copy);
	}
	buf_finish(&buf);
	op_destroy(op);
}

Test(record, what_is_newer_says_so)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{"narrowd-op 2 append", ERR_NEWER_SCHEMA},
		{"narrowd-op 1 fly - - - - - - - - 0 0", ERR_NEWER_SCHEMA},
		{"narrowd-op 1 append 1:j - - - - - - - 0 1 flown 1 -1 2:{}", ERR_NEWER_SCHEMA},
		{"narrowd-op 1 append 1:j - - - - - - - 0 1 timeout 1 -1 -", ERR_CORRUPT},
		{"narrowd-op 1 append 1:j - - - - - - - 0 99999999999999 timeout", ERR_CORRUPT},
		{"narrowd-op 1 append 99999999999999999999999:j", ERR_CORRUPT},
		{"narrowd-op 1 key_put - - - - - - - - 0 0 x", ERR_CORRUPT},
		{"INSERT INTO event", ERR_CORRUPT},
		{"", ERR_CORRUPT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(refusal(cases[i].text, strlen(cases[i].text)), cases[i].code, "%s",
			     cases[i].text);
	}
}
