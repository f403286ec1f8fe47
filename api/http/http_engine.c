/* libmicrohttpd as the server needs it, once for TLS and once without; http.c says how it runs. */
#include "api/http/http_internal.h"

#include <errno.h>
#include <string.h>

#include "api/http/http_tls.h"

enum {
	/* Connections that are given up but not yet closed still have a place in MHD's count. */
	MHD_SLACK = 4 * HTTP_ACCEPT_BATCH,
	MHD_MEMORY = 32 * 1024,
};

/*
 * Since 1.0 MHD unfolds lines and mends targets that it can guess, unless it is told not to, and
 * keeps an added connection for its next run, unless it has to do with one thread: then neither our
 * count of connections nor `accepting` would be right.
 */
#if MHD_VERSION >= 0x01000000
#define MHD_STRICTLY   MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1
#define MHD_ONE_THREAD MHD_USE_NO_THREAD_SAFETY
#else
#define MHD_STRICTLY   MHD_OPTION_STRICT_FOR_CLIENT, 0
#define MHD_ONE_THREAD 0
#endif

const char *http_engine_version(void)
{
	return MHD_get_version();
}

int http_engine_start(struct http *http, enum http_engine_kind kind, struct err *reterr)
{
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, http_tls_callback()},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, HTTP_TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};
	const struct MHD_OptionItem clear[] = {{MHD_OPTION_END, 0, NULL}};
	struct http_engine *engine = &http->engines[kind];

	engine->http = http;
	engine->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |
			MHD_ONE_THREAD | (kind == ENGINE_TLS ? MHD_USE_TLS : 0),
		0, NULL, NULL, http_request_access, http, MHD_OPTION_URI_LOG_CALLBACK,
		http_request_begin, http, MHD_OPTION_NOTIFY_COMPLETED, http_request_completed, http,
		MHD_OPTION_NOTIFY_CONNECTION, http_conn_notify, http, MHD_OPTION_CONNECTION_LIMIT,
		http->options.max_connections + MHD_SLACK, MHD_OPTION_CONNECTION_TIMEOUT, 0U,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MHD_MEMORY,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_STRICTLY, MHD_OPTION_ARRAY,
		kind == ENGINE_TLS ? tls : clear, MHD_OPTION_END);
	if (engine->mhd == NULL) {
		return err_set(reterr, ERR_ADDRESS, "cannot start the HTTP server: %s",
			       strerror(errno));
	}
	return 0;
}

int64_t http_engine_run(struct http *http)
{
	int64_t soonest = -1;

	for (int e = 0; e < ENGINES; e++) {
		MHD_UNSIGNED_LONG_LONG timeout = 0;
		struct MHD_Daemon *mhd = http->engines[e].mhd;

		if (mhd == NULL) {
			continue;
		}
		(void)MHD_run(mhd);
		if (MHD_get_timeout(mhd, &timeout) == MHD_YES &&
		    (soonest < 0 || (int64_t)timeout < soonest)) {
			soonest = (int64_t)timeout;
		}
	}
	return soonest;
}
