// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "../manifest.h"
#include "../secmem.h"
#include "writer.h"

struct snapfile_writer {
	struct file_names names;
	int dir_fd, fd;
	bool has_partial, has_name, published;
	uint64_t off;			/* of the next byte */
	uint64_t n_written;		/* chunks */
	struct snapfile_header header;
	struct snapfile_index index;
	struct snapfile_keys *keys;	/* locked memory */
	uint8_t *part;			/* locked memory: a part of a state */
};

/* A sentence that begins with what failed; returns @r. */
static int fail(const struct snapfile_writer *writer, int r, char *ret_error, const char *what, const char *suffix)
{
	const char *hint = r == -ENOSPC || r == -EDQUOT || r == -EFBIG ?
			   ": make room, or name a file on another file system" : "";

	snprintf(ret_error, SNAPFILE_ERROR_LEN, "cannot %s %.80s%s: %s%s", what, writer->names.path, suffix, strerror(-r), hint);
	return r;
}

static int open_files(struct snapfile_writer *writer, const char *folder, char *ret_error)
{
	writer->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (writer->dir_fd < 0)
		return fail(writer, -errno, ret_error, "open the folder of", "");
	if (faccessat(writer->dir_fd, writer->names.name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		snprintf(ret_error, SNAPFILE_ERROR_LEN, "%.80s is there already, and no snapshot is replaced: name another "
			 "file", writer->names.path);
		return -EEXIST;
	}
	writer->fd = openat(writer->dir_fd, writer->names.partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (writer->fd < 0 && errno == EEXIST) {
		snprintf(ret_error, SNAPFILE_ERROR_LEN, "%.80s" FILE_PARTIAL " is there: another gmem-source writes it, or "
			 "was killed; remove it if none runs", writer->names.path);
		return -EEXIST;
	}
	if (writer->fd < 0)
		return fail(writer, -errno, ret_error, "make", FILE_PARTIAL);
	writer->has_partial = true;
	return 0;
}

int snapfile_writer_open(const char *path, struct snapfile_writer **ret_writer, char *ret_error)
{
	struct snapfile_writer *writer = calloc(1, sizeof(*writer));
	char folder[PATH_MAX];
	int r;

	if (writer == NULL) {
		snprintf(ret_error, SNAPFILE_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	writer->fd = writer->dir_fd = -1;
	signal(SIGXFSZ, SIG_IGN);	/* a limit of the length of files is an error like another */
	r = file_split(path, &writer->names, folder);
	if (r < 0)
		fail(writer, r, ret_error, "write", "");
	else
		r = open_files(writer, folder, ret_error);
	if (r < 0) {
		snapfile_writer_free(writer);
		return r;
	}
	*ret_writer = writer;
	return 0;
}

void snapfile_writer_free(struct snapfile_writer *writer)
{
	if (writer == NULL)
		return;
	if (!writer->published)
		(void)snapfile_writer_discard(writer);
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->dir_fd >= 0)
		close(writer->dir_fd);
	snapfile_index_fini(&writer->index);
	secmem_free(writer->keys);
	secmem_free(writer->part);
	free(writer);
}

int snapfile_writer_give(struct snapfile_writer *writer, uid_t uid, gid_t gid, char *ret_error)
{
	return fchown(writer->fd, uid, gid) < 0 ? fail(writer, -errno, ret_error, "give away", FILE_PARTIAL) : 0;
}

static int append(struct snapfile_writer *writer, const uint8_t *bytes, size_t len, char *ret_error)
{
	int r = file_write(writer->fd, bytes, len);

	if (r < 0)
		return fail(writer, r, ret_error, "write", FILE_PARTIAL);
	writer->off += len;
	return 0;
}

int snapfile_writer_begin(struct snapfile_writer *writer, const struct attest_keypair *keypair,
			  const struct snapfile_header *header, char *ret_error)
{
	uint8_t bytes[SNAPFILE_HEADER_LEN];
	int r;

	writer->header = *header;
	randombytes_buf(writer->header.id, SNAPFILE_ID_LEN);
	writer->keys = secmem_alloc(sizeof(*writer->keys));
	writer->part = secmem_alloc(SNAPFILE_PART_HEAD_LEN + SNAPFILE_PART_MAX);
	r = writer->keys == NULL || writer->part == NULL ? -ENOMEM : snapfile_index_init(&writer->index, header->n_pages);
	if (r == 0)
		r = snapfile_keys_make(keypair, &writer->header, writer->keys);
	if (r < 0) {
		snprintf(ret_error, SNAPFILE_ERROR_LEN, r == -EINVAL ? "the recipient's public key is none" :
			 "no memory for the snapshot that can be locked: raise the limit (RLIMIT_MEMLOCK) to 8 MiB");
		return r;
	}
	snapfile_header_encode(&writer->header, bytes);
	return append(writer, bytes, sizeof(bytes), ret_error);
}

int snapfile_writer_pages(struct snapfile_writer *writer, uint64_t map, uint8_t *pages, char *ret_error)
{
	const uint64_t number = writer->n_written++;
	const struct snapfile_place place = {
		.id = writer->header.id, .kind = SNAPFILE_PAGES_KIND, .number = number, .first = number * SNAPFILE_PAGES,
		.map = map,
	};
	const uint32_t len = snapfile_chunk_len(map);

	writer->index.maps[number] = map;
	if (map == 0)
		return 0;
	snapfile_seal(writer->keys, &place, pages, len, pages, writer->index.tags[number]);
	return append(writer, pages, len, ret_error);
}

static int write_part(struct snapfile_writer *writer, const struct states_part *part, const uint8_t *data, size_t len,
		      char *ret_error)
{
	struct snapfile_part *entry = &writer->index.parts[writer->index.n_parts];
	const struct snapfile_place place = {
		.id = writer->header.id, .kind = SNAPFILE_STATE_KIND, .number = writer->index.n_parts,
	};

	snapfile_part_encode(part, writer->part);
	if (len > 0)
		memcpy(writer->part + SNAPFILE_PART_HEAD_LEN, data, len);
	entry->len = (uint32_t)(SNAPFILE_PART_HEAD_LEN + len);
	snapfile_seal(writer->keys, &place, writer->part, entry->len, writer->part, entry->tag);
	writer->index.n_parts++;
	return append(writer, writer->part, entry->len, ret_error);
}

static int write_state(struct snapfile_writer *writer, const struct states *states, uint32_t number, char *ret_error)
{
	const struct gmem_state *state = &states->states[number];
	struct states_part part = {
		.index = number, .n_states = states->n_states, .total_len = (uint32_t)state->data_len,
	};
	size_t len;
	int r;

	memcpy(part.name, state->name, sizeof(part.name));
	do {
		len = state->data_len - part.offset < SNAPFILE_PART_MAX ? state->data_len - part.offset : SNAPFILE_PART_MAX;
		r = write_part(writer, &part, (const uint8_t *)state->data + part.offset, len, ret_error);
		part.offset += (uint32_t)len;
	} while (r == 0 && part.offset < state->data_len);
	return r;
}

int snapfile_writer_states(struct snapfile_writer *writer, const struct states *states, char *ret_error)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i < states->n_states && r == 0; i++)
		r = write_state(writer, states, i, ret_error);
	return r;
}

int snapfile_writer_manifest(struct snapfile_writer *writer, const uint8_t *bytes, size_t len, char *ret_error)
{
	const struct snapfile_place place = { .id = writer->header.id, .kind = SNAPFILE_MANIFEST_KIND };
	uint8_t *sealed = malloc(len);
	int r;

	if (sealed == NULL)
		return fail(writer, -ENOMEM, ret_error, "write", FILE_PARTIAL);
	writer->index.manifest.len = (uint32_t)len;
	snapfile_seal(writer->keys, &place, bytes, len, sealed, writer->index.manifest.tag);
	r = append(writer, sealed, len, ret_error);
	free(sealed);
	return r;
}

static int write_index(struct snapfile_writer *writer, struct snapfile_trailer *trailer, char *ret_error)
{
	const struct snapfile_place place = { .id = writer->header.id, .kind = SNAPFILE_INDEX_KIND };
	uint8_t *bytes, *sealed;
	size_t len;
	int r = snapfile_index_encode(&writer->index, &bytes, &len);

	if (r < 0)
		return fail(writer, r, ret_error, "write", FILE_PARTIAL);
	sealed = malloc(len);
	if (sealed == NULL) {
		free(bytes);
		return fail(writer, -ENOMEM, ret_error, "write", FILE_PARTIAL);
	}
	*trailer = (struct snapfile_trailer){
		.index_off = writer->off, .index_len = len, .file_len = writer->off + len + SNAPFILE_TRAILER_LEN,
	};
	snapfile_seal(writer->keys, &place, bytes, len, sealed, trailer->index_tag);
	snapfile_root(writer->keys, &writer->header, bytes, len, trailer, trailer->root);
	r = append(writer, sealed, len, ret_error);
	free(bytes);
	free(sealed);
	return r;
}

/* syscalls: fsync */
int snapfile_writer_finish(struct snapfile_writer *writer, uint8_t ret_root[SNAPFILE_ROOT_LEN], char *ret_error)
{
	uint8_t bytes[SNAPFILE_TRAILER_LEN];
	struct snapfile_trailer trailer;
	int r = write_index(writer, &trailer, ret_error);

	if (r < 0)
		return r;
	snapfile_trailer_encode(&trailer, bytes);
	r = append(writer, bytes, sizeof(bytes), ret_error);
	if (r == 0 && (fsync(writer->fd) < 0 || fsync(writer->dir_fd) < 0))
		r = fail(writer, -errno, ret_error, "bring to the disk", FILE_PARTIAL);
	if (r == 0)
		memcpy(ret_root, trailer.root, SNAPFILE_ROOT_LEN);
	return r;
}

/* link() and not rename(): somebody else's file of that name stays what it is. */
/* syscalls: fsync linkat unlinkat */
int snapfile_writer_publish(struct snapfile_writer *writer, char *ret_error)
{
	if (linkat(writer->dir_fd, writer->names.partial, writer->dir_fd, writer->names.name, 0) < 0)
		return fail(writer, -errno, ret_error, "give its name to", FILE_PARTIAL);
	writer->has_name = true;
	if (fsync(writer->dir_fd) < 0)
		return fail(writer, -errno, ret_error, "bring to the disk", "");
	writer->published = true;
	if (unlinkat(writer->dir_fd, writer->names.partial, 0) == 0)
		writer->has_partial = false;
	return 0;
}

/* syscalls: fsync unlinkat */
int snapfile_writer_discard(struct snapfile_writer *writer)
{
	int r = 0;

	if (writer->has_name && unlinkat(writer->dir_fd, writer->names.name, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (writer->has_partial && unlinkat(writer->dir_fd, writer->names.partial, 0) < 0 && errno != ENOENT && r == 0)
		r = -errno;
	if (r == 0 && (writer->has_name || writer->has_partial) && fsync(writer->dir_fd) < 0)
		r = -errno;
	if (r == 0)
		writer->has_name = writer->has_partial = false;
	return r;
}

uint64_t snapfile_writer_bytes(const struct snapfile_writer *writer)
{
	return writer->off;
}
