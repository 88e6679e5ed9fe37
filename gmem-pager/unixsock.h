/* SPDX-License-Identifier: MIT */
/* What every unix socket that a service listens on has in common. */
#ifndef GMEM_PAGER_UNIXSOCK_H
#define GMEM_PAGER_UNIXSOCK_H

#include <stdbool.h>
#include <sys/un.h>

/*
 * Is @addr a socket that is left over from a process that died?  @type: SOCK_STREAM or another, of that socket.
 * A file that is no socket is not: it also refuses connections, and is somebody's.
 */
bool unixsock_is_stale(const struct sockaddr_un *addr, int type);

/* Bind @fd to @addr with mode 0600 from the beginning.  0 or -errno of bind(). */
int unixsock_bind_private(int fd, const struct sockaddr_un *addr);

#endif
