/*
 * An operation as bytes, as it stands in a log that several daemons share (docs/decisions/postgresql.md).
 *
 * The bytes are one line of words and of texts with their length before them, so that a person can read them; the
 * first word says in which version. Names stand for kinds and types, never numbers of an enum. Secrets are sealed
 * (seal.h). What is read back does in a database what the operation did that was written.
 */
#ifndef NARROWD_STORE_RECORD_H
#define NARROWD_STORE_RECORD_H

#include "base/buf.h"
#include "store/op.h"

/* The name of the kind; static text. */
const char *record_kind(enum op_kind kind);
/* About how long the op is as bytes; nothing is written. */
size_t record_length(const struct op *op);
/* Adds the op to `buf`. ERR_CONFIG when there is no key to seal its secrets with. */
int record_write(const struct op *op, struct buf *buf, struct err *reterr);
/*
 * The op, which nobody waits for and which is urgent, as what was logged must be run. NULL: ERR_NEWER_SCHEMA for
 * what only a newer narrowd writes, ERR_CONFIG for a secret of another key, ERR_CORRUPT for anything else.
 */
struct op *record_read(const char *bytes, size_t length, struct err *reterr);

#endif
