/* SPDX-License-Identifier: MIT */
/* record.c: what somebody on the network can do to records, and none of it gets opened. */
#include "attacked.h"

static void any_flipped_bit_is_refused(void)
{
	CHECK_LOOP_BEGIN();
	for (size_t c = 0; c < 2; c++) {
		size_t len;

		if (!set_up(ciphers[c]))
			continue;
		/* every bit of the smallest record; of a page's the header's, the tag's and one in each 7 bytes */
		for (int small = 0; small < 2; small++) {
			len = seal(ATTEST_LANE_URGENT, small ? &ping : &page);
			if (small)
				saved.recv[ATTEST_LANE_URGENT] = channel[1]->recv[ATTEST_LANE_URGENT];
			for (size_t bit = 0; bit < len * 8; bit++) {
				if (!small && bit > 256 && bit < (len - 16) * 8 && bit % 57)
					continue;
				wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
				CHECK_LOOP(refused_by(ATTEST_LANE_URGENT, wire, len), "cipher %zu bit %zu", c, bit);
				wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
			}
			CHECK_LOOP(accepted_by(ATTEST_LANE_URGENT, wire, len), "cipher %zu as it was", c);
		}
		tear_down();
	}
	CHECK_LOOP_END();
}

static void replayed_reordered_and_dropped_are_refused(void)
{
	static uint8_t second[8192];
	size_t len, second_len;

	for (size_t c = 0; c < 2; c++) {
		if (!set_up(ciphers[c]))
			continue;
		second_len = seal(ATTEST_LANE_BULK, &page);	/* the first one, for now */
		memcpy(second, wire, second_len);
		CU_ASSERT_TRUE(accepted_by(ATTEST_LANE_BULK, second, second_len));
		memcpy(&saved, channel[1], sizeof(saved));
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, second, second_len));	/* replay */
		len = seal(ATTEST_LANE_BULK, &page);
		second_len = seal(ATTEST_LANE_BULK, &page);
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, second_len));		/* one was dropped */
		CU_ASSERT_EQUAL(len, second_len);
		tear_down();
	}
}

/* A replay whose counter was set to the one that is due. */
static void renumbered_replay_is_refused(void)
{
	size_t len;

	for (size_t c = 0; c < 2; c++) {
		if (!set_up(ciphers[c]))
			continue;
		len = seal(ATTEST_LANE_BULK, &page);
		CU_ASSERT_TRUE(accepted_by(ATTEST_LANE_BULK, wire, len));
		memcpy(&saved, channel[1], sizeof(saved));
		wire[8]++;
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, len));
		tear_down();
	}
}

/* The mask is a stream cipher: xor moves the GFN in a predictable way, and the tag has to notice. */
static void page_moved_to_another_gfn_is_refused(void)
{
	CHECK_LOOP_BEGIN();
	for (size_t c = 0; c < 2; c++) {
		size_t len;

		if (!set_up(ciphers[c]))
			continue;
		len = seal(ATTEST_LANE_BULK, &page);
		for (uint64_t target = 0; target < 64; target++) {
			uint64_t change = page.gfn ^ (target * 0x1111 + 1);

			if (!change)
				continue;
			for (int i = 0; i < 8; i++)
				wire[16 + i] ^= (uint8_t)(change >> 8 * i);
			CHECK_LOOP(refused_by(ATTEST_LANE_BULK, wire, len), "target %u", (unsigned int)target);
			for (int i = 0; i < 8; i++)
				wire[16 + i] ^= (uint8_t)(change >> 8 * i);
		}
		CHECK_LOOP(accepted_by(ATTEST_LANE_BULK, wire, len), "as it was");
		tear_down();
	}
	CHECK_LOOP_END();
}

static void bodies_of_two_records_do_not_change_places(void)
{
	static uint8_t first[8192], mixed[8192];
	size_t len;

	for (size_t c = 0; c < 2; c++) {
		if (!set_up(ciphers[c]))
			continue;
		len = seal(ATTEST_LANE_BULK, &page);
		memcpy(first, wire, len);
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_BULK, &page), len);
		memcpy(mixed, first, len);
		memcpy(mixed + 32, wire + 32, len - 32);
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, mixed, len));
		CU_ASSERT_TRUE(accepted_by(ATTEST_LANE_BULK, first, len));
		tear_down();
	}
}

static void other_lane_is_refused(void)
{
	for (size_t c = 0; c < 2; c++) {
		if (!set_up(ciphers[c]))
			continue;
		for (unsigned int from = 0; from < ATTEST_N_LANES; from++) {
			size_t len = seal(from, &ping);

			for (unsigned int to = 0; to < ATTEST_N_LANES; to++) {
				if (to == from)
					continue;
				CU_ASSERT_TRUE(refused_by(to, wire, len));
				wire[2] = (uint8_t)to;
				CU_ASSERT_TRUE(refused_by(to, wire, len));
				wire[2] = (uint8_t)from;
			}
			CU_ASSERT_TRUE(accepted_by(from, wire, len));
		}
		tear_down();
	}
}

static void own_records_sent_back_are_refused(void)
{
	struct attest_record got;
	size_t len;

	for (size_t c = 0; c < 2; c++) {
		for (int relabel = 0; relabel < 2; relabel++) {
			if (!set_up(ciphers[c]))
				continue;
			len = seal(ATTEST_LANE_URGENT, &ping);
			if (relabel)
				wire[3] ^= 3;
			CU_ASSERT_FALSE(attest_record_open(channel[0], ATTEST_LANE_URGENT, wire, len, &got, opened));
			CU_ASSERT_TRUE(sodium_is_zero(opened, len));
			tear_down();
		}
	}
}

/* The first record of each lane of another channel: nothing but the keys and what they are bound to differs. */
static void check_other_channel(void (*change)(struct pair *pair))
{
	for (size_t c = 0; c < 2; c++) {
		struct attest_channel *other[2];
		size_t len = 0;

		if (!set_up(ciphers[c]))
			continue;
		change(&pair);
		pair_channels(&pair, other);
		for (unsigned int lane = 0; lane < ATTEST_N_LANES; lane++) {
			CU_ASSERT_TRUE(attest_record_seal(other[0], lane, &ping, body, wire, &len));
			CU_ASSERT_TRUE(refused_by(lane, wire, len));
		}
		attest_channel_free(other[0]);
		attest_channel_free(other[1]);
		tear_down();
	}
}

static void change_nothing(struct pair *of)
{
}

static void change_connection(struct pair *of)
{
	of->config[0].connection = of->config[1].connection = 1000;
}

static void change_session(struct pair *of)
{
	of->config[0].ticket_id[0] ^= 1;
	of->config[1].ticket_id[0] ^= 1;
}

static void change_vm(struct pair *of)
{
	of->config[0].vm_id[0] ^= 1;
	of->config[1].vm_id[0] ^= 1;
}

static void other_handshake_connection_session_or_vm_is_refused(void)
{
	check_other_channel(change_nothing);
	check_other_channel(change_connection);
	check_other_channel(change_session);
	check_other_channel(change_vm);
}

/* Even with the same keys, a record says what it is bound to. */
static void each_bound_field_counts_by_itself(void)
{
	for (size_t c = 0; c < 2; c++) {
		size_t len;

		if (!set_up(ciphers[c]))
			continue;
		len = seal(ATTEST_LANE_BULK, &page);
		saved.session_id[9] ^= 1;
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, len));
		saved.session_id[9] ^= 1;
		saved.connection ^= 1;
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, len));
		saved.connection ^= 1;
		saved.recv[ATTEST_LANE_BULK].generation = 1;
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, len));
		saved.recv[ATTEST_LANE_BULK].generation = 0;
		saved.recv[ATTEST_LANE_BULK].direction ^= 3;
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, len));
		saved.recv[ATTEST_LANE_BULK].direction ^= 3;
		CU_ASSERT_TRUE(accepted_by(ATTEST_LANE_BULK, wire, len));
		tear_down();
	}
}

static void any_other_length_is_refused(void)
{
	CHECK_LOOP_BEGIN();
	for (size_t c = 0; c < 2; c++) {
		size_t len;

		if (!set_up(ciphers[c]))
			continue;
		len = seal(ATTEST_LANE_BULK, &ping);
		for (size_t other = 0; other < len + 600; other++) {
			/* exactly so many bytes, so that a read beyond them is seen */
			uint8_t *exact = malloc(other ? other : 1);

			if (!exact)
				abort();
			memcpy(exact, wire, other);
			CHECK_LOOP(other == len || refused_by(ATTEST_LANE_BULK, exact, other), "%zu bytes", other);
			free(exact);
		}
		/* another class, with the length of that class */
		for (unsigned int class = 1; class < 256; class++) {
			static const uint32_t classes[] = { WIRE_CLASS_LENS };
			size_t class_len = class < WIRE_N_CLASSES ? 48 + classes[class] : len;

			wire[0] = (uint8_t)class;
			CHECK_LOOP(refused_by(ATTEST_LANE_BULK, wire, class_len), "class %u", class);
			CHECK_LOOP(refused_by(ATTEST_LANE_BULK, wire, len), "class %u with the old length", class);
		}
		tear_down();
	}
	CHECK_LOOP_END();
}

static void peek_allows_a_lanes_own_lengths_only(void)
{
	static const uint32_t classes[] = { WIRE_CLASS_LENS };
	static const uint32_t max[ATTEST_N_LANES] = { 66048, 66048, 2097664 };
	uint8_t header[ATTEST_RECORD_HEADER_LEN] = { 0 };
	size_t len;

	CHECK_LOOP_BEGIN();
	for (unsigned int lane = 0; lane < 5; lane++) {
		for (unsigned int class = 0; class < 256; class++) {
			bool allowed = lane < ATTEST_N_LANES && class < WIRE_N_CLASSES && classes[class] <= max[lane];

			header[0] = (uint8_t)class;
			header[2] = (uint8_t)lane;
			len = 77;
			CHECK_LOOP(attest_record_peek(lane, header, &len) == allowed, "lane %u class %u", lane, class);
			CHECK_LOOP(len == (allowed ? 48 + classes[class] : 77), "lane %u class %u: %zu", lane, class,
				   len);
			header[2] = (uint8_t)(lane + 1);
			CHECK_LOOP(!attest_record_peek(lane, header, &len), "another lane's");
		}
	}
	CHECK_LOOP_END();
}

int main(void)
{
	static const struct check checks[] = {
		{ "any flipped bit is refused", any_flipped_bit_is_refused },
		{ "replayed, reordered and dropped are refused", replayed_reordered_and_dropped_are_refused },
		{ "renumbered replay is refused", renumbered_replay_is_refused },
		{ "page moved to another GFN is refused", page_moved_to_another_gfn_is_refused },
		{ "bodies of two records do not change places", bodies_of_two_records_do_not_change_places },
		{ "other lane is refused", other_lane_is_refused },
		{ "own records sent back are refused", own_records_sent_back_are_refused },
		{ "other handshake, connection, session or VM is refused",
		  other_handshake_connection_session_or_vm_is_refused },
		{ "each bound field counts by itself", each_bound_field_counts_by_itself },
		{ "any other length is refused", any_other_length_is_refused },
		{ "peek allows a lane's own lengths only", peek_allows_a_lanes_own_lengths_only },
		{ NULL, NULL },
	};

	return check_main("record, refusals", checks);
}
