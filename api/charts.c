/*
 * What charts of a job draw: few points that stand for all trials. The store chooses them, on its own
 * threads.
 */
#include "api/beside.h"
#include "api/outcome.h"
#include "api/resources.h"
#include "api/router.h"
#include "api/scatter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/spec/codec_changes.h"
#include "job/words.h"

enum { FORMATS = 64, MAP_TRIALS = 16, TEXT_MAX = 32 * 1024 * 1024 };

/* The rows' first column as items, their last as the total. */
static void on_points(struct call *call, const struct store_rows *rows)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_printf(&text, "{\"total\":%s,\"items\":[",
		   rows->count > 0 ? rows->cells[rows->columns - 1] : "0");
	for (size_t i = 0; i < rows->count; i++) {
		buf_text(&text, i > 0 ? "," : "");
		buf_text(&text, rows->cells[i * rows->columns]);
	}
	buf_text(&text, "],\"next\":null}");
	call_reply_text(call, 200, "application/json", buf_take(&text, NULL));
}

/* The names of the formats that a map uses, and where each stands. */
struct formats {
	const char *names[FORMATS];
	size_t count;
};

static size_t find_format(struct formats *formats, const char *name)
{
	size_t i = 0;

	while (i < formats->count && strcmp(formats->names[i], name) != 0) {
		i++;
	}
	if (i == formats->count && i < FORMATS) {
		formats->names[formats->count++] = name;
	}
	return i < FORMATS ? i : FORMATS - 1;
}

/* A row's document with what each operator is lowered to. */
static void add_map_row(const struct space *space, char *const *cells, struct formats *formats,
			struct buf *text)
{
	json_t *changes = cells[1] != NULL ? json_loads(cells[1], 0, NULL) : NULL;
	struct config *config = changes != NULL ? codec_changes_read(space, changes) : NULL;
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));

	buf_add(text, cells[0], strlen(cells[0]) - 1);
	buf_text(text, ",\"formats\":[");
	if (config != NULL) {
		config_expand(config, space, choices);
	}
	for (size_t m = 0; config != NULL && m < space->member_count; m++) {
		size_t op = space->members[m].op;
		const char *format = words_format(space, op, choices);

		buf_printf(text, m > 0 ? ",%zu" : "%zu",
			   find_format(formats, format != NULL ? format : "fp32"));
	}
	buf_text(text, "]}");
	free(choices);
	config_destroy(config);
	json_decref(changes);
}

static void on_map(struct call *call, const struct store_rows *rows)
{
	const struct outcome *outcome = call->state;
	const struct space *space = outcome->spec->space;
	struct formats formats = {.count = 0};
	struct buf text;

	(void)find_format(&formats, "fp32");
	buf_init(&text, TEXT_MAX);
	buf_printf(&text, "{\"total\":%s,\"items\":[", rows->count > 0 ? rows->cells[2] : "0");
	for (size_t i = 0; i < rows->count; i++) {
		buf_text(&text, i > 0 ? "," : "");
		add_map_row(space, &rows->cells[i * rows->columns], &formats, &text);
	}
	buf_text(&text, "],\"ops\":[");
	for (size_t m = 0; m < space->member_count; m++) {
		const char *name = space->members[m].name;

		buf_text(&text, m > 0 ? "," : "");
		buf_json_string(&text, name, strlen(name));
	}
	buf_text(&text, "],\"formats\":[");
	for (size_t i = 0; i < formats.count; i++) {
		buf_text(&text, i > 0 ? "," : "");
		buf_json_string(&text, formats.names[i], strlen(formats.names[i]));
	}
	buf_text(&text, "],\"next\":null}");
	call_reply_text(call, 200, "application/json", buf_take(&text, NULL));
}

static const struct {
	const char *name;
	int query;
	size_t values;
	void (*reply)(struct call *call, const struct store_rows *rows);
} charts[] = {{"history", QUERY_CHART_HISTORY, 2, on_points},
	      {"scatter", QUERY_CHART_SCATTER, 3, on_points},
	      {"precision", QUERY_CHART_PRECISION, 4, on_map},
	      {"timeline", QUERY_CHART_TIMELINE, 1, on_points}};

static char *make_scatter(struct call *call, const struct store_rows *rows)
{
	return scatter_text(call->state, rows);
}

static void on_told(struct call *call, const struct store_rows *rows)
{
	beside_reply(call, rows, make_scatter);
}

static void read_chart(struct call *call)
{
	const struct objective *objective = &call->spec->objective;
	struct store_value values[4] = {{.text = call->params[0]}};
	const char *name = strrchr(call->route->path, '/') + 1;
	size_t i = 0;

	if (strcmp(name, "scatter") == 0 && scatter_is_open(call->spec)) {
		call_find(call, QUERY_TOLD, on_told);
		return;
	}
	while (strcmp(charts[i].name, name) != 0) {
		i++;
	}
	values[1].integer =
		objective->count == 1 && objective->metrics[0].higher_is_better ? -1 : 1;
	values[2].integer = call->spec->criterion.metrics[0].higher_is_better ? 1 : -1;
	values[3].integer = MAP_TRIALS;
	call_query(call, charts[i].query, values, charts[i].values, charts[i].reply);
}

static void chart(struct call *call, const struct store_rows *rows)
{
	outcome_keep(call, rows, read_chart);
}

void charts_get(struct call *call)
{
	document_of_job(call, chart);
}
