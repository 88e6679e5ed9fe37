/* SPDX-License-Identifier: MIT */
/* The control sockets with a test as the owner, and clients that say what they are told. */
#ifndef TESTS_HUB_RIG_H
#define TESTS_HUB_RIG_H

#include "control/caller.h"
#include "control/hub.h"
#include "ctl_socket.h"

#define TICKET "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
#define PATIENCE_MS 20000
#define PAUSE "{\"verb\":\"pause\",\"session\":\"abcdef01\"}\n"
#define STATUS "{\"verb\":\"status\"}\n"

extern char rig_dir[64], rig_control_path[96], rig_status_path[96];
extern struct hub *rig_hub;
extern struct snapshot rig_snapshot;	/* what rig_publish() publishes */

/* Both sockets in a folder of their own, RUNNING; @idle_ms, @stuck_ms as in struct hub_config. */
void rig_begin_with(int idle_ms, int stuck_ms);
void rig_begin(void);
void rig_end(void);

void rig_publish(enum gmem_phase phase);

/* A client; rig_leave() frees it. */
struct ctl_socket *rig_enter(const char *path);
void rig_leave(struct ctl_socket *socket);

void rig_type_len(struct ctl_socket *socket, const char *text, size_t len);
void rig_type(struct ctl_socket *socket, const char *text);

/* The next answer, the caller's. */
struct json_object *rig_answer(struct ctl_socket *socket);
void rig_expect_error(struct ctl_socket *socket, const char *error);
void rig_expect_ok(struct ctl_socket *socket, const char *verb);
void rig_expect_closed(struct ctl_socket *socket);

/* Until the hub has taken all that was typed: it queues that before it gives the next order. */
void rig_await_heard(struct ctl_socket *socket);

/* The owner's turn: the next order. */
struct hub_order rig_await_order(void);

#endif
