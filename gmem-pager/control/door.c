// SPDX-License-Identifier: MIT
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../unixsock.h"
#include "door.h"

#define BACKLOG 8

static int open_to(const char *path, gid_t group)
{
	if (group == DOOR_NO_GROUP)
		return 0;
	return lchown(path, (uid_t)-1, group) < 0 || chmod(path, 0660) < 0 ? -errno : 0;
}

int door_open(const char *path, gid_t group, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = unixsock_bind_private(fd, &addr);
	if (r == -EADDRINUSE && unixsock_is_stale(&addr, SOCK_STREAM) && unlink(path) == 0)
		r = unixsock_bind_private(fd, &addr);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = open_to(path, group);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0) {
		unlink(path);
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* syscalls: accept4 close getsockopt */
int door_accept(int listen_fd, int *ret_fd, struct ucred *ret_cred)
{
	socklen_t len = sizeof(*ret_cred);
	const int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_cred, &len) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* syscalls: geteuid */
bool door_is_ours(const struct ucred *cred)
{
	return cred->uid == 0 || cred->uid == geteuid();
}

int door_group(const char *name, gid_t *ret_group)
{
	const struct group *group;
	unsigned long number;
	char *end = NULL;

	if (name[0] >= '0' && name[0] <= '9') {
		errno = 0;
		number = strtoul(name, &end, 10);
		if (errno != 0 || *end != '\0' || number >= DOOR_NO_GROUP)
			return -ENOENT;
		*ret_group = (gid_t)number;
		return 0;
	}
	group = getgrnam(name);
	if (group == NULL)
		return -ENOENT;
	*ret_group = group->gr_gid;
	return 0;
}
