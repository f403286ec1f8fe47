/*
 * A call: one request being handled, and everything that has to end with it.
 *
 * Handlers get a call with its path parameters and its parsed body. What they start on its behalf
 * and can be cancelled is cancelled when the client goes away; what cannot (a write) holds a
 * reference, and the answer then has nobody to go to.
 */
#ifndef NARROWD_API_CALL_H
#define NARROWD_API_CALL_H

#include "api/access.h"
#include "api/http/http.h"
#include "api/shelf.h"
#include "backends/hash.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/json.h"
#include "store/query.h"
#include "store/store.h"
#include "courier/courier.h"
#include "tuner/tuner.h"

/* relay.c: of a spare daemon, which hands on what it must not answer. */
struct relays {
	struct fetch *fetch; /* to daemons alone; NULL: there are no others */
	char *ca;            /* of their certificates, PEM; NULL: the system's */
	struct list open;
	uint64_t answered, failed;
	bool is_broken; /* and that was said */
};

/* What the API needs of the process. Borrowed. */
struct server {
	struct loop *loop;
	struct http *http;
	struct store *store;
	struct tuner *tuner;
	struct courier *courier;
	struct fetch *fetch;
	struct relays relays;
	struct access access;
	const struct guard *guard;
	bool draining;
	struct map keys; /* idempotency keys of requests that still run */
	/* Versions of final jobs, which change when somebody edits them only: polling them needs no query. */
	struct map finals;
	int64_t deletions; /* and edits, so far: a read that began before one is not remembered */
	struct list news;  /* calls that wait for what another daemon writes to their job */
	struct shelf shelf;
	struct list makers; /* maker.c: calls that make specs */
	struct list large;  /* beside.c: long documents that wait for their turn */
	bool large_at_work;
	int64_t started_ms;
	char *(*settings)(void); /* JSON of GET /v1/config; the caller frees */
};

struct call;
typedef void call_fn(struct call *call);

enum { CALL_PARAM_SIZE = 72, CALL_TAG_SIZE = 40 };

struct route;
struct relay;
struct maker;
struct wait;

struct call {
	struct server *server;
	struct request *request; /* NULL once it was answered or the client is gone */
	struct identity who;
	const struct route *route;
	char params[2][CALL_PARAM_SIZE];
	json_t *body;
	bool large_body; /* that was parsed by a thread of the pool */
	int refs;
	struct store_query_call *query;
	struct preparation *preparation;
	struct endpoint_call *probe;
	struct webhook_call *test;
	struct poll *poll;
	struct relay *relay;      /* while another daemon is asked, or NULL */
	struct store_hold hold;   /* of the job that the path names */
	struct store_hold source; /* of one to start warm from, whose name is the body's */
	struct endpoint endpoint;
	struct target target;
	struct watch *watch;
	struct wait *wait;
	struct store_watch *change; /* until it comes */
	struct list news;           /* in the server's, or in none */
	bool changed;               /* since call_listen() or call_listen_job() */
	bool waited;
	unsigned wait_s; /* how long the answer may wait for a change; 0: not at all */
	int64_t wait_until_ms;
	/* idempotency.c */
	char *key; /* while the request runs, or NULL */
	struct store_key stored;
	char fingerprint[HASH_SHA256_HEX_SIZE];
	bool tagged; /* the answer has its ETag, which is: */
	char tag[CALL_TAG_SIZE];
	bool live; /* it says of a job what no event says: see tuner/live.h */
	/* What the handler keeps between its steps. */
	char id[CALL_PARAM_SIZE];
	int64_t deletions;  /* when the job was asked for */
	int64_t limit;      /* of a page */
	unsigned names;     /* that were looked for, for a clone */
	int64_t started_ms; /* of a probe */
	int64_t asked_s;    /* when a suggestion was asked for, Unix time */
	void (*next)(struct call *call, const struct store_rows *rows); /* after a query */
	void (*make)(struct call *call, const struct store_rows *rows); /* of a document */
	call_fn *then;       /* after something beside the loop */
	struct maker *maker; /* while it makes a spec, or NULL */
	struct list waits;   /* for another call that does */
	struct err *unmade;  /* document.c: why there is no spec; owned, or NULL */
	struct err *refusal; /* beside.c: why there is no document, or NULL; owned */
	struct spec *spec;   /* of the job; a reference, or NULL */
	bool wants_spec;     /* and nothing else of what was submitted */
	bool older_rules;    /* of the job that is cloned */
	call_fn *go;         /* after the key was looked up */
	void *state;
	void (*state_destroy)(void *state);
};

/* Makes the call of a request; it lives as long as the request and whoever else has a reference. */
struct call *call_create(struct server *server, struct request *request);
void call_ref(struct call *call);
void call_unref(struct call *call);

/*
 * Answers. The call's request is gone afterwards; nothing happens when it is gone already. What a GET
 * answers with 200 gets an ETag made of its text, unless call_tag() gave it one, and becomes a 304
 * when the client has it.
 */
void call_fail(struct call *call, const struct err *err);
/* The same for whom no token lets in. */
void call_refuse(struct call *call, const struct err *err);
void call_error(struct call *call, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void call_reply_json(struct call *call, int status, json_t *value); /* takes over value */
void call_reply_text(struct call *call, int status, const char *type, char *text);
/* The same in two steps, of which the first may be taken by any thread: a long text takes a while. The type lives on. */
struct answer_text {
	char *text;
	size_t length;
	char tag[CALL_TAG_SIZE];
	int status;
	const char *type;
};
void call_answer_make(struct answer_text *answer, const struct call *call, int status,
		      const char *type, char *text);
void call_reply_answer(struct call *call, const struct answer_text *answer);
void call_reply_copy(struct call *call, int status, const char *text);
void call_reply_empty(struct call *call, int status);
/* Answers 200 with what is in gzip already and never changes under its address. */
void call_reply_packed(struct call *call, const char *type, const void *packed, size_t length);

/* Gives the answer this ETag, a weak one when the call is live. Returns false after answering 304. */
bool call_tag(struct call *call, const char *tag);
/* The ETags of a version and of a text, quoted, in CALL_TAG_SIZE bytes. Return `ret`. */
char *call_version_tag(int64_t version, char *ret);
char *call_text_tag(const char *text, char *ret);
/* Whether If-Match is absent or lists `tag`; otherwise answers 412. */
bool call_may_change(struct call *call, const char *tag);
/* Whether the body has no members but the NULL-terminated ones; otherwise answers 422. */
bool call_body_has_only(struct call *call, const char *const *members);

/* Whose rows a query is to give to them: an owner, or null for everybody's. */
struct store_value call_only(const struct call *call);

/* Whether their owner's quota has room for one more job, or (`dry`) for trying one; otherwise answers 429.
 * Admins have none. */
bool call_may_submit(struct call *call, bool dry);
/* Whether it has room for this body, which an open job is to keep; otherwise answers 429. Admins have none. */
bool call_may_add(struct call *call);

/* Whether what it writes may wait with what waits for PostgreSQL; otherwise answers 503. */
bool call_has_room(struct call *call);

/* Puts a query; `next` gets the rows unless it failed, which is answered. */
void call_query(struct call *call, int query, const struct store_value *values, size_t count,
		void (*next)(struct call *call, const struct store_rows *rows));
/* The same for a query whose one value is the id in the path. */
void call_find(struct call *call, int query,
	       void (*next)(struct call *call, const struct store_rows *rows));
/* Whether that has found one; otherwise answers 404, which says that no `what` has the id. */
bool call_found(struct call *call, const struct store_rows *rows, const char *what);
/* Answers 204 when the store has deleted something for a call, to whom it gives the reference back. */
void call_on_deleted(void *arg, int rc, const struct err *err);

/*
 * Before a collection is read: when its answer turns out to be what the client has, and the client
 * prefers to wait, the handler is called again after changes of the topic until it answers something
 * else or the time is over.
 */
void call_may_wait(struct call *call, enum store_topic topic);
/* From now on changes of the topic are noticed, for call_wait_change(). */
void call_listen(struct call *call, enum store_topic topic);
/* The same for changes that another daemon makes to the job of the path. */
void call_listen_job(struct call *call);
/* It has changed the job, or deleted it. */
void call_tell_job(struct server *server, const char *job);
/* Waits for such a change, at most `ms`; then calls `then`. Those of a short while are one. */
void call_wait_change(struct call *call, uint64_t ms, call_fn *then);

/* Waits for news of a job (NULL: of nothing), at most `ms`; then calls `then`. */
void call_wait(struct call *call, const char *job, int64_t version, uint64_t ms, call_fn *then);
void call_wait_end(struct call *call);

#endif
