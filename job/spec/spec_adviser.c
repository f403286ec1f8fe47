/* Reads how an adviser is reached, and takes secrets out of bodies and puts them back. */
#include "job/spec/spec_adviser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sign.h"
#include "base/mem.h"
#include "base/url.h"
#include "strategies/advised.h"
#include "space/product.h"

#define SECRETS "strategy_secrets"

enum { CONNECT_TIMEOUT_MS = 5000 };

static void read_secret(const struct json_at *kwargs, const char *text, struct spec *spec)
{
	const char *name = spec->strategy->params[ADVISED_SECRET].name;
	struct json_at at = json_member(kwargs, name);
	struct err why;

	if (text == NULL) {
		return;
	}
	if (spec->strategy->adviser == ADVISER_SIGOPT) {
		secret_init(&spec->adviser.secret, text, strlen(text));
	} else if (sign_secret_parse(text, &spec->adviser.secret, &why) != 0) {
		(void)json_fault(&at, "%s", why.message);
	}
}

void spec_adviser_read(const struct json_at *kwargs, struct spec *spec)
{
	const struct args *args = &spec->args;

	if (spec->strategy->adviser == ADVISER_NONE || args->texts[ADVISED_URL] == NULL) {
		return;
	}
	spec->adviser.url = mem_dup(args->texts[ADVISED_URL]);
	spec->adviser.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	spec->adviser.timeout_ms = (int64_t)(1000 * args->numbers[ADVISED_TIMEOUT]);
	read_secret(kwargs, args->texts[ADVISED_SECRET], spec);
}

static int check_sigopt(const struct spec *spec, struct err *reterr)
{
	bool full = spec->args.numbers[SIGOPT_FALLBACK] != 0;
	struct product product;
	size_t count;

	(full ? product_init_full : product_init)(&product, spec->space);
	count = product.dimension_count;
	product_finish(&product);
	return count > 0
		       ? 0
		       : err_fault(reterr, "/tuning_criterion/strategy",
				   "there is nothing for SigOpt to choose: every operator has "
				   "one option%s",
				   full ? "" : " in its default mode, and \"fallback\" is not set");
}

int spec_adviser_check(const struct spec *spec, const struct guard *guard, struct err *reterr)
{
	char pointer[ERR_POINTER_MAX];
	struct guard_url url;
	struct err why;

	if (spec->space != NULL && spec->strategy != NULL &&
	    spec->strategy->adviser == ADVISER_SIGOPT && check_sigopt(spec, reterr) != 0) {
		return -(int)reterr->code;
	}
	if (spec->strategy == NULL || spec->adviser.url == NULL || guard == NULL ||
	    guard_check_url(guard, spec->adviser.url, &url, &why) == 0) {
		return 0;
	}
	(void)snprintf(pointer, sizeof(pointer), "/tuning_criterion/strategy_kwargs/%s",
		       spec->strategy->params[ADVISED_URL].name);
	(void)err_fault(reterr, pointer, "%s", why.message);
	reterr->code = reterr->fault_count == 1 ? why.code : reterr->code;
	return -(int)why.code;
}

static json_t *kwargs_of(const json_t *body)
{
	return json_object_get(json_object_get(body, "tuning_criterion"), "strategy_kwargs");
}

/* A copy of the body whose arguments may be changed, which are *ret_kwargs. */
static json_t *copy_to_kwargs(const json_t *body, json_t **ret_kwargs)
{
	json_t *copy = json_copy((json_t *)body);
	json_t *criterion = json_copy(json_object_get(body, "tuning_criterion"));

	*ret_kwargs = json_copy(kwargs_of(body));
	(void)json_object_set_new(criterion, "strategy_kwargs", *ret_kwargs);
	(void)json_object_set_new(copy, "tuning_criterion", criterion);
	return copy;
}

/* Whether it is the adviser's URL, and says more than people may see. */
static bool has_query(const struct strategy_ops *strategy, const struct param *param,
		      const json_t *value)
{
	return strategy->adviser != ADVISER_NONE && param == &strategy->params[ADVISED_URL] &&
	       strchr(json_string_value(value), '?') != NULL;
}

/* What to show of such an argument. New reference. */
static json_t *shown_argument(const struct strategy_ops *strategy, const char *name,
			      const json_t *value)
{
	json_t *shown;
	char *url;

	if (strategy->adviser == ADVISER_NONE ||
	    strcmp(name, strategy->params[ADVISED_URL].name) != 0) {
		return json_pack("{s:b}", "set", 1);
	}
	url = url_shown(json_string_value(value));
	shown = json_string(url);
	free(url);
	return shown;
}

/* The strategy's secrets in the body, or NULL. New reference. */
static json_t *secrets_in(const struct spec *spec, const json_t *body)
{
	const struct strategy_ops *named =
		spec->outranked != NULL ? spec->outranked : spec->strategy;
	json_t *secrets = NULL;

	for (const struct param *p = named->params; p != NULL && p->name != NULL; p++) {
		json_t *value = json_object_get(kwargs_of(body), p->name);

		if (json_is_string(value) && (p->secret || has_query(named, p, value))) {
			secrets = secrets != NULL ? secrets : json_object();
			(void)json_object_set(secrets, p->name, value);
		}
	}
	return secrets;
}

json_t *spec_redacted(const struct spec *spec, const json_t *body)
{
	const struct strategy_ops *named =
		spec->outranked != NULL ? spec->outranked : spec->strategy;
	json_t *secrets = secrets_in(spec, body);
	json_t *kwargs = NULL;
	json_t *copy = secrets != NULL ? copy_to_kwargs(body, &kwargs) : json_copy((json_t *)body);
	const char *name;
	json_t *value;

	json_object_foreach(secrets, name, value) {
		(void)json_object_set_new(kwargs, name, shown_argument(named, name, value));
	}
	json_decref(secrets);
	(void)json_object_set_new(copy, "evaluator",
				  spec_target_redacted(json_object_get(body, "evaluator")));
	return copy;
}

json_t *spec_secrets_kept(const struct spec *spec, const json_t *body, const json_t *target)
{
	json_t *copy = json_copy((json_t *)target);
	json_t *secrets = secrets_in(spec, body);

	if (secrets != NULL) {
		(void)json_object_set_new(copy, SECRETS, secrets);
	}
	return copy;
}

json_t *spec_secrets_removed(json_t *target)
{
	json_t *copy;

	if (json_object_get(target, SECRETS) == NULL) {
		return json_incref(target);
	}
	copy = json_copy(target);
	(void)json_object_del(copy, SECRETS);
	return copy;
}

json_t *spec_secrets_restored(json_t *body, const json_t *target)
{
	json_t *secrets = json_object_get(target, SECRETS);
	json_t *kwargs, *copy;

	if (!json_is_object(secrets) || !json_is_object(kwargs_of(body))) {
		return json_incref(body);
	}
	copy = copy_to_kwargs(body, &kwargs);
	(void)json_object_update(kwargs, secrets);
	return copy;
}
