/* SPDX-License-Identifier: MIT */
/*
 * ima: the kernel's measurement log, binary_runtime_measurements, of a little
 * endian machine: u32 PCR, SHA-1 of the template's data (20), u32 length and
 * name of the template, u32 length and its data.  The SHA-1 is not looked at:
 * PCR 10 of the SHA-256 bank is extended with SHA-256 of the data.  Templates
 * "ima-ng" and "ima-sig" are known; any other, and violations, are refused.
 */
#ifndef ATTEST_TPM_IMA_H
#define ATTEST_TPM_IMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../parse.h"
#include "structs.h"

struct ima_entry {
	const uint8_t *data;		/* of the template, which is what is measured */
	size_t data_len;
	uint8_t digest[TPM_HASH_LEN];	/* SHA-256 of the file */
	const char *path;		/* not terminated */
	size_t path_len;
};

/**
 * The next entry of the log.  -ENODATA: its end; -EBADMSG: malformed; -ENOTSUP: another PCR, template or hash;
 * -ESTALE: a violation.
 */
int ima_next(struct parse_reader *log, struct ima_entry *ret_entry);
/** PCR after this entry. */
void ima_extend(uint8_t pcr[TPM_HASH_LEN], const struct ima_entry *entry);
/**
 * How many of the log's bytes lead from zeros to @pcr: at least one entry, the fewest possible.  What is after them was
 * measured after the quote.  -ENOENT: no part of the log does; errors of ima_next().
 */
int ima_replay(const uint8_t *log, size_t len, const uint8_t pcr[TPM_HASH_LEN], size_t *ret_len);

#endif
