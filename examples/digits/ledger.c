/* Writes one line for each question that was answered. */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_SIZE 17

int ledger_init(struct ledger *ledger, const char *path, struct fault *fault)
{
	ledger->fd = -1;
	if (path == NULL) {
		return 0;
	}
	ledger->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (ledger->fd < 0) {
		return fault_set(fault, "cannot open %s: %s", path, strerror(errno));
	}
	return 0;
}

void ledger_finish(struct ledger *ledger)
{
	if (ledger->fd >= 0) {
		(void)close(ledger->fd);
	}
}

/* The hash in hexadecimal, or NULL when there is nothing to hash. */
static const char *hash_of(const json_t *config, char text[HASH_SIZE])
{
	uint64_t hash = 0xcbf29ce484222325;
	char *bytes;

	if (config == NULL) {
		return NULL;
	}
	bytes = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
	if (bytes == NULL) {
		return NULL;
	}
	for (const char *c = bytes; *c != '\0'; c++) {
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	}
	free(bytes);
	(void)snprintf(text, HASH_SIZE, "%016" PRIx64, hash);
	return text;
}

static bool write_line(int fd, char *line)
{
	size_t length = strlen(line);

	/* The terminating zero makes room for the end of the line. */
	line[length] = '\n';
	return write(fd, line, length + 1) == (ssize_t)(length + 1);
}

int ledger_add(struct ledger *ledger, const char *key, const char *question, const json_t *body,
	       const json_t *answer, struct fault *fault)
{
	char hash[HASH_SIZE];
	json_t *entry;
	char *line;
	bool written;

	if (ledger->fd < 0) {
		return 0;
	}
	entry = json_pack("{s:s?, s:s, s:O?, s:s?, s:b}", "key", key, "question", question,
			  "attempt", json_object_get(body, "attempt"), "config",
			  hash_of(json_object_get(body, "config"), hash), "failed",
			  json_object_get(answer, "failed") != NULL);
	line = entry != NULL ? json_dumps(entry, JSON_COMPACT) : NULL;
	json_decref(entry);
	written = line != NULL && write_line(ledger->fd, line);
	free(line);
	return written ? 0 : fault_set(fault, "cannot write the ledger");
}
