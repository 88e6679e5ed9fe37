// SPDX-License-Identifier: MIT
/*
 * Moves whose background stream is limited to a page a second: by itself it would take half an hour.
 * Who waits for a page has it at once all the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <attest/session/record_file.h>

#include "check.h"
#include "duo.h"
#include "notes.h"

#define N_PRIVATE 2048u
#define N_SHARED 64u
#define STILL_MISSING 1000u	/* minutes of the stream; before them come 64 pages at once, and those that are zero */

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static void begin(struct duo *duo)
{
	duo_init(duo, N_PRIVATE, N_SHARED);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 15000 * PATIENCE;
	duo->source_config.background_limit = LIMIT_MIN;
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(duo), 0);
}

static void finish(struct duo *duo)
{
	CU_ASSERT_EQUAL(duo_wait_pager(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_wait_source(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(duo), -1);
	CU_ASSERT_EQUAL(duo->pager_vm.n_rewritten, 0);
	duo_fini(duo);
}

static void touch_every(struct duo *duo, uint64_t step)
{
	uint64_t gfn;

	for (gfn = 0; gfn < N_PRIVATE + N_SHARED; gfn += step)
		CU_ASSERT_EQUAL(fake_vm_touch(&duo->pager_vm, gfn), 0);
}

static void wait_until_some_came(struct duo *duo)
{
	while (atomic_load(&duo->source->session.stats.pages_background) == 0)
		sleep_ms(1);
}

static void test_faults_are_answered_at_once(void)
{
	struct duo duo;

	begin(&duo);
	wait_until_some_came(&duo);
	touch_every(&duo, 64);
	CU_ASSERT_TRUE(fake_vm_count_missing(&duo.pager_vm) > STILL_MISSING);
	touch_every(&duo, 1);
	CU_ASSERT_TRUE(atomic_load(&duo.source->session.stats.pages_demand) > STILL_MISSING);
	finish(&duo);
}

static void record_name(struct duo *duo, enum attest_role role, char ret_name[RECORD_FILE_NAME_LEN])
{
	struct attest_session_record record = { .role = role };

	memcpy(record.ticket_id, duo->pager_config.ticket_id, ATTEST_ID_LEN);
	record_file_name(&record, ret_name);
}

/* An operator's wish, as gmemctl leaves it; false: it was not taken away. */
static bool wish(struct duo *duo, enum attest_role role, const char *line)
{
	struct session *session = role == ATTEST_INITIATOR ? &duo->source->session : &duo->pager->session;
	int dir_fd = open(duo->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	char name[RECORD_FILE_NAME_LEN], got[NOTES_LINE_MAX];

	record_name(duo, role, name);
	CU_ASSERT_EQUAL(notes_write(dir_fd, name, NOTES_NEW_LIMIT, line), 0);
	session_tick(session);
	r = notes_read(dir_fd, name, NOTES_NEW_LIMIT, got);
	close(dir_fd);
	return r == -ENOENT;
}

/* What the source says beside its record; "": nothing. */
static const char *said(struct duo *duo)
{
	int dir_fd = open(duo->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	static char line[NOTES_LINE_MAX];
	char name[RECORD_FILE_NAME_LEN];

	record_name(duo, ATTEST_INITIATOR, name);
	if (notes_read(dir_fd, name, NOTES_LIMIT, line) < 0)
		line[0] = '\0';
	close(dir_fd);
	return line;
}

static void test_an_operator_changes_it(void)
{
	struct duo duo;

	begin(&duo);
	wait_until_some_came(&duo);
	session_tick(&duo.source->session);
	CHECK_CONTAINS(said(&duo), "4096 by ");
	CU_ASSERT_TRUE(wish(&duo, ATTEST_INITIATOR, "4095 by 7"));
	CU_ASSERT_TRUE(wish(&duo, ATTEST_INITIATOR, "nonsense"));
	CU_ASSERT_EQUAL(limit_get(&duo.source->limit), LIMIT_MIN);
	CHECK_CONTAINS(said(&duo), "4096 by ");
	CU_ASSERT_TRUE(wish(&duo, ATTEST_RESPONDER, "8192 by 7"));	/* has no stream */
	CU_ASSERT_TRUE(wish(&duo, ATTEST_INITIATOR, "8192 by 7"));
	CU_ASSERT_EQUAL(limit_get(&duo.source->limit), 8192);
	CU_ASSERT_STRING_EQUAL(said(&duo), "8192 by 7");
	CU_ASSERT_TRUE(fake_vm_count_missing(&duo.pager_vm) > STILL_MISSING);
	CU_ASSERT_TRUE(wish(&duo, ATTEST_INITIATOR, "0 by 8"));
	CU_ASSERT_STRING_EQUAL(said(&duo), "0 by 8");
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_TRUE(wish(&duo, ATTEST_INITIATOR, "4096 by 9"));	/* too late */
	CU_ASSERT_STRING_EQUAL(said(&duo), "0 by 8");
	finish(&duo);
}

static void cut(struct session *session)
{
	pthread_rwlock_rdlock(&session->link_lock);
	link_shutdown(&session->link);
	pthread_rwlock_unlock(&session->link_lock);
}

/* Its thread ends for the loss, and the one of the next connection goes by the same limit. */
static void test_it_outlives_a_connection(void)
{
	struct gmem_progress progress;
	struct duo duo;
	unsigned int i;

	begin(&duo);
	wait_until_some_came(&duo);
	for (i = 1; i <= 2; i++) {
		cut(&duo.source->session);
		do {
			sleep_ms(5);
			session_progress(&duo.source->session, &progress);
		} while (progress.n_resumed < i || progress.link != GMEM_LINK_UP);
		touch_every(&duo, 64);
		CU_ASSERT_EQUAL(limit_get(&duo.source->limit), LIMIT_MIN);
		CU_ASSERT_TRUE(fake_vm_count_missing(&duo.pager_vm) > STILL_MISSING);
	}
	CU_ASSERT_TRUE(wish(&duo, ATTEST_INITIATOR, "0 by 0"));
	finish(&duo);
}

static uint64_t standing_now(void *opaque)
{
	(void)opaque;
	return 1;
}

/* Only who is woken goes on. */
static void endless_sleep(void *opaque, pthread_cond_t *changed, pthread_mutex_t *lock, uint64_t us)
{
	(void)us;
	atomic_fetch_add((atomic_int *)opaque, 1);
	pthread_cond_wait(changed, lock);
}

static void begin_without_time(struct duo *duo, atomic_int *n_asleep)
{
	duo_init(duo, N_PRIVATE, N_SHARED);
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 15000 * PATIENCE;
	duo->source_config.background_limit = LIMIT_MIN;
	CU_ASSERT_EQUAL_FATAL(duo_open(duo), 0);
	duo->source->limit.clock = (struct limit_clock){
		.now_us = standing_now, .sleep_us = endless_sleep, .opaque = n_asleep,
	};
	CU_ASSERT_EQUAL_FATAL(source_prepare(duo->source), 0);
	CU_ASSERT_EQUAL_FATAL(duo_wait_source(duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	CU_ASSERT_EQUAL_FATAL(duo_wait_pager(duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ACCEPTED);
	CU_ASSERT_EQUAL_FATAL(duo_start(duo), 0);
	while (atomic_load(n_asleep) == 0)
		sleep_ms(1);
}

/* The end, and a lost connection, wake the stream: without that this would time out. */
static void test_it_is_woken(void)
{
	struct gmem_progress progress;
	atomic_int n_asleep = 0;
	struct duo duo;

	begin_without_time(&duo, &n_asleep);
	cut(&duo.source->session);
	do {
		sleep_ms(5);
		session_progress(&duo.source->session, &progress);
	} while (progress.n_resumed == 0 || progress.link != GMEM_LINK_UP);
	while (atomic_load(&n_asleep) < 2)	/* nothing was saved up */
		sleep_ms(1);
	source_stop(duo.source);
	CU_ASSERT_TRUE(fake_vm_count_missing(&duo.pager_vm) > STILL_MISSING);
	duo_fini(&duo);
}

/* An abort, here one by the other side, wakes it, too. */
static void test_it_is_woken_by_an_abort(void)
{
	atomic_int n_asleep = 0;
	struct duo duo;

	begin_without_time(&duo, &n_asleep);
	session_end(&duo.pager->session, SESSION_LOCAL, -EIO, "the guest is given up");
	CU_ASSERT_EQUAL(duo_wait_source(&duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_FAILED);
	source_stop(duo.source);
	duo_fini(&duo);
}

static const struct check checks[] = {
	{ "faults are answered at once", test_faults_are_answered_at_once },
	{ "an operator changes it", test_an_operator_changes_it },
	{ "it outlives a connection", test_it_outlives_a_connection },
	{ "it is woken by the end and by a loss", test_it_is_woken },
	{ "it is woken by an abort", test_it_is_woken_by_an_abort },
	{ NULL, NULL },
};

CHECK_MAIN("a limited background stream", checks)
