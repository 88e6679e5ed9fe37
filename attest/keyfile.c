/* SPDX-License-Identifier: MIT */
/* keyfile: see keyfile.h.  What a read or write leaves on the stack is wiped before the function returns. */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MODE 0600
#define PUBLIC_MODE 0644

/* Not a secret, but who may write it decides who is believed. */
#define FORBIDDEN(secret) ((mode_t)((secret) ? 07777 & ~SECRET_MODE : S_IWGRP | S_IWOTH))

/* A key file is a plain file of this user's or root's, without any permission bit in @forbidden. */
static int check_file(int fd, mode_t forbidden)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((st.st_mode & forbidden) || (st.st_uid != geteuid() && st.st_uid != 0))
		return -EPERM;
	return 0;
}

/* Up to @size bytes; fewer only at the end of the file. */
static ssize_t read_all(int fd, char *ret_text, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, ret_text + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int keyfile_load(const char *path, bool secret, char *ret_text, size_t size, size_t *ret_len)
{
	ssize_t len;
	int fd, ret;

	/* O_NONBLOCK: a FIFO must not hold us up before fstat has seen what it is. */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ret = check_file(fd, FORBIDDEN(secret));
	if (!ret) {
		len = read_all(fd, ret_text, size);
		if (len < 0)
			ret = (int)len;
		else
			*ret_len = (size_t)len;
	}
	close(fd);
	return ret;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Make the directory entry of @path durable. */
static int sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd, ret = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		ret = -errno;
	close(fd);
	return ret;
}

/* Write @text to the new file @path, with @mode whatever the umask is. */
static int write_new(const char *path, mode_t mode, const char *text, size_t len)
{
	int fd, ret;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & SECRET_MODE);
	if (fd < 0)
		return -errno;
	ret = fchmod(fd, mode) ? -errno : 0;
	if (!ret)
		ret = write_all(fd, text, len);
	if (!ret && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	if (ret)
		unlink(path);
	return ret;
}

int keyfile_save(const char *path, bool secret, const char *text, size_t len)
{
	char tmp[PATH_MAX];
	int n, ret;

	n = snprintf(tmp, sizeof(tmp), "%s.%08x.tmp", path, (unsigned int)randombytes_random());
	if (n < 0 || (size_t)n >= sizeof(tmp))
		return -ENAMETOOLONG;
	ret = write_new(tmp, secret ? SECRET_MODE : PUBLIC_MODE, text, len);
	if (ret)
		return ret;
	/* In one step: whoever opens it sees the old file or the new one, whole. */
	if (rename(tmp, path)) {
		ret = -errno;
		unlink(tmp);
		return ret;
	}
	return sync_folder(path);
}
