/* SPDX-License-Identifier: MIT */
/*
 * What a service manager is told: sd_notify(3)'s datagrams, made here, because the protocol is a line of text and
 * libsystemd would bring four more libraries into a process that holds a guest's memory.
 */
#ifndef GMEM_PAGER_CONTROL_NOTIFY_H
#define GMEM_PAGER_CONTROL_NOTIFY_H

#include <stdint.h>

#define NOTIFY_STATUS_LEN 200u

struct notify {
	int fd;				/* connected; -1: nobody wants to know */
	uint64_t watchdog_us;		/* 0: no watchdog */
	uint64_t alive_us;		/* when it was told last */
	uint64_t status_us;
	char status[NOTIFY_STATUS_LEN];	/* what it was told last */
};

/*
 * By NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment, all three are removed from it.  0, also without
 * a service manager; -EINVAL: one of them is malformed; else -errno of socket() and connect().
 */
int notify_open(struct notify *ret_notify);
void notify_close(struct notify *notify);

/* It serves now; it is about to end. */
void notify_ready(struct notify *notify);
void notify_stopping(struct notify *notify);

/* The owner's thread is not stuck: sent four times in the time that the watchdog gives. */
void notify_alive(struct notify *notify, uint64_t now_us);

/* A line for people, sent if it is another one, once a second at most. */
void notify_status(struct notify *notify, const char *line, uint64_t now_us);

#endif
