// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "door.h"
#include "hub_int.h"

/* syscalls: read write */
void hub_raise_fd(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return;	/* EAGAIN: it is readable already */
}

void hub_lower_fd(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;	/* EAGAIN: it was not raised */
}

static int open_door(struct hub *hub, int which, const char *path, gid_t group, char *ret_error)
{
	int r;

	if (path == NULL)
		return 0;
	r = door_open(path, group, &hub->doors[which]);
	if (r == 0)
		hub->paths[which] = path;
	else
		snprintf(ret_error, HUB_ERROR_LEN, "cannot listen on %.120s: %s", path,
			 r == -EADDRINUSE ? "another process does, or it is no socket" : strerror(-r));
	return r;
}

static int open_all(struct hub *hub, char *ret_error)
{
	const struct hub_config *config = &hub->config;
	gid_t group = DOOR_NO_GROUP;
	int r;

	if (config->status_group != NULL && door_group(config->status_group, &group) < 0) {
		snprintf(ret_error, HUB_ERROR_LEN, "there is no group %.60s", config->status_group);
		return -ENOENT;
	}
	hub->order_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	hub->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hub->order_fd < 0 || hub->wake_fd < 0) {
		r = -errno;
		snprintf(ret_error, HUB_ERROR_LEN, "cannot make event descriptors: %s", strerror(-r));
		return r;
	}
	r = open_door(hub, HUB_CHANGING, config->control_path, DOOR_NO_GROUP, ret_error);
	return r < 0 ? r : open_door(hub, HUB_VIEWING, config->status_path, group, ret_error);
}

int hub_open(const struct hub_config *config, struct hub **ret_hub, char *ret_error)
{
	struct hub *hub;
	int r;

	*ret_hub = NULL;
	if (config->control_path == NULL && config->status_path == NULL)
		return 0;
	hub = calloc(1, sizeof(*hub));
	if (hub == NULL) {
		snprintf(ret_error, HUB_ERROR_LEN, "no memory");
		return -ENOMEM;
	}
	hub->config = *config;
	if (hub->config.idle_ms == 0)
		hub->config.idle_ms = HUB_IDLE_MS;
	if (hub->config.stuck_ms == 0)
		hub->config.stuck_ms = HUB_STUCK_MS;
	hub->doors[HUB_CHANGING] = hub->doors[HUB_VIEWING] = hub->order_fd = hub->wake_fd = -1;
	pthread_mutex_init(&hub->lock, NULL);
	r = open_all(hub, ret_error);
	if (r < 0) {
		hub_free(hub);
		return r;
	}
	*ret_hub = hub;
	return 0;
}

/* syscalls: close unlink unlinkat */
void hub_free(struct hub *hub)
{
	int i;

	if (hub == NULL)
		return;
	for (i = 0; i < HUB_N_DOORS; i++) {
		if (hub->paths[i] != NULL)
			unlink(hub->paths[i]);
		if (hub->doors[i] >= 0)
			close(hub->doors[i]);
	}
	if (hub->order_fd >= 0)
		close(hub->order_fd);
	if (hub->wake_fd >= 0)
		close(hub->wake_fd);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

int hub_order_fd(const struct hub *hub)
{
	return hub->order_fd;
}

void hub_publish(struct hub *hub, const struct snapshot *snapshot)
{
	uint8_t cells[ASK_MAP_MAX];
	uint32_t n_cells;
	bool news;

	pthread_mutex_lock(&hub->lock);
	news = hub->published.progress.phase != snapshot->progress.phase;
	n_cells = hub->published.n_cells;
	memcpy(cells, hub->published.cells, sizeof(cells));
	hub->published = *snapshot;
	if (snapshot->n_cells == 0) {	/* whose map it is may not have seen it yet */
		hub->published.n_cells = n_cells;
		memcpy(hub->published.cells, cells, sizeof(cells));
	}
	pthread_mutex_unlock(&hub->lock);
	if (news)
		hub_raise_fd(hub->wake_fd);
}

bool hub_has_callers(struct hub *hub)
{
	bool has;

	pthread_mutex_lock(&hub->lock);
	has = hub->n_callers > 0;
	pthread_mutex_unlock(&hub->lock);
	return has;
}

bool hub_take(struct hub *hub, struct hub_order *ret_order)
{
	bool given;

	hub_lower_fd(hub->order_fd);
	pthread_mutex_lock(&hub->lock);
	given = hub->order_state == HUB_ORDER_GIVEN;
	if (given) {
		hub->order_state = HUB_ORDER_TAKEN;
		*ret_order = hub->order;
	}
	pthread_mutex_unlock(&hub->lock);
	return given;
}

void hub_done(struct hub *hub, enum hub_result result, const char *sentence)
{
	pthread_mutex_lock(&hub->lock);
	hub->order_state = HUB_ORDER_DONE;
	hub->result = result;
	snprintf(hub->sentence, sizeof(hub->sentence), "%s", sentence != NULL ? sentence : "");
	pthread_mutex_unlock(&hub->lock);
	hub_raise_fd(hub->wake_fd);
}

int hub_start(struct hub *hub, const struct report_names *names)
{
	int r;

	hub->names = names;
	r = session_thread(&hub->thread, hub_serve, hub);
	hub->has_thread = r == 0;
	return r;
}

void hub_stop(struct hub *hub)
{
	if (!hub->has_thread)
		return;
	pthread_mutex_lock(&hub->lock);
	hub->stopping = true;
	pthread_mutex_unlock(&hub->lock);
	hub_raise_fd(hub->wake_fd);
	pthread_join(hub->thread, NULL);
	hub->has_thread = false;
}
