/* Why something did not work, in words for the user. */
#ifndef DIGITS_FAULT_H
#define DIGITS_FAULT_H

#define FAULT_SIZE 256

struct fault {
	char text[FAULT_SIZE];
};

/*
 * Writes the text and returns -1, so that a failing function can return it. The text is cut if need
 * be, and anything but printable ASCII becomes "?": it must always fit into JSON.
 */
int fault_set(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
