/* Chooses the points of a scatter plot of accuracy against a metric that is open beside it. */
#include "api/scatter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/front.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

/* Of more trials than that one stands for all in a cell of a grid, as in the store's plots. */
enum { ALL_MAX = 400, GRID = 20, FRONT_MAX = 99 };

/* Columns of QUERY_TOLD. */
enum { TRIAL_TEXT, TRIAL_NUMBER };

/* What is kept of every trial: its document is read again when it is drawn. */
struct dot {
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

/* A point of the front, as it compares with the others. */
struct rank {
	size_t row;
	bool feasible;
	double cost;
};

static int by_rank(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->feasible != y->feasible) {
		return x->feasible ? -1 : 1;
	}
	return x->cost != y->cost ? (x->cost < y->cost ? -1 : 1)
				  : (x->row > y->row) - (x->row < y->row);
}

/* null where it was not judged */
static json_t *meets(const json_t *trial)
{
	json_t *feasible = json_object_get(trial, "feasible");
	bool rejected = json_is_object(json_object_get(trial, "rejected"));

	return rejected && json_is_true(feasible) ? json_false() : json_incref(feasible);
}

static struct rank read_rank(const struct store_rows *rows, size_t row)
{
	json_t *trial = json_loads(rows->cells[row * rows->columns + TRIAL_TEXT], 0, NULL);
	const json_t *cost = json_object_get(trial, "objective_value");
	json_t *met = meets(trial);
	struct rank rank = {
		.row = row,
		.feasible = json_is_true(met),
		.cost = json_is_number(cost) ? json_number_value(cost) : INFINITY,
	};

	json_decref(met);
	json_decref(trial);
	return rank;
}

/* Of a front with more points those that meet the criterion come first, and of these the best. */
static void mark_front(const struct spec *spec, const struct store_rows *rows, struct dot *dots)
{
	size_t *front = mem_new(rows->count, sizeof(*front));
	size_t count = front_rows(spec, rows, front);
	struct rank *ranks = mem_new(count, sizeof(*ranks));

	for (size_t i = 0; i < count; i++) {
		ranks[i] = read_rank(rows, front[i]);
	}
	qsort(ranks, count, sizeof(*ranks), by_rank);
	for (size_t i = 0; i < count && i < FRONT_MAX; i++) {
		dots[ranks[i].row].front = true;
	}
	free(front);
	free(ranks);
}

static struct dot *read_dots(const struct spec *spec, const struct store_rows *rows)
{
	struct dot *dots = mem_new(rows->count, sizeof(*dots));

	for (size_t i = 0; i < rows->count; i++) {
		front_measured(spec, &rows->cells[i * rows->columns], &dots[i].accuracy,
			       &dots[i].value);
	}
	mark_front(spec, rows, dots);
	find_cells(dots, rows->count);
	return dots;
}

static void add_dot(const struct dot *dot, const char *document, struct buf *text)
{
	static const char *const members[] = {"kind", "stage", "accuracy", "objective_value"};
	json_t *trial = json_loads(document, 0, NULL);
	json_t *point = json_pack("{s:O, s:f, s:b}", "trial", json_object_get(trial, "number"),
				  "value", dot->value, "front", dot->front);
	char *written;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		(void)json_object_set(point, members[i], json_object_get(trial, members[i]));
	}
	(void)json_object_set_new(point, "feasible", meets(trial));
	json_decref(trial);
	written = json_text_last(point);
	buf_text(text, written);
	free(written);
}

static bool is_baseline(char *const *cells)
{
	return strcmp(cells[TRIAL_NUMBER], "0") == 0;
}

char *scatter_text(const struct outcome *outcome, const struct store_rows *rows)
{
	struct dot *dots = read_dots(outcome->spec, rows);
	bool taken[GRID][GRID] = {{false}};
	const char *before = "";
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	buf_printf(&text, "{\"total\":%zu,\"items\":[", rows->count);
	for (size_t i = 0; i < rows->count; i++) {
		const struct dot *dot = &dots[i];
		char *const *cells = &rows->cells[i * rows->columns];

		if (rows->count <= ALL_MAX || dot->front || is_baseline(cells) ||
		    !taken[dot->x][dot->y]) {
			taken[dot->x][dot->y] = true;
			buf_text(&text, before);
			add_dot(dot, cells[TRIAL_TEXT], &text);
			before = ",";
		}
	}
	buf_text(&text, "],\"next\":null}");
	free(dots);
	return buf_take_whole(&text);
}
