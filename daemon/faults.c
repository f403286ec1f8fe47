/* Says a fault of the settings at once, and remembers the first for the exit code. */
#include "daemon/faults.h"

#include <stdio.h>

#include "base/checkup.h"
#include "base/log.h"

void faults_add(struct faults *faults, const struct err *err)
{
	if (faults->count++ == 0) {
		faults->code = err->code;
	}
	if (faults->checkup != NULL) {
		checkup_say(faults->checkup, "%s", err->message);
	} else if (faults->logged) {
		log_line(LOG_ERROR, "a setting cannot be used", LOG_TEXT("error", err->message));
	} else {
		(void)fprintf(stderr, "narrowd: %s\n", err->message);
	}
}
