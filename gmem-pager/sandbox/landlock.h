/* SPDX-License-Identifier: MIT */
/*
 * landlock: what this thread, and those that it starts, may still open and connect to (landlock(7)).  The C library
 * has no functions for it, and the headers of the system may be older than the kernel that runs.
 */
#ifndef GMEM_PAGER_SANDBOX_LANDLOCK_H
#define GMEM_PAGER_SANDBOX_LANDLOCK_H

#include <stdint.h>

/* Rights on files, named as in linux/landlock.h. */
#define LANDLOCK_FS_WRITE_FILE (1ull << 1)
#define LANDLOCK_FS_READ_FILE (1ull << 2)
#define LANDLOCK_FS_READ_DIR (1ull << 3)
#define LANDLOCK_FS_REMOVE_DIR (1ull << 4)
#define LANDLOCK_FS_REMOVE_FILE (1ull << 5)
#define LANDLOCK_FS_MAKE_DIR (1ull << 7)
#define LANDLOCK_FS_MAKE_REG (1ull << 8)
#define LANDLOCK_FS_TRUNCATE (1ull << 14)	/* from version 3 on */

/* Rights on TCP ports, from version 4 on. */
#define LANDLOCK_NET_BIND (1ull << 0)
#define LANDLOCK_NET_CONNECT (1ull << 1)

struct landlock {
	int fd;
	int version;		/* of the kernel's ABI */
	uint64_t fs, net;	/* what is refused unless a rule allows it */
};

/*
 * A set of rules that refuses everything that the kernel knows to refuse.  -ENOSYS: built without Landlock,
 * -EOPNOTSUPP: switched off at boot; else -errno.
 */
int landlock_new(struct landlock *ret_landlock);
void landlock_free(struct landlock *landlock);

/*
 * Allow @rights on what is at @path, and beneath it if it is a directory; rights that the kernel does not know are left
 * out, and those of directories alone if it is a file.  -errno of open(); -EXDEV: a file system on which a rule does not
 * hold, as the kernel forgets its inodes (9p).
 */
int landlock_allow_path(const struct landlock *landlock, const char *path, uint64_t rights);

/* Allow @rights on TCP port @port.  0 also if the kernel does not restrict ports. */
int landlock_allow_port(const struct landlock *landlock, uint16_t port, uint64_t rights);

/* From now on, for good.  The thread needs no_new_privs (-EPERM). */
int landlock_enter(const struct landlock *landlock);

#endif
