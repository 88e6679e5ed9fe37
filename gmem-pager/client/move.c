// SPDX-License-Identifier: MIT
/* The calls of a move, each one request or a few to the service. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "regions.h"

static bool is_final(enum gmem_phase phase)
{
	return phase >= GMEM_PHASE_COMPLETE;
}

int client_attach(struct gmem_client *client, int session_fd, const struct gmem_region *regions,
		  const uint64_t *addresses, size_t n_regions, uint32_t flags)
{
	struct proto_attach_uffd request = { .attach = { .n_regions = (uint32_t)n_regions, .flags = flags } };
	struct proto_region *to = request.attach.regions;
	int fds[PROTO_MAX_FDS];
	size_t n_fds = 0, i;

	if (session_fd >= 0)
		fds[n_fds++] = session_fd;
	else
		request.attach.flags |= PROTO_ATTACH_NO_UFFD;
	for (i = 0; i < n_regions; i++) {
		to[i].gpa = regions[i].gpa;
		to[i].size = regions[i].size;
		to[i].flags = regions[i].flags;
		if ((regions[i].flags & GMEM_REGION_SHARED_FD) != 0) {
			to[i].shared_offset = regions[i].shared_offset;
			fds[n_fds++] = regions[i].shared_fd;
		}
	}
	if (addresses == NULL)
		return client_call(client, PROTO_ATTACH, &request.attach, sizeof(request.attach), fds, n_fds, NULL,
				   NULL);
	memcpy(request.addresses, addresses, n_regions * sizeof(addresses[0]));
	return client_call(client, PROTO_ATTACH_UFFD, &request, sizeof(request), fds, n_fds, NULL, NULL);
}

int gmem_attach(gmem_client *client, int session_fd, const struct gmem_region *regions, size_t n_regions)
{
	int r;

	if (client == NULL || session_fd < 0)
		return -EINVAL;
	if (!regions_valid(regions, n_regions))
		return client_fail(client, -EINVAL, "regions must be page aligned, not empty, sorted by gpa, apart, and "
				   "have guest_memfd or a shared fd; at most %u", GMEM_MAX_REGIONS);
	if (client->attached)
		return client_fail(client, -EALREADY, "a VM is attached to this handle already");
	r = custody_keep(client, regions, n_regions);
	if (r == 0)
		r = client_attach(client, session_fd, regions, NULL, n_regions, 0);
	client->attached = r == 0;
	if (r < 0)
		custody_fini(client);
	return r;
}

int gmem_source_prepare(gmem_client *client)
{
	if (client == NULL || client->role != GMEM_ROLE_SOURCE)
		return -EINVAL;
	return client_call(client, PROTO_PREPARE, NULL, 0, NULL, 0, NULL, NULL);
}

static int check_states(const struct gmem_state *states, size_t n_states)
{
	size_t i, k;

	if (n_states > GMEM_MAX_STATES || (n_states > 0 && states == NULL))
		return -EINVAL;
	for (i = 0; i < n_states; i++) {
		if (states[i].name[0] == '\0' || memchr(states[i].name, '\0', GMEM_STATE_NAME_LEN) == NULL)
			return -EINVAL;
		if (states[i].data_len > GMEM_MAX_STATE_LEN || (states[i].data == NULL && states[i].data_len > 0))
			return -EINVAL;
		for (k = 0; k < i; k++)
			if (strcmp(states[i].name, states[k].name) == 0)
				return -EEXIST;
	}
	return 0;
}

static int send_state(struct gmem_client *client, const struct gmem_state *state, size_t index, size_t n_states)
{
	struct proto_state head = {
		.index = (uint32_t)index, .n_states = (uint32_t)n_states, .total_len = (uint32_t)state->data_len,
	};
	size_t done = 0;
	int r;

	memcpy(head.name, state->name, strlen(state->name));
	do {
		size_t part = state->data_len - done;

		if (part > PROTO_PART_LEN)
			part = PROTO_PART_LEN;
		head.offset = (uint32_t)done;
		r = client_send(client, PROTO_STATE, &head, sizeof(head), (const uint8_t *)state->data + done, part,
				NULL, 0);
		done += part;
	} while (r == 0 && done < state->data_len);
	return r;
}

static int send_start(struct gmem_client *client, const struct gmem_state *states, size_t n_states)
{
	const struct proto_start start = { .n_states = (uint32_t)n_states };
	size_t i;
	int r = 0;

	for (i = 0; i < n_states && r == 0; i++)
		r = send_state(client, &states[i], i, n_states);
	return r == 0 ? client_call(client, PROTO_START, &start, sizeof(start), NULL, 0, NULL, NULL) : r;
}

/* gmem-source went away meanwhile, and START may have left: only its record says whether. */
static int start_again(struct gmem_client *client, const struct gmem_state *states, size_t n_states)
{
	int r = 0;

	while (r == -EPIPE || r == 0) {
		r = custody_wait(client, -1);
		if (r < 0)
			break;
		if (client->phase == GMEM_PHASE_RUNNING || client->phase == GMEM_PHASE_COMPLETE)
			return 0;
		if (client->phase < GMEM_PHASE_STARTED)
			r = client_call(client, PROTO_PREPARE, NULL, 0, NULL, 0, NULL, NULL);
		if (r == 0)
			r = send_start(client, states, n_states);
		if (r == 0)
			return 0;
		/* A service that knows the session, and says that START has not left. */
		if (r != -EPIPE && r != -EPROTO && r != -EINPROGRESS)
			return r;
	}
	if (r == -EINPROGRESS)
		return r;
	return client_fail(client, -EINPROGRESS, "gmem-source went away while it was starting the move: START "
			   "may have left, the VM must not run on here");
}

int gmem_source_start(gmem_client *client, const struct gmem_state *states, size_t n_states)
{
	int r;

	if (client == NULL || client->role != GMEM_ROLE_SOURCE)
		return -EINVAL;
	r = check_states(states, n_states);
	if (r < 0)
		return client_fail(client, r, "states need unique names and at most %u bytes each", GMEM_MAX_STATE_LEN);
	client->started = true;
	r = send_start(client, states, n_states);
	return r == -EPIPE || r == -EPROTO ? start_again(client, states, n_states) : r;
}

/* Is @head, with @part bytes behind it, the part that was asked for? */
static bool part_fits(const struct proto_state *head, const struct proto_get_state *get, uint32_t n_states, size_t part)
{
	if (head->n_states == 0)	/* no states at all */
		return n_states == 0 && get->offset == 0;
	if (head->n_states > GMEM_MAX_STATES || (n_states != 0 && head->n_states != n_states) ||
	    head->index != get->index || head->name[0] == '\0' || memchr(head->name, '\0', sizeof(head->name)) == NULL)
		return false;
	return head->total_len <= GMEM_MAX_STATE_LEN && head->offset == get->offset &&
	       part <= head->total_len - get->offset && (part > 0 || head->total_len == get->offset);
}

/*
 * Fetch state @index part by part into @ret_state, whose data the handle owns.
 * @n_states: how many there are, by the state before; 0 after that: there are none.
 */
static int fetch_state(struct gmem_client *client, uint32_t index, uint32_t *n_states, struct gmem_state *ret_state)
{
	struct proto_get_state get = { .index = index };
	struct proto_state head;
	const void *payload = NULL;
	size_t len = 0, part, total_len = 0;
	uint8_t *data = NULL;
	int r;

	for (;;) {
		r = client_call(client, PROTO_GET_STATE, &get, sizeof(get), NULL, 0, &payload, &len);
		if (r < 0)
			goto err_free;
		r = -EPROTO;
		if (len < sizeof(head))
			goto err_free;
		memcpy(&head, payload, sizeof(head));
		part = len - sizeof(head);
		if (!part_fits(&head, &get, *n_states, part) || (data != NULL && head.total_len != total_len))
			goto err_free;
		*n_states = head.n_states;
		if (head.n_states == 0)
			return 0;
		total_len = head.total_len;
		if (data == NULL)
			data = calloc(1, total_len + 1);
		r = -ENOMEM;
		if (data == NULL)
			goto err_free;
		memcpy(data + get.offset, (const uint8_t *)payload + sizeof(head), part);
		get.offset += (uint32_t)part;
		if (get.offset == head.total_len)
			break;
	}
	explicit_bzero(client->message, sizeof(client->message));
	memcpy(ret_state->name, head.name, sizeof(ret_state->name));
	ret_state->data = data;
	ret_state->data_len = get.offset;
	return 0;

err_free:
	if (data != NULL)
		explicit_bzero(data, total_len);
	free(data);
	if (r == -EPROTO || r == -ENOMEM)
		client_fail(client, r, "cannot take over state %u from gmem-pager: %s", index, strerror(-r));
	return r;
}

static int fetch_states(struct gmem_client *client)
{
	uint32_t n_states = 0, i = 0;
	int r;

	client->states = calloc(GMEM_MAX_STATES, sizeof(*client->states));
	if (client->states == NULL)
		return -ENOMEM;
	do {
		r = fetch_state(client, i, &n_states, &client->states[i]);
		if (r < 0) {
			client_free_states(client);
			return r;
		}
		if (n_states > 0)
			client->n_states = ++i;
	} while (i < n_states);
	return 0;
}

int64_t client_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* -EPIPE is the end only if nobody comes in place of the service. */
static int read_event(struct gmem_client *client, int timeout_ms)
{
	int r = client_read_event(client, timeout_ms);

	return r == -EPIPE ? custody_wait(client, timeout_ms) : r;
}

/* Take what is queued, then wait until @phase or a final one. */
static int wait_phase(struct gmem_client *client, enum gmem_phase phase, int timeout_ms)
{
	const int64_t deadline = client_now_ms() + timeout_ms;
	int64_t left;
	int r;

	for (;;) {
		do {
			r = is_final(client->phase) ? client_read_event(client, 0) : read_event(client, 0);
		} while (r == 0);
		if (client->phase >= phase || is_final(client->phase))
			return 0;
		if (r != -ETIMEDOUT)
			return r;
		left = timeout_ms < 0 ? -1 : deadline - client_now_ms();
		if (timeout_ms >= 0 && left <= 0)
			return -ETIMEDOUT;
		r = read_event(client, (int)left);
		if (r < 0)
			return r;
	}
}

/* Until START is there, or the end; then fetch what it brought. */
static int wait_states(struct gmem_client *client)
{
	int r = wait_phase(client, GMEM_PHASE_STARTED, -1);

	client_clear_pending(client);
	if (r < 0)
		return r;
	if (client->phase >= GMEM_PHASE_ABORTED)
		return client_fail(client, client->status < 0 ? client->status : -ECANCELED, "%s", client->end_error);
	return client->states == NULL ? fetch_states(client) : 0;
}

int gmem_pager_wait_start(gmem_client *client, const struct gmem_state **ret_states, size_t *ret_n_states)
{
	int r;

	if (client == NULL || client->role != GMEM_ROLE_PAGER || ret_states == NULL || ret_n_states == NULL)
		return -EINVAL;
	if (!client->attached)
		return client_fail(client, -EINVAL, "no VM is attached: call gmem_attach first");
	do {
		r = wait_states(client);
		if (r == -EPIPE)	/* it went away between two parts of them */
			r = custody_wait(client, -1) == 0 ? -EAGAIN : -EPIPE;
	} while (r == -EAGAIN);
	if (r < 0)
		return r;
	*ret_states = client->states;
	*ret_n_states = client->n_states;
	return 0;
}

static bool same_states(const struct gmem_state *states, size_t n_states, const struct gmem_state *other, size_t n_other)
{
	size_t i;

	if (n_states != n_other)
		return false;
	for (i = 0; i < n_states; i++)
		if (strcmp(states[i].name, other[i].name) != 0 || states[i].data_len != other[i].data_len ||
		    memcmp(states[i].data, other[i].data, other[i].data_len) != 0)
			return false;
	return true;
}

/* The pager was started again before the guest ran: START comes anew, and has to bring what was restored. */
static int check_start_again(struct gmem_client *client)
{
	struct gmem_state *before = client->states;
	const size_t n_before = client->n_states;
	bool same;
	int r;

	client->states = NULL;
	client->n_states = 0;
	r = wait_states(client);
	same = r == 0 && same_states(before, n_before, client->states, client->n_states);
	client_free_states(client);
	client->states = before;
	client->n_states = n_before;
	if (r == 0 && !same)
		return client_fail(client, -ECANCELED, "START came again with another state");
	return r;
}

int gmem_pager_run(gmem_client *client)
{
	int r;

	if (client == NULL || client->role != GMEM_ROLE_PAGER)
		return -EINVAL;
	r = client_call(client, PROTO_RUN, NULL, 0, NULL, 0, NULL, NULL);
	while (r == -EPIPE && custody_wait(client, -1) == 0) {
		if (client->phase >= GMEM_PHASE_RUNNING && client->phase <= GMEM_PHASE_COMPLETE)
			return 0;	/* recorded before it died */
		r = check_start_again(client);
		if (r == 0)
			r = client_call(client, PROTO_RUN, NULL, 0, NULL, 0, NULL, NULL);
	}
	return r;
}

int gmem_wait(gmem_client *client, enum gmem_phase phase, int timeout_ms, enum gmem_phase *ret_phase)
{
	int r;

	if (client == NULL)
		return -EINVAL;
	r = wait_phase(client, phase, timeout_ms);
	client_clear_pending(client);
	uffd_settle(client);
	if ((r == 0 || r == -ETIMEDOUT) && ret_phase != NULL)
		*ret_phase = client->phase;
	if (r < 0 || client->phase == phase || client->phase < GMEM_PHASE_ABORTED)
		return r;
	return client_fail(client, -EIO, "%s", client->end_error);
}

int gmem_get_progress(gmem_client *client, struct gmem_progress *ret_progress)
{
	const void *payload = NULL;
	size_t len = 0;
	int r;

	if (client == NULL || ret_progress == NULL)
		return -EINVAL;
	r = client_call(client, PROTO_PROGRESS, NULL, 0, NULL, 0, &payload, &len);
	if (r < 0)
		return r;
	if (len != sizeof(*ret_progress))
		return client_fail(client, -EPROTO, "the counters are of another version");
	memcpy(ret_progress, payload, sizeof(*ret_progress));
	return 0;
}
