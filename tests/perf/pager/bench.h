/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PAGER_H
#define BENCH_PAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../unit/pager/duo.h"
#include "clock.h"

/* Ends the program, with a sentence, if not @ok. */
void need(bool ok, const char *what);

/* Sorts.  0 of none. */
double median(double *values, size_t n);

/*
 * The calling thread, and those that it starts, to a CPU: each side has one of its own, as if it were a host.  Without
 * a second CPU nothing happens.
 */
enum side { SIDE_SOURCE, SIDE_PAGER };
void stay_on(enum side side);

/* A move between two VMs in this process by userfaultfd: the services' own code and threads. */
struct move {
	struct duo duo;
	struct clock_backend clock;	/* around the pager's backend */
};

/*
 * Called, and the guest is, on the pager's side.  Both sides running, every page has something in it, none is at the
 * destination, and the background stream is paused.
 */
void move_begin(struct move *move, uint64_t n_pages, uint32_t window_pages);
/* The stream is let go: until both sides are COMPLETE, and every page is what it was. */
void move_finish(struct move *move);

/* Round trips of demand faults beside those of TCP; the bulk stream beside TCP's.  They print "raw NAME VALUE". */
void bench_rtt(unsigned int n_rounds);
void bench_stream(unsigned int n_rounds, uint64_t mib);

#endif
