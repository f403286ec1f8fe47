/* Sends snapshots to PostgreSQL in pieces, fetches them again, and removes what they make superfluous. */
#include "store/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"
#include "store/digest.h"

enum {
	/* Of a statement, which has half a minute. */
	PIECE_BYTES = 1024 * 1024,
	/* A statement that removes this many rows takes no long time. */
	STEP_OPS = 5000,
	STEP_PIECES = 8,
};

/* The bytes of a file on their way, and their hash. */
struct transfer {
	int fd; /* -1: they are only compared */
	const char *path;
	struct digest *digest;
	int64_t bytes;
};

static int file_error(const struct transfer *transfer, const char *doing, struct err *reterr)
{
	return err_set(reterr, errno == ENOSPC ? ERR_DISK_FULL : ERR_STORAGE, "cannot %s %s: %s",
		       doing, transfer->path, strerror(errno));
}

int snapshot_find(struct shared *shared, struct snapshot *ret, bool *ret_there, struct err *reterr)
{
	static const char sql[] = "SELECT id, position::text, mark, bytes::text, hash"
				  " FROM narrowd.snapshot WHERE whole"
				  " ORDER BY snapshot.position DESC, at DESC LIMIT 1";
	struct postgres_rows rows;
	int rc = shared_run(shared, sql, NULL, 0, &rows, reterr);

	*ret_there = rc == 0 && rows.count > 0;
	*ret = (struct snapshot){0};
	if (*ret_there) {
		(void)snprintf(ret->id, sizeof(ret->id), "%s", postgres_cell(&rows, 0, 0, NULL));
		ret->at.position = postgres_number(&rows, 0, 1);
		(void)snprintf(ret->at.mark, sizeof(ret->at.mark), "%s",
			       postgres_cell(&rows, 0, 2, NULL));
		ret->bytes = postgres_number(&rows, 0, 3);
		(void)snprintf(ret->hash, sizeof(ret->hash), "%s",
			       postgres_cell(&rows, 0, 4, NULL));
	}
	postgres_rows_free(&rows);
	return rc;
}

static int put_row(struct shared *shared, const struct snapshot *snapshot, struct err *reterr)
{
	static const char sql[] = "INSERT INTO narrowd.snapshot (id, position, mark, bytes, hash)"
				  " VALUES ($1, $2::bigint, $3, 0, '') ON CONFLICT (id) DO NOTHING";
	char position[SHARED_NUMBER_SIZE];

	(void)snprintf(position, sizeof(position), "%lld", (long long)snapshot->at.position);
	return shared_run(shared, sql,
			  (struct postgres_value[]){POSTGRES_TEXT(snapshot->id),
						    POSTGRES_TEXT(position),
						    POSTGRES_TEXT(snapshot->at.mark)},
			  3, NULL, reterr);
}

static int put_piece(struct shared *shared, const struct snapshot *snapshot, int64_t n,
		     const char *bytes, size_t length, struct err *reterr)
{
	/* Of a snapshot that somebody has removed meanwhile nothing more is kept. */
	static const char sql[] =
		"INSERT INTO narrowd.piece (snapshot, n, bytes)"
		" SELECT id, $2::integer, $3::bytea FROM narrowd.snapshot WHERE id = $1"
		" ON CONFLICT (snapshot, n) DO UPDATE SET bytes = excluded.bytes";
	char number[SHARED_NUMBER_SIZE];

	(void)snprintf(number, sizeof(number), "%lld", (long long)n);
	return shared_run(shared, sql,
			  (struct postgres_value[]){POSTGRES_TEXT(snapshot->id),
						    POSTGRES_TEXT(number),
						    {bytes, length, true}},
			  3, NULL, reterr);
}

/* Less than a whole piece is the last one. */
static ssize_t read_piece(int fd, char *bytes)
{
	size_t length = 0;
	ssize_t got = 1;

	while (got > 0 && length < PIECE_BYTES) {
		got = read(fd, bytes + length, PIECE_BYTES - length);
		length += got > 0 ? (size_t)got : 0;
	}
	return got < 0 ? got : (ssize_t)length;
}

/* What stands there already, when it is this. */
static bool is_there(int before_fd, const char *bytes, ssize_t length, char *room)
{
	return before_fd >= 0 && read_piece(before_fd, room) == length &&
	       memcmp(room, bytes, (size_t)length) == 0;
}

/* `before_fd` is -1 when there is nothing yet. */
static int put_pieces(struct shared *shared, struct transfer *transfer, int before_fd,
		      const struct snapshot *snapshot, int64_t *ret_count, struct err *reterr)
{
	char *bytes = mem_new(2, PIECE_BYTES);
	ssize_t got = 1;
	int64_t n = 0;
	int rc = 0;

	while (rc == 0 && got > 0) {
		got = read_piece(transfer->fd, bytes);
		if (got < 0) {
			rc = file_error(transfer, "read", reterr);
		} else if (got > 0) {
			digest_add(transfer->digest, bytes, (size_t)got);
			transfer->bytes += got;
			rc = is_there(before_fd, bytes, got, bytes + PIECE_BYTES)
				     ? 0
				     : put_piece(shared, snapshot, n, bytes, (size_t)got, reterr);
			n++;
		}
	}
	free(bytes);
	*ret_count = n;
	return rc;
}

static int drop_pieces_from(struct shared *shared, const struct snapshot *snapshot, int64_t n,
			    struct err *reterr)
{
	static const char sql[] =
		"DELETE FROM narrowd.piece WHERE snapshot = $1 AND n >= $2::integer";
	char number[SHARED_NUMBER_SIZE];

	(void)snprintf(number, sizeof(number), "%lld", (long long)n);
	return shared_run(
		shared, sql,
		(struct postgres_value[]){POSTGRES_TEXT(snapshot->id), POSTGRES_TEXT(number)}, 2,
		NULL, reterr);
}

/* From now on it is found, unless another daemon has taken the place of this one and removed what was unfinished. */
static int publish(struct shared *shared, const struct snapshot *snapshot, struct err *reterr)
{
	static const char sql[] = "UPDATE narrowd.snapshot SET whole = true, bytes = $2::bigint,"
				  " hash = $3 WHERE id = $1 RETURNING id";
	char bytes[SHARED_NUMBER_SIZE];
	struct postgres_rows rows;
	int rc;

	(void)snprintf(bytes, sizeof(bytes), "%lld", (long long)snapshot->bytes);
	rc = shared_run(shared, sql,
			(struct postgres_value[]){POSTGRES_TEXT(snapshot->id), POSTGRES_TEXT(bytes),
						  POSTGRES_TEXT(snapshot->hash)},
			3, &rows, reterr);
	if (rc == 0 && rows.count == 0) {
		rc = err_set(reterr, ERR_BUSY,
			     "another daemon has removed the snapshot %s while it was sent",
			     snapshot->id);
	}
	postgres_rows_free(&rows);
	return rc;
}

/* A step is one statement; it gives back how many rows it took, and is repeated until there are none. */
static int repeat(struct shared *shared, const char *sql, const struct postgres_value *values,
		  size_t count, struct err *reterr)
{
	int64_t taken = 1;
	int rc = 0;

	while (rc == 0 && taken > 0) {
		struct postgres_rows rows;

		rc = shared_run(shared, sql, values, count, &rows, reterr);
		taken = rc == 0 ? postgres_number(&rows, 0, 0) : 0;
		postgres_rows_free(&rows);
	}
	return rc;
}

/* Pieces of what is no snapshot any more. */
static int remove_pieces(struct shared *shared, struct err *reterr)
{
	static const char pieces[] =
		"WITH gone AS (DELETE FROM narrowd.piece WHERE (snapshot, n) IN"
		" (SELECT snapshot, n FROM narrowd.piece WHERE NOT EXISTS"
		" (SELECT 1 FROM narrowd.snapshot WHERE id = piece.snapshot) LIMIT $1::bigint)"
		" RETURNING 1) SELECT count(*)::text FROM gone";
	char step[SHARED_NUMBER_SIZE];

	(void)snprintf(step, sizeof(step), "%d", STEP_PIECES);
	return repeat(shared, pieces, &POSTGRES_TEXT(step), 1, reterr);
}

/* What was begun and came to nothing, so that failures do not pile up. */
static int remove_unfinished(struct shared *shared, struct err *reterr)
{
	int rc = shared_run(shared, "DELETE FROM narrowd.snapshot WHERE NOT whole", NULL, 0, NULL,
			    reterr);

	return rc == 0 ? remove_pieces(shared, reterr) : rc;
}

static int send_file(struct shared *shared, struct snapshot *snapshot, const char *path,
		     int before_fd, struct err *reterr)
{
	struct transfer transfer = {.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
	int64_t count;
	int rc;

	if (transfer.fd < 0) {
		return file_error(&transfer, "open", reterr);
	}
	transfer.digest = digest_create(reterr);
	if (transfer.digest == NULL) {
		(void)close(transfer.fd);
		return -(int)reterr->code;
	}
	rc = put_pieces(shared, &transfer, before_fd, snapshot, &count, reterr);
	if (rc == 0 && before_fd >= 0) {
		rc = drop_pieces_from(shared, snapshot, count, reterr);
	}
	digest_end(transfer.digest, snapshot->hash);
	(void)close(transfer.fd);
	snapshot->bytes = transfer.bytes;
	return rc == 0 ? publish(shared, snapshot, reterr) : rc;
}

int snapshot_put(struct shared *shared, const char *path, const struct replica_place *at,
		 struct snapshot *ret, struct err *reterr)
{
	int rc = remove_unfinished(shared, reterr);

	*ret = (struct snapshot){.at = *at};
	id_make(ret->id, "snp");
	if (rc == 0) {
		rc = put_row(shared, ret, reterr);
	}
	return rc == 0 ? send_file(shared, ret, path, -1, reterr) : rc;
}

int snapshot_replace(struct shared *shared, struct snapshot *snapshot, const char *before,
		     const char *path, struct err *reterr)
{
	const struct transfer old = {.path = before, .fd = open(before, O_RDONLY | O_CLOEXEC)};
	int rc;

	if (old.fd < 0) {
		return file_error(&old, "open", reterr);
	}
	rc = send_file(shared, snapshot, path, old.fd, reterr);
	(void)close(old.fd);
	return rc;
}

static int write_all(const struct transfer *transfer, const char *bytes, size_t length,
		     struct err *reterr)
{
	while (length > 0) {
		ssize_t written = write(transfer->fd, bytes, length);

		if (written < 0) {
			return file_error(transfer, "write", reterr);
		}
		bytes += written;
		length -= (size_t)written;
	}
	return 0;
}

/* *ret_end: there is no such piece. */
static int get_piece(struct shared *shared, struct transfer *transfer,
		     const struct snapshot *snapshot, int64_t n, bool *ret_end, struct err *reterr)
{
	static const char sql[] =
		"SELECT bytes FROM narrowd.piece WHERE snapshot = $1 AND n = $2::integer";
	char number[SHARED_NUMBER_SIZE];
	struct postgres_rows rows;
	size_t length = 0;
	const char *bytes;
	int rc;

	(void)snprintf(number, sizeof(number), "%lld", (long long)n);
	rc = shared_run(
		shared, sql,
		(struct postgres_value[]){POSTGRES_TEXT(snapshot->id), POSTGRES_TEXT(number)}, 2,
		&rows, reterr);
	*ret_end = rc != 0 || rows.count == 0;
	if (!*ret_end) {
		bytes = postgres_cell(&rows, 0, 0, &length);
		digest_add(transfer->digest, bytes, length);
		transfer->bytes += (int64_t)length;
		rc = transfer->fd >= 0 ? write_all(transfer, bytes, length, reterr) : 0;
	}
	postgres_rows_free(&rows);
	return rc;
}

static int get_pieces(struct shared *shared, struct transfer *transfer,
		      const struct snapshot *snapshot, struct err *reterr)
{
	char hash[DIGEST_HEX_SIZE];
	bool end = false;
	int rc = 0;

	transfer->digest = digest_create(reterr);
	if (transfer->digest == NULL) {
		return -(int)reterr->code;
	}
	for (int64_t n = 0; rc == 0 && !end; n++) {
		rc = get_piece(shared, transfer, snapshot, n, &end, reterr);
	}
	digest_end(transfer->digest, hash);
	if (rc == 0 && (transfer->bytes != snapshot->bytes || strcmp(hash, snapshot->hash) != 0)) {
		rc = err_set(reterr, ERR_CORRUPT,
			     "the snapshot %s in PostgreSQL is not what was put there: its SHA-256 "
			     "is %s and not %s",
			     snapshot->id, hash, snapshot->hash);
	}
	return rc;
}

int snapshot_compare(struct shared *shared, const struct snapshot *snapshot, struct err *reterr)
{
	struct transfer transfer = {.fd = -1};

	return get_pieces(shared, &transfer, snapshot, reterr);
}

int snapshot_get(struct shared *shared, const struct snapshot *snapshot, const char *path,
		 struct err *reterr)
{
	struct transfer transfer = {
		.path = path,
		.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, DB_FILE_MODE),
	};
	int rc;

	if (transfer.fd < 0) {
		return file_error(&transfer, "create", reterr);
	}
	rc = get_pieces(shared, &transfer, snapshot, reterr);
	if (rc == 0 && fsync(transfer.fd) != 0) {
		rc = file_error(&transfer, "sync", reterr);
	}
	(void)close(transfer.fd);
	if (rc == 0) {
		rc = backup_sync_folder(path, reterr);
	}
	if (rc != 0) {
		(void)unlink(path);
	}
	return rc;
}

/* Two daemons, of which one was taken for dead, may be at it with snapshots of one position: one of them stays at least. */
static int remove_older(struct shared *shared, const struct snapshot *newest, struct err *reterr)
{
	static const char old[] = "DELETE FROM narrowd.snapshot WHERE whole"
				  " AND (position, id) < ($2::bigint, $1)";
	char position[SHARED_NUMBER_SIZE];
	int rc;

	(void)snprintf(position, sizeof(position), "%lld", (long long)newest->at.position);
	rc = shared_run(
		shared, old,
		(struct postgres_value[]){POSTGRES_TEXT(newest->id), POSTGRES_TEXT(position)}, 2,
		NULL, reterr);
	return rc == 0 ? remove_pieces(shared, reterr) : rc;
}

int snapshot_shorten(struct shared *shared, const struct snapshot *snapshot, int64_t tail,
		     struct err *reterr)
{
	static const char sql[] =
		"WITH gone AS (DELETE FROM narrowd.op WHERE position < $1::bigint AND position <"
		" (SELECT min(position) FROM narrowd.op) + $2::bigint"
		" RETURNING position, daemon, epoch, serial),"
		" kept AS (INSERT INTO narrowd.past (first, last, daemon, epoch, serial)"
		" SELECT min(position), max(position), daemon, epoch, min(serial) FROM gone"
		" GROUP BY daemon, epoch, position - serial)"
		" SELECT count(*)::text FROM gone";
	char before[SHARED_NUMBER_SIZE], step[SHARED_NUMBER_SIZE];
	int rc = remove_older(shared, snapshot, reterr);

	(void)snprintf(before, sizeof(before), "%lld", (long long)(snapshot->at.position - tail));
	(void)snprintf(step, sizeof(step), "%d", STEP_OPS);
	return rc == 0 ? repeat(shared, sql,
				(struct postgres_value[]){POSTGRES_TEXT(before),
							  POSTGRES_TEXT(step)},
				2, reterr)
		       : rc;
}
