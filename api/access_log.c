/*
 * Writes one line for each request that is over, to the file of the setting or to standard error.
 */
#include "api/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/call.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

enum { FILE_MODE = 0600, LINE_MAX_BYTES = 8 * LIMIT_TARGET_BYTES };

static int log_fd = -1;
static bool is_broken; /* and that was said */

int access_log_open(const char *path, struct err *reterr)
{
	int fd = -1;

	if (strcmp(path, "-") == 0) {
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	} else if (path[0] != '\0') {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
			  FILE_MODE);
	}
	if (fd < 0 && path[0] != '\0') {
		return err_set(reterr, ERR_CONFIG, "access_log: cannot open %s: %s", path,
			       strerror(errno));
	}
	access_log_close();
	log_fd = fd;
	return 0;
}

void access_log_close(void)
{
	if (log_fd >= 0) {
		(void)close(log_fd);
	}
	log_fd = -1;
	is_broken = false;
}

static void add_text(struct buf *line, const char *name, const char *text)
{
	buf_printf(line, ",\"%s\":", name);
	if (text != NULL && text[0] != '\0') {
		buf_json_string(line, text, strlen(text));
	} else {
		buf_text(line, "null");
	}
}

static void add_who(struct buf *line, const struct request *request)
{
	const struct call *call = request_context(request);
	bool known = call != NULL && call->who.known;
	struct http_peer peer;

	request_peer(request, &peer);
	add_text(line, "peer", peer.is_unix ? "unix" : peer.address);
	add_text(line, "owner", known ? call->who.owner : NULL);
	add_text(line, "token", known ? call->who.token : NULL);
}

void access_log_note(const struct request *request, const struct http_over *over, void *arg)
{
	char at[CLOCK_TEXT_SIZE];
	struct buf line;

	(void)arg;
	if (log_fd < 0) {
		return;
	}
	buf_init(&line, LINE_MAX_BYTES);
	buf_printf(&line, "{\"at\":\"%s\"", clock_format(clock_wall_ms(), at));
	add_text(&line, "request_id", request_id(request));
	add_text(&line, "method", over->method);
	add_text(&line, "path", over->path);
	buf_printf(&line, over->status > 0 ? ",\"status\":%d" : ",\"status\":null", over->status);
	buf_printf(&line, ",\"complete\":%s,\"received\":%zu,\"answered\":%zu,\"seconds\":%.6f",
		   over->complete ? "true" : "false", over->received, over->answered,
		   over->seconds);
	add_who(&line, request);
	buf_text(&line, "}\n");
	if (!line.failed && write(log_fd, line.bytes, line.length) != (ssize_t)line.length &&
	    !is_broken) {
		is_broken = true;
		log_line(LOG_ERROR, "the access log cannot be written",
			 LOG_TEXT("detail", strerror(errno)));
	}
	buf_finish(&line);
}
