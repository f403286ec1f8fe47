/* Counts what becomes of a connection to PostgreSQL. */
#include "store/meter.h"

void meter_init(struct meter *meter)
{
	*meter = (struct meter){0};
	(void)pthread_mutex_init(&meter->lock, NULL);
}

void meter_finish(struct meter *meter)
{
	(void)pthread_mutex_destroy(&meter->lock);
}

void meter_connected(struct meter *meter)
{
	(void)pthread_mutex_lock(&meter->lock);
	meter->counts.connects++;
	(void)pthread_mutex_unlock(&meter->lock);
}

void meter_appended(struct meter *meter, int64_t ms)
{
	(void)pthread_mutex_lock(&meter->lock);
	histogram_add(&meter->counts.append_time, (double)ms / 1000);
	(void)pthread_mutex_unlock(&meter->lock);
}

void meter_read(struct meter *meter, struct meter_counts *ret)
{
	*ret = (struct meter_counts){0};
	if (meter != NULL) {
		(void)pthread_mutex_lock(&meter->lock);
		*ret = meter->counts;
		(void)pthread_mutex_unlock(&meter->lock);
	}
}
