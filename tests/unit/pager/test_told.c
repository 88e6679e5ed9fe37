// SPDX-License-Identifier: MIT
/*
 * What is over at the destination, and its source has not heard: COMPLETE, or "never ran" with the token.  It is
 * told to a source that comes for it, by the same process or by another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <attest/session/record_file.h>

#include "bent.h"
#include "check.h"
#include "restart.h"

/* COMPLETE is durable at the destination, and the connection ends in its place; the source dials where nobody is. */
static void complete_untold(struct duo *duo)
{
	restart_init(duo);
	duo->pager_config.transport = &bent_transport;
	bent_set(ATTEST_LANE_CONTROL, ATTEST_OP_COMPLETE, 0, BENT_CUT);
	duo_hold_stream(duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(duo), 0);
	duo_choose_address(duo->address, sizeof(duo->address));		/* where the pager listens from now on */
	CU_ASSERT_EQUAL(duo_let_stream_go(duo), 0);
	for (int i = 0; i < 4000 * PATIENCE && !bent_happened(); i++) {
		pager_tick(duo->pager);
		restart_sleep_ms(5);
	}
	CU_ASSERT_TRUE(bent_happened());
	CU_ASSERT_TRUE_FATAL(duo_ledger_says(duo, "destination", "COMPLETE"));
	restart_kill_pager(duo);
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "GIVEN"));
	CU_ASSERT_TRUE(duo->source_vm.frozen);
}

/* The new process has no VM, and needs none: it says COMPLETE to the source, and is done. */
static void complete_is_told(struct duo *duo)
{
	CU_ASSERT_EQUAL(duo_wait_source(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "RELEASED"));
	CU_ASSERT_TRUE(restart_pager_settles(duo));
	CU_ASSERT_EQUAL(session_get_phase(&duo->pager->session, NULL, NULL), GMEM_PHASE_COMPLETE);
	restart_finish(duo);
}

static void test_complete_is_told_by_another_process(void)
{
	struct duo duo;

	complete_untold(&duo);
	CU_ASSERT_FALSE(session_is_settled(&duo.pager->session));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "GIVEN"));
	restart_kill_pager_and_listen(&duo);
	complete_is_told(&duo);

	/* once more killed before it could say it, and the source, too; the VMM comes again */
	complete_untold(&duo);
	restart_kill_source(&duo);
	restart_kill_pager_and_listen(&duo);
	CU_ASSERT_EQUAL(restart_attach_pager(&duo, false), -EEXIST);
	CHECK_CONTAINS(duo.error, "another VMM");
	CU_ASSERT_EQUAL(restart_attach_pager(&duo, true), 0);
	CU_ASSERT_EQUAL(restart_attach_pager(&duo, true), 0);
	CU_ASSERT_EQUAL(pager_run(duo.pager), -ECANCELED);
	CU_ASSERT_EQUAL_FATAL(restart_attach_source(&duo, true), 0);
	complete_is_told(&duo);
}

/* The source in doubt has heard that the guest never ran: it goes on there. */
static void token_is_told(struct duo *duo)
{
	CU_ASSERT_EQUAL(duo_wait_source(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "RESUMED"));
	CU_ASSERT_TRUE(duo_ledger_says(duo, "destination", "ABORTED"));
	CU_ASSERT_FALSE(duo->source_vm.frozen);
	CU_ASSERT_EQUAL(duo->source_vm.n_thaws, 1);
	CU_ASSERT_TRUE(restart_pager_settles(duo));
	CU_ASSERT_EQUAL(session_get_phase(&duo->pager->session, NULL, NULL), GMEM_PHASE_ABORTED);
	duo_fini(duo);
}

/* A pager that aborts while its source is away: the source gets the token when it comes. */
static void test_token_is_fetched(void)
{
	struct duo duo;

	restart_init(&duo);
	restart_start_arrived(&duo);
	restart_kill_source(&duo);
	while (atomic_load(&duo.pager->session.live))
		restart_sleep_ms(5);
	session_end(&duo.pager->session, SESSION_LOCAL, -ECANCELED, "the VMM went away");
	CU_ASSERT_FALSE(session_is_settled(&duo.pager->session));
	restart_start_again(&duo, "state");
	token_is_told(&duo);
}

/* ABORTED is durable at the destination, and the connection ends in place of ABORT. */
static void abort_untold(struct duo *duo)
{
	duo_choose_address(duo->address, sizeof(duo->address));		/* where the pager listens from now on */
	bent_set(ATTEST_LANE_CONTROL, ATTEST_OP_ABORT, 0, BENT_CUT);
	session_end(&duo->pager->session, SESSION_LOCAL, -ECANCELED, "the VMM went away");
	CU_ASSERT_TRUE_FATAL(bent_happened());
	CU_ASSERT_TRUE(duo_ledger_says(duo, "destination", "ABORTED"));
}

static void init_bent(struct duo *duo)
{
	restart_init(duo);
	duo->pager_config.transport = &bent_transport;
	bent_set(ATTEST_LANE_CONTROL, ATTEST_OP_ABORT, 0, BENT_NONE);
}

static void in_doubt_and_untold(struct duo *duo)
{
	init_bent(duo);
	restart_start_arrived(duo);
	abort_untold(duo);
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "IN_DOUBT"));
	CU_ASSERT_TRUE(duo->source_vm.frozen);
}

static void test_token_is_told_by_another_process(void)
{
	struct duo duo;

	in_doubt_and_untold(&duo);
	restart_kill_pager(&duo);
	CU_ASSERT_FALSE(session_is_settled(&duo.pager->session));
	CU_ASSERT_EQUAL(session_get_phase(&duo.pager->session, NULL, NULL), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "IN_DOUBT"));
	restart_kill_pager_and_listen(&duo);
	token_is_told(&duo);

	/* the source killed, too; whichever VMM comes, it hears that this move is over */
	in_doubt_and_untold(&duo);
	restart_kill_source(&duo);
	restart_kill_pager_and_listen(&duo);
	CU_ASSERT_EQUAL(restart_attach_pager(&duo, false), 0);
	CU_ASSERT_EQUAL(restart_attach_pager(&duo, true), 0);
	CU_ASSERT_EQUAL(pager_run(duo.pager), -ECANCELED);
	CHECK_CONTAINS(duo_pager_error(&duo, NULL), "aborted here before the guest ran; another move needs a new ticket");
	restart_start_again(&duo, "state");
	token_is_told(&duo);
}

/* START has not left: the source need not wait for its own time to be over. */
static void test_abort_is_told_by_another_process(void)
{
	struct duo duo;

	init_bent(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	abort_untold(&duo);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "OFFERED"));
	restart_kill_pager_and_listen(&duo);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_source_error(&duo, NULL), "aborted here before the guest ran");
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "ABORTED"));
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	CU_ASSERT_TRUE(restart_pager_settles(&duo));
	duo_fini(&duo);
}

/* The pager's host has booted since its record was written. */
static void boot_pager_host(struct duo *duo)
{
	struct attest_session_record record = { .role = ATTEST_RESPONDER };
	int fd = open(duo->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[RECORD_FILE_NAME_LEN];

	pager_stop(duo->pager);
	memcpy(record.ticket_id, duo->pager_config.ticket_id, ATTEST_ID_LEN);
	record_file_name(&record, name);
	CU_ASSERT_EQUAL_FATAL(record_file_load(fd, name, &record), 0);
	strcpy(record.boot_id, "99999999-2222-3333-4444-555555555555");
	CU_ASSERT_EQUAL_FATAL(record_file_store(fd, &record, false), 0);
	close(fd);
	restart_kill_pager_and_listen(duo);
}

/* START had come when the destination lost its power: its guest never ran, and the source hears so. */
static void test_token_is_told_after_a_boot(void)
{
	struct duo duo;

	restart_init(&duo);
	restart_start_arrived(&duo);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "OFFERED"));
	boot_pager_host(&duo);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	token_is_told(&duo);

	/* It ran: there is no token, whatever is asked. */
	restart_init(&duo);
	duo_hold_stream(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	boot_pager_host(&duo);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "LOST"));
	CU_ASSERT_EQUAL(restart_attach_pager(&duo, true), -ENXIO);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "GIVEN"));
	CU_ASSERT_TRUE(duo.source_vm.frozen);
	duo_fini(&duo);
}

/* It ends by itself, and says how it was; without --resume-timeout it is a used ticket as ever. */
static void nobody_asks(struct duo *duo, enum gmem_phase phase, const char *source_says, const char *destination_says)
{
	struct gmem_progress progress;

	pager_stop(duo->pager);
	duo->pager_config.resume_ms = 300;
	restart_kill_pager(duo);
	CU_ASSERT_TRUE(restart_pager_settles(duo));
	pager_progress(duo->pager, &progress);
	CU_ASSERT_EQUAL(progress.phase, phase);
	CU_ASSERT_TRUE(duo_ledger_says(duo, "destination", destination_says));
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", source_says));
	CU_ASSERT_TRUE(duo->source_vm.frozen);
	pager_stop(duo->pager);
	duo->pager_config.resume_ms = 0;
	restart_kill_pager(duo);
	CU_ASSERT_EQUAL(restart_attach_pager(duo, true), -ENXIO);
	duo_fini(duo);
}

static void test_nobody_asks(void)
{
	struct duo duo;

	complete_untold(&duo);
	nobody_asks(&duo, GMEM_PHASE_COMPLETE, "GIVEN", "COMPLETE");
	in_doubt_and_untold(&duo);
	nobody_asks(&duo, GMEM_PHASE_ABORTED, "IN_DOUBT", "ABORTED");
}

static const struct check checks[] = {
	{ "COMPLETE is told by another process", test_complete_is_told_by_another_process },
	{ "the token is fetched", test_token_is_fetched },
	{ "the token is told by another process", test_token_is_told_by_another_process },
	{ "ABORT before START is told by another process", test_abort_is_told_by_another_process },
	{ "the token is told after a boot", test_token_is_told_after_a_boot },
	{ "nobody asks", test_nobody_asks },
	{ NULL, NULL },
};

CHECK_MAIN("what a destination has still to tell", checks)
