// SPDX-License-Identifier: MIT
#include <time.h>

#include "check.h"
#include "restart.h"

void restart_sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

void restart_init(struct duo *duo)
{
	duo_init(duo, RESTART_PRIVATE, RESTART_SHARED);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 15000 * PATIENCE;
	(void)fake_vm_session(&duo->pager_vm);		/* the VMM's own: vCPUs wait */
}

int restart_attach_pager(struct duo *duo, bool again)
{
	struct backend *backend = fake_vm_session(&duo->pager_vm);
	int r;

	duo->pager->session.again = again;
	r = pager_attach(duo->pager, backend, duo->pager_regions, duo->n_regions, duo->error, sizeof(duo->error));
	if (r < 0)
		backend->ops->close(backend);
	return r;
}

int restart_attach_source(struct duo *duo, bool again)
{
	struct backend *backend = fake_vm_session(&duo->source_vm);
	int r;

	duo->source->session.again = again;
	r = source_attach(duo->source, backend, duo->source_regions, duo->n_regions, duo->error, sizeof(duo->error));
	if (r < 0)
		backend->ops->close(backend);
	return r;
}

void restart_kill_pager(struct duo *duo)
{
	pager_stop(duo->pager);
	pager_free(duo->pager);
	duo->pager = NULL;
	CU_ASSERT_EQUAL_FATAL(pager_new(&duo->pager_config, &duo->pager, duo->error, sizeof(duo->error)), 0);
}

void restart_kill_source(struct duo *duo)
{
	source_stop(duo->source);
	source_free(duo->source);
	duo->source = NULL;
	CU_ASSERT_EQUAL_FATAL(source_new(&duo->source_config, &duo->source, duo->error, sizeof(duo->error)), 0);
}

void restart_kill_pager_and_listen(struct duo *duo)
{
	pager_stop(duo->pager);
	strcpy(duo->address, duo->source_address);
	restart_kill_pager(duo);
}

static void start(struct duo *duo, const char *state)
{
	struct states_part part = { .n_states = 1, .total_len = (uint32_t)strlen(state), .name = "vcpu0.regs" };

	CU_ASSERT_EQUAL(states_add(&duo->states, &part, state, strlen(state)), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo->source, &duo->states, duo->error, sizeof(duo->error)), 0);
}

void restart_start_arrived(struct duo *duo)
{
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	start(duo, "state");
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
}

void restart_start_again(struct duo *duo, const char *state)
{
	CU_ASSERT_EQUAL_FATAL(restart_attach_source(duo, true), 0);
	start(duo, state);
}

bool restart_pager_settles(struct duo *duo)
{
	for (int i = 0; i < 4000 * PATIENCE; i++) {
		if (session_is_settled(&duo->pager->session))
			return true;
		restart_sleep_ms(5);
	}
	return false;
}

void restart_finish(struct duo *duo)
{
	CU_ASSERT_EQUAL(duo_wait_pager(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_wait_source(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "RELEASED"));
	CU_ASSERT_TRUE(duo_ledger_says(duo, "destination", "COMPLETE"));
	CU_ASSERT_EQUAL(duo_first_difference(duo), -1);
	CU_ASSERT_EQUAL(fake_vm_count_missing(&duo->pager_vm), 0);
	CU_ASSERT_EQUAL(duo->pager_vm.n_rewritten, 0);
	CU_ASSERT_TRUE(duo->source_vm.frozen);
	duo_fini(duo);
}
