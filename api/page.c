/* Reads limits, filters and cursors of collections, and writes the envelope of a page. */
#include "api/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"

static bool read_limit(struct call *call)
{
	const char *text = request_query(call->request, "limit");
	char *end = NULL;
	long long limit = text != NULL ? strtoll(text, &end, 10) : LIMIT_PAGE_DEFAULT;

	if (text != NULL && (end == text || *end != '\0')) {
		call_error(call, ERR_BAD_REQUEST, "limit must be a number, at most %d", LIMIT_PAGE);
		return false;
	}
	call->limit = limit < 1 ? 1 : limit > LIMIT_PAGE ? LIMIT_PAGE : limit;
	return true;
}

static bool is_choice(const char *const *choices, const char *value)
{
	for (; choices != NULL && *choices != NULL; choices++) {
		if (strcmp(*choices, value) == 0) {
			return true;
		}
	}
	return choices == NULL;
}

static void refuse_choice(struct call *call, const char *parameter, const char *const *choices)
{
	struct buf list;

	buf_init(&list, ERR_MESSAGE_MAX);
	for (; *choices != NULL; choices++) {
		buf_printf(&list, "%s%s", list.length > 0 ? ", " : "", *choices);
	}
	call_error(call, ERR_BAD_REQUEST, "%s is one of %s", parameter, list.bytes);
	buf_finish(&list);
}

bool page_choice(struct call *call, const char *parameter, const char *const *choices)
{
	const char *value = request_query(call->request, parameter);

	if (value == NULL || is_choice(choices, value)) {
		return true;
	}
	refuse_choice(call, parameter, choices);
	return false;
}

struct filter {
	const char *parameter;
	const char *const *choices;
	json_t *values; /* NULL until there is one */
	bool refused;
};

static bool add_values(void *arg, const char *name, const char *value)
{
	struct filter *filter = arg;

	if (strcmp(name, filter->parameter) != 0) {
		return true;
	}
	filter->values = filter->values != NULL ? filter->values : json_array();
	for (bool more = true; more && !filter->refused;) {
		size_t length = strcspn(value, ",");
		char *one = mem_dup_n(value, length);

		filter->refused = !is_choice(filter->choices, one);
		(void)json_array_append_new(filter->values, json_string(one));
		free(one);
		more = value[length] == ',';
		value += length + 1;
	}
	return !filter->refused;
}

bool page_choices(struct call *call, const char *parameter, const char *const *choices,
		  char **ret_list)
{
	struct filter filter = {.parameter = parameter, .choices = choices};

	*ret_list = NULL;
	request_each_query(call->request, add_values, &filter);
	if (filter.refused) {
		refuse_choice(call, parameter, choices);
	} else if (filter.values != NULL) {
		*ret_list = json_text(filter.values);
	}
	json_decref(filter.values);
	return !filter.refused;
}

static bool add_label(void *arg, const char *name, const char *value)
{
	if (strncmp(name, "label.", 6) == 0) {
		(void)json_object_set_new(arg, name + 6, json_string(value));
	}
	return true;
}

char *page_labels(struct call *call)
{
	json_t *labels = json_object();
	char *text;

	request_each_query(call->request, add_label, labels);
	text = json_object_size(labels) > 0 ? json_text(labels) : NULL;
	json_decref(labels);
	return text;
}

static uint64_t mix(uint64_t hash, const char *text)
{
	do {
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001B3);
	} while (*text++ != '\0');
	return hash;
}

/* A sum, because filters may come in any order. */
static bool add_to_hash(void *arg, const char *name, const char *value)
{
	uint64_t *hash = arg;

	if (strcmp(name, "cursor") != 0 && strcmp(name, "limit") != 0) {
		*hash += mix(mix(UINT64_C(0xCBF29CE484222325), name), value);
	}
	return true;
}

/* What a cursor belongs to: the collection with its filters and order. */
static uint32_t page_hash(const struct call *call)
{
	uint64_t hash = mix(0, request_path(call->request));

	request_each_query(call->request, add_to_hash, &hash);
	return (uint32_t)(rng_mix(hash) >> 32);
}

/* Cursors are opaque to clients: hexadecimal, so that they need no escaping in a URL. */
static char *encode(const struct call *call, const char *first, const char *second)
{
	char *plain = mem_printf("%x %s %s", page_hash(call), first, second);
	size_t n = strlen(plain);
	char *hex = mem_new(2 * n + 1, 1);

	for (size_t i = 0; i < n; i++) {
		(void)sprintf(hex + 2 * i, "%02x", (unsigned char)plain[i]);
	}
	free(plain);
	return hex;
}

static bool decode(const char *hex, uint32_t *ret_hash, char *ret_first, char *ret_second)
{
	char plain[160];
	size_t n = strlen(hex);
	char *first, *space;

	if (n % 2 != 0 || n / 2 >= sizeof(plain) || strspn(hex, "0123456789abcdef") != n) {
		return false;
	}
	for (size_t i = 0; i < n / 2; i++) {
		unsigned byte;

		(void)sscanf(hex + 2 * i, "%2x", &byte);
		plain[i] = (char)byte;
	}
	plain[n / 2] = '\0';
	*ret_hash = (uint32_t)strtoul(plain, &first, 16);
	space = *first == ' ' ? strchr(++first, ' ') : NULL;
	if (space == NULL || strlen(first) >= PAGE_FIELD_SIZE) {
		return false;
	}
	*space = '\0';
	(void)snprintf(ret_first, PAGE_FIELD_SIZE, "%s", first);
	(void)snprintf(ret_second, PAGE_FIELD_SIZE, "%s", space + 1);
	return true;
}

bool page_read(struct call *call, char *ret_first, char *ret_second)
{
	const char *cursor = request_query(call->request, "cursor");
	uint32_t hash;

	ret_first[0] = ret_second[0] = '\0';
	if (!read_limit(call)) {
		return false;
	}
	if (cursor == NULL) {
		return true;
	}
	if (!decode(cursor, &hash, ret_first, ret_second)) {
		call_error(call, ERR_BAD_REQUEST, "this cursor is not one of ours");
		return false;
	}
	if (hash != page_hash(call)) {
		call_error(call, ERR_BAD_REQUEST,
			   "this cursor belongs to another collection, filter or order: begin "
			   "without one");
		return false;
	}
	return true;
}

static void add_escaped(struct buf *link, const char *text)
{
	buf_escaped(link, text, "-._~");
}

static bool add_argument(void *arg, const char *name, const char *value)
{
	struct buf *link = arg;

	if (strcmp(name, "cursor") != 0) {
		add_escaped(link, name);
		buf_text(link, "=");
		add_escaped(link, value);
		buf_text(link, "&");
	}
	return true;
}

static void add_link(struct call *call, const char *next)
{
	struct buf link;

	buf_init(&link, 4 * (size_t)LIMIT_TARGET_BYTES);
	buf_printf(&link, "<%s?", request_path(call->request));
	request_each_query(call->request, add_argument, &link);
	buf_printf(&link, "cursor=%s>; rel=\"next\"", next);
	request_add_header(call->request, "Link", link.bytes);
	buf_finish(&link);
}

void page_reply(struct call *call, const struct store_rows *rows, int first, int second)
{
	page_reply_kept(call, rows, NULL, first, second);
}

void page_reply_kept(struct call *call, const struct store_rows *rows, const bool *kept, int first,
		     int second)
{
	size_t limit = (size_t)call->limit;
	bool more = rows->count > limit;
	size_t count = more ? limit : rows->count;
	struct buf text;
	const char *separator = "";
	char *next = NULL;

	buf_init_long(&text, SIZE_MAX / 2);
	buf_text(&text, "{\"items\":[");
	for (size_t i = 0; i < count; i++) {
		if (kept == NULL || kept[i]) {
			buf_text(&text, separator);
			buf_text(&text, rows->cells[i * rows->columns]);
			separator = ",";
		}
	}
	if (more) {
		/* The limit is at least 1, so where more follows something went before. */
		char *const *last = &rows->cells[(count - 1) * rows->columns];
		const char *a = last[first] != NULL ? last[first] : "";

		next = encode(call, a, second >= 0 && last[second] != NULL ? last[second] : "");
		add_link(call, next);
		buf_printf(&text, "],\"next\":\"%s\"}", next);
	} else {
		buf_text(&text, "],\"next\":null}");
	}
	if (text.failed) {
		buf_finish(&text);
		call_error(call, ERR_NO_MEMORY, "no memory for the answer");
	} else {
		call_reply_text(call, 200, "application/json", buf_take(&text, NULL));
	}
	free(next);
}

static void on_documents(struct call *call, const struct store_rows *rows)
{
	page_reply(call, rows, 1, -1);
}

void page_of_documents(struct call *call, int query)
{
	char after[PAGE_FIELD_SIZE], unused[PAGE_FIELD_SIZE];
	struct store_value values[3] = {{0}};

	if (!page_read(call, after, unused)) {
		return;
	}
	values[0] = (struct store_value){.text = after, .is_null = after[0] == '\0'};
	values[1].integer = call->limit + 1;
	values[2] = call_only(call);
	call_query(call, query, values, 3, on_documents);
}
