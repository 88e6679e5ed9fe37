// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "session.h"

#define LABEL_LEN 24u

void attest_session_id(const uint8_t ticket_id[ATTEST_ID_LEN], const uint8_t vm_id[ATTEST_ID_LEN],
		       uint8_t ret_id[ATTEST_HASH_LEN])
{
	static const uint8_t label[LABEL_LEN] = "gmem v1 session";
	crypto_hash_sha256_state hash;

	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, label, sizeof(label));
	crypto_hash_sha256_update(&hash, ticket_id, ATTEST_ID_LEN);
	crypto_hash_sha256_update(&hash, vm_id, ATTEST_ID_LEN);
	crypto_hash_sha256_final(&hash, ret_id);
}

void attest_session_init(struct attest_session *session, const struct attest_session_record *record)
{
	memset(session, 0, sizeof(*session));
	session->record = *record;
	session->record.state = ATTEST_STATE_NONE;
	session->record.connection = 0;
	session->record.has_platform = session->record.has_token = false;
	session->record.command = (struct attest_session_command){ .event = ATTEST_EVENT_OPEN };
	attest_session_id(record->ticket_id, record->vm_id, session->record.session_id);
	session->state = ATTEST_STATE_NONE;
}

void attest_session_load(struct attest_session *session, const struct attest_session_record *record)
{
	memset(session, 0, sizeof(*session));
	session->record = *record;
	session->state = record->state;
}

void attest_session_set_token(struct attest_session *session, const uint8_t token[SESSION_TOKEN_LEN])
{
	memcpy(session->token, token, SESSION_TOKEN_LEN);
	session->has_token = true;
}

void attest_session_disconnected(struct attest_session *session)
{
	session->live = 0;
}

/* ---- guards ---- */

static bool is_peer(const struct attest_session_record *record, const struct attest_session_input *input)
{
	if (input->peer_key == NULL || sodium_memcmp(input->peer_key, record->peer_key, ATTEST_KEY_LEN) != 0)
		return false;
	if (!record->has_platform)
		return true;
	return input->platform != NULL && sodium_memcmp(input->platform, record->platform, ATTEST_ID_LEN) == 0;
}

static bool is_same_boot(const struct attest_session_record *record, const struct attest_session_input *input)
{
	return input->boot_id != NULL && strcmp(input->boot_id, record->boot_id) == 0;
}

static bool is_token(const struct attest_session *session, const struct attest_session_input *input)
{
	return session->has_token && input->token != NULL &&
	       sodium_memcmp(input->token, session->token, SESSION_TOKEN_LEN) == 0;
}

static bool holds(enum attest_guard guard, const struct attest_session *session,
		  const struct attest_session_input *input)
{
	const struct attest_session_record *record = &session->record;

	switch (guard) {
	case ATTEST_GUARD_IMPORT:
		return input->import_complete;
	case ATTEST_GUARD_PEER:
		return is_peer(record, input);
	case ATTEST_GUARD_HIGHER:
		return input->connection > record->connection;
	case ATTEST_GUARD_LIVE:
		return session->live != 0;
	case ATTEST_GUARD_IDLE:
		return session->live == 0;
	case ATTEST_GUARD_CONNECTION:
		return session->live != 0 && input->connection == session->live;
	case ATTEST_GUARD_MANIFEST:
		return input->manifest_matches && session->live != 0 && session->manifest_on == session->live;
	case ATTEST_GUARD_ALL_PRESENT:
		return input->all_present;
	case ATTEST_GUARD_TOKEN:
		return is_token(session, input);
	case ATTEST_GUARD_SAME_BOOT:
		return is_same_boot(record, input);
	case ATTEST_GUARD_OTHER_BOOT:
		return !is_same_boot(record, input);
	case ATTEST_GUARD_REASON:
		return input->command != NULL && input->command->reason[0] != '\0';
	case ATTEST_GUARD_FENCED:
		return input->command != NULL && input->command->fenced_host[0] != '\0';
	default:
		return false;
	}
}

/* ---- plan ---- */

/* A guard that does not hold, or ATTEST_N_GUARDS. */
static enum attest_guard first_failed(const struct session_table_row *row, const struct attest_session *session,
				      const struct attest_session_input *input)
{
	int guard;

	for (guard = 0; guard < ATTEST_N_GUARDS; guard++)
		if ((row->guards & 1u << guard) != 0 && !holds((enum attest_guard)guard, session, input))
			return (enum attest_guard)guard;
	return ATTEST_N_GUARDS;
}

static int find_row(const struct attest_session *session, const struct attest_session_input *input,
		    const struct session_table_row **ret_row, enum attest_guard *ret_failed)
{
	enum attest_guard failed = ATTEST_N_GUARDS;
	bool found = false;
	size_t i;

	for (i = 0; i < SESSION_TABLE_N_ROWS; i++) {
		const struct session_table_row *row = &session_table_rows[i];

		if (row->role != session->record.role || row->state != session->state || row->event != input->event)
			continue;
		failed = first_failed(row, session, input);
		found = true;
		if (failed == ATTEST_N_GUARDS) {
			*ret_row = row;
			return 0;
		}
	}
	*ret_failed = failed;
	return found ? -EPERM : -EPROTO;
}

static bool is_text(const char *text, size_t max, char lowest)
{
	size_t len = strnlen(text, max + 1), i;

	for (i = 0; i < len; i++)
		if (text[i] < lowest || text[i] > 0x7e)
			return false;
	return len <= max;
}

/* What goes into the record is what the record's reader takes. */
static bool is_well_formed(const struct attest_session_input *input)
{
	const struct attest_session_command *command = input->command;

	if ((unsigned int)input->event >= ATTEST_N_EVENTS)
		return false;
	if (input->boot_id != NULL && !(strlen(input->boot_id) == SESSION_BOOT_ID_LEN &&
					is_text(input->boot_id, SESSION_BOOT_ID_LEN, 0x21)))
		return false;
	return command == NULL || (is_text(command->reason, SESSION_REASON_MAX, 0x20) &&
				   is_text(command->fenced_host, SESSION_HOST_MAX, 0x21));
}

static void plan_record(const struct attest_session *session, const struct attest_session_input *input,
			const struct session_table_row *row, struct attest_session_record *record)
{
	*record = session->record;
	record->state = session_table_record(record->role, row->next);
	switch (row->event) {
	case ATTEST_EVENT_JOINED:
		record->connection = input->connection;
		if (!record->has_platform && input->platform != NULL) {
			record->has_platform = true;
			memcpy(record->platform, input->platform, ATTEST_ID_LEN);
		}
		break;
	case ATTEST_EVENT_OP_ABORT:
	case ATTEST_EVENT_OP_ABANDON:
	case ATTEST_EVENT_OP_RESUME:
		if (input->command != NULL)
			record->command = *input->command;
		record->command.event = row->event;
		break;
	default:
		break;
	}
	/* Given by a destination that never ran, or taken by a source for that reason. */
	if (session->has_token && row->event != ATTEST_EVENT_OP_RESUME &&
	    record->state == (record->role == ATTEST_RESPONDER ? ATTEST_STATE_ABORTED : ATTEST_STATE_RESUMED)) {
		record->has_token = true;
		memcpy(record->token, session->token, SESSION_TOKEN_LEN);
	}
}

static uint64_t plan_connection(const struct attest_session *session, const struct attest_session_input *input)
{
	const uint64_t highest = session->tried > session->record.connection ? session->tried :
				 session->record.connection;

	if (input->event == ATTEST_EVENT_JOINED)
		return input->connection;
	return input->event == ATTEST_EVENT_DIAL || input->event == ATTEST_EVENT_BEGIN ? highest + 1 : 0;
}

int attest_session_plan(const struct attest_session *session, const struct attest_session_input *input,
			struct attest_session_plan *ret_plan)
{
	const struct session_table_row *row;
	enum attest_guard failed = ATTEST_N_GUARDS;
	int r;

	if (!is_well_formed(input))
		return -EINVAL;
	r = find_row(session, input, &row, &failed);
	if (r < 0) {
		ret_plan->failed = failed;
		return r;
	}
	memset(ret_plan, 0, sizeof(*ret_plan));
	ret_plan->row = row;
	ret_plan->failed = ATTEST_N_GUARDS;
	ret_plan->connection = plan_connection(session, input);
	plan_record(session, input, row, &ret_plan->record);
	return 0;
}

void attest_session_take(struct attest_session *session, const struct attest_session_plan *plan)
{
	const struct session_table_row *row = plan->row;
	uint32_t i;

	for (i = 0; i < row->n_acts; i++) {
		switch (row->acts[i]) {
		case ATTEST_ACT_RECORD:
			session->record = plan->record;
			break;
		case ATTEST_ACT_USE_CONNECTION:
			session->live = plan->connection;
			session->manifest_on = 0;
			break;
		case ATTEST_ACT_SEND_HANDSHAKE:
			session->tried = plan->connection;
			break;
		case ATTEST_ACT_KEEP_MANIFEST:
			session->manifest_on = session->live;
			break;
		case ATTEST_ACT_CLOSE:
			session->live = 0;
			break;
		default:
			break;
		}
	}
	session->state = row->next;
}
