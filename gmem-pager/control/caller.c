// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caller.h"

void caller_init(struct caller *caller, int fd, const struct ucred *cred, bool may_change, uint64_t serial,
		 uint64_t now_us)
{
	memset(caller, 0, sizeof(*caller));
	caller->state = CALLER_READY;
	caller->fd = fd;
	caller->cred = *cred;
	caller->may_change = may_change;
	caller->serial = serial;
	caller->moved_us = now_us;
}

void caller_fini(struct caller *caller)
{
	if (caller->state == CALLER_FREE)
		return;
	close(caller->fd);
	free(caller->out);
	memset(caller, 0, sizeof(*caller));
	caller->fd = -1;
}

static bool is_for_later(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* syscalls: close recvfrom sendto */
int caller_read(struct caller *caller, uint64_t now_us)
{
	const size_t room = sizeof(caller->in) - caller->in_len;
	ssize_t n;

	if (room == 0)
		return 0;
	n = recv(caller->fd, caller->in + caller->in_len, room, MSG_DONTWAIT);
	if (n < 0)
		return is_for_later(errno) ? 0 : -EPIPE;
	caller->eof = n == 0;
	if (n > 0)
		caller->moved_us = now_us;
	caller->in_len += (size_t)n;
	return 0;
}

int caller_line(const struct caller *caller)
{
	const char *end = memchr(caller->in, '\n', caller->in_len);

	if (end != NULL)
		return (int)(end - caller->in);
	return caller->in_len == sizeof(caller->in) ? -EMSGSIZE : -EAGAIN;
}

void caller_drop_line(struct caller *caller)
{
	const size_t n = (size_t)caller_line(caller) + 1;

	caller->in_len -= n;
	memmove(caller->in, caller->in + n, caller->in_len);
}

bool caller_is_saying(const struct caller *caller)
{
	return caller->out != NULL;
}

int caller_flush(struct caller *caller, uint64_t now_us)
{
	ssize_t n;

	while (caller->out_sent < caller->out_len) {
		n = send(caller->fd, caller->out + caller->out_sent, caller->out_len - caller->out_sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return is_for_later(errno) ? 0 : -EPIPE;
		caller->out_sent += (size_t)n;
		caller->moved_us = now_us;
	}
	free(caller->out);
	caller->out = NULL;
	caller->out_len = caller->out_sent = 0;
	return 0;
}

int caller_say(struct caller *caller, const char *line, uint64_t now_us)
{
	const size_t len = strlen(line);

	if (len >= CALLER_ANSWER_MAX)
		return -EMSGSIZE;
	caller->out = malloc(len + 1);
	if (caller->out == NULL)
		return -ENOMEM;
	memcpy(caller->out, line, len);
	caller->out[len] = '\n';
	caller->out_len = len + 1;
	caller->out_sent = 0;
	caller->moved_us = now_us;
	return caller_flush(caller, now_us);
}
