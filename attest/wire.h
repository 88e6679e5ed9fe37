/* SPDX-License-Identifier: MIT */
/*
 * wire: every message that crosses the network, its sizes and its limits, and
 * nothing else.  docs/protocol.md says the same in words.  Integers are little
 * endian; there is no implicit padding; the structs are the decoded form.
 */
#ifndef ATTEST_WIRE_H
#define ATTEST_WIRE_H

#include <stdint.h>

#include "attest.h"

#define WIRE_VERSION 1u
#define WIRE_TAG_LEN 16u		/* of ChaCha20-Poly1305, XChaCha20-Poly1305 and AES-256-GCM */
#define WIRE_DIGEST_LEN 64u		/* binding digest: SHA-512 */
#define WIRE_MAC_LEN 32u		/* ACCEPT: HMAC-SHA256 */

/* ---- handshake ---- */

/* Every handshake message: u8 type, u8 role of the sender, u16 length of the whole message. */
#define WIRE_MESSAGE_HEADER_LEN 4u

enum wire_type {
	WIRE_HELLO = 1,
	WIRE_NOISE1 = 2,	/* e */
	WIRE_NOISE2 = 3,	/* e, ee, s, es */
	WIRE_NOISE3 = 4,	/* s, se */
	WIRE_EVIDENCE = 5,	/* sealed: u16 length, evidence, zeros up to the fixed size */
	WIRE_ACCEPT = 6,	/* sealed: u8 verdict, MAC */
	WIRE_WANT = 7,		/* sealed, empty: the evidence is believed so far, send the log that it announces */
	WIRE_LOG = 8,		/* sealed: the next WIRE_LOG_PART bytes of that log; after its end zeros */
};

/* HELLO: header, magic "gmem", u16 lowest and u16 highest version, u32 cipher bits, ticket id, u64 connection. */
#define WIRE_MAGIC 0x6d656d67u		/* "gmem" */
#define WIRE_HELLO_LEN (WIRE_MESSAGE_HEADER_LEN + 4u + 2u + 2u + 4u + ATTEST_ID_LEN + 8u)
struct wire_hello {
	uint16_t version_min;
	uint16_t version_max;
	uint32_t ciphers;	/* bit (1 << attest_cipher); bits that nobody knows are ignored */
	uint8_t ticket_id[ATTEST_ID_LEN];
	uint64_t connection;	/* initiator: the lowest number it takes; responder: this connection's */
};

#define WIRE_CONNECTION_MAX (UINT64_C(1) << 62)	/* no honest side counts so far; what is higher is refused */

#define WIRE_NOISE1_LEN (WIRE_MESSAGE_HEADER_LEN + ATTEST_KEY_LEN)
#define WIRE_NOISE2_LEN (WIRE_MESSAGE_HEADER_LEN + 2u * ATTEST_KEY_LEN + 2u * WIRE_TAG_LEN)
#define WIRE_NOISE3_LEN (WIRE_MESSAGE_HEADER_LEN + ATTEST_KEY_LEN + 2u * WIRE_TAG_LEN)

/* One size for every kind of evidence, so that its length says nothing. */
#define WIRE_EVIDENCE_LEN ATTEST_HANDSHAKE_MAX
#define WIRE_EVIDENCE_BODY_LEN (WIRE_EVIDENCE_LEN - WIRE_MESSAGE_HEADER_LEN - WIRE_TAG_LEN)
#define WIRE_EVIDENCE_MAX (WIRE_EVIDENCE_BODY_LEN - 2u)

#define WIRE_WANT_LEN (WIRE_MESSAGE_HEADER_LEN + WIRE_TAG_LEN)
#define WIRE_LOG_LEN WIRE_EVIDENCE_LEN
#define WIRE_LOG_PART WIRE_EVIDENCE_BODY_LEN
#define WIRE_LOG_MAX (4u * 1024u * 1024u)	/* of a log, which is 514 messages */

enum wire_verdict { WIRE_VERDICT_ACCEPTED = 1, WIRE_VERDICT_REFUSED = 2 };
#define WIRE_ACCEPT_BODY_LEN (1u + WIRE_MAC_LEN)
#define WIRE_ACCEPT_LEN (WIRE_MESSAGE_HEADER_LEN + WIRE_ACCEPT_BODY_LEN + WIRE_TAG_LEN)

/* ---- records ---- */

enum wire_direction { WIRE_FROM_INITIATOR = 1, WIRE_FROM_RESPONDER = 2 };

/*
 * Header: u8 class, u8 op, u8 lane, u8 direction, u32 generation, u64 counter, then masked: u64 gfn, u32 n_pages,
 * u32 body_len.  After it the sealed body, padded with zeros to the length of its class, and the tag.
 */
#define WIRE_CLEAR_LEN 16u
#define WIRE_MASKED_LEN 16u
struct wire_record {
	uint8_t class;
	uint8_t op;
	uint8_t lane;
	uint8_t direction;
	uint32_t generation;
	uint64_t counter;
	uint64_t gfn;
	uint32_t n_pages;
	uint32_t body_len;
};

/* Associated data: session id, u64 connection, u8 cipher, then the header's fields with the mask taken off. */
#define WIRE_AD_LEN (ATTEST_HASH_LEN + 8u + 1u + WIRE_CLEAR_LEN + WIRE_MASKED_LEN)

/* A class holds this many data pages and the kind bytes of a full run; that of a single page, those of 16 pages. */
#define WIRE_PAGES_CLASS(n_data) ((n_data) * ATTEST_PAGE_LEN + ATTEST_MAX_RUN)
#define WIRE_PAGE_CLASS (ATTEST_PAGE_LEN + 16u)
#define WIRE_CLASS_LENS									\
	64u, 512u, WIRE_PAGE_CLASS,							\
	WIRE_PAGES_CLASS(1u), WIRE_PAGES_CLASS(2u), WIRE_PAGES_CLASS(4u),		\
	WIRE_PAGES_CLASS(8u), WIRE_PAGES_CLASS(16u), WIRE_PAGES_CLASS(24u),		\
	WIRE_PAGES_CLASS(32u), WIRE_PAGES_CLASS(48u), WIRE_PAGES_CLASS(64u),		\
	WIRE_PAGES_CLASS(96u), WIRE_PAGES_CLASS(128u), WIRE_PAGES_CLASS(192u),		\
	WIRE_PAGES_CLASS(256u), WIRE_PAGES_CLASS(384u), WIRE_PAGES_CLASS(512u)
#define WIRE_N_CLASSES 18u
#define WIRE_BIND_MAX_CLASS 1u		/* a lane's first record fits in 512 bytes */

/* Longest plaintext per lane. */
#define WIRE_CONTROL_MAX WIRE_PAGES_CLASS(16u)	/* STATE and MANIFEST travel in parts of at most 60 KiB */
#define WIRE_URGENT_MAX WIRE_PAGES_CLASS(16u)
#define WIRE_BULK_MAX ATTEST_BODY_MAX

#define WIRE_GFN_LIMIT (UINT64_C(1) << 52)	/* gfn + n_pages is at most this */

/*
 * The header's mask: 16 bytes of keystream for each record, in blocks of 64 records, as one call for many bytes of
 * ChaCha20 costs little more than one for 16.
 */
#define WIRE_MASK_RECORDS 64u
#define WIRE_MASK_BLOCK_LEN (WIRE_MASK_RECORDS * WIRE_MASKED_LEN)

/*
 * One generation of keys seals at most 2^20 records and 16 GiB of padded body, for at most 120 s: docs/protocol.md says
 * what these come from.
 * A lane and direction stops for good after 2^40 records or when the 24 bits of its generation are used up.
 */
#define WIRE_REKEY_RECORDS (UINT64_C(1) << 20)
#define WIRE_REKEY_BYTES (UINT64_C(16) << 30)
#define WIRE_REKEY_NS (UINT64_C(120) * 1000000000u)
#define WIRE_MAX_RECORDS (UINT64_C(1) << 40)
#define WIRE_MAX_GENERATION ((UINT32_C(1) << 24) - 1u)

/* Nonce: u8 lane | direction << 4, u24 generation, u64 counter; XChaCha20 appends 12 zero bytes. */
#define WIRE_NONCE_LEN 12u

#endif
