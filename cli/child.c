/*
 * Runs the command that answers questions, feeds it, reads it and ends it with all that it
 * started.
 */
#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

enum {
	GRACE_MS = 5000,
	CHUNK = 64 * 1024,
	TAIL = 4096,
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127
};

struct child {
	const struct child_plan *plan; /* of the question that is out */
	struct child_output *output;
	pid_t pid;
	int in, out, err; /* its standard streams; -1 once closed */
	char tail[TAIL];  /* the end of what it wrote to its standard error */
	size_t tail_length;
	size_t written;
	size_t read;              /* of the output: the lines that `is_answer` has seen */
	char *rest;               /* what came with the last answer, after it; owned */
	int64_t tick_at, kill_at; /* monotonic ms; kill_at: INT64_MAX until it is stopped */
	bool too_long, answered;
};

static void close_end(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
}

/* In the child, until another program takes its place. */
static _Noreturn void become(char *const *argv, const int *in, const int *out, const int *err)
{
	int rc;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(in[0], STDIN_FILENO);
	(void)dup2(out[1], STDOUT_FILENO);
	(void)dup2(err[1], STDERR_FILENO);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)execvp(argv[0], argv);
	rc = errno;
	(void)dprintf(STDERR_FILENO, "narrow: %s: %s\n", argv[0], strerror(rc));
	_exit(rc == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

static int start(struct child *child, struct err *reterr)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
	int rc = pipe2(in, O_CLOEXEC);

	rc = rc == 0 ? pipe2(out, O_CLOEXEC) : rc;
	rc = rc == 0 ? pipe2(err, O_CLOEXEC) : rc;
	child->pid = rc == 0 ? fork() : -1;
	if (child->pid == 0) {
		become(child->plan->argv, in, out, err);
	}
	close_end(&in[0]);
	close_end(&out[1]);
	close_end(&err[1]);
	if (child->pid < 0) {
		close_end(&in[1]);
		close_end(&out[0]);
		close_end(&err[0]);
		return err_set(reterr, ERR_EVALUATOR, "the command cannot be started: %s",
			       strerror(errno));
	}
	child->in = in[1];
	child->out = out[0];
	child->err = err[0];
	(void)fcntl(child->in, F_SETFL, O_NONBLOCK);
	(void)fcntl(child->err, F_SETFL, O_NONBLOCK);
	return 0;
}

static void stop(struct child *child)
{
	if (child->kill_at == INT64_MAX) {
		child->output->stopped = true;
		child->kill_at = clock_mono_ms() + GRACE_MS;
		(void)kill(-child->pid, SIGTERM);
	}
}

/* A command need not read its input. */
static void feed(struct child *child)
{
	const struct child_plan *plan = child->plan;
	ssize_t n =
		write(child->in, plan->input + child->written, plan->input_length - child->written);

	child->written += n > 0 ? (size_t)n : 0;
	if ((n < 0 && errno != EAGAIN && errno != EINTR) ||
	    (child->written == plan->input_length && plan->is_answer == NULL)) {
		close_end(&child->in);
	}
}

/* Shows each line that has come whole. What follows the answer is left for later. */
static void read_lines(struct child *child)
{
	const struct child_plan *plan = child->plan;
	struct child_output *output = child->output;
	char *end;

	while (plan->is_answer != NULL && !child->answered &&
	       (end = memchr(output->text + child->read, '\n', output->length - child->read)) !=
		       NULL) {
		size_t start = child->read, length = (size_t)(end - output->text) - start;

		child->read += length + 1;
		if (plan->is_answer(plan->arg, output->text + start, length)) {
			child->answered = true;
			child->rest = mem_dup_n(end + 1, output->length - child->read);
			memmove(output->text, output->text + start, length);
			output->text[length] = '\0';
			output->length = length;
		}
	}
}

static void gather(struct child *child)
{
	struct child_output *output = child->output;
	ssize_t n;

	output->text = mem_grow(output->text, output->length + CHUNK + 1, 1);
	n = read(child->out, output->text + output->length, CHUNK);
	if (n == 0 || (n < 0 && errno != EINTR)) {
		close_end(&child->out);
	}
	output->length += n > 0 ? (size_t)n : 0;
	output->text[output->length] = '\0';
	read_lines(child);
	if (output->length > child->plan->max_output) {
		child->too_long = true;
		close_end(&child->out);
		stop(child);
	}
}

/* Hands on what it says on its standard error and keeps the end of it. False when there is nothing now. */
static bool overhear(struct child *child)
{
	char part[TAIL];
	ssize_t n = child->err >= 0 ? read(child->err, part, sizeof(part)) : 0;
	size_t length, kept;

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
		close_end(&child->err);
	}
	if (n <= 0) {
		return false;
	}
	(void)fwrite(part, 1, (size_t)n, stderr);
	length = (size_t)n;
	kept = child->tail_length + length <= TAIL ? child->tail_length : TAIL - length;
	memmove(child->tail, child->tail + child->tail_length - kept, kept);
	memcpy(child->tail + kept, part, length);
	child->tail_length = kept + length;
	return true;
}

/* The last line that says anything. The caller frees. */
static char *last_line(const struct child *child)
{
	size_t end = child->tail_length, start;
	char *line = mem_dup("");

	while (end > 0 && line[0] == '\0') {
		start = end;
		while (start > 0 && child->tail[start - 1] != '\n' &&
		       child->tail[start - 1] != '\r') {
			start--;
		}
		free(line);
		line = buf_line(child->tail + start, end - start, LIMIT_ERROR_TEXT_BYTES);
		end = start > 0 ? start - 1 : 0;
	}
	return line;
}

static void tick(struct child *child, bool early)
{
	int64_t now = clock_mono_ms();

	if (now >= child->kill_at) {
		(void)kill(-child->pid, SIGKILL);
		close_end(&child->out);
	}
	if ((early || now >= child->tick_at) && child->kill_at == INT64_MAX) {
		child->tick_at = now + (int64_t)child->plan->tick_ms;
		if (!child->plan->tick(child->plan->arg, child->output->text)) {
			stop(child);
		}
	}
}

static int wait_ms(const struct child *child)
{
	int64_t until = child->tick_at < child->kill_at ? child->tick_at : child->kill_at;
	int64_t left = until - clock_mono_ms();

	return left < 0 ? 0 : (int)left;
}

/* Whether the question has its answer and the process is to go on. */
static bool is_done(const struct child *child)
{
	return child->answered && child->kill_at == INT64_MAX;
}

static void attend(struct child *child)
{
	while (child->out >= 0 && !is_done(child)) {
		bool feeds = child->written < child->plan->input_length;
		struct pollfd fds[] = {{.fd = child->out, .events = POLLIN},
				       {.fd = feeds ? child->in : -1, .events = POLLOUT},
				       {.fd = child->err, .events = POLLIN}};
		int ready = poll(fds, 3, wait_ms(child));

		if (ready > 0 && fds[1].revents != 0) {
			feed(child);
		}
		if (ready > 0 && fds[0].revents != 0) {
			gather(child);
		}
		if (ready > 0 && fds[2].revents != 0) {
			(void)overhear(child);
		}
		tick(child, ready < 0);
	}
}

/* It closed its output but may go on. */
static int reap(struct child *child)
{
	int status = 0;

	close_end(&child->in);
	while (waitpid(child->pid, &status, WNOHANG) == 0) {
		(void)poll(NULL, 0, 20);
		(void)overhear(child);
		tick(child, false);
	}
	(void)kill(-child->pid, SIGKILL);
	while (overhear(child)) {
	}
	close_end(&child->out);
	close_end(&child->err);
	return status;
}

static void forget(struct child **child)
{
	free((*child)->rest);
	free(*child);
	*child = NULL;
}

static void end(struct child **at, int64_t grace_ms)
{
	struct child *child = *at;

	child->kill_at = clock_mono_ms() + grace_ms;
	(void)kill(-child->pid, SIGTERM);
	(void)reap(child);
	forget(at);
}

void child_end(struct child **child)
{
	if (*child != NULL) {
		end(child, GRACE_MS);
	}
}

/*
 * What came while nothing was asked belongs to no question. Whether the next line will, as far as one can
 * know: not when there is an answer among it, not even the beginning of one, and not when the process has ended.
 */
static bool is_in_step(struct child *child)
{
	struct child_output *output = child->output;
	struct pollfd fd = {.fd = child->out, .events = POLLIN};

	output->length = strlen(child->rest);
	output->text = mem_grow(output->text, output->length + 1, 1);
	memcpy(output->text, child->rest, output->length + 1);
	free(child->rest);
	child->rest = NULL;
	read_lines(child);
	while (child->out >= 0 && !child->answered && child->kill_at == INT64_MAX &&
	       poll(&fd, 1, 0) > 0) {
		gather(child);
	}
	return child->out >= 0 && !child->answered && child->kill_at == INT64_MAX &&
	       (child->read == output->length ||
		!child->plan->is_answer(child->plan->arg, output->text + child->read,
					output->length - child->read));
}

/* Prepares for a question. */
static void turn_to(struct child *child, const struct child_plan *plan, struct child_output *output)
{
	free(output->text);
	free(output->last);
	*output = (struct child_output){.text = mem_dup(""), .last = mem_dup("")};
	child->plan = plan;
	child->output = output;
	child->written = child->read = 0;
	child->tick_at = clock_mono_ms() + (int64_t)plan->tick_ms;
	child->kill_at = INT64_MAX;
	child->too_long = child->answered = false;
}

/* Makes sure that there is a process that the question can be put to. */
static int prepare(struct child **at, const struct child_plan *plan, struct child_output *output,
		   struct err *reterr)
{
	if (*at != NULL) {
		turn_to(*at, plan, output);
		if (!is_in_step(*at)) {
			(void)fprintf(stderr, "narrow: the command %s, and is started again\n",
				      (*at)->out < 0 ? "has ended between two questions"
						     : "answered without being asked");
			end(at, 0);
		}
	}
	if (*at == NULL) {
		*at = mem_new(1, sizeof(**at));
		turn_to(*at, plan, output);
		if (start(*at, reterr) != 0) {
			forget(at);
			return -(int)ERR_EVALUATOR;
		}
	}
	turn_to(*at, plan, output); /* what it said before is none of this question's */
	return 0;
}

int child_run(struct child **child, const struct child_plan *plan, struct child_output *ret,
	      struct err *reterr)
{
	bool too_long;

	*ret = (struct child_output){0};
	if (prepare(child, plan, ret, reterr) != 0) {
		return -(int)ERR_EVALUATOR;
	}
	attend(*child);
	too_long = (*child)->too_long;
	free(ret->last);
	if (is_done(*child)) {
		ret->last = last_line(*child);
	} else {
		ret->status = reap(*child);
		ret->silent = plan->is_answer != NULL;
		ret->last = last_line(*child);
		forget(child);
	}
	if (too_long) {
		return err_set(reterr, ERR_EVALUATOR, "the command wrote more than %zu bytes",
			       plan->max_output);
	}
	return 0;
}

static bool is_program(const char *path)
{
	struct stat status;

	if (access(path, X_OK) != 0 || stat(path, &status) != 0) {
		return false;
	}
	errno = S_ISREG(status.st_mode) ? 0 : EACCES;
	return errno == 0;
}

bool child_is_there(const char *program)
{
	const char *path = getenv("PATH");
	bool found = false;

	if (strchr(program, '/') != NULL) {
		return is_program(program);
	}
	errno = ENOENT;
	for (path = path != NULL ? path : "/bin:/usr/bin"; path != NULL && !found;) {
		size_t length = strcspn(path, ":");
		char *full = mem_printf("%.*s/%s", length > 0 ? (int)length : 1,
					length > 0 ? path : ".", program);

		found = is_program(full);
		free(full);
		path = path[length] == ':' ? path + length + 1 : NULL;
	}
	return found;
}

void child_output_finish(struct child_output *output)
{
	free(output->text);
	free(output->last);
	*output = (struct child_output){0};
}
