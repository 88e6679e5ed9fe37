// SPDX-License-Identifier: MIT
/* A VM goes into a file and comes back from it: the sides in one process, with fake VMs. */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sodium.h>

#include "check.h"
#include "trip.h"

static void test_there_and_back(void)
{
	struct gmem_progress progress;
	struct trip trip;
	uint8_t cells[10];

	trip_init(&trip);
	trip_suspend_all(&trip);
	CU_ASSERT_EQUAL(trip_recorded(&trip), ATTEST_STATE_RELEASED);
	CU_ASSERT_TRUE(trip_exists(&trip, ""));
	CU_ASSERT_FALSE(trip_exists(&trip, ".partial"));
	CU_ASSERT_TRUE(trip.duo.source_vm.frozen);
	CU_ASSERT_EQUAL(trip.duo.source_vm.n_thaws, 0);
	suspend_progress(trip.suspend, &progress);
	CU_ASSERT_EQUAL(progress.pages_total, TRIP_PRIVATE + TRIP_SHARED);
	CU_ASSERT_EQUAL(progress.pages_background, TRIP_PRIVATE + TRIP_SHARED);
	CU_ASSERT_EQUAL(suspend_map(trip.suspend, 10, cells), 10);
	CU_ASSERT_EQUAL(cells[0] + cells[9], 200);
	trip_end_suspend(&trip);
	CU_ASSERT_TRUE(trip_exists(&trip, ""));	/* what was published stays */
	duo_hold_stream(&trip.duo);
	trip_restore_to_running(&trip);
	CU_ASSERT_EQUAL(fake_vm_touch(&trip.duo.pager_vm, TRIP_PRIVATE + 3), 0);	/* on demand, and the rest behind it */
	CU_ASSERT_EQUAL(duo_let_stream_go(&trip.duo), 0);
	trip_expect_whole(&trip);
	source_progress(trip.duo.source, &progress);
	CU_ASSERT_TRUE(progress.pages_demand >= 2);
	CU_ASSERT_TRUE(progress.pages_background > 0);
	trip_fini(&trip);
}

/* ---- a suspend that comes to nothing: the guest goes on ---- */

static void expect_goes_on(struct trip *trip, enum attest_state state, const char *sentence)
{
	CU_ASSERT_EQUAL(trip_wait_suspend(trip), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(trip->error, sentence);
	CU_ASSERT_EQUAL(trip_recorded(trip), state);
	CU_ASSERT_FALSE(trip->duo.source_vm.frozen);
	trip_end_suspend(trip);
	CU_ASSERT_FALSE(trip_exists(trip, ".partial"));
}

static void test_no_room(void)
{
	struct rlimit before, limit;
	struct trip trip;

	trip_init(&trip);
	trip_open_suspend(&trip);
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 100000;
	setrlimit(RLIMIT_FSIZE, &limit);
	CU_ASSERT_EQUAL(trip_start(&trip), 0);
	expect_goes_on(&trip, ATTEST_STATE_ABORTED, "make room, or name a file on another file system");
	setrlimit(RLIMIT_FSIZE, &before);
	CU_ASSERT_FALSE(trip_exists(&trip, ""));
	/* Nothing is lost: with a new ticket, and room, it works. */
	randombytes_buf(trip.config.ticket_id, ATTEST_ID_LEN);
	trip_suspend_all(&trip);
	trip_end_suspend(&trip);
	trip_restore_to_running(&trip);
	trip_expect_whole(&trip);
	trip_fini(&trip);
}

static void test_unreadable(void)
{
	struct trip trip;

	trip_init(&trip);
	trip_open_suspend(&trip);
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
	atomic_store(&trip.duo.source_vm.extract_error, -EIO);
	CU_ASSERT_EQUAL(trip_start(&trip), 0);
	expect_goes_on(&trip, ATTEST_STATE_ABORTED, "pages of the VM: Input/output error");
	CU_ASSERT_FALSE(trip_exists(&trip, ""));
	trip_fini(&trip);
}

/* The record says IN_DOUBT by then: only because the file is gone may it say RESUMED. */
static void test_name_taken(void)
{
	struct trip trip;
	FILE *file;

	trip_init(&trip);
	trip_open_suspend(&trip);
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
	file = fopen(trip.path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("mine", file);
	fclose(file);
	CU_ASSERT_EQUAL(trip_start(&trip), 0);
	expect_goes_on(&trip, ATTEST_STATE_RESUMED, "cannot give its name to");
	CU_ASSERT_TRUE(trip_exists(&trip, ""));	/* somebody else's */
	trip_fini(&trip);
}

static void test_vcpu_runs(void)
{
	struct trip trip;

	trip_init(&trip);
	trip_open_suspend(&trip);
	CU_ASSERT_EQUAL(trip_start(&trip), -EINVAL);
	CHECK_CONTAINS(trip.error, "call gmem_source_prepare first");
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
	CU_ASSERT_EQUAL(suspend_prepare(trip.suspend), -EALREADY);
	trip.duo.source_vm.vcpu_runs = true;
	CU_ASSERT_EQUAL(trip_start(&trip), -EBUSY);
	trip.duo.source_vm.vcpu_runs = false;
	CU_ASSERT_EQUAL(trip_start(&trip), 0);
	CU_ASSERT_EQUAL(trip_start(&trip), -EINVAL);
	CU_ASSERT_EQUAL(trip_wait_suspend(&trip), GMEM_PHASE_COMPLETE);
	trip_fini(&trip);
}

/* At any moment: it ends one way or the other, and never both. */
static void test_aborted(void)
{
	const struct attest_session_command command = { .event = ATTEST_EVENT_OP_ABORT, .uid = 1, .reason = "test" };
	enum gmem_phase phase;
	struct trip trip;
	int i, r;

	for (i = 0; i < 8; i++) {
		trip_init(&trip);
		trip_open_suspend(&trip);
		CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
		CU_ASSERT_EQUAL(trip_start(&trip), 0);
		usleep((useconds_t)(i * 700));
		r = session_abort(&trip.suspend->session, &command);
		phase = trip_wait_suspend(&trip);
		if (phase == GMEM_PHASE_COMPLETE) {
			CU_ASSERT_EQUAL(trip_recorded(&trip), ATTEST_STATE_RELEASED);
			CU_ASSERT_TRUE(r < 0 && trip.duo.source_vm.frozen);
		} else if (phase == GMEM_PHASE_ABORTED) {
			CU_ASSERT_EQUAL(trip_recorded(&trip), ATTEST_STATE_ABORTED);
			CU_ASSERT_FALSE(trip.duo.source_vm.frozen);
		} else {
			CU_ASSERT_EQUAL(phase, GMEM_PHASE_FAILED);
			CU_ASSERT_EQUAL(trip_recorded(&trip), ATTEST_STATE_IN_DOUBT);
			CU_ASSERT_TRUE(trip.duo.source_vm.frozen);
		}
		trip_end_suspend(&trip);
		CU_ASSERT_FALSE(trip_exists(&trip, ".partial"));
		CU_ASSERT_EQUAL(trip_exists(&trip, ""), phase != GMEM_PHASE_ABORTED);
		trip_fini(&trip);
	}
}

static void test_ticket_used(void)
{
	int status = 0;
	struct trip trip;

	trip_init(&trip);
	trip_suspend_all(&trip);
	trip_end_suspend(&trip);
	unlink(trip.path);
	trip.duo.source_vm.frozen = false;	/* as if it were another VM */
	trip_open_suspend(&trip);
	CU_ASSERT_EQUAL(suspend_prepare(trip.suspend), 0);
	CU_ASSERT_EQUAL(session_get_phase(&trip.suspend->session, &status, trip.error), GMEM_PHASE_ABORTED);
	CU_ASSERT_EQUAL(status, -EACCES);
	CHECK_CONTAINS(trip.error, "this ticket was used before");
	CU_ASSERT_EQUAL(trip_start(&trip), -ECANCELED);
	CU_ASSERT_FALSE(trip.duo.source_vm.frozen);
	trip_end_suspend(&trip);
	CU_ASSERT_FALSE(trip_exists(&trip, ""));
	CU_ASSERT_FALSE(trip_exists(&trip, ".partial"));
	trip_fini(&trip);
}

/* ---- a restore ---- */

static void test_second_restore(void)
{
	int status = 0;
	struct trip trip;

	trip_init(&trip);
	trip_suspend_all(&trip);
	trip_end_suspend(&trip);
	trip_restore_to_running(&trip);
	trip_expect_whole(&trip);
	trip_end_restore(&trip);
	trip_open_reader(&trip);
	trip_open_source(&trip);
	CU_ASSERT_FALSE(trip_wait_restore(&trip, GMEM_PHASE_COMPLETE, GMEM_PHASE_COMPLETE));
	CU_ASSERT_EQUAL(session_get_phase(&trip.duo.source->session, &status, trip.error), GMEM_PHASE_ABORTED);
	CU_ASSERT_EQUAL(status, -EACCES);
	CHECK_CONTAINS(trip.error, "this ticket was used before");
	trip_fini(&trip);
}

/* A page that is not what was written: the move stops there, by its name, and nothing is made up. */
static void test_bad_page(void)
{
	int status = 0, i;
	struct trip trip;
	FILE *file;

	trip_init(&trip);
	trip_suspend_all(&trip);
	trip_end_suspend(&trip);
	duo_hold_stream(&trip.duo);
	trip_restore_to_running(&trip);
	file = fopen(trip.path, "r+e");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fseek(file, -(long)SNAPFILE_TRAILER_LEN, SEEK_END);
	for (i = 0; i < (int)(TRIP_SHARED * 3 / 2); i++) {	/* a byte in each page from the end on */
		fseek(file, -4096, SEEK_CUR);
		fputc(0x5a, file);
		fseek(file, -1, SEEK_CUR);
	}
	fclose(file);
	CU_ASSERT_EQUAL(duo_let_stream_go(&trip.duo), 0);
	CU_ASSERT_FALSE(trip_wait_restore(&trip, GMEM_PHASE_COMPLETE, GMEM_PHASE_COMPLETE));
	CU_ASSERT_EQUAL(session_get_phase(&trip.duo.source->session, &status, trip.error), GMEM_PHASE_FAILED);
	CU_ASSERT_EQUAL(status, -EBADMSG);
	CHECK_CONTAINS(trip.error, "pages: page ");
	CHECK_CONTAINS(trip.error, "of the snapshot was altered");
	CU_ASSERT_TRUE(fake_vm_count_missing(&trip.duo.pager_vm) > 0);
	trip_fini(&trip);
}

/* A restore goes on over a fresh connection, as a move does. */
static void test_cut(void)
{
	struct gmem_progress progress;
	struct session *session;
	struct trip trip;

	trip_init(&trip);
	trip.duo.source_config.resume_ms = trip.duo.pager_config.resume_ms = 60000 * PATIENCE;
	trip_suspend_all(&trip);
	trip_end_suspend(&trip);
	duo_hold_stream(&trip.duo);
	trip_restore_to_running(&trip);
	CU_ASSERT_TRUE_FATAL(trip_wait_restore(&trip, GMEM_PHASE_RUNNING, GMEM_PHASE_RUNNING));
	session = &trip.duo.source->session;
	pthread_rwlock_rdlock(&session->link_lock);
	link_shutdown(&session->link);
	pthread_rwlock_unlock(&session->link_lock);
	CU_ASSERT_EQUAL(duo_let_stream_go(&trip.duo), 0);
	trip_expect_whole(&trip);
	source_progress(trip.duo.source, &progress);
	CU_ASSERT_TRUE(progress.n_resumed >= 1);
	trip_fini(&trip);
}

/* Killed in mid-restore: a new process with the same file goes on, with another one it does not. */
static void test_process_restarts(void)
{
	struct trip trip;
	struct duo *duo = &trip.duo;
	char hex[2 * SNAPFILE_ROOT_LEN + 1] = "";

	trip_init(&trip);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 60000 * PATIENCE;
	trip_suspend_all(&trip);
	trip_end_suspend(&trip);
	duo_hold_stream(duo);
	trip_restore_to_running(&trip);
	CU_ASSERT_TRUE_FATAL(trip_wait_restore(&trip, GMEM_PHASE_RUNNING, GMEM_PHASE_RUNNING));
	source_stop(duo->source);
	CU_ASSERT_TRUE(ledger_get_snapshot(duo->source->session.ledger, hex, sizeof(hex)));
	memset(hex, '0', sizeof(hex) - 1);
	CU_ASSERT_EQUAL(ledger_note_snapshot(duo->source->session.ledger, hex), 0);
	source_free(duo->source);
	trip_open_source(&trip);
	restore_tick(duo->source);
	CU_ASSERT_EQUAL(session_get_phase(&duo->source->session, NULL, trip.error), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(trip.error, "this session is about another snapshot");
	source_stop(duo->source);
	sodium_bin2hex(hex, sizeof(hex), trip.wanted.root, SNAPFILE_ROOT_LEN);
	CU_ASSERT_EQUAL(ledger_note_snapshot(duo->source->session.ledger, hex), 0);
	source_free(duo->source);
	duo->source_config.background_limit = 0;
	trip_open_source(&trip);
	trip_expect_whole(&trip);
	trip_fini(&trip);
}

/* The same before the guest ran: the states come again from the file. */
static void test_process_restarts_in_doubt(void)
{
	struct trip trip;
	struct duo *duo = &trip.duo;

	trip_init(&trip);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 60000 * PATIENCE;
	trip_suspend_all(&trip);
	trip_end_suspend(&trip);
	trip_open_reader(&trip);
	trip_open_pager(&trip);
	trip_open_source(&trip);
	CU_ASSERT_TRUE_FATAL(trip_wait_restore(&trip, GMEM_PHASE_STARTED, GMEM_PHASE_STARTED));
	source_stop(duo->source);
	source_free(duo->source);
	snapfile_reader_free(trip.reader);
	trip_open_reader(&trip);
	trip_open_source(&trip);
	while (pager_run(duo->pager) == -EAGAIN)	/* START has to come again */
		CU_ASSERT_TRUE_FATAL(trip_wait_restore(&trip, GMEM_PHASE_STARTED, GMEM_PHASE_STARTED));
	trip_expect_whole(&trip);
	trip_fini(&trip);
}

static const struct check checks[] = {
	{ "there and back", test_there_and_back },
	{ "no room", test_no_room },
	{ "pages that cannot be read", test_unreadable },
	{ "the name is taken", test_name_taken },
	{ "a vCPU runs", test_vcpu_runs, .kvm_only = true },
	{ "aborted at any moment", test_aborted },
	{ "a ticket that was used", test_ticket_used, .kvm_only = true },
	{ "a second restore", test_second_restore },
	{ "a bad page", test_bad_page },
	{ "a cut connection", test_cut },
	{ "the process restarts", test_process_restarts },
	{ "the process restarts in doubt", test_process_restarts_in_doubt },
	{ NULL, NULL },
};

CHECK_MAIN("snapshot", checks)
