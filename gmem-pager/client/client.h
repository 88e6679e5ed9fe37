/* SPDX-License-Identifier: MIT */
/* libgmem's own: the handle, and requests over its socket. */
#ifndef GMEM_CLIENT_CLIENT_H
#define GMEM_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gmem/gmem.h>

#include "proto.h"

struct gmem_client {
	int sock;
	int poll_fd;			/* epoll: the socket, and pending_fd */
	int pending_fd;			/* eventfd, set while a phase was read but not yet returned */
	enum gmem_role role;
	uint32_t seq;
	enum gmem_phase phase;
	bool attached;
	bool dead;			/* the service went away */
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

/* Wipe and free what START brought. */
void client_free_states(struct gmem_client *client);

/* Forget that a phase is pending: the caller is about to return it. */
void client_clear_pending(struct gmem_client *client);

#endif
