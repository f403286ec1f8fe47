/* Sees when the last run of a tuner that stops is gone. */
#include "tuner/stop.h"

static void on_timers_closed(void *arg)
{
	struct tuner *tuner = arg;

	tuner->stopped(tuner->stopped_arg);
}

/* Once nothing flies every run is closed; once the last one is gone the tuner has stopped. */
void stop_check(struct tuner *tuner)
{
	if (!tuner->stopping || tuner->stopped == NULL) {
		return;
	}
	if (tuner->awaited == 0 && tuner->runs.count > 0) {
		io_timer_start(tuner->io, &tuner->stop_timer, 0);
	}
	if (tuner->alive == 0 && tuner->runs.count == 0 && !tuner->stop_closed) {
		tuner->stop_closed = true;
		io_timer_close(tuner->io, &tuner->reload_timer, NULL);
		io_timer_close(tuner->io, &tuner->probe_timer, NULL);
		io_timer_close(tuner->io, &tuner->stop_timer, on_timers_closed);
	}
}
