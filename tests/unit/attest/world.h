/* SPDX-License-Identifier: MIT */
/*
 * world: a source and a destination, the destination's guest memory, and whoever
 * sits between them.  Everything that one side says goes through a hook, which
 * passes it on, or something else, or nothing.  The endpoints use the public API
 * as gmem-source and gmem-pager do: the first error ends the move.
 */
#ifndef TESTS_ATTEST_WORLD_H
#define TESTS_ATTEST_WORLD_H

#include <attest/channel.h>

#include "pair.h"

#define WORLD_N_PAGES 16u
#define WORLD_PACKET_MAX 9216u
#define WORLD_N_STATES 2u
#define WORLD_STATE_LEN 200u
#define WORLD_N_RECORDS 18u	/* of the script; before them PAIR_N_MESSAGES of the handshake */

struct packet {
	int from;
	enum attest_lane lane;
	size_t len;
	uint8_t bytes[WORLD_PACKET_MAX];
};

struct end {
	struct attest_channel *channel;		/* NULL until both accepted */
	bool bound[ATTEST_N_LANES];
	int error;				/* the first one; nothing is taken after it */
	unsigned int n_states;
};

struct world {
	struct pair pair;
	struct end ends[2];				/* 0 source, 1 destination */
	uint8_t memory[WORLD_N_PAGES][ATTEST_PAGE_LEN];	/* the destination's; 0xee: never written */
	uint8_t states[WORLD_N_STATES][WORLD_STATE_LEN];
	uint8_t seed;					/* of what the source's pages hold */
	unsigned int n_packets;				/* that the hook has seen */
	void (*hook)(struct world *world, struct packet *packet);	/* NULL: passes everything on */
	void *opaque;
};

/** Two sides that trust each other; @ciphers as in attest_handshake_config. */
void world_init(struct world *world, uint32_t ciphers, uint8_t seed);
void world_fini(struct world *world);
/** New handshakes, new connection, nothing received; keys and ticket stay. */
void world_restart(struct world *world);
/** The handshake.  true: both ends have a channel. */
bool world_connect(struct world *world);
/** The script's records, one after the other, by whoever is still without error. */
void world_move(struct world *world);
/** To the other end of @packet's. */
void world_pass(struct world *world, const struct packet *packet);
/** What @side says next in the script's step @step; false if it cannot. */
bool world_say(struct world *world, unsigned int step, struct packet *ret_packet);
/** The destination's memory and states are all that the source had. */
bool world_complete(const struct world *world);
/** Every page is what the source has there, or was never written. */
bool world_memory_ok(const struct world *world);
/** Of the destination's memory and states, to see that they did not change. */
void world_hash(const struct world *world, uint8_t ret_hash[32]);

#endif
