/* SPDX-License-Identifier: MIT */
/*
 * The origin of a move: source.c has the move itself, freeze.c freezing and
 * START, urgent.c answers demand faults, bulk.c streams the rest.
 *
 * Threads: owner, control (session), urgent, bulk, credit.  A page that urgent
 * or bulk takes on is marked in @sent first; urgent sends a page that a guest
 * waits for in any case, bulk and the neighbours of a wanted page only once.
 */
#ifndef GMEM_PAGER_SOURCE_H
#define GMEM_PAGER_SOURCE_H

#include "guest.h"
#include "limit.h"
#include "pace.h"
#include "session.h"
#include "states.h"
#include "workset.h"

struct source {
	struct session session;			/* first: end_phase() and others get here from it */
	struct guest *guest;
	_Atomic(struct manifest *) manifest;	/* set before START is sent */
	atomic_uint_fast64_t *sent;		/* by index; set with the manifest */
	struct pace pace;
	struct limit limit;			/* of the bulk thread; what it is outlives a connection */
	struct workset *workset;		/* of a restore, before it connects; borrowed, NULL: none */
	struct states states;			/* start_lock; what START needs again, until the destination runs */
	uint64_t map_next;			/* control thread: index that the next MAP record begins at */
	bool started_heard;			/* control thread: STARTED came on this connection */
	pthread_mutex_t start_lock;		/* what is sent of the states, the manifest and START */
	uint8_t *control_body;			/* start_lock; locked memory */
	uint8_t *urgent_body;			/* urgent thread */
	uint8_t *bulk_body;			/* bulk thread */
	bool has_urgent, has_bulk, has_credit;	/* control thread, then the owner */
	pthread_t urgent, bulk, credit;
};

/* Sentence on failure. */
int source_new(const struct session_config *config, struct source **ret_source, char *ret_error, size_t error_len);

/* After source_stop(). */
void source_free(struct source *source);

/* Take over @backend on success.  @regions: as checked by gmem_attach(). */
int source_attach(struct source *source, struct backend *backend, const struct gmem_region *regions,
		  size_t n_regions, char *ret_error, size_t error_len);

/* Begin to connect; the phase says how it ends.  -EINVAL nothing attached, -EALREADY. */
int source_prepare(struct source *source);

/*
 * Freeze, send everything up to and with START.  The phase says what becomes of
 * it.  Takes @states over once START may leave, and leaves an empty collection.
 * -EBUSY a vCPU runs: stop it and call again.  -ENOTCONN: the connection is lost and may come
 * back, nothing was done.  On other failures the VM is
 * thawed and the move has ended, except for -EINPROGRESS: START may have left.
 * On failure @ret_error has a sentence.
 */
int source_start(struct source *source, struct states *states, char *ret_error, size_t error_len);

/* Owner: end all threads, wipe, close the backend.  Counters stay readable. */
void source_stop(struct source *source);

void source_progress(struct source *source, struct gmem_progress *ret_progress);

/* ---- between the files of the source ---- */

/* Mark the page at @index as sent.  false: it was. */
bool source_claim(struct source *source, uint64_t index);

/* Read and send a run of up to BULK_MAX_RUN pages on @id, from @index on; counts pages and, in @ret_body_len, bytes. */
int source_send_run(struct source *source, enum attest_lane id, uint64_t index, uint32_t n_pages, uint8_t *body,
		    uint32_t *ret_body_len);

/* Let the lanes' threads have @manifest; they answer once the phase is STARTED.  -ENOMEM: it is freed. */
int source_publish(struct source *source, struct manifest *manifest);

/* Control thread, a MAP record.  -EPROTO. */
int source_take_map(struct source *source, const uint8_t *body, uint32_t body_len);

/* Control thread: on a connection that goes on after START; what the destination may lack of it. */
int source_say_again(struct source *source);

void *source_urgent_thread(void *source);
void *source_bulk_thread(void *source);
void *source_credit_thread(void *source);

#endif
