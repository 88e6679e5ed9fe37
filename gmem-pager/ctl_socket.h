/* SPDX-License-Identifier: MIT */
/* gmemctl's end of a control socket: one line asks, one line answers. */
#ifndef GMEM_PAGER_CTL_SOCKET_H
#define GMEM_PAGER_CTL_SOCKET_H

#include <stddef.h>

#include <json-c/json.h>

#include "control/caller.h"

#define CTL_SOCKET_MS 30000	/* a service answers within a second */

struct ctl_socket {
	int fd;
	size_t len;
	char line[CALLER_ANSWER_MAX + 1];
};

/* -ENAMETOOLONG, -errno of connect(): ENOENT and ECONNREFUSED nobody is there, EACCES not for this user. */
int ctl_socket_open(struct ctl_socket *ret_socket, const char *path);
void ctl_socket_close(struct ctl_socket *socket);

/* Send @object, which stays the caller's.  -errno. */
int ctl_socket_ask(struct ctl_socket *socket, struct json_object *object);

/*
 * The next answer, which is the caller's.  @timeout_ms: -1 for ever.  -EPIPE: the service has closed; -ETIMEDOUT;
 * -EPROTO: that was no answer of a service.
 */
int ctl_socket_answer(struct ctl_socket *socket, int timeout_ms, struct json_object **ret_object);

#endif
