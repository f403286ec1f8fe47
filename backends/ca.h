/*
 * Certificates of authorities that a user trusts for one peer, in PEM.
 */
#ifndef NARROWD_BACKENDS_CA_H
#define NARROWD_BACKENDS_CA_H

#include <stddef.h>

#include "base/err.h"

/* Whether there is at least one certificate and nothing that cannot be read: ERR_INVALID_FIELD says what is wrong. */
int ca_check(const char *pem, size_t length, struct err *reterr);

#endif
