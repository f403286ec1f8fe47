/* Runs PostgreSQL as a child that ends when its standard input does. */
#include "tests/unit/server_kit.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_line(struct server *server, char *line, size_t size)
{
	cr_assert_not_null(fgets(line, (int)size, server->out), "PostgreSQL does not start");
	line[strcspn(line, "\n")] = '\0';
}

void server_start(struct server *server)
{
	const char *kit = getenv("NARROWD_POSTGRESQL_KIT");
	int in[2], out[2];

	cr_assert_not_null(kit);
	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	server->pid = fork();
	if (server->pid == 0) {
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)execl("/usr/bin/python3", "python3", "-B", kit, NULL);
		_exit(1);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	server->in = fdopen(in[1], "w");
	server->out = fdopen(out[0], "r");
	read_line(server, server->url, sizeof(server->url));
}

const char *server_say(struct server *server, const char *command)
{
	(void)fprintf(server->in, "%s\n", command);
	(void)fflush(server->in);
	read_line(server, server->answer, sizeof(server->answer));
	return server->answer;
}

int64_t server_number(struct server *server, const char *sql)
{
	return strtoll(server_say(server, sql), NULL, 10);
}

void server_finish(struct server *server)
{
	(void)fclose(server->in);
	(void)waitpid(server->pid, NULL, 0);
	(void)fclose(server->out);
}
