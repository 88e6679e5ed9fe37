// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: what the cases of KVM's own accesses share. */
#include <poll.h>
#include <sched.h>
#include <time.h>

#include "gmem_demand_paging_own.h"

#define MAX_WANTS	8

uint8_t own_byte(int page, int offset)
{
	return page * 89 + offset * 7 + (offset >> 8) + 1;
}

struct own *own_create(bool wait, bool private, void *guest_code)
{
	struct own *o = calloc(1, sizeof(*o));
	int i, j;

	TEST_ASSERT(o, "no memory");
	o->wait = wait;
	o->private = private;
	o->e = env_create(wait ? KVM_DP_MODE_WAIT : KVM_DP_MODE_EXIT, guest_code);
	if (!private)
		vm_mem_set_shared(o->e.vm, DATA_GPA, DATA_NPAGES * 4096);
	for (i = 0; i < OWN_NPAGES; i++) {
		for (j = 0; j < 4096; j++)
			o->contents[i][j] = own_byte(i, j);
	}
	return o;
}

void own_destroy(struct own *o)
{
	env_destroy(&o->e);
	free(o);
}

void own_each(void (*test)(struct own *o), void *guest_code)
{
	struct own *o;
	int i;

	for (i = 0; i < 4; i++) {
		o = own_create(i & 1, i & 2, guest_code);
		test(o);
		own_destroy(o);
	}
}

void own_put(struct own *o, int page, int offset, const void *data, int len)
{
	memcpy(&o->contents[page][offset], data, len);
}

static bool is_data(uint64_t gfn)
{
	return gfn >= DATA_GFN && gfn < DATA_GFN + DATA_NPAGES;
}

void own_bring(struct own *o, uint64_t gfn)
{
	static const uint8_t zeros[4096];
	const void *page = zeros;
	struct kvm_dp_vec vec = { .gfn = gfn, .n_pages = 1 };

	if (gfn >= DATA_GFN && gfn < DATA_GFN + OWN_NPAGES)
		page = o->contents[gfn - DATA_GFN];
	if (is_data(gfn) && o->private) {
		vec.addr = (uintptr_t)page;
		TEST_ASSERT_EQ(transfer(o->e.session, KVM_DP_POPULATE, &vec), 0);
		TEST_ASSERT_EQ(vec.n_skipped, 0);
		return;
	}
	/* What is not data is in its place, and only marked missing. */
	if (is_data(gfn))
		memcpy(addr_gpa2hva(o->e.vm, gfn << 12), page, 4096);
	TEST_ASSERT_EQ(mark(o->e.session, gfn, 1, KVM_DP_MARK_PRESENT), 0);
}

/* The page goes again; it comes back as it was at first. */
void own_evict(struct own *o, uint64_t gfn)
{
	struct kvm_dp_discard d = {
		.gfn = gfn, .n_pages = 1, .flags = KVM_DP_DISCARD_EVICT,
	};

	if (is_data(gfn) && o->private)
		TEST_ASSERT_EQ(ioctl(o->e.session, KVM_DP_DISCARD, &d), 0);
	else
		TEST_ASSERT_EQ(mark(o->e.session, gfn, 1, KVM_DP_MARK_MISSING), 0);
}

/* One of those wants that are left; the others move up. */
static struct own_want take_want(struct own_want *wants, int *n, uint64_t gfn)
{
	struct own_want want;
	int i;

	for (i = 0; i < *n && wants[i].gfn != gfn; i++)
		;
	TEST_ASSERT(i < *n, "GFN %#lx is asked for, and %d others are not", gfn, *n);
	want = wants[i];
	wants[i] = wants[--*n];
	return want;
}

static uint32_t flags_of(struct own *o, struct own_want *want)
{
	return want->flags | (is_data(want->gfn) && o->private ? KVM_DP_EVENT_PRIVATE : 0);
}

static uint64_t wait_for_want(struct own *o, struct own_want *wants, int *n)
{
	struct pollfd pfd = { .fd = o->e.session, .events = POLLIN };
	struct kvm_dp_event event;
	struct own_want want;

	TEST_ASSERT(poll(&pfd, 1, LIMIT_S * 1000) == 1, "nobody asks for GFN %#lx",
		    wants[0].gfn);
	event = read_event(o->e.session);
	want = take_want(wants, n, event.gfn);
	TEST_ASSERT_EQ(event.flags, flags_of(o, &want));
	TEST_ASSERT_EQ(event.vcpu_id, 0);
	return event.gfn;
}

/* KVM_RUN returns 0 or -errno, and does so in time. */
static int run_in_time(struct own *o)
{
	pthread_t thread = run_start(o->e.vcpu);
	struct timespec limit;
	void *ret;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += LIMIT_S;
	TEST_ASSERT(!pthread_timedjoin_np(thread, &ret, &limit), "KVM_RUN does not return");
	return (intptr_t)ret;
}

static uint64_t exit_for_want(struct own *o, struct own_want *wants, int *n)
{
	struct kvm_run *run = o->e.vcpu->run;
	struct own_want want;

	TEST_ASSERT_EQ(run_in_time(o), -EFAULT);
	TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_MEMORY_FAULT);
	want = take_want(wants, n, run->memory_fault.gpa >> 12);
	TEST_ASSERT_EQ(run->memory_fault.flags, KVM_MEMORY_EXIT_FLAG_MISSING |
		       (flags_of(o, &want) & KVM_DP_EVENT_PRIVATE ?
			KVM_MEMORY_EXIT_FLAG_PRIVATE : 0));
	TEST_ASSERT_EQ(run->memory_fault.size, 4096);
	return want.gfn;
}

void own_run(struct own *o, const struct own_want *wants, int n)
{
	struct pollfd pfd = { .fd = o->e.session, .events = POLLIN };
	struct own_want left[MAX_WANTS];
	pthread_t thread = 0;

	TEST_ASSERT(n <= MAX_WANTS, "%d wants", n);
	if (n)
		memcpy(left, wants, n * sizeof(*wants));
	if (o->wait)
		thread = run_start(o->e.vcpu);
	while (n)
		own_bring(o, o->wait ? wait_for_want(o, left, &n) :
				       exit_for_want(o, left, &n));
	if (!o->wait) {
		TEST_ASSERT_EQ(run_in_time(o), 0);
		return;
	}
	TEST_ASSERT(join_in_time(thread), "KVM_RUN waits for more than that");
	TEST_ASSERT_EQ(poll(&pfd, 1, 0), 0);
}

void own_run_kvm(struct own *o, int i)
{
	struct own_want want = { OWN_GFN(i), KVM_DP_EVENT_KVM };

	own_run(o, &want, 1);
}

void own_sync(struct own *o, const struct own_want *wants, int n, uint64_t value)
{
	struct ucall uc;

	own_run(o, wants, n);
	if (get_ucall(o->e.vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	assert_sync(o->e.vcpu, value);
}

/* The GFN of the table whose entry of @level maps @gva; 1 is that of 4K pages. */
uint64_t own_table_gfn(struct kvm_vm *vm, uint64_t gva, int level)
{
	uint64_t gfn = vm->pgd >> 12, *table;
	int l;

	for (l = 4; l > level; l--) {
		table = addr_gpa2hva(vm, gfn << 12);
		gfn = (table[(gva >> (3 + 9 * l)) & 511] & PHYSICAL_PAGE_MASK) >> 12;
	}
	return gfn;
}

static cpu_set_t all_cpus;

void own_pin(void)
{
	TEST_ASSERT_EQ(sched_getaffinity(0, sizeof(all_cpus), &all_cpus), 0);
	kvm_pin_this_task_to_pcpu(sched_getcpu());
}

void own_unpin(void)
{
	TEST_ASSERT_EQ(sched_setaffinity(0, sizeof(all_cpus), &all_cpus), 0);
}
