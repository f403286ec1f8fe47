/* Plays worlds (several.h): --url URL --folder FOLDER [--first N] [--count N] [--tell] [--one]; says the number of one in which a promise is broken, and with --one plays no more then. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/op.h"
#include "tests/several/several.h"

enum { STEPS = 60 };

#define EVALUATOR "{\"evaluator\":{\"pool\":\"gpu\"}}"
#define HEAD      "{\"strategy\":\"basic\",\"evaluator\":{\"pool\":\"gpu\"}}"

struct several several;

unsigned draw(unsigned below)
{
	several.state += 0x9e3779b97f4a7c15U; /* splitmix64, as base/rng.h */
	uint64_t z = several.state;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return below > 0 ? (unsigned)((z ^ (z >> 31)) % below) : 0;
}

bool one_in_1000(int often)
{
	return (int)draw(1000) < often;
}

void tell(const char *format, ...)
{
	va_list list;

	if (several.tell) {
		va_start(list, format);
		(void)printf("%8lld  ", (long long)several.now_ms);
		(void)vprintf(format, list);
		(void)printf("\n");
		va_end(list);
	}
}

void broken(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (several.fault[0] == '\0') {
		(void)vsnprintf(several.fault, sizeof(several.fault), format, list);
		tell("BROKEN: %s", several.fault);
	}
	va_end(list);
}

/* Each world has some kinds of fault, and others not at all. */
static int often(int most)
{
	return draw(2) == 0 ? 0 : 1 + (int)draw((unsigned)most);
}

static void begin_world(uint64_t seed)
{
	const char *url = several.url, *folder = several.folder, *key = several.key;
	bool tells = several.tell;

	several = (struct several){.url = url,
				   .folder = folder,
				   .key = key,
				   .tell = tells,
				   .state = seed * 0x2545f4914f6cdd1dU,
				   .now_ms = 1000000};
	several.cut = often(150);
	several.late = often(300);
	several.nested = often(400);
	several.killed = often(60);
	several.forgets = often(1000);
	several.sleeps = often(20);
	several.doubts = often(2000);
	between_begin();
	step_begin();
	for (int i = 0; i < DAEMONS; i++) {
		struct daemon *daemon = &several.daemons[i];

		(void)snprintf(daemon->directory_path, sizeof(daemon->directory_path), "%s/%d",
			       folder, i);
		daemon_forget(daemon);
	}
}

/* The job of which everything is an event. */
static void submit(struct daemon *daemon)
{
	struct store_job job = {"job_a", EVALUATOR, "{\"ops\":[]}", HEAD, EVALUATOR, NULL, NULL};
	struct log_event *event = mem_new(1, sizeof(*event));
	struct op *op;

	*event = (struct log_event){LOGGED_JOB_SUBMITTED, 1, -1, mem_dup("{}")};
	op = op_create_insert(&job, event, 1, NULL, NULL, NULL);
	follow_group(&daemon->follow, &op, 1);
	daemon->version = 1;
}

static void play(uint64_t seed)
{
	begin_world(seed);
	several.healed = true;
	daemon_begin(&several.daemons[0]);
	submit(&several.daemons[0]);
	several.healed = false;
	for (int i = 0; i < STEPS && several.fault[0] == '\0'; i++) {
		step_of_any();
		step_of_postgresql();
	}
	several.healed = true;
	between_deliver();
	if (several.fault[0] == '\0') {
		judge_the_end();
	}
	for (int i = 0; i < DAEMONS; i++) {
		if (several.daemons[i].role == WRITES || several.daemons[i].role == SPARE) {
			daemon_kill(&several.daemons[i]);
		}
	}
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], name) == 0) {
			return argv[i + 1];
		}
	}
	return otherwise;
}

static bool has(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], name) == 0) {
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	uint64_t first = strtoull(option(argc, argv, "--first", "1"), NULL, 10);
	uint64_t count = strtoull(option(argc, argv, "--count", "1"), NULL, 10), seed;
	bool one = has(argc, argv, "--one");
	int faults = 0;
	char key[256];

	several.url = option(argc, argv, "--url", NULL);
	several.folder = option(argc, argv, "--folder", NULL);
	if (several.url == NULL || several.folder == NULL) {
		(void)fprintf(stderr, "several: --url and --folder are needed\n");
		return 2;
	}
	(void)snprintf(key, sizeof(key), "%s/key", several.folder);
	several.key = key;
	several.tell = has(argc, argv, "--tell");
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	between_open(several.url);
	for (seed = first; seed < first + count && !(one && faults > 0); seed++) {
		play(seed);
		if (several.fault[0] != '\0') {
			(void)printf("world %llu: %s\n", (unsigned long long)seed, several.fault);
			faults++;
		}
	}
	between_close();
	(void)printf("%llu worlds, %d in which a promise is broken\n",
		     (unsigned long long)(seed - first), faults);
	return faults > 0;
}
