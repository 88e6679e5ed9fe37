/* SPDX-License-Identifier: MIT */
/* libgmem's own: the handle, and requests over its socket. */
#ifndef GMEM_CLIENT_CLIENT_H
#define GMEM_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include <gmem/gmem.h>

#include "proto.h"

#define CLIENT_PATH_LEN sizeof(((struct sockaddr_un *)NULL)->sun_path)

/* What a service that was started again is given; see custody.c. */
struct client_custody {
	gmem_session_fn new_session;	/* NULL: nobody is waited for */
	void *opaque;
	int wait_ms;
	int64_t gone_ms;		/* since when it is away; 0: it is there */
	int keep_fd;			/* pager: a session of our own; or a duplicate of the userfaultfd, see uffd.c */
	bool uffd;			/* attached by gmem_attach_uffd() */
	size_t n_regions;
	struct gmem_region regions[GMEM_MAX_REGIONS];	/* shared_fd are our own duplicates */
	uint64_t addresses[GMEM_MAX_REGIONS];		/* uffd */
};

struct gmem_client {
	int sock;
	int poll_fd;			/* epoll: the socket, and pending_fd */
	int pending_fd;			/* eventfd, set while a phase was read but not yet returned */
	enum gmem_role role;
	uint32_t seq;
	enum gmem_phase phase;
	bool attached;
	bool started;			/* source: gmem_source_start() was called, START may have left */
	bool dead;			/* the service went away */
	char path[CLIENT_PATH_LEN];	/* of its socket */
	uint32_t uid;			/* its user */
	struct client_custody custody;
	int status;			/* of the end, -errno */
	char error[PROTO_ERROR_LEN];	/* sentence for the last failed call */
	char end_error[PROTO_ERROR_LEN];	/* sentence the service gave when the move ended */
	struct gmem_state *states;	/* pager: what START brought */
	size_t n_states;
	uint8_t message[PROTO_MESSAGE_MAX];
};

/* The library's own sentence for a failure; returns @status. */
int client_fail(struct gmem_client *client, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Send a request of @len bytes and @n_fds descriptors without waiting for a reply. */
int client_send(struct gmem_client *client, enum proto_type type, const void *body, size_t body_len,
		const void *tail, size_t tail_len, const int *fds, size_t n_fds);

/*
 * Send a request and wait for its reply.  @ret_payload points into the handle's
 * message buffer until the next call; may be NULL.  Returns the reply's status.
 */
int client_call(struct gmem_client *client, enum proto_type type, const void *body, size_t body_len,
		const int *fds, size_t n_fds, const void **ret_payload, size_t *ret_payload_len);

/* Read one event; @timeout_ms as in poll().  -ETIMEDOUT, -EPIPE. */
int client_read_event(struct gmem_client *client, int timeout_ms);

/* Connect client->sock, say HELLO, and be polled.  Checks who is there.  -errno, sock closed. */
int client_connect(struct gmem_client *client);

/*
 * Hand over @session_fd and the regions; @flags: PROTO_ATTACH_*.  @addresses: session_fd is a userfaultfd, or -1;
 * NULL: it is a session.
 */
int client_attach(struct gmem_client *client, int session_fd, const struct gmem_region *regions,
		  const uint64_t *addresses, size_t n_regions, uint32_t flags);

int64_t client_now_ms(void);

/* ---- custody.c ---- */

/* Before attaching: keep what a new service will need. */
int custody_keep(struct gmem_client *client, const struct gmem_region *regions, size_t n_regions);
/* Give up the regions and the session of our own; a userfaultfd as uffd_let_go() says. */
void custody_fini(struct gmem_client *client);

/*
 * The service is gone (-EPIPE): wait for another one and hand it the VM.  @timeout_ms: the caller's, -1 none.
 * 0: it is there; -ETIMEDOUT: not yet; -EPIPE: there is no custody, or it was away for too long.
 */
int custody_wait(struct gmem_client *client, int timeout_ms);

/* ---- uffd.c ---- */

/* The move may have ended well: then nobody is held any more, and the userfaultfd is closed. */
void uffd_settle(struct gmem_client *client);

/* We are not asked any more: close the userfaultfd if that is safe, else leave it open until the process ends. */
void uffd_let_go(struct gmem_client *client);

/* Wipe and free what START brought. */
void client_free_states(struct gmem_client *client);

/* Forget that a phase is pending: the caller is about to return it. */
void client_clear_pending(struct gmem_client *client);

#endif
