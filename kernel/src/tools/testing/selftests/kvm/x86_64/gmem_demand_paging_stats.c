// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: binary stats, and what is mapped and allocated. */
#include "gmem_demand_paging_env.h"

#define BLOCK		512
#define MAP_PAGES	64

static void assert_vcpu_stats(int fd, uint64_t missing, uint64_t exits, uint64_t waits)
{
	TEST_ASSERT_EQ(stat_get(fd, "dp_missing"), missing);
	TEST_ASSERT_EQ(stat_get(fd, "dp_exits"), exits);
	TEST_ASSERT_EQ(stat_get(fd, "dp_waits"), waits);
}

static void stats_of_exits(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	int fd = vcpu_get_stats_fd(e.vcpu);

	assert_vcpu_stats(fd, 0, 0, 0);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);
	assert_vcpu_stats(fd, 1, 1, 0);

	/* Nobody has brought it: once more.  Then the next one. */
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);
	assert_vcpu_stats(fd, 2, 2, 0);
	populate(e.session, DATA_GFN, 1);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_vcpu_stats(fd, 2, 2, 0);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN + 1);
	assert_vcpu_stats(fd, 3, 3, 0);
	close(fd);
	env_destroy(&e);
}

static void stats_of_waits(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	int fd = vcpu_get_stats_fd(e.vcpu);
	pthread_t thread;

	thread = run_start(e.vcpu);
	populate(e.session, read_event(e.session).gfn, 1);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_vcpu_stats(fd, 1, 0, 1);

	/* A wait that ends with an exit is both. */
	thread = run_start(e.vcpu);
	read_event(e.session);
	close(e.session);
	assert_missing_exit(e.vcpu, run_join(thread), DATA_GFN + 1);
	assert_vcpu_stats(fd, 2, 1, 2);

	/* With no session there is nothing to wait for. */
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN + 1);
	assert_vcpu_stats(fd, 3, 2, 2);
	e.session = -1;
	close(fd);
	env_destroy(&e);
}

/* Populates @n pages, of which @skipped are there, from zeros or from memory. */
static void populate_some(int fd, uint64_t gfn, uint64_t n, uint64_t skipped, bool zero)
{
	static uint8_t pages[8 * 4096] __aligned(4096);
	struct kvm_dp_vec vec = {
		.gfn = gfn, .n_pages = n,
		.addr = zero ? 0 : (uintptr_t)pages,
		.flags = zero ? KVM_DP_VEC_ZERO : 0,
	};

	TEST_ASSERT_EQ(transfer(fd, KVM_DP_POPULATE, &vec), 0);
	TEST_ASSERT_EQ(vec.n_skipped, skipped);
}

static void stats_of_vm(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	const uint64_t second = DATA_GFN + BLOCK;
	struct kvm_dp_collapse collapse = { .gfn = DATA_GFN, .n_pages = DATA_NPAGES };
	int fd = vm_get_stats_fd(e.vm);

	TEST_ASSERT_EQ(stat_get(fd, "dp_populated"), 0);
	populate(e.session, DATA_GFN + 2, 1);
	TEST_ASSERT_EQ(stat_get(fd, "dp_populated"), 1);
	populate_some(e.session, DATA_GFN, 8, 1, false);
	TEST_ASSERT_EQ(stat_get(fd, "dp_populated"), 8);
	populate_some(e.session, DATA_GFN, 8, 8, false);
	TEST_ASSERT_EQ(stat_get(fd, "dp_populated"), 8);
	populate_some(e.session, DATA_GFN, 20, 8, true);
	TEST_ASSERT_EQ(stat_get(fd, "dp_populated"), 20);

	/* Marking populates nothing; the last GFN of a block completes it. */
	TEST_ASSERT_EQ(stat_get(fd, "dp_collapsed"), 0);
	vm_mem_set_shared(e.vm, second << 12, BLOCK * 4096);
	TEST_ASSERT_EQ(mark(e.session, second, BLOCK - 1, KVM_DP_MARK_PRESENT), 0);
	TEST_ASSERT_EQ(stat_get(fd, "dp_collapsed"), 0);
	TEST_ASSERT_EQ(mark(e.session, second + BLOCK - 1, 1, KVM_DP_MARK_PRESENT), 0);
	TEST_ASSERT_EQ(stat_get(fd, "dp_collapsed"), 1);
	TEST_ASSERT_EQ(stat_get(fd, "dp_populated"), 20);

	/* The first block is not complete. */
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_COLLAPSE, &collapse), 0);
	TEST_ASSERT_EQ(stat_get(fd, "dp_collapsed"), 2);
	close(fd);
	env_destroy(&e);
}

void test_stats(void)
{
	stats_of_exits();
	stats_of_waits();
	stats_of_vm();
}

/* One page from its first touch to the answer of the guest. */
static void touch(struct env *e, bool wait, int i)
{
	pthread_t thread;

	if (wait) {
		thread = run_start(e->vcpu);
		TEST_ASSERT_EQ(read_event(e->session).gfn, DATA_GFN + i);
		populate(e->session, DATA_GFN + i, i);
		TEST_ASSERT_EQ(run_join(thread), 0);
	} else {
		assert_missing_exit(e->vcpu, (intptr_t)run_thread(e->vcpu),
				    DATA_GFN + i);
		populate(e->session, DATA_GFN + i, i);
		TEST_ASSERT_EQ((intptr_t)run_thread(e->vcpu), 0);
	}
	assert_sync(e->vcpu, i);
}

static void faults_per_page(bool wait)
{
	struct env e = env_create(wait ? KVM_DP_MODE_WAIT : KVM_DP_MODE_EXIT,
				  guest_reader);
	int fd = vcpu_get_stats_fd(e.vcpu), i;
	uint64_t before;

	/* The guest's code, stack and page tables come with the first. */
	touch(&e, wait, 0);
	before = stat_get(fd, "pf_taken");
	for (i = 1; i <= MAP_PAGES; i++)
		touch(&e, wait, i);
	TEST_ASSERT_EQ(stat_get(fd, "pf_taken") - before, MAP_PAGES);
	close(fd);
	env_destroy(&e);
}

/* Who has waited, or was told by an exit, finds the page mapped. */
void test_map_ahead(void)
{
	faults_per_page(true);
	faults_per_page(false);
}

static uint64_t n_backed(int fd, uint64_t gfn, uint64_t n)
{
	struct kvm_dp_query q = {
		.gfn = gfn, .n_pages = n, .flags = KVM_DP_QUERY_BACKED,
	};

	TEST_ASSERT_EQ(ioctl(fd, KVM_DP_QUERY, &q), 0);
	return q.n_set;
}

/* One page with contents where the rest of it is there as zeros, or all as zeros. */
static void bring_with_holes(struct env *e, bool filled)
{
	if (filled) {
		populate_some(e->session, DATA_GFN + 1, BLOCK - 1, 0, true);
		populate_some(e->session, DATA_GFN, 8, 7, false);
	} else {
		populate_some(e->session, DATA_GFN, BLOCK, 0, true);
	}
}

/* Zeros that come with a page stay holes until somebody touches them. */
static void holes_stay(bool wait, bool filled)
{
	struct env e = env_create(wait ? KVM_DP_MODE_WAIT : KVM_DP_MODE_EXIT,
				  guest_reader);
	pthread_t thread;
	int i;

	if (wait) {
		thread = run_start(e.vcpu);
		read_event(e.session);
		bring_with_holes(&e, filled);
		TEST_ASSERT_EQ(run_join(thread), 0);
	} else {
		assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);
		bring_with_holes(&e, filled);
		TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	}
	for (i = 0; ; i++) {
		assert_sync(e.vcpu, 0);
		TEST_ASSERT_EQ(n_backed(e.session, DATA_GFN, DATA_NPAGES), i + 1);
		if (i == 8)
			break;
		TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	}
	env_destroy(&e);
}

void test_holes_stay(void)
{
	holes_stay(true, false);
	holes_stay(true, true);
	holes_stay(false, false);
	holes_stay(false, true);
}
