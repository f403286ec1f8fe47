/* Serves questions over libmicrohttpd, one after the other. */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BODY  (4U << 20)
#define WAIT_MS   250
#define JSON_TYPE "application/json"

struct http {
	struct MHD_Daemon *daemon;
	http_handler *handler;
	void *context;
};

struct upload {
	char *bytes;
	size_t length;
	bool refused; /* too large, or no memory: what comes is thrown away */
};

static enum MHD_Result send_json(struct MHD_Connection *connection, unsigned int status,
				 const json_t *json, const char *allow)
{
	char *text = json_dumps(json, JSON_COMPACT);
	struct MHD_Response *response;
	enum MHD_Result queued;

	if (text == NULL) {
		return MHD_NO;
	}
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(text);
		return MHD_NO;
	}
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, JSON_TYPE);
	if (allow != NULL) {
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	}
	queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result send_error(struct MHD_Connection *connection, unsigned int status,
				  const char *text, const char *allow)
{
	json_t *json = json_pack("{s:s}", "error", text);
	enum MHD_Result queued = send_json(connection, status, json, allow);

	json_decref(json);
	return queued;
}

static void take(struct upload *upload, const char *data, size_t size)
{
	char *larger = NULL;

	if (!upload->refused && size <= MAX_BODY - upload->length) {
		larger = realloc(upload->bytes, upload->length + size);
	}
	if (larger == NULL) {
		upload->refused = true;
		return;
	}
	memcpy(larger + upload->length, data, size);
	upload->bytes = larger;
	upload->length += size;
}

/* An empty body counts as an object without members. New reference, NULL when it is not JSON. */
static json_t *parse(const struct upload *upload, struct fault *fault)
{
	json_error_t error;
	json_t *body;

	if (upload->length == 0) {
		return json_object();
	}
	body = json_loadb(upload->bytes, upload->length, JSON_REJECT_DUPLICATES, &error);
	if (body == NULL) {
		(void)fault_set(fault, "the body is not JSON: line %d, column %d: %s", error.line,
				error.column, error.text);
	}
	return body;
}

static enum MHD_Result answer_post(struct http *http, struct MHD_Connection *connection,
				   const char *path, const struct upload *upload)
{
	struct fault fault = {.text = "out of memory"};
	json_t *body, *answer = NULL;
	enum MHD_Result queued;
	unsigned int status;

	if (upload->refused) {
		return send_error(connection, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large",
				  NULL);
	}
	body = parse(upload, &fault);
	if (body == NULL) {
		return send_error(connection, MHD_HTTP_BAD_REQUEST, fault.text, NULL);
	}
	status = http->handler(
		http->context, path,
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Idempotency-Key"), body,
		&answer, &fault);
	json_decref(body);
	if (answer == NULL) {
		return send_error(connection, status, fault.text, NULL);
	}
	queued = send_json(connection, status, answer, NULL);
	json_decref(answer);
	return queued;
}

static enum MHD_Result answer_health(struct MHD_Connection *connection)
{
	json_t *json = json_pack("{s:s}", "status", "ok");
	enum MHD_Result queued = send_json(connection, MHD_HTTP_OK, json, NULL);

	json_decref(json);
	return queued;
}

/* Called by libmicrohttpd: once for the header, for each piece of the body, once at its end. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_size, void **state)
{
	struct http *http = context;
	struct upload *upload = *state;

	(void)version;
	if (upload == NULL) {
		*state = calloc(1, sizeof(*upload));
		return *state != NULL ? MHD_YES : MHD_NO;
	}
	if (*data_size > 0) {
		take(upload, data, *data_size);
		*data_size = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/healthz") == 0) {
		return strcmp(method, MHD_HTTP_METHOD_GET) == 0
			       ? answer_health(connection)
			       : send_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "use GET",
					    MHD_HTTP_METHOD_GET);
	}
	if (strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
		return send_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "use POST",
				  MHD_HTTP_METHOD_POST);
	}
	return answer_post(http, connection, url + strspn(url, "/"), upload);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct upload *upload = *state;

	(void)context;
	(void)connection;
	(void)code;
	if (upload != NULL) {
		free(upload->bytes);
		free(upload);
	}
}

struct http *http_create(const char *address, uint16_t port, http_handler *handler, void *context,
			 struct fault *fault)
{
	struct sockaddr_in listen = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct http *http;

	if (inet_pton(AF_INET, address, &listen.sin_addr) != 1) {
		(void)fault_set(fault, "%s is not an IPv4 address", address);
		return NULL;
	}
	http = calloc(1, sizeof(*http));
	if (http == NULL) {
		(void)fault_set(fault, "out of memory");
		return NULL;
	}
	http->handler = handler;
	http->context = context;
	http->daemon = MHD_start_daemon(MHD_USE_EPOLL, port, NULL, NULL, on_request, http,
					MHD_OPTION_SOCK_ADDR, &listen, MHD_OPTION_NOTIFY_COMPLETED,
					on_completed, NULL, MHD_OPTION_END);
	if (http->daemon == NULL) {
		(void)fault_set(fault, "cannot listen on %s port %u: %s", address,
				(unsigned int)port, strerror(errno));
		free(http);
		return NULL;
	}
	return http;
}

void http_destroy(struct http *http)
{
	if (http == NULL) {
		return;
	}
	MHD_stop_daemon(http->daemon);
	free(http);
}

uint16_t http_port(const struct http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void http_serve(struct http *http, const volatile sig_atomic_t *stop)
{
	while (!*stop) {
		(void)MHD_run_wait(http->daemon, WAIT_MS);
	}
}
