// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on guest_memfd: what is refused first, then presence, exits,
 * waits, pages that will not come, sessions, freeze and extract, discard, KVM's own
 * accesses, pages that go while they are used, what may not hold up the VM, stats
 * and tracepoints.
 */
#include "gmem_demand_paging_env.h"

static const struct {
	const char *name;
	void (*run)(void);
	const char *(*absent)(void);	/* what it needs; NULL if that is there */
} tests[] = {
	{ "cap_refusals", test_cap_refusals },
	{ "session_refusals", test_session_refusals },
	{ "argument_refusals", test_argument_refusals },
	{ "reserved_refusals", test_reserved_refusals },
	{ "mode_refusals", test_mode_refusals },
	{ "fail_refusals", test_fail_refusals },
	{ "poison_refusals", test_poison_refusals },
	{ "attributes_keep_presence", test_attributes_keep_presence },
	{ "attributes_without_private", test_attributes_without_private },
	{ "no_old_contents", test_no_old_contents },
	{ "mark_bitmap", test_mark_bitmap },
	{ "query_edges", test_query_edges },
	{ "exit_mode", test_exit_mode },
	{ "wait_mode", test_wait_mode },
	{ "fail_closed", test_fail_closed },
	{ "modes", test_modes },
	{ "modes_fail_closed", test_modes_fail_closed },
	{ "fail", test_fail },
	{ "fail_nobody", test_fail_nobody },
	{ "poison", test_poison },
	{ "poison_sticks", test_poison_sticks },
	{ "poison_kvm_access", test_poison_kvm_access },
	{ "several_readers", test_several_readers },
	{ "signal", test_signal },
	{ "other_process", test_other_process },
	{ "freeze_and_extract", test_freeze_and_extract },
	{ "discard_and_evict", test_discard_and_evict },
	{ "evict_after_populate", test_evict_after_populate },
	{ "disable_with_missing", test_disable_with_missing },
	{ "refused_whole", test_refused_whole },
	{ "fault_in_second_slot", test_fault_in_second_slot },
	{ "huge_folio_is_zero", test_huge_folio_is_zero, huge_folios_absent },
	{ "converted_clock", test_converted_clock },
	{ "kvm_access", test_kvm_access },
	{ "own_clock", test_own_clock },
	{ "own_wrmsr", test_own_wrmsr },
	{ "own_async_pf", test_own_async_pf },
	{ "own_eoi", test_own_eoi },
	{ "own_hypercall", test_own_hypercall, clock_pairing_absent },
	{ "own_hyperv", test_own_hyperv },
	{ "own_tsc_page", test_own_tsc_page },
	{ "own_timer", test_own_timer },
	{ "own_string_io", test_own_string_io },
	{ "own_mmio", test_own_mmio },
	{ "own_emulator", test_own_emulator, fep_absent },
	{ "own_crossing", test_own_crossing, fep_absent },
	{ "own_exchange", test_own_exchange, fep_absent },
	{ "own_fetch", test_own_fetch, fep_absent },
	{ "own_tables", test_own_tables },
	{ "own_emulated_write", test_own_emulated_write, fep_absent },
	{ "own_vmrun", test_own_vmrun, nested_svm_absent },
	{ "own_npt", test_own_npt, nested_svm_absent },
	{ "own_npt_in_data", test_own_npt_in_data, nested_svm_absent },
	{ "own_bitmaps", test_own_bitmaps, nested_svm_absent },
	{ "own_assist", test_own_assist, nested_svm_absent },
	{ "own_ioctls", test_own_ioctls },
	{ "own_frozen", test_own_frozen },
	{ "own_xen", test_own_xen, xen_absent },
	{ "own_evicted_sends", test_own_evicted_sends, xen_absent },
	{ "own_frozen_sends", test_own_frozen_sends, xen_absent },
	{ "own_dirty", test_own_dirty },
	{ "own_steal", test_own_steal },
	{ "own_skipped", test_own_skipped },
	{ "own_eoi_gone", test_own_eoi_gone },
	{ "own_rung_once", test_own_rung_once },
	{ "leader_leaves", test_leader_leaves },
	{ "fail_closed_asleep", test_fail_closed_asleep },
	{ "vm_dead", test_vm_dead },
	{ "came_meanwhile", test_came_meanwhile },
	{ "counts_no_more", test_counts_no_more },
	{ "evict_at_once", test_evict_at_once },
	{ "discard_at_once", test_discard_at_once },
	{ "refused_freeze", test_refused_freeze },
	{ "prefault", test_prefault },
	{ "shared_memory", test_shared_memory },
	{ "unreadable_event", test_unreadable_event },
	{ "reply", test_reply },
	{ "slot_gone", test_slot_gone },
	{ "slow_bitmap", test_slow_bitmap, userfaultfd_absent },
	{ "slow_populate", test_slow_populate, userfaultfd_absent },
	{ "slow_extract", test_slow_extract, userfaultfd_absent },
	{ "slow_signal", test_slow_signal, userfaultfd_absent },
	{ "slow_split", test_slow_split, slow_split_absent },
	{ "long_range", test_long_range },
	{ "long_mark", test_long_mark },
	{ "stats", test_stats },
	{ "map_ahead", test_map_ahead },
	{ "holes_stay", test_holes_stay },
	{ "tracepoints", test_tracepoints, tracefs_absent },
	{ "vm_gone", test_vm_gone },
	{ "beside_populate", test_beside_populate },
	{ "stress", test_stress },
};

int main(int argc, char *argv[])
{
	const char *absent;
	int i;

	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SW_PROTECTED_VM));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_DEMAND_PAGING));

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		/* One alone, by its name. */
		if (argc > 1 && strcmp(argv[1], tests[i].name)) {
			ksft_test_result_skip("%s\n", tests[i].name);
			continue;
		}
		absent = tests[i].absent ? tests[i].absent() : NULL;
		if (absent) {
			ksft_test_result_skip("%s: %s\n", tests[i].name, absent);
			continue;
		}
		tests[i].run();
		ksft_test_result_pass("%s\n", tests[i].name);
	}
	ksft_finished();
}
