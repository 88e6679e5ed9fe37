// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

int file_split(const char *path, struct file_names *ret_names, char ret_folder[PATH_MAX])
{
	char copy[PATH_MAX];

	if (path[0] == '\0')
		return -ENOENT;
	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(ret_names->path, path);
	strcpy(copy, path);
	strcpy(ret_folder, dirname(copy));
	strcpy(copy, path);
	if ((size_t)snprintf(ret_names->partial, sizeof(ret_names->partial), "%s" FILE_PARTIAL, basename(copy)) >=
	    sizeof(ret_names->partial))
		return -ENAMETOOLONG;
	memcpy(ret_names->name, ret_names->partial, strlen(ret_names->partial) - strlen(FILE_PARTIAL));
	return path[strlen(path) - 1] == '/' ? -EISDIR : 0;
}

int file_open(const char *path, int *ret_fd)
{
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	if (r == 0)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return r;
}

/* syscalls: pread64 */
int file_read_at(int fd, uint64_t off, void *ret_bytes, size_t len)
{
	uint8_t *at = ret_bytes;
	ssize_t n;

	while (len > 0) {
		n = pread(fd, at, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		at += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* syscalls: write */
int file_write(int fd, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	ssize_t n;

	while (len > 0) {
		n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}
