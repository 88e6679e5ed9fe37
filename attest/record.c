/* SPDX-License-Identifier: MIT */
/*
 * record: sealing and opening.  A record is authentic for exactly one session,
 * connection, lane, direction, generation, counter, op, GFN and size: all of
 * them are associated data, and the counter may only be the next one.  Nothing
 * is allocated.  What goes wrong once stays wrong: the half is killed and its
 * keys are wiped.
 */
#include <string.h>

#include "aead.h"
#include "channel.h"
#include "noncelog.h"
#include "parse.h"

static const uint32_t class_len[] = { WIRE_CLASS_LENS };
_Static_assert(sizeof(class_len) / sizeof(class_len[0]) == WIRE_N_CLASSES, "classes are counted in wire.h");
_Static_assert(WIRE_PAGES_CLASS(ATTEST_MAX_RUN) == ATTEST_BODY_MAX, "a full run fills the last class");

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_Static_assert(WIRE_NONCE_LEN == 12, "AES-GCM takes the nonce as it is");
_Static_assert(WIRE_NONCE_LEN == crypto_stream_chacha20_ietf_NONCEBYTES, "so does the header mask");

#define OP_BIT(op) (1u << (op))
#define OPS_EVERY (OP_BIT(ATTEST_OP_BIND) | OP_BIT(ATTEST_OP_ERROR) | OP_BIT(ATTEST_OP_PING))

static const struct lane_rules {
	uint32_t max_len;
	uint32_t ops;
} lane_rules[ATTEST_N_LANES] = {
	[ATTEST_LANE_CONTROL] = { WIRE_CONTROL_MAX, OPS_EVERY | OP_BIT(ATTEST_OP_STATE) | OP_BIT(ATTEST_OP_MANIFEST) |
		OP_BIT(ATTEST_OP_START) | OP_BIT(ATTEST_OP_STARTED) | OP_BIT(ATTEST_OP_ABORT) |
		OP_BIT(ATTEST_OP_COMPLETE) | OP_BIT(ATTEST_OP_RELEASED) | OP_BIT(ATTEST_OP_MAP) },
	[ATTEST_LANE_URGENT] = { WIRE_URGENT_MAX, OPS_EVERY | OP_BIT(ATTEST_OP_REQUEST) | OP_BIT(ATTEST_OP_PAGES) },
	[ATTEST_LANE_BULK] = { WIRE_BULK_MAX, OPS_EVERY | OP_BIT(ATTEST_OP_PAGES) | OP_BIT(ATTEST_OP_CREDIT) },
};

static bool is_lane(enum attest_lane lane)
{
	return (unsigned int)lane < ATTEST_N_LANES;
}

/* The smallest class that holds @len bytes; WIRE_N_CLASSES if none does. */
static unsigned int class_of(uint32_t len)
{
	unsigned int class = 0;

	while (class < WIRE_N_CLASSES && class_len[class] < len)
		class++;
	return class;
}

static size_t wire_len_of(unsigned int class)
{
	return ATTEST_RECORD_HEADER_LEN + class_len[class] + WIRE_TAG_LEN;
}

size_t attest_record_wire_len(uint32_t body_len)
{
	unsigned int class = class_of(body_len);

	return class < WIRE_N_CLASSES ? wire_len_of(class) : 0;
}

/* What a PAGES header may say: whole pages, no more than the run has, inside the guest's address space. */
static bool pages_header_ok(const struct wire_record *header)
{
	uint32_t data_len;

	if (header->n_pages == 0 || header->n_pages > ATTEST_MAX_RUN || header->body_len < header->n_pages)
		return false;
	if (header->gfn > WIRE_GFN_LIMIT - header->n_pages)
		return false;
	data_len = header->body_len - header->n_pages;
	return data_len % ATTEST_PAGE_LEN == 0 && data_len / ATTEST_PAGE_LEN <= header->n_pages;
}

static bool header_ok(const struct wire_record *header)
{
	const struct lane_rules *rules = &lane_rules[header->lane];

	if (header->op >= 32 || !(rules->ops & OP_BIT(header->op)) || header->body_len > rules->max_len)
		return false;
	if (header->class != class_of(header->body_len))
		return false;
	if (header->op == ATTEST_OP_PAGES)
		return pages_header_ok(header);
	return header->gfn == 0 && header->n_pages == 0;
}

static void put_clear(struct parse_writer *writer, const struct wire_record *header)
{
	parse_put_u8(writer, header->class);
	parse_put_u8(writer, header->op);
	parse_put_u8(writer, header->lane);
	parse_put_u8(writer, header->direction);
	parse_put_u32(writer, header->generation);
	parse_put_u64(writer, header->counter);
}

static void put_hidden(struct parse_writer *writer, const struct wire_record *header)
{
	parse_put_u64(writer, header->gfn);
	parse_put_u32(writer, header->n_pages);
	parse_put_u32(writer, header->body_len);
}

static void make_ad(const struct attest_channel *channel, const struct wire_record *header,
		    uint8_t ret_ad[WIRE_AD_LEN])
{
	struct parse_writer writer;

	parse_writer_init(&writer, ret_ad, WIRE_AD_LEN);
	parse_put_bytes(&writer, channel->session_id, ATTEST_HASH_LEN);
	parse_put_u64(&writer, channel->connection);
	parse_put_u8(&writer, (uint8_t)channel->cipher);
	put_clear(&writer, header);
	put_hidden(&writer, header);
}

/* Both ciphers' nonce: XChaCha20 takes all of it, AES-GCM and the header mask the first WIRE_NONCE_LEN bytes. */
static void make_nonce(const struct wire_record *header, uint8_t ret_nonce[NONCE_LEN])
{
	struct parse_writer writer;

	parse_writer_init(&writer, ret_nonce, NONCE_LEN);
	parse_put_u32(&writer, header->lane | (uint32_t)header->direction << 4 | header->generation << 8);
	parse_put_u64(&writer, header->counter);
	parse_put_zeros(&writer);
}

/* Keystream for the headers of the WIRE_MASK_RECORDS records around @header's, each record's bytes used once. */
static void make_mask(const struct channel_half *half, const struct wire_record *header,
		      uint8_t ret_mask[WIRE_MASK_BLOCK_LEN])
{
	struct wire_record block = *header;
	uint8_t nonce[NONCE_LEN];

	block.counter /= WIRE_MASK_RECORDS;
	make_nonce(&block, nonce);
	crypto_stream_chacha20_ietf(ret_mask, WIRE_MASK_BLOCK_LEN, nonce, half->header_key);
}

static const uint8_t *mask_of(const struct wire_record *header, const uint8_t mask[WIRE_MASK_BLOCK_LEN])
{
	return mask + header->counter % WIRE_MASK_RECORDS * WIRE_MASKED_LEN;
}

/* The same, kept by the half until another block of records is reached; a new header key forgets it. */
static const uint8_t *half_mask(struct channel_half *half, const struct wire_record *header)
{
	uint64_t block = header->counter / WIRE_MASK_RECORDS;

	if (!half->has_mask || half->mask_block != block) {
		make_mask(half, header, half->mask);
		half->mask_block = block;
		half->has_mask = true;
	}
	return mask_of(header, half->mask);
}

/* Hides, or shows, the part of the header that would tell which memory the guest uses. */
static void xor_mask(const uint8_t *mask, const uint8_t *in, uint8_t ret_out[WIRE_MASKED_LEN])
{
	for (unsigned int i = 0; i < WIRE_MASKED_LEN; i++)
		ret_out[i] = in[i] ^ mask[i];
}

/* true: the next record, with @len bytes of padded body, needs a new generation of keys. */
static bool rekey_due(const struct attest_channel *channel, const struct channel_half *half, uint32_t len)
{
	return half->n_records >= channel->limits.rekey_records || half->n_bytes + len > channel->limits.rekey_bytes;
}

/*
 * Use up one counter.  Both ends count alike, so both change keys before the same record at the latest; the sender may
 * do it @early, one generation at a time, and the record says so.
 */
static bool next_record(const struct attest_channel *channel, struct channel_half *half, uint32_t len, bool early,
			uint64_t *ret_counter)
{
	if (half->counter >= channel->limits.max_records)
		return false;
	if ((early || rekey_due(channel, half, len)) && !channel_rekey(channel, half))
		return false;
	*ret_counter = half->counter++;
	half->n_records++;
	half->n_bytes += len;
	return true;
}

/* The sender's clock: have these keys sealed for too long?  They age from their first record, and with ticks only. */
static bool rekey_aged(const struct attest_channel *channel, struct channel_half *half)
{
	uint64_t now_ns = atomic_load_explicit(&channel->now_ns, memory_order_relaxed);

	if (half->n_records == 0 || half->since_ns == 0)
		half->since_ns = now_ns;
	return now_ns - half->since_ns >= channel->limits.rekey_ns;
}

static bool seal(struct attest_channel *channel, struct channel_half *half, const struct attest_record *record,
		 const uint8_t *body, uint8_t *ret_wire, size_t *ret_wire_len)
{
	struct wire_record header = {
		.class = (uint8_t)class_of(record->body_len), .op = (uint8_t)record->op, .lane = half->lane,
		.direction = half->direction, .gfn = record->gfn, .n_pages = record->n_pages,
		.body_len = record->body_len,
	};
	uint8_t nonce[NONCE_LEN], ad[WIRE_AD_LEN];
	struct parse_writer writer;
	size_t wire_len;

	if ((unsigned int)record->op >= 32 || !header_ok(&header))
		return false;
	if (!next_record(channel, half, class_len[header.class], rekey_aged(channel, half), &header.counter))
		return false;
	header.generation = half->generation;
	wire_len = wire_len_of(header.class);
	make_nonce(&header, nonce);
	make_ad(channel, &header, ad);
	parse_writer_init(&writer, ret_wire, wire_len - WIRE_TAG_LEN);
	/* The header is the associated data's end, but for the mask. */
	parse_put_bytes(&writer, ad + WIRE_AD_LEN - ATTEST_RECORD_HEADER_LEN, ATTEST_RECORD_HEADER_LEN);
	xor_mask(half_mask(half, &header), ret_wire + WIRE_CLEAR_LEN, ret_wire + WIRE_CLEAR_LEN);
	parse_put_bytes(&writer, body, record->body_len);
	parse_put_zeros(&writer);
	noncelog_write(half->key_id, nonce, WIRE_NONCE_LEN);
	if (!aead_seal(channel, half, ad, nonce, ret_wire + ATTEST_RECORD_HEADER_LEN, class_len[header.class])) {
		sodium_memzero(ret_wire, wire_len);
		return false;
	}
	*ret_wire_len = wire_len;
	return true;
}

bool attest_record_seal(struct attest_channel *channel, enum attest_lane lane, const struct attest_record *record,
			const uint8_t *body, uint8_t *ret_wire, size_t *ret_wire_len)
{
	struct channel_half *half;

	if (!is_lane(lane))
		return false;
	half = &channel->send[lane];
	if (half->dead)
		return false;
	if (!seal(channel, half, record, body, ret_wire, ret_wire_len)) {
		channel_kill(half);
		return false;
	}
	return true;
}

static void take_clear(struct parse_reader *reader, struct wire_record *header)
{
	header->class = parse_u8(reader);
	header->op = parse_u8(reader);
	header->lane = parse_u8(reader);
	header->direction = parse_u8(reader);
	header->generation = parse_u32(reader);
	header->counter = parse_u64(reader);
}

bool attest_record_peek(enum attest_lane lane, const uint8_t header[ATTEST_RECORD_HEADER_LEN], size_t *ret_wire_len)
{
	struct parse_reader reader;
	struct wire_record clear;

	parse_reader_init(&reader, header, ATTEST_RECORD_HEADER_LEN);
	take_clear(&reader, &clear);
	if (!is_lane(lane) || clear.lane != lane || clear.class >= WIRE_N_CLASSES ||
	    class_len[clear.class] > lane_rules[lane].max_len)
		return false;
	*ret_wire_len = wire_len_of(clear.class);
	return true;
}

/* The clear part of the header, as far as it can be judged before the keys are asked. */
static bool take_header(const struct channel_half *half, const uint8_t *wire, size_t wire_len,
			struct wire_record *ret_header)
{
	struct parse_reader reader;
	size_t expected;

	if (wire_len < ATTEST_RECORD_HEADER_LEN || !attest_record_peek(half->lane, wire, &expected) ||
	    wire_len != expected)
		return false;
	parse_reader_init(&reader, wire, wire_len);
	take_clear(&reader, ret_header);
	return ret_header->direction == half->direction && ret_header->counter == half->counter;
}

/* Open with @half as it is and the header's @mask.  @ret_body may hold unauthentic bytes on failure: the caller wipes it. */
static bool open_with(const struct attest_channel *channel, const struct channel_half *half, const uint8_t *wire,
		      const uint8_t *mask, struct wire_record *header, uint8_t *ret_body)
{
	uint8_t nonce[NONCE_LEN], ad[WIRE_AD_LEN], hidden[WIRE_MASKED_LEN];
	struct parse_reader reader;

	if (header->generation != half->generation)
		return false;
	make_nonce(header, nonce);
	xor_mask(mask, wire + WIRE_CLEAR_LEN, hidden);
	parse_reader_init(&reader, hidden, sizeof(hidden));
	header->gfn = parse_u64(&reader);
	header->n_pages = parse_u32(&reader);
	header->body_len = parse_u32(&reader);
	if (!header_ok(header))
		return false;
	make_ad(channel, header, ad);
	if (!aead_open(channel, half, ad, nonce, wire + ATTEST_RECORD_HEADER_LEN, class_len[header->class], ret_body))
		return false;
	parse_reader_init(&reader, ret_body, class_len[header->class]);
	parse_take(&reader, header->body_len);
	parse_zeros(&reader);
	return parse_end(&reader);
}

/* Did the sender change keys before it had to?  Whether it had to is asked by next_record(). */
static bool is_early(const struct attest_channel *channel, const struct channel_half *half,
		     const struct wire_record *header)
{
	return header->generation == half->generation + 1 && !rekey_due(channel, half, class_len[header->class]);
}

bool attest_record_open(struct attest_channel *channel, enum attest_lane lane, const uint8_t *wire, size_t wire_len,
			struct attest_record *ret_record, uint8_t *ret_body)
{
	struct channel_half *half;
	struct wire_record header;
	uint64_t counter;

	if (!is_lane(lane))
		return false;
	half = &channel->recv[lane];
	if (half->dead)
		goto err_wipe;
	/* A rekey that unauthentic bytes brought on does no harm: the half does not outlive them. */
	if (!take_header(half, wire, wire_len, &header) ||
	    !next_record(channel, half, class_len[header.class], is_early(channel, half, &header), &counter) ||
	    !open_with(channel, half, wire, half_mask(half, &header), &header, ret_body))
		goto err_kill;
	*ret_record = (struct attest_record){ .op = (enum attest_op)header.op, .gfn = header.gfn,
					      .n_pages = header.n_pages, .body_len = header.body_len };
	return true;
err_kill:
	channel_kill(half);
err_wipe:
	sodium_memzero(ret_body, wire_len < ATTEST_RECORD_MAX ? wire_len : ATTEST_RECORD_MAX);
	return false;
}

bool attest_record_probe_bind(const struct attest_channel *channel, enum attest_lane lane, const uint8_t *wire,
			      size_t wire_len)
{
	uint8_t body[512], mask[WIRE_MASK_BLOCK_LEN];
	const struct channel_half *half;
	struct wire_record header;
	bool ok;

	if (!is_lane(lane))
		return false;
	half = &channel->recv[lane];
	ok = !half->dead && half->counter == 0 && take_header(half, wire, wire_len, &header) &&
	     header.class <= WIRE_BIND_MAX_CLASS && header.op == ATTEST_OP_BIND;
	if (ok) {
		make_mask(half, &header, mask);
		ok = open_with(channel, half, wire, mask_of(&header, mask), &header, body);
	}
	sodium_memzero(mask, sizeof(mask));
	sodium_memzero(body, sizeof(body));
	return ok;
}
