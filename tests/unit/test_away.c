/*
 * away: a store whose log is in PostgreSQL, while that is away.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/query.h"
#include "store/writer.h"
#include "tests/unit/server_kit.h"
#include "tests/unit/store_world.h"

/* No commit but that of what is appended comes, to say that this daemon lives, on the slowest machine. */
enum { NO_BEAT_MS = 3600 * 1000 };

/*
 * Appends to job_a until an event is stored whose commit waits for a standby server that does not exist: the server takes
 * that setting up some time after it was told. Returns how many were appended.
 */
static int append_unanswered(struct world *world, struct server *server)
{
	static const char waits[] =
		"SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
		" AND backend_type = 'client backend'";
	int count = 0;

	(void)server_say(server, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	(void)server_say(server, "SELECT pg_reload_conf()");
	while (strcmp(server_say(server, waits), "1") != 0) {
		(void)uv_run(loop_uv(world->loop), UV_RUN_NOWAIT);
		if (world->waiting == 0) {
			world_expect(world);
			store_append(world->store, "job_a", 1 + count++, &world_more, 1, NULL,
				     world_done, world);
		}
	}
	(void)server_say(server, "ALTER SYSTEM RESET synchronous_standby_names");
	return count;
}

Test(away, while_postgresql_is_away_writes_wait_and_reads_go_on)
{
	struct world world;
	struct server server;

	server_start(&server);
	world_start_at(&world, server.url);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, "kill9");
	world_expect(&world);
	store_append(world.store, "job_a", 1, &world_more, 1, NULL, world_done, &world);
	while (store_writable(world.store)) {
		(void)usleep(1000);
	}
	cr_assert(store_is_away(world.store));
	cr_assert_eq(world.waiting, 1, "it is not answered");
	world_expect(&world);
	(void)store_query(world.store, QUERY_JOB, &TEXT("job_a"), 1, world_rows, &world);
	while (world.waiting > 1) {
		(void)uv_run(loop_uv(world.loop), UV_RUN_ONCE);
	}
	cr_assert_eq(world.count, 1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "1", "it is not there before it is stored");
	(void)server_say(&server, "start");
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	cr_assert(store_writable(world.store));
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_a")), 1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "2");
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}

Test(away, a_commit_whose_answer_was_lost_counts_once)
{
	struct world world;
	struct server server;
	char position[16];
	int count;

	server_start(&server);
	world_prepare(&world, server.url);
	world.lease_ms = NO_BEAT_MS;
	world_open(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	count = append_unanswered(&world, &server);
	(void)snprintf(position, sizeof(position), "%d", 1 + count);
	(void)server_say(&server, "kill9");
	(void)server_say(&server, "start");
	cr_assert_str_eq(server_say(&server, "SELECT position FROM narrowd.head"), position,
			 "it was stored, and nobody was told");
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	cr_assert_str_eq(server_say(&server, "SELECT position FROM narrowd.head"), position);
	cr_assert_eq(world_append(&world, "job_a", 1 + count, &world_more, 1, NULL), 0, "%s",
		     world.err.message);
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}

Test(away, a_commit_that_was_found_is_not_answered_before_another_one_follows)
{
	/* The first time that it says that it lives, behind what it has found, fails. */
	static const char trap[] =
		"CREATE SEQUENCE tries; CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE "
		"plpgsql"
		" AS $$ BEGIN IF OLD.serial = NEW.serial AND nextval('public.tries') = 1"
		" THEN RAISE EXCEPTION 'not now'; END IF; RETURN NEW; END $$;"
		" CREATE TRIGGER fail_once BEFORE UPDATE ON narrowd.daemon FOR EACH ROW"
		" EXECUTE FUNCTION public.fail_once()";
	struct world world;
	struct server server;
	int count;

	server_start(&server);
	world_prepare(&world, server.url);
	world.lease_ms = NO_BEAT_MS;
	world_open(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, trap);
	count = append_unanswered(&world, &server);
	(void)server_say(&server, "kill9");
	(void)server_say(&server, "start");
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	cr_assert_str_eq(server_say(&server, "SELECT last_value FROM tries"), "2");
	cr_assert_eq(world_append(&world, "job_a", 1 + count, &world_more, 1, NULL), 0, "%s",
		     world.err.message);
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}

Test(away, what_does_not_fit_beside_others_is_stored_with_the_next)
{
	enum { SMALL = 1 + 256, LARGE_BYTES = 33 * 1024 * 1024 };
	char *text = mem_new(LARGE_BYTES + 1, 1), *data;
	struct log_event large = world_more;
	struct world world;
	struct server server;
	int version = 1;

	memset(text, 'x', LARGE_BYTES);
	data = mem_printf("{\"detail\":\"%s\"}", text);
	large.data = data;
	server_start(&server);
	world_start_at(&world, server.url);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, "suspend");
	for (int i = 0; i < SMALL + 2; i++) {
		world_expect(&world);
		store_append(world.store, "job_a", version++, i == SMALL ? &large : &world_more, 1,
			     NULL, world_done, &world);
	}
	(void)server_say(&server, "resume");
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	cr_assert_eq(world_append(&world, "job_a", version, &world_more, 1, NULL), 0, "%s",
		     world.err.message);
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
	free(data);
	free(text);
}

Test(away, a_store_that_stops_does_not_wait_for_postgresql_for_ever)
{
	struct world world;
	struct server server;

	server_start(&server);
	world_start_at(&world, server.url);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, "suspend");
	world_expect(&world);
	store_append(world.store, "job_a", 1, &world_more, 1, NULL, world_done, &world);
	world_close(&world);
	cr_assert_eq(world.rc, -ERR_COMMIT_UNKNOWN, "%s", world.err.message);
	(void)server_say(&server, "resume");
	world_open(&world, 0);
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_a")), 1);
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}

Test(away, what_was_stored_before_the_place_was_lost_is_not_said_to_be_not)
{
	/* What is found has to be followed by a commit; the one that says so finds its place taken. */
	static const char trap[] =
		"CREATE TABLE taken (); CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS "
		"$$"
		" BEGIN IF OLD.serial = NEW.serial AND to_regclass('public.now') IS NOT NULL"
		" THEN RETURN NULL; END IF; RETURN NEW; END $$;"
		" CREATE TRIGGER take BEFORE UPDATE ON narrowd.daemon FOR EACH ROW"
		" EXECUTE FUNCTION public.take()";
	struct world world;
	struct server server;
	struct err why;

	err_init(&why);
	server_start(&server);
	world_prepare(&world, server.url);
	world.lease_ms = NO_BEAT_MS;
	world_open(&world, 0);
	store_on_lost(world.store, world_note_lost, &why);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, trap);
	(void)append_unanswered(&world, &server);
	(void)server_say(&server, "SET synchronous_commit = local; CREATE TABLE now ()");
	(void)server_say(&server, "kill9");
	(void)server_say(&server, "start");
	world_wait(&world);
	cr_assert_eq(world.rc, -ERR_COMMIT_UNKNOWN, "%s", world.err.message);
	cr_assert_eq(why.code, ERR_BUSY, "%s", why.message);
	world_finish(&world);
	server_finish(&server);
}

Test(away, what_waits_has_a_bound_and_all_of_it_is_stored)
{
	const int64_t beyond = QUEUE_WAITING_OPS + QUEUE_GROUP_OPS;
	struct world world;
	struct server server;

	server_start(&server);
	world_start_at(&world, server.url);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	(void)server_say(&server, "stop");
	for (int64_t i = 0; i < beyond; i++) {
		cr_assert(i > QUEUE_WAITING_OPS || !store_is_crowded(world.store));
		world_expect(&world);
		store_append(world.store, "job_a", 1 + i, &world_more, 1, NULL, world_done, &world);
	}
	while (!store_is_crowded(world.store)) {
		(void)usleep(1000); /* it has not noticed yet */
	}
	(void)server_say(&server, "start");
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	cr_assert_not(store_is_crowded(world.store));
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_a")), 1);
	cr_assert_eq(strtoll(world_cell(&world, 0, 1), NULL, 10), beyond + 1);
	world_verify(&world);
	world_finish(&world);
	server_finish(&server);
}

Test(away, what_waits_is_bounded_in_bytes_too)
{
	enum { LARGE = 8 * 1024 * 1024 };
	char *text = mem_new(LARGE + 1, 1);
	struct log_event event = {LOGGED_WARNING, T0, -1, text};
	struct world world;
	struct server server;
	int count = 0;

	server_start(&server);
	world_start_at(&world, server.url);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	memset(text, ' ', LARGE);
	memcpy(text, "{}", 2);
	(void)server_say(&server, "stop");
	/* One group more may be on its way. */
	while (!store_is_crowded(world.store)) {
		if (count <= 2 * QUEUE_WAITING_BYTES / LARGE) {
			world_expect(&world);
			store_append(world.store, "job_a", 1 + count++, &event, 1, NULL, world_done,
				     &world);
		}
		(void)usleep(1000);
	}
	cr_assert_geq(count, QUEUE_WAITING_BYTES / LARGE);
	(void)server_say(&server, "start");
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	free(text);
	world_finish(&world);
	server_finish(&server);
}

/* What is in the log and does not fit here is tried until it does, and nobody takes it for dead meanwhile. */
Test(away, a_full_disk_is_no_silence)
{
	static const char seen[] = "SELECT extract(epoch FROM seen) FROM narrowd.daemon";
	enum { FILE_BYTES = 2 * 1024 * 1024, LONG_BYTES = 24 * 1024 * 1024, BEATS = 3 };
	char *data = mem_new(LONG_BYTES + 1, 1);
	struct log_event event = {LOGGED_WARNING, T0 + 5, -1, data};
	struct world world;
	struct server server;
	double newest = 0;
	int beats = 0;

	for (size_t i = 0; i < LONG_BYTES; i++) {
		data[i] = (char)('a' + i * i % 23);
	}
	memcpy(data, "{\"detail\":\"", 11);
	memcpy(data + LONG_BYTES - 2, "\"}", 2);
	server_start(&server);
	world_prepare(&world, server.url);
	world.lease_ms = 3000;
	world_open(&world, FILE_BYTES);
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0, "%s", world.err.message);
	world_expect(&world);
	store_append(world.store, "job_a", 1, &event, 1, NULL, world_done, &world);
	while (store_writable(world.store)) {
		(void)uv_run(loop_uv(world.loop), UV_RUN_NOWAIT);
		cr_assert_eq(world.waiting, 1, "it is not stored: %s", world.err.message);
	}
	while (beats < BEATS) {
		double at = strtod(server_say(&server, seen), NULL);

		beats += at > newest;
		newest = at;
	}
	cr_assert_eq(world.waiting, 1, "it is not stored");
	store_hurry(world.store, 0);
	world_wait(&world);
	cr_assert_eq(world.rc, -ERR_COMMIT_UNKNOWN, "%s", world.err.message);
	world_finish(&world);
	server_finish(&server);
	free(data);
}
