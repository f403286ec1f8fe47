/* What stands between the daemons and PostgreSQL: the linker puts these functions before those of store/postgres.c and the clock. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/postgres.h"
#include "tests/several/several.h"
#include "tests/several/statement.h"
#include "tests/several/wraps.h"

enum { ON_ITS_WAY_MAX = 8, NOTHING = 1000 * 1000 };

/* Has arrived, or not: who sent it does something else meanwhile. */
struct sent {
	struct statement what;
	bool is_run;
	struct postgres_rows rows;
	int rc;
	struct err err;
};

static struct postgres *own; /* nothing happens to what is asked there */
/* Of clients that wait no more: they have left, and PostgreSQL does what it was told. */
static struct statement late[ON_ITS_WAY_MAX];
static size_t late_count;
static const struct daemon
	*in_transaction; /* who holds locks: nobody else takes a step meanwhile */
struct daemon *between_whose;

int64_t __wrap_clock_mono_ms(void)
{
	return several.now_ms;
}

static void must(int rc, const struct err *err)
{
	if (rc != 0) {
		(void)fprintf(stderr, "the world itself: %s\n", err->message);
		abort();
	}
}

static void script(const char *sql)
{
	struct err err ERR_UNCLEARED;

	err_init(&err);
	must(__real_postgres_script(own, sql, &err), &err);
}

int64_t between_ask(const char *sql)
{
	struct err err ERR_UNCLEARED;
	struct postgres_rows rows;
	int64_t number;

	err_init(&err);
	must(__real_postgres_run(own, sql, NULL, 0, &rows, &err), &err);
	number = rows.count > 0 ? postgres_number(&rows, 0, 0) : 0;
	postgres_rows_free(&rows);
	return number;
}

/* What is the clock's name in PostgreSQL means that of the world. */
static int reach(struct postgres *postgres, struct err *reterr)
{
	int rc = __real_postgres_connect(postgres, reterr);

	return rc == 0 ? __real_postgres_script(postgres, "SET search_path = world, pg_catalog",
						reterr)
		       : rc;
}

void between_open(const char *url)
{
	struct err err ERR_UNCLEARED;

	err_init(&err);
	own = postgres_create(url, &err);
	must(own != NULL ? reach(own, &err) : -1, &err);
	script("CREATE SCHEMA world; CREATE SEQUENCE world.clock; CREATE SEQUENCE world.tick;"
	       " CREATE FUNCTION world.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
	       " $$ SELECT pg_catalog.to_timestamp(last_value / 1000.0)"
	       " + pg_catalog.nextval('world.tick') % 1000 * interval '1 microsecond'"
	       " FROM world.clock $$");
}

void between_close(void)
{
	postgres_destroy(own);
}

static void forget_late(bool appends)
{
	size_t kept = 0;

	for (size_t i = 0; i < late_count; i++) {
		if (statement_is_append(late[i].sql) && !appends) {
			late[kept++] = late[i];
		} else {
			statement_free(&late[i]);
		}
	}
	late_count = kept;
}

void between_begin(void)
{
	forget_late(true);
	in_transaction = NULL;
	script("DROP SCHEMA IF EXISTS narrowd CASCADE");
	between_pass(0);
}

void between_pass(int64_t ms)
{
	char sql[80];

	several.now_ms += ms;
	(void)snprintf(sql, sizeof(sql), "SELECT pg_catalog.setval('world.clock', %lld)",
		       (long long)several.now_ms);
	(void)between_ask(sql);
}

/* The worst moment for an append: its daemon has begun anew and come as far as it, so that nothing but the epoch is between. */
static bool is_the_moment(const struct statement *what)
{
	char sql[400];

	if (!statement_is_append(what->sql)) {
		return draw(4) == 0;
	}
	(void)snprintf(sql, sizeof(sql),
		       "SELECT count(*)::text FROM narrowd.daemon WHERE id = '%s'"
		       " AND epoch <> %s AND serial = %s",
		       what->values[APPEND_DAEMON].bytes, what->values[APPEND_EPOCH].bytes,
		       what->values[APPEND_BEFORE].bytes);
	return between_ask(sql) != 0 || draw(64) == 0;
}

/* It may be refused then, as by a lock or for lack of a table. */
static void deliver(size_t which)
{
	struct statement what = late[which];

	late[which] = late[--late_count];
	tell("a late statement is run: %.60s", what.sql);
	if (__real_postgres_run(own, what.sql, what.values, what.count, NULL, NULL) != 0) {
		struct err err ERR_UNCLEARED;

		err_init(&err);
		must(reach(own, &err), &err);
	}
	statement_free(&what);
	judge_epochs();
}

void between_deliver(void)
{
	while (late_count > 0) {
		deliver(0);
	}
}

void between_cut_all(bool appends)
{
	forget_late(appends);
	in_transaction = NULL;
	(void)between_ask("SELECT count(pg_catalog.pg_terminate_backend(pid))::text FROM"
			  " pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid()"
			  " AND datname = pg_catalog.current_database()");
	while (between_ask("SELECT count(*)::text FROM pg_catalog.pg_stat_activity WHERE pid <>"
			   " pg_catalog.pg_backend_pid() AND datname = "
			   "pg_catalog.current_database()") != 0) {
	}
}

/* Between two statements anything may happen, but not while somebody waits for a lock of the one in the middle. */
static void meanwhile(void)
{
	struct daemon *whose = between_whose;

	if (several.healed || several.calm || in_transaction != NULL) {
		return;
	}
	if (late_count > 0) {
		size_t which = draw((unsigned)late_count);

		if (is_the_moment(&late[which])) {
			deliver(which);
		}
	}
	if (one_in_1000(several.nested)) {
		step_of_any();
	}
	between_whose = whose;
}

static void others_come_far(void)
{
	struct daemon *whose = between_whose;

	if (several.healed || several.calm || in_transaction != NULL) {
		return;
	}
	several.calm = true;
	step_of_others();
	several.calm = false;
	between_whose = whose;
}

/* Who does not know whether it has appended sleeps here. */
static void oversleep(enum oversleeps where)
{
	if (several.oversleeps == where) {
		several.oversleeps = NOWHERE;
		others_come_far();
	}
}

static int lost(struct postgres *postgres, const char *how, struct err *reterr)
{
	if (in_transaction == between_whose) {
		in_transaction = NULL;
	}
	if (postgres_is_connected(postgres)) {
		(void)__real_postgres_script(
			postgres,
			"SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())",
			NULL);
	}
	return err_set(reterr, ERR_STORAGE, "PostgreSQL: %s", how);
}

enum fate {
	ARRIVES,
	IS_CUT,
	ANSWER_IS_LOST,
	COMES_LATE,
	COMES_LATE_FROM_A_KILLED_ONE,
	WHO_ASKS_IS_KILLED,
	WHO_ASKED_IS_KILLED
};

/* `early`: an append as whose daemon may come as far once more, in another epoch. */
static enum fate fate_of(const struct daemon *daemon, bool appends, bool early)
{
	bool may_be_late = in_transaction != daemon && late_count < ON_ITS_WAY_MAX;

	if (several.healed || several.calm) {
		return ARRIVES;
	}
	if (appends && one_in_1000(several.cut)) {
		return ANSWER_IS_LOST;
	}
	if (one_in_1000(several.cut)) {
		return draw(2) == 0 ? IS_CUT : ANSWER_IS_LOST;
	}
	if (early && may_be_late && one_in_1000(2 * several.late)) {
		return COMES_LATE_FROM_A_KILLED_ONE;
	}
	if (one_in_1000(several.late) && may_be_late) {
		return draw(4) == 0 ? COMES_LATE_FROM_A_KILLED_ONE : COMES_LATE;
	}
	if (one_in_1000(several.killed)) {
		return draw(2) == 0 ? WHO_ASKS_IS_KILLED : WHO_ASKED_IS_KILLED;
	}
	return ARRIVES;
}

static bool begins(const char *sql, const char *word)
{
	return strncmp(sql, word, strlen(word)) == 0;
}

static void note_transaction(const struct daemon *daemon, const char *sql)
{
	if (begins(sql, "BEGIN")) {
		in_transaction = daemon;
	} else if (begins(sql, "COMMIT") || begins(sql, "ROLLBACK")) {
		in_transaction = NULL;
	}
}

/* Runs a statement with or without parameters, or not. */
static int run(struct postgres *postgres, bool is_script, const char *sql,
	       const struct postgres_value *values, size_t count, struct postgres_rows *ret_rows,
	       struct err *reterr)
{
	struct daemon *daemon = between_whose;
	struct postgres_rows rows = {0};
	enum fate fate;
	int rc;

	if (daemon == NULL) {
		return is_script ? __real_postgres_script(postgres, sql, reterr)
				 : __real_postgres_run(postgres, sql, values, count, ret_rows,
						       reterr);
	}
	if (daemon->sent != NULL) {
		broken("a statement is sent where the answer of another one is to come: %.60s",
		       sql);
	}
	meanwhile();
	if (statement_is_append(sql)) {
		oversleep(IN_FRONT_OF_THE_LOG);
	}
	if (ret_rows != NULL) {
		*ret_rows = rows;
	}
	fate = daemon->dying
		       ? IS_CUT
		       : fate_of(daemon, statement_is_append(sql), statement_is_early(sql, values));
	if (fate == WHO_ASKS_IS_KILLED) {
		daemon->dying = true;
		fate = IS_CUT;
	}
	if (fate == COMES_LATE_FROM_A_KILLED_ONE) {
		daemon->dying = true;
		several.returns = daemon;
		fate = COMES_LATE;
	}
	if (fate == COMES_LATE && postgres_is_connected(postgres)) {
		statement_copy(&late[late_count++], sql, values, count);
		return lost(postgres, "it did not answer in time", reterr);
	}
	if (fate == IS_CUT) {
		return lost(postgres, "the connection was cut", reterr);
	}
	rc = is_script ? __real_postgres_script(postgres, sql, reterr)
		       : __real_postgres_run(postgres, sql, values, count, &rows, reterr);
	if (rc != 0) {
		(void)lost(postgres, "", NULL);
		return rc;
	}
	note_transaction(daemon, sql);
	if (fate == ANSWER_IS_LOST && statement_is_append(sql) && one_in_1000(several.doubts)) {
		several.oversleeps = draw(2) == 0 ? AWAY_FROM_THE_LOG : IN_FRONT_OF_THE_LOG;
	}
	if (fate == ANSWER_IS_LOST || fate == WHO_ASKED_IS_KILLED) {
		daemon->dying = daemon->dying || fate == WHO_ASKED_IS_KILLED;
		postgres_rows_free(&rows);
		return lost(postgres, "the answer was lost", reterr);
	}
	if (ret_rows != NULL) {
		*ret_rows = rows;
	} else {
		postgres_rows_free(&rows);
	}
	meanwhile();
	return 0;
}

int __wrap_postgres_run(struct postgres *postgres, const char *sql,
			const struct postgres_value *values, size_t count,
			struct postgres_rows *ret_rows, struct err *reterr)
{
	return run(postgres, false, sql, values, count, ret_rows, reterr);
}

int __wrap_postgres_script(struct postgres *postgres, const char *sql, struct err *reterr)
{
	return run(postgres, true, sql, NULL, 0, NULL, reterr);
}

static void run_sent(struct postgres *postgres, struct daemon *daemon, struct sent *sent)
{
	daemon->sent = NULL;
	sent->is_run = true;
	err_init(&sent->err);
	sent->rc = run(postgres, false, sent->what.sql, sent->what.values, sent->what.count,
		       &sent->rows, &sent->err);
}

/* It is run at once, or only when its answer is waited for. */
int __wrap_postgres_send(struct postgres *postgres, const char *sql,
			 const struct postgres_value *values, size_t count, struct err *reterr)
{
	struct daemon *daemon = between_whose;
	struct sent *sent;

	if (daemon == NULL) {
		return __real_postgres_send(postgres, sql, values, count, reterr);
	}
	if (!postgres_is_connected(postgres)) {
		return lost(postgres, "there is no connection", reterr);
	}
	sent = mem_new(1, sizeof(*sent));
	statement_copy(&sent->what, sql, values, count);
	if (draw(2) == 0) {
		run_sent(postgres, daemon, sent);
	}
	daemon->sent = sent;
	return 0;
}

int __wrap_postgres_receive(struct postgres *postgres, struct postgres_rows *ret_rows,
			    struct err *reterr)
{
	struct daemon *daemon = between_whose;
	struct sent *sent;
	int rc;

	if (daemon == NULL) {
		return __real_postgres_receive(postgres, ret_rows, reterr);
	}
	sent = daemon->sent;
	daemon->sent = NULL;
	*ret_rows = (struct postgres_rows){0};
	if (sent == NULL) {
		return lost(postgres, "nothing was sent", reterr);
	}
	if (!sent->is_run) {
		run_sent(postgres, daemon, sent);
	}
	*ret_rows = sent->rows;
	*reterr = sent->err;
	rc = sent->rc;
	statement_free(&sent->what);
	free(sent);
	return rc;
}

/* PostgreSQL does what it was told, or it had not arrived. */
void between_leave(struct daemon *daemon)
{
	struct sent *sent = daemon->sent;

	if (sent == NULL) {
		return;
	}
	daemon->sent = NULL;
	postgres_rows_free(&sent->rows);
	if (!sent->is_run && late_count < ON_ITS_WAY_MAX && draw(2) == 0) {
		late[late_count++] = sent->what;
	} else {
		statement_free(&sent->what);
	}
	free(sent);
}

int __wrap_postgres_connect(struct postgres *postgres, struct err *reterr)
{
	const struct daemon *daemon = between_whose;
	bool away = !several.healed && several.now_ms < several.away_until_ms;

	if (daemon != NULL && (daemon->dying || away || fate_of(daemon, false, false) == IS_CUT)) {
		return err_set(reterr, ERR_STORAGE, "PostgreSQL: cannot connect: it is away");
	}
	return reach(postgres, reterr);
}

/* Who waits: the others go on, and may come far before it wakes. */
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)left;
	between_pass(time->tv_sec * 1000 + time->tv_nsec / NOTHING + 1);
	meanwhile();
	oversleep(AWAY_FROM_THE_LOG);
	if (one_in_1000(several.sleeps)) {
		others_come_far();
	}
	return 0;
}
