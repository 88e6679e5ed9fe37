/* SPDX-License-Identifier: MIT */
/* Somebody between source and destination, once both accepted: each attack ends in its error, and no page changes. */
#include "attack.h"

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
		{ "splice of connections, sessions and VMs", splice_of_connections_sessions_and_vms },
		{ "flipped records", flipped_records },
		{ "cut, lengthened, doubled or reflected records", cut_lengthened_doubled_or_reflected_records },
		{ "dropped and reordered records", dropped_and_reordered_records },
		{ "splice of lanes", splice_of_lanes },
		{ "raised generation", raised_generation },
		{ "STATE of another session", states_of_another_session },
		{ NULL, NULL },
	};

	return check_main("adversary, records", checks);
}
