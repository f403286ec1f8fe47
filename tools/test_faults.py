"""Programs with one fault each, by which tools/run_tests.py proves that a sanitizer would see it."""

LEAK = """
#include <stdlib.h>
int main(void)
{
	return malloc(7) == 0;
}
"""
OVERFLOW = """
int main(int count, char **args)
{
	int big = 0x7fffffff;
	big += count;
	return args == 0 && big;
}
"""
# Of many variables: a single one can escape, when both threads touch it in the same instant.
RACE = """
#include <pthread.h>
static int n[1000];
static void *add(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		n[i]++;
	}
	return arg;
}
int main(void)
{
	pthread_t thread;
	pthread_create(&thread, 0, add, 0);
	add(0);
	return pthread_join(thread, 0);
}
"""
