/* What may happen next. */
#include "tests/several/several.h"

enum { ROUNDS = 9 };

static bool remembered;
static int64_t remembered_position;
static int remembered_at;

static const char *const tables[] = {"head", "daemon", "op", "snapshot", "piece", "past"};

/* Makes those of one schema be as those of the other one. */
static void copy(const char *from, const char *to)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char sql[160];

		(void)snprintf(sql, sizeof(sql),
			       "CREATE TABLE IF NOT EXISTS world.%s (LIKE narrowd.%s)", tables[i],
			       tables[i]);
		(void)between_ask(sql);
		(void)snprintf(sql, sizeof(sql), "DELETE FROM %s.%s", to, tables[i]);
		(void)between_ask(sql);
		(void)snprintf(sql, sizeof(sql), "INSERT INTO %s.%s SELECT * FROM %s.%s", to,
			       tables[i], from, tables[i]);
		(void)between_ask(sql);
	}
}

void step_begin(void)
{
	remembered = false;
}

static void remember(void)
{
	copy("narrowd", "world");
	remembered = true;
	remembered_position = between_ask("SELECT position::text FROM narrowd.head");
	remembered_at = several.happened;
}

/* As a standby server that was behind and became the primary. */
static void forget(void)
{
	if (!remembered) {
		return;
	}
	between_cut_all(true);
	copy("world", "narrowd");
	tell("PostgreSQL has forgotten what came behind %lld", (long long)remembered_position);
	for (int i = 0; i < DAEMONS; i++) {
		struct daemon *daemon = &several.daemons[i];

		daemon_note_position(daemon);
		daemon->has_forgotten = daemon->has_forgotten || daemon->had > remembered_position;
	}
	for (int i = 0; i < several.said; i++) {
		struct saying *saying = &several.sayings[i];

		saying->forgotten = saying->forgotten || (saying->state == ACKNOWLEDGED &&
							  saying->answered_at >= remembered_at);
	}
}

static void step_of_one_up(struct daemon *daemon)
{
	unsigned what = draw(100);

	if (what < 55 && (daemon->role == WRITES || draw(10) == 0)) {
		/* Now and then so many that they are run piece by piece. */
		daemon_write(daemon, 1 + (int)draw(draw(16) == 0 ? 40 : 4));
	} else if (what < 80) {
		daemon_idle(daemon);
	} else if (what < 85) {
		daemon_end(daemon);
	} else if (what < 90) {
		daemon_kill(daemon);
	} else if (what < 93) {
		daemon_shorten(daemon);
	} else {
		daemon->stopped_until_ms = several.now_ms + draw(3 * LEASE_MS);
	}
}

void step_of_any(void)
{
	struct daemon *daemon = &several.daemons[draw(DAEMONS)];

	if (several.returns != NULL && draw(2) == 0) {
		daemon = several.returns;
	} else if (draw(4) == 0) {
		between_pass(draw(LEASE_MS));
	}
	if (daemon->busy || daemon->stopped_until_ms > several.now_ms) {
		return;
	}
	if (daemon->role == OUT && draw(2) == 0) {
		daemon_forget(daemon);
	} else if (daemon->role == OUT || daemon->role == DOWN) {
		daemon_begin(daemon);
	} else {
		step_of_one_up(daemon);
	}
}

void step_of_others(void)
{
	/* Something is left to be said at the end. */
	for (int i = 0; i < ROUNDS * DAEMONS && several.said < SAYINGS_MAX / 2; i++) {
		struct daemon *daemon = &several.daemons[i % DAEMONS];

		if (i % DAEMONS == 0) {
			between_pass(LEASE_MS / 2);
		}
		if (daemon->busy || daemon->role == OUT) {
			continue;
		}
		if (daemon->role == DOWN) {
			daemon_begin(daemon);
		} else if (daemon->role == SPARE) {
			daemon_idle(daemon);
		} else {
			daemon_write(daemon, 4);
			daemon_shorten(daemon);
		}
	}
}

void step_of_postgresql(void)
{
	unsigned what = draw(8);

	if (what == 0) {
		several.away_until_ms = several.now_ms + draw(2 * LEASE_MS);
		between_cut_all(false);
	} else if (what == 1) {
		between_cut_all(false);
	} else if (what == 2 && several.forgets > 0) {
		remember();
	} else if (what == 3 && one_in_1000(several.forgets)) {
		forget();
	}
}
