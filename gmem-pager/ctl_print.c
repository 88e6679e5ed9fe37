// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "ctl_print.h"
#include "limit.h"

#define HEX_LEN 64u
#define TIME_LEN 32u

static const enum attest_event commands[] = {
	ATTEST_EVENT_OP_ABORT, ATTEST_EVENT_OP_ABANDON, ATTEST_EVENT_OP_RESUME, ATTEST_EVENT_OP_TOKEN,
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

const char *ctl_print_command_name(enum attest_event event)
{
	switch (event) {
	case ATTEST_EVENT_OP_ABORT:
		return "abort";
	case ATTEST_EVENT_OP_ABANDON:
		return "abandon";
	case ATTEST_EVENT_OP_TOKEN:
		return "token";
	default:
		return "resume";
	}
}

const char *ctl_print_unreadable(int status)
{
	switch (status) {
	case -EBADMSG:
		return "damaged, or not a record of this version";
	case -EPERM:
		return "not a plain file of this user or root that nobody else can open";
	default:
		return strerror(-status);
	}
}

static const char *role_name(enum attest_role role)
{
	return role == ATTEST_INITIATOR ? "source" : "destination";
}

static const char *to_hex(const uint8_t bytes[32], char ret_hex[HEX_LEN + 1])
{
	return sodium_bin2hex(ret_hex, HEX_LEN + 1, bytes, 32);
}

static const char *to_time(uint64_t time_s, char ret_text[TIME_LEN])
{
	const time_t when = (time_t)time_s;
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || strftime(ret_text, TIME_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(ret_text, TIME_LEN, "%" PRIu64, time_s);
	return ret_text;
}

/* What the state means once it is judged. */
static const char *meaning(const struct ctl_entry *entry)
{
	return session_table_state_text(entry->record.role, entry->judged);
}

void ctl_print_line(const struct ctl_entry *entry)
{
	if (entry->status < 0) {
		printf("%-76s unreadable: %s\n", entry->name, ctl_print_unreadable(entry->status));
		return;
	}
	printf("%-76s %s%s%s\n", entry->name, session_table_state_name(entry->judged),
	       entry->other_boot ? " (of another boot)" : "", entry->running ? " (running)" : "");
}

static void print_ways_out(const struct ctl_entry *entry)
{
	static const struct {
		enum attest_event event;
		const char *options;
	} ways[] = {
		{ ATTEST_EVENT_OP_ABORT, "--reason TEXT" },
		{ ATTEST_EVENT_OP_TOKEN, "--key FILE (for the source, see resume)" },
		{ ATTEST_EVENT_OP_RESUME, "--token HEX --key FILE (the destination gave the token)" },
		{ ATTEST_EVENT_OP_RESUME, "--fenced HOST --reason TEXT (the destination is off)" },
		{ ATTEST_EVENT_OP_ABANDON, "--reason TEXT" },
	};
	size_t i;

	if (entry->running && entry->commands != 0) {
		if (strncmp(entry->status_line, "LOST", 4) == 0)
			printf("way out     gmemctl session abandon %.8s --role %s --reason TEXT\n", entry->name,
			       role_name(entry->record.role));
		else
			printf("way out     a process has this session: end it first, then ask again\n");
		return;
	}
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if ((entry->commands & 1u << ways[i].event) != 0)
			printf("way out     gmemctl session %s %.8s --role %s %s\n",
			       ctl_print_command_name(ways[i].event), entry->name, role_name(entry->record.role),
			       ways[i].options);
}

void ctl_print_all(const struct ctl_entry *entry)
{
	const struct attest_session_record *record = &entry->record;
	const struct attest_session_command *command = &record->command;
	char hex[HEX_LEN + 1], when[TIME_LEN], limit[LIMIT_TEXT_LEN];

	printf("session     %s\n", to_hex(record->session_id, hex));
	printf("ticket      %s\n", to_hex(record->ticket_id, hex));
	printf("vm          %s\n", to_hex(record->vm_id, hex));
	printf("role        %s\n", role_name(record->role));
	printf("state       %s: %s\n", session_table_state_name(entry->judged), meaning(entry));
	if (entry->judged != record->state)
		printf("recorded    %s, in another boot\n", session_table_state_name(record->state));
	printf("boot        %s (%s)\n", record->boot_id, entry->other_boot ? "another one" : "this one");
	printf("peer        %s\n", to_hex(record->peer_key, hex));
	printf("platform    %s\n", record->has_platform ? to_hex(record->platform, hex) : "-");
	printf("connection  %" PRIu64 "\n", record->connection);
	printf("token       %s\n", record->has_token ? to_hex(record->token, hex) : "-");
	if (command->event != ATTEST_EVENT_OPEN) {
		printf("operator    %s by uid %u at %s: %s\n", ctl_print_command_name(command->event), command->uid,
		       to_time(command->time_s, when), command->reason);
		if (command->fenced_host[0] != '\0')
			printf("fenced      %s\n", command->fenced_host);
	}
	printf("running     %s\n", entry->running ? "yes" : "no");
	if (entry->status_line[0] != '\0')
		printf("peer is     %s\n", entry->status_line);
	if (entry->has_limit)
		printf("limit       %s\n", limit_print(entry->limit, limit));
	print_ways_out(entry);
}

/* ---- JSON ---- */

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text != NULL ? json_object_new_string(text) : NULL);
}

static void add_hex(struct json_object *object, const char *key, const uint8_t bytes[32], bool there)
{
	char hex[HEX_LEN + 1];

	add_text(object, key, there ? to_hex(bytes, hex) : NULL);
}

static struct json_object *command_json(const struct attest_session_command *command)
{
	struct json_object *object;
	char when[TIME_LEN];

	if (command->event == ATTEST_EVENT_OPEN)
		return NULL;
	object = json_object_new_object();
	add_text(object, "command", ctl_print_command_name(command->event));
	json_object_object_add(object, "uid", json_object_new_int64(command->uid));
	add_text(object, "time", to_time(command->time_s, when));
	add_text(object, "reason", command->reason);
	add_text(object, "fenced_host", command->fenced_host[0] != '\0' ? command->fenced_host : NULL);
	return object;
}

static struct json_object *ways_out_json(const struct ctl_entry *entry)
{
	struct json_object *array = json_object_new_array();
	size_t i;

	for (i = 0; i < N_COMMANDS; i++)
		if (!entry->running && (entry->commands & 1u << commands[i]) != 0)
			json_object_array_add(array, json_object_new_string(ctl_print_command_name(commands[i])));
	return array;
}

struct json_object *ctl_print_json(const struct ctl_entry *entry)
{
	const struct attest_session_record *record = &entry->record;
	struct json_object *object = json_object_new_object();

	add_text(object, "record", entry->name);
	add_text(object, "error", entry->status < 0 ? ctl_print_unreadable(entry->status) : NULL);
	if (entry->status < 0)
		return object;
	add_text(object, "role", role_name(record->role));
	add_text(object, "state", session_table_state_name(entry->judged));
	add_text(object, "recorded_state", session_table_state_name(record->state));
	add_text(object, "meaning", meaning(entry));
	json_object_object_add(object, "final",
			       json_object_new_boolean(session_table_is_final(record->role, entry->judged)));
	json_object_object_add(object, "running", json_object_new_boolean(entry->running));
	add_text(object, "peer_status", entry->status_line[0] != '\0' ? entry->status_line : NULL);
	json_object_object_add(object, "background_limit",
			       entry->has_limit ? json_object_new_uint64(entry->limit) : NULL);
	add_text(object, "boot_id", record->boot_id);
	json_object_object_add(object, "other_boot", json_object_new_boolean(entry->other_boot));
	add_hex(object, "session", record->session_id, true);
	add_hex(object, "ticket", record->ticket_id, true);
	add_hex(object, "vm", record->vm_id, true);
	add_hex(object, "peer", record->peer_key, true);
	add_hex(object, "platform", record->platform, record->has_platform);
	json_object_object_add(object, "connection", json_object_new_uint64(record->connection));
	add_hex(object, "token", record->token, record->has_token);
	json_object_object_add(object, "operator", command_json(&record->command));
	json_object_object_add(object, "ways_out", ways_out_json(entry));
	return object;
}
