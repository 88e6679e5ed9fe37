/* SPDX-License-Identifier: MIT */
#include "dp.h"

#include <linux/kvm_demand_paging.h>
#include <sys/ioctl.h>

#include "need.h"

int dp_session(const struct vm *vm, uint32_t rights)
{
	struct kvm_dp_create_session create = { .rights = rights };
	int fd = ioctl(vm->control_fd, KVM_DP_CREATE_SESSION, &create);

	need(fd >= 0, "session");
	return fd;
}

static void mark(const struct vm *vm, uint64_t gfn, uint64_t n_pages, const uint64_t *bitmap, uint32_t flags)
{
	struct kvm_dp_mark args = {
		.gfn = gfn, .n_pages = n_pages, .bitmap = (uintptr_t)bitmap, .flags = flags,
	};

	need(!ioctl(vm->control_fd, KVM_DP_MARK, &args), "marking");
}

void dp_mark_missing(const struct vm *vm, uint64_t gfn, uint64_t n_pages, const uint64_t *bitmap)
{
	mark(vm, gfn, n_pages, bitmap, KVM_DP_MARK_MISSING);
}

void dp_mark_present(const struct vm *vm, uint64_t gfn, uint64_t n_pages)
{
	mark(vm, gfn, n_pages, NULL, KVM_DP_MARK_PRESENT);
}

bool dp_populate_and_read(int session_fd, uint64_t gfn, uint64_t n_pages, const void *data, struct kvm_dp_event *event)
{
	struct kvm_dp_vec vec = { .gfn = gfn, .n_pages = n_pages, .addr = (uintptr_t)data };
	struct kvm_dp_transfer transfer = {
		.vecs = (uintptr_t)&vec, .n_vecs = 1,
		.flags = KVM_DP_TRANSFER_EVENTS, .n_events = 1, .events = (uintptr_t)event,
	};

	need(!ioctl(session_fd, KVM_DP_POPULATE, &transfer), "populating");
	return transfer.n_events;
}

void dp_populate(int session_fd, uint64_t gfn, uint64_t n_pages, const void *data)
{
	struct kvm_dp_vec vec = {
		.gfn = gfn, .n_pages = n_pages, .addr = (uintptr_t)data, .flags = data ? 0 : KVM_DP_VEC_ZERO,
	};
	struct kvm_dp_transfer transfer = { .vecs = (uintptr_t)&vec, .n_vecs = 1 };

	need(!ioctl(session_fd, KVM_DP_POPULATE, &transfer), "populating");
}
