/*
 * dispatch/breaker and the scheduler: who is down is not asked, but for one question now and then.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "dispatch/sched.h"
#include "set_clock.h"

static struct breaker failed(int times)
{
	struct breaker breaker = {.state = BREAKER_CLOSED};

	for (int i = 0; i < times; i++) {
		(void)breaker_failed(&breaker, "refused", 100 + i);
	}
	return breaker;
}

Test(breaker, opens_after_so_many_failures_in_a_row)
{
	struct breaker breaker = failed(BREAKER_LIMIT - 1);

	cr_assert(breaker_admits(&breaker));
	cr_assert_eq(breaker_down_ms(&breaker, 1000), -1);
	cr_assert(breaker_failed(&breaker, "gone", 200));
	cr_assert_not(breaker_admits(&breaker));
	cr_assert_eq(breaker_down_ms(&breaker, 1000), 800);
	cr_assert_str_eq(breaker.error, "gone");
	cr_assert_not(breaker_failed(&breaker, "still", 300), "it is open already");
	cr_assert_eq(breaker_down_ms(&breaker, 1000), 800);
}

Test(breaker, an_answer_between_begins_anew)
{
	struct breaker breaker = failed(BREAKER_LIMIT - 1);

	cr_assert_not(breaker_answered(&breaker));
	for (int i = 0; i < BREAKER_LIMIT - 1; i++) {
		cr_assert_not(breaker_failed(&breaker, "refused", 300));
	}
	cr_assert(breaker_admits(&breaker));
}

Test(breaker, half_open_lets_one_question_out)
{
	struct breaker breaker = failed(BREAKER_LIMIT);

	breaker_try(&breaker);
	cr_assert(breaker_admits(&breaker));
	breaker_enter(&breaker);
	cr_assert_not(breaker_admits(&breaker));
	cr_assert_not(breaker_failed(&breaker, "refused", 500));
	cr_assert_not(breaker_admits(&breaker));
	breaker_try(&breaker);
	breaker_enter(&breaker);
	cr_assert(breaker_answered(&breaker));
	cr_assert(breaker_admits(&breaker));
	breaker_try(&breaker);
	cr_assert_eq(breaker.state, BREAKER_CLOSED, "there is nothing to try");
}

struct job {
	struct sched_seat seat;
	int turns;
};

static void on_turn(void *arg)
{
	((struct job *)arg)->turns++;
}

static void sit(struct sched *sched, struct job *job, size_t offers)
{
	static const struct sched_offer both[] = {{"http://a", 4}, {"http://b", 2}};

	*job = (struct job){.turns = 0};
	sched_seat_init(sched, &job->seat, "local", both, offers, on_turn, job);
}

static void bring_down(struct sched_seat *seat, int offer)
{
	for (int i = 0; i < BREAKER_LIMIT; i++) {
		sched_failed(seat, offer, "refused", true);
	}
}

Test(several, the_one_with_most_room_is_asked_and_then_whoever_gets_free)
{
	static const int expected[] = {0, 1, 0, 0, 1, 0, -1}; /* loads of 4 and of 2 */
	struct sched sched;
	struct job job;

	sched_init(&sched, &set_clock);
	sit(&sched, &job, 2);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		cr_assert_eq(sched_take(&job.seat), expected[i], "question %zu", i);
	}
	sched_give_back(&job.seat, 1);
	cr_assert_eq(job.turns, 1);
	cr_assert_eq(sched.waiting, 0, "it waits nowhere any more");
	cr_assert_eq(sched_take(&job.seat), 1);
	for (int i = 0; i < 6; i++) {
		sched_give_back(&job.seat, i % 3 == 2);
	}
	sched_seat_finish(&job.seat);
	cr_assert_eq(sched.by_name.count, 0, "nobody has asked them");
	sched_finish(&sched);
}

Test(several, who_is_down_is_left_out)
{
	struct sched sched;
	struct job job, other;
	const char *error = NULL;

	sched_init(&sched, &set_clock);
	sit(&sched, &job, 2);
	sit(&sched, &other, 1);
	bring_down(&job.seat, 0);
	cr_assert_eq(sched.down, 1);
	cr_assert_eq(sched_take(&job.seat), 1);
	cr_assert_eq(sched_take(&other.seat), -1);
	set_clock_ms += 2000;
	cr_assert_eq(sched_down_ms(&job.seat, &error), -1);
	cr_assert_eq(sched_down_ms(&other.seat, &error), 2000);
	cr_assert_str_eq(error, "refused");
	sched_probe(&sched);
	cr_assert_geq(other.turns, 1);
	cr_assert_eq(sched_take(&other.seat), 0, "one question to see how it is");
	cr_assert_eq(sched_take(&other.seat), -1);
	sched_answered(&other.seat, 0, 0.5);
	cr_assert_eq(sched.down, 0);
	cr_assert_eq(sched_take(&other.seat), 0);
	sched_give_back(&other.seat, 0);
	sched_give_back(&other.seat, 0);
	sched_give_back(&job.seat, 1);
	sched_seat_finish(&other.seat);
	sched_seat_finish(&job.seat);
	sched_finish(&sched);
}

Test(several, failures_that_are_the_questions_do_not_count)
{
	struct sched sched;
	struct job job;

	sched_init(&sched, &set_clock);
	sit(&sched, &job, 1);
	for (int i = 0; i < 3 * BREAKER_LIMIT; i++) {
		sched_failed(&job.seat, 0, "500", false);
	}
	cr_assert(sched_is_well(&job.seat, 0));
	cr_assert_eq(sched_evaluator(&sched, "http://a")->failed, 3 * BREAKER_LIMIT);
	sched_seat_finish(&job.seat);
	sched_finish(&sched);
}
