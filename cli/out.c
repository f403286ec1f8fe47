/* Puts into words what is out, for how long, and why nothing moves. */
#include "cli/out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/text.h"

enum { TEXT_MAX = 8192 };

static const json_t *path2(const json_t *object, const char *first, const char *second)
{
	return json_object_get(json_object_get(object, first), second);
}

static const char *string_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

/* The server's time when it made the document; NaN when that cannot be told. */
static double made_at_s(const json_t *job)
{
	double active = json_number_value(path2(job, "clock", "active_s"));
	double elapsed = json_number_value(path2(job, "budget", "elapsed_s"));

	return text_epoch_s(json_string_value(path2(job, "clock", "running_since"))) + elapsed -
	       active;
}

/* How long a question had been out when the document was made; 0 when that cannot be told. */
static double out_s(const json_t *job, const json_t *question)
{
	/* fmax() drops what is not a number. */
	return fmax(made_at_s(job) - text_epoch_s(string_of(question, "since")), 0);
}

static bool is_kind(const json_t *question, const char *kind)
{
	const char *its = string_of(question, "kind");

	return its != NULL && strcmp(its, kind) == 0;
}

/* Whether it waits for a worker to come. */
static bool is_unclaimed(const json_t *question)
{
	return json_is_null(json_object_get(question, "worker")) &&
	       json_object_get(question, "worker") != NULL;
}

/* Whether the job has questions out, in a pool, and nobody has come for any. */
static bool is_all_unclaimed(const json_t *job)
{
	const json_t *out = path2(job, "progress", "out");
	size_t i;
	json_t *question;

	json_array_foreach(out, i, question) {
		if (!is_unclaimed(question)) {
			return false;
		}
	}
	return json_array_size(out) > 0;
}

static char *worker_text(const json_t *job)
{
	char *pool = text_member(json_object_get(job, "evaluator"), "pool");
	char *text = mem_printf("no worker of pool %s has come for its questions", pool);

	free(pool);
	return text;
}

bool out_lacks_workers(const json_t *job)
{
	const char *reason = string_of(path2(job, "progress", "waiting"), "reason");

	return reason != NULL && strcmp(reason, "no_worker") == 0;
}

char *out_waiting(const json_t *job)
{
	const json_t *waiting = path2(job, "progress", "waiting");
	struct buf buf;

	if (string_of(waiting, "reason") == NULL) {
		return is_all_unclaimed(job) ? worker_text(job) : NULL;
	}
	if (out_lacks_workers(job)) {
		return text_member(waiting, "detail");
	}
	buf_init(&buf, TEXT_MAX);
	text_add(&buf, "", text_member(waiting, "reason"), "");
	for (char *c = buf.bytes; *c != '\0'; c++) {
		if (*c == '_') {
			*c = ' ';
		}
	}
	text_add(&buf, " since ", text_time(string_of(waiting, "since")), "");
	text_add(&buf, ": ", text_member(waiting, "detail"), "");
	return buf_take(&buf, NULL);
}

char *out_waits_for(const json_t *job)
{
	const json_t *trial = path2(job, "progress", "waits_for");
	struct buf buf;

	buf_init(&buf, TEXT_MAX);
	text_add(&buf, "trial ", text_number(json_object_get(trial, "trial")), "");
	if (string_of(trial, "worker") != NULL) {
		text_add(&buf, " at ", text_member(trial, "worker"), "");
	}
	text_add(&buf, ", places idle since ", text_time(string_of(trial, "since")), "");
	return buf_take(&buf, NULL);
}

/* What is measured again and in which round: "choice of trial 23", "round 2 of the proof, baseline". */
static void add_round(struct buf *buf, const json_t *question)
{
	const json_t *round = json_object_get(question, "round");
	json_int_t subject = json_integer_value(json_object_get(question, "subject"));

	if (json_integer_value(round) > 0) {
		text_add(buf, "round ", text_number(round), " of the proof: ");
	} else {
		buf_text(buf, "choice of the best: ");
	}
	if (subject == 0) {
		buf_text(buf, "the baseline again");
	} else {
		buf_printf(buf, "trial %lld again", (long long)subject);
	}
}

/* "12 of 120"; nothing where nobody said how far it is. */
static void add_seen(struct buf *buf, const char *before, const json_t *question)
{
	const json_t *total = json_object_get(question, "total");

	if (json_object_get(question, "seen") != NULL) {
		text_add(buf, before, text_number(json_object_get(question, "seen")), "");
	}
	if (json_object_get(question, "seen") != NULL && total != NULL) {
		text_add(buf, " of ", text_number(total), "");
	}
}

char *out_question(const json_t *job, const json_t *question)
{
	const char *member = json_object_get(question, "worker") != NULL ? "worker" : "evaluator";
	const char *next = string_of(question, "next_try_at");
	struct buf buf;

	buf_init(&buf, TEXT_MAX);
	text_add(&buf, "trial ", text_number(json_object_get(question, "trial")), "");
	text_add(&buf, " (", text_member(question, "kind"), ")");
	if (is_unclaimed(question)) {
		buf_text(&buf, " in the pool");
	} else if (string_of(question, member) != NULL) {
		text_add(&buf, " at ", text_member(question, member), "");
	}
	text_add(&buf, " since ", text_time(string_of(question, "since")), "");
	if (out_s(job, question) > 0) {
		text_add(&buf, " (", text_duration(out_s(job, question)), ")");
	}
	text_add(&buf, ", attempt ", text_number(json_object_get(question, "attempt")), "");
	add_seen(&buf, ", ", question);
	if (json_object_get(question, "round") != NULL) {
		buf_text(&buf, ", ");
		add_round(&buf, question);
	}
	if (string_of(question, "last_error") != NULL) {
		text_add(&buf, ", after: ", text_member(question, "last_error"), "");
	}
	if (next != NULL) {
		text_add(&buf, ", next try at ", text_time(next), "");
	}
	return buf_take(&buf, NULL);
}

/* Why nothing moves; a worker that comes soon for each question is nothing to speak of. */
static char *stuck_text(const json_t *job, bool whole)
{
	const char *state = string_of(job, "state");
	bool runs = state != NULL && strcmp(state, "running") == 0;
	bool reason = string_of(path2(job, "progress", "waiting"), "reason") != NULL;
	char *text = reason || !runs ? out_waiting(job) : NULL;
	bool workers = !reason || out_lacks_workers(job);
	char *more = text != NULL ? strstr(text, workers ? " of pool " : " since ") : NULL;

	if (!whole && more != NULL) {
		*more = '\0';
	}
	return text;
}

/* "trial 7: attempt 2 failed, next try in 12.0 s" */
static char *retry_text(const json_t *job, const json_t *question, double age_s, bool whole)
{
	const char *next = string_of(question, "next_try_at");
	double left = text_epoch_s(next) - made_at_s(job) - age_s;
	json_int_t attempt = json_integer_value(json_object_get(question, "attempt"));
	struct buf buf;

	if (next == NULL && attempt < 2) {
		return NULL;
	}
	buf_init(&buf, TEXT_MAX);
	text_add(&buf, "trial ", text_number(json_object_get(question, "trial")), ": ");
	if (next == NULL) {
		buf_printf(&buf, "attempt %lld", (long long)attempt);
	} else if (whole || isnan(left)) {
		text_add(&buf, "next try at ", text_time(next), "");
	} else {
		text_add(&buf, "next try in ", text_duration(fmax(left, 0)), "");
	}
	if (whole && string_of(question, "last_error") != NULL) {
		text_add(&buf, ", after: ", text_member(question, "last_error"), "");
	}
	return buf_take(&buf, NULL);
}

static char *round_text(const json_t *question)
{
	struct buf buf;

	if (!is_kind(question, "confirm") || json_object_get(question, "round") == NULL) {
		return NULL;
	}
	buf_init(&buf, TEXT_MAX);
	add_round(&buf, question);
	return buf_take(&buf, NULL);
}

/* "scoring 12 of 120 for 1m02s", or since when. */
static char *scoring_text(const json_t *job, const json_t *question, double age_s, bool whole)
{
	double seconds = out_s(job, question) + age_s;
	struct buf buf;

	if (!is_kind(question, "score")) {
		return NULL;
	}
	buf_init(&buf, TEXT_MAX);
	buf_text(&buf, "scoring");
	add_seen(&buf, " ", question);
	if (whole || isnan(seconds)) {
		text_add(&buf, " since ", text_time(string_of(question, "since")), "");
	} else {
		text_add(&buf, " for ", text_duration(seconds), "");
	}
	return buf_take(&buf, NULL);
}

char *out_note(const json_t *job, double age_s, bool whole)
{
	char *text = stuck_text(job, whole);
	size_t i;
	json_t *question;

	/* They are ordered by trial, and asked in that order. */
	json_array_foreach(path2(job, "progress", "out"), i, question) {
		if (text == NULL) {
			text = retry_text(job, question, age_s, whole);
		}
		if (text == NULL) {
			text = round_text(question);
		}
		if (text == NULL) {
			text = scoring_text(job, question, age_s, whole);
		}
	}
	return text;
}
