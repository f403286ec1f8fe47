/*
 * What is counted of a connection to PostgreSQL, for /metrics. The thread of the connection counts, any thread reads.
 */
#ifndef NARROWD_STORE_METER_H
#define NARROWD_STORE_METER_H

#include <pthread.h>
#include <stdint.h>

#include "store/store.h"

struct meter {
	pthread_mutex_t lock;
	struct meter_counts counts;
};

void meter_init(struct meter *meter);
void meter_finish(struct meter *meter);
/* A connection was made. */
void meter_connected(struct meter *meter);
/* A group was appended, which was sent so long ago. */
void meter_appended(struct meter *meter, int64_t ms);
/* Zeros of NULL. */
void meter_read(struct meter *meter, struct meter_counts *ret);

#endif
