/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNWRITTEN 0xee

/* Who says what; sizes follow from the op.  Each GFN comes once, the even data pages of bulk beside zero pages. */
static const struct step {
	int from;
	enum attest_lane lane;
	enum attest_op op;
	uint64_t gfn;		/* PAGES; STATE: index */
	uint32_t n_pages, n_data;
} script[WORLD_N_RECORDS] = {
	{ 0, ATTEST_LANE_CONTROL, ATTEST_OP_BIND, 0, 0, 0 },
	{ 0, ATTEST_LANE_URGENT, ATTEST_OP_BIND, 0, 0, 0 },
	{ 0, ATTEST_LANE_BULK, ATTEST_OP_BIND, 0, 0, 0 },
	{ 1, ATTEST_LANE_CONTROL, ATTEST_OP_BIND, 0, 0, 0 },
	{ 1, ATTEST_LANE_URGENT, ATTEST_OP_BIND, 0, 0, 0 },
	{ 1, ATTEST_LANE_BULK, ATTEST_OP_BIND, 0, 0, 0 },
	{ 0, ATTEST_LANE_CONTROL, ATTEST_OP_STATE, 0, 0, 0 },
	{ 0, ATTEST_LANE_CONTROL, ATTEST_OP_STATE, 1, 0, 0 },
	{ 0, ATTEST_LANE_CONTROL, ATTEST_OP_START, 0, 0, 0 },
	{ 1, ATTEST_LANE_URGENT, ATTEST_OP_REQUEST, 0, 0, 0 },
	{ 0, ATTEST_LANE_URGENT, ATTEST_OP_PAGES, 0, 1, 1 },
	{ 0, ATTEST_LANE_BULK, ATTEST_OP_PAGES, 4, 2, 2 },
	{ 0, ATTEST_LANE_URGENT, ATTEST_OP_PAGES, 1, 1, 1 },
	{ 0, ATTEST_LANE_BULK, ATTEST_OP_PAGES, 6, 6, 2 },
	{ 1, ATTEST_LANE_BULK, ATTEST_OP_CREDIT, 0, 0, 0 },
	{ 0, ATTEST_LANE_URGENT, ATTEST_OP_PAGES, 2, 2, 1 },
	{ 0, ATTEST_LANE_BULK, ATTEST_OP_PAGES, 12, 4, 1 },
	{ 1, ATTEST_LANE_CONTROL, ATTEST_OP_COMPLETE, 0, 0, 0 },
};

/* Page @gfn of the source; NULL: a zero page. */
static const uint8_t *source_page(const struct world *world, uint64_t gfn, uint8_t page[ATTEST_PAGE_LEN])
{
	for (size_t i = 0; i < WORLD_N_RECORDS; i++) {
		const struct step *step = &script[i];

		if (step->op != ATTEST_OP_PAGES || gfn < step->gfn || gfn >= step->gfn + step->n_pages)
			continue;
		if (gfn >= step->gfn + step->n_data)
			return NULL;
		memset(page, (int)(world->seed * 16 + gfn + 1), ATTEST_PAGE_LEN);
		return page;
	}
	abort();
}

static void make_state(const struct world *world, uint64_t index, uint8_t state[WORLD_STATE_LEN])
{
	memset(state, (int)(world->seed * 3 + index + 1), WORLD_STATE_LEN);
}

void world_init(struct world *world, uint32_t ciphers, uint8_t seed)
{
	memset(world, 0, sizeof(*world));
	pair_init(&world->pair, ciphers);
	world->seed = seed;
	world_restart(world);
}

void world_restart(struct world *world)
{
	for (int side = 0; side < 2; side++) {
		attest_channel_free(world->ends[side].channel);
		world->ends[side] = (struct end){ 0 };
	}
	memset(world->memory, UNWRITTEN, sizeof(world->memory));
	memset(world->states, UNWRITTEN, sizeof(world->states));
	world->n_packets = 0;
	pair_start(&world->pair);
}

void world_fini(struct world *world)
{
	for (int side = 0; side < 2; side++)
		attest_channel_free(world->ends[side].channel);
	pair_fini(&world->pair);
}

/* ---- what an end takes ---- */

static void take_pages(struct world *world, const struct attest_record *record, const uint8_t *body)
{
	const uint8_t *data = body + record->n_pages;

	for (uint32_t i = 0; i < record->n_pages && record->gfn + i < WORLD_N_PAGES; i++) {
		uint8_t *page = world->memory[record->gfn + i];

		if (body[i] == ATTEST_PAGE_ZERO) {
			memset(page, 0, ATTEST_PAGE_LEN);
		} else {
			memcpy(page, data, ATTEST_PAGE_LEN);
			data += ATTEST_PAGE_LEN;
		}
	}
}

static int take_record(struct world *world, int side, const struct packet *packet)
{
	static uint8_t body[WORLD_PACKET_MAX];
	struct end *end = &world->ends[side];
	struct attest_record record;
	size_t wire_len;

	if (packet->len < ATTEST_RECORD_HEADER_LEN ||
	    !attest_record_peek(packet->lane, packet->bytes, &wire_len) || wire_len > WORLD_PACKET_MAX)
		return -EMSGSIZE;
	if (!attest_record_open(end->channel, packet->lane, packet->bytes, packet->len, &record, body))
		return -EBADMSG;
	if (end->bound[packet->lane] == (record.op == ATTEST_OP_BIND))
		return -EPROTO;
	end->bound[packet->lane] = true;
	if (record.op == ATTEST_OP_PAGES && side == 1)
		take_pages(world, &record, body);
	if (record.op == ATTEST_OP_STATE && end->n_states < WORLD_N_STATES)
		memcpy(world->states[end->n_states++], body, WORLD_STATE_LEN);
	return 0;
}

static int take_message(struct world *world, int side, const struct packet *packet)
{
	struct attest_handshake *handshake = world->pair.side[side];
	int ret;

	/* Nothing on the other lanes before both ACCEPTs. */
	if (packet->lane != ATTEST_LANE_CONTROL)
		return -EPROTO;
	ret = attest_handshake_read(handshake, packet->bytes, packet->len);
	if (!ret && attest_handshake_step(handshake) == ATTEST_STEP_DONE)
		ret = attest_handshake_finish(handshake, &world->ends[side].channel);
	return ret;
}

void world_pass(struct world *world, const struct packet *packet)
{
	int side = !packet->from;
	struct end *end = &world->ends[side];

	if (end->error)
		return;
	end->error = end->channel ? take_record(world, side, packet) : take_message(world, side, packet);
}

/* ---- what an end says ---- */

static void meet(struct world *world, struct packet *packet)
{
	if (world->hook)
		world->hook(world, packet);
	else
		world_pass(world, packet);
	world->n_packets++;
}

/* The next handshake message, of the side that owes one; a refusing side owes its last one still. */
static bool say_message(struct world *world, struct packet *ret_packet)
{
	for (int side = 0; side < 2; side++) {
		struct attest_handshake *handshake = world->pair.side[side];

		if (attest_handshake_step(handshake) != ATTEST_STEP_SEND)
			continue;
		ret_packet->from = side;
		ret_packet->lane = ATTEST_LANE_CONTROL;
		if (attest_handshake_write(handshake, ret_packet->bytes, &ret_packet->len)) {
			world->ends[side].error = -EPROTO;
			continue;
		}
		if (attest_handshake_step(handshake) == ATTEST_STEP_DONE &&
		    attest_handshake_finish(handshake, &world->ends[side].channel))
			abort();
		return true;
	}
	return false;
}

bool world_connect(struct world *world)
{
	static struct packet packet;

	while (say_message(world, &packet))
		meet(world, &packet);
	return world->ends[0].channel && world->ends[1].channel;
}

bool world_say(struct world *world, unsigned int i, struct packet *ret_packet)
{
	static uint8_t body[WORLD_PACKET_MAX];
	const struct step *step = &script[i];
	struct attest_record record = { .op = step->op, .body_len = 8 };
	uint8_t page[ATTEST_PAGE_LEN];

	memset(body, 0, sizeof(body));
	if (step->op == ATTEST_OP_STATE) {
		make_state(world, step->gfn, body);
		record.body_len = WORLD_STATE_LEN;
	} else if (step->op == ATTEST_OP_PAGES) {
		record.gfn = step->gfn;
		record.n_pages = step->n_pages;
		record.body_len = step->n_pages + step->n_data * ATTEST_PAGE_LEN;
		for (uint32_t n = 0; n < step->n_pages; n++) {
			const uint8_t *data = source_page(world, step->gfn + n, page);

			body[n] = data ? ATTEST_PAGE_DATA : ATTEST_PAGE_ZERO;
			if (data)
				memcpy(body + step->n_pages + n * ATTEST_PAGE_LEN, data, ATTEST_PAGE_LEN);
		}
	}
	ret_packet->from = step->from;
	ret_packet->lane = step->lane;
	return world->ends[step->from].channel && !world->ends[step->from].error &&
	       attest_record_seal(world->ends[step->from].channel, step->lane, &record, body, ret_packet->bytes,
				  &ret_packet->len);
}

void world_move(struct world *world)
{
	static struct packet packet;

	for (unsigned int i = 0; i < WORLD_N_RECORDS; i++)
		if (world_say(world, i, &packet))
			meet(world, &packet);
}

/* ---- what came of it ---- */

static bool page_is(const struct world *world, uint64_t gfn)
{
	uint8_t page[ATTEST_PAGE_LEN];
	const uint8_t *data = source_page(world, gfn, page);

	return data ? !memcmp(world->memory[gfn], data, ATTEST_PAGE_LEN) :
		      sodium_is_zero(world->memory[gfn], ATTEST_PAGE_LEN);
}

bool world_complete(const struct world *world)
{
	uint8_t state[WORLD_STATE_LEN];

	for (uint64_t gfn = 0; gfn < WORLD_N_PAGES; gfn++)
		if (!page_is(world, gfn))
			return false;
	for (uint64_t i = 0; i < WORLD_N_STATES; i++) {
		make_state(world, i, state);
		if (memcmp(world->states[i], state, sizeof(state)))
			return false;
	}
	return !world->ends[0].error && !world->ends[1].error;
}

bool world_memory_ok(const struct world *world)
{
	uint8_t unwritten[ATTEST_PAGE_LEN];

	memset(unwritten, UNWRITTEN, sizeof(unwritten));
	for (uint64_t gfn = 0; gfn < WORLD_N_PAGES; gfn++)
		if (!page_is(world, gfn) && memcmp(world->memory[gfn], unwritten, sizeof(unwritten)))
			return false;
	return true;
}

void world_hash(const struct world *world, uint8_t ret_hash[32])
{
	crypto_hash_sha256_state hash;

	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, &world->memory[0][0], sizeof(world->memory));
	crypto_hash_sha256_update(&hash, &world->states[0][0], sizeof(world->states));
	crypto_hash_sha256_final(&hash, ret_hash);
}
