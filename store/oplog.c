/* Appends operations to the log as one statement, and reads them again. */
#include "store/oplog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/postgres.h"
#include "store/record.h"

enum {
	/* PostgreSQL takes no message of a gigabyte. */
	BATCH_BYTES = 32 * 1024 * 1024,
	PAYLOAD_MAX = 512 * 1024 * 1024,
};

int oplog_batch_init(struct oplog_batch *batch, struct op *const *ops, size_t count,
		     struct err *reterr)
{
	int rc = 0;

	*batch = (struct oplog_batch){.ops = ops};
	batch->payloads = mem_new(count, sizeof(*batch->payloads));
	while (rc == 0 && batch->count < count && batch->bytes < BATCH_BYTES) {
		struct buf *payload = &batch->payloads[batch->count];

		buf_init_long(payload, PAYLOAD_MAX);
		rc = record_write(ops[batch->count], payload, reterr);
		if (rc == 0 && payload->failed) {
			rc = err_set(reterr, ERR_TOO_LARGE,
				     "this is more than fits into one operation of the log");
		}
		batch->count++;
		batch->bytes += payload->length;
	}
	/* What cannot be written is the next one's first. */
	if (rc != 0 && batch->count > 1) {
		batch->count--;
		buf_finish(&batch->payloads[batch->count]);
		rc = 0;
	}
	return rc;
}

void oplog_batch_finish(struct oplog_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		buf_finish(&batch->payloads[i]);
	}
	free(batch->payloads);
	*batch = (struct oplog_batch){0};
}

enum { P_DAEMON, P_EPOCH, P_BEFORE, P_AFTER, P_COUNT, P_FIXED };

/*
 * One statement is one transaction with one way there and back. The daemon's row lets it in once; that of the head gives
 * the positions. Rows of the log follow as parameters.
 */
static void build_append(struct buf *sql, size_t count)
{
	buf_init(sql, SIZE_MAX);
	buf_text(sql, "WITH me AS (UPDATE narrowd.daemon SET serial = $4::bigint,"
		      " seen = clock_timestamp() WHERE id = $1 AND epoch = $2::bigint"
		      " AND serial = $3::bigint RETURNING id),"
		      " head AS (UPDATE narrowd.head SET position = position + $5::bigint"
		      " WHERE EXISTS (SELECT 1 FROM me) RETURNING position - $5::bigint AS base),"
		      " added AS (INSERT INTO narrowd.op (position, daemon, epoch, serial, kind,"
		      " payload) SELECT base + i, $1, $2::bigint, $3::bigint + i, kind, payload"
		      " FROM head, (VALUES ");
	for (size_t i = 0; i < count; i++) {
		buf_printf(sql, "%s(%zu, $%zu::text, $%zu::bytea)", i > 0 ? ", " : "", i + 1,
			   P_FIXED + 2 * i + 1, P_FIXED + 2 * i + 2);
	}
	buf_text(sql, ") AS given (i, kind, payload))"
		      " SELECT base::text, " PGSESSION_NAME
		      ", pg_notify('narrowd', '')::text FROM head");
}

static void say_place(const struct shared *shared, int64_t position, int64_t serial,
		      struct replica_place *ret)
{
	ret->position = position;
	(void)snprintf(ret->mark, sizeof(ret->mark), "%s/%s/%lld", shared->replica->daemon,
		       shared->epoch, (long long)serial);
}

/* The numbers of a batch follow each other, as its positions do. */
struct replica_place oplog_place_before(const struct replica_place *last, size_t count)
{
	struct replica_place place = *last;
	char *number = strrchr(place.mark, '/') + 1;
	int64_t serial = strtoll(number, NULL, 10) - (int64_t)count;

	place.position -= (int64_t)count;
	(void)snprintf(number, sizeof(place.mark) - (size_t)(number - place.mark), "%lld",
		       (long long)serial);
	return place;
}

/*
 * Nothing was appended: it had been before, its answer was lost; or this daemon may not any more. Who took its place may have
 * made the log shorter since it was looked at.
 */
static int find_appended(struct shared *shared, size_t count, struct replica_place *ret_last,
			 struct err *reterr)
{
	static const char sql[] =
		"SELECT position::text FROM narrowd.op WHERE position > $1::bigint"
		" AND daemon = $2 AND epoch = $3::bigint AND serial = $4::bigint"
		" UNION ALL SELECT (first + $4::bigint - serial)::text FROM narrowd.past"
		" WHERE daemon = $2 AND epoch = $3::bigint"
		" AND $4::bigint BETWEEN serial AND serial + last - first";
	char after[SHARED_NUMBER_SIZE], serial[SHARED_NUMBER_SIZE];
	struct postgres_rows rows;
	int rc;

	(void)snprintf(after, sizeof(after), "%lld", (long long)shared->replica->at.position);
	(void)snprintf(serial, sizeof(serial), "%lld",
		       (long long)(shared->serial + (int64_t)count));
	rc = shared_run(shared, sql,
			(struct postgres_value[]){
				POSTGRES_TEXT(after), POSTGRES_TEXT(shared->replica->daemon),
				POSTGRES_TEXT(shared->epoch), POSTGRES_TEXT(serial)},
			4, &rows, reterr);
	if (rc == 0 && rows.count == 0) {
		rc = err_set(
			reterr, ERR_BUSY,
			"another daemon has taken the place of this one, which was not seen for "
			"%d s: nothing more is written here",
			(int)(shared->lease_ms / 1000));
	}
	if (rc == 0) {
		say_place(shared, postgres_number(&rows, 0, 0), shared->serial + (int64_t)count,
			  ret_last);
		/* It can be seen before a standby server has it: a later commit waits for both. */
		shared->beat_at_ms = 0;
		rc = shared_beat(shared, reterr);
	}
	postgres_rows_free(&rows);
	return rc;
}

static int send_batch(struct shared *shared, struct oplog_batch *batch, struct err *reterr)
{
	size_t count = P_FIXED + 2 * batch->count;
	struct postgres_value *values = mem_new(count, sizeof(*values));
	char before[SHARED_NUMBER_SIZE], after[SHARED_NUMBER_SIZE], number[SHARED_NUMBER_SIZE];
	struct buf sql;
	int rc;

	(void)snprintf(before, sizeof(before), "%lld", (long long)shared->serial);
	(void)snprintf(after, sizeof(after), "%lld",
		       (long long)(shared->serial + (int64_t)batch->count));
	(void)snprintf(number, sizeof(number), "%zu", batch->count);
	values[P_DAEMON] = POSTGRES_TEXT(shared->replica->daemon);
	values[P_EPOCH] = POSTGRES_TEXT(shared->epoch);
	values[P_BEFORE] = POSTGRES_TEXT(before);
	values[P_AFTER] = POSTGRES_TEXT(after);
	values[P_COUNT] = POSTGRES_TEXT(number);
	for (size_t i = 0; i < batch->count; i++) {
		const struct buf *payload = &batch->payloads[i];

		values[P_FIXED + 2 * i] = POSTGRES_TEXT(record_kind(batch->ops[i]->kind));
		values[P_FIXED + 2 * i + 1] =
			(struct postgres_value){payload->bytes, payload->length, true};
	}
	build_append(&sql, batch->count);
	batch->told_at_ms = clock_mono_ms();
	rc = postgres_send(shared->postgres, sql.bytes, values, count, reterr);
	buf_finish(&sql);
	free(values);
	return rc;
}

void oplog_send(struct shared *shared, struct oplog_batch *batch)
{
	struct err err ERR_UNCLEARED;

	err_init(&err);
	if (shared_connect(shared, &err) == 0) {
		batch->in_doubt = true;
		batch->sent = send_batch(shared, batch, &err) == 0;
	}
}

static int append(struct shared *shared, struct oplog_batch *batch, struct postgres_rows *ret_rows,
		  struct err *reterr)
{
	int rc = batch->sent ? 0 : send_batch(shared, batch, reterr);

	batch->sent = false;
	return rc == 0 ? postgres_receive(shared->postgres, ret_rows, reterr) : rc;
}

int oplog_append(struct shared *shared, struct oplog_batch *batch, struct replica_place *ret_last,
		 struct err *reterr)
{
	struct postgres_rows rows = {0};
	int rc;

	if (batch->appended) {
		return 0;
	}
	rc = batch->sent ? 0 : shared_connect(shared, reterr);
	if (rc == 0) {
		rc = append(shared, batch, &rows, reterr);
		batch->in_doubt = batch->in_doubt || rc != 0;
	}
	/* What stands there then may not be on the disk. */
	if (rc == 0 && rows.count == 1) {
		rc = pgsession_compare(&shared->session, postgres_cell(&rows, 0, 1, NULL), reterr);
		batch->in_doubt = batch->in_doubt || rc != 0;
	}
	if (rc == 0 && rows.count == 1) {
		say_place(shared, postgres_number(&rows, 0, 0) + (int64_t)batch->count,
			  shared->serial + (int64_t)batch->count, ret_last);
		meter_appended(&shared->meter, clock_mono_ms() - batch->told_at_ms);
	} else if (rc == 0) {
		rc = find_appended(shared, batch->count, ret_last, reterr);
		/* Who was shut out has appended nothing, nor is anything on its way. */
		batch->in_doubt = batch->in_doubt && rc == -(int)ERR_STORAGE;
	}
	postgres_rows_free(&rows);
	if (rc == 0) {
		batch->appended = true;
		shared->serial += (int64_t)batch->count;
		shared_beats(shared, batch->told_at_ms);
	}
	return rc;
}

/* What comes next is not there: it went with the beginning of the log, or it is missing. */
static int say_missing(struct shared *shared, struct err *reterr)
{
	int rc = shared_check_replica(shared, reterr);

	return rc == 0 ? err_set(reterr, ERR_CORRUPT, "the log in PostgreSQL lacks operation %lld",
				 (long long)shared->replica->at.position + 1)
		       : rc;
}

static int decode(const struct postgres_rows *rows, int64_t position, struct op **ret_ops,
		  struct err *reterr)
{
	for (size_t i = 0; i < rows->count; i++) {
		size_t length = 0;
		const char *payload = postgres_cell(rows, i, 2, &length);

		ret_ops[i] = NULL;
		if (postgres_number(rows, i, 0) != position + 1 + (int64_t)i) {
			(void)err_set(reterr, ERR_CORRUPT,
				      "the log in PostgreSQL lacks operation %lld",
				      (long long)(position + 1 + (int64_t)i));
		} else {
			ret_ops[i] = record_read(payload, length, reterr);
		}
		if (ret_ops[i] == NULL) {
			while (i-- > 0) {
				op_destroy(ret_ops[i]);
			}
			return -(int)reterr->code;
		}
	}
	return 0;
}

int oplog_read(struct shared *shared, int64_t end, struct op **ret_ops, size_t *ret_count,
	       struct replica_place *ret_last, struct err *reterr)
{
	static const char sql[] =
		"SELECT position::text, daemon || '/' || epoch || '/' || serial, payload"
		" FROM narrowd.op WHERE position > $1::bigint AND position < $2::bigint"
		" ORDER BY op.position LIMIT $3::bigint";
	char after[SHARED_NUMBER_SIZE], before[SHARED_NUMBER_SIZE], limit[SHARED_NUMBER_SIZE];
	struct postgres_rows rows = {0};
	int rc = shared_connect(shared, reterr);

	*ret_count = 0;
	(void)snprintf(after, sizeof(after), "%lld", (long long)shared->replica->at.position);
	(void)snprintf(before, sizeof(before), "%lld", (long long)(end > 0 ? end : INT64_MAX));
	(void)snprintf(limit, sizeof(limit), "%d", OPLOG_READ_OPS);
	if (rc == 0) {
		rc = shared_run(shared, sql,
				(struct postgres_value[]){POSTGRES_TEXT(after),
							  POSTGRES_TEXT(before),
							  POSTGRES_TEXT(limit)},
				3, &rows, reterr);
	}
	if (rc == 0 && rows.count > 0 &&
	    postgres_number(&rows, 0, 0) != shared->replica->at.position + 1) {
		rc = say_missing(shared, reterr);
	}
	if (rc == 0) {
		rc = decode(&rows, shared->replica->at.position, ret_ops, reterr);
	}
	if (rc == 0 && rows.count > 0) {
		*ret_count = rows.count;
		ret_last->position = postgres_number(&rows, rows.count - 1, 0);
		(void)snprintf(ret_last->mark, sizeof(ret_last->mark), "%s",
			       postgres_cell(&rows, rows.count - 1, 1, NULL));
	}
	postgres_rows_free(&rows);
	return rc;
}
