// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl_socket.h"
#include "stats.h"

int ctl_socket_open(struct ctl_socket *ret_socket, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	ret_socket->fd = fd;
	ret_socket->len = 0;
	return 0;
}

void ctl_socket_close(struct ctl_socket *socket)
{
	if (socket->fd >= 0)
		close(socket->fd);
	socket->fd = -1;
}

int ctl_socket_ask(struct ctl_socket *socket, struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	struct iovec iov[2] = { { (void *)(uintptr_t)text, strlen(text) }, { (void *)(uintptr_t)"\n", 1 } };
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	const ssize_t n = sendmsg(socket->fd, &msg, MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return (size_t)n == iov[0].iov_len + 1 ? 0 : -EIO;
}

/* Wait for more bytes.  -EPIPE, -ETIMEDOUT. */
static int receive(struct ctl_socket *socket, int timeout_ms)
{
	struct pollfd fd = { .fd = socket->fd, .events = POLLIN };
	ssize_t n;
	int r;

	do {
		r = poll(&fd, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r == 0 ? -ETIMEDOUT : -errno;
	n = recv(socket->fd, socket->line + socket->len, sizeof(socket->line) - socket->len, 0);
	if (n <= 0)
		return n == 0 || errno == ECONNRESET ? -EPIPE : -errno;
	socket->len += (size_t)n;
	return 0;
}

static int left_ms(uint64_t until_us)
{
	const uint64_t now_us = stats_now_us();

	return now_us < until_us ? (int)((until_us - now_us + 999u) / 1000u) : 0;
}

int ctl_socket_answer(struct ctl_socket *socket, int timeout_ms, struct json_object **ret_object)
{
	const uint64_t until_us = stats_now_us() + (timeout_ms > 0 ? (uint64_t)timeout_ms * 1000u : 0);
	struct json_object *object;
	char *end;
	int r = 0;

	while ((end = memchr(socket->line, '\n', socket->len)) == NULL && r == 0) {
		if (socket->len == sizeof(socket->line))
			return -EPROTO;
		r = receive(socket, timeout_ms < 0 ? -1 : left_ms(until_us));
	}
	if (end == NULL)
		return r;
	*end = '\0';
	object = json_tokener_parse(socket->line);
	socket->len -= (size_t)(end + 1 - socket->line);
	memmove(socket->line, end + 1, socket->len);
	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_is_type(json_object_object_get(object, "ok"), json_type_boolean)) {
		json_object_put(object);
		return -EPROTO;
	}
	*ret_object = object;
	return 0;
}
