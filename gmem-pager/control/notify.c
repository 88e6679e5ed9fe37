// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"

#define STATUS_US 1000000u

static int parse_number(const char *text, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return errno != 0 || end == text || *end != '\0' || text[0] == '-' ? -EINVAL : 0;
}

/* The watchdog may be another process's. */
static int read_watchdog(struct notify *notify)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t number;

	if (usec == NULL)
		return 0;
	if (pid != NULL) {
		if (parse_number(pid, &number) < 0)
			return -EINVAL;
		if (number != (uint64_t)getpid())
			return 0;
	}
	return parse_number(usec, &notify->watchdog_us);
}

/* A path, or an abstract name behind '@'. */
static int connect_to(const char *name, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const size_t len = strlen(name);
	int fd, r;

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(addr.sun_path))
		return -EINVAL;
	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int notify_open(struct notify *ret_notify)
{
	struct notify notify = { .fd = -1 };
	const char *name = getenv("NOTIFY_SOCKET");
	int r = name != NULL ? connect_to(name, &notify.fd) : 0;

	if (r == 0 && notify.fd >= 0)
		r = read_watchdog(&notify);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (r < 0) {
		notify_close(&notify);
		return r;
	}
	*ret_notify = notify;
	return 0;
}

void notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

/* syscalls: sendto */
static void tell(struct notify *notify, const char *text)
{
	if (notify->fd >= 0 && send(notify->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;		/* nowhere to say it; the next one may arrive */
}

void notify_ready(struct notify *notify)
{
	tell(notify, "READY=1");
}

void notify_stopping(struct notify *notify)
{
	tell(notify, "STOPPING=1");
}

void notify_alive(struct notify *notify, uint64_t now_us)
{
	if (notify->watchdog_us == 0 || (notify->alive_us != 0 && now_us - notify->alive_us < notify->watchdog_us / 4))
		return;
	notify->alive_us = now_us;
	tell(notify, "WATCHDOG=1");
}

void notify_status(struct notify *notify, const char *line, uint64_t now_us)
{
	char text[NOTIFY_STATUS_LEN + 16];

	if (strncmp(notify->status, line, sizeof(notify->status) - 1) == 0 ||
	    (notify->status_us != 0 && now_us - notify->status_us < STATUS_US))
		return;
	notify->status_us = now_us;
	snprintf(notify->status, sizeof(notify->status), "%s", line);
	snprintf(text, sizeof(text), "STATUS=%s", notify->status);
	tell(notify, text);
}
