/* SPDX-License-Identifier: MIT */
/* file: see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int file_read_fd(int fd, size_t max, void *ret_bytes, size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, (uint8_t *)ret_bytes + len, max + 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && len <= max) || (n < 0 && errno == EINTR));
	if (n < 0)
		return -errno;
	if (len > max)
		return -EFBIG;
	*ret_len = len;
	return 0;
}

/* syscalls: close fstat newfstatat openat read */
int file_read(const char *path, size_t max, uint8_t **ret_bytes, size_t *ret_len)
{
	size_t len = 0;
	uint8_t *bytes;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	bytes = malloc(max + 1);
	ret = bytes ? file_read_fd(fd, max, bytes, &len) : -ENOMEM;
	close(fd);
	if (ret) {
		free(bytes);
		return ret;
	}
	bytes[len] = '\0';
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}
