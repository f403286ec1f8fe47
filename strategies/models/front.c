/* Keeps what no other measurement beats, and says where there is room between them. */
#include "strategies/models/front.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

static const double golden = 0.6180339887498949;
/* Of all questions so many are spread over losses alone: what looks like no room may be some. */
static const double evenly = 0.1;

void front_begin(struct front *front, double most)
{
	front->count = 0;
	front->most = most;
	front->fastest = 1;
	front_add(front, 0, 1, SIZE_MAX);
}

void front_add(struct front *front, double loss, double objective, size_t index)
{
	front->points = mem_grow(front->points, front->count + 1, sizeof(*front->points));
	front->points[front->count++] = (struct front_point){fmax(loss, 0), objective, index};
	front->fastest = fmin(front->fastest, objective);
}

static int by_loss(const void *a, const void *b)
{
	const struct front_point *x = a, *y = b;

	if (x->loss != y->loss) {
		return x->loss < y->loss ? -1 : 1;
	}
	if (x->objective != y->objective) {
		return x->objective < y->objective ? -1 : 1;
	}
	return (x->index > y->index) - (x->index < y->index);
}

void front_settle(struct front *front)
{
	size_t kept = 0;

	qsort(front->points, front->count, sizeof(*front->points), by_loss);
	for (size_t i = 0; i < front->count; i++) {
		const struct front_point *point = &front->points[i];

		if (point->loss < front->most &&
		    (kept == 0 || point->objective < front->points[kept - 1].objective)) {
			front->points[kept++] = *point;
		}
	}
	front->count = kept;
}

static double end_of(const struct front *front, size_t i)
{
	return i + 1 < front->count ? front->points[i + 1].loss : front->most;
}

double front_covered(const struct front *front)
{
	double sum = 0;

	for (size_t i = 0; i < front->count; i++) {
		sum += (end_of(front, i) - front->points[i].loss) *
		       (1 - front->points[i].objective);
	}
	return front->fastest < 1 ? sum / (front->most * (1 - front->fastest)) : 0;
}

/* How much may be gained between a point and the next. */
static double room_after(const struct front *front, size_t i)
{
	const struct front_point *point = &front->points[i];
	double next = i + 1 < front->count ? front->points[i + 1].objective : front->fastest;
	double whole = front->fastest < 1 ? 1 - front->fastest : 1;

	return (end_of(front, i) - point->loss) *
	       ((1 - evenly) * (point->objective - next) + evenly * whole);
}

double front_tolerance(const struct front *front, size_t number)
{
	double all = 0, left, room;
	size_t i = 0;

	for (size_t k = 0; k < front->count; k++) {
		all += room_after(front, k);
	}
	left = fmod((double)(number + 1) * golden, 1) * all;
	room = room_after(front, 0);
	while (i + 1 < front->count && left > room) {
		left -= room;
		room = room_after(front, ++i);
	}
	return front->points[i].loss +
	       (end_of(front, i) - front->points[i].loss) * fmin(left / room, 1);
}

struct front_point front_at(const struct front *front, double tolerance)
{
	size_t i = front->count - 1;

	while (i > 0 && front->points[i].loss > tolerance) {
		i--;
	}
	return front->points[i];
}
