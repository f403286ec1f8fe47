/*
 * Versions of libraries with known faults that concern narrowd.
 */
#ifndef NARROWD_BASE_LIBRARY_H
#define NARROWD_BASE_LIBRARY_H

struct library {
	const char *name;
	const char *version; /* as it runs */
};

/* What is wrong with that version and what to do, in words; NULL when nothing is known. What a distribution has mended
 * without another number is not seen from here. */
const char *library_fault(const struct library *library);

#endif
