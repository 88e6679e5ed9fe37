// SPDX-License-Identifier: MIT
/* A VM goes into a file and comes back from it: the sides in one process, with fake VMs. */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sodium.h>

#include "check.h"
#include "duo.h"
#include "restart.h"
#include "restore.h"
#include "snapshot/reader.h"
#include "suspend.h"

#define N_PRIVATE 1024u
#define N_SHARED 64u
#define STATE "registers"

/* The duo's source VM is suspended by @config, and restored by the duo's source side. */
struct trip {
	struct duo duo;
	char path[128];
	struct attest_keypair *writer_key;
	struct session_config config;		/* of the suspend */
	struct snapfile_writer *writer;
	struct suspend *suspend;
	struct snapfile_wanted wanted;
	struct snapfile_reader *reader;
	char error[SESSION_ERROR_LEN];
};

static void trip_init(struct trip *trip)
{
	memset(trip, 0, sizeof(*trip));
	duo_init(&trip->duo, N_PRIVATE, N_SHARED);
	snprintf(trip->path, sizeof(trip->path), "%s/vm.snap", trip->duo.dir);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&trip->writer_key), 0);
	trip->config = trip->duo.source_config;
	trip->config.keypair = trip->writer_key;
	memcpy(trip->config.peer_key, attest_keypair_public(trip->duo.source_key), ATTEST_KEY_LEN);
	randombytes_buf(trip->config.ticket_id, ATTEST_ID_LEN);
	trip->wanted = (struct snapfile_wanted){
		.path = trip->path, .recipient = trip->duo.source_key, .has_root = true,
	};
	memcpy(trip->wanted.writer, attest_keypair_public(trip->writer_key), ATTEST_KEY_LEN);
}

static void end_suspend(struct trip *trip)
{
	if (trip->suspend != NULL)
		suspend_stop(trip->suspend);
	suspend_free(trip->suspend);
	snapfile_writer_free(trip->writer);
	trip->suspend = NULL;
	trip->writer = NULL;
}

static void end_restore(struct trip *trip)
{
	if (trip->duo.source != NULL) {
		source_stop(trip->duo.source);
		restore_stop(trip->duo.source);
	}
	source_free(trip->duo.source);
	trip->duo.source = NULL;
	snapfile_reader_free(trip->reader);
	trip->reader = NULL;
}

static void trip_fini(struct trip *trip)
{
	end_suspend(trip);
	end_restore(trip);
	attest_keypair_free(trip->writer_key);
	duo_fini(&trip->duo);
}

static bool exists(const struct trip *trip, const char *suffix)
{
	char path[160];

	snprintf(path, sizeof(path), "%s%s", trip->path, suffix);
	return access(path, F_OK) == 0;
}

/* What the record of the suspend says. */
static enum attest_state recorded(const struct trip *trip)
{
	return ledger_state(trip->suspend->session.ledger);
}

/* Up to a VM that is attached. */
static void open_suspend(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	CU_ASSERT_EQUAL_FATAL(snapfile_writer_open(trip->path, &trip->writer, trip->error), 0);
	trip->config.suspend = trip->writer;
	CU_ASSERT_EQUAL_FATAL(suspend_new(&trip->config, &trip->suspend, trip->error, sizeof(trip->error)), 0);
	CU_ASSERT_EQUAL_FATAL(suspend_attach(trip->suspend, fake_vm_session(&duo->source_vm), duo->source_regions,
					     duo->n_regions, trip->error, sizeof(trip->error)), 0);
}

static int start(struct trip *trip)
{
	struct states_part part = { .n_states = 1, .total_len = sizeof(STATE), .name = "vcpu0.regs" };
	struct states states;
	int r;

	states_init(&states);
	CU_ASSERT_EQUAL_FATAL(states_add(&states, &part, STATE, sizeof(STATE)), 0);
	r = suspend_start(trip->suspend, &states, trip->error, sizeof(trip->error));
	states_fini(&states);
	return r;
}

static enum gmem_phase wait_suspend(struct trip *trip)
{
	enum gmem_phase phase = GMEM_PHASE_IDLE;
	int i;

	for (i = 0; i < 4000 * PATIENCE && phase < GMEM_PHASE_COMPLETE; i++) {
		session_tick(&trip->suspend->session);
		phase = session_get_phase(&trip->suspend->session, NULL, trip->error);
		restart_sleep_ms(5);
	}
	return phase;
}

static void suspend_all(struct trip *trip)
{
	open_suspend(trip);
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip->suspend), 0);
	CU_ASSERT_EQUAL_FATAL(start(trip), 0);
	CU_ASSERT_EQUAL_FATAL(wait_suspend(trip), GMEM_PHASE_COMPLETE);
	memcpy(trip->wanted.root, trip->suspend->root, SNAPFILE_ROOT_LEN);
}

static void open_reader(struct trip *trip)
{
	int fd = -1;

	CU_ASSERT_EQUAL_FATAL(snapfile_reader_open(trip->path, &fd, trip->error), 0);
	CU_ASSERT_EQUAL_FATAL(snapfile_reader_new(fd, &trip->wanted, &trip->reader, trip->error), 0);
	trip->duo.source_config.restore = trip->reader;
}

static void open_source(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	CU_ASSERT_EQUAL_FATAL(source_new(&duo->source_config, &duo->source, duo->error, sizeof(duo->error)), 0);
}

static void open_pager(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	CU_ASSERT_EQUAL_FATAL(pager_new(&duo->pager_config, &duo->pager, duo->error, sizeof(duo->error)), 0);
	CU_ASSERT_EQUAL_FATAL(pager_attach(duo->pager, fake_vm_session(&duo->pager_vm), duo->pager_regions, duo->n_regions,
					   duo->error, sizeof(duo->error)), 0);
}

/* Both owners at work, until the phases are these, or something has ended. */
static bool wait_restore(struct trip *trip, enum gmem_phase pager, enum gmem_phase source)
{
	struct duo *duo = &trip->duo;
	enum gmem_phase p, s;
	int i;

	for (i = 0; i < 4000 * PATIENCE; i++) {
		restore_tick(duo->source);
		session_tick(&duo->source->session);
		session_tick(&duo->pager->session);
		pager_tick(duo->pager);
		p = session_get_phase(&duo->pager->session, NULL, NULL);
		s = session_get_phase(&duo->source->session, NULL, NULL);
		if ((p >= pager && s >= source) || p > GMEM_PHASE_COMPLETE)
			return p == pager && s == source;
		restart_sleep_ms(5);
	}
	return false;
}

/* From the file to a guest that runs. */
static void restore_to_running(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	open_reader(trip);
	open_pager(trip);
	open_source(trip);
	CU_ASSERT_TRUE_FATAL(wait_restore(trip, GMEM_PHASE_STARTED, GMEM_PHASE_STARTED));
	CU_ASSERT_EQUAL_FATAL(duo->pager->states.n_states, 1);
	CU_ASSERT_STRING_EQUAL(duo->pager->states.states[0].name, "vcpu0.regs");
	CU_ASSERT_EQUAL(memcmp(duo->pager->states.states[0].data, STATE, sizeof(STATE)), 0);
	CU_ASSERT_EQUAL(fake_vm_touch(&duo->pager_vm, 500), 0);	/* while states are restored */
	CU_ASSERT_EQUAL_FATAL(pager_run(duo->pager), 0);
}

static void expect_whole(struct trip *trip)
{
	struct duo *duo = &trip->duo;

	CU_ASSERT_TRUE(wait_restore(trip, GMEM_PHASE_COMPLETE, GMEM_PHASE_COMPLETE));
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "RELEASED"));
	CU_ASSERT_TRUE(duo_ledger_says(duo, "destination", "COMPLETE"));
	CU_ASSERT_EQUAL(duo_first_difference(duo), -1);
	CU_ASSERT_EQUAL(fake_vm_count_missing(&duo->pager_vm), 0);
	CU_ASSERT_EQUAL(duo->pager_vm.n_rewritten, 0);
}

static void test_there_and_back(void)
{
	struct gmem_progress progress;
	struct trip trip;
	uint8_t cells[10];

	trip_init(&trip);
	suspend_all(&trip);
	CU_ASSERT_EQUAL(recorded(&trip), ATTEST_STATE_RELEASED);
	CU_ASSERT_TRUE(exists(&trip, ""));
	CU_ASSERT_FALSE(exists(&trip, ".partial"));
	CU_ASSERT_TRUE(trip.duo.source_vm.frozen);
	CU_ASSERT_EQUAL(trip.duo.source_vm.n_thaws, 0);
	suspend_progress(trip.suspend, &progress);
	CU_ASSERT_EQUAL(progress.pages_total, N_PRIVATE + N_SHARED);
	CU_ASSERT_EQUAL(progress.pages_background, N_PRIVATE + N_SHARED);
	CU_ASSERT_EQUAL(suspend_map(trip.suspend, 10, cells), 10);
	CU_ASSERT_EQUAL(cells[0] + cells[9], 200);
	end_suspend(&trip);
	CU_ASSERT_TRUE(exists(&trip, ""));	/* what was published stays */
	duo_hold_stream(&trip.duo);
	restore_to_running(&trip);
	CU_ASSERT_EQUAL(fake_vm_touch(&trip.duo.pager_vm, N_PRIVATE + 3), 0);	/* on demand, and the rest behind it */
	CU_ASSERT_EQUAL(duo_let_stream_go(&trip.duo), 0);
	expect_whole(&trip);
	source_progress(trip.duo.source, &progress);
	CU_ASSERT_TRUE(progress.pages_demand >= 2);
	CU_ASSERT_TRUE(progress.pages_background > 0);
	trip_fini(&trip);
}

/* ---- a suspend that comes to nothing: the guest goes on ---- */

static void expect_goes_on(struct trip *trip, enum attest_state state, const char *sentence)
{
	CU_ASSERT_EQUAL(wait_suspend(trip), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(trip->error, sentence);
	CU_ASSERT_EQUAL(recorded(trip), state);
	CU_ASSERT_FALSE(trip->duo.source_vm.frozen);
	end_suspend(trip);
	CU_ASSERT_FALSE(exists(trip, ".partial"));
}

static void test_no_room(void)
{
	struct rlimit before, limit;
	struct trip trip;

	trip_init(&trip);
	open_suspend(&trip);
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 100000;
	setrlimit(RLIMIT_FSIZE, &limit);
	CU_ASSERT_EQUAL(start(&trip), 0);
	expect_goes_on(&trip, ATTEST_STATE_ABORTED, "make room, or name a file on another file system");
	setrlimit(RLIMIT_FSIZE, &before);
	CU_ASSERT_FALSE(exists(&trip, ""));
	/* Nothing is lost: with a new ticket, and room, it works. */
	randombytes_buf(trip.config.ticket_id, ATTEST_ID_LEN);
	suspend_all(&trip);
	end_suspend(&trip);
	restore_to_running(&trip);
	expect_whole(&trip);
	trip_fini(&trip);
}

static void test_unreadable(void)
{
	struct trip trip;

	trip_init(&trip);
	open_suspend(&trip);
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
	atomic_store(&trip.duo.source_vm.extract_error, -EIO);
	CU_ASSERT_EQUAL(start(&trip), 0);
	expect_goes_on(&trip, ATTEST_STATE_ABORTED, "pages of the VM: Input/output error");
	CU_ASSERT_FALSE(exists(&trip, ""));
	trip_fini(&trip);
}

/* The record says IN_DOUBT by then: only because the file is gone may it say RESUMED. */
static void test_name_taken(void)
{
	struct trip trip;
	FILE *file;

	trip_init(&trip);
	open_suspend(&trip);
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
	file = fopen(trip.path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("mine", file);
	fclose(file);
	CU_ASSERT_EQUAL(start(&trip), 0);
	expect_goes_on(&trip, ATTEST_STATE_RESUMED, "cannot give its name to");
	CU_ASSERT_TRUE(exists(&trip, ""));	/* somebody else's */
	trip_fini(&trip);
}

static void test_vcpu_runs(void)
{
	struct trip trip;

	trip_init(&trip);
	open_suspend(&trip);
	CU_ASSERT_EQUAL(start(&trip), -EINVAL);
	CHECK_CONTAINS(trip.error, "call gmem_source_prepare first");
	CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
	CU_ASSERT_EQUAL(suspend_prepare(trip.suspend), -EALREADY);
	trip.duo.source_vm.vcpu_runs = true;
	CU_ASSERT_EQUAL(start(&trip), -EBUSY);
	trip.duo.source_vm.vcpu_runs = false;
	CU_ASSERT_EQUAL(start(&trip), 0);
	CU_ASSERT_EQUAL(start(&trip), -EINVAL);
	CU_ASSERT_EQUAL(wait_suspend(&trip), GMEM_PHASE_COMPLETE);
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
		open_suspend(&trip);
		CU_ASSERT_EQUAL_FATAL(suspend_prepare(trip.suspend), 0);
		CU_ASSERT_EQUAL(start(&trip), 0);
		usleep((useconds_t)(i * 700));
		r = session_abort(&trip.suspend->session, &command);
		phase = wait_suspend(&trip);
		if (phase == GMEM_PHASE_COMPLETE) {
			CU_ASSERT_EQUAL(recorded(&trip), ATTEST_STATE_RELEASED);
			CU_ASSERT_TRUE(r < 0 && trip.duo.source_vm.frozen);
		} else if (phase == GMEM_PHASE_ABORTED) {
			CU_ASSERT_EQUAL(recorded(&trip), ATTEST_STATE_ABORTED);
			CU_ASSERT_FALSE(trip.duo.source_vm.frozen);
		} else {
			CU_ASSERT_EQUAL(phase, GMEM_PHASE_FAILED);
			CU_ASSERT_EQUAL(recorded(&trip), ATTEST_STATE_IN_DOUBT);
			CU_ASSERT_TRUE(trip.duo.source_vm.frozen);
		}
		end_suspend(&trip);
		CU_ASSERT_FALSE(exists(&trip, ".partial"));
		CU_ASSERT_EQUAL(exists(&trip, ""), phase != GMEM_PHASE_ABORTED);
		trip_fini(&trip);
	}
}

static void test_ticket_used(void)
{
	int status = 0;
	struct trip trip;

	trip_init(&trip);
	suspend_all(&trip);
	end_suspend(&trip);
	unlink(trip.path);
	trip.duo.source_vm.frozen = false;	/* as if it were another VM */
	open_suspend(&trip);
	CU_ASSERT_EQUAL(suspend_prepare(trip.suspend), 0);
	CU_ASSERT_EQUAL(session_get_phase(&trip.suspend->session, &status, trip.error), GMEM_PHASE_ABORTED);
	CU_ASSERT_EQUAL(status, -EACCES);
	CHECK_CONTAINS(trip.error, "this ticket was used before");
	CU_ASSERT_EQUAL(start(&trip), -ECANCELED);
	CU_ASSERT_FALSE(trip.duo.source_vm.frozen);
	end_suspend(&trip);
	CU_ASSERT_FALSE(exists(&trip, ""));
	CU_ASSERT_FALSE(exists(&trip, ".partial"));
	trip_fini(&trip);
}

/* ---- a restore ---- */

static void test_second_restore(void)
{
	int status = 0;
	struct trip trip;

	trip_init(&trip);
	suspend_all(&trip);
	end_suspend(&trip);
	restore_to_running(&trip);
	expect_whole(&trip);
	end_restore(&trip);
	open_reader(&trip);
	open_source(&trip);
	CU_ASSERT_FALSE(wait_restore(&trip, GMEM_PHASE_COMPLETE, GMEM_PHASE_COMPLETE));
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
	suspend_all(&trip);
	end_suspend(&trip);
	duo_hold_stream(&trip.duo);
	restore_to_running(&trip);
	file = fopen(trip.path, "r+e");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fseek(file, -(long)SNAPFILE_TRAILER_LEN, SEEK_END);
	for (i = 0; i < (int)(N_SHARED * 3 / 2); i++) {	/* a byte in each page from the end on */
		fseek(file, -4096, SEEK_CUR);
		fputc(0x5a, file);
		fseek(file, -1, SEEK_CUR);
	}
	fclose(file);
	CU_ASSERT_EQUAL(duo_let_stream_go(&trip.duo), 0);
	CU_ASSERT_FALSE(wait_restore(&trip, GMEM_PHASE_COMPLETE, GMEM_PHASE_COMPLETE));
	CU_ASSERT_EQUAL(session_get_phase(&trip.duo.source->session, &status, trip.error), GMEM_PHASE_FAILED);
	CU_ASSERT_EQUAL(status, -EBADMSG);
	CHECK_CONTAINS(trip.error, "pages: page ");
	CHECK_CONTAINS(trip.error, "of the snapshot was altered");
	CU_ASSERT_TRUE(fake_vm_count_missing(&trip.duo.pager_vm) > 0);
	trip_fini(&trip);
}

/* Killed in mid-restore: a new process with the same file goes on, with another one it does not. */
static void test_process_restarts(void)
{
	struct trip trip;
	struct duo *duo = &trip.duo;
	char hex[2 * SNAPFILE_ROOT_LEN + 1] = "";

	trip_init(&trip);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 15000 * PATIENCE;
	suspend_all(&trip);
	end_suspend(&trip);
	duo_hold_stream(duo);
	restore_to_running(&trip);
	CU_ASSERT_TRUE_FATAL(wait_restore(&trip, GMEM_PHASE_RUNNING, GMEM_PHASE_RUNNING));
	source_stop(duo->source);
	CU_ASSERT_TRUE(ledger_get_snapshot(duo->source->session.ledger, hex, sizeof(hex)));
	memset(hex, '0', sizeof(hex) - 1);
	CU_ASSERT_EQUAL(ledger_note_snapshot(duo->source->session.ledger, hex), 0);
	source_free(duo->source);
	open_source(&trip);
	restore_tick(duo->source);
	CU_ASSERT_EQUAL(session_get_phase(&duo->source->session, NULL, trip.error), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(trip.error, "this session is about another snapshot");
	source_stop(duo->source);
	sodium_bin2hex(hex, sizeof(hex), trip.wanted.root, SNAPFILE_ROOT_LEN);
	CU_ASSERT_EQUAL(ledger_note_snapshot(duo->source->session.ledger, hex), 0);
	source_free(duo->source);
	duo->source_config.background_limit = 0;
	open_source(&trip);
	expect_whole(&trip);
	trip_fini(&trip);
}

/* The same before the guest ran: the states come again from the file. */
static void test_process_restarts_in_doubt(void)
{
	struct trip trip;
	struct duo *duo = &trip.duo;

	trip_init(&trip);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 15000 * PATIENCE;
	suspend_all(&trip);
	end_suspend(&trip);
	open_reader(&trip);
	open_pager(&trip);
	open_source(&trip);
	CU_ASSERT_TRUE_FATAL(wait_restore(&trip, GMEM_PHASE_STARTED, GMEM_PHASE_STARTED));
	source_stop(duo->source);
	source_free(duo->source);
	snapfile_reader_free(trip.reader);
	open_reader(&trip);
	open_source(&trip);
	while (pager_run(duo->pager) == -EAGAIN)	/* START has to come again */
		CU_ASSERT_TRUE_FATAL(wait_restore(&trip, GMEM_PHASE_STARTED, GMEM_PHASE_STARTED));
	expect_whole(&trip);
	trip_fini(&trip);
}

static const struct check checks[] = {
	{ "there and back", test_there_and_back },
	{ "no room", test_no_room },
	{ "pages that cannot be read", test_unreadable },
	{ "the name is taken", test_name_taken, .kvm_only = true },
	{ "a vCPU runs", test_vcpu_runs, .kvm_only = true },
	{ "aborted at any moment", test_aborted },
	{ "a ticket that was used", test_ticket_used, .kvm_only = true },
	{ "a second restore", test_second_restore },
	{ "a bad page", test_bad_page },
	{ "the process restarts", test_process_restarts },
	{ "the process restarts in doubt", test_process_restarts_in_doubt },
	{ NULL, NULL },
};

CHECK_MAIN("snapshot", checks)
