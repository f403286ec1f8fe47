#include "api/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

int64_t page_limit(const struct call *call)
{
	const char *text = request_query(call->request, "limit");
	long long limit = text != NULL ? strtoll(text, NULL, 10) : LIMIT_PAGE_DEFAULT;

	return limit < 1 ? 1 : limit > LIMIT_PAGE ? LIMIT_PAGE : limit;
}

/* Cursors are opaque to clients: hexadecimal, so that they need no escaping in a URL. */
static char *encode(const char *first, const char *second)
{
	char *plain = mem_printf("%s %s", first, second);
	size_t n = strlen(plain);
	char *hex = mem_new(2 * n + 1, 1);

	for (size_t i = 0; i < n; i++) {
		(void)sprintf(hex + 2 * i, "%02x", (unsigned char)plain[i]);
	}
	free(plain);
	return hex;
}

static bool decode(const char *hex, char *ret_first, char *ret_second, size_t size)
{
	char plain[160];
	size_t n = strlen(hex);
	char *space;

	if (n % 2 != 0 || n / 2 >= sizeof(plain) || strspn(hex, "0123456789abcdef") != n) {
		return false;
	}
	for (size_t i = 0; i < n / 2; i++) {
		unsigned byte;

		(void)sscanf(hex + 2 * i, "%2x", &byte);
		plain[i] = (char)byte;
	}
	plain[n / 2] = '\0';
	space = strchr(plain, ' ');
	if (space == NULL || strlen(plain) >= size) {
		return false;
	}
	*space = '\0';
	(void)snprintf(ret_first, size, "%s", plain);
	(void)snprintf(ret_second, size, "%s", space + 1);
	return true;
}

bool page_cursor(struct call *call, char *ret_first, char *ret_second, size_t size)
{
	const char *cursor = request_query(call->request, "cursor");

	ret_first[0] = ret_second[0] = '\0';
	if (cursor == NULL || decode(cursor, ret_first, ret_second, size)) {
		return true;
	}
	call_error(call, ERR_BAD_REQUEST, "this cursor is not one of ours");
	return false;
}

struct link {
	struct buf text;
};

static bool add_argument(void *arg, const char *name, const char *value)
{
	struct link *link = arg;

	if (strcmp(name, "cursor") != 0) {
		buf_printf(&link->text, "%s=%s&", name, value);
	}
	return true;
}

static void add_link(struct call *call, const char *next)
{
	struct link link;

	buf_init(&link.text, LIMIT_TARGET_BYTES);
	buf_printf(&link.text, "<%s?", request_path(call->request));
	request_each_query(call->request, add_argument, &link);
	buf_printf(&link.text, "cursor=%s>; rel=\"next\"", next);
	if (!link.text.failed && strpbrk(link.text.bytes, "\r\n\" ") != NULL) {
		request_add_header(call->request, "Link", link.text.bytes);
	}
	buf_finish(&link.text);
}

void page_reply(struct call *call, const struct store_rows *rows, int64_t limit, int first,
		int second)
{
	size_t count = rows->count > (size_t)limit ? (size_t)limit : rows->count;
	char *const *last = count > 0 ? &rows->cells[(count - 1) * rows->columns] : NULL;
	struct buf text;
	char *next = NULL;

	buf_init(&text, SIZE_MAX / 2);
	buf_text(&text, "{\"items\":[");
	for (size_t i = 0; i < count; i++) {
		buf_text(&text, i > 0 ? "," : "");
		buf_text(&text, rows->cells[i * rows->columns]);
	}
	if (rows->count > count && last != NULL) {
		const char *a = last[first] != NULL ? last[first] : "";

		next = encode(a, second >= 0 && last[second] != NULL ? last[second] : "");
		add_link(call, next);
		buf_printf(&text, "],\"next\":\"%s\"}", next);
	} else {
		buf_text(&text, "],\"next\":null}");
	}
	call_reply_text(call, 200, "application/json", buf_take(&text, NULL));
	free(next);
}
