// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "landlock.h"

/* Calls and structs of linux/landlock.h, in their newest form: the kernel takes a longer one if the rest is zero. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define CREATE_VERSION (1u << 0)
#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT 2
#define SCOPE_ALL 3ull		/* abstract sockets, signals: version 6 */

#define V9FS_MAGIC 0x01021997

#define RIGHTS_OF_FILES (LANDLOCK_FS_WRITE_FILE | LANDLOCK_FS_READ_FILE | LANDLOCK_FS_TRUNCATE)

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct path_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

struct port_attr {
	uint64_t allowed_access;
	uint64_t port;
};

/* Every right on files that a version has. */
static uint64_t fs_rights(int version)
{
	static const unsigned int n_rights[] = { 0, 13, 14, 15, 15, 16 };

	return (1ull << n_rights[version > 5 ? 5 : version]) - 1;
}

int landlock_new(struct landlock *ret_landlock)
{
	struct landlock landlock = { .version = (int)syscall(CREATE_RULESET, NULL, 0, CREATE_VERSION) };
	struct ruleset_attr attr = { 0 };
	size_t len = sizeof(attr.handled_access_fs);

	if (landlock.version < 1)
		return landlock.version < 0 ? -errno : -ENOSYS;
	landlock.fs = attr.handled_access_fs = fs_rights(landlock.version);
	if (landlock.version >= 4) {
		landlock.net = attr.handled_access_net = LANDLOCK_NET_BIND | LANDLOCK_NET_CONNECT;
		len += sizeof(attr.handled_access_net);
	}
	if (landlock.version >= 6) {
		attr.scoped = SCOPE_ALL;
		len += sizeof(attr.scoped);
	}
	landlock.fd = (int)syscall(CREATE_RULESET, &attr, len, 0);
	if (landlock.fd < 0)
		return -errno;
	*ret_landlock = landlock;
	return 0;
}

void landlock_free(struct landlock *landlock)
{
	close(landlock->fd);
}

int landlock_allow_path(const struct landlock *landlock, const char *path, uint64_t rights)
{
	struct path_attr attr = { .allowed_access = rights & landlock->fs };
	struct statfs fs;
	struct stat st;
	int r = 0;

	attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (attr.parent_fd < 0)
		return -errno;
	if (fstat(attr.parent_fd, &st) < 0 || fstatfs(attr.parent_fd, &fs) < 0)
		r = -errno;
	else if (fs.f_type == V9FS_MAGIC)
		r = -EXDEV;
	if (r == 0 && !S_ISDIR(st.st_mode))
		attr.allowed_access &= RIGHTS_OF_FILES;
	if (r == 0 && syscall(ADD_RULE, landlock->fd, RULE_PATH_BENEATH, &attr, 0) < 0)
		r = -errno;
	close(attr.parent_fd);
	return r;
}

int landlock_allow_port(const struct landlock *landlock, uint16_t port, uint64_t rights)
{
	const struct port_attr attr = { .allowed_access = rights & landlock->net, .port = port };

	if (attr.allowed_access == 0)
		return 0;
	return syscall(ADD_RULE, landlock->fd, RULE_NET_PORT, &attr, 0) < 0 ? -errno : 0;
}

int landlock_enter(const struct landlock *landlock)
{
	return syscall(RESTRICT_SELF, landlock->fd, 0) < 0 ? -errno : 0;
}
