/* SPDX-License-Identifier: MIT */
/*
 * One client of a control socket: the bytes that came and make no line yet, the answer that is on its way, and what
 * it waits for.  Nothing here blocks.  It says one thing at a time: the next line is looked at when the answer to the
 * one before has gone.
 */
#ifndef GMEM_PAGER_CONTROL_CALLER_H
#define GMEM_PAGER_CONTROL_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ask.h"

#define CALLER_ANSWER_MAX 65536u	/* bytes */

enum caller_state {
	CALLER_FREE = 0,	/* nobody */
	CALLER_READY,		/* may say something */
	CALLER_QUEUED,		/* @ask is for the owner, who is busy */
	CALLER_ORDERED,		/* the owner has @ask */
	CALLER_WAITING,		/* for a phase */
	CALLER_SUBSCRIBED,
	CALLER_CLOSING,		/* once the answer has gone */
};

struct caller {
	enum caller_state state;
	int fd;
	bool may_change;		/* came by the mutating socket */
	bool eof;			/* says no more; may still read */
	struct ucred cred;
	uint64_t serial;		/* differs from who had the place before */
	struct ask ask;
	uint64_t moved_us;		/* when a byte came or went last */
	uint64_t due_us;		/* waiting: until when, 0 for ever; subscribed: the next report */
	size_t in_len;
	char in[ASK_LINE_MAX + 1];	/* the newline, too */
	char *out;			/* malloc()ed */
	size_t out_len, out_sent;
};

/* Takes @fd over. */
void caller_init(struct caller *caller, int fd, const struct ucred *cred, bool may_change, uint64_t serial,
		 uint64_t now_us);

/* Close, free, be CALLER_FREE. */
void caller_fini(struct caller *caller);

/* Take what has come.  -EPIPE: the client is gone.  At the end of what it says @eof is set. */
int caller_read(struct caller *caller, uint64_t now_us);

/* Length of the first line without its newline; -EAGAIN: not whole yet; -EMSGSIZE: longer than ASK_LINE_MAX. */
int caller_line(const struct caller *caller);

/* The first line is dealt with. */
void caller_drop_line(struct caller *caller);

/*
 * Send @line and a newline, now as far as it goes.  Nothing may be on its way.  -EPIPE: the client is gone;
 * -EMSGSIZE: longer than CALLER_ANSWER_MAX; -ENOMEM.
 */
int caller_say(struct caller *caller, const char *line, uint64_t now_us);

/* Is an answer on its way? */
bool caller_is_saying(const struct caller *caller);

/* Send more of it.  -EPIPE: the client is gone. */
int caller_flush(struct caller *caller, uint64_t now_us);

#endif
