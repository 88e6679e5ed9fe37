// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: presence, and what is in the pages. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>

#include "gmem_demand_paging_env.h"

/* Whatever a VMM that knows nothing of paging does, a page stays missing. */
void test_attributes_keep_presence(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct kvm_memory_attributes attrs = {
		.address = DATA_GPA + 4096, .size = 4096,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE |
			      KVM_MEMORY_ATTRIBUTE_MISSING,
	};

	vm_mem_set_shared(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	vm_mem_set_private(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);

	populate(e.session, DATA_GFN, 1);
	populate(e.session, DATA_GFN + 1, 2);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES - 2);
	TEST_ASSERT_EQ(__vm_ioctl(e.vm, KVM_SET_MEMORY_ATTRIBUTES, &attrs), 0);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES - 1);
	env_destroy(&e);
}

void test_mark_bitmap(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	uint64_t bits[4] = { ~0ull, 0x5, 0, 1ull << 63 }, out[16] = {};
	struct kvm_dp_mark m = {
		.gfn = 1000, .n_pages = 256, .bitmap = (uintptr_t)bits,
		.flags = KVM_DP_MARK_MISSING,
	};
	struct kvm_dp_query q = {
		.gfn = 1000, .n_pages = 256, .bitmap = (uintptr_t)out,
		.flags = KVM_DP_QUERY_MISSING,
	};
	struct kvm_dp_vec zero = {
		.gfn = DATA_GFN + 3, .n_pages = DATA_NPAGES - 3,
		.flags = KVM_DP_VEC_ZERO,
	};

	/* GFNs without memslot, across a block's end, not word aligned. */
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_MARK, &m), 0);
	TEST_ASSERT_EQ(m.n_changed, 67);
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.n_set, 67);
	TEST_ASSERT(!memcmp(bits, out, sizeof(bits)), "query differs from mark");
	m.flags = KVM_DP_MARK_PRESENT;
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_MARK, &m), 0);
	TEST_ASSERT_EQ(m.n_changed, 67);

	populate(e.session, DATA_GFN + 5, 9);
	TEST_ASSERT_EQ(transfer(e.session, KVM_DP_POPULATE, &zero), 0);
	TEST_ASSERT_EQ(zero.n_done, DATA_NPAGES - 3);
	TEST_ASSERT_EQ(zero.n_skipped, 1);
	TEST_ASSERT_EQ(n_missing(e.session), 3);

	q = (struct kvm_dp_query) {
		.gfn = DATA_GFN, .n_pages = DATA_NPAGES, .bitmap = (uintptr_t)out,
		.flags = KVM_DP_QUERY_BACKED,
	};
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.n_set, 1);
	TEST_ASSERT_EQ(out[0], 1ull << 5);

	/* The whole VM, then back by zeros: the guest's own slot is shared. */
	m = (struct kvm_dp_mark) { .n_pages = ~0ull, .flags = KVM_DP_MARK_MISSING };
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_MARK, &m), 0);
	TEST_ASSERT(n_missing(e.session) > DATA_NPAGES, "slot 0 not marked");
	env_destroy(&e);
}

static void query_is(struct env *e, uint64_t gfn, uint64_t n, uint64_t first,
		     uint64_t second)
{
	const uint64_t unasked = 0xa5a5;
	uint64_t bits[2] = { unasked, unasked };
	struct kvm_dp_query q = {
		.gfn = gfn, .n_pages = n, .bitmap = (uintptr_t)bits,
		.flags = KVM_DP_QUERY_MISSING,
	};

	TEST_ASSERT_EQ(ioctl(e->session, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(bits[0], first);
	TEST_ASSERT_EQ(bits[1], n > 64 ? second : unasked);
	TEST_ASSERT_EQ(q.n_set, __builtin_popcountll(first) +
		       (n > 64 ? __builtin_popcountll(second) : 0));
}

/* Ranges that begin and end in a word, and across blocks all or none missing. */
void test_query_edges(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	const uint64_t end = DATA_GFN + DATA_NPAGES;

	query_is(&e, DATA_GFN, 1, 1, 0);
	query_is(&e, DATA_GFN - 3, 64, ~0ull << 3, 0);
	query_is(&e, end - 3, 8, 7, 0);
	query_is(&e, end - 3, 70, 7, 0);
	query_is(&e, end - 67, 70, ~0ull, 7);

	/* The same with a block of which a part is there. */
	populate(e.session, end - 2, 1);
	query_is(&e, end - 3, 2, 1, 0);
	query_is(&e, end - 3, 70, 5, 0);
	query_is(&e, end - 67, 70, ~0ull, 5);
	env_destroy(&e);
}

void test_freeze_and_extract(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	static uint8_t out[4 * 4096] __aligned(4096);
	struct kvm_dp_vec vec = {
		.gfn = DATA_GFN, .n_pages = 4, .addr = (uintptr_t)out,
	};
	struct kvm_dp_vec zero = {
		.gfn = DATA_GFN + 1, .n_pages = 1, .flags = KVM_DP_VEC_ZERO,
	};
	struct kvm_dp_query q = {};
	pthread_t thread;

	populate(e.session, DATA_GFN, 0x11);
	TEST_ASSERT_EQ(transfer(e.session, KVM_DP_POPULATE, &zero), 0);
	populate(e.session, DATA_GFN + 2, 0x33);

	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x11);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x33);

	/* Asleep in KVM_RUN is in KVM_RUN. */
	thread = run_start(e.vcpu);
	read_event(e.session);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_FREEZE, 0), EBUSY);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_THAW, 0), EINVAL);
	populate(e.session, DATA_GFN + 3, 0x44);
	TEST_ASSERT_EQ(run_join(thread), 0);

	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_FREEZE, 0), 0);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_FREEZE, 0), EALREADY);
	EXPECT_ERRNO(__vcpu_run(e.vcpu), EBUSY);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), EBUSY);
	EXPECT_ERRNO(enable(e.vm, KVM_DP_DISABLE), EBUSY);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.status, KVM_DP_STATUS_FROZEN);
	TEST_ASSERT_EQ(q.n_missing, DATA_NPAGES - 4);

	TEST_ASSERT_EQ(transfer(e.session, KVM_DP_EXTRACT, &vec), 0);
	TEST_ASSERT_EQ(vec.n_done, 4);
	TEST_ASSERT(out[0] == 0x11 && out[4095] == 0x11 && !out[4096] &&
		    out[8192] == 0x33 && out[3 * 4096] == 0x44, "wrong contents");
	vec = (struct kvm_dp_vec) {
		.gfn = DATA_GFN + 3, .n_pages = 2, .addr = (uintptr_t)out,
	};
	EXPECT_ERRNO(transfer(e.session, KVM_DP_EXTRACT, &vec), EIO);
	TEST_ASSERT_EQ(vec.result, KVM_DP_MISSING);
	TEST_ASSERT_EQ(vec.n_done, 1);

	/* The freeze outlives the session that made it. */
	close(e.session);
	EXPECT_ERRNO(__vcpu_run(e.vcpu), EBUSY);
	e.session = session_new(e.control, ALL_RIGHTS);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_THAW, 0), 0);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES - 4);
	populate(e.session, DATA_GFN + 4, 0x55);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x55);
	env_destroy(&e);
}

void test_discard_and_evict(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reread);
	struct kvm_dp_discard d = { .gfn = DATA_GFN, .n_pages = 1 };

	populate(e.session, DATA_GFN, 0x66);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x66);

	d.flags = KVM_DP_DISCARD_EVICT;
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_DISCARD, &d), 0);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);

	/* A discard makes a missing page present and zero: never fetched again. */
	d.flags = 0;
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_DISCARD, &d), 0);
	TEST_ASSERT_EQ(populate(e.session, DATA_GFN, 0x77).n_skipped, 1);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0);

	/* Marking alone keeps the contents in the file, and the guest out. */
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);
	populate(e.session, DATA_GFN, 0x78);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x78);
	env_destroy(&e);
}

/* A slot of 4 pages at @gfn, and another: what comes is in the file of its own slot. */
static void end_within_block(struct env *e, uint64_t gfn)
{
	static uint8_t pages[4 * 4096] __aligned(4096);
	struct kvm_dp_vec vec = {
		.gfn = gfn + 2, .n_pages = 4, .addr = (uintptr_t)pages,
	};
	struct kvm_dp_query q = {
		.gfn = gfn + 4, .n_pages = 4, .flags = KVM_DP_QUERY_BACKED,
	};

	vm_userspace_mem_region_add(e->vm, VM_MEM_SRC_ANONYMOUS, (gfn + 4) << 12,
				    DATA_SLOT + 2, 4, KVM_MEM_GUEST_MEMFD);
	vm_mem_set_private(e->vm, (gfn + 4) << 12, 4 * 4096);
	TEST_ASSERT_EQ(mark(e->session, gfn, 8, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(transfer(e->session, KVM_DP_POPULATE, &vec), 0);
	TEST_ASSERT_EQ(vec.n_done, 4);
	TEST_ASSERT_EQ(vec.n_skipped, 0);
	TEST_ASSERT_EQ(ioctl(e->session, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.n_set, 2);
}

/* A run over two memslots stops at the page that has no data. */
void test_fault_in_second_slot(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	const uint64_t gfn = DATA_GFN + DATA_NPAGES;
	struct kvm_dp_vec vec = { .gfn = gfn - 1, .n_pages = 4 };
	struct kvm_dp_query q = {
		.gfn = gfn, .n_pages = 4, .flags = KVM_DP_QUERY_BACKED,
	};
	void *mem;

	vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS, gfn << 12, DATA_SLOT + 1,
				    4, KVM_MEM_GUEST_MEMFD);
	vm_mem_set_private(e.vm, gfn << 12, 4 * 4096);
	TEST_ASSERT_EQ(mark(e.session, gfn, 4, KVM_DP_MARK_MISSING), 0);

	mem = mmap(NULL, 4 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(mem != MAP_FAILED, "mmap: %s", strerror(errno));
	TEST_ASSERT_EQ(mprotect(mem + 3 * 4096, 4096, PROT_NONE), 0);
	vec.addr = (uintptr_t)mem;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &vec), EIO);
	TEST_ASSERT_EQ(vec.result, KVM_DP_FAULT);
	TEST_ASSERT_EQ(vec.n_done, 3);
	munmap(mem, 4 * 4096);

	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.n_set, 2);
	end_within_block(&e, gfn);
	env_destroy(&e);
}

/* What the next 2M folio is probably made of: one that was full, and has gone. */
static void dirty_free_folio(struct env *e, int fd)
{
	int i;

	TEST_ASSERT_EQ(mark(e->session, HUGE_GFN, HUGE_NPAGES, KVM_DP_MARK_MISSING), 0);
	for (i = 0; i < HUGE_NPAGES; i++)
		populate(e->session, HUGE_GFN + i, 0xa5);
	TEST_ASSERT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0,
				 HUGE_NPAGES * 4096), 0);
}

/* A 2M folio comes for one of its pages, and the others are the guest's as well. */
void test_huge_folio_is_zero(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct kvm_dp_query q = {
		.gfn = HUGE_GFN, .n_pages = HUGE_NPAGES, .flags = KVM_DP_QUERY_BACKED,
	};
	int i, fd = add_huge_slot(&e);

	dirty_free_folio(&e, fd);
	vcpu_set_msr(e.vcpu, MSR_KVM_WALL_CLOCK_NEW, HUGE_GPA);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.n_set, HUGE_NPAGES);
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_FREEZE, 0), 0);
	for (i = 1; i < HUGE_NPAGES; i++)
		TEST_ASSERT_EQ(extract_byte(&e, HUGE_GFN + i), 0);
	close(fd);
	env_destroy(&e);
}

#define CLOCK_GPA	(DATA_GPA + 0x100000)

static void guest_clock_version(void)
{
	for (;;)
		GUEST_SYNC(READ_ONCE(*(uint32_t *)CLOCK_GPA));
}

static uint64_t run_for_version(struct env *e)
{
	struct ucall uc;

	TEST_ASSERT_EQ((intptr_t)run_thread(e->vcpu), 0);
	TEST_ASSERT_EQ(get_ucall(e->vcpu, &uc), UCALL_SYNC);
	return uc.args[1];
}

/* KVM's own mapping of a page that is converted goes: here, of kvmclock. */
void test_converted_clock(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_clock_version);
	struct kvm_clock_data clock = { .clock = 1000000000 };
	uint32_t *version = addr_gpa2hva(e.vm, CLOCK_GPA);

	populate(e.session, CLOCK_GPA >> 12, 0);
	vcpu_set_msr(e.vcpu, MSR_KVM_SYSTEM_TIME_NEW, CLOCK_GPA | 1);
	TEST_ASSERT(run_for_version(&e), "kvmclock was not written");
	TEST_ASSERT_EQ(*version, 0);

	vm_mem_set_shared(e.vm, CLOCK_GPA, 4096);
	vm_ioctl(e.vm, KVM_SET_CLOCK, &clock);
	TEST_ASSERT(run_for_version(&e), "kvmclock is not in the page that is the guest's now");
	TEST_ASSERT(*version, "kvmclock is in another page than the guest's");
	env_destroy(&e);
}

/* A VM without private memory has the one attribute. */
void test_attributes_without_private(void)
{
	struct kvm_vm *vm = __vm_create(VM_SHAPE_DEFAULT, 1, 0);
	struct kvm_memory_attributes attrs = {
		.address = 0, .size = 8 * 4096, .attributes = KVM_MEMORY_ATTRIBUTE_MISSING,
	};
	int control;

	TEST_ASSERT_EQ(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_EXIT), 0);
	TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_MEMORY_ATTRIBUTES),
		       KVM_MEMORY_ATTRIBUTE_MISSING);
	control = __vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	TEST_ASSERT(control >= 0, "KVM_CREATE_DEMAND_PAGING: %s", strerror(errno));
	vm_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	TEST_ASSERT_EQ(n_missing(control), 8);

	/* An exact value, which does not bring what is missing. */
	attrs.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE | KVM_MEMORY_ATTRIBUTE_MISSING;
	EXPECT_ERRNO(__vm_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &attrs), EINVAL);
	attrs.attributes = 0;
	(void)__vm_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	TEST_ASSERT_EQ(n_missing(control), 8);
	close(control);
	kvm_vm_free(vm);
}

/*
 * A private page that was marked missing holds what it did before.  It becomes
 * present as a shared one, and private again: nobody has brought it.
 */
void test_no_old_contents(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	int i;

	for (i = 0; i < 2; i++)
		populate(e.session, DATA_GFN + i, 0x77);
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);
	vm_mem_set_shared(e.vm, DATA_GPA, 2 * 4096);
	memset(addr_gpa2hva(e.vm, DATA_GPA), 0x55, 2 * 4096);
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, 2, KVM_DP_MARK_PRESENT), 0);
	vm_mem_set_private(e.vm, DATA_GPA, 2 * 4096);

	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0);
	/* What was never missing is as it was: converting does not change it. */
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x77);
	env_destroy(&e);
}
