/*
 * Runs worlds: tests/sim/world.h says what they are.
 *
 *	sim --seeds 1000 [--from N] [--jobs N]   that many, on that many processors
 *	sim --seed N [--plain] [--tell]          one, and what happens in it
 *	sim --twice --seeds 100 [--from N]       each of that many twice, which must be the same
 *	sim --regressions FILE                   those in which something was found
 *	sim --golden FILE                        those of which is known what comes of them
 *	sim --record FILE [--seeds N]            writes down what comes of that many
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/sim/judge.h"
#include "tests/sim/world.h"

enum {
	WORLDS_A_PROCESS = 250,   /* what a daemon that died had in memory is given back with it */
	HAPPENINGS_BAD = 4000,    /* at most so many while things go wrong */
	HAPPENINGS_GOOD = 400000, /* a world in which jobs have not ended by then never ends */
	REPORTS_EVERY = 8,        /* worlds */
};

static void choose_faults(struct world *world)
{
	for (int i = 0; i < FAULTS_; i++) {
		world->has[i] = draw(world, 3) == 0;
	}
	world->often = draw_unit(world);
	world->wall_offset_ms = INT64_C(1700000000000);
}

static void perhaps_die(struct world *world)
{
	if (world->tuner == NULL || world->stopping) {
		return;
	}
	if (goes_wrong(world, FAULT_CRASH, 0.02)) {
		world_crash(world);
	} else if (goes_wrong(world, FAULT_STOP, 0.005)) {
		world_stop(world);
	} else if (goes_wrong(world, FAULT_WALL_JUMPS, 0.01)) {
		world->wall_offset_ms += draw(world, 2) == 0
						 ? draw_in(world, -315360000000, 315360000000)
						 : draw_in(world, -5000, 5000);
	}
}

static void live(struct world *world)
{
	uint64_t bad = draw(world, HAPPENINGS_BAD), until;

	while (world->happened < bad &&
	       !(clients_are_done(world->clients) && judge_all_over(world->judge))) {
		(void)world_step(world);
		perhaps_die(world);
	}
	tell(world, "all is well from now on");
	world->healed = true;
	until = world->happened + HAPPENINGS_GOOD;
	while (!clients_are_done(world->clients) || !judge_all_over(world->judge) ||
	       world->tuner == NULL) {
		(void)world_step(world);
		if (world->happened > until) {
			broken(world, "all is well, and a job does not end");
		}
	}
}

/* What happens is written to `told`, unless that is NULL. Returns, of a plain world, what came of it in one number. */
static uint64_t run_world_as(uint64_t seed, bool plain, FILE *told)
{
	struct world world = {.seed = seed,
			      .rng = rng_make(seed, RNG_TIMING, 0),
			      .told = told,
			      .plain = plain,
			      .reports = !plain && seed % REPORTS_EVERY == 0};
	uint64_t digest;

	list_init(&world.deferred);
	world.life = 1;
	world.mono_ms = 1000;
	choose_faults(&world);
	world.judge = judge_create(&world);
	world.disk = disk_create(&world);
	world.net = net_create(&world);
	world.workers = workers_here_create(&world);
	world.clients = clients_create(&world);
	world_start(&world);
	live(&world);
	judge_end(world.judge);
	/* Leases are forgotten after two days, and what the log says of them is held against this machine's clock. */
	if (seed % 50 == 0 && !world.has[FAULT_WALL_JUMPS]) {
		disk_verify(world.disk);
	}
	digest = plain ? golden_digest(&world) : 0;
	tell(&world, "over: %llu happenings, %lld deaths", (unsigned long long)world.happened,
	     (long long)world.deaths);
	clients_destroy(world.clients);
	workers_here_destroy(world.workers);
	net_destroy(world.net);
	disk_destroy(world.disk);
	judge_destroy(world.judge);
	free(world.heap);
	return digest;
}

static void run_world(uint64_t seed, FILE *told)
{
	(void)run_world_as(seed, false, told);
}

/* A process that plays worlds, and which one it is at: whoever is killed by a signal cannot say so any more. */
struct player {
	pid_t pid; /* 0: none */
	uint64_t seed;
};

/* The next numbers, in a process of their own. */
static bool run_some(struct player *player, uint64_t from, uint64_t to)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (uint64_t seed = from; seed < to; seed++) {
			player->seed = seed;
			run_world(seed, NULL);
		}
		_exit(0);
	}
	player->pid = pid;
	return pid > 0;
}

static struct player *find_player(struct player *players, int jobs, pid_t pid)
{
	for (int i = 0; i < jobs; i++) {
		if (players[i].pid == pid) {
			return &players[i];
		}
	}
	abort();
}

static int run_all(uint64_t from, uint64_t count, int jobs)
{
	struct player *players = mmap(NULL, (size_t)jobs * sizeof(*players), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t next = from, end = from + count;
	int running = 0, failed = 0, status;
	pid_t pid;

	while (next < end || running > 0) {
		while (running < jobs && next < end) {
			uint64_t to = next + WORLDS_A_PROCESS < end ? next + WORLDS_A_PROCESS : end;

			running += run_some(find_player(players, jobs, 0), next, to);
			next = to;
		}
		pid = wait(&status);
		if (pid > 0) {
			struct player *player = find_player(players, jobs, pid);

			if (WIFSIGNALED(status)) {
				(void)fprintf(stderr,
					      "BROKEN: ended by signal %d\n  see it again: sim "
					      "--seed %llu --tell\n",
					      WTERMSIG(status), (unsigned long long)player->seed);
			}
			player->pid = 0;
			running--;
			failed += status != 0;
		}
	}
	(void)munmap(players, (size_t)jobs * sizeof(*players));
	(void)printf("sim: worlds %llu to %llu, %s\n", (unsigned long long)from,
		     (unsigned long long)(end - 1),
		     failed == 0 ? "every promise held" : "see above");
	return failed == 0 ? 0 : 1;
}

/* Its lines begin with a number, or with '#'. */
static int run_regressions(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256];
	int count = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (line[0] != '#') {
			run_world(strtoull(line, NULL, 10), NULL);
			count++;
		}
	}
	if (file == NULL || count == 0) {
		(void)fprintf(stderr, "%s: nothing to run\n", path);
		return 1;
	}
	(void)fclose(file);
	(void)printf("sim: %d worlds again, every promise held\n", count);
	return 0;
}

/* Its lines are a number and what comes of that world, or begin with '#'. */
static int run_golden(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256];
	int count = 0, others = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		char *end;
		uint64_t seed = strtoull(line, &end, 10);

		if (line[0] != '#') {
			bool same = run_world_as(seed, true, NULL) == strtoull(end, NULL, 16);

			count++;
			others += !same;
			if (!same) {
				(void)printf("something else comes of world %llu: sim --seed %llu "
					     "--plain --tell\n",
					     (unsigned long long)seed, (unsigned long long)seed);
			}
		}
	}
	if (file == NULL || count == 0) {
		(void)fprintf(stderr, "%s: nothing to run\n", path);
		return 1;
	}
	(void)fclose(file);
	(void)printf("sim: the same comes of %d of %d worlds\n", count - others, count);
	return others == 0 ? 0 : 1;
}

static int record_golden(const char *path, uint64_t count)
{
	FILE *file = fopen(path, "w");

	if (file == NULL) {
		(void)fprintf(stderr, "%s cannot be written\n", path);
		return 1;
	}
	(void)fprintf(file,
		      "# What comes of worlds (golden.c). After a change that was meant: sim "
		      "--record tests/sim/golden --seeds %llu\n",
		      (unsigned long long)count);
	for (uint64_t seed = 1; seed <= count; seed++) {
		(void)fprintf(file, "%llu %016llx\n", (unsigned long long)seed,
			      (unsigned long long)run_world_as(seed, true, NULL));
	}
	return fclose(file) == 0 ? 0 : 1;
}

struct story {
	char *text;
	size_t length;
};

/* All that happens in a world, in a process of its own, whose tables have another seed. */
static struct story tell_story(uint64_t seed)
{
	int fd = memfd_create("story", MFD_CLOEXEC), status = 1;
	struct story story = {.text = MAP_FAILED};
	pid_t pid = fd >= 0 ? fork() : -1;

	if (pid == 0) {
		FILE *told = fdopen(fd, "w");

		if (told != NULL) {
			run_world(seed, told);
		}
		_exit(told == NULL || fclose(told) != 0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0) {
		story.length = (size_t)lseek(fd, 0, SEEK_END);
		story.text = mmap(NULL, story.length, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	if (story.text == MAP_FAILED) {
		(void)fprintf(stderr, "world %llu has no story\n", (unsigned long long)seed);
		abort();
	}
	(void)close(fd);
	return story;
}

/* The line of the story in which this place is. */
static void print_line(const struct story *story, size_t place)
{
	size_t from = place < story->length ? place : story->length, to = from;

	while (from > 0 && story->text[from - 1] != '\n') {
		from--;
	}
	while (to < story->length && story->text[to] != '\n') {
		to++;
	}
	(void)printf("  %.*s\n", (int)(to - from), &story->text[from]);
}

/* What happens in a world follows from its number alone. */
static int run_twice(uint64_t from, uint64_t count)
{
	uint64_t others = 0;

	for (uint64_t seed = from; seed < from + count; seed++) {
		struct story first = tell_story(seed), second = tell_story(seed);
		size_t i = 0;

		while (i < first.length && i < second.length && first.text[i] == second.text[i]) {
			i++;
		}
		if (i < first.length || i < second.length) {
			(void)printf("world %llu is not the same twice:\n",
				     (unsigned long long)seed);
			print_line(&first, i);
			print_line(&second, i);
			others++;
		}
		(void)munmap(first.text, first.length);
		(void)munmap(second.text, second.length);
	}
	(void)printf("sim: %llu of %llu worlds are the same twice\n",
		     (unsigned long long)(count - others), (unsigned long long)count);
	return others == 0 ? 0 : 1;
}

static bool option(int argc, char **argv, const char *name, uint64_t *ret)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], name) == 0) {
			*ret = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 1;
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	uint64_t seed = 0, from = 1, count = 1000, jobs = 1, none;

	/* Worlds come and go: what one has used the next one uses again. */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
	(void)mallopt(M_TOP_PAD, 16 << 20);
	if (argc == 3 && strcmp(argv[1], "--regressions") == 0) {
		return run_regressions(argv[2]);
	}
	if (argc == 3 && strcmp(argv[1], "--golden") == 0) {
		return run_golden(argv[2]);
	}
	(void)option(argc, argv, "--from", &from);
	(void)option(argc, argv, "--seeds", &count);
	(void)option(argc, argv, "--jobs", &jobs);
	if (argc >= 3 && strcmp(argv[1], "--record") == 0) {
		return record_golden(argv[2], count);
	}
	if (option(argc, argv, "--seed", &seed)) {
		(void)run_world_as(seed, option(argc, argv, "--plain", &none),
				   option(argc, argv, "--tell", &none) ? stdout : NULL);
		return 0;
	}
	if (option(argc, argv, "--twice", &none)) {
		return run_twice(from, count);
	}
	return run_all(from, count, (int)jobs);
}
