/*
 * store-verify DIRECTORY: rebuilds the projections of a stopped daemon's store from its log and
 * compares; for the crash test.
 */
#include <stdio.h>

#include "store/store.h"

int main(int argc, char **argv)
{
	struct err err;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 64;
	}
	if (store_verify(argv[1], &err) != 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return err_exit_code(err.code);
	}
	return 0;
}
