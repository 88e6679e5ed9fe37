/* SPDX-License-Identifier: MIT */
/*
 * What stands in the records and on a fresh connection: layouts and limits,
 * nothing else.  Integers are little-endian, without padding.
 *
 * A connection opens with a preamble in the clear, source to pager:
 *   magic[8] version:32 lane:32 session_id[32]   (session_id zero on control)
 * On the control lane the handshake follows, each message behind its length:16.
 * Then each lane carries sealed records, BIND first, one in each direction.
 *
 * BIND      version:32 lane:32
 * STATE     index:32 n_states:32 total_len:32 offset:32 name[32] data
 * MANIFEST  total_len:32 offset:32 data
 * START     manifest_hash[32] n_pages:64 n_states:32 epoch:32
 * STARTED   empty
 * ABORT     token[32] sentence; from the pager with the token: it never ran and never will; from the source zeros
 * COMPLETE  n_pages:64
 * RELEASED  empty
 * REQUEST   entries of wanted:64 first:64 n_pages:32; wanted is in the run
 * PAGES     kinds[n_pages], then 4096 bytes for each page of kind DATA
 * CREDIT    bytes:64, of body, that may be sent in addition
 * ERROR     sentence; the move is over
 * PING      empty
 * MAP       first:64 n_pages:32 form:32 bitmap, of what is present at the destination; by index, in order, all of it
 */
#ifndef GMEM_PAGER_MESSAGES_H
#define GMEM_PAGER_MESSAGES_H

#include <attest/attest.h>
#include <attest/session/session.h>
#include <gmem/gmem.h>

#define MESSAGES_VERSION 1u
#define MESSAGES_EPOCH 1u		/* post-copy only: more than one is refused */

#define PREAMBLE_MAGIC "GMEMLANE"
#define PREAMBLE_MAGIC_LEN 8u
#define PREAMBLE_LEN (PREAMBLE_MAGIC_LEN + 8u + ATTEST_HASH_LEN)

#define BIND_LEN 8u
#define STATE_HEAD_LEN (16u + GMEM_STATE_NAME_LEN)
#define STATE_PART_MAX 61440u
#define MANIFEST_HEAD_LEN 8u
#define MANIFEST_PART_MAX 61440u
#define START_LEN (ATTEST_HASH_LEN + 16u)
#define COMPLETE_LEN 8u
#define MAP_HEAD_LEN 16u
#define MAP_PART_PAGES (1u << 18)	/* bitmap of 32 KiB */
#define MAP_NONE 0u			/* forms: no page of the part is present, all, or as the bitmap says */
#define MAP_ALL 1u
#define MAP_BITS 2u
#define REQUEST_ENTRY_LEN 20u
#define REQUEST_MAX_ENTRIES 64u
#define CREDIT_LEN 8u
#define SENTENCE_MAX 240u
#define ABORT_HEAD_LEN SESSION_TOKEN_LEN

/* The largest run of pages in one record, by lane; urgent ones stay small to be early. */
#define URGENT_MAX_RUN 16u
#define BULK_MAX_RUN 64u

#define PAGES_BODY_MAX(run) ((run) * (ATTEST_PAGE_LEN + 1u))
#define CONTROL_BODY_MAX 65536u

/*
 * The least credit window: the source waits for credit for a largest record, and
 * up to a quarter of the window is dealt with but not returned yet.
 */
#define CREDIT_MIN (2u * PAGES_BODY_MAX(BULK_MAX_RUN))

#endif
