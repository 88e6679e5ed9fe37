// SPDX-License-Identifier: MIT
/*
 * gmem-pager or gmem-source gone without a word, and another process in its place: the record says how
 * far it was, the kernel what is there.  Ends with every byte right, or is refused before anything moves.
 */
#include <errno.h>

#include "check.h"
#include "restart.h"

static bool is_connected(struct session *session)
{
	struct gmem_progress progress;
	int i;

	for (i = 0; i < 4000 * PATIENCE; i++) {
		session_progress(session, &progress);
		if (progress.n_resumed > 0 && progress.link == GMEM_LINK_UP)
			return true;
		restart_sleep_ms(5);
	}
	return false;
}

struct walker {
	struct fake_vm *vm;
	int result;
};

static void *walk(void *arg)
{
	struct walker *walker = arg;
	uint64_t gfn = RESTART_PRIVATE + RESTART_SHARED;

	while (gfn-- > 0 && walker->result == 0)
		walker->result = fake_vm_touch(walker->vm, gfn);
	return NULL;
}

/* Up to a guest that walks at the destination while the stream is slow. */
static void begin(struct duo *duo, struct walker *walker, pthread_t *ret_thread)
{
	restart_init(duo);
	duo_hold_stream(duo);
	atomic_store(&duo->pager_vm.populate_delay_us, 50000);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(duo), 0);
	*walker = (struct walker){ .vm = &duo->pager_vm };
	pthread_create(ret_thread, NULL, walk, walker);
	restart_sleep_ms(100);
}

static void end(struct duo *duo, struct walker *walker, pthread_t thread)
{
	atomic_store(&duo->pager_vm.populate_delay_us, 0);
	CU_ASSERT_EQUAL(duo_let_stream_go(duo), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(walker->result, 0);
	restart_finish(duo);
}

static void test_pager_killed(void)
{
	struct walker walker;
	pthread_t thread;
	struct duo duo;
	int i;

	begin(&duo, &walker, &thread);
	for (i = 0; i < 3; i++) {
		restart_kill_pager(&duo);
		CU_ASSERT_EQUAL(session_get_phase(&duo.pager->session, NULL, NULL), GMEM_PHASE_RUNNING);
		CU_ASSERT_EQUAL_FATAL(restart_attach_pager(&duo, true), 0);
		CU_ASSERT_TRUE(is_connected(&duo.pager->session));
	}
	end(&duo, &walker, thread);
}

static void test_source_killed(void)
{
	struct walker walker;
	pthread_t thread;
	struct duo duo;
	int i;

	begin(&duo, &walker, &thread);
	for (i = 0; i < 3; i++) {
		restart_kill_source(&duo);
		CU_ASSERT_EQUAL_FATAL(restart_attach_source(&duo, true), 0);
		CU_ASSERT_TRUE(is_connected(&duo.source->session));
	}
	end(&duo, &walker, thread);
}

static void test_both_killed(void)
{
	struct walker walker;
	pthread_t thread;
	struct duo duo;

	begin(&duo, &walker, &thread);
	restart_kill_source(&duo);
	restart_kill_pager(&duo);
	CU_ASSERT_EQUAL_FATAL(restart_attach_source(&duo, true), 0);
	CU_ASSERT_EQUAL_FATAL(restart_attach_pager(&duo, true), 0);
	end(&duo, &walker, thread);
}

static int run_again(struct duo *duo)
{
	int r = -EAGAIN, i;

	for (i = 0; i < 4000 * PATIENCE && (r == -EAGAIN || r == -EINVAL); i++) {
		r = pager_run(duo->pager);
		restart_sleep_ms(5);
	}
	return r;
}

/* In doubt: the new process has the states from its VMM again, and START goes out again. */
static void test_source_killed_in_doubt(void)
{
	struct duo duo;

	restart_init(&duo);
	restart_start_arrived(&duo);
	restart_kill_source(&duo);
	CU_ASSERT_EQUAL(session_get_phase(&duo.source->session, NULL, NULL), GMEM_PHASE_STARTED);
	restart_start_again(&duo, "state");
	CU_ASSERT_EQUAL(run_again(&duo), 0);
	restart_finish(&duo);
}

/* START came, the guest has not run: the new pager gets all of it again. */
static void test_pager_killed_before_run(void)
{
	struct duo duo;

	restart_init(&duo);
	restart_start_arrived(&duo);
	CU_ASSERT_EQUAL(fake_vm_touch(&duo.pager_vm, 900), 0);
	restart_kill_pager(&duo);
	CU_ASSERT_EQUAL_FATAL(restart_attach_pager(&duo, true), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	CU_ASSERT_EQUAL(duo.pager->states.n_states, 1);
	CU_ASSERT_EQUAL(run_again(&duo), 0);
	restart_finish(&duo);
}

/* The states that come again are others: that is no continuation. */
static void test_other_states_are_refused(void)
{
	struct duo duo;

	restart_init(&duo);
	restart_start_arrived(&duo);
	restart_kill_source(&duo);
	restart_start_again(&duo, "State");
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_EQUAL(pager_run(duo.pager), -ECANCELED);
	/* It never ran, and says so: the source may go on. */
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "RESUMED"));
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	duo_fini(&duo);
}

static void test_killed_before_start(void)
{
	struct duo duo;

	restart_init(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	restart_kill_source(&duo);
	CU_ASSERT_EQUAL_FATAL(restart_attach_source(&duo, true), 0);
	CU_ASSERT_EQUAL(source_prepare(duo.source), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	restart_kill_pager(&duo);
	CU_ASSERT_EQUAL_FATAL(restart_attach_pager(&duo, true), 0);
	CU_ASSERT_TRUE(is_connected(&duo.source->session));
	restart_sleep_ms(100);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	restart_finish(&duo);
}

/* START had arrived, the guest did not run: neither process remembers it, and it comes again. */
static void test_both_killed_in_doubt(void)
{
	struct duo duo;

	restart_init(&duo);
	restart_start_arrived(&duo);
	restart_kill_pager(&duo);
	restart_kill_source(&duo);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "IN_DOUBT"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "OFFERED"));
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL_FATAL(restart_attach_pager(&duo, true), 0);
	CU_ASSERT_EQUAL(pager_run(duo.pager), -EINVAL);
	restart_start_again(&duo, "state");
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	CU_ASSERT_EQUAL(run_again(&duo), 0);
	restart_finish(&duo);
}

/* Killed after the freeze and before START: the record says OFFERED, the kernel says frozen; another source has the VM. */
static void killed_while_frozen(struct duo *duo)
{
	restart_init(duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	restart_kill_source(duo);
	duo->source_vm.frozen = true;
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "OFFERED"));
	CU_ASSERT_EQUAL_FATAL(restart_attach_source(duo, true), 0);
	CU_ASSERT_TRUE(is_connected(&duo->source->session));
	CU_ASSERT_EQUAL(duo_wait_source(duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
}

static void test_source_killed_while_frozen(void)
{
	struct duo duo;

	killed_while_frozen(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	restart_finish(&duo);

	/* ABORTED says that the guest runs here: so it has to. */
	killed_while_frozen(&duo);
	session_end(&duo.source->session, SESSION_LOCAL, -ECANCELED, "enough");
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "ABORTED"));
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	duo_fini(&duo);
}

/* The record says that START may have left, the phase does not yet: the record counts, and the VM stays frozen. */
static void end_before_phase(enum attest_event last, const char *state, const char *sentence)
{
	struct session *session;
	struct duo duo;
	int status;

	killed_while_frozen(&duo);
	session = &duo.source->session;
	pthread_mutex_lock(&session->lock);
	CU_ASSERT_EQUAL(ledger_event(session->ledger, ATTEST_EVENT_FREEZE), 0);
	CU_ASSERT_EQUAL(ledger_event(session->ledger, ATTEST_EVENT_COMMIT), 0);
	if (last != ATTEST_EVENT_COMMIT)
		CU_ASSERT_EQUAL(ledger_event(session->ledger, last), 0);
	pthread_mutex_unlock(&session->lock);
	CU_ASSERT_EQUAL(session_get_phase(session, NULL, NULL), GMEM_PHASE_ACCEPTED);
	session_end(session, SESSION_LOCAL, -ECANCELED, "enough");
	CU_ASSERT_EQUAL(session_get_phase(session, NULL, NULL), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_source_error(&duo, &status), sentence);
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL(duo.source_vm.n_thaws, 0);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", state));
	duo_fini(&duo);
}

static void test_end_between_record_and_phase(void)
{
	end_before_phase(ATTEST_EVENT_COMMIT, "IN_DOUBT", "in doubt");
	end_before_phase(ATTEST_EVENT_STARTED, "GIVEN", "the destination has run");
}

/* Another VM, another session, a VM that has run since, two processes at a time. */
static void test_refused(void)
{
	struct walker walker;
	struct source *second;
	pthread_t thread;
	struct duo duo;

	begin(&duo, &walker, &thread);
	CU_ASSERT_EQUAL(source_new(&duo.source_config, &second, duo.error, sizeof(duo.error)), -EBUSY);
	CHECK_CONTAINS(duo.error, "another process");
	restart_kill_pager(&duo);
	CU_ASSERT_EQUAL(restart_attach_pager(&duo, false), -EEXIST);
	CHECK_CONTAINS(duo.error, "another VMM");
	restart_kill_source(&duo);
	CU_ASSERT_EQUAL(restart_attach_source(&duo, false), -EEXIST);
	duo.source_vm.frozen = false;
	CU_ASSERT_EQUAL(restart_attach_source(&duo, true), -ESTALE);
	CHECK_CONTAINS(duo.error, "may have run");
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "GIVEN"));
	duo.source_vm.frozen = true;
	CU_ASSERT_EQUAL(restart_attach_source(&duo, true), 0);
	CU_ASSERT_EQUAL(restart_attach_pager(&duo, true), 0);
	end(&duo, &walker, thread);

	restart_init(&duo);
	CU_ASSERT_EQUAL_FATAL(pager_new(&duo.pager_config, &duo.pager, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL(restart_attach_pager(&duo, true), -ENXIO);
	CHECK_CONTAINS(duo.error, "knows nothing");
	duo_fini(&duo);
}

static const struct check checks[] = {
	{ "the pager killed three times while the guest runs", test_pager_killed },
	{ "the source killed three times while the guest runs", test_source_killed },
	{ "both killed", test_both_killed },
	{ "the source killed in doubt", test_source_killed_in_doubt },
	{ "both killed in doubt", test_both_killed_in_doubt },
	{ "the source killed while frozen, before START", test_source_killed_while_frozen },
	{ "the end between a record and its phase", test_end_between_record_and_phase },
	{ "the pager killed between START and run", test_pager_killed_before_run },
	{ "START again with another state", test_other_states_are_refused },
	{ "both killed before START", test_killed_before_start },
	{ "what is no continuation", test_refused },
	{ NULL, NULL },
};

CHECK_MAIN("services started again", checks)
