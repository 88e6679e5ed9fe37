/* SPDX-License-Identifier: MIT */
/*
 * pagehash: hashes of guest pages in a file, for a comparison of both hosts
 * that does not pass through the pager.
 *
 * The file has one record per page in the order of the ranges: GFN (64 bits,
 * little endian) and crypto_generichash (BLAKE2b, 32 bytes) of its 4096 bytes.
 */
#ifndef VMM_PAGEHASH_H
#define VMM_PAGEHASH_H

#include <stddef.h>
#include <stdint.h>

#include "console.h"
#include "machine.h"

/**
 * Hash @p ranges of the paused machine into @p path, replacing it when done.
 * With private RAM the VM is frozen in the kernel.
 * @param session_fd EXTRACT; -1 with shared RAM.
 */
int pagehash_write(struct machine *machine, int session_fd, const struct console_range *ranges, size_t n_ranges,
		   const char *path, uint64_t *ret_n_pages);

/**
 * Pause, freeze, hash, thaw and resume; a guest that was paused stays so.
 * The caller holds machine->operation.
 * @param console file with FIXED lines, or NULL: as seen on this console.
 */
int pagehash_freeze_and_write(struct machine *machine, const char *console, const char *path, uint64_t *ret_n_pages);

#endif
