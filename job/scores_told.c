/* Keeps scores that are told, and shows them to the strategy in their turn. */
#include "job/scores_told.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "job/fold.h"
#include "job/spec/codec_scores.h"

static const char *const members[] = {"scores", NULL};

/* Whether a job's strategy takes them up. */
static bool is_used(const struct spec *spec)
{
	return (spec->strategy->traits & STRATEGY_SCORES) != 0;
}

static json_t *event_data(const struct spec *spec, json_t *scores)
{
	long long count = (long long)json_object_size(scores);
	bool used = is_used(spec);
	json_t *detail = used ? json_sprintf("scores of %lld operators were told, by which %s goes "
					     "from its next question on",
					     count, spec->strategy->name)
			      : json_sprintf("scores of %lld operators were told, of which %s "
					     "makes no use: sgp, knapsack and bisect do",
					     count, spec->strategy->name);

	return json_pack("{s:O, s:b, s:o}", "scores", scores, "used", used, "detail", detail);
}

int scores_told_read(const struct spec *spec, json_t *body, struct scores_told *ret,
		     struct err *reterr)
{
	struct json_at at, scores;

	*ret = (struct scores_told){0};
	err_init(reterr);
	at = json_root(body, reterr);
	scores = json_member(&at, "scores");
	json_only(&at, members);
	ret->read = codec_scores_read(spec->space, &scores);
	if (reterr->code != ERR_OK) {
		scores_told_finish(ret);
		return -(int)reterr->code;
	}
	ret->data = event_data(spec, scores.value);
	ret->text = json_text(ret->data);
	ret->bytes = strlen(ret->text);
	return 0;
}

void scores_told_finish(struct scores_told *told)
{
	rescore_destroy(told->read);
	json_decref(told->data);
	free(told->text);
	*told = (struct scores_told){0};
}

int scores_told_room(const struct job *job, const struct scores_told *told, struct err *reterr)
{
	static const char *const instead =
		"a clone of it does, with \"warm_start\": true from what was measured and with the "
		"scores that it is told anew";

	if (job->told_times >= SCORES_TOLD_MAX) {
		return err_set(reterr, ERR_WRONG_STATE,
			       "the job was told scores %d times, and takes no more: %s",
			       SCORES_TOLD_MAX, instead);
	}
	if (job->told_bytes + told->bytes > LIMIT_SCORES_BYTES) {
		return err_set(reterr, ERR_WRONG_STATE,
			       "the job would have been told %zu bytes of scores, and takes %d: %s",
			       job->told_bytes + told->bytes, LIMIT_SCORES_BYTES, instead);
	}
	return 0;
}

json_t *scores_told_record(struct job *job, struct scores_told *told)
{
	json_t *detail = json_object_get(told->data, "detail");
	json_t *used = json_object_get(told->data, "used");
	size_t count = json_object_size(json_object_get(told->data, "scores"));
	size_t place = job->row_count;

	job->telling = told;
	job_record(job, LOGGED_SCORES_TOLD, -1, json_incref(told->data));
	job->telling = NULL;
	job->rows[place].text = told->text;
	told->text = NULL;
	if (!json_is_true(used)) {
		job_record(job, LOGGED_WARNING, -1, json_pack("{s:O}", "detail", detail));
	}
	return json_pack("{s:I, s:O, s:O}", "operators", (json_int_t)count, "used", used, "detail",
			 detail);
}

/* What nobody was shown is replaced. */
static void keep(struct job *job, struct rescore *scores)
{
	job->told_count += job->scores_due == NULL;
	rescore_destroy(job->scores_due);
	job->scores_due = scores;
}

/* Of what is told just now that was done beside the loop; a replay does it here. */
static struct rescore *what_was_read(struct job *job, const json_t *data)
{
	struct rescore *read;
	struct err err;
	struct json_at at, scores;

	if (job->telling != NULL) {
		read = job->telling->read;
		job->telling->read = NULL;
		return read;
	}
	err_init(&err);
	at = json_root((json_t *)data, &err);
	scores = json_member(&at, "scores");
	return codec_scores_read(job->spec->space, &scores);
}

static size_t bytes_of(const struct job *job, const json_t *data)
{
	char *text;
	size_t bytes;

	if (job->telling != NULL) {
		return job->telling->bytes;
	}
	text = json_text(data);
	bytes = strlen(text);
	free(text);
	return bytes;
}

int job_on_scores_told(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	struct rescore *scores;

	(void)trial;
	job->told_times++;
	job->told_bytes += bytes_of(job, data);
	if (!json_is_true(json_object_get(data, "used"))) {
		return 0;
	}
	scores = what_was_read(job, data);
	if (scores == NULL) {
		return job_corrupt(reterr, "scores that the space does not have");
	}
	keep(job, scores);
	return 0;
}

void scores_told_take(struct job *job)
{
	job_record(job, LOGGED_SCORES_TAKEN, -1,
		   json_pack("{s:I}", "seen", (json_int_t)job->settled));
}

int job_on_scores_taken(struct job *job, struct trial *trial, const json_t *data,
			struct err *reterr)
{
	int rc = job_settle_until(job, json_integer_value(json_object_get(data, "seen")), reterr);

	(void)trial;
	if (rc != 0) {
		return rc;
	}
	if (job->scores_due == NULL || !job->strategy_ready) {
		return job_corrupt(reterr, "scores are taken up that nobody told");
	}
	job->exhausted = job->content = false; /* with these there may be something to ask */
	strategy_tell_scores(&job->strategy, job->scores_due);
	job->scores_due = NULL;
	return 0;
}

void job_scores_finish(struct job *job)
{
	rescore_destroy(job->scores_due);
}
