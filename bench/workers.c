/*
 * Workers that answer at once: each a thread with a connection of its own that takes a question,
 * answers it, and takes the next, until none has come for a second. bench/workers.py starts it.
 *
 *	workers PORT POOL COUNT
 *
 * Prints how many answers counted and how many requests went wrong.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS_MAX = 1024, HEAD_MAX = 8 * 1024, PATH_MAX_BYTES = 128 };

struct worker {
	pthread_t thread;
	int number, fd;
	FILE *in;
};

static struct sockaddr_in server;
static const char *pool;
static atomic_long counted, wrong;

static bool reach(struct worker *worker)
{
	int one = 1;

	worker->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (worker->fd < 0 ||
	    connect(worker->fd, (struct sockaddr *)&server, sizeof(server)) != 0) {
		perror("connect");
		return false;
	}
	(void)setsockopt(worker->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	worker->in = fdopen(worker->fd, "r");
	return worker->in != NULL;
}

/* The answer's JSON, a new reference, or NULL. */
static json_t *read_reply(struct worker *worker, int *ret_status)
{
	char line[HEAD_MAX];
	size_t length = 0;
	json_t *value;
	char *body;

	*ret_status = 0;
	if (fgets(line, sizeof(line), worker->in) == NULL) {
		return NULL;
	}
	*ret_status = (int)strtol(line + strcspn(line, " "), NULL, 10);
	while (fgets(line, sizeof(line), worker->in) != NULL && strcmp(line, "\r\n") != 0) {
		if (strncasecmp(line, "content-length:", 15) == 0) {
			length = strtoul(line + 15, NULL, 10);
		}
	}
	body = malloc(length + 1);
	if (body == NULL || fread(body, 1, length, worker->in) != length) {
		free(body);
		return NULL;
	}
	value = json_loadb(body, length, 0, NULL);
	free(body);
	return value;
}

static json_t *post(struct worker *worker, const char *path, const char *body)
{
	int status = 0;
	json_t *reply = NULL;

	if (dprintf(worker->fd,
		    "POST %s HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\n"
		    "Content-Length: %zu\r\n\r\n%s",
		    path, ntohs(server.sin_port), strlen(body), body) > 0) {
		reply = read_reply(worker, &status);
	}
	if (status != 200) {
		wrong++;
		(void)fprintf(stderr, "status %d of %s\n", status, path);
	}
	return reply;
}

static void answer(struct worker *worker, const json_t *question)
{
	char path[PATH_MAX_BYTES], body[PATH_MAX_BYTES];
	json_int_t trial = json_integer_value(json_object_get(question, "trial"));

	(void)snprintf(path, sizeof(path), "/v1/leases/%s/complete",
		       json_string_value(json_object_get(question, "lease")));
	(void)snprintf(body, sizeof(body), "{\"accuracy\": 0.5, \"latency_ms\": %lld}",
		       (long long)(trial == 0 ? 1 : 100 + trial % 7));
	json_decref(post(worker, path, body));
	counted++;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	char request[PATH_MAX_BYTES * 2];
	bool more = reach(worker);

	(void)snprintf(request, sizeof(request),
		       "{\"pool\": \"%s\", \"worker\": \"w%d\", \"wait_s\": 1}", pool,
		       worker->number);
	while (more) {
		json_t *reply = post(worker, "/v1/leases", request);
		const json_t *question = json_array_get(json_object_get(reply, "items"), 0);

		more = question != NULL;
		if (more) {
			answer(worker, question);
		}
		json_decref(reply);
	}
	if (worker->in != NULL) {
		(void)fclose(worker->in);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[WORKERS_MAX];
	int count = argc == 4 ? (int)strtol(argv[3], NULL, 10) : 0;

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
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
			perror("thread");
			return 1;
		}
	}
	for (int i = 0; i < count; i++) {
		(void)pthread_join(workers[i].thread, NULL);
	}
	printf("%ld %ld\n", (long)counted, (long)wrong);
	return wrong != 0;
}
