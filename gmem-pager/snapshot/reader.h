/* SPDX-License-Identifier: MIT */
/*
 * Read a snapshot file.  All but the pages is read, opened and checked at once, the root MAC with it; a page when it
 * is wanted, with the chunk that it is in.
 */
#ifndef GMEM_PAGER_SNAPSHOT_READER_H
#define GMEM_PAGER_SNAPSHOT_READER_H

#include <stdbool.h>

#include "../manifest.h"
#include "seal.h"

#define SNAPFILE_READ_ERROR_LEN 240u

struct snapfile_reader;

/* Whose it has to be; all borrowed, and needed only until snapfile_reader_new() returns. */
struct snapfile_wanted {
	const char *path;			/* for people */
	const struct attest_keypair *recipient;
	uint8_t writer[ATTEST_KEY_LEN];
	uint8_t vm_id[ATTEST_ID_LEN];
	uint64_t incarnation;			/* of this restore's signed ticket; 0: a bare id */
	bool has_root;
	uint8_t root[SNAPFILE_ROOT_LEN];
	bool allow_rollback;			/* neither root nor incarnation says that it is the last one: take it */
};

/* Open the file.  -errno, with a sentence of up to SNAPFILE_READ_ERROR_LEN bytes. */
int snapfile_reader_open(const char *path, int *ret_fd, char *ret_error);

/*
 * Takes @fd over on success.  -EBADMSG: not a whole snapshot; -EACCES: of another VM, writer or recipient, or not known
 * to be the last one; else of the disk.  With a sentence.
 */
int snapfile_reader_new(int fd, const struct snapfile_wanted *wanted, struct snapfile_reader **ret_reader,
			char *ret_error);
/* NULL is allowed. */
void snapfile_reader_free(struct snapfile_reader *reader);

const struct snapfile_header *snapfile_reader_header(const struct snapfile_reader *reader);
const struct manifest *snapfile_reader_manifest(const struct snapfile_reader *reader);
/* The caller may take them over, and leave an empty collection. */
struct states *snapfile_reader_states(struct snapfile_reader *reader);
const uint8_t *snapfile_reader_root(const struct snapfile_reader *reader);
/* For what else its file's key seals; borrowed. */
const struct snapfile_keys *snapfile_reader_keys(const struct snapfile_reader *reader);
/* Could it be an older one than the last?  Only with allow_rollback. */
bool snapfile_reader_may_be_old(const struct snapfile_reader *reader);

/*
 * @n_pages from @index on, of the manifest's order.  Any thread, several at once; what one waits for is the disk and
 * never another.  Nothing is allocated.  -EBADMSG: a page is not what was written; @ret_error (may be NULL) names it.
 */
int snapfile_reader_pages(struct snapfile_reader *reader, uint64_t index, uint64_t n_pages, uint8_t *ret_pages,
			  char *ret_error);

#endif
