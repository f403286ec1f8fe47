/* Notes signals in a loop of its own, which is asked and never runs. */
#include "daemon/sighold.h"

#include <signal.h>
#include <uv.h>

enum { HANGUP, TERMINATE, INTERRUPT, NUMBERS };

static const int numbers[NUMBERS] = {SIGHUP, SIGTERM, SIGINT};

/* libuv gives a signal back its default as soon as no handle of any loop watches it. */
static uv_loop_t loop;
static uv_signal_t handles[NUMBERS];
static bool came[NUMBERS];

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	came[handle - handles] = true;
}

static void hold(int first, int last)
{
	for (int i = first; i <= last; i++) {
		(void)uv_signal_start(&handles[i], on_signal, numbers[i]);
	}
}

void sighold_begin(void)
{
	(void)uv_loop_init(&loop);
	for (int i = 0; i < NUMBERS; i++) {
		(void)uv_signal_init(&loop, &handles[i]);
	}
	hold(HANGUP, HANGUP);
}

void sighold_begin_ends(void)
{
	hold(TERMINATE, INTERRUPT);
}

/* Whether it came since this was asked last. */
static bool take(int which)
{
	bool is_there;

	(void)uv_run(&loop, UV_RUN_NOWAIT);
	is_there = came[which];
	came[which] = false;
	return is_there;
}

bool sighold_hangup(void)
{
	return take(HANGUP);
}

int sighold_end(void)
{
	int number = 0;

	for (int i = TERMINATE; i <= INTERRUPT; i++) {
		number = take(i) ? numbers[i] : number;
		(void)uv_signal_stop(&handles[i]);
	}
	return number;
}

void sighold_finish(void)
{
	for (int i = 0; i < NUMBERS; i++) {
		uv_close((uv_handle_t *)&handles[i], NULL);
	}
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop);
}
