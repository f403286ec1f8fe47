/* Holds the synthetic problem that is searched, and measures its configs. */
#include "qp1_kit.h"

#include <stdlib.h>

#include "base/mem.h"

struct qp1 kit_qp1;
struct space *kit_qp1_space;

void kit_qp1_init(size_t operators, uint64_t seed, const struct qp1_hints *hints)
{
	qp1_init(&kit_qp1, operators, seed);
	kit_qp1_space = qp1_space(&kit_qp1, hints);
}

void kit_qp1_finish(void)
{
	space_destroy(kit_qp1_space);
	qp1_finish(&kit_qp1);
}

void kit_qp1_evaluate(const uint16_t *choices, size_t count, struct search_result *ret)
{
	uint16_t *options = mem_new(count, sizeof(*options));

	qp1_options(&kit_qp1, kit_qp1_space, choices, options);
	ret->margin = 1 - (1 - qp1_accuracy(&kit_qp1, options) / 0.76) / 0.01;
	ret->objective = qp1_latency(&kit_qp1, options) / kit_qp1.latency_fp32;
	free(options);
}
