/* SPDX-License-Identifier: MIT */
/*
 * The transport with somebody in the middle: what one side sends on a lane can be
 * altered, repeated, swapped, cut off or held back.  One send is one record.
 */
#ifndef TESTS_BENT_H
#define TESTS_BENT_H

#include <stdbool.h>
#include <stdint.h>

#include <attest/attest.h>

#include "transport.h"

enum bent_act {
	BENT_NONE,
	BENT_FLIP,	/* one bit near the record's end */
	BENT_FLIP_HEAD,	/* one bit of its GFN's field */
	BENT_REPLAY,	/* the record twice */
	BENT_SWAP,	/* the record after the one that follows it */
	BENT_CUT,	/* every connection is closed in its place */
	BENT_STALL,	/* it and everything that is sent after it on the connections of then is swallowed */
};

/* Act on the @nth record (from 0) with @op that is sent on @lane by the side whose transport this is. */
void bent_set(enum attest_lane lane, enum attest_op op, int nth, enum bent_act act);

/* Did it happen? */
bool bent_happened(void);

/* The most bytes of bulk records that were sent and not yet received at a time. */
uint64_t bent_bulk_in_flight(void);

/* For the source, and for the pager. */
extern const struct transport_ops bent_transport;

#endif
