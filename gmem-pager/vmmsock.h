/* SPDX-License-Identifier: MIT */
/* The service's end of the unix socket that libgmem talks to: packets, descriptors, who is there. */
#ifndef GMEM_PAGER_VMMSOCK_H
#define GMEM_PAGER_VMMSOCK_H

#include <stddef.h>
#include <stdint.h>

#include "client/proto.h"

struct vmmsock_message {
	struct proto_header header;
	uint8_t *body;			/* header.len bytes, in the caller's buffer */
	int fds[PROTO_MAX_FDS];		/* the receiver's; -1 once taken */
	size_t n_fds;
};

/* Listen on @path, mode 0600.  A stale socket is replaced; -EADDRINUSE: somebody answers there. */
int vmmsock_listen(const char *path, int *ret_fd);

/* -EPERM: the peer is neither root nor of our own user (it is closed then). */
int vmmsock_accept(int listen_fd, int *ret_fd);

/*
 * One packet into @buffer (PROTO_MESSAGE_MAX bytes).  -EPIPE: the VMM is gone;
 * -EPROTO: malformed; descriptors are closed on failure.
 */
int vmmsock_recv(int fd, uint8_t *buffer, struct vmmsock_message *ret_message);

/* Close the descriptors that were not taken. */
void vmmsock_close_fds(struct vmmsock_message *message);

/* Reply to request @seq.  @head and @data go behind the reply; either may be NULL. */
int vmmsock_reply(int fd, uint32_t seq, const struct proto_reply *reply, const void *head, size_t head_len,
		  const void *data, size_t data_len);

int vmmsock_event(int fd, const struct proto_event *event);

#endif
