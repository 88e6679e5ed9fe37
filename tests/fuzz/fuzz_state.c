/* SPDX-License-Identifier: MIT */
/*
 * fuzz_state: STATE, MANIFEST and START as the destination reads them.  Input:
 * records, each a byte of operation, a 16-bit length and a body.  START is taken
 * once, with the manifest that it names and every state whole, or not at all; what
 * comes after it may repeat the manifest, and change nothing.  With the highest bit in
 * the first byte the move is COMPLETE already and there is no guest: a whole manifest
 * is answered with COMPLETE, and nothing else happens.  With the two highest bits it is
 * ABORTED: nothing is answered.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <gmem-pager/pager.h>

#include "fuzz.h"

static const struct gmem_region regions[2] = {
	{ .gpa = 0, .size = 16 * 4096, .flags = GMEM_REGION_GUEST_MEMFD },
	{ .gpa = 1 << 20, .size = 2 * 4096, .flags = GMEM_REGION_SHARED_FD },
};
static struct guest guest;
static enum gmem_phase phase;
static bool has_manifest, has_start, ended;
static unsigned int n_told;

/* ---- what start.c asks of the session ---- */

enum gmem_phase session_get_phase(struct session *session, int *ret_status, char *ret_error)
{
	return phase;
}

bool session_has_ended(struct session *session)
{
	return ended;
}

bool session_set_phase(struct session *session, enum gmem_phase next)
{
	FUZZ_NEED(!ended && next == GMEM_PHASE_STARTED && phase == GMEM_PHASE_ACCEPTED && has_start);
	phase = next;
	return true;
}

void session_end(struct session *session, enum session_cause cause, int status, const char *format, ...)
{
	FUZZ_NEED(status < 0);
	ended = true;
	phase = GMEM_PHASE_ABORTED;
}

int session_thread(pthread_t *ret_thread, void *(*run)(void *), void *arg)
{
	return 0;
}

void pager_send_complete(struct pager *pager, uint64_t n_pages)
{
	FUZZ_NEED(pager->only_tells && pager->manifest_have == pager->manifest_len && pager->manifest_len >= 16);
	n_told++;
}

void *pager_fault_thread(void *pager)
{
	return NULL;
}

void pager_ask_again(struct pager *pager)
{
}

void pager_go_on(struct pager *pager)
{
	FUZZ_NEED(has_start && atomic_load(&pager->manifest));
}

enum attest_state ledger_now(const struct ledger *ledger)
{
	return has_start ? ATTEST_STATE_RUNNING : ATTEST_STATE_OFFERED;
}

int ledger_event(struct ledger *ledger, enum attest_event event)
{
	FUZZ_NEED(event == ATTEST_EVENT_MANIFEST || event == ATTEST_EVENT_START);
	if (event == ATTEST_EVENT_START)
		FUZZ_NEED(has_manifest);
	has_start = has_start || event == ATTEST_EVENT_START;
	has_manifest = true;
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FUZZ_NEED(attest_init());
	FUZZ_NEED(!manifest_new(regions, 2, &guest.layout));
	return 0;
}

static void check_started(struct pager *pager)
{
	const struct manifest *manifest = atomic_load(&pager->manifest);

	FUZZ_NEED(manifest && manifest_same_regions(manifest, guest.layout));
	FUZZ_NEED(pager->states.n_filled == pager->states.n_states && pager->states.offset == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pager *pager = calloc(1, sizeof(*pager));
	struct attest_record record;
	int r = 0;

	FUZZ_NEED(pager);
	pthread_mutex_init(&pager->session.lock, NULL);
	states_init(&pager->states);
	pager->guest = &guest;
	phase = GMEM_PHASE_ACCEPTED;
	has_manifest = has_start = ended = false;
	n_told = 0;
	if (size && data[0] & 0x80) {
		pager->only_tells = pager->session.ended = true;
		phase = data[0] & 0x40 ? GMEM_PHASE_ABORTED : GMEM_PHASE_COMPLETE;
		pager->guest = NULL;
	}
	while (size >= 3 && r == 0) {
		static const enum attest_op ops[] = { ATTEST_OP_STATE, ATTEST_OP_MANIFEST, ATTEST_OP_START };
		uint8_t *body;

		record = (struct attest_record){ .op = ops[data[0] % 3], .body_len = (uint32_t)(data[1] | data[2] << 8) };
		data += 3, size -= 3;
		if (record.body_len > size)
			record.body_len = (uint32_t)size;
		body = malloc(record.body_len + 1u);	/* its end is the allocation's */
		FUZZ_NEED(body);
		memcpy(body + 1, data, record.body_len);
		r = pager_start_record(pager, &record, body + 1);
		FUZZ_NEED(r == 0 || r == -EPROTO || ended);
		free(body);
		data += record.body_len, size -= record.body_len;
	}
	if (phase == GMEM_PHASE_STARTED)
		check_started(pager);
	FUZZ_NEED(phase != GMEM_PHASE_ABORTED || n_told == 0 || ended);
	FUZZ_NEED(!pager->only_tells || (n_told <= 1 && !has_start && !atomic_load(&pager->manifest)));
	manifest_free(atomic_load(&pager->manifest));
	free(pager->manifest_bytes);
	states_fini(&pager->states);
	pthread_mutex_destroy(&pager->session.lock);
	free(pager);
	return 0;
}

static size_t add(uint8_t *at, uint8_t op, const void *head, size_t head_len, const void *data, size_t len)
{
	at[0] = op;
	at[1] = (uint8_t)(head_len + len);
	at[2] = (uint8_t)((head_len + len) >> 8);
	memcpy(at + 3, head, head_len);
	memcpy(at + 3 + head_len, data, len);
	return 3 + head_len + len;
}

static size_t add_manifest(uint8_t *at, const uint8_t *bytes, size_t len)
{
	const uint8_t first[8] = { (uint8_t)len }, second[8] = { (uint8_t)len, 0, 0, 0, 10 };
	size_t n = add(at, 1, first, sizeof(first), bytes, 10);

	return n + add(at + n, 1, second, sizeof(second), bytes + 10, len - 10);
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	uint8_t seed[1024], state[48] = { 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 'a' }, start[48] = { 0 };
	uint8_t *bytes;
	size_t len, n = 0;

	FUZZ_NEED(!manifest_encode(guest.layout, &bytes, &len) && len < 250);
	manifest_hash(bytes, len, start);
	start[32] = (uint8_t)guest.layout->n_pages;
	start[44] = MESSAGES_EPOCH;
	n += add_manifest(seed + n, bytes, len);
	n += add(seed + n, 2, start, sizeof(start), "", 0);
	emit("no-states", seed, n);
	seed[0] = 0x82;		/* modulo 3 still a MANIFEST */
	emit("only-tells", seed, n);
	seed[0] = 0xc1;		/* the same */
	emit("only-tells-aborted", seed, n);
	seed[0] = 1;
	start[40] = 1;
	n = add(seed, 0, state, sizeof(state), "12", 2);
	state[12] = 2;
	n += add(seed + n, 0, state, sizeof(state), "34", 2);
	n += add_manifest(seed + n, bytes, len);
	n += add(seed + n, 2, start, sizeof(start), "", 0);
	emit("one-state", seed, n);
	n = add(seed, 2, start, sizeof(start), "", 0);
	emit("too-early", seed, n);
	free(bytes);
}
