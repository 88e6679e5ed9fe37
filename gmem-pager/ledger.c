// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include <attest/session/record_file.h>

#include "ledger.h"
#include "notes.h"

struct ledger {
	int dir_fd;
	int lock_fd;		/* -1: not locked */
	bool resumed;
	struct attest_session session;
};

int ledger_boot_id(char ret_id[SESSION_BOOT_ID_LEN + 1])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, ret_id, SESSION_BOOT_ID_LEN);
	close(fd);
	if (n != (ssize_t)SESSION_BOOT_ID_LEN)
		return -EIO;
	ret_id[SESSION_BOOT_ID_LEN] = '\0';
	return 0;
}

enum attest_state ledger_state(const struct ledger *ledger)
{
	return ledger->session.record.state;
}

enum attest_state ledger_now(const struct ledger *ledger)
{
	return ledger->session.state;
}

uint64_t ledger_next_connection(const struct ledger *ledger)
{
	const struct attest_session *session = &ledger->session;

	return (session->tried > session->record.connection ? session->tried : session->record.connection) + 1;
}

bool ledger_was_resumed(const struct ledger *ledger)
{
	return ledger->resumed;
}

void ledger_note_status(struct ledger *ledger, const char *line)
{
	char name[RECORD_FILE_NAME_LEN];

	record_file_name(&ledger->session.record, name);
	if (line == NULL) {
		notes_remove(ledger->dir_fd, name, NOTES_STATUS);
		notes_remove(ledger->dir_fd, name, NOTES_LIMIT);
	} else if (ledger->lock_fd >= 0) {
		(void)notes_write(ledger->dir_fd, name, NOTES_STATUS, line);	/* the log has it, too */
	}
}

static void remove_note(struct ledger *ledger, const char *kind)
{
	char name[RECORD_FILE_NAME_LEN];

	record_file_name(&ledger->session.record, name);
	notes_remove(ledger->dir_fd, name, kind);
}

/* false: there is no such note, or none that may be believed, which is removed. */
static bool read_note(struct ledger *ledger, const char *kind, char ret_line[NOTES_LINE_MAX])
{
	char name[RECORD_FILE_NAME_LEN];
	int r;

	if (ledger->lock_fd < 0)
		return false;
	record_file_name(&ledger->session.record, name);
	r = notes_read(ledger->dir_fd, name, kind, ret_line);
	if (r < 0 && r != -ENOENT)
		remove_note(ledger, kind);
	return r == 0;
}

bool ledger_take_command(struct ledger *ledger, struct attest_session_command *ret_command)
{
	char line[NOTES_LINE_MAX];

	if (!read_note(ledger, NOTES_COMMAND, line))
		return false;
	remove_note(ledger, NOTES_COMMAND);
	return notes_get_command(line, ret_command) == 0;
}

void ledger_note_limit(struct ledger *ledger, uint64_t bytes_per_s, uint32_t uid)
{
	char name[RECORD_FILE_NAME_LEN], line[NOTES_LINE_MAX];

	record_file_name(&ledger->session.record, name);
	notes_put_limit(bytes_per_s, uid, line);
	if (ledger->lock_fd >= 0)
		(void)notes_write(ledger->dir_fd, name, NOTES_LIMIT, line);
}

bool ledger_wants_limit(struct ledger *ledger, uint64_t *ret_bytes_per_s, uint32_t *ret_uid)
{
	char line[NOTES_LINE_MAX];

	if (!read_note(ledger, NOTES_NEW_LIMIT, line))
		return false;
	if (notes_get_limit(line, ret_bytes_per_s, ret_uid) == 0)
		return true;
	ledger_limit_done(ledger);
	return false;
}

void ledger_limit_done(struct ledger *ledger)
{
	remove_note(ledger, NOTES_NEW_LIMIT);
}

int ledger_note_snapshot(struct ledger *ledger, const char *root_hex)
{
	char name[RECORD_FILE_NAME_LEN];

	record_file_name(&ledger->session.record, name);
	return ledger->lock_fd >= 0 ? notes_write(ledger->dir_fd, name, NOTES_SNAPSHOT, root_hex) : -ENOLCK;
}

bool ledger_get_snapshot(struct ledger *ledger, char *ret_root_hex, size_t len)
{
	char line[NOTES_LINE_MAX];

	if (!read_note(ledger, NOTES_SNAPSHOT, line) || strlen(line) >= len)
		return false;
	strcpy(ret_root_hex, line);
	return true;
}

void ledger_forget_snapshot(struct ledger *ledger)
{
	remove_note(ledger, NOTES_SNAPSHOT);
}

void ledger_disconnected(struct ledger *ledger)
{
	attest_session_disconnected(&ledger->session);
}

const uint8_t *ledger_token(const struct ledger *ledger)
{
	return ledger->session.has_token ? ledger->session.token : NULL;
}

/* ---- other sessions ---- */

int ledger_judge_record(int dir_fd, const char *boot_id, struct attest_session_record *record)
{
	const struct attest_session_input input = { .event = ATTEST_EVENT_OPEN, .boot_id = boot_id };
	struct attest_session session;
	struct attest_session_plan plan;
	int r;

	attest_session_load(&session, record);
	r = attest_session_plan(&session, &input, &plan);
	if (r < 0 || plan.row->n_acts == 0 || plan.row->acts[0] != ATTEST_ACT_RECORD)
		return r;
	r = record_file_store(dir_fd, &plan.record, false);
	if (r < 0)
		return r;
	*record = plan.record;
	return 1;
}

struct judge {
	const char *boot_id;
	unsigned int n_judged;
};

static int judge_one(int dir_fd, const char *name, void *opaque)
{
	struct judge *judge = opaque;
	struct attest_session_record record;
	int lock_fd, r = record_file_load(dir_fd, name, &record);

	if (r < 0 || strcmp(record.boot_id, judge->boot_id) == 0)
		return r;
	lock_fd = record_file_lock(dir_fd, name);
	if (lock_fd < 0)
		return lock_fd == -EBUSY ? 0 : lock_fd;
	r = record_file_load(dir_fd, name, &record);	/* under the lock */
	if (r == 0)
		r = ledger_judge_record(dir_fd, judge->boot_id, &record);
	close(lock_fd);
	judge->n_judged += r == 1;
	return r < 0 ? r : 0;
}

int ledger_judge(int dir_fd, const char *boot_id, unsigned int *ret_n_judged)
{
	struct judge judge = { .boot_id = boot_id };
	int r = record_file_each(dir_fd, judge_one, &judge);

	if (ret_n_judged != NULL)
		*ret_n_judged = judge.n_judged;
	return r;
}

struct import_search {
	const struct attest_session_record *own;
	bool open;
};

/* A session that brings this VM here and is not through.  A VM without an id is not found. */
static int find_import(int dir_fd, const char *name, void *opaque)
{
	struct import_search *search = opaque;
	struct attest_session_record record;
	int r = record_file_load(dir_fd, name, &record);

	if (r == 0 && record.role == ATTEST_RESPONDER && !session_table_is_final(record.role, record.state) &&
	    !sodium_is_zero(record.vm_id, ATTEST_ID_LEN) &&
	    memcmp(record.vm_id, search->own->vm_id, ATTEST_ID_LEN) == 0 &&
	    memcmp(record.ticket_id, search->own->ticket_id, ATTEST_ID_LEN) != 0)
		search->open = true;
	return 0;	/* one that cannot be read was reported when the directory was opened */
}

static bool import_is_complete(const struct ledger *ledger)
{
	struct import_search search = { .own = &ledger->session.record };

	return record_file_each(ledger->dir_fd, find_import, &search) == 0 && !search.open;
}

/* ---- this session ---- */

static int lock(struct ledger *ledger)
{
	char name[RECORD_FILE_NAME_LEN];
	int fd;

	if (ledger->lock_fd >= 0)
		return 0;
	record_file_name(&ledger->session.record, name);
	fd = record_file_lock(ledger->dir_fd, name);
	if (fd < 0)
		return fd == -EBUSY ? -EEXIST : fd;	/* who holds it has a record, or is about to */
	ledger->lock_fd = fd;
	return 0;
}

int ledger_step(struct ledger *ledger, const struct attest_session_input *input,
		struct attest_session_plan *ret_plan)
{
	const bool first = input->event == ATTEST_EVENT_BEGIN;
	struct attest_session_input own = *input;
	struct attest_session_plan plan;
	int r;

	own.import_complete = first && import_is_complete(ledger);
	r = attest_session_plan(&ledger->session, &own, &plan);
	if (r < 0)
		return r;
	if (first)
		r = lock(ledger);
	if (r == 0 && plan.row->n_acts > 0 && plan.row->acts[0] == ATTEST_ACT_RECORD)
		r = record_file_store(ledger->dir_fd, &plan.record, first);
	if (r < 0)
		return r;
	attest_session_take(&ledger->session, &plan);
	if (ret_plan != NULL)
		*ret_plan = plan;
	return 0;
}

int ledger_event(struct ledger *ledger, enum attest_event event)
{
	const struct attest_session_input input = {
		.event = event, .connection = ledger->session.live, .manifest_matches = true, .all_present = true,
	};

	return ledger_step(ledger, &input, NULL);
}

/* syscalls: close mkdir mkdirat openat */
static int open_dir(struct ledger *ledger, const char *dir)
{
	const struct attest_session_record *record = &ledger->session.record;
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	ledger->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ledger->dir_fd < 0)
		return -errno;
	/* Found out now rather than when a guest hangs on it. */
	r = record_file_try(ledger->dir_fd, record);
	if (r == 0)
		(void)ledger_judge(ledger->dir_fd, record->boot_id, NULL);	/* gmemctl says which cannot be read */
	if (r < 0)
		close(ledger->dir_fd);
	return r;
}

static bool is_same_session(const struct attest_session_record *record, const struct attest_session_record *own)
{
	return record->role == own->role && memcmp(record->vm_id, own->vm_id, ATTEST_ID_LEN) == 0 &&
	       memcmp(record->peer_key, own->peer_key, ATTEST_KEY_LEN) == 0;
}

/*
 * What is over at the destination can still be told to a source that has not heard it, and asks: COMPLETE while
 * the guest is there, "never ran" in any boot.
 */
static bool may_resume(const struct attest_session_record *record, const struct attest_session_record *own)
{
	const bool told = record->role == ATTEST_RESPONDER && record->state == ATTEST_STATE_COMPLETE;

	if (!is_same_session(record, own))
		return false;
	if (record->role == ATTEST_RESPONDER && record->state == ATTEST_STATE_ABORTED)
		return true;
	return strcmp(record->boot_id, own->boot_id) == 0 &&
	       (told || !session_table_is_final(record->role, record->state));
}

/* A record that nobody may go on with is left alone: "begin" finds that the ticket is burnt. */
static int resume(struct ledger *ledger)
{
	const struct attest_session_input input = {
		.event = ATTEST_EVENT_OPEN, .boot_id = ledger->session.record.boot_id,
	};
	struct attest_session_record record;
	struct attest_session_plan plan;
	char name[RECORD_FILE_NAME_LEN];
	int fd;

	record_file_name(&ledger->session.record, name);
	if (record_file_load(ledger->dir_fd, name, &record) < 0)
		return 0;
	fd = record_file_lock(ledger->dir_fd, name);
	if (fd < 0)
		return fd;
	if (record_file_load(ledger->dir_fd, name, &record) < 0 ||
	    !may_resume(&record, &ledger->session.record)) {
		close(fd);
		return 0;
	}
	attest_session_load(&ledger->session, &record);
	ledger->lock_fd = fd;
	ledger->resumed = true;
	if (attest_session_plan(&ledger->session, &input, &plan) < 0)
		return -EPROTO;
	attest_session_take(&ledger->session, &plan);	/* was judged already: nothing to record */
	return 0;
}

bool ledger_has_record(const char *dir, enum attest_role role, const uint8_t ticket_id[ATTEST_ID_LEN])
{
	struct attest_session_record record = { .role = role };
	char name[RECORD_FILE_NAME_LEN];
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool there;

	memcpy(record.ticket_id, ticket_id, ATTEST_ID_LEN);
	record_file_name(&record, name);
	there = dir_fd >= 0 && record_file_load(dir_fd, name, &record) == 0;
	if (dir_fd >= 0)
		close(dir_fd);
	return there;
}

int ledger_open(const struct ledger_config *config, struct ledger **ret_ledger)
{
	struct attest_session_record record = { .role = config->role };
	uint8_t token[SESSION_TOKEN_LEN];
	struct ledger *ledger;
	int r = 0;

	memcpy(record.ticket_id, config->ticket_id, ATTEST_ID_LEN);
	memcpy(record.vm_id, config->vm_id, ATTEST_ID_LEN);
	memcpy(record.peer_key, config->peer_key, ATTEST_KEY_LEN);
	if (config->boot_id != NULL && config->boot_id[0] != '\0')
		memcpy(record.boot_id, config->boot_id, sizeof(record.boot_id));
	else
		r = ledger_boot_id(record.boot_id);
	if (r < 0)
		return r;
	ledger = calloc(1, sizeof(*ledger));
	if (ledger == NULL)
		return -ENOMEM;
	ledger->lock_fd = -1;
	attest_session_init(&ledger->session, &record);
	r = open_dir(ledger, config->dir);
	if (r < 0) {
		free(ledger);
		return r;
	}
	if (config->resume)
		r = resume(ledger);
	if (r == 0 && config->keypair != NULL) {
		r = attest_session_token(config->keypair, config->role, config->peer_key,
					 ledger->session.record.session_id, token);
		if (r == 0)
			attest_session_set_token(&ledger->session, token);
	}
	if (r < 0) {
		ledger_close(ledger);
		return r;
	}
	*ret_ledger = ledger;
	return 0;
}

void ledger_close(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	if (ledger->lock_fd >= 0) {
		ledger_note_status(ledger, NULL);
		close(ledger->lock_fd);
	}
	close(ledger->dir_fd);
	sodium_memzero(ledger->session.token, sizeof(ledger->session.token));
	free(ledger);
}
