// SPDX-License-Identifier: MIT
/* Whole moves that end well, or end before they took effect. */
#include <errno.h>
#include <time.h>

#include "bent.h"
#include "check.h"
#include "duo.h"
#include "messages.h"
#include "secmem.h"

#define N_PRIVATE 1024u
#define N_SHARED 64u

struct toucher {
	struct fake_vm *vm;
	uint64_t first, step, n;
	int result;
};

static void *touch_thread(void *arg)
{
	struct toucher *toucher = arg;
	uint64_t i;

	for (i = 0; i < toucher->n && toucher->result == 0; i++)
		toucher->result = fake_vm_touch(toucher->vm, toucher->first + i * toucher->step);
	return NULL;
}

static void add_state(struct duo *duo, uint32_t index, uint32_t n_states, const char *name, size_t len)
{
	struct states_part part = { .index = index, .n_states = n_states, .total_len = (uint32_t)len };
	uint8_t *data = malloc(len + 1);

	memset(data, (int)(index + 1), len);
	strcpy(part.name, name);
	CU_ASSERT_EQUAL(states_add(&duo->states, &part, data, len), 0);
	free(data);
}

static void test_everything_arrives(void)
{
	struct gmem_progress progress, source_progress_;
	struct toucher touchers[2];
	pthread_t threads[2];
	struct duo duo;
	int i;

	duo_init(&duo, N_PRIVATE, N_SHARED);
	add_state(&duo, 0, 2, "vcpu0.regs", 700000);
	add_state(&duo, 1, 2, "clock", 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "OFFERED"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "OFFERED"));
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "IN_DOUBT"));
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	CU_ASSERT_EQUAL(duo.pager->states.n_states, 2);
	CU_ASSERT_EQUAL(duo.pager->states.states[0].data_len, 700000);
	CU_ASSERT_EQUAL(((const uint8_t *)duo.pager->states.states[0].data)[699999], 1);
	CU_ASSERT_STRING_EQUAL(duo.pager->states.states[1].name, "clock");
	/* While state is restored, KVM itself may want pages: demand works, bulk has not begun. */
	CU_ASSERT_EQUAL(fake_vm_touch(&duo.pager_vm, 500), 0);
	CU_ASSERT_TRUE(fake_vm_count_missing(&duo.pager_vm) >= N_PRIVATE + N_SHARED - 16);
	CU_ASSERT_EQUAL_FATAL(pager_run(duo.pager), 0);
	for (i = 0; i < 2; i++) {
		touchers[i] = (struct toucher){ &duo.pager_vm, N_PRIVATE + N_SHARED - 1u - (unsigned int)i, (uint64_t)-13, 80, 0 };
		pthread_create(&threads[i], NULL, touch_thread, &touchers[i]);
	}
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(touchers[i].result, 0);
	}
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "RELEASED"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "COMPLETE"));
	CU_ASSERT_EQUAL(duo_first_difference(&duo), -1);
	CU_ASSERT_EQUAL(fake_vm_count_missing(&duo.pager_vm), 0);
	CU_ASSERT_EQUAL(duo.pager_vm.n_rewritten, 0);
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	source_stop(duo.source);
	pager_stop(duo.pager);
	pager_progress(duo.pager, &progress);
	source_progress(duo.source, &source_progress_);
	CU_ASSERT_EQUAL(progress.pages_total, N_PRIVATE + N_SHARED);
	CU_ASSERT_EQUAL(progress.pages_present, N_PRIVATE + N_SHARED);
	CU_ASSERT_EQUAL(progress.pages_demand + progress.pages_background, N_PRIVATE + N_SHARED);
	CU_ASSERT_TRUE(progress.pages_demand > 0);
	CU_ASSERT_TRUE(progress.pages_background > 0);
	CU_ASSERT_EQUAL(progress.pages_shared, fake_vm_by_uffd() ? N_PRIVATE + N_SHARED : N_SHARED);
	CU_ASSERT_TRUE(progress.pages_zero > N_PRIVATE / 6);
	CU_ASSERT_TRUE(progress.fault_latency_us[0] > 0);
	CU_ASSERT_TRUE(progress.fault_latency_us[3] >= progress.fault_latency_us[2]);
	CU_ASSERT_TRUE(progress.bytes_wire > N_PRIVATE * FAKE_PAGE / 2);
	CU_ASSERT_EQUAL(progress.bytes_wire, source_progress_.bytes_wire);
	CU_ASSERT_TRUE(progress.total_us > 0);
	CU_ASSERT_TRUE(source_progress_.start_to_started_us > 0);
	CU_ASSERT_STRING_EQUAL(progress.transport, "nng");
	CU_ASSERT_TRUE(progress.cipher[0] != '\0');
	duo_fini(&duo);
}

/* 250 ms for each bulk record: 12 MiB would take seconds, a wanted page must not. */
static void test_demand_overtakes_bulk(void)
{
	struct gmem_progress progress;
	struct duo duo;
	int i;

	duo_init(&duo, 3072, 0);
	duo.source_config.transport = &bent_transport;
	duo.pager_config.transport = &bent_transport;
	bent_set(0, 0, 0, BENT_NONE);
	atomic_store(&duo.pager_vm.populate_delay_us, 100000);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	for (i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(fake_vm_touch(&duo.pager_vm, 3071 - (unsigned int)i * 20), 0);
	pager_progress(duo.pager, &progress);
	CU_ASSERT_TRUE(progress.pages_present < 3072);
	CU_ASSERT_TRUE(progress.fault_latency_us[1] < 600000u * PATIENCE);
	atomic_store(&duo.pager_vm.populate_delay_us, 0);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&duo), -1);
	/* Credit: what is sent between two CREDITs is bounded by the window, with its padding. */
	CU_ASSERT_TRUE(bent_bulk_in_flight() > 0);
	CU_ASSERT_TRUE(bent_bulk_in_flight() < 2 * duo.pager_config.credit_bytes);
	duo_fini(&duo);
}

static void test_small_credit_is_enough(void)
{
	struct duo duo;

	duo_init(&duo, 2048, 0);
	duo.pager_config.credit_bytes = CREDIT_MIN;
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&duo), -1);
	duo_fini(&duo);
}

static void test_running_vcpu_is_busy(void)
{
	struct duo duo;

	duo_init(&duo, 64, 0);
	duo.source_vm.vcpu_runs = true;
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), -EBUSY);
	CHECK_CONTAINS(duo.error, "vCPU");
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	duo.source_vm.vcpu_runs = false;
	CU_ASSERT_EQUAL(duo_start(&duo), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	duo_fini(&duo);
}

static void test_destination_aborts_before_run(void)
{
	struct duo duo;
	int status;

	duo_init(&duo, 64, 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	session_end(&duo.pager->session, SESSION_LOCAL, -ECANCELED, "the VMM went away");
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_source_error(&duo, &status), "the VMM went away");
	CU_ASSERT_EQUAL(status, -ECANCELED);
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL(duo.source_vm.n_thaws, 1);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "RESUMED"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	CU_ASSERT_EQUAL(pager_run(duo.pager), -ECANCELED);
	duo_fini(&duo);
}

static void test_source_aborts_before_start(void)
{
	struct duo duo;

	duo_init(&duo, 64, 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	session_end(&duo.source->session, SESSION_LOCAL, -ECANCELED, "ended by signal 15");
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_pager_error(&duo, NULL), "ended by signal 15");
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "ABORTED"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	CU_ASSERT_EQUAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), -ECANCELED);
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	duo_fini(&duo);
}

/* The guest converts pages between private and shared while they are on their way. */
static void test_conversion_on_the_way(void)
{
	struct gmem_progress progress;
	struct duo duo;

	duo_init(&duo, 512, 64);
	atomic_store(&duo.pager_vm.populate_delay_us, 50000);
	fake_vm_set_private(&duo.source_vm, 401, false);
	fake_vm_set_private(&duo.pager_vm, 401, false);
	memset(fake_vm_page(&duo.source_vm, 401), 0x77, FAKE_PAGE);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	fake_vm_set_private(&duo.pager_vm, 500, false);
	fake_vm_set_private(&duo.pager_vm, 401, true);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(atomic_load(&duo.pager->session.stats.pages_converted), 2);
	pager_progress(duo.pager, &progress);
	CU_ASSERT_EQUAL(progress.pages_demand + progress.pages_background, 512 + 64);
	duo_fini(&duo);
}

/* The VMM takes a page away again: nobody has sent it since, so the pager asks. */
static void test_sweep_brings_lost_pages(void)
{
	struct duo duo;
	int i;

	duo_init(&duo, 256, 0);
	atomic_store(&duo.pager_vm.populate_delay_us, 200000);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	for (i = 0; i < 2000 && fake_vm_is_missing(&duo.pager_vm, 1); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	fake_vm_set_missing(&duo.pager_vm, 1);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&duo), -1);
	duo_fini(&duo);
}

static const struct check checks[] = {
	{ "everything arrives", test_everything_arrives },
	{ "demand overtakes bulk", test_demand_overtakes_bulk },
	{ "the smallest credit window is enough", test_small_credit_is_enough },
	{ "a running vCPU is busy, and nothing happened", test_running_vcpu_is_busy, .kvm_only = true },
	{ "the destination aborts before it ran", test_destination_aborts_before_run },
	{ "the source aborts before START", test_source_aborts_before_start },
	{ "pages converted on their way", test_conversion_on_the_way, .kvm_only = true },
	{ "lost pages are asked for", test_sweep_brings_lost_pages, .kvm_only = true },
	{ NULL, NULL },
};

CHECK_MAIN("whole moves", checks)
