/* SPDX-License-Identifier: MIT */
/*
 * The control sockets and the thread that serves them (docs/control.md).
 *
 * The owner's thread publishes snapshots and is handed orders, one at a time; clients are told from the last
 * snapshot, so that one who is slow, silent or many never holds up a move: the thread's lock is held for a copy and
 * is taken by these two threads alone.  What is for the owner to do or to look up (verbs that change something, a
 * map) waits until the owner has done it; who changes something comes before who looks.
 */
#ifndef GMEM_PAGER_CONTROL_HUB_H
#define GMEM_PAGER_CONTROL_HUB_H

#include <stdbool.h>
#include <sys/types.h>

#include "ask.h"
#include "report.h"
#include "snapshot.h"

#define HUB_MAX_CHANGING 8u	/* clients of the mutating socket */
#define HUB_MAX_VIEWING 16u	/* of the other one */
#define HUB_ERROR_LEN 256u
#define HUB_IDLE_MS 60000	/* a client that says nothing for so long is closed */
#define HUB_STUCK_MS 10000	/* so is one with half a line, or that does not read its answer */

struct hub_config {
	const char *control_path;	/* NULL: no such socket */
	const char *status_path;
	const char *status_group;	/* NULL: this user's alone */
	int idle_ms, stuck_ms;		/* 0: as above */
};

/* How an order ended, the word "error" of its answer. */
enum hub_result {
	HUB_DONE = 0,
	HUB_NOT_HERE,		/* the other side has that */
	HUB_REFUSED,		/* not in this state */
	HUB_ENDED,		/* the move has ended */
	HUB_RECORD,		/* it cannot be recorded */
};

struct hub_order {
	struct ask ask;
	uid_t uid;
	pid_t pid;
};

struct hub;

/*
 * Listen.  No thread yet.  0 and *@ret_hub NULL: no path is named.  On failure @ret_error (HUB_ERROR_LEN) has a
 * sentence.  What @config points to has to stay until hub_free().
 */
int hub_open(const struct hub_config *config, struct hub **ret_hub, char *ret_error);

/* Start to serve.  @names: borrowed until hub_stop().  0 or -errno. */
int hub_start(struct hub *hub, const struct report_names *names);

/* Tell who waits how it ended, give answers half a second to go, end the thread. */
void hub_stop(struct hub *hub);

/* Close and remove the sockets.  NULL is allowed. */
void hub_free(struct hub *hub);

/* ---- owner ---- */

/* Readable when there is an order. */
int hub_order_fd(const struct hub *hub);

/* This is how it is now.  Copied. */
void hub_publish(struct hub *hub, const struct snapshot *snapshot);

/* Is anybody there who looks? */
bool hub_has_callers(struct hub *hub);

/* Take the order.  false: there is none.  Each one that was taken needs hub_done(). */
bool hub_take(struct hub *hub, struct hub_order *ret_order);

/* @sentence: why, for all but HUB_DONE. */
void hub_done(struct hub *hub, enum hub_result result, const char *sentence);

#endif
