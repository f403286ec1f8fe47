/* Notes SIGHUP in a loop of its own, which is asked and never runs. */
#include "daemon/hangup.h"

#include <signal.h>
#include <uv.h>

/* libuv gives a signal back its default as soon as no handle of any loop watches it. */
static uv_loop_t loop;
static uv_signal_t handle;
static bool came;

static void on_signal(uv_signal_t *unused, int number)
{
	(void)unused;
	(void)number;
	came = true;
}

void hangup_hold(void)
{
	(void)uv_loop_init(&loop);
	(void)uv_signal_init(&loop, &handle);
	(void)uv_signal_start(&handle, on_signal, SIGHUP);
}

bool hangup_came(void)
{
	came = false;
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	return came;
}

void hangup_release(void)
{
	uv_close((uv_handle_t *)&handle, NULL);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop);
}
