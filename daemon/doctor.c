/* The table of the checks, and those of settings and limits. */
#include "daemon/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/control.h"
#include "daemon/doctor_checks.h"
#include "daemon/libraries.h"
#include "store/look.h"

enum {
	/* What needs a file besides the clients: evaluators, the database, listeners. */
	OTHER_FILES = 1280,
};

/* Reads them, too: the checks below rely on that. */
static void settings(void *arg, struct checkup *found)
{
	struct doctor *doctor = arg;
	struct faults faults = {.checkup = found};
	char *control;

	options_read(&doctor->options, doctor->argc, doctor->argv, &faults);
	setup_check(&doctor->setup, &doctor->options, &faults);
	setup_check_folders(&doctor->options, &faults);
	control = control_path(doctor->options.data_dir);
	doctor->is_up = control_is_up(control);
	doctor->has_data = look_is_there(doctor->options.data_dir);
	free(control);
}

static void file_of_settings(void *arg, struct checkup *found)
{
	const char *path = ((struct doctor *)arg)->options.file;
	struct stat status;

	if (path == NULL || stat(path, &status) != 0) {
		return;
	}
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		checkup_say(found, "others may write %s, mode %04o", path,
			    (unsigned)status.st_mode & 07777);
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		checkup_say(found, "%s belongs to user %u, who can change it at any time", path,
			    (unsigned)status.st_uid);
	}
}

static void files(void *arg, struct checkup *found)
{
	const struct doctor *doctor = arg;
	struct rlimit limit;
	int64_t wanted = doctor->options.max_connections + OTHER_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY &&
	    (int64_t)limit.rlim_max < wanted) {
		checkup_say(found,
			    "a process may have %lld files open, and %lld connections need %lld",
			    (long long)limit.rlim_max, (long long)doctor->options.max_connections,
			    (long long)wanted);
	}
}

static void access_log(void *arg, struct checkup *found)
{
	const char *path = ((struct doctor *)arg)->options.access_log;
	const char *slash = strrchr(path, '/');
	char *folder = slash != NULL ? mem_dup_n(path, (size_t)(slash - path) + 1) : mem_dup(".");
	bool there = access(path, F_OK) == 0;
	int fd = there ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK) : -1;

	if (path[0] != '\0' && strcmp(path, "-") != 0 &&
	    (there ? fd < 0 : access(folder, W_OK | X_OK) != 0)) {
		checkup_say(found, "%s cannot be written: %s", path, strerror(errno));
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	free(folder);
}

static void say_fault(void *arg, const struct library *library)
{
	const char *words = library_fault(library);

	if (words != NULL) {
		checkup_say(arg, "%s %s: %s", library->name, library->version, words);
	}
}

static void libraries(void *arg, struct checkup *found)
{
	(void)arg;
	libraries_each(say_fault, found);
}

static const struct check checks[] = {
	{"settings", settings,
	 "change the setting where it is set; narrowd --help says what each may be, --print-config "
	 "what is in force",
	 false},
	{"settings_file", file_of_settings, "chown root it, and chmod go-w", false},
	{"data_dir", doctor_directory,
	 "make it, for the user that runs narrowd: install -d -m 700 -o USER DIRECTORY; or name "
	 "another with data_dir",
	 false},
	{"permissions", doctor_permissions,
	 "chmod -R go= the directory, and chown -R it to the user that runs narrowd; run this "
	 "command "
	 "as that user, too",
	 false},
	{"second_process", doctor_process,
	 "find it with: fuser -v DIRECTORY; end it, or give this daemon another data_dir", false},
	{"port", doctor_listeners,
	 "find who listens there with: ss -ltnp; end it, or change listen", false},
	{"disk", doctor_disk,
	 "make room on that disk, move data_dir to a larger one, or let retain_days, retain_jobs "
	 "or "
	 "retain_bytes delete what is old",
	 false},
	{"open_files", files,
	 "raise the limit: LimitNOFILE= in the unit, ulimit -Hn in a shell; or lower "
	 "max_connections",
	 false},
	{"access_log", access_log,
	 "let the user that runs narrowd write there, or change access_log", false},
	{"key_file", doctor_key,
	 "put the key back from where you keep its copy, chmod 600 it, or say with key_file where "
	 "it is",
	 false},
	{"schema", doctor_schema,
	 "install the version of narrowd that wrote it, or a newer one; or restore a backup, or "
	 "the "
	 "narrowd.db.before-N, of this version",
	 false},
	{"strangers", doctor_strangers,
	 "somebody else has changed the database: restore a backup, or undo it with sqlite3 while "
	 "the "
	 "daemon is stopped",
	 false},
	{"lost_events", doctor_lost_events,
	 "put narrowd.db-wal back if you have it, with the daemon stopped, or restore the newest "
	 "backup; a start goes on with what is there",
	 false},
	{"database", doctor_database,
	 "stop the daemon and restore the newest backup: narrowd restore FILE; keep the damaged "
	 "files",
	 false},
	{"clock", doctor_clock,
	 "set the clock, and keep it set with NTP: timedatectl set-ntp true; dates of the jump "
	 "stay as "
	 "they are",
	 false},
	{"backup", doctor_backup,
	 "make one now: narrowd backup FOLDER --keep 14; and every night, as docs/operating.md has "
	 "it",
	 false},
	{"tokens", doctor_tokens, "narrowd token create --scope admin", false},
	{"certificate_end", doctor_certificate_end,
	 "renew it, put the new one in place of tls_cert and tls_key, and send SIGHUP", false},
	{"certificate_name", doctor_certificate_name,
	 "have one made with that name among its subjectAltNames, or change callback_url or "
	 "allowed_hosts",
	 false},
	{"allow_list", doctor_allowed,
	 "add its address to evaluator_allow, as HOST:PORT or CIDR:PORT, or change "
	 "evaluator_policy",
	 false},
	{"evaluators", doctor_evaluators,
	 "start the evaluator, or mend its address: narrow evaluators, narrow probe URL; look for "
	 "a "
	 "firewall between",
	 false},
	{"libraries", libraries,
	 "upgrade the package that has it, unless its changelog says that this was mended", true},
	{NULL, NULL, NULL, false},
};

int doctor_run(int argc, char **argv)
{
	struct doctor doctor = {.argc = argc, .argv = argv};
	json_t *report;
	size_t wrong;

	report = checkup_run(checks, &doctor);
	wrong = checkup_print(report, stdout);
	json_decref(report);
	setup_finish(&doctor.setup);
	options_finish(&doctor.options);
	return wrong > 0;
}
