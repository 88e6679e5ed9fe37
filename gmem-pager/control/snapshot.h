/* SPDX-License-Identifier: MIT */
/*
 * How a move is at one moment: what the owner's thread sees several times a second, and what clients are told.
 * Plain values, without a GFN, an address or a measurement of the guest.
 */
#ifndef GMEM_PAGER_CONTROL_SNAPSHOT_H
#define GMEM_PAGER_CONTROL_SNAPSHOT_H

#include <time.h>

#include "../session.h"
#include "../workset.h"
#include "ask.h"
#include "rate.h"
#include "watch.h"

#define SNAPSHOT_N_LATENCY 28u	/* bucket i: at most 2^i us; what is more is in none but in n_latencies */
#define SNAPSHOT_SHORT_LEN 8u	/* digits of the ticket id that are shown */

/* What the two sides know beside the session; each fills what it has. */
struct snapshot_side {
	const char *backend;	/* its name, of static storage; NULL: no VM was handed over yet */
	uint64_t n_waiting;
	uint64_t oldest_us;
	bool can_pause;
	bool paused;
	bool has_missing;	/* n_missing is what the kernel says; else it is counted by what was sent */
	uint64_t n_missing;
	struct workset_view workset;
};

struct snapshot {
	uint64_t taken_us;
	enum gmem_role role;
	enum attest_state state;
	int status;			/* of the end */
	char error[SESSION_ERROR_LEN];
	struct gmem_progress progress;
	struct snapshot_side side;
	uint64_t n_faults, n_requests, n_converted;
	uint64_t latency[SNAPSHOT_N_LATENCY];	/* cumulative */
	uint64_t n_latencies, latency_sum_us;
	uint64_t bytes_per_s, pages_per_s;
	bool has_left;
	uint64_t left_ms;
	time_t good_time;		/* when the peer was heard last; 0: never by this process */
	uint64_t good_ms;		/* so long ago */
	unsigned int n_tries;
	char link_error[SESSION_ERROR_LEN];	/* "" while the connection is up */
	int resume_ms;
	bool has_limit;
	uint64_t limit;			/* bytes a second; 0: none */
	uint32_t limited_by;
	bool untold;
	enum watch_for waits_for;
	uint64_t waits_ms;
	bool stalled;
	uint32_t n_cells;		/* 0: no map was asked for */
	uint8_t cells[ASK_MAP_MAX];	/* percent that is present (pager) or sent (source) */
};

/* What the owner keeps from one to the next. */
struct snapshot_past {
	struct rate pages, bytes;
	struct watch watch;
};

/*
 * Owner's thread.  @progress, @side: of this moment.  Takes the session's lock for a moment, and no lock that who
 * answers faults takes.  The map is left out.
 */
void snapshot_take(struct session *session, const struct gmem_progress *progress, const struct snapshot_side *side,
		   struct snapshot_past *past, struct snapshot *ret_snapshot);

/* Pages that are not there yet: as the kernel says, else a guess. */
uint64_t snapshot_left(const struct snapshot *snapshot);

#endif
