/*
 * The files of a folder as they are behind a step of what a disk was asked (fault_vfs.h), whatever stops the machine there.
 */
#ifndef NARROWD_TESTS_UNIT_DISK_IMAGE_H
#define NARROWD_TESTS_UNIT_DISK_IMAGE_H

#include "base/rng.h"
#include "tests/unit/fault_vfs.h"

enum { DISK_FILE_MAX = 1 << 20, DISK_FILES = 8 };

/* A file as the disk has it, and as programs see it until the machine stops. */
struct disk_stored {
	char name[32];
	unsigned char *seen, *synced; /* DISK_FILE_MAX each; owned */
	size_t seen_size, synced_size;
};

struct disk_image {
	struct disk_stored files[DISK_FILES];
	size_t count;
};

enum disk_image_kind {
	IMAGE_KILLED,     /* the process: what it wrote is there */
	IMAGE_POWER_LOST, /* nothing that was not synced */
	IMAGE_SOME,       /* any sectors of what was not synced */
	IMAGE_KINDS
};

/* "killed behind step" ... for messages. */
extern const char *const disk_image_names[IMAGE_KINDS];

/* One file with these bytes, synced. */
void disk_image_init(struct disk_image *image, const char *name, const unsigned char *bytes,
		     size_t size);
void disk_image_finish(struct disk_image *image);
/* Takes a step that is no note. */
void disk_image_step(struct disk_image *image, const struct disk_step *step);
/* Writes its files into a folder; others that are there stay. */
void disk_image_put(const struct disk_image *image, const char *folder, enum disk_image_kind kind,
		    struct rng *rng);

#endif
