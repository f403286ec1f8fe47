/* Reads the members of an answer one by one, and notes those that nobody understands. */
#include "backends/answer_reader.h"

#include <string.h>

const char *const answer_reader_any_members[] = {"failed", "error",  "retryable", "trial",
						 "lease",  "cached", NULL};

bool answer_reader_knows(const char *const *names, const char *name)
{
	for (; names != NULL && *names != NULL; names++) {
		if (strcmp(*names, name) == 0) {
			return true;
		}
	}
	return false;
}

void answer_reader_stranger(struct answer_reader *reader, const struct json_at *at)
{
	json_t **list = &reader->ret->strangers;
	char pointer[ERR_POINTER_MAX];

	if (*list == NULL) {
		*list = json_array();
	}
	if (json_array_size(*list) < ANSWER_STRANGERS) {
		(void)json_array_append_new(*list, json_string(json_pointer(at, pointer)));
	}
}

void answer_reader_strangers(struct answer_reader *reader, const struct json_at *object,
			     const char *const *known, const char *const *also)
{
	const char *key;
	json_t *value;

	json_object_foreach(object->value, key, value) {
		if (!answer_reader_knows(known, key) && !answer_reader_knows(also, key) &&
		    !json_is_null(value)) {
			struct json_at at = json_member(object, key);

			answer_reader_stranger(reader, &at);
		}
	}
}

bool answer_reader_is_null(const struct json_at *at)
{
	const json_t *parent = at->parent->value;

	return json_is_null(at->key != NULL ? json_object_get(parent, at->key) : at->value);
}

bool answer_reader_number(struct answer_reader *reader, const struct json_at *at, double *ret)
{
	if (answer_reader_is_null(at)) {
		reader->unusable++;
		(void)json_fault(at, "is no number but null, NaN or infinite");
		return false;
	}
	if (!json_required(at)) {
		return false;
	}
	if (!json_is_number(at->value)) {
		(void)json_fault(at, "a number is expected");
		return false;
	}
	*ret = json_number_value(at->value);
	return true;
}
