/* SPDX-License-Identifier: MIT */
/*
 * channel: the record keys of one finished handshake.  A *half* is one lane in
 * one direction: its keys, its counter, its generation.  Halves share nothing
 * that changes, so different lanes may be used by different threads.
 */
#ifndef ATTEST_CHANNEL_H
#define ATTEST_CHANNEL_H

#include <sodium.h>
#include <stdatomic.h>

#include "attest.h"
#include "wire.h"

#define CHANNEL_AES_STACK 1024u		/* more than AES-GCM leaves behind; a test looks */

struct gcry_cipher_handle;

struct channel_half {
	/* 64: one cache line's owner is one lane's thread */
	_Alignas(64) struct gcry_cipher_handle *aes;	/* AES-256-GCM: the expanded record key; owned */
	uint8_t key[ATTEST_KEY_LEN];			/* the record key */
	uint8_t header_key[ATTEST_KEY_LEN];
	uint8_t secret[ATTEST_KEY_LEN];			/* of this generation; the next one comes from it */
	uint64_t counter;				/* of the next record; never goes back */
	uint64_t n_records;				/* in this generation */
	uint64_t n_bytes;				/* padded body in this generation */
	uint64_t since_ns;				/* sealing: time of this generation's first record */
	uint64_t mask_block;				/* of @mask */
	uint32_t generation;
	uint8_t lane;
	uint8_t direction;
	bool has_mask;
	bool dead;
	uint8_t mask[WIRE_MASK_BLOCK_LEN];		/* keystream for the headers of a block of records */
#ifdef ATTEST_LOG_NONCES
	uint8_t key_id[ATTEST_HASH_LEN];		/* for noncelog.h: hash of the record key */
#endif
};

/* WIRE_REKEY_* and WIRE_MAX_*; tests make them smaller. */
struct channel_limits {
	uint64_t rekey_records;
	uint64_t rekey_bytes;
	uint64_t rekey_ns;
	uint64_t max_records;
	uint32_t max_generation;
};

struct attest_channel {
	struct channel_half send[ATTEST_N_LANES];
	struct channel_half recv[ATTEST_N_LANES];
	struct channel_limits limits;
	_Atomic uint64_t now_ns;			/* attest_channel_tick() */
	enum attest_cipher cipher;
	uint64_t connection;
	uint8_t session_id[ATTEST_HASH_LEN];
	bool has_peer_platform;
	uint8_t peer_platform[ATTEST_ID_LEN];
};

/* Everything that record keys come from. */
struct channel_seed {
	enum attest_role role;		/* of this side */
	enum attest_cipher cipher;
	uint64_t connection;
	const uint8_t *ticket_id;	/* ATTEST_ID_LEN */
	const uint8_t *vm_id;		/* ATTEST_ID_LEN */
	const uint8_t *chaining_key;	/* ATTEST_HASH_LEN, the handshake's last */
	const uint8_t *transcript;	/* ATTEST_HASH_LEN: handshake hash, evidence, ids */
	const uint8_t *peer_platform;	/* ATTEST_ID_LEN; NULL: its evidence names none.  No key comes from it */
};

/** -ENOMEM.  Free with attest_channel_free(), which wipes. */
int channel_new(const struct channel_seed *seed, struct attest_channel **ret_channel);
/** After each call of gcm.h that uses a key: wipe what it leaves in registers and on the stack below. */
void channel_wipe_traces(void);
/** Ciphers of this machine, a bit (1 << attest_cipher) each. */
uint32_t channel_ciphers(void);
/** One way to the next generation; the old keys are wiped.  false: no generation is left. */
bool channel_rekey(const struct attest_channel *channel, struct channel_half *half);
/** Wipe the half's keys; it stays dead. */
void channel_kill(struct channel_half *half);

#endif
