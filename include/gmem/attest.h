/* SPDX-License-Identifier: MIT */
/*
 * libgmem-attest: the channel's cryptography.  Bytes in, bytes and next state
 * out: no sockets, no clock, no threads, no logging; randomness from libsodium
 * only.  docs/protocol.md has every byte.
 *
 * One *connection set* is one handshake on the control lane and the record keys
 * derived from it, one pair per lane.  The destination listens (responder), the
 * source dials (initiator).
 *
 *   initiator                         responder
 *     HELLO            ------------>            versions, ciphers, role, ticket id
 *                      <------------  HELLO
 *     noise e          ------------>            Noise_XX_25519_ChaChaPoly_SHA256,
 *                      <------------  e ee s es  prologue = both HELLOs, exactly
 *     s se             ------------>
 *                      <------------  EVIDENCE   sealed from here on
 *     EVIDENCE         ------------>
 *     ACCEPT           ------------>            MAC over handshake hash, both
 *                      <------------  ACCEPT     pieces of evidence, the verdict
 *
 * Crypto functions return bool and wipe on failure; a failed handshake or record
 * reader stays failed.
 */
#ifndef GMEM_ATTEST_H
#define GMEM_ATTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATTEST_KEY_LEN 32u
#define ATTEST_HASH_LEN 32u
#define ATTEST_ID_LEN 32u
#define ATTEST_PAGE_LEN 4096u
#define ATTEST_MAX_RUN 512u		/* pages in one record */
#define ATTEST_HANDSHAKE_MAX 8192u	/* bytes of one handshake message */

enum attest_role { ATTEST_INITIATOR = 1, ATTEST_RESPONDER = 2 };
enum attest_lane { ATTEST_LANE_CONTROL = 0, ATTEST_LANE_URGENT = 1, ATTEST_LANE_BULK = 2, ATTEST_N_LANES = 3 };
enum attest_cipher {
	ATTEST_CIPHER_AES256GCM = 1,
	ATTEST_CIPHER_XCHACHA20POLY1305 = 2,
	/* A number that is kept, no cipher yet: libsodium has it from 1.0.19 on.  Never offered, never chosen. */
	ATTEST_CIPHER_AEGIS256 = 3,
};

/*
 * Call once before anything else, while files can be opened.  Sets libsodium and libgcrypt up for the whole process; where
 * the program has set libgcrypt up by itself before, AES-256-GCM is not to be had, and XChaCha20-Poly1305 is offered alone.
 */
bool attest_init(void);

/* ---- keys (keys.c): static X25519 keys in sodium_malloc memory ---- */
struct attest_keypair;	/* opaque */
int attest_keypair_generate(struct attest_keypair **ret_pair);
/* File: 64 hex digits and a newline, mode 0600 or stricter, else -EPERM. */
int attest_keypair_load(const char *path, struct attest_keypair **ret_pair);
int attest_keypair_save(const struct attest_keypair *pair, const char *path);
const uint8_t *attest_keypair_public(const struct attest_keypair *pair);	/* ATTEST_KEY_LEN bytes */
void attest_keypair_free(struct attest_keypair *pair);
int attest_public_load(const char *path, uint8_t ret_public[ATTEST_KEY_LEN]);
int attest_public_save(const uint8_t public_key[ATTEST_KEY_LEN], const char *path);

/* ---- evidence (evidence.c): what makes one side believe the other ---- */
struct attest_binding {		/* what evidence must be bound to */
	enum attest_role role;	/* of the side that gives the evidence */
	uint8_t handshake_hash[ATTEST_HASH_LEN];
	uint8_t static_key[ATTEST_KEY_LEN];		/* of the giver */
	uint8_t peer_static_key[ATTEST_KEY_LEN];	/* of the verifier */
	uint8_t ticket_id[ATTEST_ID_LEN];
	uint8_t vm_id[ATTEST_ID_LEN];
	uint64_t connection;
};
struct attest_evidence_ops {
	const char *name;	/* "pinned-key" today */
	/* Fill @ret_evidence (capacity in *len, length out).  0 or -errno. */
	int (*provide)(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len);
	/* 0: believed.  -EACCES: refused, with a sentence in @ret_reason. */
	int (*verify)(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
		      char *ret_reason, size_t reason_len);
	/*
	 * For evidence that announces a log which is too long for its message; NULL where there is none.  verify() then
	 * judges all but the log, and verify_log() all of it once more.  0 or -errno; 0 or -EACCES.
	 * provide_log() gives the log that @evidence announces; the handshake calls free(*ret_log).
	 */
	int (*provide_log)(void *opaque, const uint8_t *evidence, size_t len, uint8_t **ret_log, size_t *ret_log_len);
	int (*verify_log)(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
			  const uint8_t *log, size_t log_len, char *ret_reason, size_t reason_len);
	/* Which machine believed evidence comes from.  0 or -ENOENT: it names none; NULL: none ever does. */
	int (*platform)(void *opaque, const uint8_t *evidence, size_t len, uint8_t ret_platform[ATTEST_ID_LEN]);
};
/* Evidence by a key pinned in advance: opaque is a uint8_t[ATTEST_KEY_LEN], the peer's public key. */
extern const struct attest_evidence_ops attest_evidence_pinned;

/* ---- handshake (handshake.c) ---- */
struct attest_handshake_config {
	enum attest_role role;
	const struct attest_keypair *keypair;	/* borrowed */
	uint8_t ticket_id[ATTEST_ID_LEN];	/* both sides must have the same */
	uint8_t vm_id[ATTEST_ID_LEN];
	uint64_t connection;			/* the lowest number that this side takes for it */
	uint32_t ciphers;			/* bit (1 << attest_cipher); 0: all that this machine has */
	const struct attest_evidence_ops *evidence;
	void *evidence_opaque;
};
struct attest_handshake;
int attest_handshake_new(const struct attest_handshake_config *config, struct attest_handshake **ret_handshake);
void attest_handshake_free(struct attest_handshake *handshake);
enum attest_handshake_step { ATTEST_STEP_SEND, ATTEST_STEP_RECV, ATTEST_STEP_DONE, ATTEST_STEP_FAILED };
enum attest_handshake_step attest_handshake_step(const struct attest_handshake *handshake);
/* One message to send, up to ATTEST_HANDSHAKE_MAX bytes.  -EPROTO if not in step SEND. */
int attest_handshake_write(struct attest_handshake *handshake, uint8_t *ret_message, size_t *ret_len);
/* One message received.  -EPROTO malformed or out of order, -EBADMSG failed authentication, -EACCES evidence refused
 * (by either side), -ENOTSUP no common version or cipher, -ENOENT another ticket.  After -EACCES the step may be SEND
 * once more: that message tells the peer that it is refused, and ends in step FAILED; to close instead is allowed. */
int attest_handshake_read(struct attest_handshake *handshake, const uint8_t *message, size_t len);
/* The static key that the peer has proved to hold, ATTEST_KEY_LEN bytes in @handshake; NULL: not yet, or failed. */
const uint8_t *attest_handshake_peer_key(const struct attest_handshake *handshake);
/* A sentence for the failure; "" if none. */
const char *attest_handshake_error(const struct attest_handshake *handshake);

/* ---- records (record.c): one sealer and one opener per lane and direction ---- */
struct attest_channel;		/* keys of one finished handshake, all lanes, both directions */
int attest_handshake_finish(struct attest_handshake *handshake, struct attest_channel **ret_channel);
void attest_channel_free(struct attest_channel *channel);
enum attest_cipher attest_channel_cipher(const struct attest_channel *channel);
const char *attest_cipher_name(enum attest_cipher cipher);
/*
 * What time it is, in ns of any clock that only goes forward; a time before the last one is ignored.  Keys of a lane
 * that seal for longer than 120 s are left for the next generation with the next record; without ticks, count alone
 * decides.  From any thread, at any time.
 */
void attest_channel_tick(struct attest_channel *channel, uint64_t now_ns);
/* The number of this connection set: the higher one of both sides' configs. */
uint64_t attest_channel_connection(const struct attest_channel *channel);
/* The peer's machine, by the evidence that was believed: ATTEST_ID_LEN bytes in @channel; NULL: it named none. */
const uint8_t *attest_channel_peer_platform(const struct attest_channel *channel);
/* The hash that names this session; the same at both ends. */
const uint8_t *attest_channel_session_id(const struct attest_channel *channel);

enum attest_op {
	ATTEST_OP_BIND = 1,	/* first record of each lane after the control lane's handshake */
	ATTEST_OP_STATE = 2,	/* control: one state blob, or a part of it */
	ATTEST_OP_MANIFEST = 3,	/* control */
	ATTEST_OP_START = 4,
	ATTEST_OP_STARTED = 5,
	ATTEST_OP_ABORT = 6,
	ATTEST_OP_COMPLETE = 7,
	ATTEST_OP_RELEASED = 8,
	ATTEST_OP_REQUEST = 9,	/* urgent, pager to source: wanted GFNs */
	ATTEST_OP_PAGES = 10,	/* urgent and bulk, source to pager: a run of pages */
	ATTEST_OP_CREDIT = 11,	/* bulk, pager to source */
	ATTEST_OP_ERROR = 12,	/* control: a sentence; the move is over */
	ATTEST_OP_PING = 13,	/* control: liveness */
	ATTEST_OP_MAP = 14,	/* control, pager to source: which pages are present */
};
struct attest_record {		/* header of one record; all of it is bound as associated data */
	enum attest_op op;
	uint64_t gfn;		/* PAGES: first GFN of the run, else 0 */
	uint32_t n_pages;	/* PAGES: pages in the run (up to ATTEST_MAX_RUN), else 0 */
	uint32_t body_len;	/* bytes of the plaintext body */
};
/* Body of PAGES: n_pages kind bytes (ATTEST_PAGE_*), then ATTEST_PAGE_LEN bytes per page of kind DATA, in order. */
#define ATTEST_PAGE_DATA 1u
#define ATTEST_PAGE_ZERO 2u
#define ATTEST_PAGE_SHARED 0x80u	/* or'ed in: the GFN is shared */

#define ATTEST_RECORD_HEADER_LEN 32u	/* length class, op, counter, masked GFN and sizes: docs/protocol.md */
#define ATTEST_BODY_MAX (ATTEST_MAX_RUN * (ATTEST_PAGE_LEN + 1u))
/* Length of a record on the wire: header, padded body, tag; 0 if no record has so long a body. */
size_t attest_record_wire_len(uint32_t body_len);
#define ATTEST_RECORD_MAX (ATTEST_BODY_MAX + 65536u)

/*
 * Seal one record.  @ret_wire has room for attest_record_wire_len(record->body_len).  Without allocation.
 * Not thread safe per lane and direction; different lanes may be used by different threads at once.
 * false: counter limit reached or bad arguments; nothing may be sent on the lane any more.
 */
bool attest_record_seal(struct attest_channel *channel, enum attest_lane lane, const struct attest_record *record,
			const uint8_t *body, uint8_t *ret_wire, size_t *ret_wire_len);
/* Bytes of the whole record, from its header; false if it is not this lane's, or of a length not allowed there. */
bool attest_record_peek(enum attest_lane lane, const uint8_t header[ATTEST_RECORD_HEADER_LEN], size_t *ret_wire_len);
/*
 * Open one record; @ret_body has room for the wire length.  false: not authentic, replayed, reordered, moved from
 * another lane, direction, connection or session, or malformed; the lane is dead from then on, @ret_body is wiped.
 */
bool attest_record_open(struct attest_channel *channel, enum attest_lane lane, const uint8_t *wire, size_t wire_len,
			struct attest_record *ret_record, uint8_t *ret_body);

/*
 * Is this the lane's authentic first record, op BIND with at most 512 bytes of body?  Changes nothing, also on false,
 * so that bytes from a pipe that is nobody's yet cannot kill the lane.  After true: attest_record_open() them.
 */
bool attest_record_probe_bind(const struct attest_channel *channel, enum attest_lane lane, const uint8_t *wire,
			      size_t wire_len);

#ifdef __cplusplus
}
#endif

#endif
