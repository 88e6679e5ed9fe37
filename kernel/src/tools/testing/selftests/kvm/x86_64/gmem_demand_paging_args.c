// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: what is refused. */
#include <fcntl.h>

#include "gmem_demand_paging_env.h"

void test_cap_refusals(void)
{
	struct kvm_vm *vm = __vm_create(shape, 1, 0);
	uint64_t bad[] = {
		0, KVM_DP_ENABLE, KVM_DP_MODE_EXIT,
		KVM_DP_ENABLE | KVM_DP_MODE_EXIT | KVM_DP_MODE_WAIT,
		KVM_DP_ENABLE | KVM_DP_MODE_WAIT | (1ull << 40),
		KVM_DP_ENABLE | KVM_DP_DISABLE | KVM_DP_MODE_WAIT,
	};
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DEMAND_PAGING,
		.args = { KVM_DP_ENABLE | KVM_DP_MODE_WAIT, 1 },
	};
	int i;

	TEST_ASSERT(vm_check_cap(vm, KVM_CAP_DEMAND_PAGING) & KVM_DP_CAP_WAIT,
		    "no wait mode");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERRNO(enable(vm, bad[i]), EINVAL);
	EXPECT_ERRNO(__vm_ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL);
	EXPECT_ERRNO(enable(vm, KVM_DP_DISABLE), EINVAL);
	EXPECT_ERRNO(__vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, (void *)0), ENXIO);
	EXPECT_ERRNO(__vm_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES,
				(&(struct kvm_memory_attributes) {
					.address = 0, .size = 4096,
					.attributes = KVM_MEMORY_ATTRIBUTE_MISSING,
				})), EINVAL);

	TEST_ASSERT_EQ(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), 0);
	EXPECT_ERRNO(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), EEXIST);
	EXPECT_ERRNO(__vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, (void *)1), EINVAL);
	kvm_vm_free(vm);

	vm = __vm_create(shape, 1, 0);
	vm_vcpu_add(vm, 0, guest_reader);
	EXPECT_ERRNO(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), EINVAL);
	kvm_vm_free(vm);
}

void test_session_refusals(void)
{
	struct kvm_vm *vm = __vm_create(shape, 1, 0);
	struct kvm_dp_create_session args = { .rights = PAGER_RIGHTS };
	unsigned long ops[] = {
		KVM_DP_MARK, KVM_DP_FREEZE, KVM_DP_THAW, KVM_DP_POPULATE,
		KVM_DP_EXTRACT, KVM_DP_DISCARD, KVM_DP_FAIL,
		KVM_DP_POISON,
	};
	struct kvm_dp_event event;
	int control, session, i;

	TEST_ASSERT_EQ(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), 0);
	control = __vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	TEST_ASSERT(control >= 0, "control fd");

	EXPECT_ERRNO(session_new(control, 0), EINVAL);
	EXPECT_ERRNO(session_new(control, 1u << 31), EINVAL);
	EXPECT_ERRNO(session_new(control, KVM_DP_RIGHT_EXTRACT), EPERM);
	args.flags = 1;
	EXPECT_ERRNO(ioctl(control, KVM_DP_CREATE_SESSION, &args), EINVAL);
	args.flags = 0;
	args.reserved[2] = 1;
	EXPECT_ERRNO(ioctl(control, KVM_DP_CREATE_SESSION, &args), EINVAL);
	EXPECT_ERRNO(ioctl(control, KVM_DP_CREATE_SESSION, (void *)1), EFAULT);
	EXPECT_ERRNO(ioctl(control, KVM_DP_POPULATE, &args), ENOTTY);

	session = session_new(control, KVM_DP_RIGHT_QUERY);
	TEST_ASSERT(session >= 0, "query session");
	TEST_ASSERT(fcntl(session, F_GETFD) & FD_CLOEXEC, "not close-on-exec");
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		EXPECT_ERRNO(ioctl(session, ops[i], 0), EPERM);
	EXPECT_ERRNO(read(session, &event, sizeof(event)), EPERM);
	EXPECT_ERRNO(ioctl(session, KVM_DP_CREATE_SESSION, &args), ENOTTY);
	EXPECT_ERRNO(enable(vm, KVM_DP_DISABLE), EBUSY);
	close(session);
	TEST_ASSERT_EQ(enable(vm, KVM_DP_DISABLE), 0);
	EXPECT_ERRNO(session_new(control, KVM_DP_RIGHT_QUERY), ENODEV);
	close(control);
	kvm_vm_free(vm);
}

/* What is reserved must be zero, so that it can mean something one day. */
void test_reserved_refusals(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	uint8_t page[4096] = {};
	struct kvm_dp_vec vec = {
		.gfn = DATA_GFN, .n_pages = 1, .addr = (uintptr_t)page,
	};
	struct kvm_dp_transfer t = { .vecs = (uintptr_t)&vec, .n_vecs = 1, .n_events = 1 };
	struct kvm_dp_mark m = {
		.gfn = DATA_GFN, .n_pages = 1, .flags = KVM_DP_MARK_MISSING, .pad = 1,
	};
	struct kvm_dp_discard d = { .gfn = DATA_GFN, .n_pages = 1, .pad = 1 };
	struct kvm_dp_query q = { .reserved = { 0, 1 } };

	EXPECT_ERRNO(ioctl(e.session, KVM_DP_MARK, &m), EINVAL);
	m.pad = 0;
	m.reserved[1] = 1;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_MARK, &m), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_DISCARD, &d), EINVAL);
	d.pad = 0;
	d.reserved[1] = 1;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_DISCARD, &d), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_QUERY, &q), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_EXTRACT, &t), EINVAL);
	t.n_events = 0;
	t.events = (uintptr_t)page;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_EXTRACT, &t), EINVAL);
	t.flags = KVM_DP_TRANSFER_EVENTS;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	t.n_events = 1;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_EXTRACT, &t), EINVAL);
	t.events = 0;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	t.n_events = 0;
	t.flags = KVM_DP_TRANSFER_EVENTS << 1;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_EXTRACT, &t), EINVAL);
	t.flags = 0;
	t.reserved = 1;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_EXTRACT, &t), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_FREEZE, 1), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_THAW, 1), EINVAL);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	env_destroy(&e);
}

void test_argument_refusals(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct kvm_dp_transfer t = { .vecs = 0, .n_vecs = 1 };
	struct kvm_dp_discard d = { .gfn = DATA_GFN, .n_pages = 1, .flags = 2 };
	struct kvm_dp_query q = { .gfn = 0, .n_pages = 8, .flags = 3 };
	uint8_t page[4096] = {};
	struct kvm_dp_vec vec = {
		.gfn = DATA_GFN, .n_pages = 1, .addr = (uintptr_t)page,
	};
	struct kvm_dp_vec v;
	uint64_t word;

	EXPECT_ERRNO(mark(e.session, DATA_GFN, 1, 0), EINVAL);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 1, 3), EINVAL);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 0, KVM_DP_MARK_MISSING), EINVAL);
	EXPECT_ERRNO(mark(e.session, ~0ull, 2, KVM_DP_MARK_MISSING), EINVAL);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 1, KVM_DP_MARK_PRESENT), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_QUERY, &q), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_DISCARD, &d), EINVAL);
	d = (struct kvm_dp_discard) {
		.gfn = DATA_GFN, .n_pages = KVM_DP_MAX_DISCARD + 1,
	};
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_DISCARD, &d), E2BIG);
	d = (struct kvm_dp_discard) { .gfn = 0, .n_pages = 1 };
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_DISCARD, &d), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EFAULT);
	t.n_vecs = 0;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	t.n_vecs = KVM_DP_MAX_VECS + 1;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	EXPECT_ERRNO(read(e.session, &word, sizeof(word)), EINVAL);

	v = vec;
	v.flags = 1u << 5;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EINVAL);
	v = vec;
	v.flags = KVM_DP_VEC_ZERO;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EINVAL);
	v = vec;
	v.n_done = 2;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EINVAL);
	v = vec;
	v.addr = 4096;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EIO);
	TEST_ASSERT_EQ(v.result, KVM_DP_FAULT);
	v = vec;
	v.gfn = 0;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EIO);
	TEST_ASSERT_EQ(v.result, KVM_DP_NOT_GMEM);
	v = vec;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_EXTRACT, &v), EBUSY);

	vm_mem_set_shared(e.vm, DATA_GPA, 4096);
	v = vec;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EIO);
	TEST_ASSERT_EQ(v.result, KVM_DP_KIND_CHANGED);
	v = vec;
	v.addr = 0;
	v.flags = KVM_DP_VEC_ZERO;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EIO);
	TEST_ASSERT_EQ(v.result, KVM_DP_KIND_CHANGED);
	/* Nor is it as the first of two. */
	v = vec;
	v.addr = 0;
	v.flags = KVM_DP_VEC_ZERO;
	v.n_pages = 2;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EIO);
	TEST_ASSERT_EQ(v.result, KVM_DP_KIND_CHANGED);

	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	EXPECT_ERRNO(enable(e.vm, KVM_DP_DISABLE), EBUSY);
	env_destroy(&e);
}

/* Not switched off while a page is missing, though nobody has a session. */
void test_disable_with_missing(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);

	vm_mem_set_shared(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	TEST_ASSERT_EQ(mark(e.control, DATA_GFN + 1, DATA_NPAGES - 1,
			    KVM_DP_MARK_PRESENT), 0);
	close(e.session);
	e.session = -1;
	EXPECT_ERRNO(enable(e.vm, KVM_DP_DISABLE), EBUSY);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), -EFAULT);
	TEST_ASSERT_EQ(e.vcpu->run->memory_fault.flags, KVM_MEMORY_EXIT_FLAG_MISSING);

	TEST_ASSERT_EQ(mark(e.control, DATA_GFN, 1, KVM_DP_MARK_PRESENT), 0);
	TEST_ASSERT_EQ(enable(e.vm, KVM_DP_DISABLE), 0);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0);
	env_destroy(&e);
}

/* What is refused has changed nothing, also before the part that is wrong. */
void test_refused_whole(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	uint64_t bits[2] = { 1, 1 };
	struct kvm_dp_mark m = {
		.gfn = DATA_GFN, .n_pages = 128, .bitmap = (uintptr_t)bits,
		.flags = KVM_DP_MARK_PRESENT,
	};

	/* Page 0 is shared and could be marked, page 64 is private. */
	vm_mem_set_shared(e.vm, DATA_GPA, 4096);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_MARK, &m), EINVAL);
	TEST_ASSERT_EQ(m.n_changed, 0);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);

	/* The same across a block's end. */
	vm_mem_set_shared(e.vm, DATA_GPA, 512 * 4096);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 513, KVM_DP_MARK_PRESENT), EINVAL);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	env_destroy(&e);
}
