/* SPDX-License-Identifier: MIT */
/*
 * fuzz_session: a session's record as it is found on a disk, and events in any order.
 *
 * Input: u8 mode, bytes.
 *   RAW     the bytes are the record file
 *   SIGNED  the bytes are its lines up to the check, which is made here: what a
 *           bug or another version could have written
 *   EVENTS  u8 role, then for each event: u8 event, u8 facts
 *
 * A record that is taken has one text only.  Whatever happens in whatever order,
 * "never ran" is not said by a side that let the guest run, the other way round,
 * and no source thaws after it was told that the guest runs elsewhere.
 */
#include <sodium.h>
#include <string.h>

#include <attest/session/record_file.h>

#include "fuzz.h"

enum { MODE_RAW, MODE_SIGNED, MODE_EVENTS, N_MODES };

#define BOOT "11111111-2222-3333-4444-555555555555"
#define OTHER_BOOT "99999999-2222-3333-4444-555555555555"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_NEED(attest_init());
	return 0;
}

static void decode(const char *text, size_t len)
{
	struct attest_session_record record;
	char again[RECORD_FILE_MAX], name[RECORD_FILE_NAME_LEN];

	if (record_file_decode(text, len, &record) < 0)
		return;
	FUZZ_NEED(record_file_encode(&record, again) == len && memcmp(again, text, len) == 0);
	FUZZ_NEED(record.state != ATTEST_STATE_NONE && session_table_state_text(record.role, record.state) != NULL);
	record_file_name(&record, name);
	FUZZ_NEED(strlen(name) < sizeof(name));
}

static void decode_signed(const uint8_t *data, size_t size)
{
	char text[RECORD_FILE_MAX + 128], hex[65];
	uint8_t check[crypto_hash_sha256_BYTES];
	const size_t len = size < RECORD_FILE_MAX ? size : RECORD_FILE_MAX;

	if (len > 0)
		memcpy(text, data, len);
	crypto_hash_sha256(check, data, len);
	sodium_bin2hex(hex, sizeof(hex), check, sizeof(check));
	decode(text, len + (size_t)snprintf(text + len, sizeof(text) - len, "check %s\nend\n", hex));
}

struct history {
	bool ran, never_ran, told, thawed;
};

static void note(struct history *history, const struct attest_session *session, enum attest_act act)
{
	switch (act) {
	case ATTEST_ACT_RUN_GUEST:
	case ATTEST_ACT_LET_RUN_ON:
		FUZZ_NEED(!history->never_ran && session->record.role == ATTEST_RESPONDER);
		history->ran = true;
		break;
	case ATTEST_ACT_SEND_ABORT:
	case ATTEST_ACT_SEND_TOKEN:
		FUZZ_NEED(session->record.role == ATTEST_INITIATOR || !history->ran);
		history->never_ran = session->record.role == ATTEST_RESPONDER;
		break;
	case ATTEST_ACT_SEND_START:
		FUZZ_NEED(!history->thawed && session->record.state == ATTEST_STATE_IN_DOUBT);
		break;
	case ATTEST_ACT_THAW:
		FUZZ_NEED(!history->told);
		history->thawed = true;
		break;
	default:
		break;
	}
	history->told = history->told || session->record.state == ATTEST_STATE_GIVEN;
}

static void events(const uint8_t *data, size_t size)
{
	static const uint8_t peer_key[ATTEST_KEY_LEN] = { 4 }, token[SESSION_TOKEN_LEN] = { 7 }, wrong[32] = { 9 };
	const struct attest_session_command command = { .reason = "r", .fenced_host = "h" };
	struct attest_session_record record = {
		.role = data[0] % 2 != 0 ? ATTEST_INITIATOR : ATTEST_RESPONDER, .boot_id = BOOT, .peer_key = { 4 },
	};
	struct history history = { .ran = false };
	struct attest_session session;
	struct attest_session_plan plan;
	size_t i;
	uint32_t act;

	attest_session_init(&session, &record);
	attest_session_set_token(&session, token);
	for (i = 1; i + 1 < size; i += 2) {
		const uint8_t facts = data[i + 1];
		const struct attest_session_input input = {
			.event = data[i] % ATTEST_N_EVENTS, .boot_id = (facts & 1) != 0 ? OTHER_BOOT : BOOT,
			.connection = facts >> 4, .peer_key = (facts & 2) != 0 ? wrong : peer_key,
			.token = (facts & 4) != 0 ? wrong : token, .import_complete = true, .manifest_matches = true,
			.all_present = true, .command = (facts & 8) != 0 ? NULL : &command,
		};

		if (data[i] == 0xff) {		/* a crash */
			record = session.record;
			attest_session_load(&session, &record);
			attest_session_set_token(&session, token);
			continue;
		}
		if (attest_session_plan(&session, &input, &plan) < 0)
			continue;
		attest_session_take(&session, &plan);
		for (act = 0; act < plan.row->n_acts; act++)
			note(&history, &session, plan.row->acts[act]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	switch (data[0] % N_MODES) {
	case MODE_RAW:
		decode((const char *)data + 1, size - 1);
		break;
	case MODE_SIGNED:
		decode_signed(data + 1, size - 1);
		break;
	default:
		events(data + 1, size - 1);
	}
	return 0;
}

static void emit_record(void (*emit)(const char *name, const uint8_t *data, size_t size), const char *name,
			const struct attest_session_record *record)
{
	char text[RECORD_FILE_MAX], full_name[64];
	uint8_t seed[1 + RECORD_FILE_MAX];
	size_t len = record_file_encode(record, text);

	seed[0] = MODE_RAW;
	memcpy(seed + 1, text, len);
	snprintf(full_name, sizeof(full_name), "%s-raw", name);
	emit(full_name, seed, 1 + len);
	seed[0] = MODE_SIGNED;
	len = (size_t)(strstr(text, "\ncheck ") + 1 - text);
	snprintf(full_name, sizeof(full_name), "%s-signed", name);
	emit(full_name, seed, 1 + len);
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const uint8_t source_moves[] = {
		MODE_EVENTS, 1, ATTEST_EVENT_BEGIN, 0, ATTEST_EVENT_JOINED, 1 << 4, ATTEST_EVENT_FREEZE, 0,
		ATTEST_EVENT_COMMIT, 0, ATTEST_EVENT_STARTED, 1 << 4, 0xff, 0, ATTEST_EVENT_OPEN, 0, ATTEST_EVENT_DIAL, 0,
		ATTEST_EVENT_JOINED, 2 << 4, ATTEST_EVENT_COMPLETE, 2 << 4,
	};
	static const uint8_t source_in_doubt[] = {
		MODE_EVENTS, 1, ATTEST_EVENT_BEGIN, 0, ATTEST_EVENT_JOINED, 1 << 4, ATTEST_EVENT_FREEZE, 0,
		ATTEST_EVENT_COMMIT, 0, ATTEST_EVENT_ABORT, 4, ATTEST_EVENT_ABORT, 0,
	};
	static const uint8_t destination_runs[] = {
		MODE_EVENTS, 0, ATTEST_EVENT_BEGIN, 0, ATTEST_EVENT_JOINED, 1 << 4, ATTEST_EVENT_MANIFEST, 1 << 4,
		ATTEST_EVENT_START, 1 << 4, ATTEST_EVENT_RUN, 0, 0xff, 0, ATTEST_EVENT_OPEN, 0, ATTEST_EVENT_STOP, 0,
	};
	static const uint8_t destination_aborts[] = {
		MODE_EVENTS, 0, ATTEST_EVENT_BEGIN, 0, ATTEST_EVENT_STOP, 0, ATTEST_EVENT_JOINED, 1 << 4,
		ATTEST_EVENT_RUN, 0,
	};
	struct attest_session_record record = { .role = ATTEST_INITIATOR, .boot_id = BOOT };
	struct attest_session session;

	attest_session_init(&session, &record);
	record = session.record;
	record.state = ATTEST_STATE_OFFERED;
	emit_record(emit, "offered", &record);
	record.role = ATTEST_RESPONDER;
	record.state = ATTEST_STATE_RUNNING;
	record.has_platform = true;
	record.connection = 2;
	emit_record(emit, "running", &record);
	record.role = ATTEST_INITIATOR;
	record.state = ATTEST_STATE_RESUMED;
	record.has_token = true;
	record.command = (struct attest_session_command){
		.event = ATTEST_EVENT_OP_RESUME, .uid = 7, .time_s = 1700000000, .reason = "off", .fenced_host = "b",
	};
	emit_record(emit, "resumed", &record);
	emit("source-moves", source_moves, sizeof(source_moves));
	emit("source-in-doubt", source_in_doubt, sizeof(source_in_doubt));
	emit("destination-runs", destination_runs, sizeof(destination_runs));
	emit("destination-aborts", destination_aborts, sizeof(destination_aborts));
}
