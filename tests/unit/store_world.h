/*
 * A store in a fresh directory with a loop of its own, for tests; every call waits for its result.
 */
#ifndef NARROWD_TESTS_UNIT_STORE_WORLD_H
#define NARROWD_TESTS_UNIT_STORE_WORLD_H

#include "store/store.h"

#define WORLD_HEAD                                                                                 \
	"{\"strategy\":\"basic\",\"quant_level\":1,\"seed\":9007199254740991,"                     \
	"\"deterministic\":true,\"stop_on\":\"budget\",\"criterion\":{\"higher_is_better\":true,"  \
	"\"criterion\":\"relative\",\"tolerable_loss\":0.01},\"objective\":\"latency_ms\","        \
	"\"evaluator\":{\"pool\":\"gpu\"},\"warnings\":[{\"pointer\":null,\"detail\":\"odd\"}],"   \
	"\"name\":\"n1\","                                                                         \
	"\"labels\":{\"te\\\"am.x\":\"ed'ge\"},\"parallel\":2,\"max_trials\":50,\"timeout\":0.5}"

enum { T0 = 1000000 };

struct world {
	char directory[64];
	bool standby;           /* it may follow while another one writes */
	int64_t lease_ms;       /* after which another one takes its place; 0: as usual */
	const char *postgresql; /* NULL: the store has no log elsewhere */
	int64_t snapshot_operations;
	struct loop *loop;
	struct store *store;
	size_t waiting;
	int rc; /* of the newest completion */
	struct err err;
	char **cells; /* of the newest query, owned */
	size_t count;
	size_t columns;
};

#define TEXT(value)   ((struct store_value){.text = (value)})
#define NUMBER(value) ((struct store_value){.integer = (value)})
#define NONE          ((struct store_value){.is_null = true})
#define QUERY(world, query, ...)                                                                   \
	world_query(world, query, (struct store_value[]){__VA_ARGS__},                             \
		    sizeof((struct store_value[]){__VA_ARGS__}) / sizeof(struct store_value))

/* What may happen to a job: every type of event but the last state, seven trials. */
enum { WORLD_LIFE = 25 };
extern const struct log_event world_life[WORLD_LIFE];
#define FINISHED                                                                                   \
	(&(struct log_event){LOGGED_STATE_CHANGED, T0 + 1000, -1,                                  \
			     "{\"state\":\"completed\",\"active_s\":7.5,"                          \
			     "\"exit\":{\"reason\":\"max_trials\",\"detail\":\"d\"}}"})

/* Opens the store of the directory again. */
void world_open(struct world *world, int64_t max_bytes);
/* Opens the store of the directory, which must fail. Returns how. */
int world_refused(const struct world *world, struct err *reterr);
/* A fresh directory and an open store in it; max_bytes as in struct store_options. */
void world_start(struct world *world, int64_t max_bytes);
/* The same without the store. */
void world_prepare(struct world *world, const char *postgresql);
/* The same with the store, whose log is there. */
void world_start_at(struct world *world, const char *postgresql);
/* Of store_on_lost(): keeps why in the struct err that `arg` is. */
void world_note_lost(void *arg, const struct err *why);
/* Of a move during which no daemon may run. */
extern const struct store_mover world_mover_alone;
/* Moves the database of the directory there. Returns what store_migrate_to() does. */
int world_move_to(const struct world *from, const char *url, const struct store_mover *who,
		  struct store_moved *ret, struct err *reterr);
/* The callback of store_stop(): closes the loop. */
void world_stopped(void *arg);
/* Stops the store and its loop; the directory stays. */
void world_close(struct world *world);
/* Removes everything. */
void world_finish(struct world *world);
/* The path of a file in the data directory; the caller frees it. */
char *world_path(const struct world *world, const char *name);
/* The callback of a write: counts down `waiting`, keeps the result. */
void world_done(void *arg, int rc, const struct err *err);
/* Runs the loop until nothing is waited for. */
void world_wait(struct world *world);
/* Inserts a job whose head is WORLD_HEAD and whose log has one event. Returns what the store said. */
int world_insert(struct world *world, const char *id, const struct store_key *key);
/* Appends and returns what the store said. */
int world_append(struct world *world, const char *job, int64_t version,
		 const struct log_event *events, size_t count, const struct store_key *key);
/* The callback of a query: as world_done(), and keeps the rows. */
void world_rows(void *arg, int rc, const struct store_rows *rows, const struct err *err);
/* Returns the number of rows. QUERY() spells the list of values. */
size_t world_query(struct world *world, int query, const struct store_value *values, size_t count);
/* A cell of the newest query. */
const char *world_cell(const struct world *world, size_t row, size_t column);
/* Fails the test unless the projections follow from the log. */
void world_verify(const struct world *world);
/* Runs SQL on the file as an outsider would. */
void world_outside(const struct world *world, const char *sql);
/* A job with all of world_life behind its first event. */
void world_insert_with_life(struct world *world, const char *id);
/* A warning: an event that any job may have. */
extern const struct log_event world_more;
/* One more result is waited for. */
void world_expect(struct world *world);
/* Some of everything that can be written. */
void world_write_all(struct world *world);
/* All that is in the tables, but for what is sealed, each time as another text. The caller frees it. */
char *world_contents(const struct world *world);
/* Another daemon of the same database has its key. */
void world_share_key(const struct world *from, const struct world *to);
/* Runs a command, which must succeed, and frees it. */
void world_shell(char *command);

#endif
