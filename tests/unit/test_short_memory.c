/*
 * Memory that ends at any allocation, of a short life of a store, of the reading of a job, a question and an answer.
 *
 * With the daemon's reserve one allocation that fails ends nothing: what asked for it is done, or refused with a reason.
 * Where all that follow fail, too, the process says so and ends, and whatever had been acknowledged is on disk.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/answer.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "job/spec/spec.h"
#include "strategies/registry.h"
#include "tests/unit/points.h"
#include "tests/unit/short_memory.h"
#include "tests/unit/store_life.h"
#include "tests/unit/strategy_run.h"

/* A process that forks a thousand times need not keep what was freed. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:quarantine_size_mb=0:max_malloc_fill_size=0:"
	       "malloc_context_size=0";
}

/* Of the allocations of each so many are tried, the rest with NARROWD_EVERY_POINT. */
enum {
	POINTS = 20,
	POINTS_OF_LIFE = 40,
	PART_OF_OPENING = 30 /* hours otherwise */,
	REFUSED = 7,
	PATIENCE_S = 600,
	SAID_MAX = 4096
};

static int said_fd; /* what the process that is tried writes on its standard error */

struct plan {
	int64_t at;
	bool forever;
};

/* What came of a scenario, where the process that did it has left it. */
struct outcome {
	uint64_t result; /* the same as without a fault, or nothing is done */
	int64_t count;
	enum err_code code;
	char message[200];
};

static struct outcome *outcome;

static void begin(void)
{
	short_memory_install();
	json_setup();
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	cr_assert_neq((void *)outcome, MAP_FAILED);
	said_fd = memfd_create("said", MFD_CLOEXEC);
	cr_assert_geq(said_fd, 0);
}

static void end(void)
{
	(void)close(said_fd);
	(void)munmap(outcome, sizeof(*outcome));
}

TestSuite(short_memory, .init = begin, .fini = end);

/* In the process that is tried. A daemon has a reserve; without one the first that fails is the last. */
static void take_plan(void *arg)
{
	const struct plan *plan = arg;

	if (ftruncate(said_fd, 0) != 0) {
		_exit(EXIT_FAILURE);
	}
	(void)lseek(said_fd, 0, SEEK_SET);
	(void)dup2(said_fd, STDERR_FILENO);
	if (!plan->forever) {
		mem_reserve();
	}
	short_memory_plan(plan->at, plan->forever);
}

static const char *said(void)
{
	static char text[SAID_MAX];
	ssize_t length = pread(said_fd, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	return text;
}

/* Whether the process has ended as one does whose memory is used up. */
static bool ended_for_want(int status, const struct plan *plan)
{
	return plan->forever && status == -SIGABRT &&
	       strstr(said(), "narrowd: out of memory") != NULL;
}

static void a_life_is_short(bool forever, bool opened)
{
	struct plan plan = {-1, forever};
	struct life_plan faults = {take_plan, &plan, opened, short_memory_count};
	int64_t counted, every, ended = 0, lived = 0, refused = 0;
	struct world world;

	life_setup();
	life_copy(&world);
	cr_assert_eq(life_elsewhere(&world, &faults), 0);
	counted = life_ledger->calls;
	every = points_every(counted / POINTS_OF_LIFE + 1);
	every = opened || every > PART_OF_OPENING ? every : PART_OF_OPENING;
	for (plan.at = points_first(every); plan.at < counted; plan.at += every) {
		int status;

		life_begin_anew(&world);
		status = life_elsewhere(&world, &faults);
		cr_assert(status == 0 || status == STORAGE_EXIT || status == NOT_OPENED ||
				  ended_for_want(status, &plan),
			  "allocation %lld: ends as %d, %s", (long long)plan.at, status, said());
		cr_assert_not(life_ledger->accused, "allocation %lld: nobody else has written",
			      (long long)plan.at);
		lived += status == 0;
		ended += status < 0 || status == STORAGE_EXIT;
		refused += status == NOT_OPENED;
		life_look_at(&world, life_ledger->said, forever ? "no memory from" : "no memory at",
			     plan.at);
	}
	cr_log_info("of %lld allocations: %lld lived through, %lld ended, %lld kept from opening",
		    (long long)counted, (long long)lived, (long long)ended, (long long)refused);
	world_finish(&world);
	life_teardown();
}

Test(short_memory, a_store_opens_or_another_time)
{
	a_life_is_short(false, false);
}

Test(short_memory, a_store_lives_on)
{
	a_life_is_short(false, true);
}

Test(short_memory, a_store_without_memory_ends_and_has_what_it_acknowledged)
{
	a_life_is_short(true, true);
}

/* Returns 0 and its result, or REFUSED with the reason. */
typedef int (*scenario_fn)(const void *arg, uint64_t *ret_result, struct err *reterr);

static int try_elsewhere(scenario_fn scenario, const void *arg, const struct plan *plan)
{
	int status = -1;
	pid_t pid;

	memset(outcome, 0, sizeof(*outcome));
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		struct err err;
		int rc;

		(void)alarm(PATIENCE_S);
		err_init(&err);
		take_plan((void *)plan);
		rc = scenario(arg, &outcome->result, &err);
		outcome->count = short_memory_count();
		outcome->code = err.code;
		(void)snprintf(outcome->message, sizeof(outcome->message), "%.*s",
			       (int)sizeof(outcome->message) - 1, err.message);
		_exit(rc);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static bool is_of_memory(enum err_code code)
{
	return code == ERR_NO_MEMORY || code == ERR_OVERLOADED || code == ERR_TOO_LARGE;
}

static void try_everywhere(const char *what, scenario_fn scenario, const void *arg, bool forever)
{
	struct plan plan = {-1, forever};
	int64_t counted, every, done = 0, refused = 0;
	uint64_t expected;

	cr_assert_eq(try_elsewhere(scenario, arg, &plan), 0, "%s: %s", what, outcome->message);
	expected = outcome->result;
	counted = outcome->count;
	every = points_every(counted / POINTS + 1);
	for (plan.at = points_first(every); plan.at < counted; plan.at += every) {
		int status = try_elsewhere(scenario, arg, &plan);

		cr_assert((status == 0 && outcome->result == expected) ||
				  (status == REFUSED && is_of_memory(outcome->code)) ||
				  ended_for_want(status, &plan),
			  "%s, allocation %lld: ends as %d, %s%s", what, (long long)plan.at, status,
			  outcome->message, said());
		done += status == 0;
		refused += status == REFUSED;
	}
	cr_log_info("%s: of %lld allocations %lld are done without, %lld refused", what,
		    (long long)counted, (long long)done, (long long)refused);
}

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 1;

	for (; *text != '\0'; text++) {
		hash = rng_mix(hash + (unsigned char)*text);
	}
	return hash;
}

static const struct json_limits limits = {LIMIT_BODY_BYTES, LIMIT_JSON_DEPTH, LIMIT_JSON_VALUES,
					  .words = false};

static const char body_text[] =
	"{\"name\": \"n\", \"labels\": {\"team\": \"vision\"}, \"capability\": {\"op_types\": "
	"{\"Conv\": "
	"{\"static\": {\"weight\": {\"dtype\": [\"int8\"], \"granularity\": [\"per_channel\", "
	"\"per_tensor\"]}, \"activation\": {\"dtype\": [\"uint8\"], \"algorithm\": [\"kl\", "
	"\"minmax\"]}}, \"bf16\": {}, \"fp32\": {}}, \"Add\": {\"fp32\": {}}}, \"ops\": "
	"[{\"name\": "
	"\"conv1\", \"type\": \"Conv\"}, {\"name\": \"conv2\", \"type\": \"Conv\"}, {\"name\": "
	"\"add\", "
	"\"type\": \"Add\"}]}, \"op_name_dict\": {\"conv.*\": {\"weight\": {\"dtype\": "
	"[\"int8\"]}}}, "
	"\"evaluator\": {\"url\": \"http://127.0.0.1:9001\", \"timeout_s\": 5}, "
	"\"accuracy_criterion\": "
	"{\"tolerable_loss\": 0.02}, \"tuning_criterion\": {\"strategy\": \"basic\", "
	"\"max_trials\": 7}}";

/* What POST /v1/jobs makes of a body. */
static int read_job(const void *arg, uint64_t *ret_result, struct err *reterr)
{
	json_t *body = json_parse(body_text, strlen(body_text), &limits, reterr);
	struct spec *spec;
	char *head;

	(void)arg;
	if (body == NULL) {
		return REFUSED;
	}
	spec = spec_create(body, json_object_get(body, "capability"),
			   json_object_get(body, "evaluator"), reterr);
	if (spec == NULL) {
		return REFUSED;
	}
	head = json_text_last(spec_head(spec, body, json_object_get(body, "evaluator")));
	*ret_result = head != NULL ? hash_of(head) + spec->space->dimension_count : 0;
	return 0;
}

/* What an evaluator's answer comes to. */
static int read_answer(const void *arg, uint64_t *ret_result, struct err *reterr)
{
	static const char text[] =
		"{\"accuracy\": 0.75, \"latency_ms\": 4.5, \"metrics\": {\"power_w\": 5, "
		"\"energy\": 1e3}, \"report\": {\"device\": [\"gpu\", 0]}}";
	struct answer_expect expect = {.of_config = true};
	json_t *body = json_parse(text, strlen(text), &limits, reterr);
	struct answer answer;

	(void)arg;
	if (body == NULL || answer_parse(body, &expect, &answer, reterr) != 0) {
		return REFUSED;
	}
	*ret_result = (uint64_t)(answer.accuracy[0] * 1000);
	return 0;
}

/* What a strategy asks first, and after each of three answers. */
static int ask(const void *arg, uint64_t *ret_result, struct err *reterr)
{
	const struct strategy_ops *ops = arg;
	struct run_case c = run_case_make(60);
	struct run run;

	(void)reterr;
	run_init(&run, &c, ops, 1);
	for (int i = 0; i < 4; i++) {
		if (run_ask(&run) == STEP_ASK) {
			*ret_result += run_question_hash(&run.asked[run.asked_count - 1]);
			run_tell(&run, 0);
		}
	}
	return 0;
}

Test(short_memory, a_job_is_read_or_refused)
{
	try_everywhere("a job", read_job, NULL, false);
	try_everywhere("a job", read_job, NULL, true);
}

Test(short_memory, an_answer_is_read_or_refused)
{
	try_everywhere("an answer", read_answer, NULL, false);
	try_everywhere("an answer", read_answer, NULL, true);
}

Test(short_memory, a_strategy_asks_the_same)
{
	for (const struct strategy_ops *const *ops = strategies; *ops != NULL; ops++) {
		try_everywhere((*ops)->name, ask, *ops, false);
		try_everywhere((*ops)->name, ask, *ops, true);
	}
}
