// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "idfile.h"

#define HEX_LEN (2u * ATTEST_ID_LEN)

int idfile_parse(const char *text, size_t len, uint8_t ret_id[ATTEST_ID_LEN])
{
	uint8_t id[ATTEST_ID_LEN];
	const char *end;
	size_t id_len;

	if (len < HEX_LEN || len > HEX_LEN + 1 || (len == HEX_LEN + 1 && text[HEX_LEN] != '\n'))
		return -EINVAL;
	if (sodium_hex2bin(id, sizeof(id), text, HEX_LEN, NULL, &id_len, &end) != 0 || id_len != sizeof(id) ||
	    end != text + HEX_LEN)
		return -EINVAL;
	memcpy(ret_id, id, sizeof(id));
	return 0;
}

int idfile_load(const char *path, uint8_t ret_id[ATTEST_ID_LEN])
{
	char text[HEX_LEN + 2];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	if (n < 0) {
		n = -errno;
		close(fd);
		return (int)n;
	}
	close(fd);
	return idfile_parse(text, (size_t)n, ret_id);
}

int idfile_create(const char *path)
{
	uint8_t id[ATTEST_ID_LEN];
	char text[HEX_LEN + 1];
	int fd, r = 0;

	randombytes_buf(id, sizeof(id));
	sodium_bin2hex(text, sizeof(text), id, sizeof(id));
	text[HEX_LEN] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, sizeof(text)) != (ssize_t)sizeof(text))
		r = -EIO;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	return r;
}
