// SPDX-License-Identifier: MIT
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "hub_rig.h"

char rig_dir[64];
char rig_control_path[96], rig_status_path[96];
struct hub *rig_hub;
struct snapshot rig_snapshot;
static const struct report_names names = { .program = "gmem-pager", .ticket_hex = TICKET, .evidence = "pinned-key" };

void rig_publish(enum gmem_phase phase)
{
	rig_snapshot.role = GMEM_ROLE_PAGER;
	rig_snapshot.state = ATTEST_STATE_OFFERED;
	rig_snapshot.progress.phase = phase;
	rig_snapshot.taken_us = stats_now_us();
	hub_publish(rig_hub, &rig_snapshot);
}

void rig_begin_with(int idle_ms, int stuck_ms)
{
	struct hub_config config = { .idle_ms = idle_ms, .stuck_ms = stuck_ms };
	char error[HUB_ERROR_LEN] = "";

	strcpy(rig_dir, "/tmp/gmem-hub-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(rig_dir));
	snprintf(rig_control_path, sizeof(rig_control_path), "%s/control", rig_dir);
	snprintf(rig_status_path, sizeof(rig_status_path), "%s/status", rig_dir);
	config.control_path = rig_control_path;
	config.status_path = rig_status_path;
	CU_ASSERT_EQUAL_FATAL(hub_open(&config, &rig_hub, error), 0);
	memset(&rig_snapshot, 0, sizeof(rig_snapshot));
	rig_publish(GMEM_PHASE_RUNNING);
	CU_ASSERT_EQUAL_FATAL(hub_start(rig_hub, &names), 0);
}

void rig_begin(void)
{
	rig_begin_with(0, 0);
}

void rig_end(void)
{
	hub_stop(rig_hub);
	hub_free(rig_hub);
	CU_ASSERT_EQUAL(rmdir(rig_dir), 0);		/* both sockets are gone */
}

struct ctl_socket *rig_enter(const char *path)
{
	struct ctl_socket *socket = malloc(sizeof(*socket));

	CU_ASSERT_EQUAL_FATAL(ctl_socket_open(socket, path), 0);
	return socket;
}

void rig_leave(struct ctl_socket *socket)
{
	ctl_socket_close(socket);
	free(socket);
}

void rig_type_len(struct ctl_socket *socket, const char *text, size_t len)
{
	CU_ASSERT_EQUAL(send(socket->fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

void rig_type(struct ctl_socket *socket, const char *text)
{
	rig_type_len(socket, text, strlen(text));
}

struct json_object *rig_answer(struct ctl_socket *socket)
{
	struct json_object *object = NULL;

	CU_ASSERT_EQUAL_FATAL(ctl_socket_answer(socket, PATIENCE_MS, &object), 0);
	return object;
}

void rig_expect_error(struct ctl_socket *socket, const char *error)
{
	struct json_object *object = rig_answer(socket);

	CU_ASSERT_FALSE(json_object_get_boolean(json_object_object_get(object, "ok")));
	CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(object, "error")), error);
	CU_ASSERT_TRUE(json_object_get_string_len(json_object_object_get(object, "message")) > 0);
	json_object_put(object);
}

void rig_expect_ok(struct ctl_socket *socket, const char *verb)
{
	struct json_object *object = rig_answer(socket);

	CU_ASSERT_TRUE(json_object_get_boolean(json_object_object_get(object, "ok")));
	CU_ASSERT_STRING_EQUAL(json_object_get_string(json_object_object_get(object, "verb")), verb);
	json_object_put(object);
}

void rig_expect_closed(struct ctl_socket *socket)
{
	struct json_object *object = NULL;

	CU_ASSERT_EQUAL(ctl_socket_answer(socket, PATIENCE_MS, &object), -EPIPE);
	CU_ASSERT_PTR_NULL(object);
}

/* Until the hub has taken all that was typed: it queues it before it gives the next order. */
void rig_await_heard(struct ctl_socket *socket)
{
	int n_unread = 1;

	while (ioctl(socket->fd, SIOCOUTQ, &n_unread) == 0 && n_unread > 0)
		usleep(1000);
	CU_ASSERT_EQUAL(n_unread, 0);
}

/* The owner's turn: the next order. */
struct hub_order rig_await_order(void)
{
	struct pollfd fd = { .fd = hub_order_fd(rig_hub), .events = POLLIN };
	struct hub_order order = { .uid = 99 };

	CU_ASSERT_EQUAL_FATAL(poll(&fd, 1, PATIENCE_MS), 1);
	CU_ASSERT_TRUE_FATAL(hub_take(rig_hub, &order));
	return order;
}
