/* Packs answers with zlib, fast rather than small: they are made anew each time. */
#include "api/http/gzip.h"

#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/mem.h"

enum {
	LEVEL = 3,
	GZIP_WINDOW = 15 + 16, /* zlib's largest window, and gzip's frame instead of its own */
	MEMORY = 8,
	WORTH_NUMERATOR = 9, /* of ten parts at most must be left */
	WORTH_DENOMINATOR = 10,
};

char *gzip_pack(const char *bytes, size_t length, size_t *ret_length)
{
	z_stream stream = {0};
	size_t room = length / WORTH_DENOMINATOR * WORTH_NUMERATOR;
	char *packed;
	int rc;

	if (deflateInit2(&stream, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) !=
	    Z_OK) {
		return NULL;
	}
	packed = mem_new(room, 1);
	stream.next_in = (const Bytef *)bytes;
	stream.avail_in = (uInt)length;
	stream.next_out = (Bytef *)packed;
	stream.avail_out = (uInt)room;
	rc = deflate(&stream, Z_FINISH);
	*ret_length = stream.total_out;
	(void)deflateEnd(&stream);
	if (rc != Z_STREAM_END) {
		free(packed);
		return NULL;
	}
	return packed;
}

/* The last four bytes of gzip say how long the content is. */
char *gzip_unpack(const void *packed, size_t length, size_t *ret_length)
{
	const unsigned char *end = (const unsigned char *)packed + length;
	size_t room =
		end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 | (size_t)end[-1] << 24;
	char *bytes = mem_new(room + 1, 1);
	z_stream stream = {.next_in = packed,
			   .avail_in = (uInt)length,
			   .next_out = (Bytef *)bytes,
			   .avail_out = (uInt)room};

	if (inflateInit2(&stream, GZIP_WINDOW) == Z_OK) {
		(void)inflate(&stream, Z_FINISH);
	}
	*ret_length = stream.total_out;
	(void)inflateEnd(&stream);
	return bytes;
}

const char *gzip_engine_version(void)
{
	return zlibVersion();
}
