// SPDX-License-Identifier: MIT
/* Guest memory through a KVM demand-paging session; see linux/kvm_demand_paging.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm_demand_paging.h>

#include "backend.h"
#include "messages.h"

/* One record's worth: kinds can alternate page by page. */
#define MAX_VECS BULK_MAX_RUN

struct backend_kvm {
	struct backend backend;
	int fd;
};

/* syscalls: close fcntl ioctl poll ppoll read */
/* ioctls: KVM_DP_FREEZE KVM_DP_THAW KVM_DP_EXTRACT KVM_DP_POPULATE KVM_DP_MARK KVM_DP_QUERY */

static int fd_of(const struct backend *backend)
{
	return ((const struct backend_kvm *)backend)->fd;
}

static int kvm_freeze(struct backend *backend)
{
	return ioctl(fd_of(backend), KVM_DP_FREEZE, 0) < 0 ? -errno : 0;
}

static int kvm_thaw(struct backend *backend)
{
	return ioctl(fd_of(backend), KVM_DP_THAW, 0) < 0 ? -errno : 0;
}

/* The kernel notes how far it came in the array: call again with the same one. */
static int transfer(int fd, unsigned long request, struct kvm_dp_vec *vecs, uint32_t n_vecs)
{
	struct kvm_dp_transfer arg;
	int r;

	do {
		arg = (struct kvm_dp_transfer){ .vecs = (uintptr_t)vecs, .n_vecs = n_vecs };
		r = ioctl(fd, request, &arg) < 0 ? -errno : 0;
	} while (r == -EINTR || r == -EAGAIN);
	return r;
}

static int kvm_extract(struct backend *backend, uint64_t gfn, uint64_t n_pages, void *ret_pages)
{
	struct kvm_dp_vec vec = { .gfn = gfn, .n_pages = n_pages, .addr = (uintptr_t)ret_pages };

	return transfer(fd_of(backend), KVM_DP_EXTRACT, &vec, 1);
}

static enum backend_result to_result(uint32_t result)
{
	switch (result) {
	case KVM_DP_OK:
		return BACKEND_OK;
	case KVM_DP_KIND_CHANGED:
		return BACKEND_NOT_PRIVATE;
	case KVM_DP_NOMEM:
		return BACKEND_NO_MEMORY;
	default:
		return BACKEND_REFUSED;
	}
}

static int kvm_populate(struct backend *backend, struct backend_run *runs, size_t n_runs)
{
	struct kvm_dp_vec vecs[MAX_VECS];
	size_t i;
	int r;

	if (n_runs > MAX_VECS)
		return -EINVAL;
	for (i = 0; i < n_runs; i++)
		vecs[i] = (struct kvm_dp_vec){
			.gfn = runs[i].gfn, .n_pages = runs[i].n_pages, .addr = (uintptr_t)runs[i].data,
			.flags = runs[i].data == NULL ? KVM_DP_VEC_ZERO : 0, .n_done = runs[i].n_done,
		};
	r = transfer(fd_of(backend), KVM_DP_POPULATE, vecs, (uint32_t)n_runs);
	for (i = 0; i < n_runs; i++) {
		runs[i].n_done = vecs[i].n_done;
		runs[i].n_skipped += vecs[i].n_skipped;
		runs[i].result = to_result(vecs[i].result);
	}
	return r;
}

static int kvm_mark_present(struct backend *backend, uint64_t gfn, uint64_t n_pages)
{
	struct kvm_dp_mark mark;
	int r;

	do {
		mark = (struct kvm_dp_mark){ .gfn = gfn, .n_pages = n_pages, .flags = KVM_DP_MARK_PRESENT };
		r = ioctl(fd_of(backend), KVM_DP_MARK, &mark) < 0 ? -errno : 0;
	} while (r == -EINTR || r == -EAGAIN);
	return r;
}

static int kvm_query(struct backend *backend, enum backend_set set, uint64_t gfn, uint64_t n_pages,
		     uint64_t *ret_bitmap, uint64_t *ret_n_set, uint64_t *ret_n_missing)
{
	static const uint32_t flags[] = {
		[BACKEND_MISSING] = KVM_DP_QUERY_MISSING,
		[BACKEND_PRIVATE] = KVM_DP_QUERY_PRIVATE,
		[BACKEND_BACKED] = KVM_DP_QUERY_BACKED,
	};
	struct kvm_dp_query query;
	int r;

	do {
		query = (struct kvm_dp_query){
			.gfn = gfn, .n_pages = n_pages, .bitmap = (uintptr_t)ret_bitmap, .flags = flags[set],
		};
		r = ioctl(fd_of(backend), KVM_DP_QUERY, &query) < 0 ? -errno : 0;
	} while (r == -EINTR || r == -EAGAIN);
	if (r < 0)
		return r;
	if (ret_n_set != NULL)
		*ret_n_set = query.n_set;
	if (ret_n_missing != NULL)
		*ret_n_missing = query.n_missing;
	return 0;
}

static int kvm_wait_events(struct backend *backend, int stop_fd, struct backend_event *ret_events, size_t n_max,
			   size_t *ret_n)
{
	struct pollfd fds[2] = {
		{ .fd = fd_of(backend), .events = POLLIN },
		{ .fd = stop_fd, .events = POLLIN },
	};
	struct kvm_dp_event events[BACKEND_EVENTS_MAX];
	size_t i;
	ssize_t n;

	*ret_n = 0;
	if (poll(fds, 2, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents != 0)
		return 0;
	if ((fds[0].revents & (POLLHUP | POLLERR)) != 0)
		return -ENODEV;
	if (n_max > BACKEND_EVENTS_MAX)
		n_max = BACKEND_EVENTS_MAX;
	n = read(fd_of(backend), events, n_max * sizeof(events[0]));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (i = 0; i < (size_t)n / sizeof(events[0]); i++)
		ret_events[i] = (struct backend_event){ .gfn = events[i].gfn, .vcpu_id = events[i].vcpu_id };
	*ret_n = i;
	return 0;
}

static void kvm_close(struct backend *backend)
{
	close(fd_of(backend));
	free(backend);
}

static const struct backend_ops backend_kvm_ops = {
	.name = "kvm",
	.freeze = kvm_freeze,
	.thaw = kvm_thaw,
	.extract = kvm_extract,
	.query = kvm_query,
	.populate = kvm_populate,
	.mark_present = kvm_mark_present,
	.wait_events = kvm_wait_events,
	.close = kvm_close,
};

int backend_kvm_new(int session_fd, struct backend **ret_backend)
{
	struct backend_kvm *bk;
	int flags, r;

	/* Events are drained after poll(); a second reader must not make us sleep. */
	flags = fcntl(session_fd, F_GETFL);
	if (flags < 0 || fcntl(session_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	bk = calloc(1, sizeof(*bk));
	if (bk == NULL)
		return -ENOMEM;
	bk->backend.ops = &backend_kvm_ops;
	bk->fd = session_fd;
	r = kvm_query(&bk->backend, BACKEND_MISSING, 0, 1, NULL, NULL, NULL);
	if (r < 0) {
		free(bk);
		return r;
	}
	*ret_backend = &bk->backend;
	return 0;
}
