/* SPDX-License-Identifier: MIT */
/*
 * The destination of a move: pager.c has the move itself, start.c what comes
 * before the guest runs, fault.c asks for what guests touch, fill.c puts in what
 * arrives.
 *
 * Threads: owner, control (session), fault, and one receiving thread each for
 * urgent and bulk.
 */
#ifndef GMEM_PAGER_PAGER_H
#define GMEM_PAGER_PAGER_H

#include "credit.h"
#include "guest.h"
#include "session.h"
#include "stall.h"
#include "states.h"
#include "wanted.h"

struct pager {
	struct session session;			/* first: end_phase() and others get here from it */
	struct transport_listener *listener;
	bool only_tells;			/* over since the process before: no guest, a source to tell */
	struct guest *guest;			/* set by pager_attach() */
	_Atomic(struct manifest *) manifest;	/* set when START came */
	struct states states;			/* control thread until STARTED, then read only */
	struct states again;			/* control thread: what a later connection brings of them */
	uint8_t manifest_hash[ATTEST_HASH_LEN];	/* control thread; of the manifest, once that is set */
	uint8_t *manifest_bytes;		/* control thread */
	size_t manifest_len, manifest_have;	/* control thread */
	struct wanted wanted;
	bool has_fault, has_urgent, has_bulk;	/* control thread, then the owner */
	pthread_t fault, urgent, bulk;
	struct credit credit;			/* of the bulk stream */
	uint64_t n_missing;			/* owner: as of the last look */
	struct stall stall;			/* owner */
};

/* Listens at once, so that an address in use is found out here.  Sentence on failure. */
int pager_new(const struct session_config *config, struct pager **ret_pager, char *ret_error, size_t error_len);

/* After pager_stop(). */
void pager_free(struct pager *pager);

/*
 * Take over @backend (on success) and begin to accept the source.  Everything
 * must be missing.  @regions: as checked by gmem_attach().  Where the record says COMPLETE or
 * ABORTED the source is accepted since pager_new(), and nothing is done with the VM.
 */
int pager_attach(struct pager *pager, struct backend *backend, const struct gmem_region *regions, size_t n_regions,
		 char *ret_error, size_t error_len);

/*
 * State is restored: record RUNNING and tell the source.  0: the VMM may run the
 * guest.  -EINVAL before START; -EAGAIN: the connection was lost and START has to come
 * again, call once more; else -ECANCELED and the move has ended.
 */
int pager_run(struct pager *pager);

/* Owner, several times a second: completion that no record brings about, and pages that got lost. */
void pager_tick(struct pager *pager);

/* Owner: end all threads, wipe, close the backend.  Counters stay readable. */
void pager_stop(struct pager *pager);

void pager_progress(struct pager *pager, struct gmem_progress *ret_progress);

/* Owner: hold the background stream, or let it go on; what guests wait for comes all the same. */
void pager_pause(struct pager *pager, bool pause);

/* ---- between the files of the pager ---- */

/* COMPLETE on control; @n_pages: the number in START. */
void pager_send_complete(struct pager *pager, uint64_t n_pages);

/* A record of STATE, MANIFEST or START. */
int pager_start_record(struct pager *pager, const struct attest_record *record, const uint8_t *body);

/* Every page may be there now: look, and end the move if so. */
void pager_check_complete(struct pager *pager);

/* Add what a fill did to the counters. */
void pager_count(struct pager *pager, const struct guest_counts *counts, bool demand);

void *pager_fault_thread(void *pager);
void *pager_urgent_thread(void *pager);
void *pager_bulk_thread(void *pager);

/* On a fresh connection: ask for what somebody waits for. */
void pager_ask_again(struct pager *pager);

/* Tell the source which pages are present here, as the backend knows them (presence.c).  0 or -errno. */
int pager_send_map(struct pager *pager);

/* On a fresh connection, the guest runs: the map, what is waited for, credit. */
void pager_go_on(struct pager *pager);

/* Ask for missing pages that nobody has sent, a record full. */
void pager_sweep(struct pager *pager);

#endif
