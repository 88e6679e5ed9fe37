// SPDX-License-Identifier: MIT
/* incarnation.c: which tickets for a VM are taken after which others. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <attest/session/record_file.h>

#include "check.h"
#include "duo.h"
#include "incarnation.h"

static struct duo duo;		/* for its folder */
static char error[INCARNATION_ERROR_LEN];

static void set_up(void)
{
	duo_init(&duo, 64, 0);
}

static void tear_down(void)
{
	duo_fini(&duo);
}

/* Ticket number @serial for the VM @vm and its move @number. */
static int take(uint8_t serial, uint8_t vm, uint64_t number)
{
	struct ticket ticket = { .incarnation = number };
	uint8_t id[ATTEST_ID_LEN];

	memset(ticket.vm_id, vm, ATTEST_ID_LEN);
	memset(id, serial, sizeof(id));
	error[0] = '\0';
	return incarnation_take(duo.dir, &ticket, id, error);
}

/* What became of a move, as its record says. */
static void record(uint8_t serial, uint8_t vm, enum attest_role role, enum attest_state state)
{
	struct attest_session_record record = {
		.role = role, .boot_id = "11111111-2222-3333-4444-555555555555", .peer_key = { 4 },
	};
	struct attest_session session;
	int dir_fd = open(duo.dir, O_RDONLY | O_DIRECTORY);

	memset(record.ticket_id, serial, ATTEST_ID_LEN);
	memset(record.vm_id, vm, ATTEST_ID_LEN);
	attest_session_init(&session, &record);
	record = session.record;
	record.state = state;
	CU_ASSERT_EQUAL(record_file_store(dir_fd, &record, false), 0);
	close(dir_fd);
}

static void test_numbers_do_not_go_back(void)
{
	set_up();
	CU_ASSERT_EQUAL(take(1, 1, 4), 0);		/* the first that this host sees */
	CU_ASSERT_EQUAL(take(1, 1, 4), 0);
	CU_ASSERT_EQUAL(take(2, 1, 3), -EACCES);
	CHECK_CONTAINS(error, "move number 3, and number 4 was begun here: get one for number 4");
	CU_ASSERT_EQUAL(take(2, 1, 9), 0);
	CU_ASSERT_EQUAL(take(1, 1, 4), -EACCES);
	CU_ASSERT_EQUAL(take(3, 2, 1), 0);		/* another VM */
	CU_ASSERT_EQUAL(take(4, 1, UINT64_MAX), 0);
	CU_ASSERT_EQUAL(take(2, 1, 9), -EACCES);
	CU_ASSERT_EQUAL(take(4, 1, UINT64_MAX), 0);
	tear_down();
}

/* A second ticket for the same move, by what became of the first one. */
static void test_what_took_effect_is_past(void)
{
	static const struct {
		enum attest_role role;
		enum attest_state state;
		int status;
	} cases[] = {
		{ ATTEST_INITIATOR, ATTEST_STATE_OFFERED, 0 },
		{ ATTEST_INITIATOR, ATTEST_STATE_IN_DOUBT, -EACCES }, { ATTEST_INITIATOR, ATTEST_STATE_GIVEN, -EACCES },
		{ ATTEST_INITIATOR, ATTEST_STATE_RESUMED, 0 }, { ATTEST_INITIATOR, ATTEST_STATE_RELEASED, -EACCES },
		{ ATTEST_INITIATOR, ATTEST_STATE_ABORTED, 0 }, { ATTEST_RESPONDER, ATTEST_STATE_OFFERED, 0 },
		{ ATTEST_RESPONDER, ATTEST_STATE_RUNNING, -EACCES }, { ATTEST_RESPONDER, ATTEST_STATE_COMPLETE, -EACCES },
		{ ATTEST_RESPONDER, ATTEST_STATE_LOST, -EACCES }, { ATTEST_RESPONDER, ATTEST_STATE_ABORTED, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up();
		CU_ASSERT_EQUAL(take(1, 1, 2), 0);
		record(1, 1, cases[i].role, cases[i].state);
		CU_ASSERT_EQUAL(take(2, 1, 2), cases[i].status);
		if (cases[i].status < 0)
			CHECK_CONTAINS(error, "number 2 took effect here: get one for number 3");
		CU_ASSERT_EQUAL(take(3, 1, 3), 0);
		tear_down();
	}
}

static void spoil(const char *text)
{
	char path[256], hex[2 * ATTEST_ID_LEN + 1];
	uint8_t vm[ATTEST_ID_LEN];
	FILE *file;

	memset(vm, 1, sizeof(vm));
	sodium_bin2hex(hex, sizeof(hex), vm, sizeof(vm));
	snprintf(path, sizeof(path), "%s/%s.incarnation", duo.dir, hex);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void test_what_cannot_be_read_refuses(void)
{
#define HEX "0101010101010101010101010101010101010101010101010101010101010101"
	static const char *const texts[] = {
		"", "gmem-incarnation 1\n", "gmem-incarnation 1\nnumber 1\nticket " HEX "\n",
		"gmem-incarnation 1\nnumber 01\nticket " HEX "\nend\n", "gmem-incarnation 1\nnumber 0\nticket " HEX "\nend\n",
		"gmem-incarnation 2\nnumber 1\nticket " HEX "\nend\n", "gmem-incarnation 1\nnumber 1\nticket " HEX "\nend\nx",
		"gmem-incarnation 1\nnumber 18446744073709551616\nticket " HEX "\nend\n",
		"gmem-incarnation 1\nnumber -1\nticket " HEX "\nend\n",
		"gmem-incarnation 1\nnumber 1\nticket 0" HEX "\nend\n",
	};

	set_up();
	CU_ASSERT_EQUAL(take(1, 1, 1), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		spoil(texts[i]);
		CU_ASSERT_EQUAL(take(1, 1, 1), -EBADMSG);
		CHECK_CONTAINS(error, ".incarnation cannot be read");
	}
	spoil("gmem-incarnation 1\nnumber 1\nticket " HEX "\nend\n");
	CU_ASSERT_EQUAL(take(1, 1, 1), 0);
	strcpy(duo.error, duo.dir);
	strcpy(duo.dir, "/proc/gmem");
	CU_ASSERT_TRUE(take(1, 1, 1) < 0);
	CHECK_CONTAINS(error, "--state-dir");
	strcpy(duo.dir, duo.error);
	tear_down();
}

/* Root reads the ticket for a service that becomes the state directory's owner. */
static void test_file_belongs_to_the_folders_owner(void)
{
	char path[256];
	struct stat st;

	if (geteuid() != 0) {
		fputs("skipped: only root can write for another user", stderr);
		CU_ASSERT_NOT_EQUAL(geteuid(), 0);
		return;
	}
	set_up();
	CU_ASSERT_EQUAL(chown(duo.dir, 65534, 65533), 0);
	CU_ASSERT_EQUAL(take(1, 1, 1), 0);
	snprintf(path, sizeof(path), "%s/%064d.incarnation", duo.dir, 0);
	for (char *at = path + strlen(duo.dir) + 2; *at == '0'; at += 2)
		*at = '1';
	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_uid, 65534);
	CU_ASSERT_EQUAL(st.st_gid, 65533);
	tear_down();
}

static const struct check checks[] = {
	{ "the file belongs to the folder's owner", test_file_belongs_to_the_folders_owner },
	{ "numbers do not go back", test_numbers_do_not_go_back },
	{ "what took effect is past", test_what_took_effect_is_past },
	{ "what cannot be read refuses", test_what_cannot_be_read_refuses },
	{ NULL, NULL },
};

CHECK_MAIN("incarnation", checks)
