/* SPDX-License-Identifier: MIT */
/*
 * nng's transport with a network that fails: while a cutter is on, each connection of its move ends after a number of
 * bytes that is drawn when it is made, in the middle of whatever is sent then.
 */
#ifndef TESTS_CUTTER_H
#define TESTS_CUTTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "transport.h"

/* One move's, the caller's storage. */
struct cutter {
	const char *address;	/* where its pager listens */
	atomic_bool on;
	struct cutter *next;
};

/* Before the moves begin. */
void cutter_seed(uint32_t seed);

/* From here on connections to @address (borrowed) are this cutter's, which is off. */
void cutter_enter(struct cutter *cutter, const char *address);
/* No connection of it is left. */
void cutter_leave(struct cutter *cutter);

/* Connections that are there when it goes off are left alone. */
void cutter_set(struct cutter *cutter, bool on);

/* How many connections were cut, of all moves. */
uint64_t cutter_cuts(void);

/* For the source, and for the pager. */
extern const struct transport_ops cutter_transport;

#endif
