/* SPDX-License-Identifier: MIT */
/*
 * ticket: who may move which VM to whom, and when, signed by an issuer.  One
 * fixed layout, integers little endian:
 *
 *   offset  length
 *        0       8  "gmemtckt"
 *        8       2  version, 1
 *       10       2  length of the whole ticket, 308
 *       12      32  issuer: signkey_id() of the key that signs
 *       44      16  serial: random
 *       60      32  source: platform id (platform.h), zeros: not named
 *       92      32  source: static X25519 key
 *      124      32  destination: platform id, zeros: not named
 *      156      32  destination: static X25519 key
 *      188      32  VM id
 *      220       8  incarnation: 1 for the VM's first move, 1 more for each later one; each host compares it with the last
 *      228       8  not before, seconds since 1970
 *      236       8  not after
 *      244      64  Ed25519 signature, label "gmem v1 ticket", over the 244 bytes before it
 *
 * The ticket id, which HELLO carries and every piece of evidence is bound to, is
 * SHA-256 of all 308 bytes.
 */
#ifndef ATTEST_TICKET_H
#define ATTEST_TICKET_H

#include "attest.h"
#include "signkey.h"

#define TICKET_LEN 308u
#define TICKET_VERSION 1u
#define TICKET_SERIAL_LEN 16u
#define TICKET_MAX_ISSUERS 8u
#define TICKET_MAX_VALID_S (INT64_C(31) * 86400)	/* from not before to not after */

struct ticket_side {
	uint8_t platform_id[ATTEST_ID_LEN];
	uint8_t static_key[ATTEST_KEY_LEN];
};

struct ticket {
	uint8_t issuer_id[SIGNKEY_ID_LEN];
	uint8_t serial[TICKET_SERIAL_LEN];
	struct ticket_side source;
	struct ticket_side destination;
	uint8_t vm_id[ATTEST_ID_LEN];
	uint64_t incarnation;
	int64_t not_before_s;
	int64_t not_after_s;
	uint8_t signature[SIGNKEY_SIGNATURE_LEN];
};

enum ticket_problem {
	TICKET_OK = 0,
	TICKET_MALFORMED,	/* not such bytes */
	TICKET_ISSUER,		/* signed by none of the issuers that are believed */
	TICKET_SIGNATURE,
	TICKET_SAME_KEY,	/* source and destination have one static key, or it is zeros */
	TICKET_INCARNATION,	/* 0 */
	TICKET_WINDOW,		/* ends before it begins, or is valid for longer than TICKET_MAX_VALID_S */
	TICKET_NOT_YET,
	TICKET_EXPIRED,
	TICKET_NOT_MINE,	/* this side's static key is not the one named for its role */
	TICKET_PLATFORM,	/* this side's platform is not the one named for its role */
	TICKET_VM,		/* for another VM */
};

struct ticket_question {		/* all borrowed */
	const uint8_t *bytes;
	size_t len;
	const uint8_t *issuers;		/* n_issuers public keys, one after another, that are believed */
	size_t n_issuers;
	int64_t now_s;			/* seconds since 1970 */
	bool first_handshake;		/* validity in time counts at the first one only: a resume may be later */
	enum attest_role role;		/* of this side; 0: of neither, and its key and platform are not asked */
	const uint8_t *own_key;		/* with a role: ATTEST_KEY_LEN */
	const uint8_t *own_platform_id;	/* may be NULL: not known here, the peer judges it */
	const uint8_t *vm_id;		/* may be NULL: whichever the ticket names */
};

/** Layout and lengths only.  -EBADMSG. */
int ticket_parse(const uint8_t *bytes, size_t len, struct ticket *ret_ticket);
/** Is it a ticket by its first bytes?  Of any version, good or not. */
bool ticket_looks_like(const uint8_t *bytes, size_t len);
/** Judge; @ret_ticket may be NULL, is filled only if TICKET_OK is returned. */
enum ticket_problem ticket_verify(const struct ticket_question *question, struct ticket *ret_ticket);
/** A sentence without a full stop; static. */
const char *ticket_problem_text(enum ticket_problem problem);
/** Sign @fields; their issuer id and signature are filled in.  -EINVAL: ticket_verify() would never take them. */
int ticket_sign(const struct ticket *fields, const struct signkey *issuer, uint8_t ret_bytes[TICKET_LEN]);
void ticket_id(const uint8_t bytes[TICKET_LEN], uint8_t ret_id[ATTEST_ID_LEN]);
/** What it says about the side with @role. */
const struct ticket_side *ticket_side(const struct ticket *ticket, enum attest_role role);

#endif
