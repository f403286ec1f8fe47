/*
 * The router: one table of routes, and what is checked of every request before its handler runs.
 */
#ifndef NARROWD_API_ROUTER_H
#define NARROWD_API_ROUTER_H

#include "api/call.h"

/* Of a worker's routes it is an answer, which is read as evaluators' are; what is no JSON becomes the
 * text that says why. */
enum route_body { NO_BODY, BODY, MAYBE_BODY, ANSWER, MAYBE_ANSWER };

/* What the path's {id} names, which others than its owner and admins do not find. */
enum route_owned { NOTHING, A_JOB, AN_EXPERIMENT, AN_EVALUATOR, A_WEBHOOK, A_LEASE };

struct route {
	const char *method;
	const char *path; /* "{...}" stands for one segment */
	enum scope scope; /* of the token that it needs */
	enum route_owned owned;
	call_fn *handle;
	enum route_body body;
	const char *const *query; /* parameters that are taken, NULL-terminated; NULL for none */
	const char *const *media; /* what it can answer with, NULL-terminated */
};

/* Every route, ended by one without a method. GET answers HEAD as well. */
extern const struct route router_table[];

/* The handler of http_create(); `arg` is the server. */
void router_handle(struct request *request, void *arg);

#endif
