// SPDX-License-Identifier: MIT
/*
 * gmem-pager or gmem-source gone without a word, and another process in its place: the record says how
 * far it was, the kernel what is there.  Ends with every byte right, or is refused before anything moves.
 */
#include <errno.h>
#include <time.h>

#include "bent.h"
#include "check.h"
#include "duo.h"

#define N_PRIVATE 2048u
#define N_SHARED 64u

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void init(struct duo *duo)
{
	duo_init(duo, N_PRIVATE, N_SHARED);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 15000;
	duo->source_config.peer_ms = duo->pager_config.peer_ms = 2000;
	(void)fake_vm_session(&duo->pager_vm);		/* the VMM's own: vCPUs wait */
}

static int attach_pager(struct duo *duo, bool again)
{
	struct backend *backend = fake_vm_session(&duo->pager_vm);
	int r;

	duo->pager->session.again = again;
	r = pager_attach(duo->pager, backend, duo->pager_regions, duo->n_regions, duo->error, sizeof(duo->error));
	if (r < 0)
		backend->ops->close(backend);
	return r;
}

static int attach_source(struct duo *duo, bool again)
{
	struct backend *backend = fake_vm_session(&duo->source_vm);
	int r;

	duo->source->session.again = again;
	r = source_attach(duo->source, backend, duo->source_regions, duo->n_regions, duo->error, sizeof(duo->error));
	if (r < 0)
		backend->ops->close(backend);
	return r;
}

static void kill_pager(struct duo *duo)
{
	pager_stop(duo->pager);
	pager_free(duo->pager);
	duo->pager = NULL;
	CU_ASSERT_EQUAL_FATAL(pager_new(&duo->pager_config, &duo->pager, duo->error, sizeof(duo->error)), 0);
}

static void kill_source(struct duo *duo)
{
	source_stop(duo->source);
	source_free(duo->source);
	duo->source = NULL;
	CU_ASSERT_EQUAL_FATAL(source_new(&duo->source_config, &duo->source, duo->error, sizeof(duo->error)), 0);
}

static bool is_connected(struct session *session)
{
	struct gmem_progress progress;
	int i;

	for (i = 0; i < 4000; i++) {
		session_progress(session, &progress);
		if (progress.n_resumed > 0 && progress.link == GMEM_LINK_UP)
			return true;
		sleep_ms(5);
	}
	return false;
}

static void finish(struct duo *duo)
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

static void add_state(struct duo *duo, const char *text)
{
	struct states_part part = { .n_states = 1, .total_len = (uint32_t)strlen(text), .name = "vcpu0.regs" };

	CU_ASSERT_EQUAL(states_add(&duo->states, &part, text, strlen(text)), 0);
}

struct walker {
	struct fake_vm *vm;
	int result;
};

static void *walk(void *arg)
{
	struct walker *walker = arg;
	uint64_t gfn = N_PRIVATE + N_SHARED;

	while (gfn-- > 0 && walker->result == 0)
		walker->result = fake_vm_touch(walker->vm, gfn);
	return NULL;
}

/* Up to a guest that walks at the destination while the stream is slow. */
static void begin(struct duo *duo, struct walker *walker, pthread_t *ret_thread)
{
	init(duo);
	atomic_store(&duo->pager_vm.populate_delay_us, 50000);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(duo), 0);
	*walker = (struct walker){ .vm = &duo->pager_vm };
	pthread_create(ret_thread, NULL, walk, walker);
	sleep_ms(100);
}

static void end(struct duo *duo, struct walker *walker, pthread_t thread)
{
	atomic_store(&duo->pager_vm.populate_delay_us, 0);
	CU_ASSERT_EQUAL(duo_wait_pager(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(walker->result, 0);
	finish(duo);
}

static void test_pager_killed(void)
{
	struct walker walker;
	pthread_t thread;
	struct duo duo;
	int i;

	begin(&duo, &walker, &thread);
	for (i = 0; i < 3; i++) {
		kill_pager(&duo);
		CU_ASSERT_EQUAL(session_get_phase(&duo.pager->session, NULL, NULL), GMEM_PHASE_RUNNING);
		CU_ASSERT_EQUAL_FATAL(attach_pager(&duo, true), 0);
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
		kill_source(&duo);
		CU_ASSERT_EQUAL_FATAL(attach_source(&duo, true), 0);
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
	kill_source(&duo);
	kill_pager(&duo);
	CU_ASSERT_EQUAL_FATAL(attach_source(&duo, true), 0);
	CU_ASSERT_EQUAL_FATAL(attach_pager(&duo, true), 0);
	end(&duo, &walker, thread);
}

static int run_again(struct duo *duo)
{
	int r = -EAGAIN, i;

	for (i = 0; i < 4000 && (r == -EAGAIN || r == -EINVAL); i++) {
		r = pager_run(duo->pager);
		sleep_ms(5);
	}
	return r;
}

/* In doubt: the new process has the states from its VMM again, and START goes out again. */
static void test_source_killed_in_doubt(void)
{
	struct duo duo;

	init(&duo);
	add_state(&duo, "state");
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	kill_source(&duo);
	CU_ASSERT_EQUAL(session_get_phase(&duo.source->session, NULL, NULL), GMEM_PHASE_STARTED);
	CU_ASSERT_EQUAL_FATAL(attach_source(&duo, true), 0);
	add_state(&duo, "state");
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL(run_again(&duo), 0);
	finish(&duo);
}

/* START came, the guest has not run: the new pager gets all of it again. */
static void test_pager_killed_before_run(void)
{
	struct duo duo;

	init(&duo);
	add_state(&duo, "state");
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	CU_ASSERT_EQUAL(fake_vm_touch(&duo.pager_vm, 900), 0);
	kill_pager(&duo);
	CU_ASSERT_EQUAL_FATAL(attach_pager(&duo, true), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	CU_ASSERT_EQUAL(duo.pager->states.n_states, 1);
	CU_ASSERT_EQUAL(run_again(&duo), 0);
	finish(&duo);
}

/* The states that come again are others: that is no continuation. */
static void test_other_states_are_refused(void)
{
	struct duo duo;

	init(&duo);
	add_state(&duo, "state");
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	kill_source(&duo);
	CU_ASSERT_EQUAL_FATAL(attach_source(&duo, true), 0);
	add_state(&duo, "State");
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
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

	init(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	kill_source(&duo);
	CU_ASSERT_EQUAL_FATAL(attach_source(&duo, true), 0);
	CU_ASSERT_EQUAL(source_prepare(duo.source), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	kill_pager(&duo);
	CU_ASSERT_EQUAL_FATAL(attach_pager(&duo, true), 0);
	CU_ASSERT_TRUE(is_connected(&duo.source->session));
	sleep_ms(100);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	finish(&duo);
}

/* A pager that aborts while its source is away: the source gets the token when it comes. */
static void test_token_is_fetched(void)
{
	struct duo duo;

	init(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	kill_source(&duo);
	while (atomic_load(&duo.pager->session.live))
		sleep_ms(5);
	session_end(&duo.pager->session, SESSION_LOCAL, -ECANCELED, "the VMM went away");
	CU_ASSERT_FALSE(session_is_settled(&duo.pager->session));
	CU_ASSERT_EQUAL_FATAL(attach_source(&duo, true), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "RESUMED"));
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	while (!session_is_settled(&duo.pager->session))
		sleep_ms(5);
	duo_fini(&duo);
}

/* START had arrived, the guest did not run: neither process remembers it, and it comes again. */
static void test_both_killed_in_doubt(void)
{
	struct duo duo;

	init(&duo);
	add_state(&duo, "state");
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	kill_pager(&duo);
	kill_source(&duo);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "IN_DOUBT"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "OFFERED"));
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL_FATAL(attach_pager(&duo, true), 0);
	CU_ASSERT_EQUAL(pager_run(duo.pager), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(attach_source(&duo, true), 0);
	add_state(&duo, "state");
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	CU_ASSERT_EQUAL(run_again(&duo), 0);
	finish(&duo);
}

/* Killed after the freeze and before START: the record says OFFERED, the kernel says frozen. */
static void killed_while_frozen(bool goes_on)
{
	struct duo duo;

	init(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	kill_source(&duo);
	duo.source_vm.frozen = true;
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "OFFERED"));
	CU_ASSERT_EQUAL_FATAL(attach_source(&duo, true), 0);
	CU_ASSERT_TRUE(is_connected(&duo.source->session));
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	if (goes_on) {
		CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
		finish(&duo);
		return;
	}
	/* ABORTED says that the guest runs here: so it has to. */
	session_end(&duo.source->session, SESSION_LOCAL, -ECANCELED, "enough");
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "ABORTED"));
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	duo_fini(&duo);
}

static void test_source_killed_while_frozen(void)
{
	killed_while_frozen(true);
	killed_while_frozen(false);
}

/* COMPLETE is durable at the destination, and the connection ends in its place; the source dials where nobody is. */
static void complete_untold(struct duo *duo)
{
	init(duo);
	duo->pager_config.transport = &bent_transport;
	bent_set(ATTEST_LANE_CONTROL, ATTEST_OP_COMPLETE, 0, BENT_CUT);
	atomic_store(&duo->pager_vm.populate_delay_us, 20000);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(duo), 0);
	duo_choose_address(duo->address, sizeof(duo->address));		/* where the pager listens from now on */
	atomic_store(&duo->pager_vm.populate_delay_us, 0);
	for (int i = 0; i < 4000 && !bent_happened(); i++) {
		pager_tick(duo->pager);
		sleep_ms(5);
	}
	CU_ASSERT_TRUE(bent_happened());
	CU_ASSERT_TRUE_FATAL(duo_ledger_says(duo, "destination", "COMPLETE"));
	kill_pager(duo);
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "GIVEN"));
	CU_ASSERT_TRUE(duo->source_vm.frozen);
}

/* Another process, where the source dials. */
static void kill_pager_and_listen(struct duo *duo)
{
	pager_stop(duo->pager);
	strcpy(duo->address, duo->source_address);
	kill_pager(duo);
}

/* The new process has no VM, and needs none: it says COMPLETE to the source, and is done. */
static void told(struct duo *duo)
{
	CU_ASSERT_EQUAL(duo_wait_source(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "RELEASED"));
	for (int i = 0; i < 4000 && !session_is_settled(&duo->pager->session); i++)
		sleep_ms(5);
	CU_ASSERT_TRUE(session_is_settled(&duo->pager->session));
	CU_ASSERT_EQUAL(session_get_phase(&duo->pager->session, NULL, NULL), GMEM_PHASE_COMPLETE);
	finish(duo);
}

static void test_complete_is_told_by_another_process(void)
{
	struct duo duo;

	complete_untold(&duo);
	CU_ASSERT_FALSE(session_is_settled(&duo.pager->session));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "GIVEN"));
	kill_pager_and_listen(&duo);
	told(&duo);

	/* once more killed before it could say it, and the source, too; the VMM comes again */
	complete_untold(&duo);
	kill_source(&duo);
	kill_pager_and_listen(&duo);
	CU_ASSERT_EQUAL(attach_pager(&duo, false), -EEXIST);
	CHECK_CONTAINS(duo.error, "another VMM");
	CU_ASSERT_EQUAL(attach_pager(&duo, true), 0);
	CU_ASSERT_EQUAL(attach_pager(&duo, true), 0);
	CU_ASSERT_EQUAL(pager_run(duo.pager), -ECANCELED);
	CU_ASSERT_EQUAL_FATAL(attach_source(&duo, true), 0);
	told(&duo);
}

/* Nobody asks: it ends by itself, and says COMPLETE; without --resume-timeout it is a used ticket as ever. */
static void test_complete_and_nobody_asks(void)
{
	struct gmem_progress progress;
	struct duo duo;

	complete_untold(&duo);
	pager_stop(duo.pager);
	duo.pager_config.resume_ms = 300;
	kill_pager(&duo);
	for (int i = 0; i < 4000 && !session_is_settled(&duo.pager->session); i++)
		sleep_ms(5);
	CU_ASSERT_TRUE(session_is_settled(&duo.pager->session));
	pager_progress(duo.pager, &progress);
	CU_ASSERT_EQUAL(progress.phase, GMEM_PHASE_COMPLETE);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "COMPLETE"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "GIVEN"));
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	pager_stop(duo.pager);
	duo.pager_config.resume_ms = 0;
	kill_pager(&duo);
	CU_ASSERT_EQUAL(attach_pager(&duo, true), -ENXIO);
	duo_fini(&duo);
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
	kill_pager(&duo);
	CU_ASSERT_EQUAL(attach_pager(&duo, false), -EEXIST);
	CHECK_CONTAINS(duo.error, "another VMM");
	kill_source(&duo);
	CU_ASSERT_EQUAL(attach_source(&duo, false), -EEXIST);
	duo.source_vm.frozen = false;
	CU_ASSERT_EQUAL(attach_source(&duo, true), -ESTALE);
	CHECK_CONTAINS(duo.error, "may have run");
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "GIVEN"));
	duo.source_vm.frozen = true;
	CU_ASSERT_EQUAL(attach_source(&duo, true), 0);
	CU_ASSERT_EQUAL(attach_pager(&duo, true), 0);
	end(&duo, &walker, thread);

	init(&duo);
	CU_ASSERT_EQUAL_FATAL(pager_new(&duo.pager_config, &duo.pager, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL(attach_pager(&duo, true), -ENXIO);
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
	{ "the pager killed between START and run", test_pager_killed_before_run },
	{ "START again with another state", test_other_states_are_refused },
	{ "both killed before START", test_killed_before_start },
	{ "the token is fetched", test_token_is_fetched },
	{ "COMPLETE is told by another process", test_complete_is_told_by_another_process },
	{ "COMPLETE, and nobody asks", test_complete_and_nobody_asks },
	{ "what is no continuation", test_refused },
	{ NULL, NULL },
};

CHECK_MAIN("services started again", checks)
