/*
 * The yardstick for bench/http: libmicrohttpd alone, in its own epoll thread, answering every
 * request with one constant JSON text of about 600 bytes.
 */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 593 };

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **context)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)path;
	(void)method;
	(void)version;
	(void)data;
	*size = 0;
	if (*context == NULL) {
		*context = arg;
		return MHD_YES;
	}
	response = MHD_create_response_from_buffer(TEXT_BYTES, arg, MHD_RESPMEM_PERSISTENT);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

int main(int argc, char **argv)
{
	static char text[TEXT_BYTES + 1];
	struct MHD_Daemon *mhd;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: bare_mhd PORT\n");
		return 64;
	}
	(void)snprintf(text, sizeof(text), "{\"text\":\"%0*d\"}", TEXT_BYTES - 11, 0);
	mhd = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(argv[1]), NULL, NULL,
			       on_request, text, MHD_OPTION_END);
	if (mhd == NULL) {
		perror("bare_mhd");
		return 69;
	}
	(void)puts("READY");
	(void)fflush(stdout);
	(void)pause();
	MHD_stop_daemon(mhd);
	return 0;
}
