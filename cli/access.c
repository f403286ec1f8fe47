/* Reads address, token and certificates from options, variables and files. */
#include "cli/access.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

enum { FILE_MAX = LIMIT_CA_BYTES };

/* The file without the white space at its end. */
static int read_file(const char *path, char **ret, struct err *reterr)
{
	FILE *file = fopen(path, "re");
	char *text = mem_new(FILE_MAX + 1, 1);
	size_t length = file != NULL ? fread(text, 1, FILE_MAX, file) : 0;
	int rc = 0;

	if (file == NULL || ferror(file) != 0) {
		rc = err_set(reterr, ERR_USAGE, "cannot read %s: %s", path, strerror(errno));
	} else if (getc(file) != EOF) {
		rc = err_set(reterr, ERR_USAGE, "%s has more than %d bytes", path, FILE_MAX);
	}
	while (length > 0 && isspace((unsigned char)text[length - 1])) {
		length--;
	}
	text[length] = '\0';
	if (file != NULL) {
		(void)fclose(file);
	}
	*ret = text;
	return rc;
}

/* An option, or else the variable; NULL when both are missing or empty. */
static const char *given(const struct cli *cli, enum cli_option option, const char *variable)
{
	const char *value = cli->options[option];

	if (value == NULL) {
		value = getenv(variable);
	}
	return value != NULL && value[0] != '\0' ? value : NULL;
}

static int read_token(const struct cli *cli, char **ret, struct err *reterr)
{
	const char *text = cli->options[OPTION_TOKEN];
	const char *file = cli->options[OPTION_TOKEN_FILE];

	if (text == NULL && file == NULL) {
		text = given(cli, OPTION_TOKEN, "NARROWD_TOKEN");
		file = given(cli, OPTION_TOKEN_FILE, "NARROWD_TOKEN_FILE");
	}
	if (text != NULL) {
		*ret = mem_dup(text);
		return 0;
	}
	return file != NULL ? read_file(file, ret, reterr) : 0;
}

int access_read(const struct cli *cli, struct access *ret, struct err *reterr)
{
	const char *ca = given(cli, OPTION_CA, "NARROWD_CA");
	int rc;

	*ret = (struct access){0};
	rc = read_token(cli, &ret->token, reterr);
	return rc == 0 && ca != NULL ? read_file(ca, &ret->ca, reterr) : rc;
}

void access_finish(struct access *access)
{
	if (access->token != NULL) {
		explicit_bzero(access->token, strlen(access->token));
	}
	free(access->token);
	free(access->ca);
}
