// SPDX-License-Identifier: MIT
/*
 * The VMM's side of a service that is killed and started again: libgmem holds what it takes to
 * hand the VM over once more.  The session of the dead process closes with it, so what it had read
 * is reported again; the one kept here keeps vCPUs waiting meanwhile, and is read by nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define TRY_MS 100

int gmem_set_custody(gmem_client *client, gmem_session_fn new_session, void *opaque, int wait_ms)
{
	if (client == NULL || new_session == NULL || wait_ms < -1)
		return -EINVAL;
	if (client->attached)
		return client_fail(client, -EALREADY, "a VM is attached to this handle already");
	client->custody.new_session = new_session;
	client->custody.opaque = opaque;
	client->custody.wait_ms = wait_ms;
	return 0;
}

static void close_kept(struct gmem_client *client)
{
	struct client_custody *custody = &client->custody;

	if (custody->uffd)
		uffd_let_go(client);
	else if (custody->keep_fd >= 0)
		close(custody->keep_fd);
	custody->keep_fd = -1;
}

int custody_keep(struct gmem_client *client, const struct gmem_region *regions, size_t n_regions)
{
	struct client_custody *custody = &client->custody;
	size_t i;

	if (custody->new_session == NULL && !custody->uffd)
		return 0;
	for (i = 0; i < n_regions; i++) {
		custody->regions[i] = regions[i];
		if ((regions[i].flags & GMEM_REGION_SHARED_FD) != 0)
			custody->regions[i].shared_fd = fcntl(regions[i].shared_fd, F_DUPFD_CLOEXEC, 3);
		custody->n_regions = i + 1;
		if ((regions[i].flags & GMEM_REGION_SHARED_FD) != 0 && custody->regions[i].shared_fd < 0)
			return client_fail(client, -errno, "cannot duplicate a shared fd: %s", strerror(errno));
	}
	if (client->role != GMEM_ROLE_PAGER || custody->uffd)
		return 0;
	custody->keep_fd = custody->new_session(custody->opaque);
	return custody->keep_fd >= 0 ? 0 :
	       client_fail(client, custody->keep_fd, "the VMM makes no session to keep: %s", strerror(-custody->keep_fd));
}

void custody_fini(struct gmem_client *client)
{
	struct client_custody *custody = &client->custody;
	size_t i;

	for (i = 0; i < custody->n_regions; i++)
		if ((custody->regions[i].flags & GMEM_REGION_SHARED_FD) != 0 && custody->regions[i].shared_fd >= 0)
			close(custody->regions[i].shared_fd);
	close_kept(client);
	custody->n_regions = 0;
}

/*
 * Only who knows of this move may have a VM that START has left or come to.  Before that nothing has
 * happened to it, and another service, with another ticket, may have it as if it were the first.
 */
static uint32_t attach_flags(const struct gmem_client *client, enum gmem_phase phase)
{
	return client->started || phase >= GMEM_PHASE_STARTED ? PROTO_ATTACH_AGAIN : 0;
}

/* @phase: what the service of before has said. */
static int hand_over(struct gmem_client *client, enum gmem_phase phase)
{
	struct client_custody *custody = &client->custody;
	const uint64_t *addresses = custody->uffd ? custody->addresses : NULL;
	int session_fd = -1, r;

	if (!custody->uffd || custody->keep_fd >= 0) {	/* a source may have no userfaultfd */
		session_fd = custody->new_session(custody->opaque);
		if (session_fd < 0)
			return client_fail(client, session_fd, "the VMM makes no new session: %s", strerror(-session_fd));
	}
	r = client_attach(client, session_fd, custody->regions, addresses, custody->n_regions,
			  attach_flags(client, phase));
	if (session_fd >= 0)
		close(session_fd);	/* the service's alone: when it dies, the kernel has to notice */
	return r;
}

/* 0: it has the VM; -EAGAIN: nobody is there, or not the right one: an operator may still put that right. */
static int try_once(struct gmem_client *client)
{
	const enum gmem_phase phase = client->phase;
	int r;

	if (client->sock >= 0)
		close(client->sock);
	client->sock = -1;
	r = client_connect(client);
	if (r == 0)
		r = hand_over(client, phase);
	client->dead = r < 0;
	if (r < 0)
		client->phase = phase;	/* whoever does not take the VM says nothing of its move */
	return r < 0 ? -EAGAIN : 0;
}

static bool is_over(const struct client_custody *custody)
{
	return custody->wait_ms >= 0 && client_now_ms() - custody->gone_ms > custody->wait_ms;
}

int custody_wait(struct gmem_client *client, int timeout_ms)
{
	struct client_custody *custody = &client->custody;
	const int64_t deadline = client_now_ms() + timeout_ms;
	const struct timespec pause = { .tv_nsec = TRY_MS * 1000000 };

	if (custody->new_session == NULL || !client->attached)
		return -EPIPE;
	if (custody->gone_ms == 0)
		custody->gone_ms = client_now_ms();
	while (!is_over(custody)) {
		if (try_once(client) == 0) {
			custody->gone_ms = 0;
			return 0;
		}
		if (timeout_ms >= 0 && client_now_ms() + TRY_MS > deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	client->dead = true;
	custody->new_session = NULL;	/* nobody is waited for any more */
	close_kept(client);		/* kvm: the kernel fails who waits for a page */
	return client_fail(client, -EPIPE, "the service went away, and none came in its place in %d ms%s",
			   custody->wait_ms, custody->uffd && client->role == GMEM_ROLE_PAGER ?
			   "; who touches a missing page waits until this process ends" : "");
}
