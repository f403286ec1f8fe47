/*
 * Configs as other tools read them: each a pure function of a job's outcome and one config, in a
 * file of its own, with nothing in it that the tool does not know.
 */
#ifndef NARROWD_API_FORMAT_H
#define NARROWD_API_FORMAT_H

#include "api/outcome.h"

/* `config` is as outcome_config() makes it, *ret a new reference. What a tool cannot be told is
 * ERR_INVALID_FIELD with the operator and the option. Any thread. */
typedef int format_fn(const struct outcome *outcome, const json_t *config, json_t **ret,
		      struct err *reterr);

format_fn format_autoround, format_inc, format_llmcompressor, format_modelopt, format_onnxruntime,
	format_openvino, format_quark, format_torchao;

#endif
