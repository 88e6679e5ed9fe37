// SPDX-License-Identifier: MIT
#include "paging.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/kvm_demand_paging.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "error.h"

#define PAGE 4096u
#define NEEDED_CAPS (KVM_DP_CAP_MARK | KVM_DP_CAP_POPULATE | KVM_DP_CAP_EXTRACT | KVM_DP_CAP_QUERY | KVM_DP_CAP_FREEZE)

int paging_init(struct paging *paging, int vm_fd, enum paging_mode mode)
{
	int mode_cap = mode == PAGING_WAIT ? KVM_DP_CAP_WAIT : KVM_DP_CAP_EXIT;
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DEMAND_PAGING };
	int caps;

	paging->control_fd = -1;
	paging->mode = mode;
	if (mode == PAGING_OFF)
		return 0;
	caps = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_DEMAND_PAGING);
	if (caps <= 0 || (caps & (NEEDED_CAPS | mode_cap)) != (NEEDED_CAPS | mode_cap))
		return error_set(-EOPNOTSUPP, "KVM of this kernel has no demand paging (capabilities 0x%x): boot the patched kernel",
				 caps < 0 ? 0 : (unsigned int)caps);
	cap.args[0] = KVM_DP_ENABLE | KVM_DP_ALLOW_EXTRACT | (mode == PAGING_WAIT ? KVM_DP_MODE_WAIT : KVM_DP_MODE_EXIT);
	if (ioctl(vm_fd, KVM_ENABLE_CAP, &cap))
		return error_set(-errno, "demand paging cannot be switched on");
	paging->control_fd = ioctl(vm_fd, KVM_CREATE_DEMAND_PAGING, 0);
	if (paging->control_fd < 0)
		return error_set(-errno, "no control fd for demand paging");
	return 0;
}

int paging_create_session(const struct paging *paging, uint32_t rights, int *ret_fd)
{
	struct kvm_dp_create_session create = { .rights = rights };
	int fd;

	if (paging->control_fd < 0)
		return error_set(-EINVAL, "demand paging is off: give --paging=wait");
	fd = ioctl(paging->control_fd, KVM_DP_CREATE_SESSION, &create);
	if (fd < 0)
		return error_set(-errno, "no demand-paging session with rights 0x%x", rights);
	*ret_fd = fd;
	return 0;
}

static int mark(const struct paging *paging, uint64_t gfn, uint64_t n_pages, uint32_t flags)
{
	struct kvm_dp_mark args = { .gfn = gfn, .n_pages = n_pages, .flags = flags };
	int err;

	do {
		err = ioctl(paging->control_fd, KVM_DP_MARK, &args) ? -errno : 0;
	} while (err == -EINTR || err == -EAGAIN);
	if (err)
		return error_set(err, "guest memory from GFN 0x%llx cannot be marked %s", (unsigned long long)gfn,
				 flags & KVM_DP_MARK_MISSING ? "missing" : "present");
	return 0;
}

int paging_mark_all_missing(const struct paging *paging)
{
	return mark(paging, 0, ~0ull, KVM_DP_MARK_MISSING);
}

int paging_mark_present(const struct paging *paging, uint64_t gpa, uint64_t size)
{
	return mark(paging, gpa / PAGE, size / PAGE, KVM_DP_MARK_PRESENT);
}

static const char *result_name(uint32_t result)
{
	static const char *const names[] = {
		[KVM_DP_OK] = "done",
		[KVM_DP_NOT_GMEM] = "no guest_memfd there",
		[KVM_DP_KIND_CHANGED] = "not private",
		[KVM_DP_MISSING] = "missing here too",
		[KVM_DP_FAULT] = "buffer cannot be accessed",
		[KVM_DP_NOMEM] = "out of memory",
		[KVM_DP_POISONED] = "hardware memory error",
	};

	return result < sizeof(names) / sizeof(names[0]) ? names[result] : "unknown result";
}

static int transfer(int session_fd, unsigned long request, struct kvm_dp_vec *vec)
{
	struct kvm_dp_transfer args = { .vecs = (uintptr_t)vec, .n_vecs = 1 };
	int err;

	do {
		err = ioctl(session_fd, request, &args) ? -errno : 0;
	} while (err == -EINTR || err == -EAGAIN);
	if (err)
		return error_set(err, "GFN 0x%llx cannot be %s (%s)", (unsigned long long)(vec->gfn + vec->n_done),
				 request == KVM_DP_POPULATE ? "populated" : "extracted", result_name(vec->result));
	return 0;
}

int paging_populate(int session_fd, uint64_t gpa, uint64_t size, const void *data)
{
	struct kvm_dp_vec vec = {
		.gfn = gpa / PAGE,
		.n_pages = size / PAGE,
		.addr = (uintptr_t)data,
		.flags = data ? 0 : KVM_DP_VEC_ZERO,
	};

	return transfer(session_fd, KVM_DP_POPULATE, &vec);
}

int paging_freeze(int session_fd)
{
	return ioctl(session_fd, KVM_DP_FREEZE, 0) ? error_set(-errno, "the VM cannot be frozen") : 0;
}

int paging_thaw(int session_fd)
{
	return ioctl(session_fd, KVM_DP_THAW, 0) ? error_set(-errno, "the VM cannot be thawed") : 0;
}

int paging_extract(int session_fd, uint64_t gfn, uint64_t n_pages, void *ret_data)
{
	struct kvm_dp_vec vec = { .gfn = gfn, .n_pages = n_pages, .addr = (uintptr_t)ret_data };

	return transfer(session_fd, KVM_DP_EXTRACT, &vec);
}

int paging_is_missing(int session_fd, uint64_t gfn, bool *ret_missing)
{
	struct kvm_dp_query args = { .gfn = gfn, .n_pages = 1, .flags = KVM_DP_QUERY_MISSING };

	if (ioctl(session_fd, KVM_DP_QUERY, &args))
		return error_set(-errno, "GFN 0x%llx cannot be asked for", (unsigned long long)gfn);
	*ret_missing = args.n_set != 0;
	return 0;
}

int paging_count_missing(int session_fd, uint64_t *ret_n_missing)
{
	struct kvm_dp_query args = { .gfn = 0, .n_pages = 1, .flags = KVM_DP_QUERY_MISSING };

	if (ioctl(session_fd, KVM_DP_QUERY, &args))
		return error_set(-errno, "the number of missing pages cannot be read");
	*ret_n_missing = args.n_missing;
	return 0;
}

static int query_private(int session_fd, uint64_t gfn, uint64_t n_pages, uint64_t *ret_bitmap, uint64_t *ret_n_private)
{
	struct kvm_dp_query args = {
		.gfn = gfn,
		.n_pages = n_pages,
		.bitmap = (uintptr_t)ret_bitmap,
		.flags = KVM_DP_QUERY_PRIVATE,
	};

	if (ioctl(session_fd, KVM_DP_QUERY, &args))
		return error_set(-errno, "the map of private memory cannot be read");
	*ret_n_private = args.n_set;
	return 0;
}

int paging_query_private(int session_fd, uint64_t gfn, uint64_t n_pages, uint64_t *ret_bitmap)
{
	uint64_t n_private;

	return query_private(session_fd, gfn, n_pages, ret_bitmap, &n_private);
}

int paging_count_private(int session_fd, uint64_t gfn, uint64_t n_pages, uint64_t *ret_n_private)
{
	return query_private(session_fd, gfn, n_pages, NULL, ret_n_private);
}
