/* SPDX-License-Identifier: MIT */
/*
 * Somebody between source and destination, and what he can do: every row of the
 * table in docs/threat-model.md that the channel itself answers.  Each attack has
 * to end in its error, at the side that is meant to see it, and change no page.
 */
#include "check.h"
#include "vectors.h"
#include "hex.h"
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
static void pass_bad(struct world *of, const struct packet *packet)
{
	uint8_t before[32], after[32];

	world_hash(of, before);
	world_pass(of, packet);
	world_hash(of, after);
	if (memcmp(before, after, sizeof(before)))
		now.changed = true;
	now.struck = true;
}

static void hook(struct world *of, struct packet *packet)
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
static bool suffers(enum attest_cipher cipher, const struct attack *attack)
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

static void flip(struct world *of, struct packet *packet, const struct attack *attack)
{
	size_t offset = attack->offset < packet->len ? attack->offset : packet->len - 1;

	packet->bytes[offset] ^= attack->bits;
	pass_bad(of, packet);
}

static void truncate_it(struct world *of, struct packet *packet, const struct attack *attack)
{
	packet->len -= attack->offset < packet->len ? attack->offset : packet->len;
	pass_bad(of, packet);
}

static void lengthen(struct world *of, struct packet *packet, const struct attack *attack)
{
	packet->bytes[packet->len++] = 0;
	pass_bad(of, packet);
}

static void duplicate(struct world *of, struct packet *packet, const struct attack *attack)
{
	world_pass(of, packet);
	pass_bad(of, packet);
}

static void reflect(struct world *of, struct packet *packet, const struct attack *attack)
{
	packet->from = !packet->from;
	pass_bad(of, packet);
}

/* Also as if it were the other side's. */
static void reflect_relabelled(struct world *of, struct packet *packet, const struct attack *attack)
{
	packet->bytes[3] ^= 3;
	reflect(of, packet, attack);
}

/* ---- an honest network first ---- */

static void nobody_in_between(void)
{
	for (size_t c = 0; c < 2; c++) {
		if (!(channel_ciphers() & 1u << ciphers[c])) {
			fprintf(stderr, "not run, here and below: no %s ", attest_cipher_name(ciphers[c]));
			continue;
		}
		world_init(&world, 1u << ciphers[c], 1);
		CU_ASSERT_TRUE(world_connect(&world));
		world_move(&world);
		CU_ASSERT_EQUAL(world.n_packets, N_ALL);
		CU_ASSERT_TRUE(world_complete(&world));
		world_fini(&world);
	}
}

/* ---- the handshake ---- */

static void flipped_handshake(void)
{
	/* offsets of docs/protocol.md, "HELLO"; the sealed messages anywhere */
	static const struct attack attacks[] = {
		{ HELLO1, flip, 0, 0x02, -EPROTO, -1 },		/* type */
		{ HELLO1, flip, 1, 0x03, -EPROTO, -1 },		/* role */
		{ HELLO1, flip, 2, 0x01, -EPROTO, -1 },		/* length */
		{ HELLO1, flip, 4, 0x20, -EPROTO, -1 },		/* magic */
		{ HELLO1, flip, 8, 0x02, -EPROTO, -1 },		/* lowest version 3, highest 1 */
		{ HELLO1, flip, 10, 0x02, -EBADMSG, 0 },	/* highest 3: taken, and seen in NOISE2 */
		{ HELLO1, flip, 13, 0x01, -EBADMSG, 0 },	/* a cipher that nobody knows */
		{ HELLO1, flip, 16, 0x01, -ENOENT, -1 },	/* ticket */
		{ HELLO2, flip, 0, 0x02, -EPROTO, -1 },
		{ HELLO2, flip, 10, 0x02, -EBADMSG, 0 },
		{ HELLO2, flip, 47, 0x80, -ENOENT, -1 },
		{ NOISE1, flip, 4, 0x01, -EBADMSG, 0 },		/* a key is only wrong, which NOISE2 shows */
		{ NOISE2, flip, 4, 0x01, -EBADMSG, -1 },
		{ NOISE2, flip, 36, 0x01, -EBADMSG, -1 },
		{ NOISE2, flip, 99, 0x80, -EBADMSG, -1 },
		{ NOISE3, flip, 4, 0x01, -EBADMSG, -1 },
		{ NOISE3, flip, 67, 0x80, -EBADMSG, -1 },
		{ EVIDENCE2, flip, 4, 0x01, -EBADMSG, -1 },
		{ EVIDENCE2, flip, 8191, 0x01, -EBADMSG, -1 },
		{ EVIDENCE1, flip, 4000, 0x01, -EBADMSG, -1 },
		{ ACCEPT1, flip, 4, 0x03, -EBADMSG, -1 },
		{ ACCEPT2, flip, 4, 0x03, -EBADMSG, -1 },
		{ ACCEPT2, flip, 52, 0x01, -EBADMSG, -1 },
	};

	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
		CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &attacks[i]));
}

static void cut_lengthened_doubled_or_reflected_handshake(void)
{
	for (unsigned int at = 0; at < PAIR_N_MESSAGES; at++) {
		struct attack attacks[] = {
			{ at, truncate_it, 1, 0, -EPROTO, -1 }, { at, truncate_it, 9999, 0, -EPROTO, -1 },
			{ at, lengthen, 0, 0, -EPROTO, -1 }, { at, duplicate, 0, 0, -EPROTO, -1 },
			{ at, reflect, 0, 0, -EPROTO, -1 },
		};

		for (size_t i = 0; i < 4; i++) {
			/* the last one is behind the handshake: there it is a record of no known length */
			if (at == ACCEPT2 && attacks[i].strike == duplicate)
				attacks[i].error = -EMSGSIZE;
			CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &attacks[i]));
		}
		/* back to the one who said it: after its last one that side is done and takes records only */
		attacks[4].seen_by = at % 2 == 0 ? 0 : 1;
		if (at >= EVIDENCE2)
			attacks[4].seen_by = at == EVIDENCE2 || at == ACCEPT2;
		if (at == ACCEPT2)
			attacks[4].error = -EMSGSIZE;
		CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &attacks[4]));
	}
}

/* Without one message nobody gets to a channel, whatever comes after it. */
static void drop(struct world *of, struct packet *packet, const struct attack *attack)
{
	now.struck = true;
}

static void dropped_handshake(void)
{
	for (unsigned int at = 0; at < PAIR_N_MESSAGES; at++) {
		/* ACCEPT in place of EVIDENCE could be a refusal, and is looked at; all other gaps end in waiting */
		const struct attack attack = { at, drop, 0, 0, at == EVIDENCE1 ? -EBADMSG : 0, -1 };

		CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &attack));
	}
}

/* A cipher taken out of both HELLOs; a version range lowered. */
static void weaken(struct world *of, struct packet *packet)
{
	if (of->n_packets <= HELLO2)
		packet->bytes[12] &= (uint8_t)~(1u << ATTEST_CIPHER_AES256GCM);
	world_pass(of, packet);
}

static void age(struct world *of, struct packet *packet)
{
	if (of->n_packets <= HELLO2)
		packet->bytes[8] = 0;
	world_pass(of, packet);
}

static void check_downgrade(void (*downgrade)(struct world *of, struct packet *packet))
{
	world_init(&world, 0, 1);
	world.hook = downgrade;
	CU_ASSERT_FALSE(world_connect(&world));
	CU_ASSERT_EQUAL(world.ends[0].error, -EBADMSG);
	CU_ASSERT_TRUE(world_memory_ok(&world));
	world_fini(&world);
}

static void set_ciphers(struct world *of, struct packet *packet, const struct attack *attack)
{
	packet->bytes[12] = attack->bits;
	pass_bad(of, packet);
}

static void downgrade(void)
{
	const struct attack aegis = { HELLO1, set_ciphers, 0, 1u << ATTEST_CIPHER_AEGIS256, -ENOTSUP, -1 };
	const struct attack none = { HELLO2, set_ciphers, 0, 0, -ENOTSUP, -1 };

	if (channel_ciphers() & 1u << ATTEST_CIPHER_AES256GCM)
		check_downgrade(weaken);
	else
		fprintf(stderr, "not run: no AES-256-GCM on this machine to take out ");
	check_downgrade(age);
	CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &aegis));
	CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &none));
}

/* A key share whose every product is zero. */
static void zero_share(struct world *of, struct packet *packet, const struct attack *attack)
{
	hex_decode(small_order_points[attack->offset], packet->bytes + 4, 32);
	pass_bad(of, packet);
}

static void all_zero_dh(void)
{
	for (size_t i = 0; i < N_SMALL_ORDER_POINTS; i++) {
		const struct attack to_destination = { NOISE1, zero_share, i, 0, -EPROTO, 1 };
		const struct attack to_source = { NOISE2, zero_share, i, 0, -EBADMSG, 0 };

		/* the destination sees it when it writes NOISE2, which world.c calls -EPROTO */
		CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &to_destination));
		CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &to_source));
	}
}

/* ---- an earlier session, message by message ---- */

static struct packet earlier[N_ALL];

static void record_it(struct world *of, struct packet *packet)
{
	memcpy(&earlier[of->n_packets], packet, sizeof(*packet));
	world_pass(of, packet);
}

static void record_earlier(enum attest_cipher cipher, uint8_t seed)
{
	world_init(&world, 1u << cipher, seed);
	world.hook = record_it;
	CU_ASSERT_TRUE_FATAL(world_connect(&world));
	world_move(&world);
	CU_ASSERT_TRUE_FATAL(world_complete(&world));
	world.hook = NULL;
}

static void replay_of_a_whole_session(void)
{
	for (int side = 0; side < 2; side++) {
		record_earlier(ATTEST_CIPHER_XCHACHA20POLY1305, 1);
		world_restart(&world);
		/* all that one side ever said, to the other one, which answers to nobody */
		for (unsigned int i = 0; i < N_ALL; i++) {
			static struct packet answer;
			struct attest_handshake *handshake = world.pair.side[!side];

			if (earlier[i].from == side)
				world_pass(&world, &earlier[i]);
			else if (!world.ends[!side].channel && attest_handshake_step(handshake) == ATTEST_STEP_SEND)
				CU_ASSERT_EQUAL(attest_handshake_write(handshake, answer.bytes, &answer.len), 0);
		}
		CU_ASSERT_EQUAL(world.ends[!side].error, -EBADMSG);
		CU_ASSERT_PTR_NULL(world.ends[!side].channel);
		for (uint64_t gfn = 0; gfn < WORLD_N_PAGES; gfn++)
			CU_ASSERT_EQUAL(world.memory[gfn][0], 0xee);
		world_fini(&world);
	}
}

/* Each sealed handshake message and each record of an earlier connection, in the place of this one's. */
static void from_earlier(struct world *of, struct packet *packet, const struct attack *attack)
{
	memcpy(packet->bytes, earlier[attack->at].bytes, earlier[attack->at].len);
	pass_bad(of, packet);
}

/* @change: what is another one in the earlier session. */
static void check_splice(enum attest_cipher cipher, void (*change)(struct pair *pair))
{
	record_earlier(cipher, 2);
	world_fini(&world);
	world_init(&world, 1u << cipher, 2);
	if (change)
		change(&world.pair);
	world_restart(&world);
	world.hook = record_it;
	CU_ASSERT_TRUE_FATAL(world_connect(&world));
	world_move(&world);
	world_fini(&world);
	for (unsigned int at = NOISE3; at < N_ALL; at++) {
		/* of the Noise messages each brings its own keys; from NOISE3 on they hang together */
		const struct attack attack = { at, from_earlier, 0, 0, -EBADMSG, -1 };

		CU_ASSERT_TRUE(suffers(cipher, &attack));
	}
}

static void change_connection(struct pair *of)
{
	of->config[0].connection = of->config[1].connection = 77;
}

static void change_session(struct pair *of)
{
	of->config[0].ticket_id[5] = of->config[1].ticket_id[5] = 0x55;
}

static void change_vm(struct pair *of)
{
	of->config[0].vm_id[5] = of->config[1].vm_id[5] = 0x55;
}

static void splice_of_connections_sessions_and_vms(void)
{
	for (size_t c = 0; c < 2; c++) {
		if (!(channel_ciphers() & 1u << ciphers[c]))
			continue;
		check_splice(ciphers[c], NULL);		/* the same numbers, another handshake */
		check_splice(ciphers[c], change_connection);
		check_splice(ciphers[c], change_session);
		check_splice(ciphers[c], change_vm);
	}
}

/* ---- before both ACCEPTs ---- */

static void slip_in(struct world *of, struct packet *packet, const struct attack *attack)
{
	struct packet *page = &earlier[attack->offset];

	page->from = !now.seen_by;
	page->lane = (enum attest_lane)attack->bits;
	pass_bad(of, page);
	world_pass(of, packet);
}

/* A page's record, on each lane, before each message of the handshake, at either side. */
static void pages_before_accept(void)
{
	record_earlier(ATTEST_CIPHER_XCHACHA20POLY1305, 1);
	world_fini(&world);
	for (unsigned int at = HELLO1; at <= ACCEPT2; at++) {
		for (uint8_t lane = 0; lane < ATTEST_N_LANES; lane++) {
			/* the last two steps: whoever has both ACCEPTs is past it, and it is a record of another session */
			struct attack attack = { at, slip_in, PAIR_N_MESSAGES + 10, lane, -EPROTO, 1 };

			if (at == ACCEPT2)
				attack.error = lane == ATTEST_LANE_URGENT ? -EBADMSG : -EMSGSIZE;
			CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &attack));
			if (at == ACCEPT2)
				attack.error = -EPROTO;
			attack.seen_by = 0;
			CU_ASSERT_TRUE(suffers(ATTEST_CIPHER_XCHACHA20POLY1305, &attack));
		}
	}
}

/* ---- another machine ---- */

/* The source reaches a machine that has keys of its own, or the destination is called by one. */
static void diversion_to_another_machine(void)
{
	for (int side = 0; side < 2; side++) {
		world_init(&world, 0, 1);
		attest_keypair_free(world.pair.key[side]);
		CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&world.pair.key[side]), 0);
		world.pair.config[side].keypair = world.pair.key[side];
		world_restart(&world);
		CU_ASSERT_FALSE(world_connect(&world));
		/* the one who does not believe, and the one who is told so */
		CU_ASSERT_EQUAL(world.ends[!side].error, -EACCES);
		CU_ASSERT_EQUAL(world.ends[side].error, -EACCES);
		world_move(&world);
		CU_ASSERT_PTR_NULL(world.ends[0].channel);
		CU_ASSERT_PTR_NULL(world.ends[1].channel);
		world_fini(&world);
	}
}

/* ---- records ---- */

static void flipped_records(void)
{
	for (size_t c = 0; c < 2; c++) {
		for (unsigned int at = PAIR_N_MESSAGES; at < N_ALL; at++) {
			/* class (to one that no lane has), lane: seen before anything is opened */
			const struct attack class = { at, flip, 0, 0x80, -EMSGSIZE, -1 };
			const struct attack lane = { at, flip, 2, 0x03, -EMSGSIZE, -1 };

			CU_ASSERT_TRUE(suffers(ciphers[c], &class));
			CU_ASSERT_TRUE(suffers(ciphers[c], &lane));
			for (size_t offset = 1; offset < 52; offset++) {
				const struct attack attack = { at, flip, offset, (uint8_t)(1u << offset % 8), -EBADMSG, -1 };

				CU_ASSERT_TRUE(offset == 2 || suffers(ciphers[c], &attack));
			}
			for (size_t i = 0; i < 3; i++) {
				/* 9999: the tag's last byte */
				static const size_t offsets[] = { 95, 100, 9999 };
				const struct attack attack = { at, flip, offsets[i], 0x10, -EBADMSG, -1 };

				CU_ASSERT_TRUE(suffers(ciphers[c], &attack));
			}
		}
	}
}

static void cut_lengthened_doubled_or_reflected_records(void)
{
	for (size_t c = 0; c < 2; c++) {
		for (unsigned int at = PAIR_N_MESSAGES; at < N_ALL; at++) {
			const struct attack attacks[] = {
				{ at, truncate_it, 1, 0, -EBADMSG, -1 }, { at, truncate_it, 16, 0, -EBADMSG, -1 },
				{ at, truncate_it, 9999, 0, -EMSGSIZE, -1 }, { at, lengthen, 0, 0, -EBADMSG, -1 },
				{ at, duplicate, 0, 0, -EBADMSG, -1 },
			};

			for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
				if (at != N_ALL - 1 || attacks[i].strike != duplicate)
					CU_ASSERT_TRUE(suffers(ciphers[c], &attacks[i]));
		}
		/* of either side, to itself; seen by the one who said it */
		for (unsigned int i = 0; i < 2; i++) {
			const struct attack from_source = { PAIR_N_MESSAGES + 10, i ? reflect : reflect_relabelled, 0, 0,
							    -EBADMSG, 0 };
			const struct attack from_destination = { PAIR_N_MESSAGES + 9, i ? reflect : reflect_relabelled, 0,
								 0, -EBADMSG, 1 };

			CU_ASSERT_TRUE(suffers(ciphers[c], &from_source));
			CU_ASSERT_TRUE(suffers(ciphers[c], &from_destination));
		}
	}
}

/* Pages of records that were dropped or held back are seen by the next record of the lane. */
static void lose_one(struct world *of, struct packet *packet)
{
	if (of->n_packets == now.attack->at) {
		memcpy(&now.kept, packet, sizeof(*packet));
		now.seen_by = !packet->from;
	} else if (of->n_packets > now.attack->at && packet->lane == now.kept.lane && packet->from == now.kept.from &&
		   !now.struck) {
		pass_bad(of, packet);
		/* reordered: the one held back comes behind it, too late */
		if (now.attack->bits)
			pass_bad(of, &now.kept);
	} else {
		world_pass(of, packet);
	}
}

static void dropped_and_reordered_records(void)
{
	/* each that has one behind it on its lane, from its side: BINDs, STATE, PAGES of both lanes */
	static const unsigned int steps[] = { 0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13 };

	for (size_t i = 0; i < 2 * sizeof(steps) / sizeof(steps[0]); i++) {
		const struct attack attack = { .at = PAIR_N_MESSAGES + steps[i / 2], .bits = i % 2 };

		for (size_t c = 0; c < 2; c++) {
			if (!(channel_ciphers() & 1u << ciphers[c]))
				continue;
			memset(&now, 0, sizeof(now));
			now.attack = &attack;
			world_init(&world, 1u << ciphers[c], 1);
			world.hook = lose_one;
			CU_ASSERT_TRUE(world_connect(&world));
			world_move(&world);
			CU_ASSERT_TRUE(now.struck && !now.changed);
			CU_ASSERT_EQUAL(world.ends[now.seen_by].error, -EBADMSG);
			CU_ASSERT_TRUE(world_memory_ok(&world) && !world_complete(&world));
			world_fini(&world);
		}
	}
}

/* To another lane of the same connection: as it is, with its lane changed, and with the counter that is due there. */
static void to_other_lane(struct world *of, struct packet *packet, const struct attack *attack)
{
	enum attest_lane other = attack->bits;

	packet->lane = other;
	if (attack->offset >= 1)
		packet->bytes[2] = (uint8_t)other;
	if (attack->offset >= 2)
		packet->bytes[8] = (uint8_t)of->ends[!packet->from].channel->recv[other].counter;
	pass_bad(of, packet);
}

static void splice_of_lanes(void)
{
	for (size_t c = 0; c < 2; c++) {
		for (unsigned int at = PAIR_N_MESSAGES; at < N_ALL; at++) {
			for (uint8_t i = 0; i < 9; i++) {
				struct attack attack = { at, to_other_lane, i / 3, i % 3, i < 3 ? -EMSGSIZE : -EBADMSG, -1 };
				/* the script's lanes, by step */
				static const uint8_t lanes[] = { 0, 1, 2, 0, 1, 2, 0, 0, 0, 1, 1, 2, 1, 2, 2, 1, 2, 0 };

				if (lanes[at - PAIR_N_MESSAGES] != attack.bits)
					CU_ASSERT_TRUE(suffers(ciphers[c], &attack));
			}
		}
	}
}

/* The keys are not used for two directions or lanes, and a later generation is not taken from the header alone. */
static void raised_generation(void)
{
	for (size_t c = 0; c < 2; c++) {
		for (unsigned int at = PAIR_N_MESSAGES; at < N_ALL; at++) {
			const struct attack next = { at, flip, 4, 1, -EBADMSG, -1 }, far = { at, flip, 6, 0x40, -EBADMSG, -1 };

			CU_ASSERT_TRUE(suffers(ciphers[c], &next));
			CU_ASSERT_TRUE(suffers(ciphers[c], &far));
		}
	}
}

/* STATE of another session of the same two machines, at the same place: one flipped is among flipped_records. */
static void states_of_another_session(void)
{
	for (size_t c = 0; c < 2; c++) {
		if (!(channel_ciphers() & 1u << ciphers[c]))
			continue;
		world_init(&world, 1u << ciphers[c], 2);
		change_session(&world.pair);
		world_restart(&world);
		world.hook = record_it;
		CU_ASSERT_TRUE(world_connect(&world));
		world_move(&world);
		world_fini(&world);
		for (unsigned int step = 6; step <= 7; step++) {
			const struct attack attack = { PAIR_N_MESSAGES + step, from_earlier, 0, 0, -EBADMSG, -1 };

			CU_ASSERT_TRUE(suffers(ciphers[c], &attack));
		}
	}
}

int main(void)
{
	static const struct check checks[] = {
		{ "nobody in between", nobody_in_between },
		{ "flipped handshake", flipped_handshake },
		{ "cut, lengthened, doubled or reflected handshake", cut_lengthened_doubled_or_reflected_handshake },
		{ "dropped handshake messages", dropped_handshake },
		{ "downgrade", downgrade },
		{ "all-zero DH", all_zero_dh },
		{ "replay of a whole session", replay_of_a_whole_session },
		{ "splice of connections, sessions and VMs", splice_of_connections_sessions_and_vms },
		{ "pages before ACCEPT", pages_before_accept },
		{ "diversion to another machine", diversion_to_another_machine },
		{ "flipped records", flipped_records },
		{ "cut, lengthened, doubled or reflected records", cut_lengthened_doubled_or_reflected_records },
		{ "dropped and reordered records", dropped_and_reordered_records },
		{ "splice of lanes", splice_of_lanes },
		{ "raised generation", raised_generation },
		{ "STATE of another session", states_of_another_session },
		{ NULL, NULL },
	};

	return check_main("adversary", checks);
}
