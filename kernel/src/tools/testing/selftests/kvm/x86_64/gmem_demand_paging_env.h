/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM demand paging on guest_memfd: a VM whose private memory is missing, what is
 * done with it in many cases, and the cases.
 */
#ifndef SELFTEST_KVM_GMEM_DEMAND_PAGING_ENV_H
#define SELFTEST_KVM_GMEM_DEMAND_PAGING_ENV_H

#include <linux/kvm_demand_paging.h>
#include <pthread.h>

#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#define DATA_GPA	0xc0000000ull
#define DATA_GVA	DATA_GPA
#define DATA_SLOT	10
#define DATA_NPAGES	1024
#define DATA_GFN	(DATA_GPA >> 12)
#define HUGE_GPA	(DATA_GPA + 0x10000000ull)
#define HUGE_SLOT	12
#define HUGE_GFN	(HUGE_GPA >> 12)
#define HUGE_NPAGES	512
#define PAGER_RIGHTS	(KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_POPULATE |	\
			 KVM_DP_RIGHT_MARK | KVM_DP_RIGHT_DISCARD |	\
			 KVM_DP_RIGHT_QUERY)
#define ALL_RIGHTS	(PAGER_RIGHTS | KVM_DP_RIGHT_EXTRACT | KVM_DP_RIGHT_FREEZE | \
			 KVM_DP_RIGHT_FAIL)

/* What takes longer than this has been held up. */
#define LIMIT_S		10

struct env {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int control;
	int session;
};

/* An ioctl in a thread of its own. */
struct call {
	int fd;
	unsigned long request;
	void *arg;
	int ret;			/* 0 or -errno */
	pthread_t thread;
};

extern const struct vm_shape shape;

#define EXPECT_ERRNO(expr, error)						\
do {										\
	int __r = (expr), __e = (error);					\
	TEST_ASSERT(__r == -1 && errno == __e,					\
		    "%s: expected %s, got %d (%s)", #expr, strerror(__e),	\
		    __r, strerror(errno));					\
} while (0)

int enable(struct kvm_vm *vm, uint64_t mode);
int session_new(int control, uint32_t rights);
int mark(int fd, uint64_t gfn, uint64_t n, uint32_t flags);
uint64_t n_missing(int fd);
int transfer(int fd, unsigned long op, struct kvm_dp_vec *vec);
struct kvm_dp_vec populate(int fd, uint64_t gfn, uint8_t byte);
struct kvm_dp_event read_event(int fd);
bool has_event(int fd);

struct env env_create(uint64_t mode, void *guest_code);
void env_destroy(struct env *e);

/* A slot of one block at HUGE_GPA, all present, whose file has 2M folios; its fd. */
int add_huge_slot(struct env *e);
const char *huge_folios_absent(void);
uint8_t extract_byte(struct env *e, uint64_t gfn);

void *run_thread(void *arg);
pthread_t run_start(struct kvm_vcpu *vcpu);
int run_join(pthread_t thread);
void assert_missing_exit(struct kvm_vcpu *vcpu, int r, uint64_t gfn);
void assert_failed_exit(struct kvm_vcpu *vcpu, int r, int error, uint64_t gfn);
void assert_clock_written(struct env *e, uint64_t gfn);
void assert_sync(struct kvm_vcpu *vcpu, uint64_t value);

uint64_t stat_get(int fd, const char *name);
bool join_in_time(pthread_t thread);
void call_start(struct call *call);
void wait_asleep(pid_t *tid);
void on_signal(int sig);

void guest_reader(void);
void guest_reread(void);

/* gmem_demand_paging_args.c */
void test_cap_refusals(void);
void test_session_refusals(void);
void test_argument_refusals(void);
void test_reserved_refusals(void);
void test_disable_with_missing(void);
void test_refused_whole(void);

/* gmem_demand_paging_faults.c */
void test_exit_mode(void);
void test_wait_mode(void);
void test_fail_closed(void);
void test_several_readers(void);
void test_signal(void);
void test_other_process(void);
void test_kvm_access(void);
void test_refused_freeze(void);
void test_prefault(void);
void test_shared_memory(void);
void test_unreadable_event(void);
void test_reply(void);
void test_slot_gone(void);
void test_vm_gone(void);

/* gmem_demand_paging_own_pv.c */
const char *clock_pairing_absent(void);
void test_own_clock(void);
void test_own_wrmsr(void);
void test_own_async_pf(void);
void test_own_eoi(void);
void test_own_hypercall(void);
void test_own_hyperv(void);
void test_own_tsc_page(void);
void test_own_timer(void);

/* gmem_demand_paging_own_emul.c */
const char *fep_absent(void);
void test_own_string_io(void);
void test_own_mmio(void);
void test_own_emulator(void);
void test_own_crossing(void);
void test_own_exchange(void);
void test_own_fetch(void);
void test_own_tables(void);
void test_own_emulated_write(void);

/* gmem_demand_paging_own_nested.c */
const char *nested_svm_absent(void);
void test_own_vmrun(void);
void test_own_npt(void);
void test_own_npt_in_data(void);
void test_own_bitmaps(void);
void test_own_assist(void);

/* gmem_demand_paging_own_host.c */
const char *xen_absent(void);
void test_own_ioctls(void);
void test_own_frozen(void);
void test_own_xen(void);
void test_own_evicted_sends(void);
void test_own_frozen_sends(void);
void test_own_dirty(void);

/* gmem_demand_paging_races.c */
void test_leader_leaves(void);
void test_fail_closed_asleep(void);
void test_vm_dead(void);
void test_came_meanwhile(void);
void test_counts_no_more(void);
void test_evict_at_once(void);
void test_discard_at_once(void);
void test_own_steal(void);
void test_own_skipped(void);
void test_own_eoi_gone(void);
void test_own_rung_once(void);

/* gmem_demand_paging_data.c */
void test_attributes_keep_presence(void);
void test_attributes_without_private(void);
void test_no_old_contents(void);
void test_mark_bitmap(void);
void test_query_edges(void);
void test_freeze_and_extract(void);
void test_discard_and_evict(void);
void test_fault_in_second_slot(void);
void test_huge_folio_is_zero(void);
void test_converted_clock(void);

/* gmem_demand_paging_fail.c */
void test_fail_refusals(void);
void test_fail(void);
void test_fail_nobody(void);

/* gmem_demand_paging_modes.c */
void test_mode_refusals(void);
void test_modes(void);
void test_modes_fail_closed(void);

/* gmem_demand_paging_poison.c */
void test_poison_refusals(void);
void test_poison(void);
void test_poison_sticks(void);
void test_poison_kvm_access(void);

/* gmem_demand_paging_slow.c */
const char *userfaultfd_absent(void);
void test_slow_bitmap(void);
void test_slow_populate(void);
void test_slow_extract(void);
void test_slow_signal(void);
const char *slow_split_absent(void);
void test_slow_split(void);
void test_long_range(void);
void test_long_mark(void);

/* gmem_demand_paging_stats.c */
void test_stats(void);
void test_map_ahead(void);
void test_holes_stay(void);

/* gmem_demand_paging_trace.c */
const char *tracefs_absent(void);
void test_tracepoints(void);

/* gmem_demand_paging_stress.c */
void test_evict_after_populate(void);
void test_beside_populate(void);
void test_stress(void);

#endif /* SELFTEST_KVM_GMEM_DEMAND_PAGING_ENV_H */
