/*
 * Workers that answer at once: each has a connection of its own, takes a question, answers it, and
 * takes the next, until none has come for a second. One thread plays all of them, so that what it
 * costs to play many is not taken for what many cost the daemon. bench/workers.py starts it.
 *
 *	workers PORT POOL COUNT
 *
 * Prints how many answers counted and how many requests went wrong.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS_MAX = 1024, REPLY_MAX = 16 * 1024, TEXT_MAX = 256, READY_MAX = 64 };

struct worker {
	int number, fd;
	bool answers; /* what it waits for: that its answer counted, or a question */
	size_t have;
	char reply[REPLY_MAX]; /* with a zero byte after what is there */
};

static struct sockaddr_in server;
static const char *pool;
static long counted, wrong;

static bool reach(struct worker *worker, int ready)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = worker};
	int one = 1;

	worker->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (worker->fd < 0 ||
	    connect(worker->fd, (struct sockaddr *)&server, sizeof(server)) != 0 ||
	    setsockopt(worker->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    epoll_ctl(ready, EPOLL_CTL_ADD, worker->fd, &event) != 0) {
		perror("connect");
		return false;
	}
	return true;
}

static bool post(const struct worker *worker, const char *path, const char *body)
{
	return dprintf(worker->fd,
		       "POST %s HTTP/1.1\r\nHost: localhost:%d\r\n"
		       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		       path, ntohs(server.sin_port), strlen(body), body) > 0;
}

static bool ask(struct worker *worker)
{
	char body[TEXT_MAX];

	(void)snprintf(body, sizeof(body), "{\"pool\": \"%s\", \"worker\": \"w%d\", \"wait_s\": 1}",
		       pool, worker->number);
	worker->answers = false;
	return post(worker, "/v1/leases", body);
}

static bool answer(struct worker *worker, const json_t *question)
{
	char path[TEXT_MAX], body[TEXT_MAX];
	json_int_t trial = json_integer_value(json_object_get(question, "trial"));

	(void)snprintf(path, sizeof(path), "/v1/leases/%s/complete",
		       json_string_value(json_object_get(question, "lease")));
	(void)snprintf(body, sizeof(body), "{\"accuracy\": 0.5, \"latency_ms\": %lld}",
		       (long long)(trial == 0 ? 1 : 100 + trial % 7));
	worker->answers = true;
	return post(worker, path, body);
}

/* The body of a reply that is there completely; NULL as long as it is not. */
static const char *whole_body(const struct worker *worker, size_t *ret_length)
{
	const char *length = strcasestr(worker->reply, "\r\ncontent-length:");
	const char *end = strstr(worker->reply, "\r\n\r\n");

	if (end == NULL || length == NULL || length > end) {
		return NULL;
	}
	*ret_length = strtoul(strchr(length, ':') + 1, NULL, 10);
	return end + 4 + *ret_length <= worker->reply + worker->have ? end + 4 : NULL;
}

/* Returns false when the worker has nothing more to do. */
static bool on_reply(struct worker *worker, const char *body, size_t length)
{
	long status = strtol(worker->reply + strcspn(worker->reply, " "), NULL, 10);
	json_t *reply;
	const json_t *question;
	bool more;

	if (status != 200) {
		(void)fprintf(stderr, "status %ld: %s\n", status, body);
		wrong++;
		return false;
	}
	worker->have = 0;
	if (worker->answers) {
		counted++;
		return ask(worker);
	}
	reply = json_loadb(body, length, 0, NULL);
	question = json_array_get(json_object_get(reply, "items"), 0);
	more = question != NULL && answer(worker, question);
	json_decref(reply);
	return more;
}

/* Returns false when the worker has nothing more to do. */
static bool on_readable(struct worker *worker)
{
	ssize_t got = read(worker->fd, worker->reply + worker->have, REPLY_MAX - 1 - worker->have);
	const char *body;
	size_t length;

	if (got <= 0) {
		(void)fprintf(stderr, "no reply, or one that is too long\n");
		wrong++;
		return false;
	}
	worker->have += (size_t)got;
	worker->reply[worker->have] = '\0';
	body = whole_body(worker, &length);
	return body == NULL || on_reply(worker, body, length);
}

static void play(int ready, int count)
{
	struct epoll_event events[READY_MAX];

	while (count > 0) {
		int found = epoll_wait(ready, events, READY_MAX, -1);

		for (int i = 0; i < found; i++) {
			struct worker *worker = events[i].data.ptr;

			if (!on_readable(worker)) {
				(void)close(worker->fd);
				count--;
			}
		}
	}
}

int main(int argc, char **argv)
{
	static struct worker workers[WORKERS_MAX];
	int count = argc == 4 ? (int)strtol(argv[3], NULL, 10) : 0;
	int ready = epoll_create1(EPOLL_CLOEXEC);

	if (count < 1 || count > WORKERS_MAX) {
		(void)fprintf(stderr, "usage: workers PORT POOL COUNT\n");
		return 64;
	}
	server = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtol(argv[1], NULL, 10)),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
	pool = argv[2];
	for (int i = 0; i < count; i++) {
		workers[i].number = i;
		if (!reach(&workers[i], ready) || !ask(&workers[i])) {
			return 1;
		}
	}
	play(ready, count);
	printf("%ld %ld\n", counted, wrong);
	return wrong != 0;
}
