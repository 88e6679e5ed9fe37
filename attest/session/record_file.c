// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record_file.h"

#define HEX_LEN 64u
_Static_assert(2 * ATTEST_ID_LEN == HEX_LEN && 2 * ATTEST_KEY_LEN == HEX_LEN && 2 * ATTEST_HASH_LEN == HEX_LEN &&
	       2 * SESSION_TOKEN_LEN == HEX_LEN, "all 32 bytes");

static const char *role_name(enum attest_role role)
{
	return role == ATTEST_INITIATOR ? "source" : "destination";
}

static const char *command_name(enum attest_event event)
{
	return event == ATTEST_EVENT_OP_ABORT ? "abort" : event == ATTEST_EVENT_OP_ABANDON ? "abandon" : "resume";
}

void record_file_name(const struct attest_session_record *record, char ret_name[RECORD_FILE_NAME_LEN])
{
	char hex[HEX_LEN + 1];

	sodium_bin2hex(hex, sizeof(hex), record->ticket_id, ATTEST_ID_LEN);
	snprintf(ret_name, RECORD_FILE_NAME_LEN, "%s.%s", hex, role_name(record->role));
}

/* ---- encode ---- */

struct text_out {
	char *text;
	size_t len;
};

static __attribute__((format(printf, 2, 3))) void put(struct text_out *out, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(out->text + out->len, RECORD_FILE_MAX - out->len, format, args);
	va_end(args);
	out->len += (size_t)len;
}

static void put_hex(struct text_out *out, const char *word, const uint8_t bytes[32], bool there)
{
	char hex[HEX_LEN + 1] = "-";

	if (there)
		sodium_bin2hex(hex, sizeof(hex), bytes, 32);
	put(out, "%s %s\n", word, hex);
}

static void put_command(struct text_out *out, const struct attest_session_command *command)
{
	if (command->event == ATTEST_EVENT_OPEN)
		put(out, "command -\n");
	else
		put(out, "command %s %" PRIu32 " %" PRIu64 "\n", command_name(command->event), command->uid,
		    command->time_s);
	put(out, "fenced %s\n", command->fenced_host[0] != '\0' ? command->fenced_host : "-");
	put(out, "reason %s\n", command->reason[0] != '\0' ? command->reason : "-");
}

size_t record_file_encode(const struct attest_session_record *record, char ret_text[RECORD_FILE_MAX])
{
	struct text_out out = { .text = ret_text };
	uint8_t check[crypto_hash_sha256_BYTES];

	put(&out, "gmem-record 2\nrole %s\nstate %s\nboot %s\n", role_name(record->role),
	    session_table_state_name(record->state), record->boot_id);
	put_hex(&out, "session", record->session_id, true);
	put_hex(&out, "ticket", record->ticket_id, true);
	put_hex(&out, "vm", record->vm_id, true);
	put_hex(&out, "peer", record->peer_key, true);
	put_hex(&out, "platform", record->platform, record->has_platform);
	put(&out, "connection %" PRIu64 "\n", record->connection);
	put_hex(&out, "token", record->token, record->has_token);
	put_command(&out, &record->command);
	crypto_hash_sha256(check, (const uint8_t *)out.text, out.len);
	put_hex(&out, "check", check, true);
	put(&out, "end\n");
	return out.len;
}

/* ---- decode ---- */

struct text_in {
	const char *at;
	size_t left;
	bool failed;
};

/* The rest of a line that begins with @word, into @ret_value; fails if it does not fit or is not printable. */
static void take_line(struct text_in *in, const char *word, char *ret_value, size_t value_len)
{
	const size_t word_len = strlen(word);
	const char *end = in->left > 0 ? memchr(in->at, '\n', in->left) : NULL;
	const size_t len = end != NULL ? (size_t)(end - in->at) : 0;
	size_t i;

	ret_value[0] = '\0';
	if (in->failed || end == NULL || len < word_len + 1 || memcmp(in->at, word, word_len) != 0 ||
	    in->at[word_len] != ' ' || len - word_len - 1 >= value_len) {
		in->failed = true;
		return;
	}
	for (i = word_len + 1; i < len; i++)
		if (in->at[i] < 0x20 || in->at[i] > 0x7e)
			in->failed = true;
	memcpy(ret_value, in->at + word_len + 1, len - word_len - 1);
	ret_value[len - word_len - 1] = '\0';
	in->at += len + 1;
	in->left -= len + 1;
}

static bool take_hex(struct text_in *in, const char *word, bool may_be_none, uint8_t ret_bytes[32])
{
	char value[HEX_LEN + 1];
	size_t len = 0;

	take_line(in, word, value, sizeof(value));
	if (may_be_none && strcmp(value, "-") == 0)
		return false;
	if (sodium_hex2bin(ret_bytes, 32, value, strlen(value), NULL, &len, NULL) != 0 || len != 32)
		in->failed = true;
	return true;
}

static uint64_t to_number(struct text_in *in, const char *value)
{
	char *end;
	uint64_t number;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0)
		in->failed = true;
	return number;
}

static enum attest_role take_role(struct text_in *in)
{
	char value[16];

	take_line(in, "role", value, sizeof(value));
	if (strcmp(value, "source") == 0)
		return ATTEST_INITIATOR;
	if (strcmp(value, "destination") != 0)
		in->failed = true;
	return ATTEST_RESPONDER;
}

/* A state that stands on the disk, and not "no record". */
static enum attest_state take_state(struct text_in *in, enum attest_role role)
{
	char value[16];
	int state;

	take_line(in, "state", value, sizeof(value));
	for (state = ATTEST_STATE_NONE + 1; state < ATTEST_N_STATES; state++)
		if (strcmp(value, session_table_state_name((enum attest_state)state)) == 0 &&
		    session_table_state_text(role, (enum attest_state)state) != NULL &&
		    session_table_record(role, (enum attest_state)state) == (enum attest_state)state)
			return (enum attest_state)state;
	in->failed = true;
	return ATTEST_STATE_NONE;
}

static void take_command(struct text_in *in, struct attest_session_command *command)
{
	static const enum attest_event events[] = {
		ATTEST_EVENT_OP_ABORT, ATTEST_EVENT_OP_ABANDON, ATTEST_EVENT_OP_RESUME,
	};
	char value[64], *uid, *time, *rest = value;
	const char *name;
	size_t i;

	command->event = ATTEST_EVENT_OPEN;
	take_line(in, "command", value, sizeof(value));
	if (strcmp(value, "-") == 0)
		return;
	name = strsep(&rest, " ");
	uid = strsep(&rest, " ");
	time = strsep(&rest, " ");
	if (uid == NULL || time == NULL || rest != NULL) {
		in->failed = true;
		return;
	}
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (strcmp(name, command_name(events[i])) == 0)
			command->event = events[i];
	command->uid = (uint32_t)to_number(in, uid);
	command->time_s = to_number(in, time);
	in->failed = in->failed || command->event == ATTEST_EVENT_OPEN;
}

static void take_word(struct text_in *in, const char *word, char *ret_value, size_t value_len)
{
	take_line(in, word, ret_value, value_len);
	if (strcmp(ret_value, "-") == 0)
		ret_value[0] = '\0';
}

static void take_fields(struct text_in *in, struct attest_session_record *record)
{
	char number[32];

	record->role = take_role(in);
	record->state = take_state(in, record->role);
	take_line(in, "boot", record->boot_id, sizeof(record->boot_id));
	take_hex(in, "session", false, record->session_id);
	take_hex(in, "ticket", false, record->ticket_id);
	take_hex(in, "vm", false, record->vm_id);
	take_hex(in, "peer", false, record->peer_key);
	record->has_platform = take_hex(in, "platform", true, record->platform);
	take_line(in, "connection", number, sizeof(number));
	record->connection = to_number(in, number);
	record->has_token = take_hex(in, "token", true, record->token);
	take_command(in, &record->command);
	take_word(in, "fenced", record->command.fenced_host, sizeof(record->command.fenced_host));
	take_word(in, "reason", record->command.reason, sizeof(record->command.reason));
	in->failed = in->failed || strlen(record->boot_id) != SESSION_BOOT_ID_LEN ||
		     strchr(record->command.fenced_host, ' ') != NULL || strchr(record->boot_id, ' ') != NULL;
}

int record_file_decode(const char *text, size_t len, struct attest_session_record *ret_record)
{
	struct attest_session_record record = { .connection = 0 };
	struct text_in in = { .at = text, .left = len };
	char version[8], again[RECORD_FILE_MAX];
	uint8_t session_id[ATTEST_HASH_LEN];

	if (len > RECORD_FILE_MAX)
		return -EBADMSG;
	take_line(&in, "gmem-record", version, sizeof(version));
	if (in.failed || strcmp(version, "2") != 0)
		return -EBADMSG;
	take_fields(&in, &record);
	attest_session_id(record.ticket_id, record.vm_id, session_id);
	if (in.failed || memcmp(session_id, record.session_id, sizeof(session_id)) != 0)
		return -EBADMSG;
	/* One text for each record: with that the check and the end need no reader of their own. */
	if (record_file_encode(&record, again) != len || memcmp(again, text, len) != 0)
		return -EBADMSG;
	*ret_record = record;
	return 0;
}

/* ---- files ---- */

/* syscalls: close fstat geteuid newfstatat openat read */
static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1 && (st->st_uid == geteuid() || st->st_uid == 0) &&
	       (st->st_mode & 0077) == 0;
}

static int read_text(int fd, char text[RECORD_FILE_MAX + 1], size_t *ret_len)
{
	size_t len = 0;
	ssize_t n = 1;

	while (len < RECORD_FILE_MAX + 1 && n > 0) {
		n = read(fd, text + len, RECORD_FILE_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			return -errno;
		else
			len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int record_file_load(int dir_fd, const char *name, struct attest_session_record *ret_record)
{
	char text[RECORD_FILE_MAX + 1], own_name[RECORD_FILE_NAME_LEN];
	struct attest_session_record record;
	struct stat st;
	size_t len = 0;
	int fd, r = 0;

	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!is_ours(&st))
		r = -EPERM;
	else
		r = read_text(fd, text, &len);
	close(fd);
	if (r == 0)
		r = record_file_decode(text, len, &record);
	if (r < 0)
		return r;
	record_file_name(&record, own_name);
	if (strcmp(own_name, name) != 0)
		return -EBADMSG;
	*ret_record = record;
	return 0;
}

static int write_temp(int dir_fd, const char *temp_name, const struct attest_session_record *record)
{
	char text[RECORD_FILE_MAX];
	const size_t len = record_file_encode(record, text);
	int fd, r = 0;

	fd = openat(dir_fd, temp_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	errno = 0;
	if (write(fd, text, len) != (ssize_t)len)
		r = errno != 0 ? -errno : -ENOSPC;
	else if (fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static void temp_name_of(const struct attest_session_record *record, char *ret_name, size_t len)
{
	char name[RECORD_FILE_NAME_LEN];

	record_file_name(record, name);
	snprintf(ret_name, len, "%s.new", name);
}

/* syscalls: fsync linkat renameat renameat2 unlinkat write */
/* link() refuses an existing name, rename() replaces it. */
int record_file_store(int dir_fd, const struct attest_session_record *record, bool first)
{
	char name[RECORD_FILE_NAME_LEN], temp_name[RECORD_FILE_NAME_LEN + 8];
	int r;

	record_file_name(record, name);
	temp_name_of(record, temp_name, sizeof(temp_name));
	r = write_temp(dir_fd, temp_name, record);
	if (r == 0 && (first ? linkat(dir_fd, temp_name, dir_fd, name, 0) : renameat(dir_fd, temp_name, dir_fd, name)) < 0)
		r = -errno;
	if (first || r < 0)
		unlinkat(dir_fd, temp_name, 0);
	if (r == 0 && fsync(dir_fd) < 0)
		r = -errno;
	return r;
}

int record_file_try(int dir_fd, const struct attest_session_record *record)
{
	char temp_name[RECORD_FILE_NAME_LEN + 8];
	int r;

	temp_name_of(record, temp_name, sizeof(temp_name));
	r = write_temp(dir_fd, temp_name, record);
	unlinkat(dir_fd, temp_name, 0);
	return r;
}

/* syscalls: flock */
int record_file_lock(int dir_fd, const char *name)
{
	char lock_name[RECORD_FILE_NAME_LEN + 8];
	int fd, r;

	snprintf(lock_name, sizeof(lock_name), "%s.lock", name);
	fd = openat(dir_fd, lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
		return r;
	}
	return fd;
}

static bool is_record_name(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot != NULL && (strcmp(dot, ".source") == 0 || strcmp(dot, ".destination") == 0);
}

/* syscalls: fcntl getdents64 lseek */
int record_file_each(int dir_fd, int (*act)(int dir_fd, const char *name, void *opaque), void *opaque)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0, one;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (dir == NULL) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((entry = readdir(dir)) != NULL) {
		one = is_record_name(entry->d_name) ? act(dir_fd, entry->d_name, opaque) : 0;
		if (r == 0)
			r = one;
	}
	closedir(dir);
	return r;
}
