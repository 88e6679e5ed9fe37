/* SPDX-License-Identifier: MIT */
/*
 * A source whose VM goes into a file and not to a pager (session_config.suspend).  To its VMM it is a source like
 * another: attach, prepare, start, COMPLETE.
 *
 * The record is that of a move whose destination is the file (docs/session.md).  In order:
 *
 *   OFFERED    the ticket is burnt; the guest runs here
 *   frozen, the file is written as NAME.partial and brought to the disk; whatever fails: ABORTED, thawed, no file
 *   IN_DOUBT   the file may have its name
 *   ...        it gets its name, durably; if it cannot, and is gone again: RESUMED, thawed
 *   RELEASED   the guest never runs here again
 *
 * Threads: owner, and one that writes.  Nobody is dialled; there is no control thread.
 */
#ifndef GMEM_PAGER_SUSPEND_H
#define GMEM_PAGER_SUSPEND_H

#include "guest.h"
#include "session.h"
#include "snapshot/writer.h"
#include "states.h"

struct suspend {
	struct session session;			/* first */
	struct guest *guest;
	bool frozen;				/* session.lock */
	struct manifest *manifest;		/* set before the thread starts */
	atomic_uint_fast64_t n_done;		/* pages, by index */
	struct states states;			/* the thread's once it runs */
	uint8_t *body, *pages;			/* thread; locked memory */
	bool has_thread;			/* owner */
	pthread_t thread;
	uint8_t root[SNAPFILE_ROOT_LEN];	/* once the phase is COMPLETE */
};

/* As source_new() and the others of source.h; the same errors and sentences. */
int suspend_new(const struct session_config *config, struct suspend **ret_suspend, char *ret_error, size_t error_len);
void suspend_free(struct suspend *suspend);
int suspend_attach(struct suspend *suspend, struct backend *backend, const struct gmem_region *regions,
		   size_t n_regions, char *ret_error, size_t error_len);
/* The ticket is burnt; the phase is ACCEPTED at once, or has ended. */
int suspend_prepare(struct suspend *suspend);
/* Freeze, and begin to write.  On success @states is taken over, and the phase says how it ends. */
int suspend_start(struct suspend *suspend, struct states *states, char *ret_error, size_t error_len);
void suspend_stop(struct suspend *suspend);
void suspend_progress(struct suspend *suspend, struct gmem_progress *ret_progress);

/* As coverage_source(). */
uint32_t suspend_map(struct suspend *suspend, uint32_t n_cells, uint8_t *ret_cells);

#endif
