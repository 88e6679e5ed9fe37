/* SPDX-License-Identifier: MIT */
/*
 * attack: one attack on the way between source and destination, and whether it
 * ends as it has to: the error at the side that is meant to see it, and no page
 * changed.  docs/threat-model.md lists them all.
 */
#ifndef TESTS_ATTEST_ATTACK_H
#define TESTS_ATTEST_ATTACK_H

#include "check.h"
#include "world.h"

#include <errno.h>

#define N_ALL (PAIR_N_MESSAGES + WORLD_N_RECORDS)

/* Message numbers of the handshake. */
enum { HELLO1, HELLO2, NOISE1, NOISE2, NOISE3, EVIDENCE2, EVIDENCE1, ACCEPT1, ACCEPT2 };

static const enum attest_cipher ciphers[] = { ATTEST_CIPHER_AES256GCM, ATTEST_CIPHER_XCHACHA20POLY1305 };
static struct world world;

/* One attack: at packet @at, by @strike; afterwards that side that was to see it must say @error. */
struct attack {
	unsigned int at;
	void (*strike)(struct world *of, struct packet *packet, const struct attack *attack);
	size_t offset;		/* of a flip, or how much is cut */
	uint8_t bits;
	int error;
	int seen_by;		/* side; -1: the receiver of packet @at */
};

static struct {
	const struct attack *attack;
	int seen_by;
	bool struck, changed;
	struct packet kept;		/* held back, or of an earlier connection */
	bool holds;
} now;

/* Pass on what must not be believed: nothing may change by it. */
static inline void pass_bad(struct world *of, const struct packet *packet)
{
	uint8_t before[32], after[32];

	world_hash(of, before);
	world_pass(of, packet);
	world_hash(of, after);
	if (memcmp(before, after, sizeof(before)))
		now.changed = true;
	now.struck = true;
}

static inline void hook(struct world *of, struct packet *packet)
{
	if (of->n_packets == now.attack->at) {
		if (now.seen_by < 0)
			now.seen_by = !packet->from;
		now.attack->strike(of, packet, now.attack);
	} else {
		world_pass(of, packet);
	}
}

/* The whole way with one attack in it.  true: it ended as it has to. */
static inline bool suffers(enum attest_cipher cipher, const struct attack *attack)
{
	bool ok;

	now.attack = attack;
	now.seen_by = attack->seen_by;
	now.struck = now.changed = now.holds = false;
	if (!(channel_ciphers() & 1u << cipher))
		return true;
	world_init(&world, 1u << cipher, 1);
	world.hook = hook;
	if (world_connect(&world))
		world_move(&world);
	ok = now.struck && !now.changed && world_memory_ok(&world) && !world_complete(&world) &&
	     world.ends[now.seen_by].error == attack->error;
	if (!ok)
		fprintf(stderr, "\nat %u, offset %zu: struck %d, changed %d, errors %d and %d in place of %d at side %d",
			attack->at, attack->offset, now.struck, now.changed, world.ends[0].error, world.ends[1].error,
			attack->error, now.seen_by);
	world_fini(&world);
	return ok;
}

/* ---- strikes ---- */

static inline void flip(struct world *of, struct packet *packet, const struct attack *attack)
{
	size_t offset = attack->offset < packet->len ? attack->offset : packet->len - 1;

	packet->bytes[offset] ^= attack->bits;
	pass_bad(of, packet);
}

static inline void truncate_it(struct world *of, struct packet *packet, const struct attack *attack)
{
	packet->len -= attack->offset < packet->len ? attack->offset : packet->len;
	pass_bad(of, packet);
}

static inline void lengthen(struct world *of, struct packet *packet, const struct attack *attack)
{
	packet->bytes[packet->len++] = 0;
	pass_bad(of, packet);
}

static inline void duplicate(struct world *of, struct packet *packet, const struct attack *attack)
{
	world_pass(of, packet);
	pass_bad(of, packet);
}

static inline void reflect(struct world *of, struct packet *packet, const struct attack *attack)
{
	packet->from = !packet->from;
	pass_bad(of, packet);
}

/* Also as if it were the other side's. */
static inline void reflect_relabelled(struct world *of, struct packet *packet, const struct attack *attack)
{
	packet->bytes[3] ^= 3;
	reflect(of, packet, attack);
}

/* ---- an earlier session, message by message ---- */

static struct packet earlier[N_ALL];

static inline void record_it(struct world *of, struct packet *packet)
{
	memcpy(&earlier[of->n_packets], packet, sizeof(*packet));
	world_pass(of, packet);
}

static inline void record_earlier(enum attest_cipher cipher, uint8_t seed)
{
	world_init(&world, 1u << cipher, seed);
	world.hook = record_it;
	CU_ASSERT_TRUE_FATAL(world_connect(&world));
	world_move(&world);
	CU_ASSERT_TRUE_FATAL(world_complete(&world));
	world.hook = NULL;
}

#endif
