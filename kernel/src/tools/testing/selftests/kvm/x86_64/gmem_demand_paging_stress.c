// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: much of it at the same time. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "gmem_demand_paging_env.h"

#define AGAIN_VCPUS	3

static bool again_stop;

static void *again_vcpu(void *arg)
{
	while (!READ_ONCE(again_stop))
		__vcpu_run(arg);
	return NULL;
}

/*
 * A page goes again before those that it woke have run: who touches it only then
 * is somebody new, of whom the pager must hear.
 */
void test_evict_after_populate(void)
{
	struct kvm_dp_discard d = {
		.gfn = DATA_GFN, .n_pages = 1, .flags = KVM_DP_DISCARD_EVICT,
	};
	struct sigaction sa = { .sa_handler = on_signal };
	struct kvm_vcpu *vcpus[AGAIN_VCPUS];
	pthread_t threads[AGAIN_VCPUS];
	struct pollfd pfd = { .events = POLLIN };
	struct kvm_vm *vm = __vm_create(shape, AGAIN_VCPUS, 0);
	int control, i;

	TEST_ASSERT_EQ(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), 0);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, DATA_GPA, DATA_SLOT, 1,
				    KVM_MEM_GUEST_MEMFD);
	virt_map(vm, DATA_GVA, DATA_GPA, 1);
	vm_mem_set_private(vm, DATA_GPA, 4096);
	control = __vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	pfd.fd = session_new(control, PAGER_RIGHTS);
	TEST_ASSERT(pfd.fd >= 0, "session: %s", strerror(errno));
	TEST_ASSERT_EQ(mark(pfd.fd, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);

	sigaction(SIGUSR1, &sa, NULL);
	WRITE_ONCE(again_stop, false);
	for (i = 0; i < AGAIN_VCPUS; i++) {
		vcpus[i] = vm_vcpu_add(vm, i, guest_reread);
		pthread_create(&threads[i], NULL, again_vcpu, vcpus[i]);
	}
	for (i = 0; i < 3000; i++) {
		TEST_ASSERT(poll(&pfd, 1, 30000) == 1, "no event in round %d", i);
		read_event(pfd.fd);
		populate(pfd.fd, DATA_GFN, 1);
		TEST_ASSERT_EQ(ioctl(pfd.fd, KVM_DP_DISCARD, &d), 0);
	}

	WRITE_ONCE(again_stop, true);
	close(pfd.fd);
	for (i = 0; i < AGAIN_VCPUS; i++) {
		while (pthread_tryjoin_np(threads[i], NULL)) {
			pthread_kill(threads[i], SIGUSR1);
			usleep(1000);
		}
	}
	close(control);
	kvm_vm_free(vm);
}

#define N_BESIDE	100
#define OLD_BYTE	0x0e
#define NEW_BYTE	0x2e

static bool is_missing(struct env *e, uint64_t gfn)
{
	struct kvm_dp_query q = {
		.gfn = gfn, .n_pages = 1, .flags = KVM_DP_QUERY_MISSING,
	};

	TEST_ASSERT_EQ(ioctl(e->session, KVM_DP_QUERY, &q), 0);
	return q.n_set;
}

/*
 * While two pages are populated, of which the second one is there, that one is marked
 * missing: it stays so, or it comes from the populate.
 */
static void mark_beside_populate(struct env *e, struct call *call, int i)
{
	mark(e->session, DATA_GFN, 2, KVM_DP_MARK_MISSING);
	populate(e->session, DATA_GFN + 1, OLD_BYTE);
	call_start(call);
	usleep(i * 37 % 2000);
	TEST_ASSERT_EQ(mark(e->session, DATA_GFN + 1, 1, KVM_DP_MARK_MISSING), 0);
	pthread_join(call->thread, NULL);
	TEST_ASSERT_EQ(call->ret, 0);
	if (is_missing(e, DATA_GFN + 1))
		return;

	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_FREEZE, 0), 0);
	TEST_ASSERT_EQ(extract_byte(e, DATA_GFN + 1), NEW_BYTE);
	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_THAW, 0), 0);
}

/* A freeze ends what populates; then nothing comes. */
static void freeze_beside_populate(struct env *e, struct call *call, int i)
{
	uint64_t before;

	mark(e->session, DATA_GFN, 2, KVM_DP_MARK_MISSING);
	call_start(call);
	usleep(i * 37 % 2000);
	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_FREEZE, 0), 0);
	before = n_missing(e->session);
	usleep(2000);
	TEST_ASSERT_EQ(n_missing(e->session), before);
	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_THAW, 0), 0);
	pthread_join(call->thread, NULL);
	TEST_ASSERT(!call->ret || call->ret == -EBUSY, "populate: %d", call->ret);
}

static void beside_populate(void (*test)(struct env *e, struct call *call, int i))
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	static uint8_t pages[2 * 4096] __aligned(4096);
	struct kvm_dp_vec vec;
	struct kvm_dp_transfer args = { .vecs = (uintptr_t)&vec, .n_vecs = 1 };
	struct call call = {
		.fd = e.session, .request = KVM_DP_POPULATE, .arg = &args,
	};
	int i;

	memset(pages, NEW_BYTE, sizeof(pages));
	for (i = 0; i < N_BESIDE; i++) {
		vec = (struct kvm_dp_vec) {
			.gfn = DATA_GFN, .n_pages = 2, .addr = (uintptr_t)pages,
		};
		test(&e, &call, i);
	}
	env_destroy(&e);
}

void test_beside_populate(void)
{
	beside_populate(mark_beside_populate);
	beside_populate(freeze_beside_populate);
}

#define STRESS_VCPUS	2
#define STRESS_PAGES	256
#define STRESS_EVICTS	3000

static uint64_t stress_word(uint64_t gfn)
{
	return gfn * 0x9e3779b97f4a7c15ull;
}

/* Any page, any time, holds what its GFN says; never zeros, never another's. */
static void guest_stress(uint32_t seed)
{
	volatile uint64_t *word;
	uint64_t gfn;

	for (;;) {
		seed = seed * 1664525 + 1013904223;
		gfn = DATA_GFN + (seed >> 8) % STRESS_PAGES;
		word = (void *)(gfn << 12);
		GUEST_ASSERT_EQ(word[seed % 512], stress_word(gfn));
	}
}

static bool stress_stop;

static void *stress_vcpu(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct ucall uc;
	int r;

	while (!READ_ONCE(stress_stop)) {
		r = __vcpu_run(vcpu);
		if (r) {
			TEST_ASSERT(errno == EINTR, "KVM_RUN: %s", strerror(errno));
			continue;
		}
		if (get_ucall(vcpu, &uc) == UCALL_ABORT)
			REPORT_GUEST_ASSERT(uc);
		TEST_FAIL("unexpected exit %d", vcpu->run->exit_reason);
	}
	return NULL;
}

/* A pager that dies now and then, with events read and not answered. */
static void stress_pager(int control, int keep)
{
	static uint64_t page[512] __aligned(4096);
	struct kvm_dp_event event;
	struct kvm_dp_vec vec;
	int fd = session_new(control, PAGER_RIGHTS);
	int i, n = 0;

	close(keep);
	TEST_ASSERT(fd >= 0, "session: %s", strerror(errno));
	for (;;) {
		if (read(fd, &event, sizeof(event)) != sizeof(event))
			break;
		if (!(++n % 50)) {
			int next = session_new(control, PAGER_RIGHTS);

			if (next < 0)
				break;
			close(fd);
			fd = next;
			continue;
		}
		for (i = 0; i < 512; i++)
			page[i] = stress_word(event.gfn);
		vec = (struct kvm_dp_vec) {
			.gfn = event.gfn, .n_pages = 1, .addr = (uintptr_t)page,
		};
		if (transfer(fd, KVM_DP_POPULATE, &vec))
			_exit(100 + vec.result);
	}
	_exit(1);
}

/* vCPUs read, pagers come and go, pages are taken away, slots change, signals. */
void test_stress(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct kvm_dp_vec zero = {
		.gfn = DATA_GFN + STRESS_PAGES,
		.n_pages = DATA_NPAGES - STRESS_PAGES, .flags = KVM_DP_VEC_ZERO,
	};
	struct kvm_vcpu *vcpus[STRESS_VCPUS];
	pthread_t threads[STRESS_VCPUS];
	struct kvm_dp_discard evict;
	int i, status, keep;
	pid_t pids[2];
	struct env e;

	e.vm = __vm_create(shape, STRESS_VCPUS, 0);
	TEST_ASSERT_EQ(enable(e.vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), 0);
	vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS, DATA_GPA, DATA_SLOT,
				    DATA_NPAGES, KVM_MEM_GUEST_MEMFD);
	for (i = 0; i < STRESS_VCPUS; i++) {
		vcpus[i] = vm_vcpu_add(e.vm, i, guest_stress);
		vcpu_args_set(vcpus[i], 1, i * 7919 + 1);
	}
	virt_map(e.vm, DATA_GVA, DATA_GPA, DATA_NPAGES);
	vm_mem_set_private(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	e.control = __vm_ioctl(e.vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	e.session = session_new(e.control, PAGER_RIGHTS & ~KVM_DP_RIGHT_EVENTS);
	keep = session_new(e.control, KVM_DP_RIGHT_EVENTS);
	TEST_ASSERT(e.session >= 0 && keep >= 0, "sessions");
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, DATA_NPAGES, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(transfer(e.session, KVM_DP_POPULATE, &zero), 0);

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		TEST_ASSERT(pids[i] >= 0, "fork");
		if (!pids[i])
			stress_pager(e.control, keep);
	}

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < STRESS_VCPUS; i++)
		pthread_create(&threads[i], NULL, stress_vcpu, vcpus[i]);

	srandom(1);
	for (i = 0; i < STRESS_EVICTS; i++) {
		evict = (struct kvm_dp_discard) {
			.gfn = DATA_GFN + random() % STRESS_PAGES,
			.n_pages = 1, .flags = KVM_DP_DISCARD_EVICT,
		};
		TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_DISCARD, &evict), 0);
		if (!(i % 64))
			pthread_kill(threads[i / 64 % STRESS_VCPUS], SIGUSR1);
		if (!(i % 512)) {
			vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS,
						    0xd0000000ull, 11, 1, 0);
			vm_mem_region_delete(e.vm, 11);
		}
	}

	WRITE_ONCE(stress_stop, true);
	for (i = 0; i < STRESS_VCPUS; i++) {
		void *ret;

		while (pthread_tryjoin_np(threads[i], &ret)) {
			pthread_kill(threads[i], SIGUSR1);
			usleep(1000);
		}
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		TEST_ASSERT_EQ(kill(pids[i], SIGTERM), 0);
		TEST_ASSERT_EQ(waitpid(pids[i], &status, 0), pids[i]);
		TEST_ASSERT(WIFSIGNALED(status), "a pager ended by itself: %d",
			    WEXITSTATUS(status));
	}
	close(keep);
	env_destroy(&e);
}
