// SPDX-License-Identifier: MIT
/*
 * Moves whose connection is lost and comes back.  Each ends COMPLETE with every byte right, and no
 * page that was present is written again.
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <attest/session/record_file.h>

#include "bent.h"
#include "check.h"
#include "duo.h"
#include "notes.h"

#define N_PRIVATE 2048u
#define N_SHARED 64u

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void init(struct duo *duo)
{
	duo_init(duo, N_PRIVATE, N_SHARED);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 15000 * PATIENCE;
}

/* What both records say of the connection's number. */
static uint64_t recorded_connection(struct duo *duo, struct ledger *ledger)
{
	(void)duo;
	return ledger_next_connection(ledger) - 1;
}

static void finish(struct duo *duo, uint64_t n_connections)
{
	CU_ASSERT_EQUAL(duo_wait_pager(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_wait_source(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_TRUE(duo_ledger_says(duo, "source", "RELEASED"));
	CU_ASSERT_TRUE(duo_ledger_says(duo, "destination", "COMPLETE"));
	CU_ASSERT_EQUAL(duo_first_difference(duo), -1);
	CU_ASSERT_EQUAL(fake_vm_count_missing(&duo->pager_vm), 0);
	CU_ASSERT_EQUAL(duo->pager_vm.n_rewritten, 0);
	CU_ASSERT_TRUE(recorded_connection(duo, duo->pager->session.ledger) >= n_connections);
	CU_ASSERT_EQUAL(recorded_connection(duo, duo->pager->session.ledger),
			recorded_connection(duo, duo->source->session.ledger));
	duo_fini(duo);
}

static void cut(struct session *session)
{
	pthread_rwlock_rdlock(&session->link_lock);
	link_shutdown(&session->link);
	pthread_rwlock_unlock(&session->link_lock);
}

/* Until @session has gone on @n times. */
static bool comes_back(struct session *session, unsigned int n)
{
	struct gmem_progress progress;
	int i;

	for (i = 0; i < 4000 * PATIENCE; i++) {
		session_progress(session, &progress);
		if (progress.n_resumed >= n && progress.link == GMEM_LINK_UP)
			return true;
		sleep_ms(5);
	}
	return false;
}

struct walker {
	struct fake_vm *vm;
	atomic_int n_done;
	int result;
};

/* A guest that wants all of its memory, backwards. */
static void *walk(void *arg)
{
	struct walker *walker = arg;
	uint64_t gfn = N_PRIVATE + N_SHARED;

	while (gfn-- > 0 && walker->result == 0) {
		walker->result = fake_vm_touch(walker->vm, gfn);
		atomic_fetch_add(&walker->n_done, 1);
	}
	return NULL;
}

static void test_cut_while_running(void)
{
	struct walker walker = { .result = 0 };
	pthread_t thread;
	struct duo duo;
	unsigned int i;

	init(&duo);
	duo_hold_stream(&duo);
	atomic_store(&duo.pager_vm.populate_delay_us, 50000);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	walker.vm = &duo.pager_vm;
	pthread_create(&thread, NULL, walk, &walker);
	for (i = 1; i <= 2; i++) {
		cut(i == 1 ? &duo.source->session : &duo.pager->session);
		CU_ASSERT_TRUE(comes_back(&duo.pager->session, i));
		CU_ASSERT_TRUE(comes_back(&duo.source->session, i));
	}
	atomic_store(&duo.pager_vm.populate_delay_us, 0);
	CU_ASSERT_EQUAL(duo_let_stream_go(&duo), 0);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(walker.result, 0);
	finish(&duo, 3);
}

/* The guest runs at the source still: nothing has moved, and the move can begin later. */
static void test_cut_before_start(void)
{
	struct duo duo;

	init(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	cut(&duo.pager->session);
	CU_ASSERT_TRUE(comes_back(&duo.source->session, 1));
	CU_ASSERT_TRUE(comes_back(&duo.pager->session, 1));
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	finish(&duo, 2);
}

/*
 * The connection ends in place of a record that goes before START: the VM was frozen for it, nothing has
 * moved, and it goes on at the source at once.  This ticket starts nothing any more, at neither end.
 */
static void cut_while_frozen(enum attest_op op)
{
	struct states_part part = { .n_states = 1, .total_len = 5, .name = "vcpu0.regs" };
	struct duo duo;
	int r;

	init(&duo);
	duo.source_config.transport = &bent_transport;
	duo.pager_config.resume_ms = 500;
	bent_set(ATTEST_LANE_CONTROL, op, 0, BENT_CUT);
	CU_ASSERT_EQUAL(states_add(&duo.states, &part, "state", 5), 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	r = source_start(duo.source, &duo.states, duo.error, sizeof(duo.error));
	CU_ASSERT_TRUE(r < 0);
	CU_ASSERT_TRUE(bent_happened());
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "ABORTED"));
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	CU_ASSERT_EQUAL(duo.source_vm.n_thaws, 1);
	/* The destination never had START, and says so once it has waited long enough. */
	CU_ASSERT_EQUAL(pager_run(duo.pager), -EINVAL);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	CU_ASSERT_EQUAL(pager_run(duo.pager), -ECANCELED);
	source_stop(duo.source);
	source_free(duo.source);
	CU_ASSERT_EQUAL_FATAL(source_new(&duo.source_config, &duo.source, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL(ledger_event(duo.source->session.ledger, ATTEST_EVENT_BEGIN), -EEXIST);
	pager_stop(duo.pager);
	pager_free(duo.pager);
	CU_ASSERT_EQUAL_FATAL(pager_new(&duo.pager_config, &duo.pager, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL(session_get_phase(&duo.pager->session, NULL, NULL), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "ABORTED"));
	duo_fini(&duo);
}

static void test_cut_while_frozen(void)
{
	cut_while_frozen(ATTEST_OP_STATE);
	cut_while_frozen(ATTEST_OP_MANIFEST);
}

/* Between START and run: START is volatile, and comes again; the VMM notices a pause. */
static void test_cut_before_run(void)
{
	struct duo duo;
	int r = -EAGAIN, i;

	init(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	CU_ASSERT_EQUAL(fake_vm_touch(&duo.pager_vm, 900), 0);
	cut(&duo.pager->session);
	CU_ASSERT_TRUE(comes_back(&duo.pager->session, 1));
	CU_ASSERT_EQUAL(session_get_phase(&duo.pager->session, NULL, NULL), GMEM_PHASE_STARTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "IN_DOUBT"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "OFFERED"));
	for (i = 0; i < 4000 * PATIENCE && r == -EAGAIN; i++) {
		r = pager_run(duo.pager);
		sleep_ms(5);
	}
	CU_ASSERT_EQUAL(r, 0);
	finish(&duo, 2);
}

/* One record of one kind is where the connection ends: it, or what says it again, has to arrive. */
static void cut_at(bool by_pager, enum attest_lane lane, enum attest_op op, int nth, enum bent_act act)
{
	struct walker walker = { .result = 0 };
	pthread_t thread;
	struct duo duo;
	int r = -EAGAIN, i;

	init(&duo);
	if (by_pager)
		duo.pager_config.transport = &bent_transport;
	else
		duo.source_config.transport = &bent_transport;
	if (act == BENT_STALL)
		duo.source_config.peer_ms = duo.pager_config.peer_ms = 500 * PATIENCE;
	bent_set(lane, op, nth, act);
	atomic_store(&duo.pager_vm.populate_delay_us, 20000);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(source_start(duo.source, &duo.states, duo.error, sizeof(duo.error)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(&duo, GMEM_PHASE_STARTED), GMEM_PHASE_STARTED);
	for (i = 0; i < 4000 * PATIENCE && r == -EAGAIN; i++) {
		r = pager_run(duo.pager);
		sleep_ms(5);
	}
	CU_ASSERT_EQUAL(r, 0);
	walker.vm = &duo.pager_vm;
	pthread_create(&thread, NULL, walk, &walker);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(walker.result, 0);
	/* COMPLETE itself is sent after the phase says so. */
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_TRUE(bent_happened());
	finish(&duo, 2);
}

static void test_cut_at_each_record(void)
{
	cut_at(false, ATTEST_LANE_CONTROL, ATTEST_OP_START, 0, BENT_CUT);
	cut_at(true, ATTEST_LANE_CONTROL, ATTEST_OP_STARTED, 0, BENT_CUT);
	cut_at(true, ATTEST_LANE_CONTROL, ATTEST_OP_MAP, 0, BENT_CUT);
	cut_at(true, ATTEST_LANE_CONTROL, ATTEST_OP_COMPLETE, 0, BENT_CUT);
	cut_at(true, ATTEST_LANE_URGENT, ATTEST_OP_REQUEST, 2, BENT_CUT);
	cut_at(true, ATTEST_LANE_BULK, ATTEST_OP_CREDIT, 0, BENT_CUT);
	cut_at(false, ATTEST_LANE_URGENT, ATTEST_OP_PAGES, 3, BENT_CUT);
	cut_at(false, ATTEST_LANE_BULK, ATTEST_OP_PAGES, 2, BENT_CUT);
}

/* Somebody interferes with records: they are refused, and the move goes on over a fresh connection. */
static void test_interference(void)
{
	cut_at(false, ATTEST_LANE_URGENT, ATTEST_OP_PAGES, 3, BENT_FLIP);
	cut_at(false, ATTEST_LANE_BULK, ATTEST_OP_PAGES, 1, BENT_REPLAY);
	cut_at(true, ATTEST_LANE_CONTROL, ATTEST_OP_MAP, 0, BENT_FLIP);
	cut_at(false, ATTEST_LANE_URGENT, ATTEST_OP_PAGES, 2, BENT_SWAP);
}

/*
 * The connection ends when the control lane is bound and the others are not.  Nobody reads at the destination then; that
 * the source is there again tells it, long before the time for a handshake is over.
 */
static void test_cut_while_binding(void)
{
	struct duo duo;

	init(&duo);
	duo.source_config.transport = &bent_transport;
	duo.source_config.handshake_ms = duo.pager_config.handshake_ms = 100000 * PATIENCE;
	duo_hold_stream(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	bent_set(ATTEST_LANE_URGENT, ATTEST_OP_BIND, 0, BENT_CUT);
	cut(&duo.source->session);
	CU_ASSERT_TRUE(comes_back(&duo.source->session, 1));
	CU_ASSERT_TRUE(comes_back(&duo.pager->session, 1));
	CU_ASSERT_TRUE(bent_happened());
	CU_ASSERT_EQUAL(duo_let_stream_go(&duo), 0);
	finish(&duo, 2);
}

/* Silence alone says it. */
static void test_stall(void)
{
	cut_at(false, ATTEST_LANE_URGENT, ATTEST_OP_PAGES, 3, BENT_STALL);
}

/* Before START, nobody comes back: both give up, and the guest is where it was. */
static void test_given_up_before_start(void)
{
	struct duo duo;

	init(&duo);
	duo.source_config.resume_ms = duo.pager_config.resume_ms = 1000;
	duo.source_config.connect_ms = 1000;
	strcpy(duo.source_address, duo.address);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	duo_choose_address(duo.source_address, sizeof(duo.source_address));	/* where nobody is */
	cut(&duo.source->session);
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_EQUAL(duo_wait_pager(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_ABORTED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "source", "ABORTED"));
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "ABORTED"));
	CU_ASSERT_FALSE(duo.source_vm.frozen);
	duo_fini(&duo);
}

/* The source is gone: LOST is shown, nothing is made up, and who comes back late is still welcome. */
static void test_lost_is_shown_and_can_end(void)
{
	struct gmem_progress progress;
	char right_address[sizeof(((struct duo *)NULL)->address)];
	struct duo duo;
	int i;

	init(&duo);
	duo.source_config.resume_ms = duo.pager_config.resume_ms = 700;
	duo.source_config.connect_ms = 1000;
	duo_hold_stream(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	strcpy(right_address, duo.source_address);
	duo_choose_address(duo.source_address, sizeof(duo.source_address));
	cut(&duo.source->session);
	for (i = 0; i < 4000 * PATIENCE; i++) {
		session_tick(&duo.pager->session);
		session_tick(&duo.source->session);
		pager_progress(duo.pager, &progress);
		if (progress.link == GMEM_LINK_LOST)
			break;
		sleep_ms(5);
	}
	CU_ASSERT_EQUAL(progress.link, GMEM_LINK_LOST);
	CU_ASSERT_TRUE(progress.silent_us >= 700000);
	CU_ASSERT_EQUAL(progress.phase, GMEM_PHASE_RUNNING);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "RUNNING"));
	strcpy(duo.source_address, right_address);
	CU_ASSERT_TRUE(comes_back(&duo.pager->session, 1));
	CU_ASSERT_EQUAL(duo_let_stream_go(&duo), 0);
	finish(&duo, 2);
}

static void command(struct duo *duo, const char *line)
{
	char name[RECORD_FILE_NAME_LEN];
	struct attest_session_record record = { .role = ATTEST_RESPONDER };
	struct attest_session_command parsed;
	int dir_fd = open(duo->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memcpy(record.ticket_id, duo->pager_config.ticket_id, ATTEST_ID_LEN);
	record_file_name(&record, name);
	CU_ASSERT_EQUAL(notes_get_command(line, &parsed), 0);
	CU_ASSERT_EQUAL(notes_write(dir_fd, name, NOTES_COMMAND, line), 0);
	session_tick(&duo->pager->session);
	close(dir_fd);
}

/* What the process says of its connection, beside its record. */
static const char *note(struct duo *duo)
{
	static char line[NOTES_LINE_MAX];
	struct attest_session_record record = { .role = ATTEST_RESPONDER };
	char name[RECORD_FILE_NAME_LEN];
	int dir_fd = open(duo->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memcpy(record.ticket_id, duo->pager_config.ticket_id, ATTEST_ID_LEN);
	record_file_name(&record, name);
	if (notes_read(dir_fd, name, NOTES_STATUS, line) < 0)
		line[0] = '\0';
	close(dir_fd);
	return line;
}

static void test_abandon(void)
{
	struct gmem_progress progress = { .link = GMEM_LINK_NONE };
	struct duo duo;
	int status, i;

	init(&duo);
	duo.pager_config.resume_ms = 500;
	duo_hold_stream(&duo);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(&duo), 0);
	command(&duo, "abandon 7 1 too early");
	CU_ASSERT_FALSE(session_has_ended(&duo.pager->session));
	CHECK_CONTAINS(note(&duo), "connected");
	source_stop(duo.source);
	for (i = 0; i < 4000 * PATIENCE && progress.link != GMEM_LINK_LOST; i++) {
		session_tick(&duo.pager->session);
		session_progress(&duo.pager->session, &progress);
		sleep_ms(5);
	}
	CHECK_CONTAINS(note(&duo), "LOST");
	CHECK_CONTAINS(note(&duo), "last heard at 20");
	CHECK_CONTAINS(note(&duo), "gmemctl session abandon");
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "RUNNING"));
	command(&duo, "abandon 7 1 the host burnt down");
	CU_ASSERT_EQUAL(session_get_phase(&duo.pager->session, NULL, NULL), GMEM_PHASE_FAILED);
	CHECK_CONTAINS(duo_pager_error(&duo, &status), "abandoned by uid 7: the host burnt down");
	CU_ASSERT_EQUAL(status, -ECANCELED);
	CU_ASSERT_TRUE(duo_ledger_says(&duo, "destination", "LOST"));
	CU_ASSERT_TRUE(session_is_settled(&duo.pager->session));
	duo_fini(&duo);
}

static void test_commands_that_are_none(void)
{
	static const char *const lines[] = { "", "abandon", "abandon x 1 y", "abandon 1 2", "abandon 1 2 ", "resume 1 2 y" };
	struct attest_session_command command_;
	char line[NOTES_LINE_MAX];
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CU_ASSERT_EQUAL(notes_get_command(lines[i], &command_), -EBADMSG);
	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	memcpy(line, "abandon 1 2 ", 12);
	CU_ASSERT_EQUAL(notes_get_command(line, &command_), -EBADMSG);
	command_ = (struct attest_session_command){ .uid = 5, .time_s = 99, .reason = "two words" };
	notes_put_command(&command_, line);
	CU_ASSERT_EQUAL(notes_get_command(line, &command_), 0);
	CU_ASSERT_EQUAL(command_.uid, 5);
	CU_ASSERT_EQUAL(command_.time_s, 99);
	CU_ASSERT_STRING_EQUAL(command_.reason, "two words");
}

static const struct check checks[] = {
	{ "the connection cut twice while the guest runs", test_cut_while_running },
	{ "cut before START", test_cut_before_start },
	{ "cut while frozen, before START", test_cut_while_frozen },
	{ "cut between START and run", test_cut_before_run },
	{ "cut in place of each kind of record", test_cut_at_each_record },
	{ "records flipped, replayed, swapped", test_interference },
	{ "cut while the lanes are bound", test_cut_while_binding },
	{ "silence", test_stall },
	{ "given up before START", test_given_up_before_start },
	{ "LOST is shown, and can end", test_lost_is_shown_and_can_end },
	{ "an operator's abandon", test_abandon },
	{ "commands that are none", test_commands_that_are_none },
	{ NULL, NULL },
};

CHECK_MAIN("lost connections", checks)
