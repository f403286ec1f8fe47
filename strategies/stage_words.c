/* What each stage is for, in words. */
#include "strategies/stage_words.h"

#include <stddef.h>
#include <string.h>

const struct stage_words stage_words[] = {
	{"baseline", "the model as it came"},
	{"import", "a measurement from elsewhere, or of an earlier job"},
	{"score", "how much each operator suffers; no config is tried"},
	{"default", "every operator in its first option"},
	{"op_type_wise", "one choice for all operators of a type"},
	{"dynamic", "ranges that are found at run time"},
	{"lower_precision", "every operator in bf16 or fp16 that can be"},
	{"lower_bits", "fewer bits for one operator"},
	{"uniform", "another value of an option, for all operators at once"},
	{"smooth_quant_alpha", "another alpha of smooth quant"},
	{"weight_only_algorithm", "another algorithm for the weights of all operators"},
	{"all_recipes", "the operators of all recipes back in fp32"},
	{"recipe", "the operators of one recipe back in fp32"},
	{"type_fallback", "the operators of one type back in high precision"},
	{"block_fallback", "one block back in high precision"},
	{"instance_fallback", "one operator back in high precision"},
	{"accumulated_fallback", "the operators that helped most back in high precision, together"},
	{"block_accumulated", "the blocks that helped most back in high precision, together"},
	{"sensitivity_fallback", "the most sensitive operators back in high precision, one by one"},
	{"requantize", "what was put back but need not be, lowered again"},
	{"high_precision", "everything in high precision, to begin with"},
	{"conservative", "one type lowered after the other, kept where the criterion is met"},
	{"bisect", "half of the operators in question back in high precision"},
	{"exhaustive", "one config after the other, until there is no other"},
	{"random", "a config by chance"},
	{"bayesian", "what the strategy expects most of"},
	{"tpe", "what the strategy expects most of"},
	{"knapsack", "what the strategy expects most of"},
	{"sgp", "what the strategy expects most of"},
	{"begin", "an adviser elsewhere is told of the search"},
	{"advised", "what an adviser elsewhere proposed"},
	{"start-up", "configs by chance, for a model to learn from"},
	{"opening", "all operators alike, before anything is learnt"},
	{"front", "the best when another loss is allowed"},
	{"safeguard", "what looks most sensitive back in high precision, after several misses"},
	{"near_copy", "nearly the config whose accuracy is in doubt"},
	{"repeat", "a config again, to learn how much measurements vary"},
	{"group_test", "a part of what is kept in high precision, lowered as a test"},
	{"rival", "what a simpler model than the strategy's own would try"},
	{"culprit", "who made a config fail, found by halves"},
	{"confirm", "the choice and the baseline again, to be sure"},
	{NULL, NULL},
};

const char *stage_words_of(const char *name)
{
	for (const struct stage_words *stage = stage_words; stage->name != NULL; stage++) {
		if (strcmp(stage->name, name) == 0) {
			return stage->words;
		}
	}
	return NULL;
}
