/* SPDX-License-Identifier: MIT */
/* file: see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int file_read(const char *path, size_t max, uint8_t **ret_bytes, size_t *ret_len)
{
	size_t len = 0;
	uint8_t *bytes;
	ssize_t n = 1;
	int fd, ret = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	bytes = malloc(max + 1);
	if (!bytes)
		ret = -ENOMEM;
	while (!ret && n > 0 && len <= max) {
		n = read(fd, bytes + len, max + 1 - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno != EINTR)
			ret = -errno;
		else if (n < 0)
			n = 1;
	}
	if (!ret && len > max)
		ret = -EFBIG;
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
