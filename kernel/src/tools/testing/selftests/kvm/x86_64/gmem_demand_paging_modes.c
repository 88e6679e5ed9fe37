// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: vCPUs of one VM that exit, wait, or do both. */
#include "gmem_demand_paging_env.h"

#define MIXED		(KVM_DP_MODE_EXIT | KVM_DP_MODE_KVM_WAIT)
#define CLOCK_GFN	(DATA_GFN + 0x100)

static int set_mode(struct kvm_vcpu *vcpu, uint64_t mode)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DEMAND_PAGING, .args = { mode },
	};

	return __vcpu_ioctl(vcpu, KVM_ENABLE_CAP, &cap);
}

void test_mode_refusals(void)
{
	const uint64_t bad[] = {
		0, KVM_DP_MODE_KVM_WAIT, KVM_DP_MODE_EXIT | KVM_DP_MODE_WAIT,
		KVM_DP_MODE_WAIT | KVM_DP_MODE_KVM_WAIT, KVM_DP_MODE_WAIT | 1ull << 40,
		KVM_DP_ENABLE | KVM_DP_MODE_WAIT, KVM_DP_DISABLE,
		KVM_DP_MODE_WAIT | KVM_DP_ALLOW_EXTRACT,
	};
	struct kvm_enable_cap cap;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int i;

	vm = __vm_create(shape, 1, 0);
	TEST_ASSERT(vm_check_cap(vm, KVM_CAP_DEMAND_PAGING) & KVM_DP_CAP_VCPU_MODE,
		    "no KVM_DP_CAP_VCPU_MODE");
	vcpu = vm_vcpu_add(vm, 0, guest_reader);
	EXPECT_ERRNO(set_mode(vcpu, KVM_DP_MODE_WAIT), EINVAL);
	kvm_vm_free(vm);

	vm = __vm_create(shape, 1, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (bad[i] && !(bad[i] & (KVM_DP_ENABLE | KVM_DP_DISABLE |
					  KVM_DP_ALLOW_EXTRACT)))
			EXPECT_ERRNO(enable(vm, KVM_DP_ENABLE | bad[i]), EINVAL);
	}
	TEST_ASSERT_EQ(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_EXIT), 0);
	vcpu = vm_vcpu_add(vm, 0, guest_reader);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERRNO(set_mode(vcpu, bad[i]), EINVAL);
	for (i = 0; i < 4; i++) {
		cap = (struct kvm_enable_cap) {
			.cap = KVM_CAP_DEMAND_PAGING, .args = { KVM_DP_MODE_WAIT },
		};
		if (i)
			cap.args[i] = 1;
		else
			cap.flags = 1;
		EXPECT_ERRNO(__vcpu_ioctl(vcpu, KVM_ENABLE_CAP, &cap), EINVAL);
	}
	TEST_ASSERT_EQ(set_mode(vcpu, KVM_DP_MODE_WAIT), 0);
	TEST_ASSERT_EQ(enable(vm, KVM_DP_DISABLE), 0);
	EXPECT_ERRNO(set_mode(vcpu, KVM_DP_MODE_WAIT), ENODEV);
	kvm_vm_free(vm);
}

static void assert_exits(struct env *e, struct kvm_vcpu *vcpu, uint64_t gfn)
{
	assert_missing_exit(vcpu, (intptr_t)run_thread(vcpu), gfn);
	TEST_ASSERT(!has_event(e->session), "an event beside an exit");
}

/* It asks for @gfn, gets it, and runs until it says so. */
static void assert_waits(struct env *e, struct kvm_vcpu *vcpu, uint64_t gfn,
			 uint32_t flags, uint8_t byte)
{
	pthread_t thread = run_start(vcpu);
	struct kvm_dp_event event = read_event(e->session);

	TEST_ASSERT_EQ(event.gfn, gfn);
	TEST_ASSERT_EQ(event.flags, flags | KVM_DP_EVENT_PRIVATE);
	populate(e->session, gfn, byte);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(vcpu, byte);
}

/* One vCPU from mode to mode, in a VM of either. */
static void one_after_another(uint64_t mode)
{
	struct env e = env_create(mode, guest_reader);

	TEST_ASSERT_EQ(set_mode(e.vcpu, KVM_DP_MODE_WAIT), 0);
	assert_waits(&e, e.vcpu, DATA_GFN, 0, 1);
	TEST_ASSERT_EQ(set_mode(e.vcpu, KVM_DP_MODE_EXIT), 0);
	assert_exits(&e, e.vcpu, DATA_GFN + 1);
	TEST_ASSERT_EQ(set_mode(e.vcpu, MIXED), 0);
	assert_exits(&e, e.vcpu, DATA_GFN + 1);
	TEST_ASSERT_EQ(set_mode(e.vcpu, KVM_DP_MODE_WAIT), 0);
	assert_waits(&e, e.vcpu, DATA_GFN + 1, 0, 2);
	env_destroy(&e);
}

/* Two vCPUs want one page, each in its own way. */
static void both_at_once(uint64_t mode)
{
	struct env e = env_create(mode, guest_reader);
	struct kvm_vcpu *other = vm_vcpu_add(e.vm, 1, guest_reader);
	struct kvm_vcpu *waits = mode == KVM_DP_MODE_WAIT ? other : e.vcpu;
	struct kvm_vcpu *exits = mode == KVM_DP_MODE_WAIT ? e.vcpu : other;
	pthread_t thread;

	TEST_ASSERT_EQ(set_mode(e.vcpu, mode == KVM_DP_MODE_WAIT ? KVM_DP_MODE_EXIT :
								    KVM_DP_MODE_WAIT), 0);
	thread = run_start(waits);
	TEST_ASSERT_EQ(read_event(e.session).vcpu_id, waits->id);
	assert_exits(&e, exits, DATA_GFN);
	populate(e.session, DATA_GFN, 6);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(waits, 6);
	TEST_ASSERT_EQ((intptr_t)run_thread(exits), 0);
	assert_sync(exits, 6);
	env_destroy(&e);
}

/* Of the guest's access, and of KVM's own, who waits? */
static void of_guest_and_kvm(uint64_t vm_mode, uint64_t mode)
{
	struct env e = env_create(vm_mode, guest_reader);
	pthread_t thread;

	if (mode != vm_mode)
		TEST_ASSERT_EQ(set_mode(e.vcpu, mode), 0);
	vcpu_set_msr(e.vcpu, MSR_KVM_SYSTEM_TIME_NEW, (CLOCK_GFN << 12) | 1);
	if (mode == KVM_DP_MODE_EXIT) {
		assert_exits(&e, e.vcpu, CLOCK_GFN);
		populate(e.session, CLOCK_GFN, 0);
		assert_exits(&e, e.vcpu, DATA_GFN);
	} else {
		thread = run_start(e.vcpu);
		TEST_ASSERT_EQ(read_event(e.session).gfn, CLOCK_GFN);
		populate(e.session, CLOCK_GFN, 0);
		if (mode == MIXED) {
			assert_missing_exit(e.vcpu, run_join(thread), DATA_GFN);
			TEST_ASSERT(!has_event(e.session), "an event beside an exit");
		} else {
			TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN);
		}
	}
	populate(e.session, DATA_GFN, 8);
	TEST_ASSERT_EQ(mode == KVM_DP_MODE_WAIT ? run_join(thread) :
			(int)(intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 8);
	assert_clock_written(&e, CLOCK_GFN);
	env_destroy(&e);
}

void test_modes(void)
{
	const uint64_t modes[] = { KVM_DP_MODE_EXIT, KVM_DP_MODE_WAIT, MIXED };
	int i, j;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		one_after_another(modes[i]);
		both_at_once(modes[i]);
		for (j = 0; j < ARRAY_SIZE(modes); j++)
			of_guest_and_kvm(modes[i], modes[j]);
	}
}

/* Who would wait, exits without a session, and when the last one goes. */
static void closed(uint64_t vm_mode, uint64_t mode)
{
	struct env e = env_create(vm_mode, guest_reader);
	uint64_t gfn = mode == MIXED ? CLOCK_GFN : DATA_GFN;
	pthread_t thread;

	TEST_ASSERT_EQ(set_mode(e.vcpu, mode), 0);
	if (mode == MIXED)
		vcpu_set_msr(e.vcpu, MSR_KVM_SYSTEM_TIME_NEW, (gfn << 12) | 1);
	close(e.session);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), gfn);

	e.session = session_new(e.control, ALL_RIGHTS);
	thread = run_start(e.vcpu);
	TEST_ASSERT_EQ(read_event(e.session).gfn, gfn);
	close(e.session);
	assert_missing_exit(e.vcpu, run_join(thread), gfn);
	e.session = -1;
	env_destroy(&e);
}

void test_modes_fail_closed(void)
{
	closed(KVM_DP_MODE_EXIT, KVM_DP_MODE_WAIT);
	closed(KVM_DP_MODE_WAIT, KVM_DP_MODE_WAIT);
	closed(KVM_DP_MODE_EXIT, MIXED);
	closed(KVM_DP_MODE_WAIT, MIXED);
}
