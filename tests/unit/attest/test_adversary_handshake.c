/* SPDX-License-Identifier: MIT */
/* Somebody between source and destination, while they shake hands: each attack ends in its error, and no page changes. */
#include "attack.h"
#include "hex.h"
#include "vectors.h"

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
		{ "pages before ACCEPT", pages_before_accept },
		{ "diversion to another machine", diversion_to_another_machine },
		{ NULL, NULL },
	};

	return check_main("adversary, handshake", checks);
}
