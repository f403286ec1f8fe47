/* What a stage is for, in words: one table for all who show a stage to people. */
#ifndef NARROWD_STRATEGIES_STAGE_WORDS_H
#define NARROWD_STRATEGIES_STAGE_WORDS_H

struct stage_words {
	const char *name;  /* as trials have it */
	const char *words; /* what is tried; what follows a colon */
};

/* Of the strategies that are built in and of the job itself; ends with a name that is NULL. */
extern const struct stage_words stage_words[];

/* What a stage is for; NULL for one that the table lacks, as a plug-in may have them. */
const char *stage_words_of(const char *name);

#endif
