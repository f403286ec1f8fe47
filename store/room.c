/* Notices a full disk or file, gives the reserve up and takes it back, and shrinks the file. */
#include "store/room.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/db.h"

enum {
	/* Free pages that stay: what was deleted is soon written again. */
	KEPT_PAGES = 64,
	KEPT_PART = 16, /* ... or this part of the file */
	/* At once: a few milliseconds, which the next group waits. */
	GIVEN_PAGES = 256,
	INCREMENTAL = 2,
};

static int64_t pragma(struct room *room, const char *sql)
{
	int64_t value = 0;

	(void)db_integer(room->db, sql, &value, NULL);
	return value;
}

/* The file's limit has a reserve too, of the same size as the disk's. */
static void limit_pages(struct room *room, int64_t reserve)
{
	char *sql;

	if (room->max_pages == 0) {
		return;
	}
	sql = mem_printf("PRAGMA max_page_count = %lld", (long long)(room->max_pages + reserve));
	(void)pragma(room, sql);
	free(sql);
}

int room_init(struct room *room, sqlite3 *db, const struct directory *directory, int64_t max_bytes,
	      struct err *reterr)
{
	struct err err;
	int rc = db_prepare(db, "PRAGMA page_count", &room->pages, reterr);

	if (rc == 0) {
		rc = db_prepare(db, "PRAGMA freelist_count", &room->unused, reterr);
	}
	if (rc == 0) {
		rc = db_integer(db, "PRAGMA page_size", &room->page_bytes, reterr);
	}
	if (rc != 0) {
		return rc;
	}
	room->db = db;
	room->directory = directory;
	room->max_pages = max_bytes / room->page_bytes;
	room->gives_back = pragma(room, "PRAGMA auto_vacuum") == INCREMENTAL;
	limit_pages(room, 0);
	(void)room_count(room);
	err_init(&err);
	if (directory_make_reserve(directory, &err) != 0) {
		room_enter_full(room, err.message);
	}
	return 0;
}

void room_finish(struct room *room)
{
	(void)sqlite3_finalize(room->pages);
	(void)sqlite3_finalize(room->unused);
	room->pages = room->unused = NULL;
}

void room_enter_full(struct room *room, const char *why)
{
	log_line(LOG_ERROR, "no space for new data; only cancelling and deleting go on",
		 LOG_TEXT("detail", why));
	atomic_store(&room->full, true);
	room->probe_at_ms = clock_mono_ms() + ROOM_PROBE_MS;
	directory_drop_reserve(room->directory);
	limit_pages(room, DIRECTORY_RESERVE_BYTES / room->page_bytes);
}

static bool has_space(struct room *room)
{
	(void)room_count(room);
	if (room->max_pages > 0 && atomic_load(&room->used) >= room->max_pages * room->page_bytes) {
		return false;
	}
	return directory_make_reserve(room->directory, NULL) == 0;
}

void room_probe(struct room *room)
{
	if (!atomic_load(&room->full) || clock_mono_ms() < room->probe_at_ms) {
		return;
	}
	room->probe_at_ms = clock_mono_ms() + ROOM_PROBE_MS;
	if (!has_space(room)) {
		return;
	}
	limit_pages(room, 0);
	atomic_store(&room->full, false);
	log_line(LOG_INFO, "there is space for new data again");
}

static bool count(sqlite3_stmt *stmt, int64_t *ret)
{
	bool counted = sqlite3_step(stmt) == SQLITE_ROW;

	*ret = counted ? sqlite3_column_int64(stmt, 0) : 0;
	db_reset(stmt);
	return counted;
}

bool room_count(struct room *room)
{
	int64_t pages, unused;

	if (!count(room->pages, &pages) || !count(room->unused, &unused)) {
		return false;
	}
	atomic_store(&room->whole, pages * room->page_bytes);
	atomic_store(&room->used, (pages - unused) * room->page_bytes);
	room->sparse = room->gives_back && unused > KEPT_PAGES && unused > pages / KEPT_PART;
	return true;
}

bool room_is_sparse(const struct room *room)
{
	return room->sparse && clock_mono_ms() >= room->rest_until_ms;
}

int room_give_back(struct room *room, struct err *reterr)
{
	char *sql = mem_printf("PRAGMA incremental_vacuum(%d)", GIVEN_PAGES);
	int rc = db_exec(room->db, sql, reterr);

	free(sql);
	return rc;
}

void room_rest(struct room *room)
{
	room->rest_until_ms = clock_mono_ms() + ROOM_PROBE_MS;
}
