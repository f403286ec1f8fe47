/* Reads from /proc what the process takes. */
#include "base/usage.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Entries of "." and "..", and the descriptor that reads the directory. */
enum { NO_DESCRIPTORS = 3 };

static uint64_t count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	uint64_t count = 0;

	if (directory == NULL) {
		return 0;
	}
	while (readdir(directory) != NULL) { /* NOLINT(concurrency-mt-unsafe): its own */
		count++;
	}
	(void)closedir(directory);
	return count > NO_DESCRIPTORS ? count - NO_DESCRIPTORS : 0;
}

/* Seconds since 1970 at which the machine was started. */
static double boot_time(void)
{
	struct timespec wall, up;

	(void)clock_gettime(CLOCK_REALTIME, &wall);
	(void)clock_gettime(CLOCK_BOOTTIME, &up);
	return (double)(wall.tv_sec - up.tv_sec) + (double)(wall.tv_nsec - up.tv_nsec) / 1e9;
}

/* proc(5): behind the name in brackets, which may hold anything, come the fields from the third on. */
static void read_stat(struct usage *usage)
{
	double tick = (double)sysconf(_SC_CLK_TCK);
	unsigned long long user, system, threads, start, size, pages;
	FILE *file = fopen("/proc/self/stat", "re");
	char line[1024] = "";
	const char *fields;

	if (file == NULL) {
		return;
	}
	fields = fgets(line, sizeof(line), file) != NULL ? strrchr(line, ')') : NULL;
	(void)fclose(file);
	if (fields != NULL &&
	    sscanf(fields + 1, /* NOLINT(cert-err34-c): the kernel writes numbers */
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %llu "
		   "%*d "
		   "%llu %llu %llu",
		   &user, &system, &threads, &start, &size, &pages) == 6) {
		usage->cpu_s = (double)(user + system) / tick;
		usage->threads = threads;
		usage->start_s = boot_time() + (double)start / tick;
		usage->virtual_bytes = size;
		usage->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	}
}

struct usage usage_read(void)
{
	struct usage usage = {0};
	struct rlimit limit;

	read_stat(&usage);
	usage.descriptors = count_descriptors();
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		usage.max_descriptors = (uint64_t)limit.rlim_cur;
	}
	return usage;
}
