/* Reads secrets from files in the operator's directory, each under a name without a slash. */
#include "backends/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/sign.h"
#include "base/mem.h"

static int directory = -1;

int credential_open_directory(const char *path, struct err *reterr)
{
	if (path == NULL || path[0] == '\0') {
		return 0;
	}
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return directory >= 0 ? 0
			      : err_set(reterr, ERR_CONFIG, "secrets_dir %s cannot be opened: %s",
					path, strerror(errno));
}

static bool is_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	return name[0] != '\0' && name[0] != '.' && name[strspn(name, letters)] == '\0' &&
	       strlen(name) <= CREDENTIAL_NAME_BYTES;
}

/* Up to `size` bytes of the file; -1 when it cannot be read. */
static ssize_t read_file(const char *name, char *ret, size_t size)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t count = fd >= 0 ? read(fd, ret, size) : -1;

	if (fd >= 0) {
		(void)close(fd);
	}
	return count;
}

static int read_text(const char *name, char *ret, size_t size, size_t *ret_length,
		     struct err *reterr)
{
	ssize_t count;

	if (!is_name(name)) {
		return err_set(
			reterr, ERR_INVALID_FIELD,
			"a credential's name has letters, digits, \".\", \"_\" and \"-\" and "
			"does not begin with \".\"");
	}
	if (directory < 0) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "there are no credentials here: the daemon has no secrets_dir");
	}
	count = read_file(name, ret, size - 1);
	if (count > 0) {
		count -= ret[count - 1] == '\n';
	}
	if (count <= 0) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "the credential \"%s\" cannot be read: %s", name,
			       count < 0 ? strerror(errno) : "it is empty");
	}
	if ((size_t)count > size - 2) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "the credential \"%s\" is longer than %zu bytes", name, size - 2);
	}
	ret[count] = '\0';
	*ret_length = (size_t)count;
	return 0;
}

int credential_read(const char *name, struct secret *ret, struct err *reterr)
{
	char text[CREDENTIAL_BYTES + 2];
	size_t length;
	int rc;

	*ret = (struct secret){.bytes = NULL};
	rc = read_text(name, text, sizeof(text), &length, reterr);
	if (rc == 0) {
		rc = sign_secret_parse(text, ret, reterr);
	}
	explicit_bzero(text, sizeof(text));
	return rc;
}

int credential_text(const char *name, size_t max, struct secret *ret, struct err *reterr)
{
	char *text = mem_new(max + 2, 1);
	size_t length;
	int rc = read_text(name, text, max + 2, &length, reterr);

	*ret = (struct secret){.bytes = NULL};
	if (rc == 0 && strlen(text) != length) {
		rc = err_set(reterr, ERR_INVALID_FIELD, "the credential \"%s\" is no text", name);
	}
	if (rc == 0) {
		secret_init(ret, text, length + 1);
	}
	explicit_bzero(text, max + 2);
	free(text);
	return rc;
}
