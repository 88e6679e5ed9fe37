/* SPDX-License-Identifier: MIT */
/* record_file.c: a record comes back as it was, or is refused as a whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <attest/session/record_file.h>

#include "check.h"
#include "pair.h"

static char folder[] = "/tmp/gmem-test-records.XXXXXX";
static int dir_fd;

static void make_record(struct attest_session_record *record)
{
	struct attest_session session;

	*record = (struct attest_session_record){
		.role = ATTEST_INITIATOR, .boot_id = "11111111-2222-3333-4444-555555555555",
		.ticket_id = { 1, 2 }, .vm_id = { 3 }, .peer_key = { 4 },
	};
	attest_session_init(&session, record);
	*record = session.record;
	record->state = ATTEST_STATE_RESUMED;
	record->has_platform = record->has_token = true;
	memset(record->platform, 0x55, sizeof(record->platform));
	memset(record->token, 0x77, sizeof(record->token));
	record->connection = UINT64_MAX;
	record->command = (struct attest_session_command){
		.event = ATTEST_EVENT_OP_RESUME, .uid = UINT32_MAX, .time_s = 1700000000,
		.reason = "rack 7 is off, see ticket 4711", .fenced_host = "host-b.example",
	};
}

static size_t encode(const struct attest_session_record *record, char text[RECORD_FILE_MAX])
{
	return record_file_encode(record, text);
}

static void what_is_written_comes_back(void)
{
	struct attest_session_record record, again;
	char text[RECORD_FILE_MAX];
	int role, state;
	size_t len;
	CHECK_LOOP_BEGIN();

	for (role = ATTEST_INITIATOR; role <= ATTEST_RESPONDER; role++)
		for (state = ATTEST_STATE_NONE; state < ATTEST_N_STATES; state++) {
			const bool there = state != ATTEST_STATE_NONE &&
				session_table_state_text((enum attest_role)role, (enum attest_state)state) != NULL &&
				session_table_record((enum attest_role)role, (enum attest_state)state) == (enum attest_state)state;
			int r;

			make_record(&record);
			record.role = (enum attest_role)role;
			record.state = (enum attest_state)state;
			memset(&again, 0, sizeof(again));
			len = encode(&record, text);
			r = record_file_decode(text, len, &again);
			CHECK_LOOP(r == (there ? 0 : -EBADMSG), "role %d state %d: %d", role, state, r);
			CHECK_LOOP(!there || memcmp(&record, &again, sizeof(record)) == 0, "role %d state %d", role, state);
		}
	CHECK_LOOP_END();
}

static void as_little_and_as_much_as_there_can_be(void)
{
	struct attest_session_record record, again = { .connection = 0 };
	char text[RECORD_FILE_MAX];

	make_record(&record);
	record.has_platform = record.has_token = false;
	memset(record.platform, 0, sizeof(record.platform));
	memset(record.token, 0, sizeof(record.token));
	record.connection = 0;
	memset(&record.command, 0, sizeof(record.command));
	record.command.event = ATTEST_EVENT_OPEN;
	CU_ASSERT_EQUAL(record_file_decode(text, encode(&record, text), &again), 0);
	CU_ASSERT_EQUAL(memcmp(&record, &again, sizeof(record)), 0);
	make_record(&record);
	memset(record.command.reason, '~', SESSION_REASON_MAX);
	memset(record.command.fenced_host, 'h', SESSION_HOST_MAX);
	CU_ASSERT_EQUAL(record_file_decode(text, encode(&record, text), &again), 0);
	CU_ASSERT_EQUAL(memcmp(&record, &again, sizeof(record)), 0);
}

/* A power cut in the middle of a write leaves a beginning, with anything behind it. */
static void torn_anywhere_is_refused(void)
{
	struct attest_session_record record, again;
	char text[RECORD_FILE_MAX], torn[RECORD_FILE_MAX];
	size_t len, cut;
	CHECK_LOOP_BEGIN();

	make_record(&record);
	len = encode(&record, text);
	for (cut = 0; cut < len; cut++) {
		CHECK_LOOP(record_file_decode(text, cut, &again) == -EBADMSG, "cut at %zu", cut);
		memcpy(torn, text, len);
		memset(torn + cut, 0, len - cut);
		CHECK_LOOP(record_file_decode(torn, len, &again) == -EBADMSG, "zeros from %zu", cut);
	}
	text[len] = '\n';
	CHECK_LOOP(record_file_decode(text, len + 1, &again) == -EBADMSG, "one byte more");
	CHECK_LOOP_END();
}

static void any_flipped_bit_is_refused(void)
{
	struct attest_session_record record, again;
	char text[RECORD_FILE_MAX];
	size_t len, i;
	CHECK_LOOP_BEGIN();

	make_record(&record);
	len = encode(&record, text);
	for (i = 0; i < 8 * len; i++) {
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
		CHECK_LOOP(record_file_decode(text, len, &again) == -EBADMSG, "bit %zu", i);
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
	}
	CHECK_LOOP(record_file_decode(text, len, &again) == 0, "and back");
	CHECK_LOOP_END();
}

/* Not only the check: half of one record and half of another one. */
static void mixed_from_two_records_is_refused(void)
{
	struct attest_session_record record, again;
	char old[RECORD_FILE_MAX], new[RECORD_FILE_MAX], mixed[RECORD_FILE_MAX];
	size_t len, cut;
	CHECK_LOOP_BEGIN();

	make_record(&record);
	record.state = ATTEST_STATE_OFFERED;
	len = encode(&record, old);
	record.state = ATTEST_STATE_ABORTED;	/* as long a name */
	CHECK_LOOP(encode(&record, new) == len, "lengths");
	for (cut = 0; cut < len; cut++) {
		memcpy(mixed, new, cut);
		memcpy(mixed + cut, old + cut, len - cut);
		if (memcmp(mixed, old, len) != 0 && memcmp(mixed, new, len) != 0)
			CHECK_LOOP(record_file_decode(mixed, len, &again) == -EBADMSG, "mixed at %zu", cut);
	}
	CHECK_LOOP_END();
}

static int load(const char *name, struct attest_session_record *record)
{
	return record_file_load(dir_fd, name, record);
}

static void files(void)
{
	struct attest_session_record record, again;
	char name[RECORD_FILE_NAME_LEN], other[RECORD_FILE_NAME_LEN];

	make_record(&record);
	record_file_name(&record, name);
	CU_ASSERT_EQUAL(load(name, &again), -ENOENT);
	CU_ASSERT_EQUAL(record_file_try(dir_fd, &record), 0);
	CU_ASSERT_EQUAL(load(name, &again), -ENOENT);
	CU_ASSERT_EQUAL(record_file_store(dir_fd, &record, true), 0);
	CU_ASSERT_EQUAL(load(name, &again), 0);
	CU_ASSERT_EQUAL(memcmp(&record, &again, sizeof(record)), 0);
	/* a first record is nobody's second */
	CU_ASSERT_EQUAL(record_file_store(dir_fd, &record, true), -EEXIST);
	record.state = ATTEST_STATE_LOST;
	CU_ASSERT_EQUAL(record_file_store(dir_fd, &record, false), 0);
	CU_ASSERT_EQUAL(load(name, &again), 0);
	CU_ASSERT_EQUAL(again.state, ATTEST_STATE_LOST);
	/* under another name it is not that session's record */
	record.role = ATTEST_RESPONDER;
	record_file_name(&record, other);
	CU_ASSERT_EQUAL(renameat(dir_fd, name, dir_fd, other), 0);
	CU_ASSERT_EQUAL(load(other, &again), -EBADMSG);
	CU_ASSERT_EQUAL(unlinkat(dir_fd, other, 0), 0);
}

static void wrong_mode_owner_or_kind(void)
{
	struct attest_session_record record, again;
	char name[RECORD_FILE_NAME_LEN];

	make_record(&record);
	record_file_name(&record, name);
	CU_ASSERT_EQUAL_FATAL(record_file_store(dir_fd, &record, true), 0);
	CU_ASSERT_EQUAL(fchmodat(dir_fd, name, 0640, 0), 0);
	CU_ASSERT_EQUAL(load(name, &again), -EPERM);
	CU_ASSERT_EQUAL(fchmodat(dir_fd, name, 0602, 0), 0);
	CU_ASSERT_EQUAL(load(name, &again), -EPERM);
	CU_ASSERT_EQUAL(fchmodat(dir_fd, name, 0600, 0), 0);
	CU_ASSERT_EQUAL(load(name, &again), 0);
	if (geteuid() == 0) {
		CU_ASSERT_EQUAL(fchownat(dir_fd, name, 12345, (gid_t)-1, 0), 0);
		CU_ASSERT_EQUAL(load(name, &again), -EPERM);
		CU_ASSERT_EQUAL(fchownat(dir_fd, name, 0, (gid_t)-1, 0), 0);
	} else {
		printf("\nskipped: another owner, for which this has to be root\n");
	}
	CU_ASSERT_EQUAL(linkat(dir_fd, name, dir_fd, "second", 0), 0);
	CU_ASSERT_EQUAL(load(name, &again), -EPERM);
	CU_ASSERT_EQUAL(renameat(dir_fd, name, dir_fd, "first"), 0);
	CU_ASSERT_EQUAL(symlinkat("first", dir_fd, name), 0);
	CU_ASSERT_EQUAL(load(name, &again), -EPERM);
	CU_ASSERT_EQUAL(unlinkat(dir_fd, name, 0), 0);
	CU_ASSERT_EQUAL(mkfifoat(dir_fd, name, 0600), 0);
	CU_ASSERT_EQUAL(load(name, &again), -EPERM);
	CU_ASSERT_EQUAL(unlinkat(dir_fd, name, 0), 0);
	unlinkat(dir_fd, "first", 0);
	unlinkat(dir_fd, "second", 0);
}

static void one_process_at_a_time(void)
{
	int first = record_file_lock(dir_fd, "x"), second;

	CU_ASSERT_TRUE(first >= 0);
	CU_ASSERT_EQUAL(record_file_lock(dir_fd, "x"), -EBUSY);
	second = record_file_lock(dir_fd, "y");
	CU_ASSERT_TRUE(second >= 0);
	close(second);
	close(first);
	first = record_file_lock(dir_fd, "x");
	CU_ASSERT_TRUE(first >= 0);
	close(first);
	unlinkat(dir_fd, "x.lock", 0);
	unlinkat(dir_fd, "y.lock", 0);
}

static void session_id_is_the_channels(void)
{
	struct attest_channel *channels[2];
	uint8_t id[ATTEST_HASH_LEN];
	struct pair pair;

	pair_init(&pair, 0);
	pair_channels(&pair, channels);
	attest_session_id(pair.config[0].ticket_id, pair.config[0].vm_id, id);
	CU_ASSERT_EQUAL(memcmp(id, attest_channel_session_id(channels[0]), sizeof(id)), 0);
	attest_channel_free(channels[0]);
	attest_channel_free(channels[1]);
	pair_fini(&pair);
}

static const struct check checks[] = {
	{ "what is written comes back", what_is_written_comes_back },
	{ "as little and as much as there can be", as_little_and_as_much_as_there_can_be },
	{ "torn anywhere is refused", torn_anywhere_is_refused },
	{ "any flipped bit is refused", any_flipped_bit_is_refused },
	{ "mixed from two records is refused", mixed_from_two_records_is_refused },
	{ "files", files },
	{ "wrong mode, owner or kind", wrong_mode_owner_or_kind },
	{ "one process at a time", one_process_at_a_time },
	{ "the session's id is the channel's", session_id_is_the_channels },
	{ NULL, NULL },
};

int main(void)
{
	int result;

	if (mkdtemp(folder) == NULL)
		return EXIT_FAILURE;
	dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = check_main("record_file", checks);
	close(dir_fd);
	rmdir(folder);
	return result;
}
