// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "snapfile_rig.h"

#define NEED(condition)			\
	do {				\
		if (!(condition)) {	\
			perror(#condition);	\
			abort();	\
		}			\
	} while (0)

static const struct gmem_region regions[2] = {
	{ .gpa = 0, .size = RIG_PRIVATE * GMEM_PAGE_SIZE, .flags = GMEM_REGION_GUEST_MEMFD },
	{ .gpa = 1u << 30, .size = RIG_SHARED * GMEM_PAGE_SIZE, .flags = GMEM_REGION_SHARED_FD },
};

/* Chunk 1 has no page at all, and chunk 0 begins with a hole. */
bool snapfile_rig_page(uint64_t index, uint8_t ret_page[GMEM_PAGE_SIZE])
{
	uint64_t i;

	memset(ret_page, 0, GMEM_PAGE_SIZE);
	if (index / SNAPFILE_PAGES == 1 || index % 3 == 0)
		return false;
	for (i = 0; i < GMEM_PAGE_SIZE; i += 8)
		memcpy(ret_page + i, &(uint64_t){ (index + 1) * 0x9e3779b97f4a7c15ull + i }, 8);
	return true;
}

uint64_t snapfile_rig_page_bytes(void)
{
	uint8_t page[GMEM_PAGE_SIZE];
	uint64_t i, n = 0;

	for (i = 0; i < RIG_PAGES; i++)
		n += snapfile_rig_page(i, page) ? GMEM_PAGE_SIZE : 0;
	return n;
}

static void add_state(struct states *states, uint32_t index, const char *name, uint32_t len)
{
	struct states_part part = { .index = index, .n_states = 2, .total_len = len };
	uint8_t *data = malloc(len + 1u);

	memset(data, (int)index + 5, len);
	strcpy(part.name, name);
	NEED(states_add(states, &part, data, len) == 0);
	free(data);
}

void snapfile_rig_init(struct snapfile_rig *rig)
{
	uint64_t i;

	memset(rig, 0, sizeof(*rig));
	strcpy(rig->dir, "/tmp/gmem-snapfile-XXXXXX");
	NEED(mkdtemp(rig->dir) != NULL);
	snprintf(rig->path, sizeof(rig->path), "%s/vm.snap", rig->dir);
	NEED(attest_keypair_generate(&rig->writer_key) == 0 && attest_keypair_generate(&rig->recipient_key) == 0);
	NEED(manifest_new(regions, 2, &rig->manifest) == 0);
	for (i = 0; i < RIG_PRIVATE; i++) {
		bitmap_set(rig->manifest->private_map, i);
		if (i / SNAPFILE_PAGES != 1)
			bitmap_set(rig->manifest->backed_map, i);
	}
	states_init(&rig->states);
	add_state(&rig->states, 0, "vcpu0.regs", 70000);
	add_state(&rig->states, 1, "clock", 0);
	rig->header.n_pages = RIG_PAGES;
	memset(rig->header.vm_id, 7, ATTEST_ID_LEN);
	memcpy(rig->header.recipient, attest_keypair_public(rig->recipient_key), ATTEST_KEY_LEN);
	rig->wanted = (struct snapfile_wanted){ .path = rig->path, .recipient = rig->recipient_key, .has_root = true };
	memcpy(rig->wanted.writer, attest_keypair_public(rig->writer_key), ATTEST_KEY_LEN);
	memcpy(rig->wanted.vm_id, rig->header.vm_id, ATTEST_ID_LEN);
}

void snapfile_rig_fini(struct snapfile_rig *rig)
{
	char partial[160];

	snprintf(partial, sizeof(partial), "%s" FILE_PARTIAL, rig->path);
	unlink(rig->path);
	unlink(partial);
	rmdir(rig->dir);
	attest_keypair_free(rig->writer_key);
	attest_keypair_free(rig->recipient_key);
	manifest_free(rig->manifest);
	states_fini(&rig->states);
}

static int fill_pages(struct snapfile_rig *rig, struct snapfile_writer *writer)
{
	uint8_t *pages = malloc(SNAPFILE_CHUNK_LEN);
	uint64_t chunk, i, map;
	uint8_t *at;
	int r = 0;

	for (chunk = 0; chunk * SNAPFILE_PAGES < RIG_PAGES && r == 0; chunk++) {
		for (i = 0, map = 0, at = pages; i < SNAPFILE_PAGES && chunk * SNAPFILE_PAGES + i < RIG_PAGES; i++)
			if (snapfile_rig_page(chunk * SNAPFILE_PAGES + i, at)) {
				map |= 1ull << i;
				at += GMEM_PAGE_SIZE;
			}
		r = snapfile_writer_pages(writer, map, pages, rig->error);
	}
	free(pages);
	return r;
}

int snapfile_rig_fill(struct snapfile_rig *rig, struct snapfile_writer *writer)
{
	uint8_t *bytes = NULL;
	size_t len;
	int r = snapfile_writer_begin(writer, rig->writer_key, &rig->header, rig->error);

	if (r == 0)
		r = fill_pages(rig, writer);
	if (r == 0)
		r = snapfile_writer_states(writer, &rig->states, rig->error);
	NEED(manifest_encode(rig->manifest, &bytes, &len) == 0);
	if (r == 0)
		r = snapfile_writer_manifest(writer, bytes, len, rig->error);
	if (r == 0)
		r = snapfile_writer_finish(writer, rig->root, rig->error);
	free(bytes);
	return r;
}

void snapfile_rig_write(struct snapfile_rig *rig)
{
	struct snapfile_writer *writer;

	unlink(rig->path);
	NEED(snapfile_writer_open(rig->path, &writer, rig->error) == 0);
	NEED(snapfile_rig_fill(rig, writer) == 0);
	NEED(snapfile_writer_publish(writer, rig->error) == 0);
	snapfile_writer_free(writer);
	memcpy(rig->wanted.root, rig->root, SNAPFILE_ROOT_LEN);
}

int snapfile_rig_open(struct snapfile_rig *rig, struct snapfile_reader **ret_reader)
{
	int fd, r = snapfile_reader_open(rig->path, &fd, rig->error);

	if (r < 0)
		return r;
	r = snapfile_reader_new(fd, &rig->wanted, ret_reader, rig->error);
	if (r < 0)
		close(fd);
	return r;
}

uint8_t *snapfile_rig_load(const struct snapfile_rig *rig, size_t *ret_len)
{
	const int fd = open(rig->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	NEED(fd >= 0 && fstat(fd, &st) == 0);
	bytes = malloc((size_t)st.st_size);
	NEED(read(fd, bytes, (size_t)st.st_size) == st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return bytes;
}

void snapfile_rig_store(const struct snapfile_rig *rig, const uint8_t *bytes, size_t len)
{
	const int fd = open(rig->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	NEED(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

bool snapfile_rig_exists(const struct snapfile_rig *rig, const char *suffix)
{
	char path[160];

	snprintf(path, sizeof(path), "%s%s", rig->path, suffix);
	return access(path, F_OK) == 0;
}
