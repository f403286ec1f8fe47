/*
 * store: what somebody else put into the database, or a disk changed in it.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "store/query.h"
#include "tests/unit/store_world.h"

/* As an outsider would leave it behind: refused, or without effect. */
Test(store_strangers, what_narrowd_did_not_make_is_refused_or_does_nothing)
{
	static const struct {
		const char *sql, *undo, *word;
	} cases[] = {
		{"CREATE TRIGGER eat AFTER INSERT ON event BEGIN DELETE FROM event; END",
		 "DROP TRIGGER eat", "DROP trigger \"eat\""},
		{"CREATE VIEW v AS SELECT * FROM job", "DROP VIEW v", "view"},
		{"ALTER TABLE trial RENAME COLUMN worker TO who",
		 "ALTER TABLE trial RENAME COLUMN who TO worker", "table trial"},
		{"DROP INDEX lease_at", "CREATE INDEX lease_at ON lease (at_ms)", "index lease_at"},
	};
	struct world world;
	struct err err;

	world_start(&world, 0);
	world_close(&world);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_outside(&world, cases[i].sql);
		cr_assert_eq(world_refused(&world, &err), -ERR_CORRUPT, "%s", err.message);
		cr_assert_not_null(strstr(err.message, cases[i].word), "%s", err.message);
		world_outside(&world, cases[i].undo);
	}
	world_outside(&world, "CREATE TABLE of_others (x)");
	world_open(&world, 0);
	world_outside(&world, "SELECT 1");
	world_insert_with_life(&world, "job_a");
	world_close(&world);
	world_verify(&world);
	world_finish(&world);
}

/* Every byte of an event's text that is another one is noticed by whoever reads it. */
Test(store_strangers, a_flipped_byte_is_noticed_where_it_is_read)
{
	static const char flip[] = "UPDATE event SET data = replace(data, '0.75', '0.76')"
				   " WHERE job = 'job_a' AND type = 'trial_told'";
	const struct store_value values[] = {TEXT("job_a"), NUMBER(0), NUMBER(99)};
	struct world world;

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	world_insert_with_life(&world, "job_b");
	world_close(&world);
	world_outside(&world, flip);
	world_open(&world, 0);
	world.waiting++;
	(void)store_query(world.store, QUERY_LOG, values, 3, world_rows, &world);
	world_wait(&world);
	cr_assert_eq(world.rc, -ERR_CORRUPT);
	cr_assert_not_null(strstr(world.err.message, "event 13 of job_a is damaged"), "%s",
			   world.err.message);
	cr_assert_eq(QUERY(&world, QUERY_LOG, TEXT("job_b"), NUMBER(0), NUMBER(99)),
		     WORLD_LIFE + 1);
	world_finish(&world);
}
