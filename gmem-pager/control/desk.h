/* SPDX-License-Identifier: MIT */
/*
 * The owner's end of control: a few times a second it looks at the move, publishes what it sees, tells the service
 * manager, and does what clients ordered.  All of it in the owner's thread, so that every command comes at a moment
 * when the owner does nothing else.
 */
#ifndef GMEM_PAGER_CONTROL_DESK_H
#define GMEM_PAGER_CONTROL_DESK_H

#include "../session.h"
#include "hub.h"
#include "notify.h"

/* What a side of a move gives; each in the owner's thread. */
struct desk_ops {
	void (*progress)(void *opaque, struct gmem_progress *ret_progress);
	void (*look)(void *opaque, struct snapshot_side *ret_side);
	void (*pause)(void *opaque, bool pause);	/* NULL: the stream is paused at the other side */
	/* @n_cells parts of memory, in order: how many percent of each are present, or sent.  Returns cells filled. */
	uint32_t (*map)(void *opaque, uint32_t n_cells, uint8_t *ret_cells);
};

struct desk {
	struct session *session;
	const struct desk_ops *ops;
	void *opaque;			/* of ops */
	struct hub *hub;		/* NULL: no control sockets */
	struct notify *notify;		/* NULL: no service manager */
	struct snapshot_past past;
	struct snapshot snapshot;	/* of the last time */
	uint64_t next_us;
};

/* @hub, @notify: borrowed, may be NULL. */
void desk_init(struct desk *desk, struct session *session, const struct desk_ops *ops, void *opaque, struct hub *hub,
	       struct notify *notify);

/* Call several times a second, and when hub_order_fd() is readable. */
void desk_tick(struct desk *desk);

/* The last word, before the hub is stopped. */
void desk_end(struct desk *desk);

#endif
