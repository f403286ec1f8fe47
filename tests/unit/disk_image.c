/* Builds files anew from the steps that a disk was asked to take. */
#include "tests/unit/disk_image.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SECTOR = 512 };

const char *const disk_image_names[IMAGE_KINDS] = {
	"killed behind step", "without power behind step", "with some of its sectors behind step"};

static struct disk_stored *stored_of(struct disk_image *image, const char *name)
{
	struct disk_stored *file;

	for (size_t i = 0; i < image->count; i++) {
		if (strcmp(image->files[i].name, name) == 0) {
			return &image->files[i];
		}
	}
	cr_assert_lt(image->count, DISK_FILES, "one file more: %s", name);
	file = &image->files[image->count++];
	(void)snprintf(file->name, sizeof(file->name), "%s", name);
	file->seen = mem_new(DISK_FILE_MAX, 1);
	file->synced = mem_new(DISK_FILE_MAX, 1);
	return file;
}

void disk_image_init(struct disk_image *image, const char *name, const unsigned char *bytes,
		     size_t size)
{
	struct disk_stored *file;

	memset(image, 0, sizeof(*image));
	file = stored_of(image, name);
	memcpy(file->seen, bytes, size);
	memcpy(file->synced, bytes, size);
	file->seen_size = file->synced_size = size;
}

void disk_image_finish(struct disk_image *image)
{
	for (size_t i = 0; i < image->count; i++) {
		free(image->files[i].seen);
		free(image->files[i].synced);
	}
}

void disk_image_step(struct disk_image *image, const struct disk_step *step)
{
	struct disk_stored *file = stored_of(image, step->name);

	switch (step->change) {
	case DISK_NOTE:
		break;
	case DISK_WRITE:
		cr_assert_leq((size_t)step->at + step->size, DISK_FILE_MAX);
		memcpy(file->seen + step->at, step->data, step->size);
		if ((size_t)step->at + step->size > file->seen_size) {
			file->seen_size = (size_t)step->at + step->size;
		}
		break;
	case DISK_TRUNCATE:
		file->seen_size = (size_t)step->at;
		memset(file->seen + step->at, 0, DISK_FILE_MAX - (size_t)step->at);
		break;
	case DISK_SYNC:
		memcpy(file->synced, file->seen, DISK_FILE_MAX);
		file->synced_size = file->seen_size;
		break;
	case DISK_DELETE:
		file->seen_size = file->synced_size = 0;
		break;
	}
}

static void put(const char *folder, const char *name, const unsigned char *bytes, size_t size)
{
	char *path = mem_printf("%s/%s", folder, name);
	FILE *file = fopen(path, "wb");

	cr_assert_not_null(file, "%s", path);
	cr_assert_eq(fwrite(bytes, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
	free(path);
}

/* What a disk without power has of a file that was not synced: of each sector the old or the new, and any length between. */
static void put_some(const char *folder, const struct disk_stored *file, struct rng *rng)
{
	unsigned char *some = mem_new(DISK_FILE_MAX, 1);
	size_t size = rng_below(rng, 2) == 0 ? file->seen_size : file->synced_size;

	memcpy(some, file->synced, DISK_FILE_MAX);
	for (size_t at = 0; at < size; at += SECTOR) {
		if (rng_below(rng, 2) == 0) {
			memcpy(some + at, file->seen + at, SECTOR);
		}
	}
	put(folder, file->name, some, size);
	free(some);
}

void disk_image_put(const struct disk_image *image, const char *folder, enum disk_image_kind kind,
		    struct rng *rng)
{
	for (size_t i = 0; i < image->count; i++) {
		const struct disk_stored *file = &image->files[i];

		if (kind == IMAGE_KILLED) {
			put(folder, file->name, file->seen, file->seen_size);
		} else if (kind == IMAGE_POWER_LOST) {
			put(folder, file->name, file->synced, file->synced_size);
		} else {
			put_some(folder, file, rng);
		}
	}
}
