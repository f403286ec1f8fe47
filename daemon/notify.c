/* Sends systemd's datagrams, and reads how often its watchdog wants one. */
#include "daemon/notify.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void send_with(const char *message, int flags)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t n = path != NULL ? strlen(path) : 0;
	int fd;

	if (n == 0 || n >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@')) {
		return;
	}
	memcpy(address.sun_path, path, n);
	if (path[0] == '@') {
		address.sun_path[0] = '\0'; /* an abstract socket */
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return;
	}
	(void)sendto(fd, message, strlen(message), MSG_NOSIGNAL | flags,
		     (struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	(void)close(fd);
}

void notify_send(const char *message)
{
	send_with(message, 0);
}

void notify_again(const char *message)
{
	send_with(message, MSG_DONTWAIT);
}

uint64_t notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");

	return usec != NULL ? strtoull(usec, NULL, 10) / 3000 : 0;
}

enum { HOLD_EVERY_MS = 10000 };

/* The thread, and what ends it. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool holds;
} hold = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static struct timespec later(uint64_t ms)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

static void *say_so(void *unused)
{
	uint64_t every = notify_watchdog_ms();

	every = every > 0 && every < HOLD_EVERY_MS ? every : HOLD_EVERY_MS;
	(void)pthread_mutex_lock(&hold.lock);
	while (hold.holds) {
		struct timespec until = later(every);

		notify_again("WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000");
		(void)pthread_cond_timedwait(&hold.wake, &hold.lock, &until);
	}
	(void)pthread_mutex_unlock(&hold.lock);
	return unused;
}

void notify_hold(bool wanted)
{
	hold.holds = wanted && getenv("NOTIFY_SOCKET") != NULL;
	if (hold.holds && pthread_create(&hold.thread, NULL, say_so, NULL) != 0) {
		hold.holds = false;
	}
}

void notify_release(void)
{
	bool held;

	(void)pthread_mutex_lock(&hold.lock);
	held = hold.holds;
	hold.holds = false;
	(void)pthread_cond_signal(&hold.wake);
	(void)pthread_mutex_unlock(&hold.lock);
	if (held) {
		(void)pthread_join(hold.thread, NULL);
	}
}
