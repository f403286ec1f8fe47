/*
 * store: what is known of leases after they are over.
 */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/db.h"
#include "store/query.h"
#include "store/schema.h"
#include "tests/unit/store_world.h"

/* What the store says of a lease: a hash, "" or "none" for no answer, NULL when it knows none. */
static const char *lease_of(struct world *world, const char *id)
{
	const char *answer;

	if (QUERY(world, QUERY_LEASE, TEXT(id)) == 0) {
		return NULL;
	}
	answer = world_cell(world, 0, 0);
	return answer != NULL ? answer : "none";
}

Test(store_leases, a_lease_keeps_the_hash_of_its_answer_for_48_hours)
{
	enum { HOUR = 3600 * 1000 };
	static const struct log_event events[] = {
		{LOGGED_QUESTION_ASKED, T0, 0, "{\"kind\":\"baseline\"}"},
		{LOGGED_QUESTION_LEASED, T0, 0, "{\"lease\":\"expired\"}"},
		{LOGGED_LEASE_EXPIRED, T0, 0, "{\"lease\":\"expired\"}"},
		{LOGGED_QUESTION_LEASED, T0, 0, "{\"lease\":\"failed\"}"},
		{LOGGED_ATTEMPT_FAILED, T0, 0, "{\"lease\":\"failed\",\"answer\":\"00ff\"}"},
		{LOGGED_QUESTION_LEASED, T0, 0, "{\"lease\":\"pushed\"}"},
		{LOGGED_TRIAL_TOLD, T0, 0, "{\"accuracy\":1,\"metrics\":{}}"},
		{LOGGED_QUESTION_ASKED, T0, 1, "{\"kind\":\"evaluate\"}"},
		{LOGGED_QUESTION_LEASED, T0, 1, "{\"lease\":\"told\"}"},
		{LOGGED_TRIAL_TOLD, T0 + HOUR, 1,
		 "{\"accuracy\":1,\"metrics\":{},\"answer\":\"0f0f\"}"},
		{LOGGED_QUESTION_ASKED, T0, 2, "{\"kind\":\"evaluate\"}"},
		{LOGGED_QUESTION_LEASED, T0, 2, "{\"lease\":\"out\"}"},
	};
	enum { COUNT = sizeof(events) / sizeof(events[0]) };
	struct log_event later[] = {
		{LOGGED_QUESTION_ASKED, T0 + 48 * HOUR, 3, "{\"kind\":\"evaluate\"}"},
		{LOGGED_QUESTION_LEASED, T0 + 48 * HOUR, 3, "{\"lease\":\"new\"}"},
		{LOGGED_QUESTION_LEASED, T0 + 48 * HOUR + 1, 3, "{\"lease\":\"newer\"}"},
	};
	struct world world;
	struct err err;

	world_start(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	cr_assert_eq(world_append(&world, "job_a", 1, events, COUNT, NULL), 0);
	cr_assert_str_eq(lease_of(&world, "expired"), "none");
	cr_assert_str_eq(lease_of(&world, "failed"), "00ff");
	cr_assert_str_eq(lease_of(&world, "pushed"), "");
	cr_assert_str_eq(lease_of(&world, "told"), "0f0f");
	cr_assert_str_eq(lease_of(&world, "out"), "none");
	cr_assert_null(lease_of(&world, "other"));
	world_verify(&world);
	cr_assert_eq(world_append(&world, "job_a", 1 + COUNT, later, 2, NULL), 0);
	cr_assert_str_eq(lease_of(&world, "failed"), "00ff", "not yet");
	cr_assert_eq(world_append(&world, "job_a", 3 + COUNT, &later[2], 1, NULL), 0);
	cr_assert_null(lease_of(&world, "expired"));
	cr_assert_null(lease_of(&world, "failed"));
	cr_assert_null(lease_of(&world, "pushed"));
	cr_assert_str_eq(lease_of(&world, "told"), "0f0f", "48 hours from its answer");
	cr_assert_str_eq(lease_of(&world, "out"), "none", "somebody works on it");
	world_close(&world);
	world_verify(&world);
	world_outside(&world, "UPDATE lease SET answer = 'x' WHERE id = 'told'");
	cr_assert_eq(store_verify(world.directory, &err), -ERR_CORRUPT);
	world_finish(&world);
}

#define QUESTION(lease) "{\"job\":\"job_a\",\"lease\":\"" lease "\",\"weight\":1.0}"

/* What is left of the answer that is kept for the key; NULL when nothing is. */
static const char *kept(struct world *world, const char *key)
{
	cr_assert_eq(QUERY(world, QUERY_KEY, TEXT("-"), TEXT(key)), 1);
	return world_cell(world, 0, 5)[0] == '1' ? NULL : world_cell(world, 0, 3);
}

Test(store_leases, an_answer_is_kept_without_leases_that_nobody_heard_of)
{
	static const char both[] = "{\"items\":[" QUESTION("one") "," QUESTION("two") "]}";
	static const char anew[] = "{\"items\":[" QUESTION("three") "]}";
	const struct store_key key = {"-", "k", "f", 200, NULL, both, T0};
	const struct store_key again = {"-", "k", "f", 200, NULL, anew, T0 + 9};
	static const struct log_event events[] = {
		{LOGGED_QUESTION_ASKED, T0, 0, "{\"kind\":\"baseline\"}"},
		{LOGGED_QUESTION_LEASED, T0, 0, "{\"lease\":\"one\"}"},
		{LOGGED_QUESTION_ASKED, T0, 1, "{\"kind\":\"evaluate\"}"},
		{LOGGED_QUESTION_LEASED, T0, 1, "{\"lease\":\"two\"}"},
		{LOGGED_LEASE_RETURNED, T0, 0, "{\"lease\":\"one\"}"},
		{LOGGED_LEASE_RETURNED, T0, 1, "{\"lease\":\"two\"}"},
		{LOGGED_QUESTION_LEASED, T0, 1, "{\"lease\":\"three\"}"},
		{LOGGED_LEASE_RETURNED, T0, 1, "{\"lease\":\"three\",\"reason\":\"stopping\"}"},
	};
	struct world world;

	world_start(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	cr_assert_eq(world_append(&world, "job_a", 1, events, 2, &key), 0);
	cr_assert_str_eq(kept(&world, "k"), "{\"items\":[" QUESTION("one") "]}",
			 "the other is not there");
	cr_assert_eq(world_append(&world, "job_a", 3, events + 2, 2, NULL), 0);
	cr_assert_str_eq(kept(&world, "k"), both);
	cr_assert_eq(world_append(&world, "job_a", 5, events + 4, 1, NULL), 0);
	cr_assert_str_eq(kept(&world, "k"), "{\"items\":[" QUESTION("two") "]}");
	cr_assert_eq(world_append(&world, "job_a", 6, NULL, 0, &again), -ERR_IDEMPOTENCY_BUSY);
	cr_assert_eq(world_append(&world, "job_a", 6, events + 5, 1, NULL), 0);
	cr_assert_null(kept(&world, "k"));
	cr_assert_eq(world_append(&world, "job_a", 7, events + 6, 1, &again), 0);
	cr_assert_str_eq(kept(&world, "k"), anew);
	cr_assert_eq(world_append(&world, "job_a", 8, events + 7, 1, NULL), 0);
	cr_assert_str_eq(kept(&world, "k"), anew, "its worker had it");
	world_finish(&world);
}

Test(store_leases, an_answer_without_leases_is_kept_as_it_is)
{
	static const char *const bodies[] = {
		"{\"items\":[]}",
		"{\"items\":[\"job_a\", 1, null, {\"lease\": 1}], \"n\": 1.50}",
		"{\"items\":{\"lease\":\"x\"}}",
		"{\"items\":[" QUESTION("of a job that was deleted") "]}",
		"[1]",
	};
	struct world world;

	world_start(&world, 0);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const char name[] = {(char)('a' + i), '\0'};
		const struct store_key key = {"-", name, "f", 200, NULL, bodies[i], T0};

		world.waiting++;
		store_key_put(world.store, &key, world_done, &world);
		world_wait(&world);
		cr_assert_eq(world.rc, 0);
		cr_assert_str_eq(kept(&world, name), bodies[i]);
	}
	world_finish(&world);
}

Test(store_leases, an_upgrade_finds_the_leases_of_the_last_48_hours)
{
	static const char rows[] =
		"INSERT INTO submission VALUES ('job_a', '{}', '{}', '{}', '{}');"
		"CREATE TEMP TABLE log (n INTEGER PRIMARY KEY, type TEXT, age INTEGER, trial "
		"INTEGER,"
		" data TEXT);"
		"INSERT INTO log (type, age, trial, data) VALUES"
		" ('question_leased', 49, 0, '{\"lease\":\"old\"}'), ('trial_told', 49, 0, '{}'),"
		" ('question_leased', 49, 1, '{\"lease\":\"out\"}'),"
		" ('question_leased', 9, 2, '{\"lease\":\"lost\"}'),"
		" ('question_asked', 9, 3, '{}'),"
		" ('lease_expired', 9, 2, '{\"lease\":\"lost\"}'),"
		" ('question_leased', 8, 2, '{\"lease\":\"told\"}'),"
		" ('trial_told', 7, 2, '{\"answer\":\"0f\"}'),"
		" ('question_leased', 7, 3, '{\"lease\":\"pushed\"}'), ('trial_told', 7, 3, '{}');"
		"INSERT INTO event (job, n, type, at_ms, trial, data) SELECT 'job_a', n, type,"
		" 1000 * (strftime('%s', 'now') - 3600 * age), trial, data FROM log;";
	static const char found[] =
		"SELECT group_concat(id || '=' || coalesce(answer, 'none'), ' ') ="
		" 'lost=none out=none pushed= told=0f'"
		" FROM (SELECT id, answer FROM lease ORDER BY id)";
	struct world world;
	struct err err;
	int64_t right = 0;
	sqlite3 *db;
	char *path;

	world_start(&world, 0);
	world_close(&world);
	path = world_path(&world, "old.db");
	cr_assert_eq(fclose(fopen(path, "w")), 0);
	cr_assert_eq(db_open(path, DB_WRITER, &db, &err), 0, "%s", err.message);
	cr_assert_eq(schema_upgrade(db, path, schema_steps, 4, &err), 0, "%s", err.message);
	cr_assert_eq(db_exec(db, rows, &err), 0, "%s", err.message);
	cr_assert_eq(schema_upgrade(db, path, schema_steps, schema_step_count, &err), 0, "%s",
		     err.message);
	cr_assert_eq(db_integer(db, found, &right, &err), 0, "%s", err.message);
	cr_assert_eq(right, 1);
	(void)sqlite3_close(db);
	free(path);
	world_finish(&world);
}
