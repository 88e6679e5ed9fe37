// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <attest/session/record_file.h>

#include "check.h"
#include "ledger.h"

static const uint8_t peer[ATTEST_KEY_LEN] = { 9 };
static struct ledger_config config = { .ticket_id = { 1, 2, 3 }, .vm_id = { 5 }, .peer_key = { 9 } };
static char dir[64];

#define SOURCE_NAME "0102030000000000000000000000000000000000000000000000000000000000.source"
#define OTHER_BOOT "99999999-2222-3333-4444-555555555555"

static struct ledger *open_new(enum attest_role role)
{
	struct ledger *ledger = NULL;

	strcpy(dir, "/tmp/gmem-ledger-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	strcat(dir, "/state");
	config.dir = dir;
	config.role = role;
	CU_ASSERT_EQUAL_FATAL(ledger_open(&config, &ledger), 0);
	return ledger;
}

static void close_all(struct ledger *ledger)
{
	DIR *d;
	struct dirent *entry;

	ledger_close(ledger);
	d = opendir(dir);
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	rmdir(dir);
	*strrchr(dir, '/') = '\0';
	rmdir(dir);
}

static int join(struct ledger *ledger)
{
	const struct attest_session_input input = {
		.event = ATTEST_EVENT_JOINED, .connection = 1, .peer_key = peer,
	};

	return ledger_step(ledger, &input, NULL);
}

static bool disk_says(struct ledger *ledger, const char *name, enum attest_state state)
{
	struct attest_session_record record;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = record_file_load(fd, name, &record);

	close(fd);
	return r == 0 && record.state == state && (ledger == NULL || ledger_state(ledger) == state);
}

static void test_each_step_is_on_the_disk(void)
{
	static const struct {
		enum attest_event event;
		enum attest_state state;
	} steps[] = {
		{ ATTEST_EVENT_BEGIN, ATTEST_STATE_OFFERED }, { ATTEST_EVENT_JOINED, ATTEST_STATE_OFFERED },
		{ ATTEST_EVENT_FREEZE, ATTEST_STATE_OFFERED }, { ATTEST_EVENT_COMMIT, ATTEST_STATE_IN_DOUBT },
		{ ATTEST_EVENT_STARTED, ATTEST_STATE_GIVEN }, { ATTEST_EVENT_COMPLETE, ATTEST_STATE_RELEASED },
	};
	struct ledger *ledger = open_new(ATTEST_INITIATOR);
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		/* What belongs to the other side, or to no state, is refused and changes nothing. */
		CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_RUN), -EPROTO);
		CU_ASSERT_EQUAL(steps[i].event == ATTEST_EVENT_JOINED ? join(ledger) :
				ledger_event(ledger, steps[i].event), 0);
		CU_ASSERT_TRUE(disk_says(ledger, SOURCE_NAME, steps[i].state));
	}
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_STOP), -EPROTO);
	close_all(ledger);
}

static void test_never_ran_is_said_only_before_running(void)
{
	struct ledger *ledger = open_new(ATTEST_RESPONDER);
	struct attest_session_plan plan;
	const struct attest_session_input stop = { .event = ATTEST_EVENT_STOP };

	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_BEGIN), 0);
	CU_ASSERT_EQUAL(join(ledger), 0);
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_START), -EPERM);	/* before its manifest */
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_MANIFEST), 0);
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_START), 0);
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_RUN), 0);
	CU_ASSERT_EQUAL(ledger_state(ledger), ATTEST_STATE_RUNNING);
	CU_ASSERT_EQUAL(ledger_step(ledger, &stop, &plan), 0);
	CU_ASSERT_EQUAL(ledger_state(ledger), ATTEST_STATE_LOST);
	CU_ASSERT_EQUAL(plan.row->acts[1], ATTEST_ACT_SEND_ERROR);
	close_all(ledger);
	ledger = open_new(ATTEST_RESPONDER);
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_BEGIN), 0);
	CU_ASSERT_EQUAL(ledger_step(ledger, &stop, &plan), 0);
	CU_ASSERT_EQUAL(ledger_state(ledger), ATTEST_STATE_ABORTED);
	CU_ASSERT_EQUAL(plan.row->acts[1], ATTEST_ACT_SEND_ABORT);
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_RUN), -EPROTO);
	close_all(ledger);
}

static void test_ticket_is_burnt(void)
{
	struct ledger *ledger = open_new(ATTEST_INITIATOR), *second = NULL, *other = NULL;

	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_BEGIN), 0);
	CU_ASSERT_EQUAL_FATAL(ledger_open(&config, &second), 0);
	CU_ASSERT_EQUAL(ledger_event(second, ATTEST_EVENT_BEGIN), -EEXIST);
	CU_ASSERT_EQUAL(ledger_state(second), ATTEST_STATE_NONE);
	/* The other role has a record of its own: both sides may share a directory. */
	config.role = ATTEST_RESPONDER;
	CU_ASSERT_EQUAL_FATAL(ledger_open(&config, &other), 0);
	CU_ASSERT_EQUAL(ledger_event(other, ATTEST_EVENT_BEGIN), 0);
	/* Also when the process that burnt it is gone. */
	ledger_close(ledger);
	CU_ASSERT_EQUAL(ledger_event(second, ATTEST_EVENT_BEGIN), -EEXIST);
	ledger_close(other);
	close_all(second);
}

static void test_half_imported_vm_is_no_source(void)
{
	struct ledger *import = open_new(ATTEST_RESPONDER), *source = NULL;

	CU_ASSERT_EQUAL(ledger_event(import, ATTEST_EVENT_BEGIN), 0);
	CU_ASSERT_EQUAL(join(import), 0);
	config.role = ATTEST_INITIATOR;
	config.ticket_id[0] ^= 0xff;
	CU_ASSERT_EQUAL_FATAL(ledger_open(&config, &source), 0);
	CU_ASSERT_EQUAL(ledger_event(source, ATTEST_EVENT_BEGIN), -EPERM);
	CU_ASSERT_EQUAL(ledger_event(import, ATTEST_EVENT_MANIFEST), 0);
	CU_ASSERT_EQUAL(ledger_event(import, ATTEST_EVENT_START), 0);
	CU_ASSERT_EQUAL(ledger_event(import, ATTEST_EVENT_RUN), 0);
	CU_ASSERT_EQUAL(ledger_event(source, ATTEST_EVENT_BEGIN), -EPERM);
	CU_ASSERT_EQUAL(ledger_event(import, ATTEST_EVENT_PRESENT), 0);
	CU_ASSERT_EQUAL(ledger_event(source, ATTEST_EVENT_BEGIN), 0);
	config.ticket_id[0] ^= 0xff;
	ledger_close(import);
	close_all(source);
}

static void test_what_stands_in_the_file(void)
{
	struct ledger *ledger = open_new(ATTEST_INITIATOR);
	char path[256], text[2048] = "";
	struct stat st;
	FILE *file;

	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_BEGIN), 0);
	CU_ASSERT_EQUAL(join(ledger), 0);
	snprintf(path, sizeof(path), "%s/" SOURCE_NAME, dir);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(stat(dir, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
	file = fopen(path, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_TRUE(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	CHECK_CONTAINS(text, "gmem-record 2\nrole source\nstate OFFERED\nboot ");
	CHECK_CONTAINS(text, "\npeer 0900");
	CHECK_CONTAINS(text, "\nconnection 1\n");
	CHECK_CONTAINS(text, "\nend\n");
	strcat(path, ".new");
	CU_ASSERT_NOT_EQUAL(stat(path, &st), 0);
	close_all(ledger);
}

/* What @state becomes when @boot_id is this boot's. */
static void judge(enum attest_role role, enum attest_state state, const char *boot_id, bool held,
		  enum attest_state expected)
{
	struct attest_session_record record = { .role = role, .boot_id = OTHER_BOOT };
	struct attest_session session;
	struct ledger *ledger = open_new(role);
	char name[RECORD_FILE_NAME_LEN];
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), lock_fd = -1;
	unsigned int n_judged = 99;

	attest_session_init(&session, &record);
	session.record.state = state;
	record_file_name(&session.record, name);
	CU_ASSERT_EQUAL(record_file_store(fd, &session.record, true), 0);
	if (held)
		lock_fd = record_file_lock(fd, name);
	CU_ASSERT_EQUAL(ledger_judge(fd, boot_id, &n_judged), 0);
	CU_ASSERT_EQUAL(n_judged, state != expected);
	CU_ASSERT_TRUE(disk_says(NULL, name, expected));
	if (lock_fd >= 0)
		close(lock_fd);
	close(fd);
	close_all(ledger);
}

static void test_records_of_another_boot_are_judged(void)
{
	static const char now[] = "11111111-2222-3333-4444-555555555555";

	judge(ATTEST_INITIATOR, ATTEST_STATE_OFFERED, now, false, ATTEST_STATE_LOST);
	judge(ATTEST_INITIATOR, ATTEST_STATE_IN_DOUBT, now, false, ATTEST_STATE_LOST);
	judge(ATTEST_INITIATOR, ATTEST_STATE_GIVEN, now, false, ATTEST_STATE_LOST);
	judge(ATTEST_RESPONDER, ATTEST_STATE_OFFERED, now, false, ATTEST_STATE_ABORTED);
	judge(ATTEST_RESPONDER, ATTEST_STATE_RUNNING, now, false, ATTEST_STATE_LOST);
	/* what is over stays what it was; so does a record of this boot, or of a running process */
	judge(ATTEST_INITIATOR, ATTEST_STATE_RELEASED, now, false, ATTEST_STATE_RELEASED);
	judge(ATTEST_INITIATOR, ATTEST_STATE_RESUMED, now, false, ATTEST_STATE_RESUMED);
	judge(ATTEST_RESPONDER, ATTEST_STATE_COMPLETE, now, false, ATTEST_STATE_COMPLETE);
	judge(ATTEST_INITIATOR, ATTEST_STATE_IN_DOUBT, OTHER_BOOT, false, ATTEST_STATE_IN_DOUBT);
	judge(ATTEST_INITIATOR, ATTEST_STATE_IN_DOUBT, now, true, ATTEST_STATE_IN_DOUBT);
}

/* A record of @boot_id in @state: does another process go on with it? */
static bool goes_on(enum attest_role role, enum attest_state state, const char *boot_id)
{
	struct ledger *ledger = open_new(role), *next = NULL;
	struct attest_session session;
	struct attest_session_record record = { .role = role, .vm_id = { 5 }, .peer_key = { 9 }, .connection = 1 };
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool resumed;

	memcpy(record.ticket_id, config.ticket_id, ATTEST_ID_LEN);
	CU_ASSERT_EQUAL(ledger_boot_id(record.boot_id), 0);
	if (boot_id != NULL)
		strcpy(record.boot_id, boot_id);
	attest_session_init(&session, &record);
	session.record.state = state;
	CU_ASSERT_EQUAL(record_file_store(fd, &session.record, true), 0);
	close(fd);
	config.resume = true;
	CU_ASSERT_EQUAL_FATAL(ledger_open(&config, &next), 0);
	config.resume = false;
	resumed = ledger_was_resumed(next);
	CU_ASSERT_EQUAL(ledger_event(next, ATTEST_EVENT_BEGIN), resumed ? -EPROTO : -EEXIST);
	ledger_close(next);
	close_all(ledger);
	return resumed;
}

/* What is open is gone on with in its boot; at a destination, COMPLETE too, and "never ran" in any boot. */
static void test_which_records_are_gone_on_with(void)
{
	static const struct {
		enum attest_role role;
		enum attest_state state;
		bool same_boot, other_boot;
	} records[] = {
		{ ATTEST_INITIATOR, ATTEST_STATE_OFFERED, true, false },
		{ ATTEST_INITIATOR, ATTEST_STATE_IN_DOUBT, true, false },
		{ ATTEST_INITIATOR, ATTEST_STATE_GIVEN, true, false },
		{ ATTEST_INITIATOR, ATTEST_STATE_RESUMED, false, false },
		{ ATTEST_INITIATOR, ATTEST_STATE_RELEASED, false, false },
		{ ATTEST_INITIATOR, ATTEST_STATE_ABORTED, false, false },
		{ ATTEST_INITIATOR, ATTEST_STATE_LOST, false, false },
		{ ATTEST_RESPONDER, ATTEST_STATE_OFFERED, true, true },	/* judged: ABORTED */
		{ ATTEST_RESPONDER, ATTEST_STATE_RUNNING, true, false },
		{ ATTEST_RESPONDER, ATTEST_STATE_COMPLETE, true, false },
		{ ATTEST_RESPONDER, ATTEST_STATE_ABORTED, true, true },
		{ ATTEST_RESPONDER, ATTEST_STATE_LOST, false, false },
	};
	size_t i;

	for (i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		CU_ASSERT_EQUAL(goes_on(records[i].role, records[i].state, NULL), records[i].same_boot);
		CU_ASSERT_EQUAL(goes_on(records[i].role, records[i].state, OTHER_BOOT), records[i].other_boot);
	}
}

static void test_directory_that_cannot_be_written(void)
{
	struct ledger *ledger = NULL;

	config.role = ATTEST_INITIATOR;
	config.dir = "/proc";
	CU_ASSERT_TRUE(ledger_open(&config, &ledger) < 0);
	config.dir = "/nonexistent/state";
	CU_ASSERT_EQUAL(ledger_open(&config, &ledger), -ENOENT);
	config.dir = "/dev/null";
	CU_ASSERT_EQUAL(ledger_open(&config, &ledger), -ENOTDIR);
	CU_ASSERT_PTR_NULL(ledger);
}

/* The state directory goes away under a running session: no step, and no act may follow. */
static void test_step_that_cannot_be_written(void)
{
	struct ledger *ledger = open_new(ATTEST_INITIATOR);
	char path[256];

	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_BEGIN), 0);
	CU_ASSERT_EQUAL(join(ledger), 0);
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_FREEZE), 0);
	snprintf(path, sizeof(path), "%s/" SOURCE_NAME, dir);
	CU_ASSERT_EQUAL(unlink(path), 0);
	strcat(path, ".new");
	CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_COMMIT), -EISDIR);
	CU_ASSERT_EQUAL(ledger_state(ledger), ATTEST_STATE_OFFERED);
	rmdir(path);
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_COMMIT), 0);
	CU_ASSERT_EQUAL(ledger_state(ledger), ATTEST_STATE_IN_DOUBT);
	close_all(ledger);
}

static const struct check checks[] = {
	{ "each step is on the disk", test_each_step_is_on_the_disk },
	{ "\"never ran\" is said only before running", test_never_ran_is_said_only_before_running },
	{ "a ticket is burnt", test_ticket_is_burnt },
	{ "a half-imported VM is no source", test_half_imported_vm_is_no_source },
	{ "what stands in the file", test_what_stands_in_the_file },
	{ "records of another boot are judged", test_records_of_another_boot_are_judged },
	{ "which records are gone on with", test_which_records_are_gone_on_with },
	{ "a directory that cannot be written", test_directory_that_cannot_be_written },
	{ "a step that cannot be written", test_step_that_cannot_be_written },
	{ NULL, NULL },
};

CHECK_MAIN("ledger", checks)
