/* Reads settings from flags, environment and file, and names those that are misspelt. */
#include "daemon/options_table.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/spell.h"

static void *member(struct settings *options, const struct setting *option)
{
	return (char *)options + option->offset;
}

static int add_item(struct option_list *list, const char *text, size_t length, struct err *reterr)
{
	if (list->count == OPTIONS_LIST_MAX) {
		return err_set(reterr, ERR_CONFIG, "more than %d values in a list",
			       OPTIONS_LIST_MAX);
	}
	list->items[list->count++] = mem_dup_n(text, length);
	return 0;
}

static void clear_list(struct option_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i]);
		list->items[i] = NULL;
	}
	list->count = 0;
}

/* Values of a list are separated by spaces. */
static int set_list(struct option_list *list, const char *value, struct err *reterr)
{
	int rc = 0;

	while (*value != '\0' && rc == 0) {
		size_t n = strcspn(value, " \t");

		rc = n > 0 ? add_item(list, value, n, reterr) : 0;
		value += n;
		value += strspn(value, " \t");
	}
	return rc;
}

static int set_integer(const struct setting *option, int64_t *ret, const char *value,
		       struct err *reterr)
{
	char *end;
	long long number = strtoll(value, &end, 10);

	if (end == value || *end != '\0' || number < option->min || number > option->max) {
		return err_set(reterr, ERR_CONFIG,
			       "%s must be a number from %lld to %lld, not \"%s\"", option->name,
			       (long long)option->min, (long long)option->max, value);
	}
	*ret = number;
	return 0;
}

static int set_bool(const struct setting *option, bool *ret, const char *value, struct err *reterr)
{
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0) {
		return err_set(reterr, ERR_CONFIG, "%s must be true or false, not \"%s\"",
			       option->name, value);
	}
	*ret = strcmp(value, "true") == 0;
	return 0;
}

static int set(struct settings *options, const struct setting *option, const char *value,
	       struct err *reterr)
{
	void *target = member(options, option);

	switch (option->type) {
	case OPTION_TEXT:
		free(*(char **)target);
		*(char **)target = mem_dup(value);
		return 0;
	case OPTION_LIST:
		return set_list(target, value, reterr);
	case OPTION_INTEGER:
		return set_integer(option, target, value, reterr);
	case OPTION_BOOL:
		return set_bool(option, target, value, reterr);
	}
	return 0;
}

/* A source that sets a list replaces what weaker sources had put there. */
static int replace(struct settings *options, const struct setting *option, bool *seen,
		   const char *value, struct err *reterr)
{
	if (option->type == OPTION_LIST && !*seen) {
		clear_list(member(options, option));
	}
	*seen = true;
	return set(options, option, value, reterr);
}

static const struct setting *by_name(const char *name, size_t length)
{
	for (const struct setting *o = options_table; o->name != NULL; o++) {
		if (strlen(o->name) != length) {
			continue;
		}
		for (size_t k = 0; k <= length; k++) {
			if (k == length) {
				return o;
			}
			if (o->name[k] != name[k] && !(o->name[k] == '_' && name[k] == '-')) {
				break;
			}
		}
	}
	return NULL;
}

/* What is known and spelt like it, or NULL. */
static const struct setting *like(const char *name)
{
	const struct setting *found = NULL;
	size_t least = SPELL_OTHER;

	for (const struct setting *o = options_table; o->name != NULL; o++) {
		size_t apart = spell_apart(name, o->name);

		if (apart < least) {
			least = apart;
			found = o;
		}
	}
	return found;
}

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n > 0 && isspace((unsigned char)text[n - 1])) {
		text[--n] = '\0';
	}
	return text;
}

static int read_line(struct settings *options, char *line, bool *seen, struct err *reterr)
{
	char *text = trim(line);
	char *equals = strchr(text, '=');
	const struct setting *option;

	if (text[0] == '\0' || text[0] == '#') {
		return 0;
	}
	if (equals == NULL) {
		return err_set(reterr, ERR_CONFIG, "\"%s\": NAME = VALUE is expected", text);
	}
	*equals = '\0';
	text = trim(text);
	option = by_name(text, strlen(text));
	if (option == NULL) {
		option = like(text);
		return err_set(reterr, ERR_CONFIG, "there is no setting \"%s\"%s%s%s", text,
			       option != NULL ? ": did you mean \"" : "",
			       option != NULL ? option->name : "", option != NULL ? "\"?" : "");
	}
	return replace(options, option, &seen[option - options_table], trim(equals + 1), reterr);
}

static void read_file(struct settings *options, const char *path, struct faults *faults)
{
	bool seen[OPTIONS_MAX] = {false};
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	struct err err;

	if (file == NULL) {
		(void)err_set(&err, ERR_CONFIG, "%s cannot be read", path);
		faults_add(faults, &err);
		return;
	}
	for (int number = 1; getline(&line, &size, file) >= 0; number++) {
		if (read_line(options, line, seen, &err) != 0) {
			(void)err_prefix(&err, "%s:%d", path, number);
			faults_add(faults, &err);
		}
	}
	free(line);
	(void)fclose(file);
}

/* Variables of the same prefix that are others' affair: narrow's, and what Kubernetes sets for a service. */
static bool is_meant(const char *name, const struct setting *option)
{
	static const char *const others[] = {"CONFIG", "URL", "TOKEN", "TOKEN_FILE"};
	size_t length = strlen(name), known = strlen(option->name);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(name, others[i]) == 0) {
			return false;
		}
	}
	return length <= known + 2 && known <= length + 2;
}

/* Names that are nearly those of settings; what is like nothing means something else. */
static void look_for_misspelt(struct faults *faults)
{
	static const char prefix[] = "NARROWD_";

	for (char **variable = environ; *variable != NULL; variable++) {
		char *name = mem_dup_n(*variable, strcspn(*variable, "="));
		const struct setting *option = NULL;

		if (strncmp(name, prefix, sizeof(prefix) - 1) == 0) {
			option = like(name + sizeof(prefix) - 1);
		}
		if (option != NULL && is_meant(name + sizeof(prefix) - 1, option)) {
			char *right = options_variable(option);
			struct err err;

			if (strcmp(right, name) != 0) {
				(void)err_set(&err, ERR_CONFIG,
					      "the environment has %s, which is no setting: did "
					      "you mean %s?",
					      name, right);
				faults_add(faults, &err);
			}
			free(right);
		}
		free(name);
	}
}

static void read_environment(struct settings *options, struct faults *faults)
{
	for (const struct setting *o = options_table; o->name != NULL; o++) {
		char *name = options_variable(o);
		bool seen = false;
		const char *value = getenv(name);
		struct err err;

		if (value != NULL && replace(options, o, &seen, value, &err) != 0) {
			(void)err_prefix(&err, "%s", name);
			faults_add(faults, &err);
		}
		free(name);
	}
	look_for_misspelt(faults);
}

/* The value of the flag at argv[*i]: behind its "=", or the next argument; NULL without either. */
static const char *flag_value(int argc, char **argv, int *i)
{
	const char *equals = strchr(argv[*i], '=');

	if (equals != NULL) {
		return equals + 1;
	}
	return *i + 1 < argc ? argv[++*i] : NULL;
}

static bool is_flag(const char *argument, const char *flag)
{
	size_t length = strcspn(argument, "=");

	return strlen(flag) == length && strncmp(argument, flag, length) == 0;
}

/* The file to read first, from the flags or the environment; NULL for none. */
static int find_file(int argc, char **argv, const char **ret, struct err *reterr)
{
	*ret = getenv("NARROWD_CONFIG");
	for (int i = 0; i < argc; i++) {
		if (is_flag(argv[i], "--config")) {
			*ret = flag_value(argc, argv, &i);
			if (*ret == NULL) {
				return err_set(reterr, ERR_USAGE, "--config needs a value");
			}
		}
	}
	return 0;
}

static int read_flag(struct settings *options, int argc, char **argv, int *i, bool *seen,
		     struct err *reterr)
{
	const char *flag = argv[*i];
	const struct setting *option = NULL;
	const char *value;

	if (strncmp(flag, "--", 2) == 0) {
		option = by_name(flag + 2, strcspn(flag + 2, "="));
	}
	if (option == NULL) {
		option = like(flag);
		return err_set(reterr, ERR_USAGE, "unknown argument %s%s%s; see --help", flag,
			       option != NULL ? ", which is like the setting " : "",
			       option != NULL ? option->name : "");
	}
	if (option->type == OPTION_BOOL && strchr(flag, '=') == NULL) {
		return set(options, option, "true", reterr);
	}
	value = flag_value(argc, argv, i);
	if (value == NULL) {
		return err_set(reterr, ERR_USAGE, "%s needs a value", flag);
	}
	return replace(options, option, &seen[option - options_table], value, reterr);
}

static void read_flags(struct settings *options, int argc, char **argv, struct faults *faults)
{
	bool seen[OPTIONS_MAX] = {false};
	struct err err;

	for (int i = 0; i < argc; i++) {
		if (is_flag(argv[i], "--config")) {
			(void)flag_value(argc, argv, &i);
		} else if (read_flag(options, argc, argv, &i, seen, &err) != 0) {
			faults_add(faults, &err);
		}
	}
}

/* The default names both families, but a host may have IPv4 alone. */
static bool has_ipv6_loopback(void)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has;

	if (fd < 0) {
		return false;
	}
	has = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	(void)close(fd);
	return has;
}

static void set_defaults(struct settings *options)
{
	memset(options, 0, sizeof(*options));
	for (const struct setting *o = options_table; o->name != NULL; o++) {
		(void)set(options, o, o->fallback, NULL);
	}
	if (!has_ipv6_loopback()) {
		struct option_list *listen = &options->listen;

		free(listen->items[--listen->count]);
		listen->items[listen->count] = NULL;
	}
}

static void default_directory(struct settings *options)
{
	const char *state = getenv("STATE_DIRECTORY");
	const char *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (options->data_dir != NULL && options->data_dir[0] != '\0') {
		return;
	}
	free(options->data_dir);
	if (state != NULL && state[0] == '/') {
		/* systemd separates several by colons. */
		options->data_dir = mem_dup_n(state, strcspn(state, ":"));
	} else if (xdg != NULL && xdg[0] == '/') {
		options->data_dir = mem_printf("%s/narrowd", xdg);
	} else {
		options->data_dir = mem_printf("%s/.local/state/narrowd", home != NULL ? home : "");
	}
}

void options_read(struct settings *options, int argc, char **argv, struct faults *faults)
{
	const char *file;
	struct err err;

	set_defaults(options);
	options->argc = argc;
	options->argv = argv;
	if (find_file(argc, argv, &file, &err) != 0) {
		faults_add(faults, &err);
		file = NULL;
	}
	options->file = file;
	if (file != NULL) {
		read_file(options, file, faults);
	}
	read_environment(options, faults);
	read_flags(options, argc, argv, faults);
	default_directory(options);
}

/* In the place of what it is. */
static void change(struct settings *options, const struct setting *option, const char *value)
{
	if (option->type == OPTION_LIST) {
		clear_list(member(options, option));
	}
	(void)set(options, option, value, NULL);
}

bool options_reload(struct settings *options,
		    void (*check)(void *arg, const struct settings *fresh, struct faults *faults),
		    void *arg, struct faults *faults)
{
	struct settings fresh;

	options_read(&fresh, options->argc, options->argv, faults);
	check(arg, &fresh, faults);
	for (const struct setting *o = options_table; o->name != NULL && faults->count == 0; o++) {
		char *was = options_text(options, o), *is = options_text(&fresh, o);
		bool changed = strcmp(was, is) != 0;

		if (changed && options_is_live(o)) {
			change(options, o, is);
			log_line(LOG_INFO, "a setting was changed", LOG_TEXT("setting", o->name),
				 LOG_TEXT("value", is));
		} else if (changed) {
			log_line(LOG_WARNING, "this setting is changed by a restart alone",
				 LOG_TEXT("setting", o->name), LOG_TEXT("value", is));
		}
		free(was);
		free(is);
	}
	options_finish(&fresh);
	return faults->count == 0;
}

void options_finish(struct settings *options)
{
	for (const struct setting *o = options_table; o->name != NULL; o++) {
		void *target = member(options, o);

		if (o->type == OPTION_TEXT) {
			free(*(char **)target);
		} else if (o->type == OPTION_LIST) {
			clear_list(target);
		}
	}
}
