/*
 * How to reach a strategy's adviser, and the secrets among a strategy's arguments; part of the spec.
 *
 * A secret argument is kept beside the evaluator's, in the document that nobody is shown; the body
 * that people read back has {"set": true} in its place.
 */
#ifndef NARROWD_JOB_SPEC_SPEC_ADVISER_H
#define NARROWD_JOB_SPEC_SPEC_ADVISER_H

#include "backends/guard.h"
#include "job/spec/spec.h"

/* Fills spec->adviser from spec->args; faults are reported through `kwargs`. */
void spec_adviser_read(const struct json_at *kwargs, struct spec *spec);
/* Whether the adviser, if there is one, has something to choose and the policy lets the daemon ask
 * it. Without a guard every address is allowed. */
int spec_adviser_check(const struct spec *spec, const struct guard *guard, struct err *reterr);

/* The body as people may see it: neither an inline evaluator's secret nor the strategy's. New
 * reference. */
json_t *spec_redacted(const struct spec *spec, const json_t *body);
/* The evaluator's document together with the strategy's secrets. New reference. */
json_t *spec_secrets_kept(const struct spec *spec, const json_t *body, const json_t *target);
/* The opposite: the evaluator's document alone, and the body with the secrets. New references. */
json_t *spec_secrets_removed(json_t *target);
json_t *spec_secrets_restored(json_t *body, const json_t *target);

#endif
