/* Finds or begins the log in PostgreSQL, and keeps this daemon's right to append to it. */
#include "store/shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/postgres.h"
#include "store/seal.h"

/* store/shared.sql, embedded by the build. */
extern const char shared_schema[];

enum {
	VERSION = 2, /* of that schema; no release had another one */
	BEATS = 3,   /* in the time after which a silent daemon is dead */
};

_Static_assert(SHARED_LEASE_MS == 15000, "the schema says the same");

struct shared *shared_create(const char *url, int64_t lease_ms, struct err *reterr)
{
	struct postgres *postgres = postgres_create(url, reterr);
	struct shared *shared;

	if (postgres == NULL) {
		return NULL;
	}
	shared = mem_new(1, sizeof(*shared));
	*shared = (struct shared){.postgres = postgres, .url_is_said = true};
	pgsession_init(&shared->session, url);
	meter_init(&shared->meter);
	shared->lease_ms = shared->other_lease_ms = lease_ms > 0 ? lease_ms : SHARED_LEASE_MS;
	return shared;
}

void shared_destroy(struct shared *shared)
{
	if (shared == NULL) {
		return;
	}
	postgres_destroy(shared->postgres);
	pgsession_finish(&shared->session);
	meter_finish(&shared->meter);
	free(shared->name);
	free(shared->proof);
	free(shared->url);
	free(shared);
}

void shared_give_up_when(struct shared *shared, bool (*give_up)(void *arg), void *arg)
{
	postgres_give_up_when(shared->postgres, give_up, arg);
}

const char *shared_proof(const struct shared *shared)
{
	return shared->proof;
}

const char *shared_name(const struct shared *shared)
{
	return shared->name;
}

int shared_run(struct shared *shared, const char *sql, const struct postgres_value *values,
	       size_t count, struct postgres_rows *ret_rows, struct err *reterr)
{
	return postgres_run(shared->postgres, sql, values, count, ret_rows, reterr);
}

static int check_version(const struct postgres_rows *rows, struct err *reterr)
{
	int64_t version = postgres_number(rows, 0, 0);

	return version == VERSION ? 0
				  : err_set(reterr, ERR_NEWER_SCHEMA,
					    "the log in PostgreSQL has schema version %lld, this "
					    "narrowd knows %d only: use the narrowd that made it",
					    (long long)version, VERSION);
}

static int check_ended(const struct postgres_rows *rows, struct err *reterr)
{
	const char *at = postgres_cell(rows, 0, 3, NULL);

	return at == NULL ? 0
			  : err_set(reterr, ERR_CONFIG,
				    "the log in PostgreSQL was taken back to a data directory by "
				    "`narrowd migrate` (%s): go on from there, or choose an empty "
				    "database",
				    at);
}

static int know(struct shared *shared, const struct postgres_rows *rows, struct err *reterr)
{
	const char *name = postgres_cell(rows, 0, 1, NULL);
	int rc = check_version(rows, reterr);

	rc = rc == 0 ? check_ended(rows, reterr) : rc;
	if (rc == 0 && shared->name != NULL && strcmp(shared->name, name) != 0) {
		rc = err_set(reterr, ERR_CORRUPT,
			     "the log in PostgreSQL is another one (%s) than before (%s)", name,
			     shared->name);
	}
	if (rc == 0 && shared->name == NULL) {
		shared->name = mem_dup(name);
		shared->proof = mem_dup(postgres_cell(rows, 0, 2, NULL));
	}
	return rc;
}

static int read_head(struct shared *shared, struct err *reterr)
{
	static const char is_there[] = "SELECT to_regclass('narrowd.head')::text";
	static const char head[] = "SELECT version::text, id, proof, ended::text"
				   " FROM narrowd.head";
	struct postgres_rows rows;
	int rc = shared_run(shared, is_there, NULL, 0, &rows, reterr);
	bool there = rc == 0 && postgres_cell(&rows, 0, 0, NULL) != NULL;

	postgres_rows_free(&rows);
	if (rc == 0 && there) {
		rc = shared_run(shared, head, NULL, 0, &rows, reterr);
		there = rc == 0 && rows.count == 1;
		rc = there ? know(shared, &rows, reterr) : rc;
		postgres_rows_free(&rows);
	}
	if (rc == 0 && !there && shared->name != NULL) {
		rc = err_set(reterr, ERR_CORRUPT, "the log is not in PostgreSQL any more");
	}
	return rc;
}

static int say_lacking(const char *position, struct err *reterr)
{
	return err_set(reterr, ERR_CORRUPT,
		       "PostgreSQL lacks operations that this data directory has run, up to %s: "
		       "it was restored from an older backup, or failed over to a standby that "
		       "was not synchronous. Bring that log back, or go on without what it lacks "
		       "from an empty data directory",
		       position);
}

/* What was run last must stand where it stood, or acknowledged operations are missing there. */
int shared_check_place(struct shared *shared, const struct replica_place *at, bool *ret_behind,
		       struct err *reterr)
{
	static const char sql[] =
		"SELECT (SELECT daemon || '/' || epoch || '/' || serial FROM narrowd.op"
		" WHERE position = $1::bigint),"
		" (SELECT daemon || '/' || epoch || '/' || (serial + $1::bigint - first)"
		" FROM narrowd.past WHERE $1::bigint BETWEEN first AND last),"
		" EXISTS (SELECT 1 FROM narrowd.head WHERE position > $1::bigint) AND NOT EXISTS"
		" (SELECT 1 FROM narrowd.op WHERE position = $1::bigint + 1)"
		" AND EXISTS (SELECT 1 FROM narrowd.past WHERE last > $1::bigint)";
	enum { HERE, GONE, BEHIND };
	char position[SHARED_NUMBER_SIZE];
	struct postgres_rows rows;
	const char *mark;
	int rc;

	(void)snprintf(position, sizeof(position), "%lld", (long long)at->position);
	rc = shared_run(shared, sql, &POSTGRES_TEXT(position), 1, &rows, reterr);
	if (rc != 0) {
		return rc;
	}
	mark = postgres_cell(&rows, 0, HERE, NULL);
	mark = mark != NULL ? mark : postgres_cell(&rows, 0, GONE, NULL);
	if (at->position > 0 && (mark == NULL || strcmp(mark, at->mark) != 0)) {
		rc = say_lacking(position, reterr);
	}
	*ret_behind = postgres_cell(&rows, 0, BEHIND, NULL)[0] != 0;
	postgres_rows_free(&rows);
	return rc;
}

int shared_check_replica(struct shared *shared, struct err *reterr)
{
	bool behind = false;
	int rc = shared_check_place(shared, &shared->replica->at, &behind, reterr);

	return rc == 0 && behind
		       ? err_set(reterr, ERR_BUSY,
				 "the log in PostgreSQL was shortened beyond what this data "
				 "directory has run (%lld): the next start begins from a snapshot",
				 (long long)shared->replica->at.position)
		       : rc;
}

int shared_connect(struct shared *shared, struct err *reterr)
{
	int rc;

	if (postgres_is_connected(shared->postgres) && shared->checked) {
		return 0;
	}
	shared->checked = false;
	shared->looks_since_ms = 0; /* what others said meanwhile was missed */
	rc = postgres_connect(shared->postgres, reterr);
	rc = rc == 0 ? pgsession_begin(&shared->session, shared->postgres, reterr) : rc;
	/* Before the log is looked at: who takes it away sees this one, or this one sees that it has ended. */
	if (rc == 0 && shared->stays) {
		rc = postgres_script(shared->postgres,
				     "SELECT pg_advisory_lock_shared(" SHARED_PRESENCE ")", reterr);
	}
	if (rc == 0) {
		rc = read_head(shared, reterr);
	}
	if (rc == 0 && shared->replica != NULL) {
		rc = shared_check_replica(shared, reterr);
	}
	if (rc == 0 && shared->listens) {
		rc = postgres_script(shared->postgres, "LISTEN narrowd", reterr);
	}
	if (rc == 0) {
		meter_connected(&shared->meter);
	}
	shared->checked = rc == 0;
	return rc;
}

int shared_stay(struct shared *shared, struct err *reterr)
{
	int rc;

	shared->stays = true;
	rc = shared_connect(shared, reterr);
	return rc == 0 ? pgsession_probe(&shared->session, shared->postgres, reterr) : rc;
}

bool shared_wait(struct shared *shared, int wake, int64_t ms)
{
	return postgres_wait(shared->postgres, wake, ms);
}

static int make_head(struct shared *shared, const char *name, struct err *reterr)
{
	static const char sql[] = "INSERT INTO narrowd.head (version, id, proof)"
				  " VALUES ($1::integer, $2, $3)";
	char *proof = seal_make_proof();
	char version[SHARED_NUMBER_SIZE];
	int rc;

	(void)snprintf(version, sizeof(version), "%d", VERSION);
	if (proof == NULL) {
		return err_set(reterr, ERR_CONFIG, "there is no key to seal secrets with");
	}
	rc = shared_run(shared, sql,
			(struct postgres_value[]){POSTGRES_TEXT(version), POSTGRES_TEXT(name),
						  POSTGRES_TEXT(proof)},
			3, NULL, reterr);
	free(proof);
	return rc;
}

/* Two that begin at the same time: the second one finds what the first has made, and another key. */
int shared_begin(struct shared *shared, const char *name, shared_fill_fn fill, void *arg,
		 struct err *reterr)
{
	int rc = postgres_script(shared->postgres, SHARED_BEGIN_ALONE, reterr);

	if (rc == 0) {
		rc = read_head(shared, reterr);
	}
	if (rc == 0 && shared->name != NULL) {
		rc = err_set(reterr, ERR_BUSY,
			     "another daemon has just begun this log: start again with its key");
	}
	if (rc == 0) {
		rc = postgres_script(shared->postgres, shared_schema, reterr);
	}
	if (rc == 0) {
		rc = make_head(shared, name, reterr);
	}
	if (rc == 0 && fill != NULL) {
		rc = fill(shared, arg, reterr);
	}
	if (rc == 0) {
		rc = postgres_script(shared->postgres, "COMMIT", reterr);
	}
	return rc == 0 ? read_head(shared, reterr) : rc;
}

int shared_make(struct shared *shared, struct err *reterr)
{
	char name[ID_SIZE];
	int rc = shared_connect(shared, reterr);

	if (rc != 0 || shared->name != NULL) {
		return rc;
	}
	id_make(name, "log");
	return shared_begin(shared, name, NULL, NULL, reterr);
}

void shared_beats(struct shared *shared, int64_t since_ms)
{
	shared->beat_at_ms = since_ms + shared->lease_ms / BEATS;
}

static void name_host(char host[STORE_HOST_SIZE])
{
	host[0] = host[STORE_HOST_SIZE - 1] = '\0';
	(void)gethostname(host, STORE_HOST_SIZE - 1);
}

static void note_other(struct shared *shared, const struct postgres_rows *rows, const char *host)
{
	struct store_writer *other = &shared->other;

	*other = (struct store_writer){.is_there = true};
	(void)snprintf(other->host, sizeof(other->host), "%s", postgres_cell(rows, 0, 0, NULL));
	(void)snprintf(other->url, sizeof(other->url), "%s", postgres_cell(rows, 0, 1, NULL));
	other->is_here = strcmp(other->host, host) == 0;
	shared->other_lease_ms = postgres_number(rows, 0, 2);
}

/* Who else appends, if anybody does. A copy of a data directory on another machine calls itself as the first one does. */
static int find_other(struct shared *shared, struct err *reterr)
{
	static const char sql[] =
		"SELECT host, COALESCE(url, ''), lease_ms::text FROM narrowd.daemon"
		" WHERE (id <> $1 OR host <> $2) AND"
		" seen > clock_timestamp() - lease_ms * interval '1 millisecond' LIMIT 1";
	struct postgres_rows rows;
	char host[STORE_HOST_SIZE];
	int rc;

	name_host(host);
	rc = shared_run(shared, sql,
			(struct postgres_value[]){POSTGRES_TEXT(shared->replica->daemon),
						  POSTGRES_TEXT(host)},
			2, &rows, reterr);
	if (rc == 0) {
		shared->has_other = rows.count > 0;
		shared->other.is_there = false;
	}
	if (rc == 0 && shared->has_other) {
		note_other(shared, &rows, host);
	}
	postgres_rows_free(&rows);
	return rc;
}

static int refuse_others(struct shared *shared, struct err *reterr)
{
	int rc = find_other(shared, reterr);

	return rc == 0 && shared->has_other
		       ? err_set(reterr, ERR_BUSY,
				 "the daemon on %s uses this PostgreSQL database; one at a time "
				 "can. It is taken for dead when it was not seen for %d s",
				 shared->other.host, (int)(shared->other_lease_ms / 1000))
		       : rc;
}

/*
 * An epoch is higher than any that stands there, so that what a daemon sent in an earlier life comes too late also when
 * others wrote in between and its row was gone. And it is no number of one that is not known any more: a standby or a
 * backup may lack it, and what was written under it a replica may have run.
 */
static int enter(struct shared *shared, struct err *reterr)
{
	static const char sql[] =
		"WITH dead AS (DELETE FROM narrowd.daemon WHERE id <> $1)"
		" INSERT INTO narrowd.daemon (id, epoch, host, lease_ms)"
		" SELECT $1, greatest(max(epoch) + 1,"
		" (extract(epoch FROM clock_timestamp()) * 1000000)::bigint), $2, $3::bigint"
		" FROM narrowd.daemon"
		" ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, serial = 0,"
		" seen = clock_timestamp(), host = excluded.host, url = NULL,"
		" lease_ms = excluded.lease_ms RETURNING epoch::text";
	struct postgres_rows rows;
	char host[STORE_HOST_SIZE], lease[SHARED_NUMBER_SIZE];
	int rc;

	name_host(host);
	(void)snprintf(lease, sizeof(lease), "%lld", (long long)shared->lease_ms);
	rc = shared_run(shared, sql,
			(struct postgres_value[]){POSTGRES_TEXT(shared->replica->daemon),
						  POSTGRES_TEXT(host), POSTGRES_TEXT(lease)},
			3, &rows, reterr);
	if (rc == 0) {
		(void)snprintf(shared->epoch, sizeof(shared->epoch), "%s",
			       postgres_cell(&rows, 0, 0, NULL));
		shared->serial = 0;
	}
	postgres_rows_free(&rows);
	return rc;
}

/* What an earlier life of this daemon sent may still be on its way: the lock waits for it, or the epoch stops it. */
int shared_join(struct shared *shared, const struct replica *replica, struct err *reterr)
{
	int rc;

	shared->replica = replica;
	shared->checked = false;
	rc = shared_connect(shared, reterr);
	if (rc == 0) {
		rc = postgres_script(shared->postgres,
				     SHARED_BEGIN_ALONE
				     "; LOCK TABLE narrowd.daemon IN SHARE ROW EXCLUSIVE MODE",
				     reterr);
	}
	if (rc == 0) {
		rc = refuse_others(shared, reterr);
		rc = rc == 0 ? enter(shared, reterr) : rc;
		if (rc == 0) {
			rc = postgres_script(shared->postgres, "COMMIT", reterr);
		} else {
			(void)postgres_script(shared->postgres, "ROLLBACK", NULL);
		}
	}
	shared->joined = rc == 0;
	shared_beats(shared, clock_mono_ms());
	return rc;
}

void shared_advertise(struct shared *shared, const char *url)
{
	free(shared->url);
	shared->url = url != NULL ? mem_dup(url) : NULL;
	shared->url_is_said = false;
}

int shared_beat(struct shared *shared, struct err *reterr)
{
	static const char sql[] =
		"UPDATE narrowd.daemon SET seen = clock_timestamp(), url = $3 WHERE id = $1"
		" AND epoch = $2::bigint RETURNING " PGSESSION_NAME;
	struct postgres_rows rows = {0};
	int64_t now_ms = clock_mono_ms();
	int rc;

	if (shared->url_is_said && now_ms < shared->beat_at_ms) {
		return 0;
	}
	rc = shared_connect(shared, reterr);
	if (rc == 0) {
		rc = shared_run(shared, sql,
				(struct postgres_value[]){POSTGRES_TEXT(shared->replica->daemon),
							  POSTGRES_TEXT(shared->epoch),
							  POSTGRES_TEXT(shared->url)},
				3, &rows, reterr);
	}
	if (rc == 0 && rows.count == 0) {
		rc = err_set(reterr, ERR_BUSY, "another daemon has taken the place of this one");
	} else if (rc == 0) {
		rc = pgsession_compare(&shared->session, postgres_cell(&rows, 0, 0, NULL), reterr);
	}
	postgres_rows_free(&rows);
	if (rc == 0) {
		shared->url_is_said = true;
		shared_beats(shared, now_ms);
	}
	return rc;
}

int shared_look(struct shared *shared, bool *ret_free, struct err *reterr)
{
	int rc = shared_connect(shared, reterr);

	rc = rc == 0 ? pgsession_check(&shared->session, shared->postgres, reterr) : rc;
	rc = rc == 0 ? find_other(shared, reterr) : rc;
	if (shared->looks_since_ms == 0) {
		shared->looks_since_ms = clock_mono_ms();
	}
	*ret_free = rc == 0 && !shared->has_other &&
		    clock_mono_ms() - shared->looks_since_ms >= shared->other_lease_ms;
	return rc;
}

void shared_leave(struct shared *shared)
{
	static const char sql[] =
		"UPDATE narrowd.daemon SET seen = '-infinity' WHERE id = $1 AND epoch = $2::bigint";

	if (shared->joined && postgres_is_connected(shared->postgres)) {
		(void)shared_run(shared, sql,
				 (struct postgres_value[]){POSTGRES_TEXT(shared->replica->daemon),
							   POSTGRES_TEXT(shared->epoch)},
				 2, NULL, NULL);
	}
	/* The server may take a moment to see that a connection has ended. */
	if (shared->stays && postgres_is_connected(shared->postgres)) {
		(void)postgres_script(shared->postgres, "SELECT pg_advisory_unlock_all()", NULL);
	}
	shared->stays = false;
	shared->joined = false;
}
