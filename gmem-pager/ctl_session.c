// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl_session.h"
#include "ledger.h"

#define PAUSE_MS 50
#define ANSWER_MS 1000		/* from when a command was taken */

static const enum attest_event commands[] = {
	ATTEST_EVENT_OP_ABORT, ATTEST_EVENT_OP_ABANDON, ATTEST_EVENT_OP_RESUME, ATTEST_EVENT_OP_TOKEN,
};

/* What the table would let an operator do who names all that can be named. */
static uint32_t allowed_commands(const struct attest_session *session)
{
	const struct attest_session_command command = { .reason = "any", .fenced_host = "any" };
	struct attest_session_input input = { .command = &command };
	struct attest_session_plan plan;
	uint32_t allowed = 0;
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		input.event = commands[i];
		if (attest_session_plan(session, &input, &plan) == 0)
			allowed |= 1u << commands[i];
	}
	return allowed;
}

static bool is_held(int dir_fd, const char *name)
{
	int lock_fd = record_file_lock(dir_fd, name);

	if (lock_fd >= 0)
		close(lock_fd);
	return lock_fd == -EBUSY;
}

static int read_limit(int dir_fd, const char *name, uint64_t *ret_bytes_per_s)
{
	char line[NOTES_LINE_MAX];
	uint32_t uid;
	int r = notes_read(dir_fd, name, NOTES_LIMIT, line);

	return r < 0 ? r : notes_get_limit(line, ret_bytes_per_s, &uid);
}

void ctl_session_read(int dir_fd, const char *name, const char *boot_id, struct ctl_entry *ret_entry)
{
	const struct attest_session_input input = { .event = ATTEST_EVENT_OPEN, .boot_id = boot_id };
	struct attest_session session;
	struct attest_session_plan plan;

	memset(ret_entry, 0, sizeof(*ret_entry));
	snprintf(ret_entry->name, sizeof(ret_entry->name), "%s", name);
	ret_entry->status = record_file_load(dir_fd, name, &ret_entry->record);
	if (ret_entry->status < 0)
		return;
	ret_entry->running = is_held(dir_fd, name);
	if (!ret_entry->running || notes_read(dir_fd, name, NOTES_STATUS, ret_entry->status_line) < 0)
		ret_entry->status_line[0] = '\0';
	ret_entry->has_limit = ret_entry->running && read_limit(dir_fd, name, &ret_entry->limit) == 0;
	ret_entry->other_boot = strcmp(ret_entry->record.boot_id, boot_id) != 0;
	attest_session_load(&session, &ret_entry->record);
	if (attest_session_plan(&session, &input, &plan) == 0)
		attest_session_take(&session, &plan);
	ret_entry->judged = session.state;
	ret_entry->commands = allowed_commands(&session);
}

struct search {
	const char *prefix;
	const char *suffix;	/* "": either role */
	unsigned int n_found;
	char *name;
};

static int match(int dir_fd, const char *name, void *opaque)
{
	struct search *search = opaque;

	(void)dir_fd;
	if (strncmp(name, search->prefix, strlen(search->prefix)) == 0 && strstr(name, search->suffix) != NULL &&
	    strlen(name) < RECORD_FILE_NAME_LEN) {
		search->n_found++;
		snprintf(search->name, RECORD_FILE_NAME_LEN, "%s", name);
	}
	return 0;
}

int ctl_session_find(int dir_fd, const char *prefix, int role, char ret_name[RECORD_FILE_NAME_LEN])
{
	char name[RECORD_FILE_NAME_LEN];
	struct search search = {
		.prefix = prefix, .name = name,
		.suffix = role == ATTEST_INITIATOR ? ".source" : role == ATTEST_RESPONDER ? ".destination" : "",
	};
	int r = record_file_each(dir_fd, match, &search);

	if (r < 0)
		return r;
	if (search.n_found != 1)
		return search.n_found == 0 ? -ENOENT : -EEXIST;
	memcpy(ret_name, name, sizeof(name));
	return 0;
}

static int load_session(int dir_fd, const char *name, const char *boot_id, const struct attest_keypair *keypair,
			struct attest_session *ret_session)
{
	struct attest_session_record record;
	uint8_t token[SESSION_TOKEN_LEN];
	int r = record_file_load(dir_fd, name, &record);

	if (r == 0)
		r = ledger_judge_record(dir_fd, boot_id, &record);
	if (r < 0)
		return r;
	attest_session_load(ret_session, &record);
	if (keypair == NULL)
		return 0;
	r = attest_session_token(keypair, record.role, record.peer_key, record.session_id, token);
	if (r == 0)
		attest_session_set_token(ret_session, token);
	return r;
}

static int step_locked(int dir_fd, const struct attest_session *session,
		       const struct attest_session_input *input, enum attest_guard *ret_failed)
{
	struct attest_session_plan plan;
	int r = attest_session_plan(session, input, &plan);

	if (r == -EPERM)
		*ret_failed = plan.failed;
	if (r < 0 || plan.row->n_acts == 0 || plan.row->acts[0] != ATTEST_ACT_RECORD)
		return r;
	return record_file_store(dir_fd, &plan.record, false);
}

int ctl_session_step(int dir_fd, const char *name, const char *boot_id, const struct attest_session_input *input,
		     const struct attest_keypair *keypair, enum attest_guard *ret_failed,
		     uint8_t ret_token[SESSION_TOKEN_LEN])
{
	struct attest_session session;
	int lock_fd = record_file_lock(dir_fd, name), r;

	if (lock_fd < 0)
		return lock_fd;
	r = load_session(dir_fd, name, boot_id, keypair, &session);
	if (r == 0)
		r = step_locked(dir_fd, &session, input, ret_failed);
	close(lock_fd);
	if (r == 0 && ret_token != NULL)
		memcpy(ret_token, session.token, SESSION_TOKEN_LEN);
	return r;
}

static bool is_there(int dir_fd, const char *name, const char *kind)
{
	char line[NOTES_LINE_MAX];

	return notes_read(dir_fd, name, kind, line) == 0;
}

static void pause_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000 }, NULL);
}

/* Leave a note for the process, and wait until it has taken it away.  -ETIMEDOUT. */
static int hand_note(int dir_fd, const char *name, const char *kind, const char *line, int wait_ms)
{
	int r = notes_write(dir_fd, name, kind, line), waited_ms;

	for (waited_ms = 0; r == 0 && waited_ms < wait_ms && is_there(dir_fd, name, kind); waited_ms += PAUSE_MS)
		pause_a_little();
	if (r == 0 && is_there(dir_fd, name, kind)) {
		notes_remove(dir_fd, name, kind);
		r = -ETIMEDOUT;
	}
	return r;
}

int ctl_session_limit(int dir_fd, const char *name, uint64_t bytes_per_s, int wait_ms)
{
	char line[NOTES_LINE_MAX];
	uint64_t said;
	int r;

	notes_put_limit(bytes_per_s, (uint32_t)getuid(), line);
	r = hand_note(dir_fd, name, NOTES_NEW_LIMIT, line, wait_ms);
	if (r < 0)
		return r;
	/* It has said what holds before it took that away. */
	return read_limit(dir_fd, name, &said) == 0 && said == bytes_per_s ? 0 : -EACCES;
}

int ctl_session_ask(int dir_fd, const char *name, const struct attest_session_command *command, int wait_ms)
{
	struct attest_session_record record;
	char line[NOTES_LINE_MAX];
	int r, waited_ms;

	notes_put_command(command, line);
	r = hand_note(dir_fd, name, NOTES_COMMAND, line, wait_ms);
	if (r < 0)
		return r;
	/* It took the command away; its record is the answer.  While that is replaced, a network's file system may give a mixture. */
	for (waited_ms = 0; waited_ms < wait_ms; waited_ms += PAUSE_MS) {
		r = record_file_load(dir_fd, name, &record);
		if (r == 0 && (record.state == ATTEST_STATE_LOST || waited_ms >= ANSWER_MS))
			break;
		pause_a_little();
	}
	return r < 0 ? r : record.state == ATTEST_STATE_LOST ? 0 : -EACCES;
}
