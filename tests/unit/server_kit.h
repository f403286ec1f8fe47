/*
 * A real PostgreSQL for the length of a test (tests/api/postgresql.py).
 */
#ifndef NARROWD_TESTS_UNIT_SERVER_KIT_H
#define NARROWD_TESTS_UNIT_SERVER_KIT_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct server {
	pid_t pid;
	FILE *in;
	FILE *out;
	char url[256];
	char answer[4096]; /* to what was said last */
};

/* Begins one that is empty. It ends with this process at the latest. */
void server_start(struct server *server);
/* A command of that program's, or SQL. Returns what it answered, until the next one. */
const char *server_say(struct server *server, const char *command);
/* The number that SQL answers. */
int64_t server_number(struct server *server, const char *sql);
void server_finish(struct server *server);

#endif
