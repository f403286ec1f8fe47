/* Makes, lists and revokes tokens, through the daemon or beside it. */
#include "daemon/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ledger.h"
#include "backends/fetch.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/control.h"
#include "daemon/setup.h"
#include "store/query.h"

enum { TIMEOUT_MS = 30000, MAX_REPLY = 64 << 20 };

static const char *const verbs[] = {"", "create", "list", "revoke"};

/* One command while it is carried out, one way or the other. */
struct work {
	const struct token_command *command;
	struct loop *loop;
	const char *socket; /* of a running daemon */
	struct fetch *fetch;
	struct store *store; /* of a stopped one */
	struct ledger *ledger;
	struct loop_task stop;
	int rc;
	struct err *err;
};

static int usage(struct err *reterr, const char *what)
{
	return err_set(reterr, ERR_USAGE,
		       "%s: narrowd token create --scope SCOPE... [--owner NAME] [--pool POOL]... "
		       "[--expires 90d] [--name TEXT] | list | revoke ID",
		       what);
}

/* "90d": a number and s, m, h or d. 0 when it is none. */
static int64_t duration_s(const char *text)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = {1, 60, 3600, 86400};
	char *end;
	long long number = strtoll(text, &end, 10);
	const char *unit = *end != '\0' && end[1] == '\0' ? strchr(units, *end) : NULL;

	if (end == text || unit == NULL || number <= 0 || number > INT64_C(1) << 32) {
		return 0;
	}
	return number * seconds[unit - units];
}

static int set_member(json_t *body, const char *option, const char *value, struct err *reterr)
{
	static const struct {
		const char *option, *member;
		bool list;
	} members[] = {{"--scope", "scopes", true},
		       {"--pool", "pools", true},
		       {"--owner", "owner", false},
		       {"--name", "name", false}};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *list = json_object_get(body, members[i].member);

		if (strcmp(members[i].option, option) != 0) {
			continue;
		}
		if (!members[i].list) {
			return json_object_set_new(body, members[i].member, json_string(value));
		}
		if (list == NULL) {
			list = json_array();
			(void)json_object_set_new(body, members[i].member, list);
		}
		return json_array_append_new(list, json_string(value));
	}
	if (duration_s(value) == 0) {
		return usage(reterr, "--expires is a number and s, m, h or d");
	}
	return json_object_set_new(body, "expires_in_s", json_integer(duration_s(value)));
}

static bool is_own_option(const char *text)
{
	static const char *const own[] = {"--scope", "--pool", "--owner", "--name", "--expires"};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strcmp(own[i], text) == 0) {
			return true;
		}
	}
	return false;
}

static enum token_verb verb_of(const char *text)
{
	for (enum token_verb verb = TOKEN_CREATE; verb <= TOKEN_REVOKE; verb++) {
		if (text != NULL && strcmp(verbs[verb], text) == 0) {
			return verb;
		}
	}
	return TOKEN_NONE;
}

/* Where "token" and its verb stand; argc when nowhere. A value of a setting may be the same word. */
static int find_verb(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "token") == 0 && verb_of(argv[i + 1]) != TOKEN_NONE) {
			return i;
		}
	}
	return argc;
}

int token_take(int *argc, char **argv, struct token_command *ret, struct err *reterr)
{
	int at = find_verb(*argc, argv), kept = at, rc = 0;

	*ret = (struct token_command){.verb = TOKEN_NONE};
	if (at == *argc) {
		return *argc > 1 && strcmp(argv[1], "token") == 0
			       ? usage(reterr, "create, list or revoke is missing")
			       : 0;
	}
	ret->verb = verb_of(argv[at + 1]);
	ret->body = json_object();
	for (int i = at + 2; i < *argc && rc == 0; i++) {
		if (ret->verb == TOKEN_CREATE && is_own_option(argv[i])) {
			rc = i + 1 < *argc ? set_member(ret->body, argv[i], argv[i + 1], reterr)
					   : usage(reterr, "a value is missing");
			i++;
		} else if (ret->verb == TOKEN_REVOKE && strncmp(argv[i], "tok_", 4) == 0) {
			ret->id = argv[i];
		} else {
			argv[kept++] = argv[i];
		}
	}
	if (rc == 0 && ret->verb == TOKEN_REVOKE && ret->id == NULL) {
		rc = usage(reterr, "the id of a token is missing");
	}
	argv[kept] = NULL;
	*argc = kept;
	return rc;
}

static const char *text_of(const json_t *document, const char *member)
{
	const char *text = json_string_value(json_object_get(document, member));

	return text != NULL ? text : "-";
}

static void print_list(const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		(void)printf("%s%s", i > 0 ? "," : "", json_string_value(item));
	}
	(void)printf("%s\t", json_array_size(list) > 0 ? "" : "-");
}

static void print_row(const json_t *token)
{
	(void)printf("%s\t%s\t", text_of(token, "id"), text_of(token, "owner"));
	print_list(json_object_get(token, "scopes"));
	print_list(json_object_get(token, "pools"));
	(void)printf("%s\t%s\t%s\t%s\n", text_of(token, "expires_at"),
		     text_of(token, "last_used_at"), text_of(token, "revoked_at"),
		     text_of(token, "name"));
}

static void print_heading(void)
{
	(void)printf("id\towner\tscopes\tpools\texpires_at\tlast_used_at\trevoked_at\tname\n");
}

/* The token alone on standard output, so that a script can keep it. */
static void print_made(const json_t *document)
{
	(void)fprintf(stderr,
		      "narrowd: %s of owner %s, expires: %s; the token is shown only now:\n",
		      text_of(document, "id"), text_of(document, "owner"),
		      json_is_string(json_object_get(document, "expires_at"))
			      ? text_of(document, "expires_at")
			      : "never");
	(void)printf("%s\n", text_of(document, "token"));
}

static void on_closed(void *arg)
{
	struct work *work = arg;

	loop_close(work->loop);
}

static void stop_work(void *arg)
{
	struct work *work = arg;

	if (work->fetch != NULL) {
		fetch_stop(work->fetch, on_closed, work);
	} else {
		store_stop(work->store, on_closed, work);
	}
}

static void end_work(struct work *work, int rc, const struct err *err)
{
	work->rc = rc;
	if (rc != 0) {
		*work->err = *err;
	}
	loop_defer(work->loop, &work->stop, stop_work, work);
}

static void ask(struct work *work, const char *cursor);

/* Prints what an answer says; its problem becomes the error. */
static int take_answer(struct work *work, const struct fetch_reply *reply, char **ret_next)
{
	json_t *answer = json_loadb(reply->body, reply->length, 0, NULL);
	const char *next = json_string_value(json_object_get(answer, "next"));
	const json_t *item;
	int rc = 0;
	size_t i;

	if (reply->status >= 300) {
		rc = err_set(work->err, reply->status == 404 ? ERR_NOT_FOUND : ERR_INVALID_FIELD,
			     "%s", text_of(answer, "detail"));
	} else if (work->command->verb == TOKEN_CREATE) {
		print_made(answer);
	} else {
		json_array_foreach(json_object_get(answer, "items"), i, item) {
			print_row(item);
		}
	}
	*ret_next = next != NULL ? mem_dup(next) : NULL;
	json_decref(answer);
	return rc;
}

static void on_reply(void *arg, const struct fetch_reply *reply)
{
	struct work *work = arg;
	char *next = NULL;
	int rc = reply->rc;
	struct err err = reply->err;

	if (rc == 0) {
		rc = take_answer(work, reply, &next);
		err = *work->err;
	}
	if (rc == 0 && next != NULL) {
		ask(work, next);
	} else {
		end_work(work, rc, &err);
	}
	free(next);
}

static void ask(struct work *work, const char *cursor)
{
	static const char *const methods[] = {"", "POST", "GET", "DELETE"};
	static const struct fetch_header type = {"Content-Type", "application/json"};
	const struct token_command *command = work->command;
	char *path = command->verb == TOKEN_REVOKE ? mem_printf("/v1/tokens/%s", command->id)
		     : cursor != NULL ? mem_printf("/v1/tokens?limit=1000&cursor=%s", cursor)
				      : mem_dup("/v1/tokens");
	char *body = command->verb == TOKEN_CREATE ? json_text(command->body) : NULL;
	struct fetch_request request = {
		.method = methods[command->verb],
		.url = "http://localhost",
		.path = path,
		.unix_path = work->socket,
		.headers = &type,
		.header_count = body != NULL ? 1 : 0,
		.body = body,
		.body_length = body != NULL ? strlen(body) : 0,
		.connect_timeout_ms = TIMEOUT_MS,
		.timeout_ms = TIMEOUT_MS,
		.max_reply = MAX_REPLY,
	};

	(void)fetch_start(work->fetch, &request, on_reply, work);
	free(path);
	free(body);
}

static int begin_online(struct work *work)
{
	static const struct fetch_options options = {
		.max_total = 1, .max_per_host = 1, .user_agent = "narrowd"};

	work->fetch = fetch_create(work->loop, NULL, &options, work->err);
	if (work->fetch != NULL) {
		ask(work, NULL);
	}
	return work->fetch != NULL ? 0 : -(int)work->err->code;
}

static void on_made(void *arg, const json_t *document, const struct err *err)
{
	if (document != NULL) {
		print_made(document);
	}
	end_work(arg, document != NULL ? 0 : -(int)err->code, err);
}

static void on_revoked(void *arg, int rc, const struct err *err)
{
	end_work(arg, rc, err);
}

static void on_row(void *arg, char *const *cells)
{
	json_t *document = json_loads(cells[0], 0, NULL);

	(void)arg;
	print_row(document);
	json_decref(document);
}

static void list_offline(struct work *work)
{
	struct store_value values[] = {{.is_null = true}, {.integer = LIMIT_TOKENS}};
	int rc = store_query_now(work->store, QUERY_TOKENS, values, 2, on_row, NULL, work->err);
	struct err err = *work->err;

	end_work(work, rc, &err);
}

static int begin_offline(struct work *work, const struct settings *settings)
{
	const struct token_command *command = work->command;
	const struct store_options options = setup_store(settings);

	work->store = store_open(work->loop, &options, work->err);
	if (work->store == NULL) {
		return -(int)work->err->code;
	}
	work->ledger = ledger_create(work->store, work->err);
	if (work->ledger == NULL) {
		return -(int)work->err->code;
	}
	if (command->verb == TOKEN_CREATE) {
		ledger_issue(work->ledger, command->body, NULL, on_made, work);
	} else if (command->verb == TOKEN_REVOKE) {
		ledger_revoke(work->ledger, command->id, on_revoked, work);
	} else {
		list_offline(work);
	}
	return 0;
}

int token_run(const struct token_command *command, const struct settings *settings,
	      struct err *reterr)
{
	char *socket = control_path(settings->data_dir);
	struct work work = {.command = command, .socket = socket, .err = reterr};
	int rc = command->verb == TOKEN_CREATE ? ledger_check(command->body, reterr) : 0;

	if (rc == 0) {
		if (command->verb == TOKEN_LIST) {
			print_heading();
		}
		err_init(reterr);
		work.loop = loop_create();
		rc = control_is_up(socket) ? begin_online(&work) : begin_offline(&work, settings);
		if (rc != 0 && work.store != NULL) {
			store_stop(work.store, on_closed, &work);
		} else if (rc != 0) {
			loop_close(work.loop);
		}
		loop_run(work.loop);
		fetch_destroy(work.fetch);
		store_destroy(work.store);
		ledger_destroy(work.ledger);
		loop_destroy(work.loop);
		rc = rc == 0 ? work.rc : rc;
	}
	free(socket);
	return rc;
}
