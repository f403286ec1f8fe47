/*
 * A kit for tests that search the synthetic problem (bench/qp1.h), one after the other.
 */
#ifndef NARROWD_TESTS_UNIT_QP1_KIT_H
#define NARROWD_TESTS_UNIT_QP1_KIT_H

#include "bench/qp1.h"
#include "search_kit.h"

/* What is searched now. */
extern struct qp1 kit_qp1;
extern struct space *kit_qp1_space;

void kit_qp1_init(size_t operators, uint64_t seed, const struct qp1_hints *hints);
void kit_qp1_finish(void);
/* What a config of it is worth, exactly: a search_evaluate. */
void kit_qp1_evaluate(const uint16_t *choices, size_t count, struct search_result *ret);

#endif
