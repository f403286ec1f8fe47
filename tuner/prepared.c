/* What stands between a job's body and its submission. */
#include "tuner/prepared.h"

#include <stdlib.h>

#include "base/json.h"
#include "job/spec/spec_adviser.h"
#include "tuner/library.h"
#include "tuner/tuner.h"

void prepared_write(struct prepared *p)
{
	json_t *body = spec_redacted(p->spec, p->body);

	spec_keep_digest(p->spec);
	(void)json_object_set_new(body, "rules", json_integer(p->spec->rules));
	p->spec_text = json_text_last(body);
	p->capability_text = json_text(p->capability);
	p->head_text = json_text_last(spec_head(p->spec, p->body, p->target));
	p->evaluator_text = json_text_last(spec_secrets_kept(p->spec, p->body, p->target));
	p->matched_text = spec_matched(p->spec);
}

/* What it found takes the place of what an earlier submission found, as of the job that a clone is made of. */
void prepared_look(const struct tuner_io *io, struct prepared *prepared, const atomic_bool *stop)
{
	json_t *warm_start = json_object_get(prepared->body, "warm_start");
	json_t *body, *found;

	if (!json_is_true(json_object_get(warm_start, "library")) || prepared->capability == NULL) {
		return;
	}
	warm_start = json_copy(warm_start);
	found = library_look(io, prepared->owner, prepared->capability, stop);
	(void)json_object_update(warm_start, found);
	json_decref(found);
	body = json_copy(prepared->body);
	(void)json_object_set_new(body, "warm_start", warm_start);
	prepared->given = prepared->body; /* others hold it, too: it is let go of on the loop */
	prepared->body = body;
}

void prepared_destroy(struct prepared *prepared)
{
	if (prepared == NULL) {
		return;
	}
	free(prepared->spec_text);
	free(prepared->capability_text);
	free(prepared->head_text);
	free(prepared->evaluator_text);
	free(prepared->matched_text);
	spec_destroy(prepared->spec);
	json_decref(prepared->body);
	json_decref(prepared->given);
	json_decref(prepared->capability);
	json_decref(prepared->target);
	json_decref(prepared->history);
	json_decref(prepared->warm_baseline);
	free(prepared);
}

void prepared_remember(struct prepared *prepared, const struct store_rows *rows)
{
	prepared->history = json_array();
	for (size_t i = 0; i < rows->count; i++) {
		char *const *cells = &rows->cells[i * rows->columns];
		json_t *event = json_loads(cells[1], 0, NULL),
		       *told = json_loads(cells[2], 0, NULL);

		(void)json_object_update(event, told);
		json_decref(told);
		(void)json_array_append_new(prepared->history, event);
	}
}

void prepared_take_baseline(struct prepared *prepared, const char *document)
{
	json_t *job = json_loads(document, 0, NULL);
	const json_t *baseline = json_object_get(job, "baseline");
	json_t *accuracy = json_object_get(baseline, "accuracy");
	json_t *metrics = json_object_get(baseline, "metrics");

	if (accuracy != NULL && metrics != NULL) {
		prepared->warm_baseline =
			json_pack("{s:O, s:O}", "accuracy", accuracy, "metrics", metrics);
	}
	json_decref(job);
}

json_t *prepared_registered(const struct store_rows *rows)
{
	static const char *const kept[] = {
		"id", "name",   "url", "timeout_s", "connect_timeout_s", "max_concurrency",
		"ca", "headers"};
	json_t *document = json_loads(rows->cells[0], 0, NULL);
	json_t *secrets = rows->cells[1] != NULL ? json_loads(rows->cells[1], 0, NULL) : NULL;
	json_t *target = json_object();

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		json_t *value = json_object_get(document, kept[i]);

		if (value != NULL && !json_is_null(value)) {
			(void)json_object_set(target, kept[i], value);
		}
	}
	if (spec_secret_is_named(document)) {
		(void)json_object_set(target, "secret", json_object_get(document, "secret"));
	}
	if (secrets != NULL) {
		(void)json_object_update(target, secrets);
	}
	json_decref(document);
	json_decref(secrets);
	return target;
}
