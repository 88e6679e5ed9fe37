// SPDX-License-Identifier: MIT
/*
 * Slots hold the chunks that were opened last.  A reader takes a slot that nobody else has just now, the one with its
 * chunk if it can, so that a fault does not wait for the background stream's chunk.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "../secmem.h"
#include "file.h"
#include "reader.h"

#define N_SLOTS 4u		/* more than threads that read */
#define NO_CHUNK UINT64_MAX

struct slot {
	pthread_mutex_t lock;
	uint64_t chunk;		/* lock; NO_CHUNK: none */
	atomic_uint_fast64_t used;	/* when; 0: never */
	uint8_t *pages;		/* lock; locked memory */
};

struct snapfile_reader {
	int fd;
	uint64_t file_len;
	struct snapfile_header header;
	struct snapfile_trailer trailer;
	struct snapfile_index index;
	struct snapfile_keys *keys;	/* locked memory */
	struct manifest *manifest;
	struct states states;
	bool may_be_old;
	atomic_uint_fast64_t clock;
	struct slot slots[N_SLOTS];
};

static int fail(int r, char *ret_error, const struct snapfile_wanted *wanted, const char *what)
{
	snprintf(ret_error, SNAPFILE_READ_ERROR_LEN, "the snapshot %.80s %s", wanted->path, what);
	return r;
}

static int fail_io(int r, char *ret_error, const struct snapfile_wanted *wanted)
{
	snprintf(ret_error, SNAPFILE_READ_ERROR_LEN, "cannot read the snapshot %.80s: %s", wanted->path, strerror(-r));
	return r;
}

int snapfile_reader_open(const char *path, int *ret_fd, char *ret_error)
{
	int r = file_open(path, ret_fd);

	if (r < 0)
		snprintf(ret_error, SNAPFILE_READ_ERROR_LEN, "cannot open the snapshot %.80s: %s", path,
			 r == -EINVAL ? "it is no file" : strerror(-r));
	return r;
}

/* ---- whose it is ---- */

static int check_parties(const struct snapfile_reader *reader, const struct snapfile_wanted *wanted, char *ret_error)
{
	const struct snapfile_header *header = &reader->header;

	if (memcmp(header->recipient, attest_keypair_public(wanted->recipient), ATTEST_KEY_LEN) != 0)
		return fail(-EACCES, ret_error, wanted, "is for another recipient than this host's --key");
	if (memcmp(header->writer, wanted->writer, ATTEST_KEY_LEN) != 0)
		return fail(-EACCES, ret_error, wanted, "was written by another host than --snapshot-writer names");
	if (memcmp(header->vm_id, wanted->vm_id, ATTEST_ID_LEN) != 0)
		return fail(-EACCES, ret_error, wanted, "is of another VM than --vm-id or the ticket names");
	return 0;
}

/* After the root MAC holds: is it the last one? */
static int check_fresh(struct snapfile_reader *reader, const struct snapfile_wanted *wanted, char *ret_error)
{
	const uint64_t incarnation = reader->header.incarnation;

	if (wanted->has_root)
		return sodium_memcmp(wanted->root, reader->trailer.root, SNAPFILE_ROOT_LEN) == 0 ? 0 :
		       fail(-EACCES, ret_error, wanted, "is not the one that --snapshot-root names: an older one, perhaps");
	if (wanted->incarnation != 0 && incarnation != 0) {
		if (wanted->incarnation == incarnation + 1)
			return 0;
		if (!wanted->allow_rollback)
			return fail(-EACCES, ret_error, wanted, "is not the last one: the ticket's incarnation does not follow "
				    "the snapshot's by 1");
	}
	reader->may_be_old = true;
	return wanted->allow_rollback ? 0 :
	       fail(-EACCES, ret_error, wanted, "may be an older one than the last: name it with --snapshot-root, or say "
		    "--allow-rollback");
}

/* ---- all but the pages ---- */

static int read_ends(struct snapfile_reader *reader, const struct snapfile_wanted *wanted, char *ret_error)
{
	uint8_t head[SNAPFILE_HEADER_LEN], tail[SNAPFILE_TRAILER_LEN];
	const char *why = "";
	int r;

	if (reader->file_len < SNAPFILE_HEADER_LEN + SNAPFILE_TRAILER_LEN)
		return fail(-EBADMSG, ret_error, wanted, "is cut short: it was not written to the end, or was not copied whole");
	r = file_read_at(reader->fd, 0, head, sizeof(head));
	if (r == 0)
		r = file_read_at(reader->fd, reader->file_len - sizeof(tail), tail, sizeof(tail));
	if (r < 0)
		return fail_io(r, ret_error, wanted);
	r = snapfile_header_decode(head, &reader->header, &why);
	if (r == 0)
		r = snapfile_trailer_decode(tail, reader->file_len, &reader->trailer, &why);
	return r < 0 ? fail(r, ret_error, wanted, why) : 0;
}

/* A sealed piece, in the clear. */
static int read_piece(const struct snapfile_reader *reader, const struct snapfile_place *place, uint64_t off,
		      const uint8_t tag[SNAPFILE_TAG_LEN], uint8_t *ret_bytes, size_t len)
{
	int r = file_read_at(reader->fd, off, ret_bytes, len);

	return r < 0 ? r : snapfile_unseal(reader->keys, place, ret_bytes, len, tag);
}

static int read_index(struct snapfile_reader *reader, const struct snapfile_wanted *wanted, char *ret_error)
{
	const struct snapfile_trailer *trailer = &reader->trailer;
	const struct snapfile_place place = { .id = reader->header.id, .kind = SNAPFILE_INDEX_KIND };
	uint8_t root[SNAPFILE_ROOT_LEN], *bytes;
	int r;

	bytes = malloc(trailer->index_len > 0 ? trailer->index_len : 1);
	if (bytes == NULL)
		return fail_io(-ENOMEM, ret_error, wanted);
	r = read_piece(reader, &place, trailer->index_off, trailer->index_tag, bytes, trailer->index_len);
	if (r == 0) {
		snapfile_root(reader->keys, &reader->header, bytes, trailer->index_len, trailer, root);
		r = sodium_memcmp(root, trailer->root, sizeof(root)) == 0 ? 0 : -EBADMSG;
	}
	if (r == 0)
		r = snapfile_index_decode(bytes, trailer->index_len, reader->header.n_pages, trailer->index_off,
					  &reader->index);
	free(bytes);
	return r == -EBADMSG ? fail(r, ret_error, wanted, "was altered: its header, index or root MAC is not what was written")
	       : r < 0 ? fail_io(r, ret_error, wanted) : 0;
}

static int decode_manifest(struct snapfile_reader *reader, const uint8_t *bytes, size_t len)
{
	struct gmem_region regions[GMEM_MAX_REGIONS];
	struct manifest *layout = NULL;
	size_t n_regions;
	int r = manifest_decode_regions(bytes, len, reader->header.n_pages, regions, &n_regions);

	if (r == 0)
		r = manifest_new(regions, n_regions, &layout);
	if (r == 0)
		r = manifest_decode(bytes, len, layout, &reader->manifest);
	manifest_free(layout);
	return r == 0 || r == -ENOMEM ? r : -EBADMSG;
}

static int read_manifest(struct snapfile_reader *reader, const struct snapfile_wanted *wanted, char *ret_error)
{
	const struct snapfile_part *part = &reader->index.manifest;
	const struct snapfile_place place = { .id = reader->header.id, .kind = SNAPFILE_MANIFEST_KIND };
	uint8_t *bytes = malloc(part->len);
	int r;

	if (bytes == NULL)
		return fail_io(-ENOMEM, ret_error, wanted);
	r = read_piece(reader, &place, part->off, part->tag, bytes, part->len);
	if (r == 0)
		r = decode_manifest(reader, bytes, part->len);
	free(bytes);
	return r == -EBADMSG ? fail(r, ret_error, wanted, "was altered: its manifest is not what was written") :
	       r < 0 ? fail_io(r, ret_error, wanted) : 0;
}

static int read_states(struct snapfile_reader *reader, const struct snapfile_wanted *wanted, char *ret_error)
{
	struct snapfile_place place = { .id = reader->header.id, .kind = SNAPFILE_STATE_KIND };
	uint8_t *bytes = secmem_alloc(SNAPFILE_PART_HEAD_LEN + SNAPFILE_PART_MAX);
	struct states_part part;
	const uint8_t *data;
	size_t len;
	int r = bytes == NULL ? -ENOMEM : 0;
	uint32_t i;

	for (i = 0; i < reader->index.n_parts && r == 0; i++) {
		const struct snapfile_part *entry = &reader->index.parts[i];

		place.number = i;
		r = read_piece(reader, &place, entry->off, entry->tag, bytes, entry->len);
		if (r == 0)
			r = snapfile_part_decode(bytes, entry->len, &part, &data, &len);
		if (r == 0)
			r = states_add(&reader->states, &part, data, len);
	}
	if (r == 0)
		r = states_check(&reader->states, reader->states.n_states);
	secmem_free(bytes);
	return r == -EBADMSG || r == -EPROTO ? fail(-EBADMSG, ret_error, wanted, "was altered: its states are not what was "
						    "written") : r < 0 ? fail_io(r, ret_error, wanted) : 0;
}

static int read_all(struct snapfile_reader *reader, const struct snapfile_wanted *wanted, char *ret_error)
{
	int r = read_ends(reader, wanted, ret_error);

	if (r == 0)
		r = check_parties(reader, wanted, ret_error);
	if (r < 0)
		return r;
	r = snapfile_keys_unwrap(wanted->recipient, &reader->header, reader->keys);
	if (r == -EBADMSG)
		return fail(r, ret_error, wanted, "was altered: its header is not what its writer wrote");
	if (r < 0)
		return fail_io(r, ret_error, wanted);
	r = read_index(reader, wanted, ret_error);
	if (r == 0)
		r = check_fresh(reader, wanted, ret_error);
	if (r == 0)
		r = read_manifest(reader, wanted, ret_error);
	return r == 0 ? read_states(reader, wanted, ret_error) : r;
}

/* ---- making ---- */

static int make_slots(struct snapfile_reader *reader)
{
	unsigned int i;

	for (i = 0; i < N_SLOTS; i++) {
		pthread_mutex_init(&reader->slots[i].lock, NULL);
		reader->slots[i].chunk = NO_CHUNK;
		reader->slots[i].pages = secmem_alloc(SNAPFILE_CHUNK_LEN);
		if (reader->slots[i].pages == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void free_memory(struct snapfile_reader *reader)
{
	unsigned int i;

	for (i = 0; i < N_SLOTS; i++)
		secmem_free(reader->slots[i].pages);
	secmem_free(reader->keys);
	snapfile_index_fini(&reader->index);
	manifest_free(reader->manifest);
	states_fini(&reader->states);
	free(reader);
}

int snapfile_reader_new(int fd, const struct snapfile_wanted *wanted, struct snapfile_reader **ret_reader,
			char *ret_error)
{
	struct snapfile_reader *reader = calloc(1, sizeof(*reader));
	const off_t len = lseek(fd, 0, SEEK_END);
	int r;

	if (reader == NULL || len < 0) {
		r = reader == NULL ? -ENOMEM : -errno;
		free(reader);
		return fail_io(r, ret_error, wanted);
	}
	reader->fd = fd;
	reader->file_len = (uint64_t)len;
	states_init(&reader->states);
	reader->keys = secmem_alloc(sizeof(*reader->keys));
	r = reader->keys != NULL ? read_all(reader, wanted, ret_error) : -ENOMEM;
	if (r == 0)
		r = make_slots(reader);
	if (r == -ENOMEM)
		snprintf(ret_error, SNAPFILE_READ_ERROR_LEN, "no memory that can be locked: raise the limit of locked memory "
			 "(RLIMIT_MEMLOCK) to 8 MiB and what the VM's states need");
	if (r < 0) {
		free_memory(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

void snapfile_reader_free(struct snapfile_reader *reader)
{
	if (reader == NULL)
		return;
	close(reader->fd);
	free_memory(reader);
}

const struct snapfile_header *snapfile_reader_header(const struct snapfile_reader *reader)
{
	return &reader->header;
}

const struct manifest *snapfile_reader_manifest(const struct snapfile_reader *reader)
{
	return reader->manifest;
}

struct states *snapfile_reader_states(struct snapfile_reader *reader)
{
	return &reader->states;
}

const uint8_t *snapfile_reader_root(const struct snapfile_reader *reader)
{
	return reader->trailer.root;
}

const struct snapfile_keys *snapfile_reader_keys(const struct snapfile_reader *reader)
{
	return reader->keys;
}

bool snapfile_reader_may_be_old(const struct snapfile_reader *reader)
{
	return reader->may_be_old;
}

/* ---- pages ---- */

/* Its lock is held on return. */
static struct slot *take_slot(struct snapfile_reader *reader, uint64_t chunk)
{
	struct slot *best = NULL;
	unsigned int i;

	while (best == NULL) {
		for (i = 0; i < N_SLOTS; i++) {
			struct slot *slot = &reader->slots[i];

			if (pthread_mutex_trylock(&slot->lock) != 0)
				continue;
			if (slot->chunk == chunk || best == NULL || atomic_load(&slot->used) < atomic_load(&best->used)) {
				if (best != NULL)
					pthread_mutex_unlock(&best->lock);
				best = slot;
			} else {
				pthread_mutex_unlock(&slot->lock);
			}
			if (best->chunk == chunk)
				break;
		}
	}
	atomic_store(&best->used, atomic_fetch_add(&reader->clock, 1) + 1);
	return best;
}

/* The slot's lock is held. */
static int fill_slot(const struct snapfile_reader *reader, struct slot *slot, uint64_t chunk, char *ret_error)
{
	const struct snapfile_index *index = &reader->index;
	const struct snapfile_place place = {
		.id = reader->header.id, .kind = SNAPFILE_PAGES_KIND, .number = chunk, .first = chunk * SNAPFILE_PAGES,
		.map = index->maps[chunk],
	};
	int r;

	if (slot->chunk == chunk)
		return 0;
	slot->chunk = NO_CHUNK;
	r = read_piece(reader, &place, index->offs[chunk], index->tags[chunk], slot->pages,
		       snapfile_chunk_len(index->maps[chunk]));
	if (r == 0)
		slot->chunk = chunk;
	else if (ret_error != NULL)
		snprintf(ret_error, SNAPFILE_READ_ERROR_LEN, "the chunk at byte %llu of the snapshot %s: %s",
			 (unsigned long long)index->offs[chunk], r == -EBADMSG ? "was altered" : "cannot be read",
			 r == -EBADMSG ? "it is not what was written" : strerror(r == -ENODATA ? EIO : -r));
	return r;
}

/* Pages of one chunk. */
static int read_chunk(struct snapfile_reader *reader, uint64_t index, uint64_t n_pages, uint8_t *ret_pages,
		      char *ret_error)
{
	const uint64_t chunk = index / SNAPFILE_PAGES, map = reader->index.maps[chunk];
	uint64_t bit = index % SNAPFILE_PAGES;
	const uint64_t end = bit + n_pages;
	struct slot *slot;
	int r;

	if (map == 0) {
		memset(ret_pages, 0, n_pages * GMEM_PAGE_SIZE);
		return 0;
	}
	slot = take_slot(reader, chunk);
	r = fill_slot(reader, slot, chunk, ret_error);
	for (; r == 0 && bit < end; bit++, ret_pages += GMEM_PAGE_SIZE) {
		if ((map >> bit & 1) != 0)
			memcpy(ret_pages, slot->pages + snapfile_chunk_len(map & ((1ull << bit) - 1)), GMEM_PAGE_SIZE);
		else
			memset(ret_pages, 0, GMEM_PAGE_SIZE);
	}
	pthread_mutex_unlock(&slot->lock);
	return r;
}

int snapfile_reader_pages(struct snapfile_reader *reader, uint64_t index, uint64_t n_pages, uint8_t *ret_pages,
			  char *ret_error)
{
	char why[SNAPFILE_READ_ERROR_LEN] = "";
	uint64_t n;
	int r;

	if (index >= reader->header.n_pages || n_pages > reader->header.n_pages - index)
		return -EINVAL;
	for (; n_pages > 0; index += n, n_pages -= n, ret_pages += n * GMEM_PAGE_SIZE) {
		n = SNAPFILE_PAGES - index % SNAPFILE_PAGES;
		n = n < n_pages ? n : n_pages;
		r = read_chunk(reader, index, n, ret_pages, why);
		if (r < 0) {
			if (ret_error != NULL)
				snprintf(ret_error, SNAPFILE_READ_ERROR_LEN, "page %llu: %.180s", (unsigned long long)index, why);
			return r == -ENODATA ? -EIO : r;
		}
	}
	return 0;
}
