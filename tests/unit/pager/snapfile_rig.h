/* SPDX-License-Identifier: MIT */
/* Snapshot files for tests: written from memory, with what each page is known by its index. */
#ifndef TESTS_SNAPFILE_RIG_H
#define TESTS_SNAPFILE_RIG_H

#include "snapshot/reader.h"
#include "snapshot/writer.h"

#define RIG_PRIVATE 200u	/* pages of the first region */
#define RIG_SHARED 10u		/* of the second */
#define RIG_PAGES (RIG_PRIVATE + RIG_SHARED)

struct snapfile_rig {
	char dir[64], path[128];	/* of the file; the folder is removed at the end */
	struct attest_keypair *writer_key, *recipient_key;
	struct snapfile_header header;	/* what a writer is told */
	struct snapfile_wanted wanted;	/* what takes the file that snapfile_rig_write() made */
	uint8_t root[SNAPFILE_ROOT_LEN];
	struct manifest *manifest;
	struct states states;
	char error[SNAPFILE_READ_ERROR_LEN];
};

void snapfile_rig_init(struct snapfile_rig *rig);
void snapfile_rig_fini(struct snapfile_rig *rig);

/* What is in page @index; false: zeros. */
bool snapfile_rig_page(uint64_t index, uint8_t ret_page[GMEM_PAGE_SIZE]);

/* Of all pages that are not zeros. */
uint64_t snapfile_rig_page_bytes(void);

/* Up to finish(); 0 or the first -errno, with its sentence. */
int snapfile_rig_fill(struct snapfile_rig *rig, struct snapfile_writer *writer);

/* A whole file at rig->path; the root is in rig->root and rig->wanted. */
void snapfile_rig_write(struct snapfile_rig *rig);

/* Open and check; 0 or -errno, with its sentence. */
int snapfile_rig_open(struct snapfile_rig *rig, struct snapfile_reader **ret_reader);

/* The file's bytes, and back. */
uint8_t *snapfile_rig_load(const struct snapfile_rig *rig, size_t *ret_len);
void snapfile_rig_store(const struct snapfile_rig *rig, const uint8_t *bytes, size_t len);

/* Is there a file of that name (NAME or NAME.partial)? */
bool snapfile_rig_exists(const struct snapfile_rig *rig, const char *suffix);

#endif
