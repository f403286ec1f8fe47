/* Finds out where this daemon is reached by the others of its database, and how these are verified. */
#include "daemon/peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http/http_socket.h"
#include "api/relay.h"
#include "backends/ca.h"
#include "backends/fetch.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

/* Of every interface's addresses none is known to lead here from elsewhere. */
static bool is_every(const char *url)
{
	return strstr(url, "//0.0.0.0:") != NULL || strstr(url, "//[::]:") != NULL;
}

static bool is_loopback(const char *url)
{
	struct http_socket parsed;
	struct err err ERR_UNCLEARED;

	return http_socket_parse(&parsed, url, false, &err) == 0 && parsed.is_loopback;
}

/* An address that other machines reach rather than loopback, which leads here from this one alone. */
static const char *own_url(const struct http *http)
{
	const char *found = NULL, *url;

	for (size_t i = 0; (url = http_url(http, i)) != NULL; i++) {
		if (strncmp(url, "http", 4) != 0 || is_every(url)) {
			continue;
		}
		if (!is_loopback(url)) {
			return url;
		}
		found = found != NULL ? found : url;
	}
	return found;
}

void peers_advertise(struct server *server, const struct settings *options)
{
	store_advertise(server->store,
			options->advertise[0] != '\0' ? options->advertise : own_url(server->http));
}

void peers_follow(struct server *server)
{
	struct store_writer writer;

	store_writer(server->store, &writer);
	log_line(LOG_INFO,
		 "another daemon writes; this one serves what can be read, hands on the rest, and "
		 "waits to take its place",
		 LOG_TEXT("host", writer.host));
	store_on_writer(server->store, relay_writer_changed, server);
}

/* Addresses of daemons are no user's word, so that no guard looks at them. */
int peers_open(struct server *server, const struct settings *options, struct err *reterr)
{
	const struct fetch_options how = {
		.max_total = (size_t)options->max_connections,
		.max_per_host = (size_t)options->max_connections,
		.user_agent = "narrowd/" NARROWD_VERSION,
	};

	list_init(&server->relays.open);
	server->relays.fetch = fetch_create(server->loop, NULL, &how, reterr);
	return server->relays.fetch != NULL ? peers_read_ca(options, &server->relays.ca, reterr)
					    : -(int)reterr->code;
}

void peers_close(struct server *server)
{
	fetch_destroy(server->relays.fetch);
	free(server->relays.ca);
}

static int read_file(const char *path, char *text, size_t size, size_t *ret_length,
		     struct err *reterr)
{
	FILE *file = fopen(path, "rbe");
	bool failed;

	if (file == NULL) {
		return err_set(reterr, ERR_CONFIG, "peer_ca: cannot read %s: %s", path,
			       strerror(errno));
	}
	*ret_length = fread(text, 1, size, file);
	failed = ferror(file) != 0;
	(void)fclose(file);
	if (failed || *ret_length == size) {
		return err_set(reterr, ERR_CONFIG, "peer_ca: %s %s", path,
			       failed ? "cannot be read" : "is too large");
	}
	text[*ret_length] = '\0';
	return 0;
}

int peers_read_ca(const struct settings *options, char **ret, struct err *reterr)
{
	size_t length = 0;
	char *text;
	int rc;

	*ret = NULL;
	if (options->peer_ca[0] == '\0') {
		return 0;
	}
	text = mem_new(LIMIT_CA_BYTES + 1, 1);
	rc = read_file(options->peer_ca, text, LIMIT_CA_BYTES + 1, &length, reterr);
	if (rc == 0 && ca_check(text, length, reterr) != 0) {
		reterr->code = ERR_CONFIG;
		rc = err_prefix(reterr, "peer_ca: %s", options->peer_ca);
	}
	if (rc != 0) {
		free(text);
		return rc;
	}
	*ret = text;
	return 0;
}
