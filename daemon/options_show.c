/* Settings as people are shown them. */
#include "daemon/options_table.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "daemon/libraries.h"

void options_help(FILE *out)
{
	(void)fprintf(out,
		      "Usage: narrowd [--config FILE] [SETTING]...\n"
		      "       narrowd [SETTING]... backup DEST [--keep N] | restore FILE\n"
		      "       narrowd [SETTING]... migrate --to postgresql://... [--from BACKUP] | "
		      "migrate --to DIRECTORY\n"
		      "       narrowd [SETTING]... check | doctor | bench\n"
		      "       narrowd [SETTING]... token create|list|revoke ...\n"
		      "       narrowd demo\n"
		      "       narrowd --help | --version | --check-config | --print-config | "
		      "--print-example | --print-routes\n\nSettings:\n");
	for (const struct setting *o = options_table; o->name != NULL; o++) {
		char *flag = options_flag(o);

		(void)fprintf(out, "  %-20s %s%s%s%s\n", flag, o->help,
			      o->fallback[0] != '\0' ? " [" : "", o->fallback,
			      o->fallback[0] != '\0' ? "]" : "");
		free(flag);
	}
}

/* Nobody is shown the password of a URL. */
static char *without_password(const char *url)
{
	const char *user = strstr(url, "://");
	const char *host = strrchr(url, '@');
	const char *colon = user != NULL ? strchr(user + 3, ':') : NULL;

	if (host == NULL || colon == NULL || colon > host) {
		return mem_dup(url);
	}
	return mem_printf("%.*s:***%s", (int)(colon - url), url, host);
}

char *options_text(const struct settings *options, const struct setting *option)
{
	const void *source = (const char *)options + option->offset;
	const struct option_list *list = source;
	char *text;

	switch (option->type) {
	case OPTION_TEXT:
		return strcmp(option->name, "data") == 0 ? without_password(*(char *const *)source)
							 : mem_dup(*(char *const *)source);
	case OPTION_INTEGER:
		return mem_printf("%lld", (long long)*(const int64_t *)source);
	case OPTION_BOOL:
		return mem_dup(*(const bool *)source ? "true" : "false");
	case OPTION_LIST:
		break;
	}
	text = mem_dup("");
	for (size_t i = 0; i < list->count; i++) {
		char *longer = mem_printf("%s%s%s", text, i > 0 ? " " : "", list->items[i]);

		free(text);
		text = longer;
	}
	return text;
}

void options_print(const struct settings *options, FILE *out)
{
	for (const struct setting *o = options_table; o->name != NULL; o++) {
		char *value = options_text(options, o);

		(void)fprintf(out, "%s = %s\n", o->name, value);
		free(value);
	}
}

void options_example(FILE *out)
{
	(void)fprintf(out,
		      "# Settings of narrowd, with their defaults: take the # off to change one.\n"
		      "# Flags and the environment win over this file; narrowd --check-config "
		      "finds its faults.\n");
	for (const struct setting *o = options_table; o->name != NULL; o++) {
		(void)fprintf(out, "\n# %s%s\n#%s = %s\n", o->help,
			      options_is_live(o) ? " (read again on SIGHUP)" : "", o->name,
			      o->fallback);
	}
}

char *options_json(const struct settings *options)
{
	static const char *const types[] = {
		[OPTION_TEXT] = "text",
		[OPTION_LIST] = "list",
		[OPTION_INTEGER] = "integer",
		[OPTION_BOOL] = "boolean",
	};
	json_t *items = json_array();
	json_t *document;
	char *text;

	for (const struct setting *o = options_table; o->name != NULL; o++) {
		char *value = options_text(options, o);
		char *flag = options_flag(o);
		char *env = options_variable(o);

		(void)json_array_append_new(
			items, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", o->name,
					 "type", types[o->type], "value", value, "default",
					 o->fallback, "env", env, "flag", flag, "help", o->help));
		free(value);
		free(flag);
		free(env);
	}
	document = json_pack("{s:o, s:n, s:s, s:o}", "items", items, "next", "version",
			     NARROWD_VERSION, "libraries", libraries_json());
	text = json_text(document);
	json_decref(document);
	return text;
}
