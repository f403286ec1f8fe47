/*
 * The scheduler is fair, with many jobs at several evaluators, one of which hangs.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/rng.h"
#include "dispatch/sched.h"
#include "set_clock.h"

enum {
	EVALUATORS = 5,
	HUNG = 2, /* never answers */
	PLACES = 4,
	SEATS = 40, /* jobs at each evaluator */
	WINDOW = 1000,
	DISPATCHES = 6000, /* at each evaluator that answers */
};

struct client {
	struct sched_seat seat;
	bool called;         /* its turn came */
	bool holds;          /* a question of it is out */
	int64_t waits_since; /* in dispatches, as is `sent` */
	int64_t sent;
	bool overtaken;
};

struct desk {
	struct client clients[SEATS];
	int starts[DISPATCHES]; /* whose question was sent */
	int64_t dispatches;
};

struct world {
	struct sched sched;
	struct desk desks[EVALUATORS];
	struct rng rng;
};

static struct world world;

static void on_turn(void *arg)
{
	struct client *client = arg;

	client->called = true;
}

static void sit(struct sched *sched, struct client *client, const char *owner, const char *url,
		size_t places)
{
	const struct sched_offer offer = {url, places};

	sched_seat_init(sched, &client->seat, owner, &offer, 1, on_turn, client);
}

static void dispatch(struct desk *desk, int who)
{
	struct client *client = &desk->clients[who];

	client->called = false;
	if (sched_take(&client->seat) < 0) {
		return;
	}
	/* In rounds of as many questions as there are places: at most 2 x seats / places. */
	cr_assert_leq(desk->dispatches - client->waits_since, 2 * SEATS, "job %d starved", who);
	client->holds = true;
	client->overtaken = false;
	client->sent = desk->dispatches;
	if (desk->dispatches < DISPATCHES) {
		desk->starts[desk->dispatches] = who;
	}
	desk->dispatches++;
}

/* An answer: the place is free, and the job has the next question. */
static void answer(struct desk *desk, int who)
{
	struct client *client = &desk->clients[who];

	client->holds = false;
	client->waits_since = desk->dispatches;
	sched_give_back(&client->seat, 0);
	dispatch(desk, who);
	for (int i = 0; i < SEATS; i++) {
		if (desk->clients[i].called) {
			dispatch(desk, i);
		}
	}
}

/* The job of the oldest question out but `skipped`. */
static int oldest_out(const struct desk *desk, int skipped)
{
	int oldest = -1;

	for (int i = 0; i < SEATS; i++) {
		const struct client *client = &desk->clients[i];

		if (client->holds && i != skipped &&
		    (oldest < 0 || client->sent < desk->clients[oldest].sent)) {
			oldest = i;
		}
	}
	return oldest;
}

/* Questions overtake each other, each at most once, and so take about as long: a job is not
 * runnable while its own question is out, so one of long questions would start fewer. */
static int next_answered(struct desk *desk)
{
	int oldest = oldest_out(desk, -1);
	struct client *client = &desk->clients[oldest];

	if (client->overtaken || rng_below(&world.rng, 2) > 0) {
		return oldest;
	}
	client->overtaken = true;
	return oldest_out(desk, oldest);
}

static void open_world(uint64_t seed)
{
	static const char *const urls[EVALUATORS] = {"http://a", "http://b", "http://c", "http://d",
						     "http://e"};

	memset(&world, 0, sizeof(world));
	world.rng = rng_make(seed, RNG_TIMING, 0);
	sched_init(&world.sched, &set_clock);
	for (int e = 0; e < EVALUATORS; e++) {
		for (int i = 0; i < SEATS; i++) {
			struct client *client = &world.desks[e].clients[i];

			sit(&world.sched, client, "local", urls[e], PLACES);
		}
	}
	for (int i = 0; i < SEATS; i++) {
		for (int e = 0; e < EVALUATORS; e++) {
			dispatch(&world.desks[e], i);
		}
	}
}

static void close_world(void)
{
	for (int e = 0; e < EVALUATORS; e++) {
		for (int i = 0; i < SEATS; i++) {
			sched_leave(&world.desks[e].clients[i].seat);
		}
		for (int i = 0; i < SEATS; i++) {
			struct client *client = &world.desks[e].clients[i];

			if (client->holds) {
				sched_give_back(&client->seat, 0);
			}
			sched_seat_finish(&client->seat);
		}
	}
	cr_assert_eq(world.sched.waiting, 0);
	sched_finish(&world.sched);
}

static bool is_working(void)
{
	for (int e = 0; e < EVALUATORS; e++) {
		if (e != HUNG && world.desks[e].dispatches < DISPATCHES) {
			return true;
		}
	}
	return false;
}

static void expect_even(const int *counts)
{
	int least = counts[0], most = counts[0];

	for (int i = 1; i < SEATS; i++) {
		least = counts[i] < least ? counts[i] : least;
		most = counts[i] > most ? counts[i] : most;
	}
	cr_assert_leq(10 * most, 11 * least, "%d questions of one job, %d of another", most, least);
}

/* Every window of so many questions in a row. */
static void check_windows(const struct desk *desk)
{
	int counts[SEATS] = {0};

	for (int n = 0; n < DISPATCHES; n++) {
		counts[desk->starts[n]]++;
		if (n >= WINDOW) {
			counts[desk->starts[n - WINDOW]]--;
		}
		if (n >= WINDOW - 1) {
			expect_even(counts);
		}
	}
}

Test(sched, places_are_given_out_evenly_and_one_that_hangs_delays_nobody_else)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		open_world(seed);
		while (is_working()) {
			int e = (int)rng_below(&world.rng, EVALUATORS);

			if (e != HUNG) {
				answer(&world.desks[e], next_answered(&world.desks[e]));
			}
		}
		cr_assert_eq(world.desks[HUNG].dispatches, PLACES);
		for (int e = 0; e < EVALUATORS; e++) {
			if (e != HUNG) {
				check_windows(&world.desks[e]);
			}
		}
		close_world();
	}
}

Test(sched, a_place_that_is_not_wanted_goes_to_the_next)
{
	struct client first = {0}, second = {0}, third = {0};
	struct sched sched;

	sched_init(&sched, &set_clock);
	sit(&sched, &first, "a", "http://a", 1);
	sit(&sched, &second, "a", "http://a", 1);
	sit(&sched, &third, "a", "http://a", 1);
	cr_assert_eq(sched_take(&first.seat), 0);
	cr_assert_eq(sched_take(&second.seat), -1);
	cr_assert_eq(sched_take(&third.seat), -1);
	sched_give_back(&first.seat, 0);
	cr_assert(second.called);
	cr_assert_not(third.called);
	cr_assert_eq(sched_take(&first.seat), -1, "others were before it");
	sched_seat_finish(&second.seat);
	cr_assert(third.called);
	cr_assert_eq(sched_take(&third.seat), 0);
	sched_give_back(&third.seat, 0);
	cr_assert_eq(sched_take(&first.seat), 0);
	sched_give_back(&first.seat, 0);
	sched_seat_finish(&first.seat);
	sched_seat_finish(&third.seat);
	cr_assert_eq(sched.waiting, 0);
	sched_finish(&sched);
}

/* Two owners have a job each, and the third one has all others. */
Test(sched, who_has_many_jobs_gets_no_more_than_who_has_one)
{
	enum { JOBS = 20, TURNS = 300, OWNERS = 3 };
	static const char *const names[OWNERS] = {"a", "b", "c"};
	struct client clients[JOBS];
	struct sched sched;
	int counts[OWNERS] = {0}, jobs[JOBS] = {0}, now = -1;

	memset(clients, 0, sizeof(clients));
	sched_init(&sched, &set_clock);
	for (int i = 0; i < JOBS; i++) {
		sit(&sched, &clients[i], names[i < OWNERS ? i : OWNERS - 1], "http://a", 1);
	}
	for (int i = JOBS - 1; i >= 0; i--) {
		now = sched_take(&clients[i].seat) == 0 ? i : now;
	}
	for (int turn = 0; turn < TURNS; turn++) {
		int last = now;

		counts[last < OWNERS ? last : OWNERS - 1]++;
		jobs[last]++;
		sched_give_back(&clients[last].seat, 0);
		for (int i = 0; i < JOBS; i++) {
			now = clients[i].called ? i : now;
			clients[i].called = false;
		}
		cr_assert_neq(now, last);
		cr_assert_eq(sched_take(&clients[now].seat), 0);
		cr_assert_eq(sched_take(&clients[last].seat), -1);
	}
	for (int i = 0; i < OWNERS; i++) {
		cr_assert_geq(counts[i], TURNS / OWNERS - 1);
		cr_assert_leq(counts[i], TURNS / OWNERS + 1);
	}
	for (int i = OWNERS - 1; i < JOBS; i++) {
		cr_assert_geq(jobs[i], TURNS / OWNERS / (JOBS - 2) - 1, "job %d", i);
	}
	for (int i = 0; i < JOBS; i++) {
		sched_leave(&clients[i].seat);
	}
	sched_give_back(&clients[now].seat, 0);
	for (int i = 0; i < JOBS; i++) {
		sched_seat_finish(&clients[i].seat);
	}
	sched_finish(&sched);
}
