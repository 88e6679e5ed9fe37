// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "ledger.h"

static const uint8_t ticket[ATTEST_ID_LEN] = { 1, 2, 3 };
static const uint8_t peer[ATTEST_KEY_LEN] = { 9 };
static char dir[64];

static struct ledger *open_new(enum attest_role role)
{
	struct ledger *ledger = NULL;

	strcpy(dir, "/tmp/gmem-ledger-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	strcat(dir, "/state");
	CU_ASSERT_EQUAL_FATAL(ledger_open(dir, role, ticket, peer, &ledger), 0);
	return ledger;
}

static void close_all(struct ledger *ledger)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	rmdir(dir);
	*strrchr(dir, '/') = '\0';
	rmdir(dir);
	ledger_close(ledger);
}

static void test_only_the_steps_of_the_table(void)
{
	static const enum ledger_state source_path[] = { LEDGER_OFFERED, LEDGER_IN_DOUBT, LEDGER_RELEASED };
	static const enum ledger_state pager_path[] = { LEDGER_OFFERED, LEDGER_RUNNING, LEDGER_COMPLETE };
	const enum ledger_state *path;
	struct ledger *ledger;
	int role, i, state;

	for (role = ATTEST_INITIATOR; role <= ATTEST_RESPONDER; role++) {
		ledger = open_new((enum attest_role)role);
		path = role == ATTEST_INITIATOR ? source_path : pager_path;
		for (i = 0; i < 3; i++) {
			/* Nothing leads from a state of the other side's, nor back. */
			CU_ASSERT_EQUAL(ledger_write(ledger, role == ATTEST_INITIATOR ? LEDGER_RUNNING : LEDGER_IN_DOUBT),
					-EPROTO);
			CU_ASSERT_EQUAL(ledger_write(ledger, path[i]), 0);
			CU_ASSERT_EQUAL(ledger_write(ledger, path[i]), 0);
		}
		for (state = LEDGER_OFFERED; state < LEDGER_N_STATES; state++)
			if (state != (int)path[2])
				CU_ASSERT_EQUAL(ledger_write(ledger, (enum ledger_state)state), -EPROTO);
		close_all(ledger);
	}
}

static void test_never_ran_is_said_only_before_running(void)
{
	struct ledger *ledger = open_new(ATTEST_RESPONDER);

	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_OFFERED), 0);
	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_RUNNING), 0);
	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_ABORTED), -EPROTO);
	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_LOST), 0);
	close_all(ledger);
	ledger = open_new(ATTEST_RESPONDER);
	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_OFFERED), 0);
	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_ABORTED), 0);
	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_RUNNING), -EPROTO);
	close_all(ledger);
}

static void test_ticket_is_burnt(void)
{
	struct ledger *ledger = open_new(ATTEST_INITIATOR), *second = NULL, *other = NULL;

	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_OFFERED), 0);
	CU_ASSERT_EQUAL_FATAL(ledger_open(dir, ATTEST_INITIATOR, ticket, peer, &second), 0);
	CU_ASSERT_EQUAL(ledger_write(second, LEDGER_OFFERED), -EEXIST);
	CU_ASSERT_EQUAL(ledger_state(second), LEDGER_NONE);
	/* The other role has a record of its own: both sides may share a directory. */
	CU_ASSERT_EQUAL_FATAL(ledger_open(dir, ATTEST_RESPONDER, ticket, peer, &other), 0);
	CU_ASSERT_EQUAL(ledger_write(other, LEDGER_OFFERED), 0);
	ledger_close(second);
	ledger_close(other);
	close_all(ledger);
}

static void test_what_stands_in_the_file(void)
{
	struct ledger *ledger = open_new(ATTEST_INITIATOR);
	char path[256], text[512] = "";
	struct stat st;
	FILE *file;

	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_OFFERED), 0);
	CU_ASSERT_EQUAL(ledger_write(ledger, LEDGER_IN_DOUBT), 0);
	snprintf(path, sizeof(path), "%s/0102030000000000000000000000000000000000000000000000000000000000.source", dir);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(stat(dir, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
	file = fopen(path, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_TRUE(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	CHECK_CONTAINS(text, "gmem-record 1\nrole source\nstate IN_DOUBT\nboot ");
	CHECK_CONTAINS(text, "\npeer 0900");
	CHECK_CONTAINS(text, "\nend\n");
	strcat(path, ".new");
	CU_ASSERT_NOT_EQUAL(stat(path, &st), 0);
	close_all(ledger);
}

static void test_directory_that_cannot_be_written(void)
{
	struct ledger *ledger = NULL;

	CU_ASSERT_TRUE(ledger_open("/proc", ATTEST_INITIATOR, ticket, peer, &ledger) < 0);
	CU_ASSERT_EQUAL(ledger_open("/nonexistent/state", ATTEST_INITIATOR, ticket, peer, &ledger), -ENOENT);
	CU_ASSERT_EQUAL(ledger_open("/dev/null", ATTEST_INITIATOR, ticket, peer, &ledger), -ENOTDIR);
	CU_ASSERT_PTR_NULL(ledger);
}

static const struct check checks[] = {
	{ "only the steps of the table", test_only_the_steps_of_the_table },
	{ "\"never ran\" is said only before running", test_never_ran_is_said_only_before_running },
	{ "a ticket is burnt", test_ticket_is_burnt },
	{ "what stands in the file", test_what_stands_in_the_file },
	{ "a directory that cannot be written", test_directory_that_cannot_be_written },
	{ NULL, NULL },
};

CHECK_MAIN("ledger", checks)
