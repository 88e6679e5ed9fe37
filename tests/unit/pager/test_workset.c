// SPDX-License-Identifier: MIT
/* A working set is recorded on one restore and replayed on the next: the sides in one process, with fake VMs. */
#include <errno.h>
#include <unistd.h>

#include <sodium.h>

#include "check.h"
#include "restart.h"
#include "trip.h"
#include "workset.h"

#define LONG 3600u	/* seconds: a test says itself when the time is over */
#define N_TOUCHED 6u

/* Far from where the stream begins, which sends a page a second meanwhile; the first is touched by trip.c. */
static const uint64_t touched[N_TOUCHED] = { 500, 700, 701, 760, 900, TRIP_PRIVATE + 16 };

struct set_trip {
	struct trip trip;
	char path[160];
	struct workset *workset;
};

static void init(struct set_trip *st)
{
	trip_init(&st->trip);
	snprintf(st->path, sizeof(st->path), "%s/vm.set", st->trip.duo.dir);
	st->workset = NULL;
	trip_suspend_all(&st->trip);
	trip_end_suspend(&st->trip);
}

/* The side before its set. */
static void end_restore(struct set_trip *st)
{
	trip_end_restore(&st->trip);
	workset_free(st->workset);
	st->workset = NULL;
	st->trip.duo.source_config.workset = NULL;
}

static void fini(struct set_trip *st)
{
	end_restore(st);
	unlink(st->path);
	trip_fini(&st->trip);
}

/* Another restore of the same snapshot, into an empty VM. */
static void renew(struct set_trip *st)
{
	struct duo *duo = &st->trip.duo;

	end_restore(st);
	pager_stop(duo->pager);
	pager_free(duo->pager);
	duo->pager = NULL;
	randombytes_buf(duo->source_config.ticket_id, ATTEST_ID_LEN);
	memcpy(duo->pager_config.ticket_id, duo->source_config.ticket_id, ATTEST_ID_LEN);
	fake_vm_empty(&duo->pager_vm);
}

static void open_recorder(struct set_trip *st)
{
	struct setfile_writer *writer = NULL;
	char error[SETFILE_ERROR_LEN];

	trip_open_reader(&st->trip);
	CU_ASSERT_EQUAL_FATAL(setfile_writer_open(st->path, &writer, error), 0);
	CU_ASSERT_EQUAL_FATAL(workset_record(writer, st->trip.reader, LONG, &st->workset), 0);
	st->trip.duo.source_config.workset = st->workset;
}

static uint64_t *load(struct set_trip *st)
{
	char error[SETFILE_ERROR_LEN];
	uint64_t *map = NULL;
	int fd = -1;

	CU_ASSERT_EQUAL_FATAL(setfile_open(st->path, &fd, error), 0);
	CU_ASSERT_EQUAL_FATAL(setfile_read(fd, st->path, st->trip.reader, &map, error), 0);
	close(fd);
	return map;
}

static void run(struct set_trip *st)
{
	struct duo *duo = &st->trip.duo;

	trip_open_pager(&st->trip);
	trip_open_source(&st->trip);
	CU_ASSERT_TRUE_FATAL(trip_wait_restore(&st->trip, GMEM_PHASE_STARTED, GMEM_PHASE_STARTED));
	CU_ASSERT_EQUAL(fake_vm_touch(&duo->pager_vm, touched[0]), 0);
	CU_ASSERT_EQUAL_FATAL(pager_run(duo->pager), 0);
	CU_ASSERT_TRUE_FATAL(trip_wait_restore(&st->trip, GMEM_PHASE_RUNNING, GMEM_PHASE_RUNNING));
}

static void touch_all(struct set_trip *st)
{
	unsigned int i;

	for (i = 0; i < N_TOUCHED; i++)
		CU_ASSERT_EQUAL(fake_vm_touch(&st->trip.duo.pager_vm, touched[i]), 0);
}

/* The file has what was touched, and no other page: no neighbour, and nothing that the stream brought. */
static void expect_recorded(struct set_trip *st)
{
	uint64_t *map = load(st), i, n = 0;

	for (i = 0; i < TRIP_PRIVATE + TRIP_SHARED; i++)
		n += bitmap_test(map, i);
	CU_ASSERT_EQUAL(n, N_TOUCHED);
	for (i = 0; i < N_TOUCHED; i++)
		CU_ASSERT_TRUE(bitmap_test(map, touched[i]));
	free(map);
}

/* A guest that touched this, and all that goes with it, in @st's file. */
static void record(struct set_trip *st)
{
	open_recorder(st);
	run(st);
	touch_all(st);
	CU_ASSERT_TRUE(fake_vm_is_missing(&st->trip.duo.pager_vm, 501));
	CU_ASSERT_TRUE(fake_vm_is_missing(&st->trip.duo.pager_vm, 702));
	CU_ASSERT_EQUAL(workset_look(st->workset).state, WORKSET_RECORDING);
	CU_ASSERT_EQUAL(workset_look(st->workset).n_set, N_TOUCHED);
	CU_ASSERT_TRUE(access(st->path, F_OK) < 0);
	st->workset->record_us = 0;	/* the time is over */
	trip_expect_whole(&st->trip);	/* and the stream goes as it always does */
	CU_ASSERT_EQUAL(workset_look(st->workset).state, WORKSET_WRITTEN);
	expect_recorded(st);
}

static void test_record(void)
{
	struct set_trip st;

	init(&st);
	record(&st);
	fini(&st);
}

/* A page is counted as sent a moment after it has left. */
static bool all_here(struct set_trip *st)
{
	unsigned int i, n = 0;

	if (workset_look(st->workset).n_sent < N_TOUCHED - 1)
		return false;

	for (i = 0; i < N_TOUCHED; i++)
		n += !fake_vm_is_missing(&st->trip.duo.pager_vm, touched[i]);
	return n == N_TOUCHED;
}

static void open_replay(struct set_trip *st)
{
	trip_open_reader(&st->trip);
	CU_ASSERT_EQUAL_FATAL(workset_replay(load(st), TRIP_PRIVATE + TRIP_SHARED, &st->workset), 0);
	st->trip.duo.source_config.workset = st->workset;
}

/*
 * The stream stands after its first 64 pages: they have all of the set, and then the beginning of memory.  The guest
 * finds its pages there, and asks for one that is in no set.
 */
static void test_replay(void)
{
	struct set_trip st;
	struct workset_view view;
	int i;

	init(&st);
	record(&st);
	renew(&st);
	open_replay(&st);
	duo_hold_stream(&st.trip.duo);
	run(&st);
	for (i = 0; i < 12000 * PATIENCE && !all_here(&st); i++)
		restart_sleep_ms(5);
	CU_ASSERT_TRUE(fake_vm_count_missing(&st.trip.duo.pager_vm) > TRIP_PRIVATE / 2);
	touch_all(&st);
	CU_ASSERT_EQUAL(fake_vm_touch(&st.trip.duo.pager_vm, 820), 0);
	view = workset_look(st.workset);
	CU_ASSERT_EQUAL(view.state, WORKSET_REPLAYED);
	CU_ASSERT_EQUAL(view.n_set, N_TOUCHED);
	CU_ASSERT_TRUE(view.n_sent >= N_TOUCHED - 1);	/* the first was asked for before the stream was let go */
	CU_ASSERT_TRUE(view.n_late <= 1);
	CU_ASSERT_EQUAL(view.n_outside, 1);
	CU_ASSERT_EQUAL(duo_let_stream_go(&st.trip.duo), 0);
	trip_expect_whole(&st.trip);
	fini(&st);
}

/* A set of all, one of none, and one that has to be sent again over a fresh connection: every byte is right, once. */
static void test_replay_of(uint64_t word, bool cut)
{
	const uint64_t n_pages = TRIP_PRIVATE + TRIP_SHARED;
	uint64_t *map = calloc(bitmap_words(n_pages), sizeof(*map));
	struct session *session;
	struct set_trip st;
	size_t i;

	init(&st);
	for (i = 0; i < bitmap_words(n_pages); i++)
		map[i] = word;
	trip_open_reader(&st.trip);
	CU_ASSERT_EQUAL_FATAL(workset_replay(map, n_pages, &st.workset), 0);
	st.trip.duo.source_config.workset = st.workset;
	st.trip.duo.source_config.resume_ms = st.trip.duo.pager_config.resume_ms = 60000 * PATIENCE;
	if (cut)
		duo_hold_stream(&st.trip.duo);
	run(&st);
	if (cut) {
		session = &st.trip.duo.source->session;
		pthread_rwlock_rdlock(&session->link_lock);
		link_shutdown(&session->link);
		pthread_rwlock_unlock(&session->link_lock);
		CU_ASSERT_EQUAL(duo_let_stream_go(&st.trip.duo), 0);
	}
	trip_expect_whole(&st.trip);
	CU_ASSERT_EQUAL(workset_look(st.workset).n_set, (uint64_t)__builtin_popcountll(word) * n_pages / 64);
	fini(&st);
}

static void test_all_and_none(void)
{
	test_replay_of(UINT64_MAX, false);
	test_replay_of(0, false);
}

static void test_replay_again(void)
{
	test_replay_of(0x5500ff0010000001ull, true);
}

/* The recording goes on over a fresh connection, too. */
static void test_record_again(void)
{
	struct session *session;
	struct set_trip st;

	init(&st);
	st.trip.duo.source_config.resume_ms = st.trip.duo.pager_config.resume_ms = 60000 * PATIENCE;
	open_recorder(&st);
	run(&st);
	session = &st.trip.duo.source->session;
	pthread_rwlock_rdlock(&session->link_lock);
	link_shutdown(&session->link);
	pthread_rwlock_unlock(&session->link_lock);
	touch_all(&st);
	st.workset->record_us = 0;
	trip_expect_whole(&st.trip);
	expect_recorded(&st);
	fini(&st);
}

/* It cannot be written: that costs the set and nothing else. */
static void test_not_written(void)
{
	struct set_trip st;
	char partial[192];

	init(&st);
	open_recorder(&st);
	run(&st);
	touch_all(&st);
	snprintf(partial, sizeof(partial), "%s" FILE_PARTIAL, st.path);
	CU_ASSERT_EQUAL(unlink(partial), 0);
	st.workset->record_us = 0;
	trip_expect_whole(&st.trip);
	CU_ASSERT_EQUAL(workset_look(st.workset).state, WORKSET_DROPPED);
	CU_ASSERT_TRUE(access(st.path, F_OK) < 0);
	fini(&st);
}

/* A process that goes on with a restore has not seen its beginning; what was recorded once stays as it is. */
static void test_process_restarts(void)
{
	struct set_trip st;
	struct duo *duo = &st.trip.duo;

	init(&st);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 60000 * PATIENCE;
	record(&st);
	renew(&st);
	open_recorder(&st);
	run(&st);
	source_stop(duo->source);
	source_free(duo->source);
	trip_open_source(&st.trip);
	trip_expect_whole(&st.trip);
	CU_ASSERT_EQUAL(workset_look(st.workset).state, WORKSET_DROPPED);
	expect_recorded(&st);
	fini(&st);
}

/* It ends before the time is over, and not well: no half set. */
static void test_failed(void)
{
	struct set_trip st;

	init(&st);
	open_recorder(&st);
	run(&st);
	touch_all(&st);
	session_end(&st.trip.duo.source->session, SESSION_LOCAL, -EIO, "a test");
	restore_tick(st.trip.duo.source);
	CU_ASSERT_EQUAL(workset_look(st.workset).state, WORKSET_DROPPED);
	CU_ASSERT_TRUE(access(st.path, F_OK) < 0);
	fini(&st);
}

static const struct check checks[] = {
	{ "recorded", test_record },
	{ "replayed", test_replay },
	{ "all and none", test_all_and_none },
	{ "replayed over a fresh connection", test_replay_again },
	{ "recorded over a fresh connection", test_record_again },
	{ "not written", test_not_written },
	{ "a process goes on", test_process_restarts },
	{ "a restore fails", test_failed },
	{ NULL },
};

CHECK_MAIN("working set", checks)
