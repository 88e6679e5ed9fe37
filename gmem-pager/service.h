/* SPDX-License-Identifier: MIT */
/*
 * The owner's thread of gmem-pager and gmem-source: one poll loop over the VMM's
 * socket, signals and the session's phase, until the move has ended.
 *
 * SIGTERM and SIGINT abort a move whose guest has not been given away (source:
 * before START; pager: before it runs).  Later the first one is refused with a
 * line in the log; a second one ends the process, and with it the guest.
 */
#ifndef GMEM_PAGER_SERVICE_H
#define GMEM_PAGER_SERVICE_H

#include <gmem/gmem.h>

#include "backend.h"
#include "control/desk.h"
#include "session.h"
#include "states.h"

/* Exit codes of both programs. */
#define SERVICE_EXIT_COMPLETE 0
#define SERVICE_EXIT_SETUP 1	/* options, files, sockets */
#define SERVICE_EXIT_REFUSED 2	/* one side refused the other, nothing moved */
#define SERVICE_EXIT_ABORTED 3	/* ended before it took effect: the guest may run on at the source */
#define SERVICE_EXIT_FAILED 4	/* ended after START */

struct service_ops {
	const char *name;
	enum gmem_role role;
	/* First phase in which the move goes on without this VMM. */
	enum gmem_phase committed;
	int (*attach)(void *opaque, struct backend *backend, const struct gmem_region *regions, size_t n_regions,
		      char *ret_error, size_t error_len);
	int (*prepare)(void *opaque);	/* source; answered when the phase is ACCEPTED */
	/* Source; takes @states over on success. */
	int (*start)(void *opaque, struct states *states, char *ret_error, size_t error_len);
	int (*run)(void *opaque);	/* pager */
	const struct states *(*states)(void *opaque);	/* pager, from STARTED on */
	void (*tick)(void *opaque);	/* may be NULL */
	void (*progress)(void *opaque, struct gmem_progress *ret_progress);
	void (*stop)(void *opaque);
	const struct desk_ops *desk;	/* may be NULL if there is neither hub nor notify */
};

struct service_config {
	const struct service_ops *ops;
	void *opaque;
	struct session *session;
	int (*open_backend)(int fd, struct backend **ret_backend);	/* takes @fd over on success */
	/* As backend_uffd_new(); NULL: no such VM is taken. */
	int (*open_uffd)(const struct backend_uffd_setup *setup, struct backend **ret_backend, char *ret_error,
			 size_t error_len);
	const char *socket_path;	/* NULL: there is no VMM, and listen_fd is of -1 */
	const int *listen_fd;		/* of service_listen(), which is the caller's still; NULL: service_run() makes one */
	int linger_ms;		/* how long to answer the VMM's questions after the end */
	struct hub *hub;		/* borrowed, open and not started; NULL: no control sockets */
	const struct report_names *names;	/* for the hub */
	struct notify *notify;		/* borrowed; NULL: no service manager */
};

/* Call first in main(), before any thread: block the signals that service_run() reads. */
void service_block_signals(void);

/* Listen for a VMM on @path.  Logs. */
int service_listen(const char *path, int *ret_fd);

/* Close it, and remove the socket.  @fd -1: there is none. */
void service_unlisten(const char *path, int fd);

/* Serve one VMM until the end; returns the exit code.  Logs. */
int service_run(const struct service_config *config);

#endif
