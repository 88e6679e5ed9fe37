/* SPDX-License-Identifier: MIT */
/* The stall watchdog: what a move waits for at this moment, and for how long.  No clock, no locks of its own. */
#ifndef GMEM_PAGER_CONTROL_WATCH_H
#define GMEM_PAGER_CONTROL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <gmem/gmem.h>

#define WATCH_PATIENCE_US 10000000u	/* then a wait that should be short is a stall */

enum watch_for {
	WATCH_NOTHING = 0,	/* pages come, or all is over */
	WATCH_VMM,		/* to attach, to stop its vCPUs and start, to run */
	WATCH_CONNECT,		/* the other side's first connection */
	WATCH_START,		/* pager: START */
	WATCH_STARTED,		/* source: the destination's word that the guest runs */
	WATCH_PEER,		/* a lost connection */
	WATCH_DEMAND,		/* pager: a page that the guest waits for */
	WATCH_OPERATOR,		/* the stream is paused and nobody waits for a page */
	WATCH_STREAM,		/* the next page of the background stream */
	WATCH_COMPLETE,		/* source: all is sent; COMPLETE */
	WATCH_TOLD,		/* ended; the other side has still to hear it */
	WATCH_N,
};

/* As it is now. */
struct watch_view {
	enum gmem_role role;
	enum gmem_phase phase;
	enum gmem_link link;
	bool paused;
	bool untold;
	uint64_t n_pages;	/* that have come or were sent */
	uint64_t n_left;	/* to come or to be sent; at a source a guess */
	uint64_t n_waiting;	/* pages that guests wait for */
	uint64_t oldest_us;	/* since when the first of them; 0: nobody */
	uint64_t lost_us;	/* since when the connection is lost; 0: it is not */
};

struct watch {
	enum watch_for what;
	uint64_t since_us;
	uint64_t n_pages;
	bool told;		/* watch_stalls() has said true */
};

void watch_see(struct watch *watch, const struct watch_view *view, uint64_t now_us);

/* Is it a stall?  true once for each: log it then.  What waits for people or a lost peer is none. */
bool watch_is_stall(const struct watch *watch, uint64_t now_us);
bool watch_stalls(struct watch *watch, uint64_t now_us);

/* Its word in the protocol, and a sentence for people. */
const char *watch_name(enum watch_for what);
const char *watch_text(enum watch_for what);

#endif
