/*
 * Linked into a daemon of its own (tests/meson.build, --wrap): the n-th large allocation of its code fails, as a
 * test says in a file that both have in memory. See tests/api/test_scarce.py.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
	atomic_llong from;   /* bytes: what is smaller never fails */
	atomic_llong left;   /* the allocation that makes this 0 fails */
	atomic_llong failed; /* how many have */
};

static struct control *control;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

__attribute__((constructor)) static void find_control(void)
{
	const char *path = getenv("NARROWD_SCARCE");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *mapped =
		fd >= 0 ? mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
			: MAP_FAILED;

	if (fd >= 0) {
		(void)close(fd);
	}
	control = mapped != MAP_FAILED ? mapped : NULL;
}

static int fails(size_t count, size_t size)
{
	if (control == NULL || (size > 0 && count > SIZE_MAX / size) ||
	    (long long)(count * size) < atomic_load(&control->from) ||
	    atomic_fetch_sub(&control->left, 1) != 1) {
		return 0;
	}
	atomic_fetch_add(&control->failed, 1);
	return 1;
}

void *__wrap_malloc(size_t size)
{
	return fails(1, size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails(count, size) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails(1, size) ? NULL : __real_realloc(old, size);
}
