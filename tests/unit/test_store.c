/*
 * store: what is written can be read, in the form that clients see.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/conn.h"
#include "store/db.h"
#include "store/query.h"
#include "tests/unit/store_world.h"

/* What only the second rules say of a best config. */
#define NO_FIGURES                                                                                 \
	"\"gain_interval\":null,\"measurements\":null,\"metrics\":null,\"accuracy_range\":null,"   \
	"\"objective_range\":null,\"nearest\":null,\"keep_baseline\":null,"                        \
	"\"keep_baseline_because\":null,\"verdict\":null,\"baseline\":null"

Test(store, a_job_document_says_what_its_events_say)
{
	struct world world;

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, FINISHED, 1, NULL), 0);
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_a")), 1);
	cr_assert_str_eq(
		world_cell(&world, 0, 0),
		"{\"id\":\"job_a\",\"name\":\"n2\",\"labels\":{\"te\\\"am.x\":\"ed'ge\"},"
		"\"state\":\"completed\",\"created_at\":\"1970-01-01T00:16:40.000Z\","
		"\"started_at\":\"1970-01-01T00:16:40.010Z\","
		"\"finished_at\":\"1970-01-01T00:16:41.000Z\",\"strategy\":\"basic\","
		"\"quant_level\":1,\"rules\":1,\"parallel\":2,\"seed\":9007199254740991,"
		"\"deterministic\":true,\"stop_on\":\"budget\",\"budget\":{\"max_trials\":60,"
		"\"timeout\":0.5,\"trials_measured\":1,\"elapsed_s\":7.5},"
		"\"progress\":{\"stage\":\"all\",\"asked\":4,\"told\":2,\"failed\":1,"
		"\"running\":1,\"cached\":1,\"imported\":0,\"cancelled\":1,\"hint\":null,"
		"\"out\":[],\"waiting\":null,\"waits_for\":null},\"clock\":{\"active_s\":7.5,"
		"\"running_since\":null},"
		"\"criterion\":{\"higher_is_better\":true,\"criterion\":\"relative\","
		"\"tolerable_loss\":0.01,\"bound\":0.792},\"min_gain\":null,\"objective\":"
		"\"latency_ms\","
		"\"baseline\":{\"trial\":0,\"accuracy\":0.80000000000000004,"
		"\"metrics\":{\"latency_ms\":10}},\"best\":{\"trial\":1,\"feasible\":false,"
		"\"accuracy\":0.75,\"accuracy_loss\":0.0625,\"objective_value\":4.5,"
		"\"speedup\":null,\"gain\":null," NO_FIGURES
		"},\"exit\":{\"reason\":\"max_trials\",\"detail\":"
		"\"d\"},\"pause\":null,"
		"\"warnings\":[{\"pointer\":null,\"detail\":\"odd\"},"
		"{\"pointer\":\"/"
		"x\",\"detail\":\"low\"}],\"evaluator\":{\"pool\":\"gpu\"},\"owner\":\"local\"}");
	cr_assert_str_eq(world_cell(&world, 0, 1), "27", "the version counts events");
	cr_assert_str_eq(world_cell(&world, 0, 2), "completed");
	cr_assert_str_eq(world_cell(&world, 0, 5), WORLD_HEAD);
	cr_assert_str_eq(world_cell(&world, 0, 6), "1");
	cr_assert_str_eq(world_cell(&world, 0, 7), "{\"url\":\"secret\"}");
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_b")), 0);
	world_verify(&world);
	world_finish(&world);
}

Test(store, trial_documents_have_all_digits_real_booleans_and_scores)
{
	struct world world;

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(QUERY(&world, QUERY_TRIAL, TEXT("job_a"), NUMBER(1)), 1);
	cr_assert_str_eq(world_cell(&world, 0, 0),
			 "{\"job\":\"job_a\",\"number\":1,\"kind\":\"evaluate\",\"stage\":\"all\","
			 "\"state\":\"told\",\"source\":\"measured\",\"attempts\":2,"
			 "\"accuracy\":0.75,\"metrics\":{\"latency_ms\":4.5},\"feasible\":false,"
			 "\"objective_value\":4.4999999999999996,\"margin\":null,\"subset\":null,"
			 "\"worker\":\"w\","
			 "\"asked_at\":\"1970-01-01T00:16:40.070Z\","
			 "\"told_at\":\"1970-01-01T00:16:40.110Z\",\"error\":null,"
			 "\"hash\":\"00ff\",\"excluded\":null,\"rejected\":null}");
	cr_assert_str_eq(world_cell(&world, 0, 1), "[[0,1]]");
	(void)QUERY(&world, QUERY_TRIAL, TEXT("job_a"), NUMBER(4));
	cr_assert_not_null(
		strstr(world_cell(&world, 0, 0), "\"method\":\"mse\",\"scores\":{\"fc\":1}}"));
	(void)QUERY(&world, QUERY_TRIAL, TEXT("job_a"), NUMBER(3));
	cr_assert_not_null(strstr(world_cell(&world, 0, 0), "\"state\":\"failed\""));
	cr_assert_not_null(strstr(world_cell(&world, 0, 0), "\"attempts\":3,\"accuracy\":null"));
	cr_assert_not_null(strstr(world_cell(&world, 0, 0), "\"error\":\"broken\""));
	(void)QUERY(&world, QUERY_TOLD, TEXT("job_a"));
	cr_assert_eq(world.count, 3, "the baseline and two evaluations, no scores");
	cr_assert_str_eq(world_cell(&world, 2, 2), "{\"top1\":0.7,\"top5\":0.9}");
	world_finish(&world);
}

/* Reads all pages of two and notes the numbers. */
static void page_through(struct world *world, int order, char *ret_numbers)
{
	struct store_value key = NONE;
	struct store_value number = NONE;
	char *last_key = NULL;

	*ret_numbers = '\0';
	while (QUERY(world, QUERY_TRIALS, TEXT("job_a"), NONE, NONE, NONE, NUMBER(order), key,
		     number, NUMBER(2)) > 0) {
		const char *last = world_cell(world, world->count - 1, 2);

		for (size_t i = 0; i < world->count; i++) {
			strcat(ret_numbers, world_cell(world, i, 1));
		}
		free(last_key);
		last_key = last != NULL ? mem_dup(last) : NULL;
		key = last != NULL ? TEXT(last_key) : NONE;
		number = NUMBER(atoi(world_cell(world, world->count - 1, 1)));
	}
	free(last_key);
}

Test(store, trials_are_paged_in_every_order_and_filtered)
{
	static const char *const expected[QUERY_ORDERS] = {"0123456", "6543210", "2103456",
							   "0123456", "1023456", "0123456"};
	struct world world;
	char numbers[16];

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	for (int order = 0; order < QUERY_ORDERS; order++) {
		page_through(&world, order, numbers);
		cr_assert_str_eq(numbers, expected[order], "order %d gives %s", order, numbers);
	}
	cr_assert_eq(QUERY(&world, QUERY_TRIALS, TEXT("job_a"), TEXT("[\"told\"]"),
			   TEXT("[\"none\",\"all\"]"), NUMBER(0), NUMBER(4), NONE, NONE,
			   NUMBER(10)),
		     1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "1");
	cr_assert_eq(QUERY(&world, QUERY_TRIALS, TEXT("job_a"), NONE, NONE, NONE, NUMBER(0), NONE,
			   NONE, NUMBER(10), TEXT("[\"baseline\"]"), TEXT("[\"measured\"]")),
		     1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "0");
	world_finish(&world);
}

Test(store, jobs_are_listed_newest_first_by_state_name_and_label)
{
	static const char *const ids[] = {"job_a", "job_b", "job_c"};
	struct log_event edit = {LOGGED_JOB_EDITED, T0, -1,
				 "{\"labels\":{\"team\":\"x\"},\"name\":null}"};
	struct world world;

	world_start(&world, 0);
	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(world_insert(&world, ids[i], NULL), 0);
	}
	cr_assert_eq(world_append(&world, "job_b", 1, &edit, 1, NULL), 0);
	cr_assert_eq(world_append(&world, "job_c", 1, FINISHED, 1, NULL), 0);
	cr_assert_eq(QUERY(&world, QUERY_JOBS, NONE, NONE, NONE, NONE, NUMBER(2)), 2);
	cr_assert_str_eq(world_cell(&world, 0, 1), "job_c");
	cr_assert_str_eq(world_cell(&world, 1, 1), "job_b");
	cr_assert_eq(QUERY(&world, QUERY_JOBS, NONE, NONE, NONE, TEXT("job_b"), NUMBER(2)), 1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "job_a");
	cr_assert_eq(QUERY(&world, QUERY_JOBS, NONE, TEXT("n1"), NONE, NONE, NUMBER(9)), 2);
	cr_assert_eq(QUERY(&world, QUERY_JOBS, TEXT("[\"completed\"]"), TEXT("n1"),
			   TEXT("{\"te\\\"am.x\":\"ed'ge\"}"), NONE, NUMBER(9)),
		     1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "job_c");
	cr_assert_eq(
		QUERY(&world, QUERY_JOBS, NONE, NONE, TEXT("{\"team\":\"x\"}"), NONE, NUMBER(9)),
		1);
	cr_assert_not_null(
		strstr(world_cell(&world, 0, 0), "\"name\":null,\"labels\":{\"team\":\"x\"}"));
	cr_assert_eq(
		QUERY(&world, QUERY_JOBS, NONE, NONE, TEXT("{\"team\":\"y\"}"), NONE, NUMBER(9)),
		0);
	cr_assert_eq(QUERY(&world, QUERY_JOBS, NONE, NONE, TEXT("{\"team\":\"x\",\"b\":\"x\"}"),
			   NONE, NUMBER(9)),
		     0, "every label counts");
	cr_assert_eq(world_query(&world, QUERY_JOB_COUNTS, NULL, 0), 2);
	cr_assert_str_eq(world_cell(&world, 1, 0), "queued");
	cr_assert_str_eq(world_cell(&world, 1, 1), "2");
	cr_assert_eq(world_query(&world, QUERY_OPEN_JOBS, NULL, 0), 2);
	cr_assert_str_eq(world_cell(&world, 0, 0), "job_a");
	world_verify(&world);
	world_finish(&world);
}

static void count_row(void *arg, char *const *cells)
{
	int64_t *next = arg;

	cr_assert_eq(atoll(cells[0]), ++*next, "numbers have no gaps");
}

Test(store, the_log_is_gapless_per_job_and_seq_orders_all_jobs)
{
	struct world world;
	struct err err;
	int64_t last = 0;

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(world_insert(&world, "job_b", NULL), 0);
	cr_assert_eq(store_query_now(world.store, QUERY_LOG,
				     (struct store_value[]){TEXT("job_a"), NUMBER(0), NUMBER(100)},
				     3, count_row, &last, &err),
		     0);
	cr_assert_eq(last, WORLD_LIFE + 1);
	cr_assert_eq(QUERY(&world, QUERY_LOG, TEXT("job_a"), NUMBER(12), NUMBER(1)), 1);
	cr_assert_str_eq(world_cell(&world, 0, 2), logged_name(world_life[11].type));
	cr_assert_str_eq(world_cell(&world, 0, 4), "1");
	cr_assert_str_eq(world_cell(&world, 0, 5), world_life[11].data,
			 "the data come back byte for byte");
	cr_assert_eq(QUERY(&world, QUERY_EVENTS, TEXT("job_b"), NUMBER(0), NUMBER(9)), 1);
	cr_assert_str_eq(world_cell(&world, 0, 0),
			 "{\"seq\":27,\"job\":\"job_b\",\"n\":1,\"type\":\"job_submitted\","
			 "\"at\":\"1970-01-01T00:16:40.000Z\",\"trial\":null,\"data\":{}}");
	cr_assert_eq(QUERY(&world, QUERY_EVENTS, TEXT("job_a"), NUMBER(24), NUMBER(9)), 2);
	cr_assert_str_eq(world_cell(&world, 1, 1), "26");
	world_finish(&world);
}

Test(store, a_failed_trial_that_is_asked_again_counts_once)
{
	struct log_event events[] = {
		{LOGGED_QUESTION_ASKED, T0, 3, world_life[15].data},
		{LOGGED_QUESTION_LEASED, T0, 3, "{\"lease\":\"d\",\"attempt\":4}"},
		{LOGGED_TRIAL_TOLD, T0, 3,
		 "{\"accuracy\":0.5,\"metrics\":{},\"source\":\"measured\"}"},
	};
	struct world world;

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, events, 3, NULL), 0, "%s",
		     world.err.message);
	(void)QUERY(&world, QUERY_JOB, TEXT("job_a"));
	cr_assert_not_null(
		strstr(world_cell(&world, 0, 0), "\"asked\":4,\"told\":3,\"failed\":0,"));
	world_verify(&world);
	world_finish(&world);
}

Test(store, an_operation_is_stored_as_a_whole_or_not_at_all)
{
	struct log_event twice[] = {world_life[6], world_life[11]};
	struct log_event malformed = {LOGGED_WARNING, T0, -1, "{\"detail\":"};
	struct world world;

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, twice, 2, NULL),
		     -ERR_WRONG_STATE, "a trial is told once");
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, &malformed, 1, NULL),
		     -ERR_INTERNAL);
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE, &world_life[6], 1, NULL),
		     -ERR_CONFLICT,
		     "nothing is appended at another place than the caller believes");
	cr_assert_eq(world_append(&world, "job_b", 0, &world_life[6], 1, NULL), -ERR_NOT_FOUND);
	cr_assert_eq(world_insert(&world, "job_a", NULL), -ERR_CONFLICT);
	cr_assert_eq(QUERY(&world, QUERY_LOG, TEXT("job_a"), NUMBER(0), NUMBER(100)),
		     WORLD_LIFE + 1);
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, &world_life[6], 1, NULL), 0);
	world_verify(&world);
	world_finish(&world);
}

Test(store, only_a_final_job_is_deleted_and_its_numbers_are_not_used_again)
{
	struct world world;

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	world.waiting++;
	store_job_delete(world.store, "job_a", world_done, &world);
	world_wait(&world);
	cr_assert_eq(world.rc, -ERR_WRONG_STATE);
	cr_assert_eq(world_append(&world, "job_a", WORLD_LIFE + 1, FINISHED, 1, NULL), 0);
	for (int i = 0; i < 2; i++) {
		world.waiting++;
		store_job_delete(world.store, "job_a", world_done, &world);
		world_wait(&world);
		cr_assert_eq(world.rc, i == 0 ? 0 : -ERR_NOT_FOUND);
	}
	cr_assert_eq(QUERY(&world, QUERY_TRIALS, TEXT("job_a"), NONE, NONE, NONE, NUMBER(0), NONE,
			   NONE, NUMBER(9)),
		     0);
	cr_assert_eq(QUERY(&world, QUERY_LOG, TEXT("job_a"), NUMBER(0), NUMBER(100)), 0);
	cr_assert_eq(world_insert(&world, "job_b", NULL), 0);
	(void)QUERY(&world, QUERY_EVENTS, TEXT("job_b"), NUMBER(0), NUMBER(9));
	cr_assert_str_eq(world_cell(&world, 0, 1), "28");
	world_verify(&world);
	world_finish(&world);
}

Test(store, evaluators_keep_their_secrets_apart)
{
	struct world world;

	world_start(&world, 0);
	for (int i = 0; i < 3; i++) {
		world.waiting++;
		store_evaluator_put(world.store, i == 2 ? "evl_b" : "evl_a",
				    i == 1 ? "{\"name\":\"new\"}" : "{\"name\":\"old\"}",
				    i == 2 ? NULL : "{\"secret\":1}", i == 2 ? "ann" : NULL, NULL,
				    world_done, &world);
	}
	world_wait(&world);
	cr_assert_eq(QUERY(&world, QUERY_EVALUATOR, TEXT("evl_a")), 1);
	cr_assert_str_eq(world_cell(&world, 0, 0), "{\"name\":\"new\",\"owner\":\"local\"}");
	cr_assert_str_eq(world_cell(&world, 0, 1), "{\"secret\":1}");
	cr_assert_eq(QUERY(&world, QUERY_EVALUATOR, TEXT("evl_a"), TEXT("ann")), 0);
	cr_assert_eq(QUERY(&world, QUERY_EVALUATORS, NONE, NUMBER(9), TEXT("ann")), 1);
	cr_assert_eq(QUERY(&world, QUERY_EVALUATORS, TEXT("evl_a"), NUMBER(9)), 1);
	cr_assert_str_eq(world_cell(&world, 0, 1), "evl_b");
	for (int i = 0; i < 2; i++) {
		world.waiting++;
		store_evaluator_delete(world.store, "evl_a", world_done, &world);
		world_wait(&world);
		cr_assert_eq(world.rc, i == 0 ? 0 : -ERR_NOT_FOUND);
	}
	world_finish(&world);
}

Test(store, a_key_is_stored_with_its_effect_and_used_once_in_48_hours)
{
	struct store_key key = {"-", "k", "f1", 201, "/v1/jobs/job_a", NULL, T0};
	struct store_key other = {"-", "old", "f2", 200, NULL, "{}", T0};
	struct world world;

	world_start(&world, 0);
	cr_assert_eq(world_insert(&world, "job_a", &key), 0);
	cr_assert_eq(QUERY(&world, QUERY_KEY, TEXT("-"), TEXT("k")), 1);
	cr_assert_str_eq(world_cell(&world, 0, 0), "f1");
	cr_assert_str_eq(world_cell(&world, 0, 1), "201");
	cr_assert_str_eq(world_cell(&world, 0, 2), "/v1/jobs/job_a");
	cr_assert_eq(strncmp(world_cell(&world, 0, 3), "{\"id\":\"job_a\"", 13), 0,
		     "without a body of its own the key keeps the job's document");
	cr_assert_eq(world_insert(&world, "job_b", &key), -ERR_IDEMPOTENCY_BUSY);
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_b")), 0, "the effect goes with the key");
	cr_assert_eq(QUERY(&world, QUERY_KEY, TEXT("+"), TEXT("k")), 0, "scopes are apart");
	world.waiting++;
	store_key_put(world.store, &other, world_done, &world);
	world_wait(&world);
	cr_assert_eq(world.rc, 0);
	key.at_ms += 48 * 3600 * 1000 + 1;
	cr_assert_eq(world_insert(&world, "job_b", &key), 0);
	cr_assert_eq(QUERY(&world, QUERY_KEY, TEXT("-"), TEXT("old")), 0, "old keys go");
	world_finish(&world);
}

static void never(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	(void)arg;
	(void)rc;
	(void)rows;
	(void)err;
	cr_assert_fail("a cancelled query calls nobody");
}

Test(store, a_cancelled_query_is_silent_and_a_broken_one_says_so)
{
	struct store_value values[] = {TEXT("job_a"), NONE, NONE, NONE, NUMBER(6)};
	struct store_query_call *call;
	struct world world;

	world_start(&world, 0);
	call = store_query(world.store, QUERY_JOB, values, 1, never, NULL);
	store_query_cancel(call);
	world.waiting++;
	(void)store_query(world.store, QUERY_TRIALS, values, 5, world_rows, &world);
	world_wait(&world);
	cr_assert_eq(world.rc, -ERR_INTERNAL);
	world_finish(&world);
}

Test(store, readers_cannot_write)
{
	struct world world;
	struct conn conn;
	struct err err;
	char *path;

	world_start(&world, 0);
	world_insert_with_life(&world, "job_a");
	path = world_path(&world, "narrowd.db");
	cr_assert_eq(conn_init(&conn, path, &err), 0);
	cr_assert_eq(db_exec(conn.db, "DELETE FROM submission", &err), -ERR_STORAGE);
	cr_assert_eq(db_exec(conn.db, "CREATE TEMP TABLE x (y)", &err), -ERR_STORAGE);
	conn_finish(&conn);
	free(path);
	cr_assert_eq(QUERY(&world, QUERY_JOB, TEXT("job_a")), 1);
	world_finish(&world);
}
