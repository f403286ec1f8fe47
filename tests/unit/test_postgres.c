/*
 * postgres: statements on a real PostgreSQL that is killed, stopped and started, and one that holds its breath.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/hosts.h"
#include "store/postgres.h"
#include "tests/unit/server_kit.h"

static struct postgres *open_at(const char *url)
{
	struct err err;
	struct postgres *postgres = postgres_create(url, &err);

	cr_assert_not_null(postgres, "%s", err.message);
	cr_assert_eq(postgres_connect(postgres, &err), 0, "%s", err.message);
	return postgres;
}

static int ask(struct postgres *postgres, const char *sql, struct err *err)
{
	return postgres_run(postgres, sql, NULL, 0, NULL, err);
}

Test(postgres, values_come_back_as_they_went)
{
	const struct postgres_value values[] = {
		{"a\0b\xff", 4, true}, {"12", 2, false}, {NULL, 0, false}};
	struct server server;
	struct postgres *postgres;
	struct postgres_rows rows;
	struct err err;
	size_t length = 0;

	server_start(&server);
	postgres = open_at(server.url);
	cr_assert_eq(postgres_run(postgres, "SELECT $1::bytea, ($2::bigint + 1)::text, $3::text",
				  values, 3, &rows, &err),
		     0, "%s", err.message);
	cr_assert_eq(rows.count, 1);
	cr_assert_eq(memcmp(postgres_cell(&rows, 0, 0, &length), "a\0b\xff", 4), 0);
	cr_assert_eq(length, 4);
	cr_assert_eq(postgres_number(&rows, 0, 1), 13);
	cr_assert_null(postgres_cell(&rows, 0, 2, NULL));
	postgres_rows_free(&rows);
	postgres_destroy(postgres);
	server_finish(&server);
}

Test(postgres, what_is_said_to_be_stored_is_on_disk)
{
	struct server server;
	struct postgres *postgres;
	struct postgres_rows rows;
	struct err err;

	server_start(&server);
	(void)server_say(&server, "ALTER ROLE test SET synchronous_commit = off");
	postgres = open_at(server.url);
	cr_assert_eq(postgres_run(postgres, "SELECT current_setting('synchronous_commit')", NULL, 0,
				  &rows, &err),
		     0, "%s", err.message);
	cr_assert_str_eq(postgres_cell(&rows, 0, 0, NULL), "on");
	postgres_rows_free(&rows);
	postgres_destroy(postgres);
	server_finish(&server);
}

Test(postgres, what_fails_closes_and_the_next_connection_is_whole)
{
	static const char *const blows[][2] = {{"kill9", "start"}, {"stop", "start"}};
	struct server server;
	struct postgres *postgres;
	struct err err;

	server_start(&server);
	postgres = open_at(server.url);
	cr_assert_eq(ask(postgres, "SELECT 1 / 0", &err), -ERR_STORAGE);
	cr_assert_str_eq(err.message, "PostgreSQL: a statement failed: ERROR:  division by zero");
	for (size_t i = 0; i < sizeof(blows) / sizeof(blows[0]); i++) {
		cr_assert_not(postgres_is_connected(postgres));
		cr_assert_eq(ask(postgres, "SELECT 1", &err), -ERR_STORAGE);
		cr_assert_eq(postgres_connect(postgres, &err), 0, "%s", err.message);
		cr_assert_eq(ask(postgres, "SELECT 1", &err), 0, "%s", err.message);
		(void)server_say(&server, blows[i][0]);
		while (ask(postgres, "SELECT 1", &err) == 0) {
			(void)usleep(1000); /* the process that serves us lives on for a moment */
		}
		cr_assert_eq(err.code, ERR_STORAGE);
		cr_assert_eq(postgres_connect(postgres, &err), -ERR_STORAGE);
		cr_assert_not_null(strstr(err.message, "PostgreSQL: cannot connect: "), "%s",
				   err.message);
		(void)server_say(&server, blows[i][1]);
	}
	cr_assert_eq(postgres_connect(postgres, &err), 0, "%s", err.message);
	cr_assert_eq(postgres_script(postgres, "SELECT 1; SELECT 2", &err), 0, "%s", err.message);
	postgres_destroy(postgres);
	server_finish(&server);
}

static bool at_the_third_look(void *arg)
{
	int *looks = arg;

	return ++*looks >= 3;
}

Test(postgres, nothing_is_waited_for_when_it_is_not_to_be)
{
	struct server server;
	struct postgres *postgres;
	struct err err;
	int looks = 0;

	server_start(&server);
	postgres = open_at(server.url);
	postgres_give_up_when(postgres, at_the_third_look, &looks);
	(void)server_say(&server, "suspend");
	cr_assert_eq(ask(postgres, "SELECT 1", &err), -ERR_STORAGE);
	cr_assert_not(postgres_is_connected(postgres));
	cr_assert_eq(looks, 3, "it gave up because it was told to");
	looks = 0;
	cr_assert_eq(postgres_connect(postgres, &err), -ERR_STORAGE);
	(void)server_say(&server, "resume");
	postgres_destroy(postgres);
	server_finish(&server);
}

Test(postgres, what_moves_may_take_longer_than_what_does_not)
{
	/* A row of more than what the server gathers before it sends, now and then. */
	static const char slow[] = "SELECT repeat('x', 100000), pg_sleep(5)::text"
				   " FROM generate_series(1, 8)";
	struct server server;
	struct postgres *postgres;
	struct err err;

	_Static_assert(8 * 5000 > POSTGRES_PATIENCE_MS, "it takes longer");
	server_start(&server);
	postgres = open_at(server.url);
	cr_assert_eq(ask(postgres, slow, &err), 0, "%s", err.message);
	postgres_destroy(postgres);
	server_finish(&server);
}

Test(postgres, hosts_are_tried_in_turn)
{
	struct hosts hosts;

	hosts_init(&hosts);
	hosts_turn(&hosts);
	cr_assert_eq(hosts.count, 1);
	hosts_note(&hosts, "host", "a,,/c d");
	hosts_note(&hosts, "port", "1");
	hosts_note(&hosts, "user", "x,y,z,u");
	cr_assert_eq(hosts.count, 3);
	hosts_turn(&hosts);
	cr_assert_str_eq(hosts.lists[0], ",/c d,a");
	cr_assert_str_eq(hosts.lists[2], "1", "all have that");
	cr_assert_null(hosts.lists[1]);
	hosts_turn(&hosts);
	cr_assert_str_eq(hosts.lists[0], "/c d,a,");
	hosts_finish(&hosts);
}

/* A socket at which a connection is taken, and nothing more is said. Returns the URL of that one and of the server behind it. */
static char *with_silent_host(const struct server *server, char directory[], int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *host = strstr(server->url, "host=");

	cr_assert_not_null(mkdtemp(directory));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.5432", directory);
	*ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(*ret_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(*ret_fd, 8), 0);
	cr_assert_not_null(host);
	return mem_printf("%.*shost=%s,%s", (int)(host - server->url), server->url, directory,
			  host + strlen("host="));
}

Test(postgres, a_host_that_says_nothing_is_left_for_the_next)
{
	char directory[] = "/tmp/narrowd-silent-XXXXXX";
	struct server server;
	struct postgres *postgres;
	struct err err;
	char *url, *socket_path;
	int fd;

	server_start(&server);
	url = with_silent_host(&server, directory, &fd);
	postgres = open_at(url);
	cr_assert_eq(ask(postgres, "SELECT 1", &err), 0, "%s", err.message);
	(void)server_say(&server, "stop");
	while (ask(postgres, "SELECT 1", &err) == 0) {
	}
	cr_assert_eq(postgres_connect(postgres, &err), -ERR_STORAGE, "neither of them answers");
	(void)server_say(&server, "start");
	cr_assert_eq(postgres_connect(postgres, &err), 0, "%s", err.message);
	postgres_destroy(postgres);
	free(url);
	(void)close(fd);
	socket_path = mem_printf("%s/.s.PGSQL.5432", directory);
	(void)unlink(socket_path);
	(void)rmdir(directory);
	free(socket_path);
	server_finish(&server);
}

Test(postgres, a_server_that_can_only_be_read_is_not_taken)
{
	struct server server;
	struct postgres *postgres;
	struct err err;
	char *url;

	server_start(&server);
	url = mem_printf("%s&target_session_attrs=any", server.url);
	(void)server_say(&server, "ALTER ROLE test SET default_transaction_read_only = on");
	postgres = postgres_create(url, &err);
	cr_assert_eq(postgres_connect(postgres, &err), -ERR_STORAGE);
	cr_assert_not_null(strstr(err.message, "session is read-only"), "%s", err.message);
	postgres_destroy(postgres);
	free(url);
	server_finish(&server);
}

Test(postgres, a_limit_of_the_server_s_on_statements_is_not_taken_over)
{
	struct server server;
	struct postgres *postgres;
	struct err err;

	server_start(&server);
	(void)server_say(&server, "ALTER ROLE test SET statement_timeout = '2s'");
	postgres = open_at(server.url);
	cr_assert_eq(ask(postgres, "SELECT pg_sleep(3)::text", &err), 0, "%s", err.message);
	postgres_destroy(postgres);
	server_finish(&server);
}

Test(postgres, a_url_that_is_none_is_refused)
{
	struct err err;

	cr_assert_null(postgres_create("postgresql://h/d?colour=red", &err));
	cr_assert_eq(err.code, ERR_CONFIG);
	cr_assert_null(postgres_create("postgresql://u:secret%off@h/d", &err));
	cr_assert_null(strstr(err.message, "secret"), "%s", err.message);
	cr_assert_null(postgres_create("postgresql://u:secret@[h/d", &err));
	cr_assert_null(strstr(err.message, "secret"), "%s", err.message);
	cr_assert_null(postgres_create("host=h", &err));
	cr_assert_eq(err.code, ERR_CONFIG);
	cr_assert_null(postgres_create("postgresql://h/d?user=u&password=p", &err));
	cr_assert_eq(err.code, ERR_CONFIG);
}
