// SPDX-License-Identifier: MIT
/* gmemctl on state directories made here: what it says, what it records, how it exits. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include <attest/session/record_file.h>

#include "check.h"
#include "ledger.h"
#include "notes.h"

#define SOURCE ATTEST_INITIATOR
#define DESTINATION ATTEST_RESPONDER
#define TICKET "abcdef0123000000"	/* the first digits */
#define OTHER_BOOT "99999999-2222-3333-4444-555555555555"

static char dir[64];
static int dir_fd;
static char output[16384];

static void open_dir(void)
{
	strcpy(dir, "/tmp/gmem-ctl-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void close_dir(void)
{
	DIR *d = fdopendir(dir_fd);
	struct dirent *entry;

	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

/* A record in @state; @boot_id NULL: of this boot. */
static struct attest_session_record put(enum attest_role role, enum attest_state state, const char *boot_id)
{
	struct attest_session_record record = { .role = role, .ticket_id = { 0xab, 0xcd, 0xef, 0x01, 0x23 } };
	struct attest_session session;

	if (boot_id != NULL)
		strcpy(record.boot_id, boot_id);
	else
		CU_ASSERT_EQUAL_FATAL(ledger_boot_id(record.boot_id), 0);
	attest_session_init(&session, &record);
	session.record.state = state;
	session.record.connection = 3;
	CU_ASSERT_EQUAL_FATAL(record_file_store(dir_fd, &session.record, false), 0);
	return session.record;
}

/* gmemctl --state-dir DIR @arguments: its exit code; what it printed is in @output. */
static int ctl(const char *arguments)
{
	char command[1024];
	size_t len;
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command), "%s --state-dir %s %s 2>&1", GMEMCTL, dir, arguments);
	pipe = popen(command, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
	len = fread(output, 1, sizeof(output) - 1, pipe);
	output[len] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct attest_session_record load(const struct attest_session_record *like)
{
	struct attest_session_record record = { .connection = 0 };
	char name[RECORD_FILE_NAME_LEN];

	record_file_name(like, name);
	CU_ASSERT_EQUAL(record_file_load(dir_fd, name, &record), 0);
	return record;
}

/* One command on one record: exit code, and the state that then stands on the disk. */
static void expect(enum attest_role role, enum attest_state state, const char *command, int code,
		   enum attest_state after)
{
	const struct attest_session_record record = put(role, state, NULL);
	char line[256];
	int got;

	snprintf(line, sizeof(line), "session %s " TICKET " --reason 'it had to be'", command);
	got = ctl(line);
	if (got != code)
		fprintf(stderr, "\n%s in %s: exit code %d, not %d: %s", line, session_table_state_name(state), got, code,
			output);
	CU_ASSERT_EQUAL(got, code);
	CU_ASSERT_EQUAL(load(&record).state, after);
	CU_ASSERT_EQUAL(load(&record).command.event != ATTEST_EVENT_OPEN, code == 0);
	unlinkat(dir_fd, TICKET "000000000000000000000000000000000000000000000000.source", 0);
	unlinkat(dir_fd, TICKET "000000000000000000000000000000000000000000000000.destination", 0);
}

#define S(name) ATTEST_STATE_##name

static void test_each_command_in_each_state(void)
{
	static const enum attest_state source[] = { S(OFFERED), S(IN_DOUBT), S(GIVEN), S(RESUMED), S(RELEASED), S(ABORTED),
						    S(LOST) };
	static const enum attest_state destination[] = { S(OFFERED), S(RUNNING), S(COMPLETE), S(ABORTED), S(LOST) };
	size_t i;

	open_dir();
	for (i = 0; i < sizeof(source) / sizeof(source[0]); i++) {
		const enum attest_state s = source[i];
		const bool given_up = s == S(IN_DOUBT) || s == S(GIVEN);

		expect(SOURCE, s, "abort", s == S(OFFERED) ? 0 : 2, s == S(OFFERED) ? S(ABORTED) : s);
		expect(SOURCE, s, "abandon", given_up ? 0 : 2, given_up ? S(LOST) : s);
		expect(SOURCE, s, "resume --fenced host-b", s == S(IN_DOUBT) ? 0 : 2, s == S(IN_DOUBT) ? S(RESUMED) : s);
	}
	for (i = 0; i < sizeof(destination) / sizeof(destination[0]); i++) {
		const enum attest_state s = destination[i];

		expect(DESTINATION, s, "abort", s == S(OFFERED) ? 0 : 2, s == S(OFFERED) ? S(ABORTED) : s);
		expect(DESTINATION, s, "abandon", s == S(RUNNING) ? 0 : 2, s == S(RUNNING) ? S(LOST) : s);
		expect(DESTINATION, s, "resume --fenced host-b", 2, s);
	}
	close_dir();
}

static void test_what_is_recorded(void)
{
	const uint64_t before_s = (uint64_t)time(NULL);
	struct attest_session_record record;

	open_dir();
	record = put(SOURCE, S(IN_DOUBT), NULL);
	CU_ASSERT_EQUAL(ctl("session resume " TICKET " --fenced host-b --reason 'rack 7: PDU off'"), 0);
	CHECK_CONTAINS(output, "state       RESUMED");
	CHECK_CONTAINS(output, "resume by uid ");
	CHECK_CONTAINS(output, ": rack 7: PDU off\n");
	CHECK_CONTAINS(output, "fenced      host-b\n");
	CHECK_CONTAINS(output, "may thaw the VM");
	record = load(&record);
	CU_ASSERT_EQUAL(record.command.event, ATTEST_EVENT_OP_RESUME);
	CU_ASSERT_EQUAL(record.command.uid, getuid());
	CU_ASSERT_TRUE(record.command.time_s >= before_s && record.command.time_s <= (uint64_t)time(NULL));
	CU_ASSERT_STRING_EQUAL(record.command.reason, "rack 7: PDU off");
	CU_ASSERT_STRING_EQUAL(record.command.fenced_host, "host-b");
	CU_ASSERT_EQUAL(record.connection, 3);
	close_dir();
}

static void test_bad_use(void)
{
	open_dir();
	put(SOURCE, S(IN_DOUBT), NULL);
	CU_ASSERT_EQUAL(ctl(""), 1);
	CHECK_CONTAINS(output, "no command");
	CU_ASSERT_EQUAL(ctl("session"), 1);
	CU_ASSERT_EQUAL(ctl("session thaw " TICKET), 1);
	CHECK_CONTAINS(output, "not a command");
	CU_ASSERT_EQUAL(ctl("session show"), 1);
	CU_ASSERT_EQUAL(ctl("session list " TICKET), 1);
	CU_ASSERT_EQUAL(ctl("session show abcdef"), 1);
	CHECK_CONTAINS(output, "at least 8 digits");
	CU_ASSERT_EQUAL(ctl("session show 1234567890"), 4);
	CU_ASSERT_EQUAL(ctl("session abandon " TICKET), 1);
	CHECK_CONTAINS(output, "--reason TEXT is needed");
	CU_ASSERT_EQUAL(ctl("session resume " TICKET " --reason x"), 1);
	CHECK_CONTAINS(output, "--fenced HOST is needed");
	CU_ASSERT_EQUAL(ctl("session resume " TICKET " --reason x --fenced 'a b'"), 1);
	CHECK_CONTAINS(output, "without blanks");
	CU_ASSERT_EQUAL(ctl("session abandon " TICKET " --reason x --fenced host-b"), 1);
	CU_ASSERT_EQUAL(ctl("session abandon " TICKET " --reason \"$(printf 'a\\nb')\""), 1);
	CU_ASSERT_EQUAL(ctl("session abandon " TICKET " --reason $(printf %201s | tr ' ' x)"), 1);
	CU_ASSERT_EQUAL(ctl("--role both session list"), 1);
	CU_ASSERT_EQUAL(ctl("--state-dir /nonexistent session list"), 1);
	CU_ASSERT_EQUAL(ctl("--nonsense session list"), 1);
	CU_ASSERT_EQUAL(ctl("--help"), 0);
	CHECK_CONTAINS(output, "two copies of the guest run");
	/* nothing of this changed the record */
	CU_ASSERT_EQUAL(ctl("session show " TICKET), 0);
	CHECK_CONTAINS(output, "state       IN_DOUBT");
	close_dir();
}

static void test_both_roles_of_one_ticket(void)
{
	struct attest_session_record source, destination;

	open_dir();
	source = put(SOURCE, S(IN_DOUBT), NULL);
	destination = put(DESTINATION, S(RUNNING), NULL);
	CU_ASSERT_EQUAL(ctl("session abandon " TICKET " --reason x"), 4);
	CHECK_CONTAINS(output, "--role");
	CU_ASSERT_EQUAL(ctl("--role destination session abandon " TICKET " --reason x"), 0);
	CU_ASSERT_EQUAL(load(&source).state, S(IN_DOUBT));
	CU_ASSERT_EQUAL(load(&destination).state, S(LOST));
	CU_ASSERT_EQUAL(ctl("session list"), 0);
	CHECK_CONTAINS(output, ".source");
	CHECK_CONTAINS(output, "IN_DOUBT\n");
	CHECK_CONTAINS(output, "LOST");
	close_dir();
}

static void test_running_session_is_left_alone(void)
{
	struct attest_session_record record;
	char name[RECORD_FILE_NAME_LEN];
	int lock_fd;

	open_dir();
	record = put(SOURCE, S(IN_DOUBT), NULL);
	record_file_name(&record, name);
	lock_fd = record_file_lock(dir_fd, name);
	CU_ASSERT_EQUAL(ctl("session abandon " TICKET " --reason x"), 3);
	CHECK_CONTAINS(output, "end that process first");
	CU_ASSERT_EQUAL(load(&record).state, S(IN_DOUBT));
	CU_ASSERT_EQUAL(ctl("session show " TICKET), 0);
	CHECK_CONTAINS(output, "running     yes");
	close(lock_fd);
	CU_ASSERT_EQUAL(ctl("session abandon " TICKET " --reason x"), 0);
	close_dir();
}

static void test_record_of_another_boot(void)
{
	struct attest_session_record record;

	open_dir();
	record = put(SOURCE, S(IN_DOUBT), OTHER_BOOT);
	/* looking changes nothing */
	CU_ASSERT_EQUAL(ctl("session show " TICKET), 0);
	CHECK_CONTAINS(output, "state       LOST");
	CHECK_CONTAINS(output, "recorded    IN_DOUBT, in another boot");
	CU_ASSERT_PTR_NULL(strstr(output, "way out"));
	CU_ASSERT_EQUAL(load(&record).state, S(IN_DOUBT));
	/* not even by force: the memory is gone */
	CU_ASSERT_EQUAL(ctl("session resume " TICKET " --fenced host-b --reason x"), 2);
	CHECK_CONTAINS(output, "in state LOST");
	CU_ASSERT_EQUAL(load(&record).state, S(LOST));
	CU_ASSERT_STRING_EQUAL(load(&record).boot_id, OTHER_BOOT);
	close_dir();
}

/* The destination's token, carried by hand: both hosts have a key pair and the other's public key. */
static void test_token_is_carried(void)
{
	struct attest_keypair *pair[2], *stranger;
	struct attest_session_record source, destination;
	char path[2][128], stranger_path[128], line[512], token[65];
	int i;

	open_dir();
	source = put(SOURCE, S(IN_DOUBT), NULL);
	destination = put(DESTINATION, S(OFFERED), NULL);
	for (i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/key%d", dir, i);
		CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&pair[i]), 0);
		CU_ASSERT_EQUAL_FATAL(attest_keypair_save(pair[i], path[i]), 0);
	}
	snprintf(stranger_path, sizeof(stranger_path), "%s/key2", dir);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&stranger), 0);
	CU_ASSERT_EQUAL_FATAL(attest_keypair_save(stranger, stranger_path), 0);
	memcpy(source.peer_key, attest_keypair_public(pair[1]), ATTEST_KEY_LEN);
	memcpy(destination.peer_key, attest_keypair_public(pair[0]), ATTEST_KEY_LEN);
	CU_ASSERT_EQUAL(record_file_store(dir_fd, &source, false), 0);
	CU_ASSERT_EQUAL(record_file_store(dir_fd, &destination, false), 0);
	/* not while it could still run */
	snprintf(line, sizeof(line), "-r destination -k %s session token " TICKET, path[1]);
	CU_ASSERT_EQUAL(ctl(line), 2);
	CHECK_CONTAINS(output, "token is not possible in state OFFERED");
	CU_ASSERT_EQUAL(ctl("-r destination session abort " TICKET " -t x"), 0);
	CU_ASSERT_EQUAL(ctl(line), 0);
	CU_ASSERT_EQUAL_FATAL(strlen(output), 65);
	memcpy(token, output, 64);
	token[64] = '\0';
	/* another key, another token, half of it: refused */
	snprintf(line, sizeof(line), "-r source -k %s -T %s session resume " TICKET, stranger_path, token);
	CU_ASSERT_EQUAL(ctl(line), 2);
	CHECK_CONTAINS(output, "the abort token is this session's");
	token[0] = token[0] == '0' ? '1' : '0';
	snprintf(line, sizeof(line), "-r source -k %s -T %s session resume " TICKET, path[0], token);
	CU_ASSERT_EQUAL(ctl(line), 2);
	snprintf(line, sizeof(line), "-r source -k %s -T %.32s session resume " TICKET, path[0], token);
	CU_ASSERT_EQUAL(ctl(line), 1);
	snprintf(line, sizeof(line), "-r source -T %s session resume " TICKET, token);
	CU_ASSERT_EQUAL(ctl(line), 1);
	CU_ASSERT_EQUAL(load(&source).state, S(IN_DOUBT));
	snprintf(line, sizeof(line), "-r destination -k %s session token " TICKET, path[1]);
	CU_ASSERT_EQUAL(ctl(line), 0);
	memcpy(token, output, 64);
	snprintf(line, sizeof(line), "-r source -k %s -T %s session resume " TICKET, path[0], token);
	CU_ASSERT_EQUAL(ctl(line), 0);
	CHECK_CONTAINS(output, "state       RESUMED");
	CU_ASSERT_EQUAL(load(&source).state, S(RESUMED));
	CU_ASSERT_TRUE(load(&source).has_token);
	/* one that ran has none to give */
	destination.state = S(RUNNING);
	CU_ASSERT_EQUAL(record_file_store(dir_fd, &destination, false), 0);
	snprintf(line, sizeof(line), "-r destination -k %s session token " TICKET, path[1]);
	CU_ASSERT_EQUAL(ctl(line), 2);
	attest_keypair_free(pair[0]);
	attest_keypair_free(pair[1]);
	attest_keypair_free(stranger);
	close_dir();
}

static void test_damaged_record(void)
{
	struct attest_session_record record;
	char name[RECORD_FILE_NAME_LEN];
	int fd;

	open_dir();
	record = put(SOURCE, S(IN_DOUBT), NULL);
	record_file_name(&record, name);
	fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(pwrite(fd, "X", 1, 40), 1);
	close(fd);
	CU_ASSERT_EQUAL(ctl("session list"), 5);
	CHECK_CONTAINS(output, "damaged");
	CU_ASSERT_EQUAL(ctl("session show " TICKET), 5);
	CU_ASSERT_EQUAL(ctl("session resume " TICKET " --fenced host-b --reason x"), 5);
	CHECK_CONTAINS(output, "damaged");
	close_dir();
}

static const char *text_of(struct json_object *object, const char *key)
{
	return json_object_get_string(json_object_object_get(object, key));
}

static void test_json(void)
{
	struct json_object *array, *object, *operator;

	open_dir();
	put(SOURCE, S(IN_DOUBT), NULL);
	CU_ASSERT_EQUAL(ctl("--json session list"), 0);
	array = json_tokener_parse(output);
	CU_ASSERT_EQUAL_FATAL(json_object_is_type(array, json_type_array), 1);
	CU_ASSERT_EQUAL_FATAL(json_object_array_length(array), 1);
	object = json_object_array_get_idx(array, 0);
	CU_ASSERT_STRING_EQUAL(text_of(object, "state"), "IN_DOUBT");
	CU_ASSERT_STRING_EQUAL(text_of(object, "role"), "source");
	CU_ASSERT_EQUAL(json_object_get_uint64(json_object_object_get(object, "connection")), 3);
	CU_ASSERT_EQUAL(json_object_array_length(json_object_object_get(object, "ways_out")), 2);
	json_object_put(array);
	CU_ASSERT_EQUAL(ctl("--json session resume " TICKET " --fenced host-b --reason 'say \"why\"'"), 0);
	object = json_tokener_parse(output);
	CU_ASSERT_PTR_NOT_NULL_FATAL(object);
	CU_ASSERT_STRING_EQUAL(text_of(object, "state"), "RESUMED");
	CU_ASSERT_TRUE(json_object_get_boolean(json_object_object_get(object, "final")));
	operator = json_object_object_get(object, "operator");
	CU_ASSERT_STRING_EQUAL(text_of(operator, "command"), "resume");
	CU_ASSERT_STRING_EQUAL(text_of(operator, "fenced_host"), "host-b");
	CU_ASSERT_STRING_EQUAL(text_of(operator, "reason"), "say \"why\"");
	json_object_put(object);
	close_dir();
}

/* A process that has the session, as far as gmemctl sees one. */
struct streamer {
	struct attest_session_record record;
	bool obeys;
	pthread_t thread;
};

static void *stream(void *arg)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct streamer *streamer = arg;
	char name[RECORD_FILE_NAME_LEN], line[NOTES_LINE_MAX];
	int lock_fd;

	record_file_name(&streamer->record, name);
	lock_fd = record_file_lock(dir_fd, name);
	if (lock_fd < 0)
		abort();
	notes_put_limit(4096, 0, line);
	notes_write(dir_fd, name, NOTES_LIMIT, line);
	while (notes_read(dir_fd, name, NOTES_NEW_LIMIT, line) < 0 && notes_read(dir_fd, name, "end", line) < 0)
		nanosleep(&pause, NULL);
	if (streamer->obeys)
		notes_write(dir_fd, name, NOTES_LIMIT, line);
	notes_remove(dir_fd, name, NOTES_NEW_LIMIT);
	/* Until it has been looked at. */
	while (notes_read(dir_fd, name, "end", line) < 0)
		nanosleep(&pause, NULL);
	notes_remove(dir_fd, name, "end");
	close(lock_fd);
	return NULL;
}

static void begin_stream(struct streamer *streamer, bool obeys)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char name[RECORD_FILE_NAME_LEN], line[NOTES_LINE_MAX];

	*streamer = (struct streamer){ .record = put(SOURCE, S(GIVEN), NULL), .obeys = obeys };
	record_file_name(&streamer->record, name);
	pthread_create(&streamer->thread, NULL, stream, streamer);
	while (notes_read(dir_fd, name, NOTES_LIMIT, line) < 0)
		nanosleep(&pause, NULL);
}

static void end_stream(struct streamer *streamer)
{
	char name[RECORD_FILE_NAME_LEN];

	record_file_name(&streamer->record, name);
	CU_ASSERT_EQUAL(notes_write(dir_fd, name, "end", "now"), 0);
	pthread_join(streamer->thread, NULL);
	notes_remove(dir_fd, name, NOTES_LIMIT);
}

/* Somebody has the session and abandons it; its record is in pieces for a while. */
static void *abandon(void *arg)
{
	const struct timespec pause = { .tv_nsec = 1000000 }, while_in_pieces = { .tv_nsec = 200000000 };
	struct attest_session_record *record = arg;
	char name[RECORD_FILE_NAME_LEN], line[NOTES_LINE_MAX];
	int lock_fd, fd;

	record_file_name(record, name);
	lock_fd = record_file_lock(dir_fd, name);
	notes_write(dir_fd, name, NOTES_STATUS, "LOST");
	while (notes_read(dir_fd, name, NOTES_COMMAND, line) < 0)
		nanosleep(&pause, NULL);
	fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
	if (lock_fd < 0 || ftruncate(fd, 100) < 0)
		abort();
	close(fd);
	notes_remove(dir_fd, name, NOTES_COMMAND);
	nanosleep(&while_in_pieces, NULL);
	if (notes_get_command(line, &record->command) < 0)
		abort();
	record->state = S(LOST);
	record_file_store(dir_fd, record, false);
	close(lock_fd);
	return NULL;
}

static void test_abandon_is_waited_for(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct attest_session_record record;
	char name[RECORD_FILE_NAME_LEN], line[NOTES_LINE_MAX];
	pthread_t thread;

	open_dir();
	record = put(DESTINATION, S(RUNNING), NULL);
	record_file_name(&record, name);
	pthread_create(&thread, NULL, abandon, &record);
	while (notes_read(dir_fd, name, NOTES_STATUS, line) < 0)
		nanosleep(&pause, NULL);
	CU_ASSERT_EQUAL(ctl("session abandon " TICKET " --reason 'A burnt down'"), 0);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(load(&record).state, S(LOST));
	CU_ASSERT_STRING_EQUAL(load(&record).command.reason, "A burnt down");
	notes_remove(dir_fd, name, NOTES_STATUS);
	close_dir();
}

static void test_limit(void)
{
	struct streamer streamer;
	struct json_object *object;

	open_dir();
	put(DESTINATION, S(RUNNING), NULL);
	begin_stream(&streamer, true);
	CU_ASSERT_EQUAL(ctl("-r source session show " TICKET), 0);
	CHECK_CONTAINS(output, "limit       4K bytes/s\n");
	CU_ASSERT_EQUAL(ctl("session limit " TICKET " 64M"), 0);	/* which role is clear */
	CHECK_CONTAINS(output, "limit       64M bytes/s\n");
	CHECK_CONTAINS(output, "state       GIVEN");
	CU_ASSERT_EQUAL(ctl("-j -r source session show " TICKET), 0);
	object = json_tokener_parse(output);
	CU_ASSERT_EQUAL(json_object_get_uint64(json_object_object_get(object, "background_limit")), 64 << 20);
	json_object_put(object);
	end_stream(&streamer);
	/* of a process that is gone nothing is shown */
	CU_ASSERT_EQUAL(ctl("-r source session show " TICKET), 0);
	CU_ASSERT_PTR_NULL(strstr(output, "limit "));
	CU_ASSERT_EQUAL(ctl("-j -r source session show " TICKET), 0);
	CHECK_CONTAINS(output, "\"background_limit\": null");
	close_dir();
}

static void test_limit_refused(void)
{
	struct streamer streamer;

	open_dir();
	put(DESTINATION, S(RUNNING), NULL);
	CU_ASSERT_EQUAL(ctl("session limit " TICKET " 64M"), 4);	/* no source here */
	CU_ASSERT_EQUAL(ctl("-r destination session limit " TICKET " 64M"), 2);
	CHECK_CONTAINS(output, "only a source has a background stream");
	put(SOURCE, S(GIVEN), NULL);
	CU_ASSERT_EQUAL(ctl("session limit " TICKET " 64M"), 2);
	CHECK_CONTAINS(output, "no process has this session");
	CU_ASSERT_EQUAL(ctl("session limit " TICKET), 1);
	CHECK_CONTAINS(output, "takes one session and a rate");
	CU_ASSERT_EQUAL(ctl("session limit " TICKET " 12"), 1);
	CHECK_CONTAINS(output, "12: not a limit: it takes bytes a second");
	CU_ASSERT_EQUAL(ctl("session limit " TICKET " 64M 1"), 1);
	begin_stream(&streamer, false);
	CU_ASSERT_EQUAL(ctl("session limit " TICKET " 64M"), 2);
	CHECK_CONTAINS(output, "its move has ended");
	end_stream(&streamer);
	close_dir();
}

static const struct check checks[] = {
	{ "each command in each state", test_each_command_in_each_state },
	{ "what is recorded", test_what_is_recorded },
	{ "bad use", test_bad_use },
	{ "both roles of one ticket", test_both_roles_of_one_ticket },
	{ "a running session is left alone", test_running_session_is_left_alone },
	{ "a record of another boot", test_record_of_another_boot },
	{ "the token is carried", test_token_is_carried },
	{ "a damaged record", test_damaged_record },
	{ "JSON", test_json },
	{ "abandon waits for the record", test_abandon_is_waited_for },
	{ "a limit for the stream", test_limit },
	{ "a limit that is refused", test_limit_refused },
	{ NULL, NULL },
};

CHECK_MAIN("ctl", checks)
