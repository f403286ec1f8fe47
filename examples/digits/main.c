/*
 * digits-evaluator: answers a tuner's questions about the digits network.
 *
 * The pieces, from below: model (the file), config (what can be chosen), calib (ranges), net (oneDNN),
 * measure and score (what a config is worth), evaluator (questions), http.
 */
#include <dnnl.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "evaluator.h"
#include "http.h"
#include "ledger.h"

#define EXIT_USAGE 64

enum { PATH_BYTES = 4096 };

/* From libgomp, which oneDNN uses; clang has no <omp.h> for it. */
void omp_set_num_threads(int count);

struct options {
	const char *address;
	const char *model;
	const char *ledger;
	unsigned int port;
	unsigned int delay_ms;
	bool answer; /* one question from standard input */
	struct measure_options measure;
};

struct server {
	struct evaluator evaluator;
	struct ledger ledger;
	unsigned int delay_ms;
};

static volatile sig_atomic_t stop;

static const char usage[] =
	"usage: digits-evaluator [OPTION]...\n"
	"  --listen ADDRESS      IPv4 address to listen on (127.0.0.1)\n"
	"  --port N              port; 0 takes a free one (9001)\n"
	"  --model FILE          network and images (those of the example)\n"
	"  --latency-batches N   latency is the median of N batches (15)\n"
	"  --ledger FILE         add a line of JSON for each answered question\n"
	"  --deterministic       count latency from the config instead of measuring it: only for\n"
	"                        tests that compare two runs of a tuner\n"
	"  --delay-ms N          wait before each answer, as a larger model would make you\n"
	"  --answer              no server: answer the one question on standard input, as a\n"
	"                        command of narrow worker does\n"
	"  --progress            with --answer: say how far it is after each batch of images\n";

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* The example's own, as it is installed or in the tree that this was built from. `ret` has PATH_BYTES. */
static const char *find_model(char *ret)
{
	static const char installed[] = "/../../share/narrowd/digits/model.bin";
	size_t most = PATH_BYTES - sizeof(installed);
	ssize_t length = readlink("/proc/self/exe", ret, most);

	ret[length > 0 && (size_t)length < most ? length : 0] = '\0';
	if (ret[0] == '/') {
		memcpy(strrchr(ret, '/'), installed, sizeof(installed));
	}
	return access(ret, R_OK) == 0 ? ret : MODEL_FILE;
}

static int read_number(unsigned int *result, const char *text, unsigned int least,
		       unsigned int most)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < least ||
	    value > most) {
		(void)fprintf(stderr, "digits-evaluator: %s is not a number from %u to %u\n", text,
			      least, most);
		return -1;
	}
	*result = (unsigned int)value;
	return 0;
}

static int read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"listen", required_argument, NULL, 'l'},
		{"port", required_argument, NULL, 'p'},
		{"model", required_argument, NULL, 'm'},
		{"latency-batches", required_argument, NULL, 'b'},
		{"ledger", required_argument, NULL, 'L'},
		{"deterministic", no_argument, NULL, 'd'},
		{"delay-ms", required_argument, NULL, 'D'},
		{"answer", no_argument, NULL, 'a'},
		{"progress", no_argument, NULL, 'P'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int status = 0, found;

	while (status == 0 && (found = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (found) {
		case 'l':
			options->address = optarg;
			break;
		case 'a':
			options->answer = true;
			break;
		case 'P':
			options->measure.progress = true;
			break;
		case 'm':
			options->model = optarg;
			break;
		case 'L':
			options->ledger = optarg;
			break;
		case 'd':
			options->measure.deterministic = true;
			break;
		case 'p':
			status = read_number(&options->port, optarg, 0, 65535);
			break;
		case 'b':
			status = read_number(&options->measure.latency_batches, optarg, 1, 10000);
			break;
		case 'D':
			status = read_number(&options->delay_ms, optarg, 0, 3600000);
			break;
		case 'h':
			(void)fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			status = -1;
		}
	}
	if (status == 0 && optind < argc) {
		(void)fprintf(stderr, "digits-evaluator: unknown argument %s\n", argv[optind]);
		status = -1;
	}
	return status;
}

static void wait_ms(unsigned int ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	while (!stop && nanosleep(&left, &left) != 0) {
	}
}

static unsigned int answer_post(void *context, const char *path, const char *key,
				const json_t *body, json_t **answer, struct fault *fault)
{
	struct server *server = context;

	switch (evaluator_ask(&server->evaluator, path, body, answer, fault)) {
	case VERDICT_UNKNOWN:
		return 404;
	case VERDICT_BAD:
		return 400;
	default:
		break;
	}
	wait_ms(server->delay_ms);
	if (ledger_add(&server->ledger, key, path, body, *answer, fault) != 0) {
		json_decref(*answer);
		*answer = NULL;
	}
	return *answer != NULL ? 200 : 500;
}

static int serve(struct server *server, const struct options *options, struct fault *fault)
{
	struct http *http =
		http_create(options->address, (uint16_t)options->port, answer_post, server, fault);

	if (http == NULL) {
		return -1;
	}
	(void)printf("digits-evaluator: listening on http://%s:%u\n", options->address,
		     (unsigned int)http_port(http));
	(void)fflush(stdout);
	http_serve(http, &stop);
	http_destroy(http);
	return 0;
}

static int answer_one(struct server *server, struct fault *fault)
{
	json_error_t error;
	json_t *question = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error), *answer = NULL;
	const char *name = json_string_value(json_object_get(question, "question"));
	int status = -1;

	if (question == NULL) {
		fault_set(fault, "standard input is no JSON: %s", error.text);
	} else if (name == NULL) {
		fault_set(fault, "the question has no member \"question\"");
	} else if (evaluator_ask(&server->evaluator, name, question, &answer, fault) ==
		   VERDICT_ANSWER) {
		wait_ms(server->delay_ms);
		status = json_dumpf(answer, stdout, 0);
		(void)putchar('\n');
	}
	json_decref(question);
	json_decref(answer);
	return status;
}

static int run(const struct options *options, struct fault *fault)
{
	struct server server = {.delay_ms = options->delay_ms};
	int status;

	if (ledger_init(&server.ledger, options->ledger, fault) != 0) {
		return -1;
	}
	status = evaluator_init(&server.evaluator, options->model, &options->measure, fault);
	if (status == 0) {
		status = options->answer ? answer_one(&server, fault)
					 : serve(&server, options, fault);
	}
	evaluator_finish(&server.evaluator);
	ledger_finish(&server.ledger);
	return status;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);
}

int main(int argc, char **argv)
{
	char model[PATH_BYTES];
	struct options options = {
		.address = "127.0.0.1",
		.model = find_model(model),
		.port = 9001,
		.measure = {.latency_batches = 15},
	};
	struct fault fault = {0};

	if (read_options(&options, argc, argv) != 0) {
		(void)fputs(usage, stderr);
		return EXIT_USAGE;
	}
	catch_signals();
	omp_set_num_threads(1);
	/* The scales are part of a kernel, so one of an earlier config is hardly ever wanted again. */
	(void)dnnl_set_primitive_cache_capacity(0);
	if (run(&options, &fault) != 0) {
		(void)fprintf(stderr, "digits-evaluator: %s\n", fault.text);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
