/*
 * What requests did, for the log.
 */
#ifndef NARROWD_API_JOURNAL_H
#define NARROWD_API_JOURNAL_H

#include "api/call.h"

/* This request, not yet answered, has changed the job. */
void journal_job(const struct call *call, const char *job);

#endif
