/* dispatch/sched: what one job may take, keep, give back and leave out, and how an evaluator is said to be. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/sched.h"
#include "set_clock.h"

struct job {
	struct sched_seat seat;
	int turns;
};

static struct sched sched;
static const struct sched_offer three[] = {{"http://a", 2}, {"http://b", 2}, {"http://c", 2}};

static void on_turn(void *arg)
{
	((struct job *)arg)->turns++;
}

static void sit_as(struct job *job, const char *owner, size_t from, size_t count)
{
	*job = (struct job){.turns = 0};
	sched_seat_init(&sched, &job->seat, owner, three + from, count, on_turn, job);
}

static void sit(struct job *job, size_t from, size_t count)
{
	sit_as(job, "local", from, count);
}

static void begin(void)
{
	memset(&sched, 0xa5, sizeof(sched)); /* whatever was there before */
	sched_init(&sched, &set_clock);
}

static void end(void)
{
	cr_assert_eq(sched.waiting, 0);
	sched_finish(&sched);
	memset(&sched, 0, sizeof(sched)); /* or what is still held would not be seen to be lost */
}

TestSuite(seats, .init = begin, .fini = end);

static void bring_down(struct job *job, int offer, const char *error)
{
	for (int i = 0; i < BREAKER_LIMIT; i++) {
		sched_failed(&job->seat, offer, error, true);
	}
}

Test(seats, the_least_busy_of_several_is_asked)
{
	struct job other, job;

	sit(&other, 0, 2);
	sit(&job, 0, 3);
	cr_assert_eq(sched_take(&other.seat), 0);
	cr_assert_eq(sched_take(&other.seat), 1);
	cr_assert_eq(sched_take(&job.seat), 2, "the others have half their places taken");
	cr_assert_eq(sched_take(&job.seat), 0, "all are alike: the first");
	sched_give_back(&other.seat, 0);
	cr_assert_eq(sched_take(&other.seat), 0);
	sched_give_back(&job.seat, 0);
	sched_give_back(&job.seat, 2);
	sched_give_back(&other.seat, 0);
	sched_give_back(&other.seat, 1);
	sched_seat_finish(&job.seat);
	sched_seat_finish(&other.seat);
}

Test(seats, a_place_that_is_wished_for_is_given_if_it_is_there)
{
	struct job job, other;

	sit(&job, 0, 2);
	sit(&other, 1, 1);
	cr_assert_eq(sched_take_at(&job.seat, 1), 1);
	cr_assert_eq(sched_take_at(&job.seat, 1), 1);
	cr_assert_eq(sched_take_at(&job.seat, 1), 0, "there is none, and another one is as good");
	sched_give_back(&job.seat, 1);
	cr_assert_eq(sched_take(&other.seat), 0);
	cr_assert_eq(sched_take(&other.seat), -1);
	sched_give_back(&job.seat, 1);
	cr_assert_eq(other.turns, 1, "who has waited comes first");
	cr_assert_eq(sched_take_at(&job.seat, 1), 0);
	cr_assert_eq(sched_take_at(&job.seat, 1), -1, "nothing is left: it waits");
	cr_assert_eq(sched.waiting, 1);
	cr_assert_eq(sched_take(&other.seat), 0);
	sched_give_back(&other.seat, 0);
	cr_assert_eq(job.turns, 1);
	cr_assert_eq(sched_take_at(&job.seat, 0), 1, "what is kept for it is what it gets");
	sched_give_back(&job.seat, 1);
	sched_give_back(&job.seat, 0);
	sched_give_back(&job.seat, 0);
	sched_give_back(&other.seat, 0);
	sched_seat_finish(&job.seat);
	sched_seat_finish(&other.seat);
}

Test(seats, whether_there_is_a_place_can_be_asked_without_taking_it)
{
	struct job job, other;

	sit(&job, 0, 1);
	sit(&other, 0, 1);
	cr_assert(sched_has_place(&job.seat));
	cr_assert_eq(sched_take(&other.seat), 0);
	cr_assert_eq(sched_take(&other.seat), 0);
	cr_assert_not(sched_has_place(&job.seat));
	cr_assert_eq(sched.waiting, 0, "nobody waits who has only asked");
	cr_assert_eq(sched_take(&job.seat), -1);
	cr_assert_eq(sched_take(&job.seat), -1);
	cr_assert_eq(sched.waiting, 1);
	cr_assert_eq(job.seat.waits_since_ms, set_clock_ms);
	sched_give_back(&other.seat, 0);
	cr_assert(sched_has_place(&job.seat), "it is kept for it");
	cr_assert_not(sched_has_place(&other.seat));
	sched_leave(&job.seat);
	cr_assert(sched_has_place(&other.seat), "it did not want it");
	sched_leave(&job.seat);
	sched_give_back(&other.seat, 0);
	sched_seat_finish(&job.seat);
	sched_seat_finish(&other.seat);
}

Test(seats, a_question_may_move_where_there_is_room)
{
	struct job job, other;

	sit(&job, 0, 2);
	sit(&other, 0, 1);
	cr_assert_eq(sched_take(&job.seat), 0);
	cr_assert_eq(sched_take(&other.seat), 0);
	cr_assert_eq(sched_take(&other.seat), -1);
	cr_assert_eq(sched_move(&job.seat, 0), 1);
	cr_assert_eq(other.turns, 1, "whose place was given up is served");
	cr_assert_eq(sched_take(&job.seat), 1);
	cr_assert_eq(sched_move(&job.seat, 1), 1, "there is no room elsewhere");
	sched_give_back(&job.seat, 1);
	sched_give_back(&job.seat, 1);
	cr_assert_eq(sched_take(&other.seat), 0);
	sched_give_back(&other.seat, 0);
	sched_give_back(&other.seat, 0);
	sched_seat_finish(&job.seat);
	sched_seat_finish(&other.seat);
}

Test(seats, who_cannot_use_an_evaluator_leaves_it_out_for_a_while)
{
	struct job job;

	sit(&job, 0, 2);
	cr_assert(sched_leave_out(&job.seat, 0, set_clock_ms + 1000), "the other one is well");
	cr_assert_eq(sched_take(&job.seat), 1);
	cr_assert_eq(sched_take(&job.seat), 1);
	cr_assert_eq(sched_take(&job.seat), -1);
	sched_leave(&job.seat);
	cr_assert_not(sched_leave_out(&job.seat, 1, set_clock_ms + 500), "now there is none");
	set_clock_ms += 500;
	cr_assert_eq(sched_take(&job.seat), -1, "its places are taken");
	sched_leave(&job.seat);
	set_clock_ms += 500;
	cr_assert_eq(sched_take(&job.seat), 0);
	(void)sched_leave_out(&job.seat, 0, set_clock_ms + 1000);
	cr_assert_eq(sched_take(&job.seat), -1);
	sched_leave(&job.seat);
	sched_readmit(&job.seat);
	cr_assert_eq(sched_take(&job.seat), 0);
	sched_give_back(&job.seat, 0);
	sched_give_back(&job.seat, 0);
	sched_give_back(&job.seat, 1);
	sched_give_back(&job.seat, 1);
	sched_seat_finish(&job.seat);
}

/* While it waits there, too: it leaves that queue. */
Test(seats, who_is_left_out_is_not_waited_for)
{
	struct job job, other;

	sit(&job, 0, 2);
	sit(&other, 0, 2);
	for (int i = 0; i < 4; i++) {
		cr_assert_geq(sched_take(&other.seat), 0);
	}
	cr_assert_eq(sched_take(&job.seat), -1);
	cr_assert(sched_leave_out(&job.seat, 0, set_clock_ms + 1000));
	sched_give_back(&other.seat, 0);
	cr_assert_eq(job.turns, 0);
	sched_give_back(&other.seat, 1);
	cr_assert_eq(job.turns, 1);
	cr_assert_eq(sched_take(&job.seat), 1);
	sched_give_back(&job.seat, 1);
	sched_give_back(&other.seat, 0);
	sched_give_back(&other.seat, 1);
	sched_seat_finish(&job.seat);
	sched_seat_finish(&other.seat);
}

Test(seats, an_evaluator_that_is_down_is_no_other_choice)
{
	struct job job;

	sit(&job, 0, 2);
	bring_down(&job, 1, "refused");
	cr_assert_not(sched_leave_out(&job.seat, 0, set_clock_ms + 1000));
	sched_readmit(&job.seat);
	sched_seat_finish(&job.seat);
}

Test(seats, questions_from_before_a_restart_take_places_that_there_are_not)
{
	struct job job;

	sit(&job, 0, 1);
	for (int i = 0; i < 3; i++) {
		sched_force(&job.seat, 0);
	}
	cr_assert_not(sched_has_place(&job.seat));
	sched_give_back(&job.seat, 0);
	cr_assert_not(sched_has_place(&job.seat));
	sched_give_back(&job.seat, 0);
	cr_assert(sched_has_place(&job.seat));
	sched_give_back(&job.seat, 0);
	sched_seat_finish(&job.seat);
}

Test(seats, when_nobody_is_well_the_last_to_go_down_says_why)
{
	struct job job;
	const char *error = NULL;

	sit(&job, 0, 3);
	cr_assert_eq(sched_down(&job.seat), -1);
	bring_down(&job, 1, "first");
	cr_assert_eq(sched.down, 1);
	cr_assert_eq(sched_down(&job.seat), -1, "others are well");
	set_clock_ms += 10;
	bring_down(&job, 2, "last");
	set_clock_ms -= 5;
	bring_down(&job, 0, "second");
	set_clock_ms += 1000;
	cr_assert_eq(sched.down, 3);
	cr_assert_eq(sched_down(&job.seat), 2);
	cr_assert_eq(sched_down_ms(&job.seat, &error), 995);
	cr_assert_str_eq(error, "last");
	sched_failed(&job.seat, 2, "again", true);
	cr_assert_eq(sched.down, 3, "it was down before");
	sched_accepted(&job.seat, 0);
	set_clock_ms += 1;
	bring_down(&job, 0, "the very last");
	cr_assert_eq(sched_down(&job.seat), 0, "also where it is the first of them");
	sched_accepted(&job.seat, 1);
	cr_assert_eq(sched.down, 2, "who accepts a question is well");
	cr_assert_eq(sched_down(&job.seat), -1);
	cr_assert_eq(sched_down_ms(&job.seat, &error), -1);
	sched_well(&sched, "http://c");
	cr_assert_eq(sched.down, 1, "somebody else found it well");
	sched_well(&sched, "http://nobody");
	sched_failed(&job.seat, 0, "500", false);
	cr_assert_eq(sched.down, 0, "who answers what cannot be used is there");
	sched_seat_finish(&job.seat);
}

Test(seats, who_gets_well_serves_those_that_wait)
{
	struct job job;

	sit(&job, 0, 1);
	bring_down(&job, 0, "refused");
	cr_assert_eq(sched_take(&job.seat), -1);
	cr_assert_eq(sched.waiting, 1);
	sched_well(&sched, "http://a");
	cr_assert_eq(job.turns, 1);
	cr_assert_eq(sched_take(&job.seat), 0);
	sched_give_back(&job.seat, 0);
	sched_seat_finish(&job.seat);
}

Test(seats, a_probe_asks_only_who_is_not_well)
{
	struct job well, down;

	sit(&well, 0, 1);
	sit(&down, 1, 1);
	cr_assert_eq(sched_take(&well.seat), 0);
	cr_assert_eq(sched_take(&well.seat), 0);
	cr_assert_eq(sched_take(&well.seat), -1);
	bring_down(&down, 0, "refused");
	cr_assert_eq(sched_take(&down.seat), -1);
	sched_probe(&sched);
	cr_assert_eq(well.turns, 0);
	cr_assert_eq(down.turns, 2, "that it has waited, and that it may try");
	cr_assert_eq(sched_take(&down.seat), 0);
	sched_failed(&down.seat, 0, "refused", true);
	sched_give_back(&down.seat, 0);
	cr_assert_eq(sched_take(&down.seat), -1);
	sched_leave(&down.seat);
	sched_leave(&well.seat);
	sched_give_back(&well.seat, 0);
	sched_give_back(&well.seat, 0);
	sched_seat_finish(&well.seat);
	sched_seat_finish(&down.seat);
}

/* Compares the whole document. */
static void health_is(const char *name, const char *expected)
{
	json_t *is = evaluator_health(sched_evaluator(&sched, name), &set_clock);
	json_t *wanted = json_loads(expected, 0, NULL);
	char *said = json_dumps(is, JSON_COMPACT);

	cr_expect(json_equal(is, wanted) == 1, "%s\n  and not\n%s", said, expected);
	free(said);
	json_decref(is);
	json_decref(wanted);
}

Test(seats, an_evaluator_says_how_it_is)
{
	struct job job;

	set_clock_ms = INT64_C(1700000000000);
	health_is("http://a",
		  "{\"state\": \"closed\", \"consecutive_failures\": 0, \"down_since\": null, "
		  "\"last_failed_at\": null, \"last_error\": null, \"statistics\": {\"asked\": 0, "
		  "\"answered\": 0, \"failed\": 0, \"out\": 0, \"mean_answer_s\": null}}");
	sit(&job, 0, 1);
	cr_assert_eq(sched_take(&job.seat), 0);
	sched_asked(&job.seat, 0);
	sched_asked(&job.seat, 0);
	sched_answered(&job.seat, 0, 1.5);
	health_is("http://a",
		  "{\"state\": \"closed\", \"consecutive_failures\": 0, \"down_since\": null, "
		  "\"last_failed_at\": null, \"last_error\": null, \"statistics\": {\"asked\": 2, "
		  "\"answered\": 1, \"failed\": 0, \"out\": 1, \"mean_answer_s\": 1.5}}");
	sched_answered(&job.seat, 0, 0.5);
	health_is("http://a",
		  "{\"state\": \"closed\", \"consecutive_failures\": 0, \"down_since\": null, "
		  "\"last_failed_at\": null, \"last_error\": null, \"statistics\": {\"asked\": 2, "
		  "\"answered\": 2, \"failed\": 0, \"out\": 1, \"mean_answer_s\": 1.0}}");
	bring_down(&job, 0, "refused");
	cr_assert_eq(sched_evaluator(&sched, "http://a")->down_wall_ms, set_clock_ms);
	set_clock_ms += 1000;
	sched_failed(&job.seat, 0, "timed out", true);
	set_clock_ms += 1000;
	health_is("http://a",
		  "{\"state\": \"open\", \"consecutive_failures\": 6, \"down_since\": "
		  "\"2023-11-14T22:13:20.000Z\", \"last_failed_at\": \"2023-11-14T22:13:21.000Z\", "
		  "\"last_error\": \"timed out\", \"statistics\": {\"asked\": 2, \"answered\": 2, "
		  "\"failed\": 6, \"out\": 1, \"mean_answer_s\": 1.0}}");
	sched_answered(&job.seat, 0, 1);
	health_is(
		"http://a",
		"{\"state\": \"closed\", \"consecutive_failures\": 0, \"down_since\": null, "
		"\"last_failed_at\": \"2023-11-14T22:13:21.000Z\", \"last_error\": \"timed out\", "
		"\"statistics\": {\"asked\": 2, \"answered\": 3, \"failed\": 6, \"out\": 1, "
		"\"mean_answer_s\": 1.0}}");
	sched_give_back(&job.seat, 0);
	sched_seat_finish(&job.seat);
	cr_assert_not_null(sched_evaluator(&sched, "http://a"), "what it did is kept");
}

/* What stands behind "?" is often a key, and names of evaluators are written to logs. */
Test(seats, an_evaluator_is_shown_without_its_key)
{
	static const char *const url = "http://a/measure?key=secret";
	const struct sched_offer offer = {url, 1};
	struct sched_seat seat;

	sched_seat_init(&sched, &seat, "local", &offer, 1, on_turn, NULL);
	cr_assert_str_eq(sched_evaluator(&sched, url)->name, url);
	cr_assert_str_eq(sched_evaluator(&sched, url)->shown, "http://a/measure?...");
	sched_seat_finish(&seat);
}

Test(seats, who_was_never_asked_is_forgotten_with_the_last_job)
{
	struct job one, two;

	sit(&one, 0, 1);
	sit(&two, 0, 1);
	sched_seat_finish(&one.seat);
	cr_assert_not_null(sched_evaluator(&sched, "http://a"));
	sched_seat_finish(&two.seat);
	cr_assert_null(sched_evaluator(&sched, "http://a"));
}

/* Owners take turns, also when the first one's jobs cannot be served now. */
Test(seats, owners_take_turns)
{
	struct job jobs[4];
	int order[3];

	sit_as(&jobs[0], "a", 0, 1);
	sit_as(&jobs[1], "a", 0, 1);
	sit_as(&jobs[2], "a", 0, 1);
	sit_as(&jobs[3], "b", 0, 1);
	cr_assert_eq(sched_take(&jobs[0].seat), 0);
	cr_assert_eq(sched_take(&jobs[0].seat), 0);
	for (int i = 1; i < 4; i++) {
		cr_assert_eq(sched_take(&jobs[i].seat), -1);
	}
	sched_give_back(&jobs[0].seat, 0);
	order[0] = jobs[1].turns;
	sched_give_back(&jobs[0].seat, 0);
	order[1] = jobs[3].turns;
	cr_assert_eq(sched_take(&jobs[1].seat), 0);
	sched_give_back(&jobs[1].seat, 0);
	order[2] = jobs[2].turns;
	cr_assert_eq(order[0], 1);
	cr_assert_eq(order[1], 1, "b waits once, and comes before a's second");
	cr_assert_eq(order[2], 1);
	for (int i = 0; i < 4; i++) {
		sched_seat_finish(&jobs[i].seat);
	}
}
