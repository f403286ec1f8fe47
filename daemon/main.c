/* The program narrowd: does what its arguments ask for. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "api/router.h"
#include "base/json.h"
#include "base/mem.h"
#include "daemon/arguments.h"
#include "daemon/backup.h"
#include "daemon/bench.h"
#include "daemon/demo.h"
#include "daemon/doctor.h"
#include "daemon/libraries.h"
#include "daemon/migrate.h"
#include "daemon/options.h"
#include "daemon/plugins.h"
#include "daemon/process.h"
#include "daemon/setup.h"
#include "daemon/token.h"
#include "store/store.h"

static void print_routes(void)
{
	for (const struct route *route = router_table; route->method != NULL; route++) {
		(void)printf("%s %s\n", route->method, route->path);
	}
}

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "narrowd: %s\n", err->message);
	return err_exit_code(err->code);
}

static int check_database(const char *directory, struct err *reterr)
{
	int rc = store_verify(directory, reterr);

	if (rc == 0) {
		(void)printf("the database in %s is sound\n", directory);
	}
	return rc;
}

enum { LARGE_BLOCK_BYTES = 256 * 1024, SPARE_BYTES = 1024 * 1024, ARENAS = 2 };

static void harden(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	const struct rlimit no_core = {0, 0};
	struct rlimit files;

	(void)umask(077);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	/* Each connection is a file, and a shell gives hardly enough of them. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* What was large goes back to the system when it is freed, whichever thread had it. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, LARGE_BLOCK_BYTES);
	/* But for what comes and goes with every statement of SQLite: each time that would be a call and its page faults. */
	(void)mallopt(M_TOP_PAD, SPARE_BYTES);
	(void)mallopt(M_ARENA_MAX, ARENAS);
	mem_reserve();
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigaction(SIGXFSZ, &ignore, NULL);
	(void)sigaction(SIGHUP, &ignore, NULL); /* until the loop watches it */
}

/* What asks for no more than a text; true when it was printed. */
static bool print_text(int *argc, char **argv)
{
	if (arguments_flag(argc, argv, "--help")) {
		options_help(stdout);
	} else if (arguments_flag(argc, argv, "--version")) {
		(void)printf("narrowd %s\n", NARROWD_VERSION);
		libraries_print(stdout);
	} else if (arguments_flag(argc, argv, "--print-example")) {
		options_example(stdout);
	} else if (arguments_flag(argc, argv, "--print-routes")) {
		print_routes();
	} else {
		return false;
	}
	return true;
}

/* What the arguments ask for besides settings. */
struct wish {
	bool check_config, print_config, check_database, bench, doctor;
	struct backup_command backup;
	struct migrate_command migrate;
	struct token_command token;
};

static int take_wish(int *argc, char **argv, struct wish *ret, struct err *reterr)
{
	int rc = backup_take(argc, argv, &ret->backup, reterr);

	ret->check_config = arguments_flag(argc, argv, "--check-config");
	ret->print_config = arguments_flag(argc, argv, "--print-config");
	ret->bench = arguments_command(argc, argv, "bench", 1) != NULL;
	ret->doctor = arguments_command(argc, argv, "doctor", 1) != NULL;
	ret->check_database = arguments_command(argc, argv, "check", 1) != NULL;
	if (rc == 0) {
		rc = migrate_take(argc, argv, &ret->migrate, reterr);
	}
	return rc == 0 ? token_take(argc, argv, &ret->token, reterr) : rc;
}

static int fulfil(const struct wish *wish, const struct settings *options, struct err *reterr)
{
	int rc;

	if (wish->print_config) {
		options_print(options, stdout);
		return 0;
	}
	if (wish->backup.destination != NULL || wish->backup.source != NULL) {
		return backup_run(&wish->backup, options->data_dir, reterr);
	}
	if (wish->migrate.to != NULL) {
		return migrate_run(&wish->migrate, options, reterr);
	}
	if (wish->bench) {
		return bench_run(options->data_dir, reterr);
	}
	if (wish->check_database) {
		return check_database(options->data_dir, reterr);
	}
	if (wish->token.verb != TOKEN_NONE) {
		return token_run(&wish->token, options, reterr);
	}
	if (wish->check_config) {
		return 0;
	}
	rc = plugins_load(options->plugin_dir, reterr);
	return rc == 0 ? process_serve(reterr) : rc;
}

int main(int argc, char **argv)
{
	struct settings options = {0};
	struct wish wish = {0};
	struct faults faults = {0};
	struct err err;
	int rc;

	if (print_text(&argc, argv)) {
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "demo") == 0) {
		(void)demo_run(argv + 2, &err);
		return fail(&err);
	}
	json_setup();
	rc = take_wish(&argc, argv, &wish, &err);
	harden();
	if (rc == 0 && wish.doctor) {
		return doctor_run(argc - 1, argv + 1);
	}
	if (rc == 0) {
		options_read(&options, argc - 1, argv + 1, &faults);
		process_check(&options, &faults);
	}
	if (rc == 0 && wish.check_config) {
		setup_check_folders(&options, &faults);
	}
	if (rc == 0 && faults.count == 0) {
		rc = fulfil(&wish, &options, &err);
	}
	json_decref(wish.token.body);
	process_finish();
	options_finish(&options);
	return rc != 0 ? fail(&err) : faults.count > 0 ? err_exit_code(faults.code) : 0;
}
