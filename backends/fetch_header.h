/* A header of a request, by itself: who makes headers need not see what sends them. */
#ifndef NARROWD_BACKENDS_FETCH_HEADER_H
#define NARROWD_BACKENDS_FETCH_HEADER_H

struct fetch_header {
	const char *name;
	const char *value;
};

#endif
