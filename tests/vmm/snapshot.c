// SPDX-License-Identifier: MIT
#include "snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "state.h"

#define SNAPSHOT_MAGIC "GMEMSNP1"

struct entry {
	char name[BLOB_NAME_LEN];
	uint64_t data_len;
};

static bool write_set(FILE *file, const struct blob_set *set)
{
	uint64_t n_blobs = set->n_blobs;
	bool ok;

	ok = fwrite(SNAPSHOT_MAGIC, 8, 1, file) == 1 && fwrite(&n_blobs, sizeof(n_blobs), 1, file) == 1;
	for (size_t i = 0; i < set->n_blobs && ok; i++) {
		const struct blob *blob = &set->blobs[i];
		struct entry entry = { .data_len = blob->data_len };

		memcpy(entry.name, blob->name, sizeof(entry.name));
		ok = fwrite(&entry, sizeof(entry), 1, file) == 1 && fwrite(blob->data, blob->data_len, 1, file) == 1;
	}
	return ok;
}

int snapshot_save(struct machine *machine, const char *path)
{
	struct blob_set set;
	FILE *file;
	bool ok;
	int err;

	if (machine->memory.is_private)
		return error_set(-EINVAL, "private RAM is not written to files: use a move");
	err = state_save(machine, &set);
	if (err)
		goto out_set;
	file = fopen(path, "we");
	if (!file) {
		err = error_set(-errno, "%s cannot be written", path);
		goto out_set;
	}
	ok = write_set(file, &set);
	for (unsigned int i = 0; i < MEMORY_N_SLOTS && ok; i++)
		ok = fwrite(machine->memory.slots[i].hva, machine->memory.slots[i].size, 1, file) == 1;
	if (fclose(file) || !ok)
		err = error_set(-EIO, "%s cannot be written", path);
out_set:
	blob_set_fini(&set);
	return err;
}

static int read_blob(FILE *file, const char *path, struct blob_set *set)
{
	struct entry entry;
	uint8_t *data;
	int err;

	if (fread(&entry, sizeof(entry), 1, file) != 1 || !entry.data_len || entry.data_len > BLOB_MAX_LEN)
		return error_set(-EPROTO, "%s is damaged", path);
	data = malloc(entry.data_len);
	if (!data)
		return error_set(-ENOMEM, "no memory to read %s", path);
	if (fread(data, entry.data_len, 1, file) != 1)
		err = error_set(-EPROTO, "%s is too short", path);
	else
		err = blob_put_raw(set, entry.name, data, entry.data_len);
	free(data);
	return err;
}

static int read_set(FILE *file, const char *path, struct blob_set *set)
{
	uint64_t n_blobs;
	char magic[8];
	int err = 0;

	if (fread(magic, sizeof(magic), 1, file) != 1 || memcmp(magic, SNAPSHOT_MAGIC, sizeof(magic)) ||
	    fread(&n_blobs, sizeof(n_blobs), 1, file) != 1 || n_blobs > BLOB_MAX_BLOBS)
		return error_set(-EPROTO, "%s is not a guest saved by this program", path);
	for (uint64_t i = 0; i < n_blobs && !err; i++)
		err = read_blob(file, path, set);
	return err;
}

int snapshot_restore(struct machine *machine, const char *path)
{
	struct blob_set set = { .n_blobs = 0 };
	FILE *file = fopen(path, "re");
	int err;

	if (!file)
		return error_set(-errno, "%s cannot be opened", path);
	err = read_set(file, path, &set);
	for (unsigned int i = 0; i < MEMORY_N_SLOTS && !err; i++) {
		if (fread(machine->memory.slots[i].hva, machine->memory.slots[i].size, 1, file) != 1)
			err = error_set(-EPROTO, "%s is too short", path);
	}
	fclose(file);
	if (!err)
		err = state_restore(machine, &set);
	blob_set_fini(&set);
	return err;
}
