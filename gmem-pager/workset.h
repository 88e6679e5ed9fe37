/* SPDX-License-Identifier: MIT */
/*
 * The working set of a restore: the pages of a snapshot that a guest asks for once it runs, as a set and not an order.
 *
 *   recording   what the destination asks for goes into the set.  So that a guest has to ask for what it touches, the
 *               source sends nothing else for that time: no neighbours of a wanted page, and of the background stream a
 *               page a second, by which the destination sees that pages still come.
 *   replaying   the background stream begins with the set; the rest follows.
 *
 * Nothing here can fail a restore: a set that cannot be written is a warning.
 */
#ifndef GMEM_PAGER_WORKSET_H
#define GMEM_PAGER_WORKSET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <gmem/gmem.h>

#include "limit.h"
#include "snapshot/setfile.h"

#define WORKSET_DEFAULT_S 10	/* how long is recorded once the guest runs */
#define WORKSET_MAX_S 86400

enum workset_state {
	WORKSET_RECORDING,
	WORKSET_WRITTEN,
	WORKSET_DROPPED,	/* nothing was written, and nothing will be */
	WORKSET_REPLAYED,
};

struct workset {
	enum workset_state state;	/* owner */
	atomic_bool recording;
	uint64_t n_pages;		/* of the VM */
	atomic_uint_fast64_t *asked;	/* recording: by index */
	uint64_t *map;			/* replaying: by index */
	struct limit trickle;		/* of the bulk thread, while it records */
	struct setfile_writer *writer;	/* recording: owned */
	const struct snapfile_reader *reader;	/* borrowed */
	uint64_t record_us;
	atomic_uint_fast64_t n_set;	/* pages of the set; while it records, so far */
	atomic_uint_fast64_t n_sent;	/* replaying: of them, sent by the background stream */
	atomic_uint_fast64_t n_late;	/* replaying: of them, asked for all the same */
	atomic_uint_fast64_t n_outside;	/* replaying: asked for, and not in the set */
};

/* For who only looks; plain values. */
struct workset_view {
	bool there;			/* a set is recorded or replayed */
	enum workset_state state;
	uint64_t n_set, n_sent, n_late, n_outside;
};

/*
 * Takes @writer over on success; @reader is borrowed.  @seconds: from when the guest runs.  -ENOMEM.
 */
int workset_record(struct setfile_writer *writer, const struct snapfile_reader *reader, unsigned int seconds,
		   struct workset **ret_workset);
/* Takes @map over, of setfile_read(). */
int workset_replay(uint64_t *map, uint64_t n_pages, struct workset **ret_workset);
/* NULL is allowed. */
void workset_free(struct workset *workset);

/* For each of these @workset may be NULL: there is none. */

bool workset_is_recording(const struct workset *workset);

/* Urgent thread: the destination wants the page at @index. */
void workset_ask(struct workset *workset, uint64_t index);

/* What comes first of the background stream, by index; NULL: nothing in particular. */
const uint64_t *workset_map(const struct workset *workset);

/* Bulk thread: @n_pages of the map were sent. */
void workset_sent(struct workset *workset, uint64_t n_pages);

/* Bulk thread: wait until the stream may send while it is held back; false: stopped.  Then what was sent. */
bool workset_wait(struct workset *workset);
void workset_spend(struct workset *workset, uint64_t bytes);

/* End the waiting, and let it go on for the next connection. */
void workset_stop(struct workset *workset, bool stop);

/* Owner: nothing is recorded in this run; @why is half a sentence for the log. */
void workset_drop(struct workset *workset, const char *why);

/* Owner, several times a second and once at the end: write the set if its time is over.  @started_us: 0, not yet. */
void workset_tick(struct workset *workset, enum gmem_phase phase, uint64_t started_us, uint64_t now_us);

struct workset_view workset_look(const struct workset *workset);

/* "recording", "written", "dropped", "replayed". */
const char *workset_state_name(enum workset_state state);

#endif
