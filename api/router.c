/*
 * Finds a request's route and holds everything against it that must be right before the handler
 * runs.
 */
#include "api/router.h"

#include "api/beside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http/header.h"
#include "api/relay.h"
#include "api/resources.h"
#include "base/limits.h"
#include "base/mem.h"

enum {
	UNKNOWN_NAME_MAX = 64,
	UNKNOWN_MAX = 32 * 1024,
	UNREAD_MS = 60000 /* that a request waits for its job to be read, at most */
};

/* Whether `path` fits the pattern; its variable segments go to `params`. */
static bool match(const char *pattern, const char *path, char params[2][CALL_PARAM_SIZE])
{
	int n = 0;

	while (*pattern != '\0' && *path != '\0') {
		if (*pattern == '{') {
			size_t length = strcspn(path, "/");

			if (length == 0 || length >= CALL_PARAM_SIZE) {
				return false;
			}
			memcpy(params[n], path, length);
			params[n++][length] = '\0';
			path += length;
			pattern = strchr(pattern, '}') + 1;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *pattern == '\0' && *path == '\0';
}

/* Whether a row has just this path: patterns that it fits, too, are of other resources. */
static bool is_named(const char *path)
{
	for (const struct route *route = router_table; route->method != NULL; route++) {
		if (strcmp(route->path, path) == 0) {
			return strchr(path, '{') == NULL;
		}
	}
	return false;
}

static const struct route *find_route(const char *method, const char *path,
				      char params[2][CALL_PARAM_SIZE], struct buf *allow)
{
	bool named = is_named(path);

	for (const struct route *route = router_table; route->method != NULL; route++) {
		if (named ? strcmp(route->path, path) != 0 : !match(route->path, path, params)) {
			continue;
		}
		if (strcmp(route->method, method) == 0) {
			return route;
		}
		buf_printf(allow, "%s, ", route->method);
		buf_text(allow, strcmp(route->method, "GET") == 0 ? "HEAD, " : "");
	}
	buf_text(allow, allow->length > 0 ? "OPTIONS" : "");
	return NULL;
}

struct query_check {
	const char *const *known;
	struct buf unknown; /* the names of all that are, quoted */
};

static bool check_query(void *arg, const char *name, const char *value)
{
	struct query_check *check = arg;
	const char *const *known = check->known;

	(void)value;
	for (; known != NULL && *known != NULL; known++) {
		/* A trailing dot stands for a family: "label.". */
		size_t n = strlen(*known);

		if (strcmp(*known, name) == 0 ||
		    ((*known)[n - 1] == '.' && strncmp(*known, name, n) == 0)) {
			return true;
		}
	}
	buf_text(&check->unknown, check->unknown.length > 0 ? ", " : "");
	buf_json_string(&check->unknown, name, strnlen(name, UNKNOWN_NAME_MAX));
	return true;
}

static bool query_is_known(struct call *call)
{
	struct query_check check = {.known = call->route->query};
	bool known;

	buf_init(&check.unknown, UNKNOWN_MAX);
	request_each_query(call->request, check_query, &check);
	known = check.unknown.length == 0;
	if (!known) {
		call_error(call, ERR_UNKNOWN_QUERY, "unknown query parameter %s",
			   check.unknown.bytes);
	}
	buf_finish(&check.unknown);
	return known;
}

static bool answer_is_acceptable(struct call *call)
{
	const char *accept = request_header(call->request, "Accept");

	for (const char *const *media = call->route->media; *media != NULL; media++) {
		if (header_accepts(accept, *media)) {
			return true;
		}
	}
	call_error(call, ERR_NOT_ACCEPTABLE, "the answer is %s", call->route->media[0]);
	return false;
}

/* What may be asked of a resource, or ("*") of the server as such. */
static bool answer_options(struct request *request, const struct buf *allow)
{
	bool server = strcmp(request_path(request), "*") == 0;

	if (strcmp(request_method(request), "OPTIONS") != 0 || (allow->length == 0 && !server)) {
		return false;
	}
	request_add_header(request, "Allow",
			   server ? "GET, HEAD, POST, PATCH, DELETE, OPTIONS" : allow->bytes);
	if (server || strstr(allow->bytes, "PATCH") != NULL) {
		request_add_header(request, "Accept-Patch", HTTP_PATCH_TYPES);
	}
	request_reply(request, 204, NULL, NULL, 0);
	return true;
}

static void no_route(struct request *request, const struct buf *allow)
{
	struct err err;

	if (answer_options(request, allow)) {
		return;
	}
	if (allow->length > 0) {
		request_add_header(request, "Allow", allow->bytes);
		(void)err_set(&err, ERR_METHOD, "%s is not possible here", request_method(request));
	} else {
		(void)err_set(&err, ERR_NOT_FOUND, "there is nothing at %.200s",
			      request_path(request));
	}
	request_problem(request, &err);
}

/* Longer bodies are parsed beside the loop. */
enum { PARSE_AT_ONCE_BYTES = 16 * 1024 };

struct parsing {
	char *text; /* a copy, since the request may end meanwhile; NULL when that is not needed */
	size_t length;
	struct err err;
};

static void parse(struct call *call, const char *text, size_t length, struct err *reterr)
{
	enum route_body body = call->route->body;
	struct json_limits limits = {LIMIT_BODY_BYTES, LIMIT_JSON_DEPTH, LIMIT_JSON_VALUES,
				     .words = body == ANSWER || body == MAYBE_ANSWER};

	call->body = json_parse(text, length, &limits, reterr);
	if (call->body == NULL && body == ANSWER && reterr->code == ERR_INVALID_JSON) {
		call->body =
			json_string(reterr->message); /* no answer, of which the job is to know */
	}
}

static void handle(struct call *call, const struct err *err)
{
	if (call->body == NULL) {
		call_fail(call, err);
	} else {
		call->route->handle(call);
	}
}

static void parse_beside(struct call *call, const struct store_rows *rows)
{
	struct parsing *parsing = call->state;

	(void)rows;
	parse(call, parsing->text, parsing->length, &parsing->err);
	if (call->body == NULL) {
		mem_give_back();
	}
}

static void forget_parsing(void *arg)
{
	struct parsing *parsing = arg;

	free(parsing->text);
	free(parsing);
}

static void after_parsing(struct call *call)
{
	struct parsing *parsing = call->state;

	call->state = NULL;
	call->state_destroy = NULL;
	handle(call, &parsing->err);
	forget_parsing(parsing);
}

static void read_body(struct call *call)
{
	size_t length;
	const char *text = request_body(call->request, &length);
	enum route_body body = call->route->body;
	struct parsing *parsing;
	struct err err ERR_UNCLEARED;

	if (body == NO_BODY || ((body == MAYBE_BODY || body == MAYBE_ANSWER) && length == 0)) {
		call->route->handle(call);
	} else if (length <= PARSE_AT_ONCE_BYTES) {
		parse(call, text, length, &err);
		handle(call, &err);
	} else {
		call->large_body = true;
		parsing = mem_new(1, sizeof(*parsing));
		parsing->text = mem_is_short() ? NULL : mem_try(length + 1, 1);
		if (parsing->text == NULL) {
			free(parsing);
			call_error(call, ERR_NO_MEMORY, "no memory for the body");
			return;
		}
		memcpy(parsing->text, text, length);
		parsing->length = length;
		call->state = parsing;
		call->state_destroy = forget_parsing;
		beside_run(call, NULL, parse_beside, after_parsing);
	}
}

/* The job stays as long as the call does, unless it is what the call deletes. */
static bool holds_job(struct call *call)
{
	enum route_owned owned = call->route->owned;

	call->hold.job = call->params[0];
	if ((owned == A_JOB || owned == AN_EXPERIMENT) &&
	    !store_hold(call->server->store, &call->hold)) {
		call_error(call, ERR_NOT_FOUND, "no job has the id %s", call->params[0]);
		return false;
	}
	return true;
}

/* What workers say has an end, as their leases have; what others want may be as much as they like. */
static bool has_room(struct call *call)
{
	/* The last one knows from its body whether it does. */
	static call_fn *const write_nothing[] = {spaces_dry_run, evaluators_probe,
						 jobs_delete_many};
	enum scope scope = call->route->scope;

	for (size_t i = 0; i < sizeof(write_nothing) / sizeof(write_nothing[0]); i++) {
		if (call->route->handle == write_nothing[i]) {
			return true;
		}
	}
	return strcmp(call->route->method, "GET") == 0 || scope == SCOPE_NONE ||
	       scope == SCOPE_WORK || call_has_room(call);
}

static void carry_out(struct call *call)
{
	if (has_room(call) && holds_job(call) && query_is_known(call) &&
	    answer_is_acceptable(call)) {
		read_body(call);
	}
}

/* What is known of a job, and what is done to it, comes when it is in memory: after a start that may take a moment. */
static void carry_out_of_job(struct call *call, const char *job)
{
	if (tuner_is_unread(call->server->tuner, job)) {
		call_wait(call, job, 0, UNREAD_MS, carry_out);
	} else {
		carry_out(call);
	}
}

static void carry_out_owned(struct call *call)
{
	enum route_owned owned = call->route->owned;

	if (owned == A_JOB || owned == AN_EXPERIMENT) {
		carry_out_of_job(call, call->params[0]);
	} else {
		carry_out(call);
	}
}

static const struct {
	int query;
	const char *what, *why; /* as its handlers say when it does not exist */
} owned_things[] = {
	[A_JOB] = {QUERY_OWNER_OF_JOB, "job", ""},
	[AN_EXPERIMENT] = {QUERY_OWNER_OF_JOB, "experiment", ""},
	[AN_EVALUATOR] = {QUERY_OWNER_OF_EVALUATOR, "evaluator", ""},
	[A_WEBHOOK] = {QUERY_OWNER_OF_WEBHOOK, "webhook", ""},
	[A_LEASE] = {QUERY_OWNER_OF_LEASE, "lease", TUNER_NO_LEASE},
};

enum { OWNER, LEASE_POOL, LEASE_JOB }; /* of the queries */

/* A worker that is bound to pools has what is asked there, whosever it is; others have their own. */
static bool is_theirs(const struct call *call, char *const *cells)
{
	if (access_only(&call->who) == NULL) {
		return true;
	}
	if (call->route->owned == A_LEASE && call->who.pools != NULL) {
		return cells[LEASE_POOL] != NULL && access_works_for(&call->who, cells[LEASE_POOL]);
	}
	return strcmp(cells[OWNER], call->who.owner) == 0;
}

static void on_owner(struct call *call, const struct store_rows *rows)
{
	enum route_owned owned = call->route->owned;

	if (rows->count > 0 && is_theirs(call, rows->cells)) {
		if (owned == A_LEASE) {
			carry_out_of_job(call, rows->cells[LEASE_JOB]);
		} else {
			carry_out_owned(call);
		}
	} else {
		call_error(call, ERR_NOT_FOUND, "no %s has the id %s%s", owned_things[owned].what,
			   call->params[0], owned_things[owned].why);
	}
}

/* Whether a browser wants a page, and not a client its JSON. */
static bool is_for_people(struct call *call)
{
	return call->route != NULL && strcmp(call->route->media[0], "text/html") == 0 &&
	       header_prefers(request_header(call->request, "Accept"), "text/html",
			      "application/json");
}

/* Whether the token that came is enough for this route; otherwise answers. */
static bool may_enter(struct call *call, int rc, struct err *err)
{
	enum scope scope = call->route != NULL ? call->route->scope : SCOPE_ANY;

	if (scope == SCOPE_NONE) {
		return true;
	}
	rc = rc == 0 ? access_may(&call->who, scope, err) : rc;
	if (rc != 0 && is_for_people(call)) {
		html_refuse(call, err);
	} else if (rc != 0) {
		call_refuse(call, err);
	}
	return rc == 0;
}

/* Of which job a lease is says the store, as long as not all jobs are in memory. */
static void enter(struct call *call)
{
	bool everybodys = access_only(&call->who) == NULL;
	bool looks = call->route->owned == A_LEASE && tuner_is_unread(call->server->tuner, NULL);

	if (call->route->owned == NOTHING || (everybodys && !looks)) {
		carry_out_owned(call);
	} else {
		call_find(call, owned_things[call->route->owned].query, on_owner);
	}
}

void router_handle(struct request *request, void *arg)
{
	struct call *call = call_create(arg, request);
	struct buf allow;
	struct err err ERR_UNCLEARED;
	int rc = access_identify(&call->server->access, request, &call->who, &err);

	buf_init(&allow, 128);
	call->route =
		find_route(request_method(request), request_path(request), call->params, &allow);
	if (may_enter(call, rc, &err)) {
		if (call->route == NULL) {
			no_route(request, &allow);
		} else if (relay_takes(call)) {
			relay_begin(call);
		} else {
			enter(call);
		}
	}
	buf_finish(&allow);
}
