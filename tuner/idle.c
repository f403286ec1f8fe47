/* Counts for how long places of a job stood idle, and says so. */
#include "tuner/idle.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tuner/parts.h"

enum { MINUTE_MS = 60 * 1000 };

static const double too_much = 0.25;

static void enter_minute(struct idle *idle, int64_t minute)
{
	int64_t passed = minute - idle->minute;

	for (int64_t i = 1; i <= passed && i <= IDLE_MINUTES; i++) {
		idle->minutes[(idle->minute + i) % IDLE_MINUTES] = 0;
	}
	idle->minute = minute;
}

void idle_note(struct idle *idle, double part, int64_t now_ms)
{
	int64_t hour_ago = now_ms - (int64_t)IDLE_MINUTES * MINUTE_MS;
	int64_t from = idle->noted_ms > hour_ago ? idle->noted_ms : hour_ago;

	while (idle->part > 0 && from < now_ms) {
		int64_t end = (from / MINUTE_MS + 1) * MINUTE_MS;
		int64_t until = end < now_ms ? end : now_ms;

		enter_minute(idle, from / MINUTE_MS);
		idle->minutes[idle->minute % IDLE_MINUTES] += idle->part * (double)(until - from);
		from = until;
	}
	enter_minute(idle, now_ms / MINUTE_MS);
	idle->part = part;
	idle->noted_ms = now_ms;
}

double idle_share(const struct idle *idle)
{
	double sum = 0;

	for (int i = 0; i < IDLE_MINUTES; i++) {
		sum += idle->minutes[i];
	}
	return sum / ((double)IDLE_MINUTES * MINUTE_MS);
}

/* Where somebody else has taken all places none stands idle. */
static int64_t waits_for(const struct run *run)
{
	return sched_has_place(&run->seat) ? job_waits_for(run->job) : 0;
}

static void warn(struct job *job)
{
	char *text = mem_printf(
		"a quarter of the last hour the places of this job stood idle, because %s asks "
		"only "
		"when the oldest question has its answer. Answers that take about as long, a lower "
		"\"parallel\", or a clone with \"deterministic\": false, which asks on without "
		"waiting, would use them",
		job->spec->strategy->name);

	job_record(job, LOGGED_WARNING, -1,
		   json_pack("{s:s, s:s}", "detail", text, "topic", "waits_for"));
	free(text);
}

void idle_turn(struct run *run)
{
	struct job *job = run->job;
	bool waits = run->ask == NULL && waits_for(run) > 0;
	double places = (double)job->parallel;

	idle_note(&run->idle, waits ? (places - (double)job->out) / places : 0,
		  io_mono_ms(run->io));
	if (!waits) {
		run->idle.since_wall_ms = 0;
	} else if (run->idle.since_wall_ms == 0) {
		run->idle.since_wall_ms = io_wall_ms(run->io);
	}
	if (idle_share(&run->idle) > too_much && !job->waits_known &&
	    !job_state_is_final(job->state)) {
		warn(job);
	}
}

json_t *idle_json(const struct run *run)
{
	int64_t number = run->idle.since_wall_ms > 0 ? waits_for(run) : 0;
	char since[CLOCK_TEXT_SIZE];

	if (number == 0) {
		return json_null();
	}
	return json_pack("{s:I, s:s, s:s?}", "trial", (json_int_t)number, "since",
			 clock_format(run->idle.since_wall_ms, since), "worker",
			 run->job->trials[number]->worker);
}
