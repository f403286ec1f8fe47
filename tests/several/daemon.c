/* The steps of a daemon: its store as store/store.c puts it together, without threads. */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"
#include "store/op.h"
#include "store/regain.h"
#include "store/schema.h"
#include "store/seal.h"
#include "store/snapshot.h"
#include "tests/several/several.h"

enum { AT_ONCE = 40, TAIL = 3 };

static bool is_dying(void *arg)
{
	const struct daemon *daemon = arg;

	return daemon->dying;
}

static void on_foreign(void *arg, struct op *op)
{
	(void)arg;
	op_destroy(op);
}

static void on_free(void *arg)
{
	struct daemon *daemon = arg;

	daemon->takes_over = true;
}

static const char *name_of(const struct daemon *daemon)
{
	static const char *const names[DAEMONS] = {"first", "second", "third"};

	return names[daemon - several.daemons];
}

/* What a result means; another one than the model allows is a broken promise. */
static void note_result(struct daemon *daemon, struct saying *saying, const struct op *op)
{
	saying->answered_at = several.happened++;
	if (daemon->dying) {
		saying->state = LEFT_OPEN;
	} else if (op->rc == 0) {
		saying->state = ACKNOWLEDGED;
		daemon->version++;
	} else {
		saying->state = op->rc == -(int)ERR_COMMIT_UNKNOWN ? LEFT_OPEN : REFUSED;
	}
	tell("%s: s%d is %s%s%s", name_of(daemon), (int)(saying - several.sayings),
	     saying->state == ACKNOWLEDGED ? "acknowledged"
	     : saying->state == LEFT_OPEN  ? "left open"
					   : "refused",
	     op->rc != 0 ? ": " : "", op->rc != 0 ? op->message : "");
	if (saying->state == ACKNOWLEDGED && daemon->has_forgotten) {
		broken("%s acknowledges s%d on what PostgreSQL has forgotten", name_of(daemon),
		       (int)(saying - several.sayings));
	}
	if (saying->state == ACKNOWLEDGED && daemon->role == SPARE) {
		broken("%s is a spare and acknowledges", name_of(daemon));
	}
	if (op->rc == -(int)ERR_CONFLICT) {
		broken("%s is told that somebody else has appended, and goes on", name_of(daemon));
	}
}

static void on_result(void *arg, struct op *op)
{
	if (op->arg != NULL) {
		note_result(arg, op->arg, op);
	} else if (op->rc != 0) {
		broken("the first operation is refused: %s", op->message);
	}
	op_destroy(op);
}

static size_t more(void *arg, struct op *const **ret_ops)
{
	struct daemon *daemon = arg;
	size_t count = daemon->more_count;

	*ret_ops = daemon->more;
	daemon->more_count = 0;
	return count;
}

static void on_commit(void *arg, double seconds)
{
	(void)arg;
	(void)seconds;
}

static void on_lost(void *arg)
{
	(void)arg; /* after() sees it */
}

void daemon_note_position(struct daemon *daemon)
{
	if (daemon->replica.at.position > daemon->had) {
		daemon->had = daemon->replica.at.position;
	}
}

/* Closes what is open; of what is not begun there is nothing. */
static void close_all(struct daemon *daemon)
{
	struct daemon *whose = between_whose;

	between_whose = NULL;
	between_leave(daemon);
	daemon_note_position(daemon);
	apply_finish(&daemon->apply);
	daemon->apply = (struct apply){0};
	replica_finish(&daemon->replica);
	daemon->replica = (struct replica){0};
	shared_destroy(daemon->shared);
	daemon->shared = NULL;
	directory_finish(&daemon->directory);
	daemon->dying = daemon->takes_over = false;
	between_whose = whose;
}

static int take_directory(struct daemon *daemon, struct err *reterr)
{
	directory_init(&daemon->directory, daemon->directory_path);
	return directory_take(&daemon->directory, daemon->directory_path, reterr);
}

/* As open_writer() and join() of store/store.c; *ret_db is the caller's. */
static int join(struct daemon *daemon, sqlite3 *db, bool *ret_spare, struct err *reterr)
{
	int rc = shared_make(daemon->shared, reterr);

	*ret_spare = false;
	if (rc == 0) {
		rc = replica_init(&daemon->replica, db, shared_name(daemon->shared), reterr);
	}
	if (rc == 0) {
		rc = shared_join(daemon->shared, &daemon->replica, reterr);
	}
	*ret_spare = daemon->shared->has_other;
	return *ret_spare ? 0 : rc;
}

static int open_database(struct daemon *daemon, sqlite3 **ret_db, struct err *reterr)
{
	const char *path = daemon->directory.database;
	int rc = db_open(path, DB_WRITER_UNSAFE, ret_db, reterr);

	if (rc == 0) {
		rc = seal_take_key(*ret_db, several.key, reterr);
	}
	if (rc == 0) {
		rc = schema_upgrade(*ret_db, path, schema_steps, schema_step_count, reterr);
	}
	return rc == 0 ? seal_prove(*ret_db, reterr) : rc;
}

static int begin(struct daemon *daemon, struct err *reterr)
{
	sqlite3 *db = NULL;
	bool spare = false;
	int rc = take_directory(daemon, reterr);

	if (rc == 0) {
		daemon->shared = shared_create(several.url, LEASE_MS, reterr);
		rc = shared_stay(daemon->shared, reterr);
	}
	rc = rc == 0 ? regain_run(daemon->shared, &daemon->directory, reterr) : rc;
	rc = rc == 0 ? open_database(daemon, &db, reterr) : rc;
	rc = rc == 0 ? join(daemon, db, &spare, reterr) : rc;
	if (rc != 0) {
		replica_finish(&daemon->replica);
		daemon->replica = (struct replica){0};
		(void)sqlite3_close(db);
		return rc;
	}
	daemon->apply.replica = &daemon->replica;
	daemon->apply.on_commit = on_commit;
	daemon->apply.on_lost = on_lost;
	rc = apply_init(&daemon->apply, db, &daemon->directory, 0, reterr);
	if (rc != 0) {
		return rc;
	}
	daemon->follow = (struct follow){.apply = &daemon->apply,
					 .shared = daemon->shared,
					 .give_up = is_dying,
					 .on_foreign = on_foreign,
					 .standby = spare,
					 .on_free = on_free,
					 .on_result = on_result,
					 .more = more,
					 .arg = daemon};
	shared_give_up_when(daemon->shared, is_dying, daemon);
	rc = follow_init(&daemon->follow, reterr);
	daemon->role = rc != 0 ? DOWN : spare ? SPARE : WRITES;
	return rc == 0 ? db_integer(db, "SELECT coalesce(max(n), 0) FROM event WHERE job = 'job_a'",
				    &daemon->version, reterr)
		       : rc;
}

/* It may be killed in the middle, and see in the middle that it may not go on. */
static void after(struct daemon *daemon)
{
	const struct apply *apply = &daemon->apply;
	bool is_over = daemon->dying || apply->lost || daemon->takes_over;

	if (apply->lost && apply->why.code == ERR_CORRUPT) {
		daemon->role = OUT;
		tell("%s may not go on: %s", name_of(daemon), apply->why.message);
	} else if (is_over) {
		daemon->role = DOWN;
		tell("%s ends%s%s", name_of(daemon), daemon->takes_over ? " to take over" : "",
		     apply->lost ? ", its place is lost" : "");
	}
	if (is_over) {
		close_all(daemon);
	}
	daemon->busy = false;
	between_whose = NULL;
}

static void before(struct daemon *daemon)
{
	daemon->busy = true;
	between_whose = daemon;
}

void daemon_begin(struct daemon *daemon)
{
	struct err err ERR_UNCLEARED;
	int rc;

	err_init(&err);
	before(daemon);
	rc = begin(daemon, &err);
	tell("%s begins: %s", name_of(daemon),
	     rc != 0                 ? err.message
	     : daemon->role == SPARE ? "as a spare"
				     : "and writes");
	if (rc != 0) {
		daemon->role = rc == -(int)ERR_CORRUPT ? OUT : DOWN;
		close_all(daemon);
	}
	after(daemon);
}

static struct op *make_op(int saying, int64_t version)
{
	char data[64];
	struct log_event event = {LOGGED_WARNING, 5, -1, data};
	const char *texts[OP_TEXTS] = {"job_a"};
	struct op *op;

	(void)snprintf(data, sizeof(data), "{\"detail\":\"s%d\"}", saying);
	op = op_create(OP_APPEND, texts, &event, 1, NULL, NULL, &several.sayings[saying]);
	op->version = version;
	return op;
}

/* In two groups, of which the second one may be on its way while the first one is run. */
void daemon_write(struct daemon *daemon, int count)
{
	struct op *ops[AT_ONCE] = {NULL};
	int first = several.said;
	int now;

	count = count < AT_ONCE ? count : AT_ONCE;
	if (first + count > SAYINGS_MAX) {
		return;
	}
	before(daemon);
	several.said += count;
	for (int i = 0; i < count; i++) {
		several.sayings[first + i] = (struct saying){.asked_at = several.happened++};
		ops[i] = make_op(first + i, daemon->version + i);
	}
	now = 1 + (int)draw((unsigned)count);
	daemon->more = ops + now;
	daemon->more_count = (size_t)(count - now);
	follow_group(&daemon->follow, ops, (size_t)now);
	daemon->more_count = 0;
	if (count > now) {
		follow_group(&daemon->follow, ops + now, (size_t)(count - now));
	}
	after(daemon);
}

void daemon_idle(struct daemon *daemon)
{
	before(daemon);
	follow_idle(&daemon->follow);
	after(daemon);
}

static int put_snapshot(struct shared *shared, const char *part, struct err *reterr)
{
	struct replica_place at;
	struct snapshot snapshot;
	bool empty, behind;
	sqlite3 *db;
	int rc = db_open(part, DB_COPY, &db, reterr);

	if (rc == 0) {
		rc = replica_look(db, shared_name(shared), &empty, &at, reterr);
		rc = rc == 0 ? replica_unname(db, reterr) : rc;
		(void)sqlite3_close(db);
	}
	rc = rc == 0 ? shared_check_place(shared, &at, &behind, reterr) : rc;
	rc = rc == 0 ? snapshot_put(shared, part, &at, &snapshot, reterr) : rc;
	return rc == 0 ? snapshot_shorten(shared, &snapshot, TAIL, reterr) : rc;
}

/* What is committed: the connection that writes is in a transaction. */
static int copy(const struct daemon *daemon, const char *part, struct err *reterr)
{
	sqlite3 *db;
	int rc = db_open(daemon->directory.database, DB_READER, &db, reterr);

	(void)unlink(part);
	if (rc == 0) {
		rc = backup_copy(db, part, reterr);
		(void)sqlite3_close(db);
	}
	return rc;
}

/* As store/keeper.c does, on a connection of its own. */
void daemon_shorten(struct daemon *daemon)
{
	struct err err ERR_UNCLEARED;
	struct shared *shared;
	char part[256];
	int rc;

	err_init(&err);
	(void)snprintf(part, sizeof(part), "%s/part", daemon->directory_path);
	before(daemon);
	rc = copy(daemon, part, &err);
	shared = shared_create(several.url, LEASE_MS, &err);
	rc = rc == 0 ? shared_connect(shared, &err) : rc;
	rc = rc == 0 ? put_snapshot(shared, part, &err) : rc;
	tell("%s makes the log shorter: %s", name_of(daemon), rc == 0 ? "done" : err.message);
	between_whose = NULL;
	shared_destroy(shared);
	after(daemon);
}

void daemon_end(struct daemon *daemon)
{
	before(daemon);
	apply_end(&daemon->apply);
	shared_leave(daemon->shared);
	tell("%s is stopped", name_of(daemon));
	daemon->dying = true;
	after(daemon);
}

void daemon_kill(struct daemon *daemon)
{
	before(daemon);
	tell("%s is killed", name_of(daemon));
	daemon->dying = true;
	after(daemon);
}

void daemon_forget(struct daemon *daemon)
{
	static const char *const files[] = {"narrowd.db", "narrowd.db-wal", "narrowd.db-shm"};
	char path[256];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", daemon->directory_path, files[i]);
		(void)unlink(path);
	}
	daemon->role = DOWN;
	daemon->had = 0;
	daemon->has_forgotten = false;
	tell("%s begins from nothing", name_of(daemon));
}
