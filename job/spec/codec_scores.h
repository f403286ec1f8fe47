/*
 * Scores of operators that somebody had made elsewhere (docs/api.md, "Scores of another tool").
 */
#ifndef NARROWD_JOB_SPEC_CODEC_SCORES_H
#define NARROWD_JOB_SPEC_CODEC_SCORES_H

#include "base/json.h"
#include "space/rescored.h"

/*
 * Reads {"conv1": 0.12, "fc": [{"when": {"mode": "static"}, "score": 0.3}]}: what rescored_create() makes
 * the space with these scores of. The caller's. NULL when anything is wrong, and every fault is reported through `at`. Any
 * thread.
 */
struct rescore *codec_scores_read(const struct space *space, const struct json_at *at);

#endif
