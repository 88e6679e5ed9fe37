/* SPDX-License-Identifier: MIT */
/*
 * The command channel between the machine (call) and a test host (agent)
 *
 * One TCP connection runs one command.  Both directions carry frames: one byte
 * of type, four bytes of length (little endian), then that many bytes.
 *
 *   call -> agent:  TOKEN first, ARG for each word of the command, GO, then
 *                   IN for standard input (length 0: end of file).
 *   agent -> call:  OUT and ERR for its output, EXIT last (one byte: exit
 *                   code, or 128 + signal).
 *
 * When the connection breaks the command's process group is killed.
 */
#ifndef BED_WIRE_H
#define BED_WIRE_H

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define WIRE_TOKEN	'T'
#define WIRE_ARG	'A'
#define WIRE_GO		'G'
#define WIRE_IN		'I'
#define WIRE_OUT	'o'
#define WIRE_ERR	'e'
#define WIRE_EXIT	'x'

#define WIRE_TOKEN_LEN	32
#define WIRE_MAX_ARGS	1024
#define WIRE_MAX_LEN	131072u
#define WIRE_CHUNK	16384u
#define WIRE_PORT	4000

/* Write all of @len bytes.  Returns 0 or -errno. */
static inline int wire_write(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			poll(&pfd, 1, -1);
			continue;
		}
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Read exactly @len bytes.  Returns 0, -EPIPE at end of file, or -errno. */
static inline int wire_read(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Send one frame of @type.  Returns 0 or -errno. */
static inline int wire_send(int fd, uint8_t type, const void *buf, uint32_t len)
{
	uint8_t head[5] = { type, (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16), (uint8_t)(len >> 24) };
	int err = wire_write(fd, head, sizeof(head));

	return err || !len ? err : wire_write(fd, buf, len);
}

/*
 * Receive one frame into @buf of WIRE_MAX_LEN + 1 bytes; a 0 byte is put behind it.
 * Returns 0, -EMSGSIZE if it is too long, -EPIPE at the end, or -errno.
 */
static inline int wire_recv(int fd, uint8_t *ret_type, char *buf, uint32_t *ret_len)
{
	uint8_t head[5];
	uint32_t len;
	int err = wire_read(fd, head, sizeof(head));

	if (err)
		return err;
	len = head[1] | head[2] << 8 | head[3] << 16 | (uint32_t)head[4] << 24;
	if (len > WIRE_MAX_LEN)
		return -EMSGSIZE;
	err = wire_read(fd, buf, len);
	if (err)
		return err;
	buf[len] = 0;
	*ret_type = head[0];
	*ret_len = len;
	return 0;
}

#endif
