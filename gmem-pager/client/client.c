// SPDX-License-Identifier: MIT
/*
 * The handle and its socket: connecting, requests and replies, events.
 *
 * Events may arrive while a reply is awaited.  They are noted in the handle, and
 * pending_fd keeps gmem_fd() readable until gmem_wait() has returned them.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

int client_fail(struct gmem_client *client, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(client->error, sizeof(client->error), format, args);
	va_end(args);
	return status;
}

static const char *service_name(const struct gmem_client *client)
{
	return client->role == GMEM_ROLE_SOURCE ? "gmem-source" : "gmem-pager";
}

static int service_gone(struct gmem_client *client)
{
	client->dead = true;
	if (client->end_error[0] != '\0')
		return client_fail(client, -EPIPE, "%s", client->end_error);
	return client_fail(client, -EPIPE, "%s closed its socket; see its log for the reason", service_name(client));
}

static void put_fds(struct msghdr *msg, void *control, const int *fds, size_t n_fds)
{
	struct cmsghdr *cmsg;

	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
}

int client_send(struct gmem_client *client, enum proto_type type, const void *body, size_t body_len,
		const void *tail, size_t tail_len, const int *fds, size_t n_fds)
{
	struct proto_header header = { .magic = PROTO_MAGIC, .type = (uint32_t)type, .seq = ++client->seq };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(PROTO_MAX_FDS * sizeof(int))] = { 0 };
	struct iovec iov[3] = {
		{ &header, sizeof(header) },
		{ (void *)(uintptr_t)body, body_len },
		{ (void *)(uintptr_t)tail, tail_len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	ssize_t n;

	if (client->dead)
		return service_gone(client);
	header.len = (uint32_t)(body_len + tail_len);
	if (n_fds > 0)
		put_fds(&msg, control, fds, n_fds);
	do {
		n = sendmsg(client->sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
		return service_gone(client);
	if (n < 0)
		return client_fail(client, -errno, "cannot write to %s: %s", service_name(client), strerror(errno));
	return 0;
}

/* One message into client->message.  0, -ETIMEDOUT, -EPIPE, -EPROTO. */
static int read_message(struct gmem_client *client, int timeout_ms, struct proto_header *ret_header)
{
	struct pollfd pfd = { .fd = client->sock, .events = POLLIN };
	struct proto_header header;
	ssize_t n;
	int r;

	if (client->dead)
		return service_gone(client);
	do {
		r = poll(&pfd, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return client_fail(client, -errno, "cannot wait for %s: %s", service_name(client), strerror(errno));
	if (r == 0)
		return -ETIMEDOUT;
	do {
		n = recv(client->sock, client->message, sizeof(client->message), MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return service_gone(client);
	if (n < 0)
		return client_fail(client, -errno, "cannot read from %s: %s", service_name(client), strerror(errno));
	if ((size_t)n < sizeof(header) || (size_t)n > sizeof(client->message))
		goto malformed;
	memcpy(&header, client->message, sizeof(header));
	if (header.magic != PROTO_MAGIC || header.len != (size_t)n - sizeof(header))
		goto malformed;
	*ret_header = header;
	return 0;

malformed:
	client->dead = true;
	return client_fail(client, -EPROTO, "%s sent a malformed message; are both of the same version?",
			   service_name(client));
}

static void note_event(struct gmem_client *client)
{
	const uint64_t one = 1;
	struct proto_event event;

	memcpy(&event, client->message + sizeof(struct proto_header), sizeof(event));
	event.error[sizeof(event.error) - 1] = '\0';
	client->phase = (enum gmem_phase)event.phase;
	client->status = event.status;
	if (event.error[0] != '\0')
		memcpy(client->end_error, event.error, sizeof(client->end_error));
	if (write(client->pending_fd, &one, sizeof(one)) < 0)
		return;	/* EAGAIN alone: it is readable then already */
}

int client_read_event(struct gmem_client *client, int timeout_ms)
{
	struct proto_header header;
	int r = read_message(client, timeout_ms, &header);

	if (r < 0)
		return r;
	if (header.type != PROTO_EVENT || header.len != sizeof(struct proto_event))
		return client_fail(client, -EPROTO, "%s sent a reply that nobody asked for", service_name(client));
	note_event(client);
	return 0;
}

void client_clear_pending(struct gmem_client *client)
{
	uint64_t count;

	if (read(client->pending_fd, &count, sizeof(count)) < 0)
		return;	/* EAGAIN: nothing was pending */
}

static int take_reply(struct gmem_client *client, size_t len, const void **ret_payload, size_t *ret_payload_len)
{
	const uint8_t *body = client->message + sizeof(struct proto_header);
	struct proto_reply reply;

	if (len < sizeof(reply))
		return client_fail(client, -EPROTO, "%s sent a short reply", service_name(client));
	memcpy(&reply, body, sizeof(reply));
	reply.error[sizeof(reply.error) - 1] = '\0';
	client->phase = (enum gmem_phase)reply.phase;
	if (reply.status < 0)
		memcpy(client->error, reply.error, sizeof(client->error));
	if (reply.status > 0)
		return client_fail(client, -EPROTO, "%s sent a reply with a positive status", service_name(client));
	if (ret_payload != NULL) {
		*ret_payload = body + sizeof(reply);
		*ret_payload_len = len - sizeof(reply);
	}
	return reply.status;
}

int client_call(struct gmem_client *client, enum proto_type type, const void *body, size_t body_len,
		const int *fds, size_t n_fds, const void **ret_payload, size_t *ret_payload_len)
{
	struct proto_header header;
	int r = client_send(client, type, body, body_len, NULL, 0, fds, n_fds);

	while (r == 0) {
		r = read_message(client, -1, &header);
		if (r < 0)
			break;
		if (header.type == PROTO_REPLY && header.seq == client->seq)
			return take_reply(client, header.len, ret_payload, ret_payload_len);
		if (header.type != PROTO_EVENT || header.len != sizeof(struct proto_event))
			return client_fail(client, -EPROTO, "%s answered out of order", service_name(client));
		note_event(client);
	}
	return r;
}

static int connect_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock, r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	do {
		r = connect(sock, (const struct sockaddr *)&addr, sizeof(addr));
	} while (r < 0 && errno == EINTR);
	if (r < 0) {
		r = -errno;
		close(sock);
		return r;
	}
	return sock;
}

static int init_poll_fd(struct gmem_client *client)
{
	struct epoll_event event = { .events = EPOLLIN };

	client->pending_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	client->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (client->pending_fd < 0 || client->poll_fd < 0)
		return -errno;
	return epoll_ctl(client->poll_fd, EPOLL_CTL_ADD, client->pending_fd, &event) < 0 ? -errno : 0;
}

/* The service is trusted with the guest's memory: it has to be root's, or of the user that it was before. */
static int check_peer(struct gmem_client *client)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(client->sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (!client->attached)
		client->uid = cred.uid;		/* whoever may have a socket at the path that the VMM chose */
	return cred.uid == 0 || cred.uid == client->uid ? 0 : -EPERM;
}

static int say_hello(struct gmem_client *client)
{
	const struct proto_hello hello = { .version = PROTO_VERSION, .role = (uint32_t)client->role };
	struct proto_hello answer;
	const void *payload = NULL;
	size_t payload_len = 0;
	int r = client_call(client, PROTO_HELLO, &hello, sizeof(hello), NULL, 0, &payload, &payload_len);

	if (r < 0)
		return r;
	if (payload_len != sizeof(answer))
		return -EPROTO;
	memcpy(&answer, payload, sizeof(answer));
	return answer.version == PROTO_VERSION && answer.role == (uint32_t)client->role ? 0 : -EPROTO;
}

int client_connect(struct gmem_client *client)
{
	struct epoll_event event = { .events = EPOLLIN };
	int r;

	client->dead = false;
	client->sock = connect_socket(client->path);
	if (client->sock < 0)
		return client->sock;
	r = check_peer(client);
	if (r == 0 && epoll_ctl(client->poll_fd, EPOLL_CTL_ADD, client->sock, &event) < 0)
		r = -errno;
	if (r == 0)
		r = say_hello(client);
	if (r < 0) {
		close(client->sock);
		client->sock = -1;
	}
	return r;
}

int gmem_connect(const char *path, enum gmem_role role, gmem_client **ret_client)
{
	struct gmem_client *client;
	int r;

	if (path == NULL || ret_client == NULL || (role != GMEM_ROLE_SOURCE && role != GMEM_ROLE_PAGER))
		return -EINVAL;
	if (strlen(path) >= CLIENT_PATH_LEN)
		return -ENAMETOOLONG;
	client = calloc(1, sizeof(*client));
	if (client == NULL)
		return -ENOMEM;
	client->role = role;
	client->sock = client->poll_fd = client->pending_fd = client->custody.keep_fd = -1;
	strcpy(client->path, path);
	r = init_poll_fd(client);
	if (r == 0)
		r = client_connect(client);
	if (r < 0) {
		gmem_close(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void client_free_states(struct gmem_client *client)
{
	size_t i;

	for (i = 0; i < client->n_states; i++) {
		void *data = (void *)(uintptr_t)client->states[i].data;

		if (data != NULL)
			explicit_bzero(data, client->states[i].data_len);
		free(data);
	}
	free(client->states);
	client->states = NULL;
	client->n_states = 0;
}

void gmem_close(gmem_client *client)
{
	if (client == NULL)
		return;
	client_free_states(client);
	custody_fini(client);
	close_fd(client->sock);
	close_fd(client->pending_fd);
	close_fd(client->poll_fd);
	explicit_bzero(client, sizeof(*client));
	free(client);
}

const char *gmem_last_error(const gmem_client *client)
{
	return client == NULL ? "" : client->error;
}

int gmem_fd(const gmem_client *client)
{
	return client == NULL ? -EINVAL : client->poll_fd;
}
