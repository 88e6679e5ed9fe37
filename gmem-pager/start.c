// SPDX-License-Identifier: MIT
/*
 * What comes before the guest runs at the destination: STATE records, the
 * manifest, START.  START is taken only if the manifest is the one that it names
 * and describes the VM that is attached here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "log.h"
#include "pager.h"
#include "wire.h"

static int take_state(struct pager *pager, struct wire_reader *reader)
{
	struct states_part part;
	int r;

	part.index = wire_get32(reader);
	part.n_states = wire_get32(reader);
	part.total_len = wire_get32(reader);
	part.offset = wire_get32(reader);
	wire_get_bytes(reader, part.name, sizeof(part.name));
	if (reader->failed)
		return -EPROTO;
	r = states_add(atomic_load(&pager->manifest) == NULL ? &pager->states : &pager->again, &part, reader->at,
		       reader->left);
	if (r == -ENOMEM)
		session_end(&pager->session, SESSION_LOCAL, r, "no memory for the VM's state that can be locked: raise "
			    "the limit of locked memory (RLIMIT_MEMLOCK)");
	return r;
}

/* A step of the session's table that came as a record. */
static int step(struct pager *pager, enum attest_event event)
{
	struct session *session = &pager->session;
	int r;

	pthread_mutex_lock(&session->lock);
	r = session->ended ? 0 : ledger_event(session->ledger, event);
	pthread_mutex_unlock(&session->lock);
	return r < 0 ? -EPROTO : 0;
}

static int take_manifest(struct pager *pager, struct wire_reader *reader)
{
	const uint32_t total_len = wire_get32(reader), offset = wire_get32(reader);

	if (reader->failed || total_len > MANIFEST_MAX_LEN || offset != pager->manifest_have ||
	    reader->left == 0 || reader->left > total_len - offset)
		return -EPROTO;
	if (pager->manifest_bytes == NULL) {
		pager->manifest_bytes = malloc(total_len);
		pager->manifest_len = total_len;
		if (pager->manifest_bytes == NULL) {
			session_end(&pager->session, SESSION_LOCAL, -ENOMEM, "no memory for the manifest");
			return -ENOMEM;
		}
	}
	if (total_len != pager->manifest_len)
		return -EPROTO;
	memcpy(pager->manifest_bytes + offset, reader->at, reader->left);
	pager->manifest_have += reader->left;
	return pager->manifest_have == total_len ? step(pager, ATTEST_EVENT_MANIFEST) : 0;
}

static int check_hash(const struct pager *pager, const uint8_t announced[ATTEST_HASH_LEN])
{
	uint8_t hash[ATTEST_HASH_LEN];

	if (pager->manifest_bytes == NULL || pager->manifest_have != pager->manifest_len)
		return -EPROTO;
	manifest_hash(pager->manifest_bytes, pager->manifest_len, hash);
	return sodium_memcmp(hash, announced, sizeof(hash)) == 0 ? 0 : -EPROTO;
}

/* From here on pages can be asked for and taken. */
static int take_up(struct pager *pager, struct manifest *manifest)
{
	struct session *session = &pager->session;
	int r;

	atomic_store(&session->stats.pages_total, manifest->n_pages);
	atomic_store(&session->stats.start_us, stats_now_us());
	atomic_store(&pager->manifest, manifest);
	r = session_thread(&pager->fault, pager_fault_thread, pager);
	pager->has_fault = r == 0;
	if (r < 0)
		session_end(session, SESSION_LOCAL, r, "cannot start a thread: %s", strerror(-r));
	return r;
}

/* Decode what came; the bytes are used up. */
static int decode(struct pager *pager, struct manifest **ret_manifest)
{
	struct session *session = &pager->session;
	int r;

	manifest_hash(pager->manifest_bytes, pager->manifest_len, pager->manifest_hash);
	r = manifest_decode(pager->manifest_bytes, pager->manifest_len, pager->guest->layout, ret_manifest);
	free(pager->manifest_bytes);
	pager->manifest_bytes = NULL;
	pager->manifest_have = 0;
	if (r == -EINVAL)
		session_end(session, SESSION_LOCAL, r, "the VM that is attached at the destination has other memory "
			    "regions than the one at the source");
	else if (r == -ENOMEM)
		session_end(session, SESSION_LOCAL, r, "no memory for the manifest");
	return r;
}

/* The one that a connection before this one brought, or -EPROTO. */
static int check_same_manifest(struct pager *pager)
{
	const int r = check_hash(pager, pager->manifest_hash);

	free(pager->manifest_bytes);
	pager->manifest_bytes = NULL;
	pager->manifest_have = 0;
	return r;
}

/* START on a later connection: nothing may differ from what the VMM was given. */
static int take_start_again(struct pager *pager, uint32_t n_states)
{
	int r = check_same_manifest(pager);

	if (r == 0 && (states_check(&pager->again, n_states) < 0 || !states_equal(&pager->again, &pager->states)))
		r = -EPROTO;
	states_fini(&pager->again);
	if (r == 0)
		r = step(pager, ATTEST_EVENT_START);
	if (r < 0)
		return r;
	log_info("START again");
	pager_ask_again(pager);
	return 0;
}

static int take_start(struct pager *pager, struct wire_reader *reader)
{
	struct session *session = &pager->session;
	struct manifest *manifest = NULL;
	uint8_t announced[ATTEST_HASH_LEN];
	uint64_t n_pages;
	uint32_t n_states, epoch;
	int r;

	wire_get_bytes(reader, announced, sizeof(announced));
	n_pages = wire_get64(reader);
	n_states = wire_get32(reader);
	epoch = wire_get32(reader);
	if (!wire_done(reader) || epoch != MESSAGES_EPOCH ||
	    check_hash(pager, announced) < 0)
		return -EPROTO;
	if (atomic_load(&pager->manifest) != NULL)
		return n_pages == atomic_load(&pager->manifest)->n_pages ? take_start_again(pager, n_states) : -EPROTO;
	r = states_check(&pager->states, n_states);
	if (r == 0)
		r = decode(pager, &manifest);
	if (r < 0)
		return r;
	r = manifest->n_pages == n_pages ? step(pager, ATTEST_EVENT_START) : -EPROTO;
	if (r < 0) {
		manifest_free(manifest);
		return r;
	}
	r = take_up(pager, manifest);
	if (r < 0)
		return r;
	session_set_phase(session, GMEM_PHASE_STARTED);
	log_info("START: %llu pages, %u states", (unsigned long long)manifest->n_pages, pager->states.n_states);
	return 0;
}

/* The guest runs, and the manifest came whole on a later connection. */
static int resume(struct pager *pager)
{
	struct manifest *manifest = NULL;
	int r;

	if (atomic_load(&pager->manifest) != NULL) {
		r = check_same_manifest(pager);
	} else {
		r = decode(pager, &manifest);
		if (r == 0)
			r = take_up(pager, manifest);
	}
	if (r == 0)
		pager_go_on(pager);
	return r;
}

static int take_running(struct pager *pager, const struct attest_record *record, struct wire_reader *reader)
{
	int r;

	switch (record->op) {
	case ATTEST_OP_STATE:
		return 0;	/* a source that has not heard STARTED sends all again */
	case ATTEST_OP_MANIFEST:
		r = take_manifest(pager, reader);
		return r == 0 && pager->manifest_have == pager->manifest_len ? resume(pager) : r;
	default:
		return step(pager, ATTEST_EVENT_START);
	}
}

/* COMPLETE since the process before this one: what it has to name, the number in START, comes from the source. */
static int tell_complete(struct pager *pager, const struct attest_record *record, struct wire_reader *reader)
{
	struct wire_reader head;
	int r;

	if (record->op != ATTEST_OP_MANIFEST)
		return 0;
	r = take_manifest(pager, reader);
	if (r < 0 || pager->manifest_have != pager->manifest_len)
		return r;
	head = (struct wire_reader){ .at = pager->manifest_bytes, .left = pager->manifest_len };
	(void)wire_get32(&head);	/* version, regions: the destination has no layout to hold them against */
	(void)wire_get32(&head);
	atomic_store(&pager->session.stats.pages_total, wire_get64(&head));
	if (head.failed)
		return -EPROTO;
	pager_send_complete(pager, atomic_load(&pager->session.stats.pages_total));
	return 0;
}

int pager_start_record(struct pager *pager, const struct attest_record *record, const uint8_t *body)
{
	struct session *session = &pager->session;
	struct wire_reader reader = { .at = body, .left = record->body_len };
	enum attest_state state;

	pthread_mutex_lock(&session->lock);
	state = session->ended ? ATTEST_STATE_LOST : ledger_now(session->ledger);
	pthread_mutex_unlock(&session->lock);
	if (state == ATTEST_STATE_LOST)
		return pager->only_tells && session_get_phase(session, NULL, NULL) == GMEM_PHASE_COMPLETE ?
		       tell_complete(pager, record, &reader) : 0;
	if (state == ATTEST_STATE_RUNNING)
		return take_running(pager, record, &reader);
	if (state != ATTEST_STATE_OFFERED)
		return -EPROTO;
	switch (record->op) {
	case ATTEST_OP_STATE:
		return take_state(pager, &reader);
	case ATTEST_OP_MANIFEST:
		return take_manifest(pager, &reader);
	default:
		return take_start(pager, &reader);
	}
}
