/* SPDX-License-Identifier: MIT */
/* pair: a source and a destination in one process, and everything between them. */
#ifndef TESTS_ATTEST_PAIR_H
#define TESTS_ATTEST_PAIR_H

#include <attest/attest.h>

#define PAIR_N_MESSAGES 9u
#define PAIR_INITIATOR 0
#define PAIR_RESPONDER 1

struct pair {
	struct attest_keypair *key[2];
	uint8_t pinned[2][ATTEST_KEY_LEN];		/* the peer's key, as that side believes it */
	struct attest_handshake_config config[2];
	struct attest_handshake *side[2];
	int error[2];					/* first that is not 0, of read or write */
};

struct pair_message {
	int from;
	uint8_t bytes[ATTEST_HANDSHAKE_MAX];
	size_t len;
};

/* Called for message @index before it is delivered; may change it. */
typedef void (*pair_hook)(void *opaque, unsigned int index, struct pair_message *message);

/** Keys that trust each other and configs that agree; @ciphers as in attest_handshake_config. */
void pair_init(struct pair *pair, uint32_t ciphers);
/** New handshakes from the configs, in place of those before. */
void pair_start(struct pair *pair);
/** Write the next message, whoever is to write.  false: nobody is. */
bool pair_next(struct pair *pair, struct pair_message *ret_message);
/** Deliver to the other side. */
int pair_deliver(struct pair *pair, const struct pair_message *message);
/** Until nobody writes any more.  true: both sides are done. */
bool pair_run(struct pair *pair, pair_hook hook, void *opaque);
/** One handshake from start to end; @ret_channel by side. */
void pair_channels(struct pair *pair, struct attest_channel *ret_channel[2]);
bool pair_failed(const struct pair *pair, int side);
bool pair_done(const struct pair *pair, int side);
void pair_fini(struct pair *pair);

#endif
