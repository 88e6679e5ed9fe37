// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unixsock.h"
#include "vmmsock.h"

int vmmsock_listen(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = unixsock_bind_private(fd, &addr);
	if (r == -EADDRINUSE && unixsock_is_stale(&addr, SOCK_SEQPACKET) && unlink(path) == 0)
		r = unixsock_bind_private(fd, &addr);
	if (r == 0 && listen(fd, 4) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* syscalls: accept4 close geteuid getsockopt */
int vmmsock_accept(int listen_fd, int *ret_fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || (cred.uid != 0 && cred.uid != geteuid())) {
		close(fd);
		return -EPERM;
	}
	*ret_fd = fd;
	return 0;
}

void vmmsock_close_fds(struct vmmsock_message *message)
{
	size_t i;

	for (i = 0; i < message->n_fds; i++)
		if (message->fds[i] >= 0)
			close(message->fds[i]);
	message->n_fds = 0;
}

static void take_fds(struct msghdr *msg, struct vmmsock_message *message)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		message->n_fds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(message->fds, CMSG_DATA(cmsg), message->n_fds * sizeof(int));
		return;	/* one buffer, one such message */
	}
}

/* syscalls: recvmsg */
int vmmsock_recv(int fd, uint8_t *buffer, struct vmmsock_message *ret_message)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(PROTO_MAX_FDS * sizeof(int))];
	struct iovec iov = { buffer, PROTO_MESSAGE_MAX };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = CMSG_LEN(PROTO_MAX_FDS * sizeof(int)),	/* not its space: one more would fit */
	};
	struct vmmsock_message message = { .n_fds = 0 };
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	take_fds(&msg, &message);
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || (size_t)n < sizeof(message.header))
		goto malformed;
	memcpy(&message.header, buffer, sizeof(message.header));
	if (message.header.magic != PROTO_MAGIC || message.header.len != (size_t)n - sizeof(message.header))
		goto malformed;
	message.body = buffer + sizeof(message.header);
	*ret_message = message;
	return 0;

malformed:
	vmmsock_close_fds(&message);
	return -EPROTO;
}

/* syscalls: sendmsg */
static int send_packet(int fd, struct iovec *iov, size_t n_iov)
{
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n_iov };
	ssize_t n;

	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int vmmsock_reply(int fd, uint32_t seq, const struct proto_reply *reply, const void *head, size_t head_len,
		  const void *data, size_t data_len)
{
	struct proto_header header = {
		.magic = PROTO_MAGIC, .type = PROTO_REPLY, .seq = seq,
		.len = (uint32_t)(sizeof(*reply) + head_len + data_len),
	};
	struct iovec iov[4] = {
		{ &header, sizeof(header) },
		{ (void *)(uintptr_t)reply, sizeof(*reply) },
		{ (void *)(uintptr_t)head, head_len },
		{ (void *)(uintptr_t)data, data_len },
	};

	return send_packet(fd, iov, 4);
}

int vmmsock_event(int fd, const struct proto_event *event)
{
	struct proto_header header = { .magic = PROTO_MAGIC, .type = PROTO_EVENT, .len = sizeof(*event) };
	struct iovec iov[2] = { { &header, sizeof(header) }, { (void *)(uintptr_t)event, sizeof(*event) } };

	return send_packet(fd, iov, 2);
}
