/*
 * The pages that people read, as tables: what a browser without scripts shows, and with them until
 * they run. Everything on them is text of the API's documents.
 */
#include "api/assets.h"
#include "api/http/header.h"
#include "api/page.h"
#include "api/resources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum { HTML_BYTES_MAX = 8 * 1024 * 1024, ROWS = 100, POINTER_MAX = 64 };

static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
			     "'self' data:; connect-src "
			     "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct column {
	const char *heading;
	const char *pointer; /* into the document */
	bool number;
};

static const struct column job_columns[] = {
	{"state", "state", false},
	{"stage", "progress/stage", false},
	{"trials", "budget/trials_measured", true},
	{"of at most", "budget/max_trials", true},
	{"best accuracy", "best/accuracy", true},
	{"best objective", "best/objective_value", true},
	{"verdict", "best/verdict", false},
	{"ended because", "exit/detail", false},
	{"paused because", "pause/detail", false},
	{"created", "created_at", false},
	{NULL, NULL, false},
};
static const struct column trial_columns[] = {
	{"trial", "number", true},
	{"kind", "kind", false},
	{"stage", "stage", false},
	{"state", "state", false},
	{"accuracy", "accuracy", true},
	{"objective", "objective_value", true},
	{"meets the criterion", "feasible", false},
	{"rejected because", "rejected/reason", false},
	{"worker", "worker", false},
	{"error", "error", false},
	{NULL, NULL, false},
};

static void add_text(struct buf *html, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			buf_text(html, "&amp;");
			break;
		case '<':
			buf_text(html, "&lt;");
			break;
		case '"':
			buf_text(html, "&quot;");
			break;
		default:
			buf_add(html, text, 1);
		}
	}
}

static const json_t *look_up(const json_t *document, const char *pointer)
{
	char path[POINTER_MAX];
	char *rest;

	(void)snprintf(path, sizeof(path), "%s", pointer);
	for (char *name = strtok_r(path, "/", &rest); name != NULL;
	     name = strtok_r(NULL, "/", &rest)) {
		document = json_object_get(document, name);
	}
	return document;
}

static void add_value(struct buf *html, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		add_text(html, json_string_value(value));
	} else if (json_is_real(value)) {
		buf_printf(html, "%.5g", json_real_value(value));
	} else if (json_is_boolean(value)) {
		buf_text(html, json_is_true(value) ? "yes" : "no");
	} else if (value != NULL && !json_is_null(value)) {
		text = json_text(value);
		add_text(html, text);
		free(text);
	}
}

static void add_cells(struct buf *html, const struct column *columns, const json_t *document)
{
	for (; columns->heading != NULL; columns++) {
		buf_text(html, columns->number ? "<td class=\"number\">" : "<td>");
		add_value(html, look_up(document, columns->pointer));
		buf_text(html, "</td>");
	}
}

static void begin_table(struct buf *html, const char *caption, const char *first,
			const struct column *columns)
{
	buf_printf(html, "<div class=\"scroll\"><table><caption>%s</caption><thead><tr>", caption);
	if (first != NULL) {
		buf_printf(html, "<th scope=\"col\">%s</th>", first);
	}
	for (; columns->heading != NULL; columns++) {
		buf_printf(html, "<th scope=\"col\"%s>%s</th>",
			   columns->number ? " class=\"number\"" : "", columns->heading);
	}
	buf_text(html, "</tr></thead><tbody>\n");
}

/* The name of a job, or its id when it has none. */
static void add_name(struct buf *html, const json_t *job)
{
	const json_t *name = json_object_get(job, "name");

	add_value(html, json_is_string(name) ? name : json_object_get(job, "id"));
}

/* The way from a page to the daemon's own root: a proxy may have put a path before both. */
static const char *root_of(struct call *call)
{
	return strcmp(request_path(call->request), "/") == 0 ? "." : "..";
}

static void begin(struct call *call, struct buf *html)
{
	const char *rest = asset_before;
	const char *mark;

	buf_init(html, HTML_BYTES_MAX);
	for (; (mark = strstr(rest, ASSET_ROOT)) != NULL; rest = mark + strlen(ASSET_ROOT)) {
		buf_add(html, rest, (size_t)(mark - rest));
		buf_text(html, root_of(call));
	}
	buf_text(html, rest);
}

static void reply(struct call *call, int status, struct buf *html)
{
	buf_text(html, asset_after);
	request_add_header(call->request, "Content-Security-Policy", policy);
	request_add_header(call->request, "Referrer-Policy", "no-referrer");
	request_add_header(call->request, "Cache-Control", "no-cache");
	call_reply_text(call, status, "text/html; charset=utf-8", buf_take(html, NULL));
}

/* The page's script asks for a token here; without scripts there is no way to show one. */
void html_refuse(struct call *call, const struct err *err)
{
	struct buf html;

	begin(call, &html);
	buf_text(&html, "<h1>narrowd</h1>\n<p>");
	add_text(&html, err->message);
	buf_text(&html, "</p>\n<noscript><p>Allow scripts here to log in.</p></noscript>\n");
	if (err->code == ERR_UNAUTHORIZED) {
		request_add_header(call->request, "WWW-Authenticate", "Bearer");
	}
	reply(call, err_http_status(err->code), &html);
}

static void on_jobs(struct call *call, const struct store_rows *rows)
{
	struct buf html;

	begin(call, &html);
	buf_text(&html, "<h1>narrowd</h1>\n");
	begin_table(&html, "Jobs, newest first", "job", job_columns);
	for (size_t i = 0; i < rows->count && i < ROWS; i++) {
		json_t *job = json_loads(rows->cells[i * rows->columns], 0, NULL);

		buf_printf(&html, "<tr><th scope=\"row\"><a href=\"./jobs/%s\">",
			   rows->cells[i * rows->columns + 1]);
		add_name(&html, job);
		buf_text(&html, "</a></th>");
		add_cells(&html, job_columns, job);
		buf_text(&html, "</tr>\n");
		json_decref(job);
	}
	buf_text(&html, "</tbody></table></div>\n");
	buf_text(&html, rows->count == 0 ? "<p>No jobs yet.</p>\n" : "");
	buf_text(&html, rows->count > ROWS ? "<p>Older jobs: <a href=\"./v1/jobs\">/v1/jobs</a>, "
					     "page by page.</p>\n"
					   : "");
	buf_text(&html,
		 "<p>The API is described at <a href=\"./openapi.json\">/openapi.json</a>.</p>\n");
	reply(call, 200, &html);
}

void html_home(struct call *call)
{
	struct store_value values[6] = {
		{.is_null = true}, {.is_null = true}, {.is_null = true}, {.is_null = true}, {0}};

	values[4].integer = ROWS + 1;
	values[5] = call_only(call);
	call_query(call, QUERY_JOBS, values, 6, on_jobs);
}

static void on_trials(struct call *call, const struct store_rows *rows)
{
	const char *id = call->params[0];
	json_t *job = call->state;
	struct buf html;

	begin(call, &html);
	buf_text(&html, "<p><a href=\"../\">All jobs</a></p>\n<h1>");
	add_name(&html, job);
	buf_text(&html, "</h1>\n");
	begin_table(&html, "The job", NULL, job_columns);
	buf_text(&html, "<tr>");
	add_cells(&html, job_columns, job);
	buf_text(&html, "</tr></tbody></table></div>\n");
	begin_table(&html, "Trials, newest first", NULL, trial_columns);
	for (size_t i = 0; i < rows->count; i++) {
		json_t *trial = json_loads(rows->cells[i * rows->columns], 0, NULL);

		buf_text(&html, "<tr>");
		add_cells(&html, trial_columns, trial);
		buf_text(&html, "</tr>\n");
		json_decref(trial);
	}
	buf_text(&html, "</tbody></table></div>\n<p>");
	buf_printf(&html, "<a href=\"../v1/jobs/%s/best\">The best config</a>, ", id);
	buf_printf(&html, "<a href=\"../v1/jobs/%s/export?format=csv\">all trials as CSV</a>, ",
		   id);
	buf_printf(&html, "<a href=\"../v1/jobs/%s/export\">everything as JSON</a></p>\n", id);
	reply(call, 200, &html);
}

static void destroy_job(void *job)
{
	json_decref(job);
}

/* Browsers, which name text/html, get a page; programs get a problem. */
static void no_job(struct call *call)
{
	const char *accept = request_header(call->request, "Accept");
	struct buf html;

	request_add_header(call->request, "Vary", "Accept");
	if (!header_prefers(accept, "text/html", "application/problem+json")) {
		call_error(call, ERR_NOT_FOUND, "no job has the id %s", call->params[0]);
		return;
	}
	begin(call, &html);
	buf_text(&html, "<h1>No such job</h1>\n<p>No job has the id ");
	add_text(&html, call->params[0]);
	buf_text(&html, ". <a href=\"../\">All jobs</a></p>\n");
	reply(call, 404, &html);
}

static void on_job(struct call *call, const struct store_rows *rows)
{
	struct store_value values[10] = {{.text = call->params[0]}};

	if (rows->count == 0) {
		no_job(call);
		return;
	}
	call->state = json_loads(rows->cells[JOB_DOCUMENT], 0, NULL);
	call->state_destroy = destroy_job;
	for (size_t i = 1; i < 10; i++) {
		values[i].is_null = true;
	}
	values[4] = (struct store_value){.integer = 1}; /* -number */
	values[7] = (struct store_value){.integer = ROWS};
	call_query(call, QUERY_TRIALS, values, 10, on_trials);
}

void html_job(struct call *call)
{
	call_find(call, QUERY_JOB, on_job);
}
