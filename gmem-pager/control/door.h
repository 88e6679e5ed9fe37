/* SPDX-License-Identifier: MIT */
/* The listening ends of the control sockets: who may connect, and who did. */
#ifndef GMEM_PAGER_CONTROL_DOOR_H
#define GMEM_PAGER_CONTROL_DOOR_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#define DOOR_NO_GROUP ((gid_t)-1)

/*
 * Listen on @path: a stream socket of this user's, mode 0600; with @group 0660 and that group.  A stale socket is
 * replaced.  @ret_fd does not block.  -EADDRINUSE: somebody answers there, or it is no socket; -ENAMETOOLONG; else
 * -errno of bind(), chown() or chmod().
 */
int door_open(const char *path, gid_t group, int *ret_fd);

/* The next client, @ret_fd does not block.  -EAGAIN: there is none; else -errno. */
int door_accept(int fd, int *ret_fd, struct ucred *ret_cred);

/* Is that root or this process's own user? */
bool door_is_ours(const struct ucred *cred);

/* A group's name or number.  -ENOENT: there is no such group. */
int door_group(const char *name, gid_t *ret_group);

#endif
