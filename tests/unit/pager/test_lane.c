// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "../attest/pair.h"
#include "check.h"
#include "lane.h"
#include "messages.h"

#define STREAM_MAX (1u << 20)

/* A connection that keeps what is sent, and gives it back in pieces of at most @piece bytes. */
static struct fake_conn {
	struct transport_conn conn;
	size_t len, at, piece;
	unsigned int n_recv;
	uint8_t bytes[STREAM_MAX];
} fake;

static struct pair pair;
static struct attest_channel *channel[2];
static struct lane from, to;
static uint8_t body[PAGES_BODY_MAX(BULK_MAX_RUN)];

static int fake_send(struct transport_conn *conn, const void *bytes, size_t len, int timeout_ms)
{
	(void)conn;
	(void)timeout_ms;
	CU_ASSERT_FATAL(fake.len + len <= sizeof(fake.bytes));
	memcpy(fake.bytes + fake.len, bytes, len);
	fake.len += len;
	return 0;
}

static int fake_recv(struct transport_conn *conn, void *ret_bytes, size_t len, int timeout_ms, size_t *ret_len)
{
	(void)conn;
	(void)timeout_ms;
	fake.n_recv++;
	if (fake.at == fake.len)
		return -ETIMEDOUT;
	*ret_len = len < fake.piece ? len : fake.piece;
	if (*ret_len > fake.len - fake.at)
		*ret_len = fake.len - fake.at;
	CU_ASSERT_FATAL(*ret_len > 0);
	memcpy(ret_bytes, fake.bytes + fake.at, *ret_len);
	fake.at += *ret_len;
	return 0;
}

static void fake_nothing(struct transport_conn *conn)
{
	(void)conn;
}

static const struct transport_ops fake_ops = {
	.name = "fake", .send = fake_send, .recv = fake_recv, .shutdown = fake_nothing, .free = fake_nothing,
};

static void begin(enum attest_lane id, size_t piece)
{
	memset(&fake, 0, sizeof(fake));
	fake.conn.ops = &fake_ops;
	fake.piece = piece;
	pair_init(&pair, 1u << ATTEST_CIPHER_XCHACHA20POLY1305);
	pair_channels(&pair, channel);
	CU_ASSERT_EQUAL_FATAL(lane_init(&from, id, &fake.conn, channel[0], -1), 0);
	CU_ASSERT_EQUAL_FATAL(lane_init(&to, id, &fake.conn, channel[1], -1), 0);
}

static void end(void)
{
	lane_fini(&from);
	lane_fini(&to);
	attest_channel_free(channel[0]);
	attest_channel_free(channel[1]);
	pair_fini(&pair);
}

/* 0 pages: a record that is as short as there is one. */
static void send_pages(uint32_t n_pages)
{
	const struct attest_record record = {
		.op = n_pages == 0 ? ATTEST_OP_PING : ATTEST_OP_PAGES, .gfn = n_pages, .n_pages = n_pages,
		.body_len = PAGES_BODY_MAX(n_pages),
	};

	memset(body, (int)n_pages + 1, sizeof(body));
	CU_ASSERT_EQUAL(lane_send(&from, &record, body), 0);
}

static void expect_pages(uint32_t n_pages)
{
	struct attest_record record = { .op = ATTEST_OP_ERROR };
	const uint8_t *got = NULL;

	CU_ASSERT_EQUAL_FATAL(lane_recv(&to, 0, &record, &got), 0);
	CU_ASSERT_EQUAL(record.op, n_pages == 0 ? ATTEST_OP_PING : ATTEST_OP_PAGES);
	CU_ASSERT_EQUAL(record.n_pages, n_pages);
	CU_ASSERT_EQUAL_FATAL(record.body_len, PAGES_BODY_MAX(n_pages));
	memset(body, (int)n_pages + 1, record.body_len);
	CU_ASSERT_EQUAL(memcmp(got, body, record.body_len), 0);
}

/* However they are cut on their way, and whatever one read takes of the next. */
static void test_pieces(void)
{
	static const size_t pieces[] = { 1, 7, 31, 32, 33, 111, 112, 113, 4159, 4160, 4161, 5000, STREAM_MAX };
	static const uint32_t runs[] = { 0, 1, 0, 0, 0, 16, 1, 1, 2, 64, 0, 64, 1, 0 };
	struct attest_record record;
	const uint8_t *got;
	size_t i, k;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		begin(ATTEST_LANE_BULK, pieces[i]);
		for (k = 0; k < sizeof(runs) / sizeof(runs[0]); k++)
			send_pages(runs[k]);
		for (k = 0; k < sizeof(runs) / sizeof(runs[0]); k++)
			expect_pages(runs[k]);
		CU_ASSERT_EQUAL(fake.at, fake.len);
		CU_ASSERT_EQUAL(lane_recv(&to, 0, &record, &got), -ETIMEDOUT);
		end();
	}
}

/* What a fault waits for comes with one read, the request too. */
static void test_one_read_a_page(void)
{
	begin(ATTEST_LANE_URGENT, STREAM_MAX);
	send_pages(1);
	expect_pages(1);
	CU_ASSERT_EQUAL(fake.n_recv, 1);
	send_pages(0);
	expect_pages(0);
	CU_ASSERT_EQUAL(fake.n_recv, 2);
	end();
}

/* A record that comes late: nothing of it is lost. */
static void test_in_halves(void)
{
	struct attest_record record;
	const uint8_t *got;
	size_t whole;

	begin(ATTEST_LANE_URGENT, STREAM_MAX);
	send_pages(1);
	send_pages(16);
	whole = fake.len;
	fake.len = whole - 1;
	expect_pages(1);
	CU_ASSERT_EQUAL(lane_recv(&to, 0, &record, &got), -ETIMEDOUT);
	CU_ASSERT_EQUAL(lane_recv(&to, 0, &record, &got), -ETIMEDOUT);
	fake.len = whole;
	expect_pages(16);
	end();
}

static void test_absurd_length(void)
{
	struct attest_record record;
	const uint8_t *got;

	begin(ATTEST_LANE_URGENT, STREAM_MAX);
	send_pages(1);
	fake.bytes[0] = 0xff;
	CU_ASSERT_EQUAL(lane_recv(&to, 0, &record, &got), -EMSGSIZE);
	end();
}

/* Records of a run: padded by a twelfth at the most, and not more of them than bits in its length. */
static void test_cut(void)
{
	uint32_t n_data, n_pages, left, part, n_records;

	for (n_data = 1; n_data <= BULK_MAX_RUN; n_data++) {
		for (n_pages = n_data; n_pages <= BULK_MAX_RUN; n_pages++) {
			for (left = n_data, n_records = 0; left > 0; left -= part, n_records++) {
				const uint32_t len = n_pages + left * ATTEST_PAGE_LEN;

				part = lane_cut(left, n_pages);
				CU_ASSERT_FATAL(part >= 1 && part <= left);
				if (part == left && left > 1)
					CU_ASSERT_TRUE((attest_record_wire_len(len) - len) * 12 <= attest_record_wire_len(len));
				if (part < left)
					CU_ASSERT_TRUE(attest_record_wire_len(n_pages + part * ATTEST_PAGE_LEN) -
						       (n_pages + part * ATTEST_PAGE_LEN) < 512u + 48u);
			}
			CU_ASSERT_TRUE(n_records <= 6);
		}
	}
	CU_ASSERT_EQUAL(lane_cut(0, 64), 0);
	CU_ASSERT_EQUAL(lane_cut(64, 64), 64);
	CU_ASSERT_EQUAL(lane_cut(15, 15), 15);
	CU_ASSERT_EQUAL(lane_cut(14, 14), 8);
	CU_ASSERT_EQUAL(lane_cut(40, 64), 32);
}

static const struct check checks[] = {
	{ "cut into records", test_cut },
	{ "records in pieces", test_pieces },
	{ "one read a page", test_one_read_a_page },
	{ "a record in halves", test_in_halves },
	{ "a length that cannot be", test_absurd_length },
	{ NULL, NULL },
};

CHECK_MAIN("lane", checks)
