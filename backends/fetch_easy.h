/*
 * One transfer: libcurl's easy handle, every option of it that faces a hostile peer, and the notes
 * that its callbacks take.
 *
 * libcurl 7.88 leaves three things to us: bodies of unknown length, endless headers, and a
 * connection that ends in the middle of a header. There is no low-speed limit, because an evaluator
 * that works is silent; the caller's deadline decides. Loop thread.
 */
#ifndef NARROWD_BACKENDS_FETCH_EASY_H
#define NARROWD_BACKENDS_FETCH_EASY_H

#include <stdbool.h>
#include <stddef.h>

#include "backends/fetch.h"
#include "backends/guard.h"
#include "base/buf.h"
#include "base/err.h"

struct curl_slist;

struct fetch_easy {
	void *curl;                /* libcurl's handle; owned */
	const struct guard *guard; /* these three are the owner's to set; NULL: no check */
	struct guard_url url;
	struct err *err; /* filled as soon as something goes wrong; the first reason stays */
	struct curl_slist *headers;
	struct curl_slist *pins;
	struct buf body;
	size_t header_bytes;
	bool by_socket; /* the host of `url` is none that is connected to */
	bool connected; /* a connection was ready for the request */
	bool headers_complete;
	bool retryable;
	bool foreign; /* as in struct fetch_reply */
};

/* `url` is the whole address; nothing is borrowed. `owner` is what the multi handle reports.
 * ERR_USAGE for control characters in headers, in `err` as well. To be finished either way. */
int fetch_easy_init(struct fetch_easy *easy, const struct fetch_request *request, const char *url,
		    const char *user_agent, void *owner);
/* Not while it belongs to a multi handle. */
void fetch_easy_finish(struct fetch_easy *easy);

/* Asks the guard; a denial goes into `err`. */
bool fetch_easy_may_connect(struct fetch_easy *easy, const struct sockaddr *address);
/* The only addresses to connect to: "+host:port:address,address". */
void fetch_easy_pin(struct fetch_easy *easy, const char *text);

/* The transfer has ended with this CURLcode: puts a failure into `err`. */
void fetch_easy_end(struct fetch_easy *easy, int code);
void fetch_easy_time_out(struct fetch_easy *easy);
/* All but `err` and the elapsed time; what `ret` borrows lives until fetch_easy_finish(). */
void fetch_easy_reply(struct fetch_easy *easy, struct fetch_reply *ret);

#endif
