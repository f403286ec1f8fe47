/* Opens shared objects that only their owner can write, and adds their strategies. */
#include "daemon/plugins.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "strategies/registry.h"

static const char symbol[] = "narrowd_plugin";

/* `type` is S_IFDIR or S_IFREG; a link is neither, so that nobody but the owner can turn it. */
static int check_owner(const char *path, mode_t type, struct err *reterr)
{
	struct stat status;

	if (lstat(path, &status) != 0) {
		return err_set(reterr, ERR_CONFIG, "%s", strerror(errno));
	}
	if ((status.st_mode & S_IFMT) != type) {
		return err_set(reterr, ERR_CONFIG, "it is no %s",
			       type == S_IFDIR ? "directory" : "regular file");
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		return err_set(reterr, ERR_CONFIG,
			       "it belongs neither to root nor to the user of the daemon");
	}
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		return err_set(reterr, ERR_CONFIG,
			       "others than its owner may write it: chmod go-w");
	}
	return 0;
}

static int open_plugin(const char *path, struct err *reterr)
{
	const struct strategy_ops *const *list;
	void *handle;
	int rc = check_owner(path, S_IFREG, reterr);

	if (rc != 0) {
		return rc;
	}
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		return err_set(reterr, ERR_CONFIG, "%s", dlerror());
	}
	list = dlsym(handle, symbol);
	if (list == NULL || list[0] == NULL) {
		return err_set(reterr, ERR_CONFIG, "it defines no strategies: %s[] is %s", symbol,
			       list == NULL ? "missing" : "empty");
	}
	for (size_t i = 0; rc == 0 && list[i] != NULL; i++) {
		rc = registry_add(list[i], reterr);
		if (rc == 0) {
			log_line(LOG_INFO, "strategy of a plug-in", LOG_TEXT("file", path),
				 LOG_TEXT("strategy", list[i]->name),
				 LOG_INT("version", list[i]->version));
		}
	}
	return rc;
}

static int load(const char *directory, const char *name, struct err *reterr)
{
	/* dlopen() looks for a name without a slash elsewhere. */
	char *path = mem_printf("%s/%s", directory, name);
	int rc = open_plugin(path, reterr);

	if (rc != 0) {
		(void)err_prefix(reterr, "plug-in %s", path);
	}
	free(path);
	return rc;
}

static int is_plugin(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 3 &&
	       strcmp(entry->d_name + length - 3, ".so") == 0;
}

/* By bytes: the order must not follow the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int plugins_load(const char *directory, struct err *reterr)
{
	struct dirent **entries = NULL;
	int rc, count;

	if (directory[0] == '\0') {
		return 0;
	}
	rc = check_owner(directory, S_IFDIR, reterr);
	if (rc != 0) {
		return err_prefix(reterr, "plugin_dir %s", directory);
	}
	count = scandir(directory, &entries, is_plugin, by_name);
	if (count < 0) {
		return err_set(reterr, ERR_CONFIG, "plugin_dir %s: %s", directory, strerror(errno));
	}
	for (int i = 0; i < count; i++) {
		rc = rc == 0 ? load(directory, entries[i]->d_name, reterr) : rc;
		free(entries[i]);
	}
	free(entries);
	return rc;
}
