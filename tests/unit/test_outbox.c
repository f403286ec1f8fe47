/*
 * store: deliveries are written with their events, wait in line, and end in one of three ways.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/query.h"
#include "tests/unit/store_world.h"

enum { LATE = T0 + 100000 };

/* JSON in C, without the backslashes. */
static char *json_of(const char *text)
{
	char *json = mem_dup(text);

	for (char *c = json; *c != '\0'; c++) {
		*c = *c == '\'' ? '"' : *c;
	}
	return json;
}

static int put(struct world *world, const char *id, const char *text)
{
	char *document = json_of(text);

	world->waiting++;
	store_webhook_put(world->store, id, document, "{\"secret\":\"s\"}", NULL, NULL, world_done,
			  world);
	world_wait(world);
	free(document);
	return world->rc;
}

static int finish(struct world *world, const char *webhook, int64_t n, enum store_verdict verdict)
{
	struct store_attempt attempt = {webhook, n, verdict, LATE, LATE + 5000, 500, "no"};

	world->waiting++;
	store_delivery_end(world->store, &attempt, world_done, world);
	world_wait(world);
	return world->rc;
}

static int replay(struct world *world, const char *webhook, int64_t n)
{
	world->waiting++;
	store_delivery_replay(world->store, webhook, n, LATE, NULL, world_done, world);
	world_wait(world);
	return world->rc;
}

/* Fails unless these are due at that time: "webhook/n webhook/n ...", the longest due first. */
static void expect_due(struct world *world, int64_t now, const char *expected)
{
	char text[512] = "";

	(void)QUERY(world, QUERY_DUE, NUMBER(now), NUMBER(100));
	for (size_t i = 0; i < world->count; i++) {
		(void)strcat(text, i > 0 ? " " : "");
		(void)strcat(text, world_cell(world, i, 0));
		(void)strcat(text, "/");
		(void)strcat(text, world_cell(world, i, 1));
	}
	cr_expect_str_eq(text, expected);
	world_verify(world);
}

static void expect_state(struct world *world, const char *webhook, const char *state, size_t count)
{
	char states[32];

	(void)snprintf(states, sizeof(states), "[\"%s\"]", state);
	cr_expect_eq(QUERY(world, QUERY_DELIVERIES, TEXT(webhook), TEXT(states), NONE, NUMBER(100)),
		     count, "%s", state);
}

static void count_call(void *arg)
{
	(*(int *)arg)++;
}

/* world_insert_with_life() makes events 1 to 26: 1 submitted, 2 and 7 states, 13 and 14 told. */
Test(outbox, an_event_makes_its_deliveries)
{
	struct world world;
	int calls = 0;

	world_start(&world, 0);
	store_on_deliveries(world.store, count_call, &calls);
	cr_assert_eq(put(&world, "whk_1", "{'url':'u','events':['job_submitted','job.running']}"),
		     0);
	cr_assert_eq(put(&world, "whk_2",
			 "{'url':'u','events':['state_changed','job.running','new_best']}"),
		     0);
	cr_assert_eq(calls, 0);
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(calls, 2, "once for each write that made some");
	expect_due(&world, T0 - 1, "");
	expect_due(&world, LATE, "whk_1/1 whk_2/2");
	expect_state(&world, "whk_1", "pending", 2);
	expect_state(&world, "whk_2", "pending", 3);
	cr_expect_not_null(strstr(world_cell(&world, 2, 0), "\"type\":\"state_changed\""));
	cr_expect_not_null(strstr(world_cell(&world, 1, 0), "\"type\":\"job.running\""));
	cr_expect_not_null(strstr(world_cell(&world, 0, 0), "\"type\":\"new_best\""));
	(void)QUERY(&world, QUERY_MESSAGE, TEXT("whk_1"), NUMBER(1), NUMBER(LATE));
	cr_expect_str_eq(world_cell(&world, 0, 4), "whk_1_1");
	cr_expect_str_eq(world_cell(&world, 0, 5),
			 "{\"type\":\"job_submitted\",\"timestamp\":\"1970-01-01T00:16:40.000Z\","
			 "\"data\":{\"seq\":1,\"job\":\"job_a\",\"n\":1,\"type\":\"job_submitted\","
			 "\"at\":\"1970-01-01T00:16:40.000Z\",\"trial\":null,\"data\":{}}}");
	cr_expect_eq(QUERY(&world, QUERY_MESSAGE, TEXT("whk_1"), NUMBER(7), NUMBER(LATE)), 0,
		     "it has to wait for its turn");
	store_on_deliveries(world.store, NULL, NULL);
	world_finish(&world);
}

Test(outbox, filters_choose_jobs)
{
	struct world world;

	world_start(&world, 0);
	(void)put(&world, "whk_1", "{'events':['job_submitted'],'job':'job_b','labels':{}}");
	(void)put(&world, "whk_2", "{'events':['job_submitted'],'job':null,'labels':{'a':'b'}}");
	cr_assert_eq(world_insert(&world, "job_a", NULL), 0);
	expect_due(&world, LATE, "");
	cr_assert_eq(world_insert(&world, "job_b", NULL), 0);
	expect_due(&world, LATE, "whk_1/2");
	world_finish(&world);
}

Test(outbox, each_job_waits_in_its_own_line)
{
	struct world world;

	world_start(&world, 0);
	(void)put(&world, "whk_1", "{'events':['trial_told','job_submitted']}");
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(world_insert(&world, "job_b", NULL), 0);
	expect_due(&world, LATE, "whk_1/1 whk_1/27");
	cr_assert_eq(finish(&world, "whk_1", 1, STORE_DELIVERED), 0);
	expect_due(&world, LATE, "whk_1/27 whk_1/5");
	cr_assert_eq(finish(&world, "whk_1", 5, STORE_RETRY), 0);
	expect_due(&world, LATE, "whk_1/27");
	expect_due(&world, LATE + 5000, "whk_1/27 whk_1/5");
	cr_assert_eq(finish(&world, "whk_1", 5, STORE_DEAD), 0);
	expect_due(&world, LATE, "whk_1/27 whk_1/13");
	cr_assert_eq(finish(&world, "whk_1", 5, STORE_RETRY), -ERR_NOT_FOUND);
	cr_assert_eq(finish(&world, "whk_1", 5, STORE_DELIVERED), 0, "it had arrived after all");
	expect_state(&world, "whk_1", "delivered", 2);
	(void)QUERY(&world, QUERY_NEXT_DUE, NUMBER(LATE));
	cr_expect_null(world_cell(&world, 0, 0));
	cr_assert_eq(finish(&world, "whk_1", 13, STORE_RETRY), 0);
	(void)QUERY(&world, QUERY_NEXT_DUE, NUMBER(LATE));
	cr_expect_eq(atoi(world_cell(&world, 0, 0)), LATE + 5000);
	world_finish(&world);
}

Test(outbox, a_dead_one_that_comes_back_goes_first)
{
	struct world world;

	world_start(&world, 0);
	(void)put(&world, "whk_1", "{'events':['trial_told']}");
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(replay(&world, "whk_1", 5), -ERR_WRONG_STATE);
	cr_assert_eq(replay(&world, "whk_1", 6), -ERR_NOT_FOUND);
	cr_assert_eq(finish(&world, "whk_1", 5, STORE_DEAD), 0);
	cr_assert_eq(finish(&world, "whk_1", 13, STORE_DEAD), 0);
	cr_assert_eq(finish(&world, "whk_1", 16, STORE_RETRY), 0);
	expect_due(&world, LATE, "");
	cr_assert_eq(replay(&world, "whk_1", 13), 0);
	expect_due(&world, LATE, "whk_1/13");
	cr_assert_eq(replay(&world, "whk_1", 5), 0);
	expect_due(&world, LATE, "whk_1/5");
	cr_assert_eq(finish(&world, "whk_1", 13, STORE_RETRY), 0, "it was under way already");
	expect_due(&world, LATE + 5000, "whk_1/5");
	cr_assert_eq(finish(&world, "whk_1", 5, STORE_DELIVERED), 0);
	expect_due(&world, LATE, "whk_1/13");
	world_finish(&world);
}

Test(outbox, who_is_gone_gets_nothing_until_enabled)
{
	struct world world;

	world_start(&world, 0);
	(void)put(&world, "whk_1", "{'events':['trial_told','job_submitted']}");
	(void)put(&world, "whk_2", "{'events':['job_submitted']}");
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(finish(&world, "whk_1", 1, STORE_GONE), 0);
	expect_due(&world, LATE, "whk_2/1");
	expect_state(&world, "whk_1", "dead", 5);
	(void)QUERY(&world, QUERY_WEBHOOK, TEXT("whk_1"));
	cr_expect_not_null(
		strstr(world_cell(&world, 0, 0), "\"state\":\"disabled\",\"error\":\"no\""));
	cr_assert_eq(world_insert(&world, "job_b", NULL), 0);
	cr_assert_eq(replay(&world, "whk_1", 1), -ERR_WRONG_STATE);
	expect_due(&world, LATE, "whk_2/1 whk_2/27");
	for (int i = 0; i < 2; i++) {
		world.waiting++;
		store_webhook_enable(world.store, i == 0 ? "whk_1" : "whk_3", NULL, world_done,
				     &world);
		world_wait(&world);
		cr_assert_eq(world.rc, i == 0 ? 0 : -ERR_NOT_FOUND);
	}
	cr_assert_eq(replay(&world, "whk_1", 1), 0);
	cr_assert_eq(world_insert(&world, "job_c", NULL), 0);
	expect_due(&world, LATE, "whk_2/1 whk_2/27 whk_1/28 whk_2/28 whk_1/1");
	world_finish(&world);
}

Test(outbox, deliveries_go_with_their_job_and_with_their_webhook)
{
	struct world world;

	world_start(&world, 0);
	(void)put(&world, "whk_1", "{'events':['trial_told']}");
	(void)put(&world, "whk_2", "{'events':['job_submitted','job.completed']}");
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, FINISHED, 1, NULL), 0);
	cr_assert_eq(world_insert(&world, "job_b", NULL), 0);
	world.waiting++;
	store_job_delete(world.store, "job_a", world_done, &world);
	world_wait(&world);
	cr_assert_eq(world.rc, 0, "%s", world.err.message);
	cr_assert_eq(finish(&world, "whk_1", 5, STORE_DELIVERED), -ERR_NOT_FOUND);
	expect_due(&world, LATE, "whk_2/28");
	world.waiting++;
	store_webhook_delete(world.store, "whk_2", world_done, &world);
	world_wait(&world);
	expect_due(&world, LATE, "");
	world_insert_with_life(&world, "job_c");
	expect_due(&world, LATE, "whk_1/33");
	world_finish(&world);
}

Test(outbox, events_that_are_not_stored_are_not_told)
{
	const struct log_event twice[] = {
		{LOGGED_TRIAL_TOLD, T0 + 500, 3, "{}"},
		{LOGGED_TRIAL_TOLD, T0 + 500, 1, "{}"},
	};
	struct world world;
	int calls = 0;

	world_start(&world, 0);
	(void)put(&world, "whk_1", "{'events':['trial_told']}");
	world_insert_with_life(&world, "job_a");
	expect_state(&world, "whk_1", "pending", 4);
	store_on_deliveries(world.store, count_call, &calls);
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, twice, 2, NULL),
		     -ERR_WRONG_STATE);
	expect_state(&world, "whk_1", "pending", 4);
	cr_expect_eq(calls, 0);
	store_on_deliveries(world.store, NULL, NULL);
	world_finish(&world);
}
