/* The network of model.json with its weights rounded, layer by layer. In your evaluator this is your framework. */
#ifndef EXAMPLES_LANGUAGES_NETWORK_H
#define EXAMPLES_LANGUAGES_NETWORK_H

#include <jansson.h>

/* What can be done to each layer, as docs/capability.md has it. */
json_t *network_capability(const json_t *model);

/* The layers as a config wants them. The winner is deployed by this, too. NULL with a cause in `why` when that cannot be. */
json_t *network_apply(const json_t *model, const json_t *config, long *bytes, char *why,
		      size_t size);

/* The share of the images on which the layers are right. */
double network_accuracy(const json_t *model, const json_t *layers);

#endif
