/*
 * What this process takes of its machine, as the kernel says.
 */
#ifndef NARROWD_BASE_USAGE_H
#define NARROWD_BASE_USAGE_H

#include <stdint.h>

struct usage {
	double cpu_s;   /* of user and system, since the start */
	double start_s; /* wall clock, since 1970 */
	uint64_t resident_bytes, virtual_bytes;
	uint64_t threads, descriptors, max_descriptors;
};

/* What cannot be read is 0. Reads a directory with an entry for each open descriptor: not on the loop. */
struct usage usage_read(void);

#endif
