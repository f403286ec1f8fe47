#include "api/http/gzip.h"

#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/mem.h"

/* Packs answers with zlib, fast rather than small: they are made anew each time. */

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
