/* Connects to PostgreSQL with libpq, and waits for it no longer than it may. */
#include "store/postgres.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/hosts.h"

/* Between two looks at whether to give up. */
enum { SLICE_MS = 100, BINARY = 1, MESSAGE_MAX = 400 };

struct postgres {
	char *url;
	struct hosts hosts;
	PGconn *conn;
	int64_t until_ms; /* of the call that runs */
	bool unsure;      /* what it has committed may be on no standby */
	bool (*give_up)(void *arg);
	void *arg;
};

/*
 * A backend that waits for a row which another one holds is not to pile up behind those of broken connections. A limit
 * on whole statements would also end the wait for a standby, and then say that all is well.
 */
static const char settings[] =
	"SET lock_timeout = '10s';"
	"SET statement_timeout = 0;"
	"SET search_path = '';"
	"SET client_min_messages = warning;"
	"SET default_transaction_isolation = 'read committed';"
	"SELECT set_config('synchronous_commit', 'on', false)"
	" WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";

const char *postgres_engine_version(void)
{
	static char text[24];
	int number = PQlibVersion();

	(void)snprintf(text, sizeof(text), "%d.%d", number / 10000, number % 10000);
	return text;
}

/* Of foreign words one line. */
static int fail(struct err *reterr, enum err_code code, const char *doing, const char *why)
{
	char *line = buf_line(why, strlen(why), MESSAGE_MAX);
	int rc = err_set(reterr, code, "PostgreSQL: %s: %s", doing,
			 line[0] != '\0' ? line : "it does not say why");

	free(line);
	return rc;
}

/* Settings are shown without what stands between the user's name and the host, so a password stands there alone. */
static int check_form(const char *url, struct err *reterr)
{
	static const char *const forms[] = {"postgresql://", "postgres://"};
	bool good = false;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		good = good || strncmp(url, forms[i], strlen(forms[i])) == 0;
	}
	if (!good) {
		return err_set(reterr, ERR_CONFIG, "PostgreSQL: a URL begins with postgresql://");
	}
	if (strstr(url, "password=") != NULL) {
		return err_set(
			reterr, ERR_CONFIG,
			"PostgreSQL: keep the password in a file that passfile= names, or write "
			"it as user:password@host");
	}
	return 0;
}

struct postgres *postgres_create(const char *url, struct err *reterr)
{
	struct postgres *postgres;
	PQconninfoOption *parts;

	if (check_form(url, reterr) != 0) {
		return NULL;
	}
	/* What libpq says of a fault quotes the password. */
	parts = PQconninfoParse(url, NULL);
	if (parts == NULL) {
		(void)fail(reterr, ERR_CONFIG, "the URL cannot be used",
			   "it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE, with "
			   "known "
			   "options, and in the password %25 for %, %40 for @, %2F for /");
		return NULL;
	}
	postgres = mem_new(1, sizeof(*postgres));
	postgres->url = mem_dup(url);
	hosts_init(&postgres->hosts);
	for (const PQconninfoOption *part = parts; part->keyword != NULL; part++) {
		if (part->val != NULL) {
			hosts_note(&postgres->hosts, part->keyword, part->val);
		}
	}
	PQconninfoFree(parts);
	return postgres;
}

static void close_connection(struct postgres *postgres)
{
	PQfinish(postgres->conn);
	postgres->conn = NULL;
}

void postgres_destroy(struct postgres *postgres)
{
	if (postgres == NULL) {
		return;
	}
	close_connection(postgres);
	hosts_finish(&postgres->hosts);
	free(postgres->url);
	free(postgres);
}

void postgres_give_up_when(struct postgres *postgres, bool (*give_up)(void *arg), void *arg)
{
	postgres->give_up = give_up;
	postgres->arg = arg;
}

bool postgres_is_connected(const struct postgres *postgres)
{
	return postgres->conn != NULL;
}

int64_t postgres_peer(const struct postgres *postgres)
{
	return postgres->conn != NULL ? PQbackendPID(postgres->conn) : 0;
}

static int fail_and_close(struct postgres *postgres, const char *doing, struct err *reterr)
{
	int rc = fail(reterr, ERR_STORAGE, doing, PQerrorMessage(postgres->conn));

	close_connection(postgres);
	return rc;
}

/* False when it did not come in time. */
static bool wait_for(struct postgres *postgres, short events)
{
	struct pollfd fd = {.fd = PQsocket(postgres->conn), .events = events};

	for (;;) {
		int64_t left = postgres->until_ms - clock_mono_ms();
		int ready;

		if (left <= 0 || (postgres->give_up != NULL && postgres->give_up(postgres->arg))) {
			return false;
		}
		ready = poll(&fd, 1, left < SLICE_MS ? (int)left : SLICE_MS);
		if (ready > 0 || (ready < 0 && errno != EINTR)) {
			return ready > 0;
		}
	}
}

static int out_of_time(struct postgres *postgres, const char *doing, struct err *reterr)
{
	close_connection(postgres);
	return err_set(reterr, ERR_STORAGE, "PostgreSQL: %s: it did not answer in time", doing);
}

/* Who breaks off the wait for a standby by hand makes the statement succeed, with a warning. */
static void on_notice(void *arg, const PGresult *notice)
{
	const char *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
	const char *message = PQresultErrorMessage(notice);
	char *line = buf_line(message, strlen(message), MESSAGE_MAX);
	struct postgres *postgres = arg;

	postgres->unsure = postgres->unsure ||
			   (function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0);
	log_line(LOG_WARNING, "PostgreSQL has something to say", LOG_TEXT("detail", line));
	free(line);
}

/* What stands behind the URL is not for the URL to say: a server that can only be read is of no use. */
static int begin(struct postgres *postgres, struct err *reterr)
{
	const char *names[] = {"dbname",
			       hosts_options[0],
			       hosts_options[1],
			       hosts_options[2],
			       "target_session_attrs",
			       "fallback_application_name",
			       "client_encoding",
			       NULL};
	const char *values[] = {postgres->url,
				postgres->hosts.lists[0],
				postgres->hosts.lists[1],
				postgres->hosts.lists[2],
				"read-write",
				"narrowd",
				"UTF8",
				NULL};

	_Static_assert(HOSTS_OPTIONS == 3, "each of them stands here");
	postgres->until_ms = clock_mono_ms() + POSTGRES_CONNECT_MS;
	postgres->conn = PQconnectStartParams(names, values, 1);
	if (postgres->conn == NULL) {
		return err_set(reterr, ERR_NO_MEMORY, "PostgreSQL: no memory for a connection");
	}
	(void)PQsetNoticeReceiver(postgres->conn, on_notice, postgres);
	return PQstatus(postgres->conn) != CONNECTION_BAD
		       ? 0
		       : fail_and_close(postgres, "cannot connect", reterr);
}

static int connect_once(struct postgres *postgres, struct err *reterr)
{
	PostgresPollingStatusType step = PGRES_POLLING_WRITING;
	int rc = begin(postgres, reterr);

	if (rc != 0) {
		return rc;
	}
	while (step != PGRES_POLLING_OK) {
		if (!wait_for(postgres, step == PGRES_POLLING_READING ? POLLIN : POLLOUT)) {
			return out_of_time(postgres, "cannot connect", reterr);
		}
		step = PQconnectPoll(postgres->conn);
		if (step == PGRES_POLLING_FAILED) {
			return fail_and_close(postgres, "cannot connect", reterr);
		}
	}
	(void)PQsetnonblocking(postgres->conn, 1);
	return postgres_script(postgres, settings, reterr);
}

/* libpq asks the next host when one says no. Of one that says nothing it would never come to the next. */
int postgres_connect(struct postgres *postgres, struct err *reterr)
{
	bool silent = true;
	int rc = 0;

	if (postgres->conn != NULL) {
		return 0;
	}
	for (size_t tried = 0; silent && tried < postgres->hosts.count; tried++) {
		rc = connect_once(postgres, reterr);
		silent = rc != 0 && clock_mono_ms() >= postgres->until_ms;
		if (silent) {
			hosts_turn(&postgres->hosts);
		}
	}
	return rc;
}

/* Something moves: what is large may take its time. */
static void renew(struct postgres *postgres)
{
	postgres->until_ms = clock_mono_ms() + POSTGRES_PATIENCE_MS;
}

static bool send_all(struct postgres *postgres)
{
	int left;

	while ((left = PQflush(postgres->conn)) > 0) {
		if (!wait_for(postgres, POLLIN | POLLOUT) || PQconsumeInput(postgres->conn) == 0) {
			return false;
		}
		renew(postgres);
	}
	return left == 0;
}

/* The next result, or NULL when there is none any more, or in time. */
static PGresult *next_result(struct postgres *postgres, bool *ret_late)
{
	while (PQisBusy(postgres->conn) != 0) {
		if (!wait_for(postgres, POLLIN)) {
			*ret_late = true;
			return NULL;
		}
		if (PQconsumeInput(postgres->conn) == 0) {
			break;
		}
		renew(postgres);
	}
	return PQgetResult(postgres->conn);
}

static bool is_good(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* Waits for all that was sent; *ret_last is the result of the last statement. */
static int receive(struct postgres *postgres, const char *doing, PGresult **ret_last,
		   struct err *reterr)
{
	PGresult *result;
	bool late = false;
	int rc = 0;

	*ret_last = NULL;
	postgres->unsure = false;
	if (!send_all(postgres)) {
		return fail_and_close(postgres, doing, reterr);
	}
	while (rc == 0 && (result = next_result(postgres, &late)) != NULL) {
		PQclear(*ret_last);
		*ret_last = result;
		if (!is_good(result)) {
			rc = fail(reterr, ERR_STORAGE, doing, PQresultErrorMessage(result));
			close_connection(postgres);
		}
	}
	if (rc == 0 && late) {
		rc = out_of_time(postgres, doing, reterr);
	} else if (rc == 0 && (*ret_last == NULL || PQstatus(postgres->conn) != CONNECTION_OK)) {
		rc = fail_and_close(postgres, doing, reterr);
	} else if (rc == 0 && postgres->unsure) {
		rc = fail(reterr, ERR_STORAGE, doing, "the wait for its standby was broken off");
		close_connection(postgres);
	}
	if (rc != 0) {
		PQclear(*ret_last);
		*ret_last = NULL;
	}
	return rc;
}

static int not_connected(struct err *reterr)
{
	return err_set(reterr, ERR_STORAGE, "PostgreSQL: there is no connection");
}

static int send(struct postgres *postgres, const char *sql, const struct postgres_value *values,
		size_t count)
{
	const char **bytes = mem_new(count, sizeof(*bytes));
	int *lengths = mem_new(count, sizeof(*lengths));
	int *formats = mem_new(count, sizeof(*formats));
	int sent;

	for (size_t i = 0; i < count; i++) {
		bytes[i] = values[i].bytes;
		lengths[i] = (int)values[i].length;
		formats[i] = values[i].is_binary ? BINARY : 0;
	}
	sent = PQsendQueryParams(postgres->conn, sql, (int)count, NULL, bytes, lengths, formats,
				 BINARY);
	free(bytes);
	free(lengths);
	free(formats);
	return sent;
}

/* What does not go at once goes with postgres_receive(). */
int postgres_send(struct postgres *postgres, const char *sql, const struct postgres_value *values,
		  size_t count, struct err *reterr)
{
	if (postgres->conn == NULL) {
		return not_connected(reterr);
	}
	renew(postgres);
	return send(postgres, sql, values, count) != 0 && PQflush(postgres->conn) >= 0
		       ? 0
		       : fail_and_close(postgres, "cannot ask", reterr);
}

int postgres_receive(struct postgres *postgres, struct postgres_rows *ret_rows, struct err *reterr)
{
	PGresult *result;
	int rc;

	if (ret_rows != NULL) {
		*ret_rows = (struct postgres_rows){0};
	}
	if (postgres->conn == NULL) {
		return not_connected(reterr);
	}
	renew(postgres);
	rc = receive(postgres, "a statement failed", &result, reterr);
	if (rc == 0 && ret_rows != NULL) {
		*ret_rows = (struct postgres_rows){(size_t)PQntuples(result), result};
	} else {
		PQclear(result);
	}
	return rc;
}

int postgres_run(struct postgres *postgres, const char *sql, const struct postgres_value *values,
		 size_t count, struct postgres_rows *ret_rows, struct err *reterr)
{
	int rc = postgres_send(postgres, sql, values, count, reterr);

	if (rc == 0) {
		return postgres_receive(postgres, ret_rows, reterr);
	}
	if (ret_rows != NULL) {
		*ret_rows = (struct postgres_rows){0};
	}
	return rc;
}

int postgres_script(struct postgres *postgres, const char *sql, struct err *reterr)
{
	PGresult *result;
	int rc;

	if (postgres->conn == NULL) {
		return not_connected(reterr);
	}
	renew(postgres);
	if (PQsendQuery(postgres->conn, sql) == 0) {
		return fail_and_close(postgres, "cannot ask", reterr);
	}
	rc = receive(postgres, "a statement failed", &result, reterr);
	PQclear(result);
	return rc;
}

/* Whether there was a notification, also one that came along with something else. */
static bool hear(struct postgres *postgres)
{
	bool heard = false;
	PGnotify *notify;

	while ((notify = PQnotifies(postgres->conn)) != NULL) {
		PQfreemem(notify);
		heard = true;
	}
	return heard;
}

/* What TLS has read already no poll would tell of, so that reading comes first. */
static bool read_and_hear(struct postgres *postgres)
{
	if (postgres->conn == NULL) {
		return false;
	}
	if (PQconsumeInput(postgres->conn) == 0) {
		close_connection(postgres);
		return false;
	}
	return hear(postgres);
}

bool postgres_wait(struct postgres *postgres, int wake, int64_t ms)
{
	struct pollfd fds[] = {{.fd = wake, .events = POLLIN}, {.fd = -1, .events = POLLIN}};

	if (read_and_hear(postgres)) {
		return true;
	}
	fds[1].fd = postgres->conn != NULL ? PQsocket(postgres->conn) : -1;
	return poll(fds, 2, (int)ms) > 0 && fds[1].revents != 0 && read_and_hear(postgres);
}

const char *postgres_cell(const struct postgres_rows *rows, size_t row, size_t column,
			  size_t *ret_length)
{
	const PGresult *result = rows->result;

	if (PQgetisnull(result, (int)row, (int)column) != 0) {
		return NULL;
	}
	if (ret_length != NULL) {
		*ret_length = (size_t)PQgetlength(result, (int)row, (int)column);
	}
	return PQgetvalue(result, (int)row, (int)column);
}

int64_t postgres_number(const struct postgres_rows *rows, size_t row, size_t column)
{
	const char *text = postgres_cell(rows, row, column, NULL);

	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

void postgres_rows_free(struct postgres_rows *rows)
{
	PQclear(rows->result);
	*rows = (struct postgres_rows){0};
}
