/* Finds the script of the demonstration and becomes it. */
#include "daemon/demo.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { PATH_BYTES = 4096, ARGUMENTS_MAX = 8 };

/* The folder that this program lies in, or "" when the kernel does not say. */
static void own_folder(char *ret)
{
	ssize_t length = readlink("/proc/self/exe", ret, PATH_BYTES - 1);

	ret[length > 0 ? length : 0] = '\0';
	if (length > 0) {
		*strrchr(ret, '/') = '\0';
	}
}

/* As it is installed, or in the tree that this was built from; the caller frees. */
static char *find_script(const char *folder)
{
	char *script = mem_printf("%s/../share/narrowd/digits/demo", folder);

	if (access(script, R_OK) != 0) {
		free(script);
		script = mem_dup(NARROWD_SOURCE "/examples/digits/demo");
	}
	return script;
}

int demo_run(char *const *arguments, struct err *reterr)
{
	char folder[PATH_BYTES];
	const char *call[ARGUMENTS_MAX] = {"sh"};
	size_t count = 1;
	char *script;

	own_folder(folder);
	script = find_script(folder);
	call[count++] = script;
	call[count++] = folder;
	for (; *arguments != NULL && count + 1 < ARGUMENTS_MAX; arguments++) {
		call[count++] = *arguments;
	}
	if (access(script, R_OK) == 0) {
		(void)execv("/bin/sh", (char *const *)call);
	}
	free(script);
	return err_set(
		reterr, ERR_CONFIG,
		"the demo is not installed: it comes with the bundle (tools/bundle), or with a "
		"build that has oneDNN");
}
