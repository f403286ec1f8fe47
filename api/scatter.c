/* Chooses the points of a scatter plot of accuracy against a metric that is open beside it. */
#include "api/scatter.h"

#include <stdlib.h>
#include <string.h>

#include "api/front.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "job/job.h"

/* Of more trials than that one stands for all in a cell of a grid, as in the store's plots. */
enum { ALL_MAX = 400, GRID = 20, FRONT_MAX = 99 };

struct dot {
	json_t *trial;
	double value, accuracy;
	size_t x, y; /* its cell */
	bool front;
};

bool scatter_is_open(const struct spec *spec)
{
	return spec->objective.count > 1 && front_metric(spec) != SIZE_MAX;
}

static int by_value(const void *a, const void *b)
{
	const struct dot *x = *(struct dot *const *)a, *y = *(struct dot *const *)b;

	return (x->value > y->value) - (x->value < y->value);
}

static int by_accuracy(const void *a, const void *b)
{
	const struct dot *x = *(struct dot *const *)a, *y = *(struct dot *const *)b;

	return (x->accuracy > y->accuracy) - (x->accuracy < y->accuracy);
}

/* Each row and each column of the grid has as many trials. */
static void find_cells(struct dot *dots, size_t count)
{
	struct dot **order = mem_new(count, sizeof(*order));

	for (size_t i = 0; i < count; i++) {
		order[i] = &dots[i];
	}
	qsort(order, count, sizeof(*order), by_value);
	for (size_t i = 0; i < count; i++) {
		order[i]->x = i * GRID / count;
	}
	qsort(order, count, sizeof(*order), by_accuracy);
	for (size_t i = 0; i < count; i++) {
		order[i]->y = i * GRID / count;
	}
	free(order);
}

static struct dot *read_dots(const struct spec *spec, const struct store_rows *rows)
{
	struct dot *dots = mem_new(rows->count, sizeof(*dots));
	bool *on_front = mem_new(rows->count, sizeof(*on_front));
	double accuracy[LIMIT_METRICS] = {0}, values[LIMIT_METRICS] = {0};

	front_mark(spec, rows, on_front);
	for (size_t i = 0; i < rows->count; i++) {
		dots[i].trial = json_loads(rows->cells[i * rows->columns], 0, NULL);
		dots[i].front = on_front[i];
		job_read_measurement(spec, dots[i].trial, accuracy, values);
		dots[i].value = values[front_metric(spec)];
		dots[i].accuracy = criterion_accuracy(&spec->criterion, accuracy);
	}
	free(on_front);
	find_cells(dots, rows->count);
	return dots;
}

static void add_dot(const struct dot *dot, struct buf *text)
{
	static const char *const members[] = {"kind", "stage", "accuracy", "objective_value",
					      "feasible"};
	json_t *point = json_pack("{s:O, s:f, s:b}", "trial", json_object_get(dot->trial, "number"),
				  "value", dot->value, "front", dot->front);
	char *written;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		(void)json_object_set(point, members[i], json_object_get(dot->trial, members[i]));
	}
	written = json_text_last(point);
	buf_text(text, written);
	free(written);
}

static bool is_baseline(const struct dot *dot)
{
	const char *kind = json_string_value(json_object_get(dot->trial, "kind"));

	return kind != NULL && strcmp(kind, "baseline") == 0;
}

char *scatter_text(const struct outcome *outcome, const struct store_rows *rows)
{
	struct dot *dots = read_dots(outcome->spec, rows);
	bool taken[GRID][GRID] = {{false}};
	size_t fronts = 0;
	const char *before = "";
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	buf_printf(&text, "{\"total\":%zu,\"items\":[", rows->count);
	for (size_t i = 0; i < rows->count; i++) {
		struct dot *dot = &dots[i];

		dot->front = dot->front && fronts++ < FRONT_MAX;
		if (rows->count <= ALL_MAX || dot->front || is_baseline(dot) ||
		    !taken[dot->x][dot->y]) {
			taken[dot->x][dot->y] = true;
			buf_text(&text, before);
			add_dot(dot, &text);
			before = ",";
		}
		json_decref(dot->trial);
	}
	buf_text(&text, "],\"next\":null}");
	free(dots);
	if (text.failed) {
		buf_finish(&text);
		return NULL;
	}
	return buf_take(&text, NULL);
}
