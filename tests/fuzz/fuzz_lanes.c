/* SPDX-License-Identifier: MIT */
/*
 * fuzz_lanes: bodies of urgent and bulk records, after START: the first byte says
 * whose (REQUEST and CREDIT are the source's, PAGES the destination's); then for
 * each record a byte of operation, a byte of GFN, a byte of pages, a 16-bit length
 * and a body.  Nothing outside of the manifest is sent, and no page that is
 * present is written.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <gmem-pager/pager.h>
#include <gmem-pager/source.h>
#include <gmem-pager/wire.h>
#include <tests/unit/pager/fake_vm.h>

#include "fuzz.h"

#define HEAD_LEN 5u
#define N_PRIVATE 24u
#define N_SHARED 8u

static const uint8_t *input;
static size_t input_left;
static uint8_t body[PAGES_BODY_MAX(URGENT_MAX_RUN)];
static enum gmem_phase phase = GMEM_PHASE_RUNNING;
static const struct manifest *announced;
static struct gmem_region regions[2];
static unsigned int n_failed;

/* ---- what the lanes' threads ask of the rest ---- */

int lane_recv(struct lane *lane, int timeout_ms, struct attest_record *ret_record, const uint8_t **ret_body)
{
	static const enum attest_op ops[] = { ATTEST_OP_REQUEST, ATTEST_OP_CREDIT, ATTEST_OP_PAGES, ATTEST_OP_PING };

	if (input_left < HEAD_LEN)
		return -ECONNRESET;
	*ret_record = (struct attest_record){ .op = ops[input[0] % 4], .gfn = input[1], .n_pages = input[2],
					      .body_len = (uint32_t)(input[3] | input[4] << 8) };
	input += HEAD_LEN, input_left -= HEAD_LEN;
	if (input[-(int)HEAD_LEN] & 0x80)	/* near the end of GFNs */
		ret_record->gfn += (UINT64_C(1) << 52) - 512u;
	/* Pages of data are long: a body may be longer than what is left of the input. */
	if (ret_record->body_len > sizeof(body))
		ret_record->body_len = sizeof(body);
	memset(body, 0xa5, sizeof(body));
	memcpy(body, input, ret_record->body_len < input_left ? ret_record->body_len : input_left);
	*ret_body = body;
	if (ret_record->body_len < input_left)
		input += ret_record->body_len, input_left -= ret_record->body_len;
	else
		input_left = 0;
	return 0;
}

void session_lane_failed(struct session *session, enum attest_lane id, int status)
{
	FUZZ_NEED(status < 0);
	n_failed++;
}

enum gmem_phase session_get_phase(struct session *session, int *ret_status, char *ret_error)
{
	return phase;
}

void session_end(struct session *session, enum session_cause cause, int status, const char *format, ...)
{
	FUZZ_NEED(status < 0);
}

int session_send_op(struct session *session, enum attest_lane id, enum attest_op op, const void *bytes, uint32_t len)
{
	FUZZ_NEED(id == ATTEST_LANE_BULK && op == ATTEST_OP_CREDIT && len == CREDIT_LEN);
	return 0;
}

bool source_claim(struct source *source, uint64_t index)
{
	FUZZ_NEED(index < announced->n_pages);
	if (bitmap_test((uint64_t *)source->sent, index))
		return false;
	bitmap_set((uint64_t *)source->sent, index);
	return true;
}

int source_send_run(struct source *source, enum attest_lane id, uint64_t index, uint32_t n_pages, uint8_t *bytes,
		    uint32_t *ret_body_len)
{
	const struct manifest_region *region;

	FUZZ_NEED(n_pages >= 1 && n_pages <= URGENT_MAX_RUN && index + n_pages <= announced->n_pages);
	region = manifest_region_of(announced, index);
	FUZZ_NEED(index + n_pages <= region->first_index + region->n_pages);
	*ret_body_len = n_pages;
	return 0;
}

void pager_count(struct pager *pager, const struct guest_counts *counts, bool demand)
{
	FUZZ_NEED(counts->n_new + counts->n_duplicate <= BULK_MAX_RUN && counts->n_zero <= counts->n_new);
}

void pager_check_complete(struct pager *pager)
{
}

/* ---- the target ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FUZZ_NEED(attest_init());
	return 0;
}

static void run_source(bool credit)
{
	static const struct session_config config = { .role = ATTEST_INITIATOR };
	static uint64_t sent[1];
	struct source source = { .session.config = &config, .sent = (atomic_uint_fast64_t *)sent };

	memset(sent, 0, sizeof(sent));
	atomic_store(&source.manifest, (struct manifest *)(uintptr_t)announced);
	pace_init(&source.pace);
	(credit ? source_credit_thread : source_urgent_thread)(&source);
	pace_fini(&source.pace);
}

static int no_credit(void *opaque, uint64_t bytes)
{
	return 0;
}

static void run_pager(struct fake_vm *vm, struct guest *guest, bool bulk)
{
	static const struct session_config config = { .credit_bytes = CREDIT_MIN };
	struct pager pager = { .guest = guest, .session.config = &config };
	uint8_t before[4096];

	atomic_store(&pager.manifest, (struct manifest *)(uintptr_t)announced);
	credit_init(&pager.credit, no_credit, NULL);
	FUZZ_NEED(credit_open(&pager.credit, 1u << 20) == 0);
	atomic_store(&pager.session.stats.pages_total, UINT32_MAX);
	atomic_store(&guest->may_convert, true);
	wanted_init(&pager.wanted);
	/* One private and one shared page are there before. */
	FUZZ_NEED(!fake_vm_is_missing(vm, 3) && !fake_vm_is_missing(vm, N_PRIVATE + 1));
	memcpy(before, fake_vm_page(vm, N_PRIVATE + 1), sizeof(before));
	(bulk ? pager_bulk_thread : pager_urgent_thread)(&pager);
	FUZZ_NEED(vm->n_rewritten == 0);
	FUZZ_NEED(!memcmp(before, fake_vm_page(vm, N_PRIVATE + 1), sizeof(before)));
	wanted_fini(&pager.wanted);
	credit_fini(&pager.credit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_vm vm;
	struct guest *guest;
	struct manifest *manifest;
	char error[GUEST_ERROR_LEN];

	if (size < 1)
		return 0;
	FUZZ_NEED(!fake_vm_init(&vm, N_PRIVATE, N_SHARED));
	regions[0] = (struct gmem_region){ .size = N_PRIVATE * 4096, .flags = GMEM_REGION_GUEST_MEMFD | GMEM_REGION_SHARED_FD,
					   .shared_fd = vm.memfd };
	regions[1] = (struct gmem_region){ .gpa = N_PRIVATE * 4096, .size = N_SHARED * 4096, .flags = GMEM_REGION_SHARED_FD,
					   .shared_fd = vm.memfd, .shared_offset = N_PRIVATE * 4096 };
	fake_vm_set_private(&vm, 5, false);
	FUZZ_NEED(!guest_new(fake_vm_session(&vm), regions, 2, true, &guest, error, sizeof(error)));
	vm.frozen = true;
	FUZZ_NEED(!guest_survey(guest, &manifest, error, sizeof(error)));
	vm.frozen = false;
	for (uint64_t gfn = 0; gfn < N_PRIVATE + N_SHARED; gfn++)
		if (gfn != 3 && gfn != N_PRIVATE + 1)
			fake_vm_set_missing(&vm, gfn);
	if (data[0] & 4)	/* the guest converted one since */
		fake_vm_set_private(&vm, 7, false);
	announced = manifest;
	input = data + 1;
	input_left = size - 1;
	n_failed = 0;
	if (data[0] & 1)
		run_pager(&vm, guest, data[0] & 2);
	else
		run_source(data[0] & 2);
	FUZZ_NEED(n_failed == 1);
	manifest_free(manifest);
	guest_free(guest);
	fake_vm_fini(&vm);
	return 0;
}

static size_t add(uint8_t *at, uint8_t op, uint8_t gfn, uint8_t n_pages, const void *bytes, size_t len, size_t real)
{
	const uint8_t head[HEAD_LEN] = { op, gfn, n_pages, (uint8_t)len, (uint8_t)(len >> 8) };

	memcpy(at, head, sizeof(head));
	memcpy(at + sizeof(head), bytes, real);
	return sizeof(head) + real;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	uint8_t seed[512], entries[40] = { 0 }, kinds[16];
	size_t n;

	wire_put32(wire_put64(wire_put64(entries, 2), 0), 8);
	wire_put32(wire_put64(wire_put64(entries + 20, 25), 24), 8);
	seed[0] = 0;
	n = 1 + add(seed + 1, 0, 0, 0, entries, 40, 40);
	n += add(seed + n, 0, 0, 0, entries, 20, 20);
	emit("request", seed, n);
	seed[0] = 2;
	n = 1 + add(seed + 1, 1, 0, 0, "\0\0\1\0\0\0\0\0", 8, 8);
	n += add(seed + n, 1, 0, 0, "\377\377\377\377\0\0\0\0", 8, 8);
	emit("credit", seed, n);
	for (unsigned int lane = 1; lane < 8; lane += 2) {
		memset(kinds, ATTEST_PAGE_ZERO, sizeof(kinds));
		seed[0] = (uint8_t)lane;
		n = 1 + add(seed + 1, 2, 0, 5, kinds, 5, 5);
		kinds[0] = ATTEST_PAGE_ZERO | ATTEST_PAGE_SHARED;
		n += add(seed + n, 2, 5, 2, kinds, 2, 2);
		kinds[0] = kinds[1] = ATTEST_PAGE_DATA | ATTEST_PAGE_SHARED;
		n += add(seed + n, 2, N_PRIVATE, 2, kinds, 2, 2);
		emit(lane == 1 ? "pages-urgent" : lane == 3 ? "pages-bulk" : lane == 5 ? "converted" : "converted-bulk", seed, n);
		n = 1 + add(seed + 1, 2, 7, 1, kinds + 2, 1, 1);
		n += add(seed + n, 2, 7, 1, kinds + 2, 1, 1);
		emit(lane == 1 ? "twice-urgent" : lane == 3 ? "twice-bulk" : lane == 5 ? "twice-converted" :
		     "twice-converted-bulk", seed, n);
		kinds[0] = ATTEST_PAGE_DATA;
		n = 1 + add(seed + 1, 2, 7, 1, kinds, 4097, 1);
		emit(lane == 1 ? "data-urgent" : lane == 3 ? "data-bulk" : lane == 5 ? "data-converted" :
		     "data-converted-bulk", seed, n);
	}
}
