// SPDX-License-Identifier: MIT
/*
 * Moves that somebody interferes with, or whose other side fails.  Each ends in a
 * sentence, the guest at the destination gets an error, and no page that it could
 * have read is anything but the source's.
 */
#include <errno.h>
#include <time.h>

#include "bent.h"
#include "check.h"
#include "duo.h"

#define N_PRIVATE 2048u

struct toucher {
	struct fake_vm *vm;
	int result;
};

/* A guest that walks through all of its memory, backwards. */
static void *walk_thread(void *arg)
{
	struct toucher *toucher = arg;
	uint64_t gfn = N_PRIVATE;

	while (gfn-- > 0 && toucher->result == 0)
		toucher->result = fake_vm_touch(toucher->vm, gfn);
	return NULL;
}

/* What is present is the source's, byte for byte. */
static void check_present_pages(struct duo *duo)
{
	uint64_t gfn, n_wrong = 0;

	for (gfn = 0; gfn < N_PRIVATE; gfn++)
		if (!fake_vm_is_missing(&duo->pager_vm, gfn) &&
		    memcmp(fake_vm_page(&duo->pager_vm, gfn), fake_vm_page(&duo->source_vm, gfn), FAKE_PAGE) != 0)
			n_wrong++;
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(duo->pager_vm.n_rewritten, 0);
}

/* A move that @act spoils: the guest runs, wants everything, and is refused the rest. */
static void spoil(enum attest_lane lane, enum attest_op op, int nth, enum bent_act act, const char *pager_sentence)
{
	struct toucher toucher = { .result = 0 };
	pthread_t thread;
	struct duo duo;

	duo_init(&duo, N_PRIVATE, 0);
	duo.source_config.transport = &bent_transport;
	if (act == BENT_STALL)
		duo.source_config.peer_ms = duo.pager_config.peer_ms = 500 * PATIENCE;
	bent_set(lane, op, nth, act);
	atomic_store(&duo.pager_vm.populate_delay_us, 20000);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	toucher.vm = &duo.pager_vm;
	pthread_create(&thread, NULL, walk_thread, &toucher);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CU_ASSERT_TRUE(bent_happened());
	CHECK_CONTAINS(duo_pager_error(&duo, NULL), pager_sentence);
	CHECK_CONTAINS(duo.error, "missing pages");
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "LOST"));
	pager_stop(duo.pager);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(toucher.result, -EFAULT);
	check_present_pages(&duo);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_source_error(&duo, NULL), "must not run here again");
	if (act != BENT_CUT && act != BENT_STALL)
		CHECK_CONTAINS(duo.error, "the other side failed: a record");
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "GIVEN"));
	duo_fini(&duo);
}

#define PAGES ATTEST_OP_PAGES
#define URGENT ATTEST_LANE_URGENT
#define BULK ATTEST_LANE_BULK
#define UNAUTHENTIC "not authentic"

static void test_bit_flipped_in_urgent_page(void)
{
	spoil(URGENT, PAGES, 3, BENT_FLIP, UNAUTHENTIC);
}

static void test_bit_flipped_in_bulk_page(void)
{
	spoil(BULK, PAGES, 1, BENT_FLIP, UNAUTHENTIC);
}

static void test_gfn_flipped(void)
{
	spoil(URGENT, PAGES, 2, BENT_FLIP_HEAD, UNAUTHENTIC);
}

static void test_page_replayed(void)
{
	spoil(URGENT, PAGES, 2, BENT_REPLAY, UNAUTHENTIC);
}

static void test_bulk_page_replayed(void)
{
	spoil(BULK, PAGES, 1, BENT_REPLAY, UNAUTHENTIC);
}

static void test_pages_swapped(void)
{
	spoil(URGENT, PAGES, 2, BENT_SWAP, UNAUTHENTIC);
}

static void test_connection_cut(void)
{
	spoil(URGENT, PAGES, 4, BENT_CUT, "lost");
}

static void test_connection_stalled(void)
{
	spoil(URGENT, PAGES, 4, BENT_STALL, "silent");
}

/* START is swallowed: nobody runs, and the source cannot know. */
static void start_lost(enum bent_act act, const char *pager_sentence)
{
	struct duo duo;
	int r;

	duo_init(&duo, N_PRIVATE, 0);
	duo.source_config.transport = &bent_transport;
	if (act == BENT_STALL)
		duo.source_config.peer_ms = duo.pager_config.peer_ms = 500 * PATIENCE;
	bent_set(ATTEST_LANE_CONTROL, ATTEST_OP_START, 0, act);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	r = source_start(duo.source, &duo.states, duo.error, sizeof(duo.error));
	CU_ASSERT_TRUE(r == 0 || r == -EINPROGRESS);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_source_error(&duo, NULL), "in doubt");
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL(duo.source_vm.n_thaws, 0);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "IN_DOUBT"));
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_pager_error(&duo, NULL), pager_sentence);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	CU_ASSERT_EQUAL(pager_run(duo.pager), -ECANCELED);
	duo_fini(&duo);
}

static void test_start_cut(void)
{
	start_lost(BENT_CUT, "lost");
}

static void test_start_stalled(void)
{
	start_lost(BENT_STALL, "silent");
}

static void test_manifest_altered(void)
{
	struct duo duo;

	duo_init(&duo, N_PRIVATE, 0);
	duo.source_config.transport = &bent_transport;
	bent_set(ATTEST_LANE_CONTROL, ATTEST_OP_MANIFEST, 0, BENT_FLIP);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	(void)source_start(duo.source, &duo.states, duo.error, sizeof(duo.error));	/* it may not know yet */
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_pager_error(&duo, NULL), UNAUTHENTIC);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	duo_fini(&duo);
}

/* After START arrived and before the guest ran: not a token, so the source stays in doubt. */
static void test_link_lost_between_start_and_run(void)
{
	struct duo duo;

	duo_init(&duo, N_PRIVATE, 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	link_shutdown(&duo.source->session.link);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_pager_error(&duo, NULL), "never ran here");
	CU_ASSERT_EQUAL(pager_run(duo.pager), -ECANCELED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_source_error(&duo, NULL), "in doubt");
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	duo_fini(&duo);
}

/* ABORT from the destination with a token that is not this session's, or with none. */
static void abort_without_token(uint8_t first_byte, uint32_t len, bool malformed)
{
	uint8_t body[ABORT_HEAD_LEN + 5] = { first_byte };
	struct duo duo;

	duo_init(&duo, N_PRIVATE, 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	memcpy(body + ABORT_HEAD_LEN, "trust", 5);
	CU_ASSERT_EQUAL(lane_send_op(&duo.pager->session.link.lanes[ATTEST_LANE_CONTROL], ATTEST_OP_ABORT, body, len), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_source_error(&duo, NULL), malformed ? "malformed" : "without this session's abort token");
	CHECK_CONTAINS(duo.error, "in doubt");
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL(duo.source_vm.n_thaws, 0);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "IN_DOUBT"));
	duo_fini(&duo);
}

static void test_abort_without_token(void)
{
	abort_without_token(0, ABORT_HEAD_LEN + 5, false);
	abort_without_token(0xaa, ABORT_HEAD_LEN + 5, false);
	abort_without_token(0, ABORT_HEAD_LEN - 1, true);
}

/* The sentence of the side that fails reaches the other one. */
static void test_source_cannot_read(void)
{
	struct toucher toucher = { .result = 0 };
	pthread_t thread;
	struct duo duo;

	duo_init(&duo, N_PRIVATE, 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	atomic_store(&duo.source_vm.extract_error, -ENODEV);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	toucher.vm = &duo.pager_vm;
	pthread_create(&thread, NULL, walk_thread, &toucher);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_source_error(&duo, NULL), "cannot read");
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_pager_error(&duo, NULL), "the other side failed: cannot read");
	pager_stop(duo.pager);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(toucher.result, -EFAULT);
	check_present_pages(&duo);
	duo_fini(&duo);
}

static void test_destination_vm_gone(void)
{
	struct duo duo;

	duo_init(&duo, N_PRIVATE, 0);
	atomic_store(&duo.pager_vm.populate_delay_us, 50000);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	fake_vm_kill(&duo.pager_vm);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_source_error(&duo, NULL), "the other side failed");
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	duo_fini(&duo);
}

static const struct check checks[] = {
	{ "one bit flipped in a page on the urgent lane", test_bit_flipped_in_urgent_page },
	{ "one bit flipped in a page on the bulk lane", test_bit_flipped_in_bulk_page },
	{ "one bit flipped in a GFN", test_gfn_flipped },
	{ "a page replayed on the urgent lane", test_page_replayed },
	{ "a page replayed on the bulk lane", test_bulk_page_replayed },
	{ "two pages swapped", test_pages_swapped },
	{ "the connection cut", test_connection_cut },
	{ "the connection stalled", test_connection_stalled },
	{ "cut in place of START", test_start_cut },
	{ "stalled at START", test_start_stalled },
	{ "one bit flipped in the manifest", test_manifest_altered },
	{ "the link lost between START and run", test_link_lost_between_start_and_run },
	{ "ABORT without the token after START", test_abort_without_token },
	{ "the source cannot read its guest", test_source_cannot_read },
	{ "the VM at the destination is gone", test_destination_vm_gone },
	{ NULL, NULL },
};

CHECK_MAIN("spoiled moves", checks)
