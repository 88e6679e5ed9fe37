/* SPDX-License-Identifier: MIT */
/*
 * control: commands on a unix socket, one line each, one line back: "ok",
 * "ok TEXT" or "error SENTENCE".  Each connection has a thread, so that one may
 * wait while another asks.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include <pthread.h>

#include "machine.h"
#include "move.h"

#define CONTROL_MAX_LINE 1024u

struct control {
	struct machine *machine;
	struct move *move;
	const char *path;
	int listen_fd;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	unsigned int n_busy;	/* commands that have no answer yet */
};

/** Listen at @p path (mode 0600); one that is left over there is replaced. */
int control_init(struct control *control, struct machine *machine, struct move *move, const char *path);

/**
 * Let commands under way get their answers, for a short while, and remove the
 * socket. The machine has ended and its console is closed. Threads of
 * connections end with the process.
 */
void control_fini(struct control *control);

/** A connection waits at control->listen_fd. */
void control_accept(struct control *control);

#endif
