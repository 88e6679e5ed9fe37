// SPDX-License-Identifier: MIT
/* gmemctl: look at the sessions of a host, and end one that cannot end by itself. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include <gmem/gmem.h>

#include "ctl_live.h"
#include "ctl_print.h"
#include "ctl_session.h"
#include "ctl_usage.h"
#include "ledger.h"
#include "limit.h"

#define ASK_MS 10000		/* a process looks several times a second */
#define PREFIX_MIN 8u

struct ctl {
	const char *dir;
	int dir_fd;
	int role;	/* enum attest_role, or 0 */
	bool json;
	char boot_id[SESSION_BOOT_ID_LEN + 1];
	const char *reason;
	const char *fenced_host;
	const char *token;
	const char *key_path;
	const char *session;
	struct ctl_live live;
};

static int complain(int code, const char *what, const char *why)
{
	fprintf(stderr, "gmemctl: %s: %s\n", what, why);
	return code;
}

static void print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
	json_object_put(object);
}

/* ---- list, show ---- */

struct list {
	const struct ctl *ctl;
	struct json_object *array;	/* NULL: lines */
	unsigned int n_unreadable;
};

static int list_one(int dir_fd, const char *name, void *opaque)
{
	struct list *list = opaque;
	struct ctl_entry entry;

	if (strlen(name) >= sizeof(entry.name))
		return 0;
	ctl_session_read(dir_fd, name, list->ctl->boot_id, &entry);
	list->n_unreadable += entry.status < 0;
	if (list->array != NULL)
		json_object_array_add(list->array, ctl_print_json(&entry));
	else
		ctl_print_line(&entry);
	return 0;
}

static int run_list(struct ctl *ctl)
{
	struct list list = { .ctl = ctl, .array = ctl->json ? json_object_new_array() : NULL };
	int r = record_file_each(ctl->dir_fd, list_one, &list);

	if (list.array != NULL)
		print_json(list.array);
	if (r < 0)
		return complain(CTL_USAGE, ctl->dir, strerror(-r));
	return list.n_unreadable > 0 ? CTL_RECORD : CTL_OK;
}

static int find(const struct ctl *ctl, char ret_name[RECORD_FILE_NAME_LEN])
{
	int r;

	if (strlen(ctl->session) < PREFIX_MIN)
		return complain(CTL_USAGE, ctl->session, "give at least 8 digits of the ticket id");
	r = ctl_session_find(ctl->dir_fd, ctl->session, ctl->role, ret_name);
	if (r == -ENOENT)
		return complain(CTL_NOT_FOUND, ctl->session, "no such session here; see gmemctl session list");
	if (r == -EEXIST)
		return complain(CTL_NOT_FOUND, ctl->session, "more than one session: give more digits, or --role");
	return r < 0 ? complain(CTL_USAGE, ctl->dir, strerror(-r)) : CTL_OK;
}

static int show(const struct ctl *ctl, const char *name)
{
	struct ctl_entry entry;

	ctl_session_read(ctl->dir_fd, name, ctl->boot_id, &entry);
	if (ctl->json)
		print_json(ctl_print_json(&entry));
	else if (entry.status == 0)
		ctl_print_all(&entry);
	return entry.status < 0 ? complain(CTL_RECORD, name, ctl_print_unreadable(entry.status)) : CTL_OK;
}

static int run_show(struct ctl *ctl)
{
	char name[RECORD_FILE_NAME_LEN];
	int code = find(ctl, name);

	return code != CTL_OK ? code : show(ctl, name);
}

/* ---- commands ---- */

/* The state decides: say which, and what is possible instead. */
static int refuse(const struct ctl *ctl, const char *name, enum attest_event event)
{
	struct ctl_entry entry;

	ctl_session_read(ctl->dir_fd, name, ctl->boot_id, &entry);
	if (entry.status < 0)
		return complain(CTL_RECORD, name, ctl_print_unreadable(entry.status));
	fprintf(stderr, "gmemctl: %s: %s is not possible in state %s: %s", name, ctl_print_command_name(event),
		session_table_state_name(entry.judged), session_table_state_text(entry.record.role, entry.judged));
	fprintf(stderr, "; %s\n", entry.commands != 0 ? "gmemctl session show lists what is possible" :
		"nothing is left to decide");
	return CTL_REFUSED;
}

/* What has become possible: gmemctl itself touches no VM. */
static void say_next(const struct ctl_entry *entry)
{
	if (entry->record.role == ATTEST_INITIATOR &&
	    (entry->record.state == ATTEST_STATE_RESUMED || entry->record.state == ATTEST_STATE_ABORTED))
		printf("next        the VMM may thaw the VM (KVM_DP_THAW on its control fd) and run it\n");
	else if (entry->record.state == ATTEST_STATE_LOST)
		printf("next        the VMM's process may be ended\n");
}

/* Why a step was not taken. */
static int step_failed(const struct ctl *ctl, const char *name, enum attest_event event, int r, enum attest_guard failed)
{
	if (r == -EBUSY)
		return complain(CTL_RUNNING, name, "gmem-pager or gmem-source has this session: end that process first");
	if (r == -EPROTO)
		return refuse(ctl, name, event);
	if (r == -EPERM && failed != ATTEST_N_GUARDS)
		return complain(CTL_REFUSED, name, session_table_guard_text(failed));
	if (r == -EINVAL)
		return complain(CTL_USAGE, name, "--reason and --fenced take printable ASCII, a host without blanks");
	return complain(CTL_RECORD, name, ctl_print_unreadable(r));
}

/* A step with a token needs this host's key pair. */
static int take_step(const struct ctl *ctl, const char *name, const struct attest_session_input *input,
		     enum attest_event event, uint8_t *ret_token)
{
	enum attest_guard failed = ATTEST_N_GUARDS;
	struct attest_keypair *keypair = NULL;
	int r = 0;

	if (ctl->key_path != NULL)
		r = attest_keypair_load(ctl->key_path, &keypair);
	if (r < 0)
		return complain(CTL_USAGE, ctl->key_path, strerror(-r));
	r = ctl_session_step(ctl->dir_fd, name, ctl->boot_id, input, keypair, &failed, ret_token);
	if (keypair != NULL)
		attest_keypair_free(keypair);
	return r < 0 ? step_failed(ctl, name, event, r, failed) : CTL_OK;
}

/* A process has the session: it may give it up while its other side is LOST. */
static int ask(const struct ctl *ctl, const char *name, const struct attest_session_command *command)
{
	int r = ctl_session_ask(ctl->dir_fd, name, command, ASK_MS);

	if (r == -EACCES)
		return complain(CTL_REFUSED, name, "the process that has this session does not abandon it: its other side "
				"is not LOST (gmemctl session show)");
	if (r == -ETIMEDOUT)
		return complain(CTL_RUNNING, name, "the process that has this session does not answer: end that process first");
	return r < 0 ? complain(CTL_RECORD, name, ctl_print_unreadable(r)) : CTL_OK;
}

static int run_token(struct ctl *ctl)
{
	const struct attest_session_input input = { .event = ATTEST_EVENT_OP_TOKEN };
	char name[RECORD_FILE_NAME_LEN], hex[2 * SESSION_TOKEN_LEN + 1];
	uint8_t token[SESSION_TOKEN_LEN];
	int code = find(ctl, name);

	if (code == CTL_OK)
		code = take_step(ctl, name, &input, ATTEST_EVENT_OP_TOKEN, token);
	if (code != CTL_OK)
		return code;
	sodium_bin2hex(hex, sizeof(hex), token, sizeof(token));
	printf(ctl->json ? "{ \"token\": \"%s\" }\n" : "%s\n", hex);
	return CTL_OK;
}

/* How fast the background stream may be; a process has to be there that streams. */
static int run_limit(struct ctl *ctl, uint64_t bytes_per_s)
{
	char name[RECORD_FILE_NAME_LEN];
	struct ctl_entry entry;
	int code, r;

	if (ctl->role == 0)
		ctl->role = ATTEST_INITIATOR;
	code = find(ctl, name);
	if (code != CTL_OK)
		return code;
	ctl_session_read(ctl->dir_fd, name, ctl->boot_id, &entry);
	if (entry.status < 0)
		return complain(CTL_RECORD, name, ctl_print_unreadable(entry.status));
	if (entry.record.role != ATTEST_INITIATOR)
		return complain(CTL_REFUSED, name, "only a source has a background stream: say it there");
	if (!entry.running)
		return complain(CTL_REFUSED, name, "no process has this session: start gmem-source with --background-limit");
	r = ctl_session_limit(ctl->dir_fd, name, bytes_per_s, ASK_MS);
	if (r == -EACCES)
		return complain(CTL_REFUSED, name, "the process that has this session does not take a limit any more: its "
				"move has ended (gmemctl session show)");
	if (r == -ETIMEDOUT)
		return complain(CTL_RUNNING, name, "the process that has this session does not answer");
	return r < 0 ? complain(CTL_RECORD, name, strerror(-r)) : show(ctl, name);
}

static int run_command(struct ctl *ctl, enum attest_event event)
{
	struct attest_session_command command = { .uid = (uint32_t)getuid(), .time_s = (uint64_t)time(NULL) };
	struct attest_session_input input = { .event = event, .command = &command };
	char name[RECORD_FILE_NAME_LEN];
	uint8_t token[SESSION_TOKEN_LEN];
	struct ctl_entry entry;
	int code = find(ctl, name);

	if (code != CTL_OK)
		return code;
	snprintf(command.reason, sizeof(command.reason), "%s", ctl->reason != NULL ? ctl->reason : "");
	snprintf(command.fenced_host, sizeof(command.fenced_host), "%s",
		 ctl->fenced_host != NULL ? ctl->fenced_host : "");
	if (ctl->token != NULL) {	/* the same row as when it comes in ABORT */
		input = (struct attest_session_input){ .event = ATTEST_EVENT_ABORT, .token = token };
		if (sodium_hex2bin(token, sizeof(token), ctl->token, strlen(ctl->token), NULL, NULL, NULL) != 0 ||
		    strlen(ctl->token) != 2 * sizeof(token))
			return complain(CTL_USAGE, "--token", "64 hex digits");
	}
	ctl_session_read(ctl->dir_fd, name, ctl->boot_id, &entry);
	if (event == ATTEST_EVENT_OP_ABANDON && entry.status == 0 && entry.running)
		code = ask(ctl, name, &command);
	else
		code = take_step(ctl, name, &input, event, NULL);
	if (code != CTL_OK)
		return code;
	code = show(ctl, name);
	ctl_session_read(ctl->dir_fd, name, ctl->boot_id, &entry);
	if (code == CTL_OK && !ctl->json)
		say_next(&entry);
	return code;
}

/* ---- options ---- */

static int check_command(const struct ctl *ctl, const char *verb, bool resume)
{
	if (!resume && (ctl->token != NULL || ctl->key_path != NULL))
		return complain(CTL_USAGE, verb, "takes no --token and no --key");
	if (ctl->token != NULL || ctl->key_path != NULL) {
		if (ctl->token != NULL && ctl->key_path != NULL && ctl->fenced_host == NULL)
			return CTL_OK;
		return complain(CTL_USAGE, verb, "--token HEX and --key FILE go together, without --fenced");
	}
	if (ctl->reason == NULL || ctl->reason[0] == '\0')
		return complain(CTL_USAGE, verb, "--reason TEXT is needed: it is recorded");
	if (strlen(ctl->reason) > SESSION_REASON_MAX)
		return complain(CTL_USAGE, "--reason", "at most 200 characters");
	if (resume && (ctl->fenced_host == NULL || ctl->fenced_host[0] == '\0'))
		return complain(CTL_USAGE, verb, "--fenced HOST is needed: the destination, cut off before this command");
	if (!resume && ctl->fenced_host != NULL)
		return complain(CTL_USAGE, verb, "--fenced is for resume only");
	if (ctl->fenced_host != NULL && strlen(ctl->fenced_host) > SESSION_HOST_MAX)
		return complain(CTL_USAGE, "--fenced", "at most 64 characters");
	return CTL_OK;
}

static int open_dir(struct ctl *ctl)
{
	int r = ledger_boot_id(ctl->boot_id);

	if (r < 0)
		return complain(CTL_USAGE, "/proc/sys/kernel/random/boot_id", strerror(-r));
	ctl->dir_fd = open(ctl->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ctl->dir_fd < 0)
		return complain(CTL_USAGE, ctl->dir, strerror(errno));
	return CTL_OK;
}

static int dispatch_limit(struct ctl *ctl, int n_words, char **words)
{
	uint64_t bytes_per_s;
	int code;

	if (n_words != 4)
		return complain(CTL_USAGE, words[1], "takes one session and a rate");
	if (limit_parse(words[3], &bytes_per_s) < 0)
		return complain(CTL_USAGE, words[3], "not a limit: it " LIMIT_TAKES);
	ctl->session = words[2];
	code = open_dir(ctl);
	return code == CTL_OK ? run_limit(ctl, bytes_per_s) : code;
}

static int dispatch(struct ctl *ctl, int n_words, char **words)
{
	static const enum attest_event events[] = {
		ATTEST_EVENT_OP_ABORT, ATTEST_EVENT_OP_ABANDON, ATTEST_EVENT_OP_RESUME,
	};
	const char *verb = n_words > 1 ? words[1] : "";
	int code = CTL_OK;
	size_t i;

	if (n_words > 0 && ctl_live_is_verb(words[0]))
		return ctl_live_run(&ctl->live, n_words, words);
	if (n_words < 2 || strcmp(words[0], "session") != 0)
		return complain(CTL_USAGE, n_words > 0 ? words[0] : "no command", "see gmemctl --help");
	if (strcmp(verb, "list") == 0) {
		if (n_words != 2)
			return complain(CTL_USAGE, verb, "takes no session");
		code = open_dir(ctl);
		return code == CTL_OK ? run_list(ctl) : code;
	}
	if (n_words == 3)
		ctl->session = words[2];
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (strcmp(verb, ctl_print_command_name(events[i])) != 0)
			continue;
		if (n_words != 3)
			return complain(CTL_USAGE, verb, "takes one session");
		code = check_command(ctl, verb, events[i] == ATTEST_EVENT_OP_RESUME);
		if (code == CTL_OK)
			code = open_dir(ctl);
		return code == CTL_OK ? run_command(ctl, events[i]) : code;
	}
	if (strcmp(verb, "token") == 0) {
		if (n_words != 3 || ctl->key_path == NULL)
			return complain(CTL_USAGE, verb, "takes one session, and --key FILE");
		code = open_dir(ctl);
		return code == CTL_OK ? run_token(ctl) : code;
	}
	if (strcmp(verb, "limit") == 0)
		return dispatch_limit(ctl, n_words, words);
	if (strcmp(verb, "show") != 0)
		return complain(CTL_USAGE, verb, "not a command; see gmemctl --help");
	if (n_words != 3)
		return complain(CTL_USAGE, verb, "takes one session");
	code = open_dir(ctl);
	return code == CTL_OK ? run_show(ctl) : code;
}

static int take_role(struct ctl *ctl, const char *text)
{
	if (strcmp(text, "source") == 0)
		ctl->role = ATTEST_INITIATOR;
	else if (strcmp(text, "destination") == 0)
		ctl->role = ATTEST_RESPONDER;
	else
		return complain(CTL_USAGE, "--role", "takes source or destination");
	return CTL_OK;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "state-dir", required_argument, NULL, 'd' }, { "role", required_argument, NULL, 'r' },
		{ "reason", required_argument, NULL, 't' }, { "fenced", required_argument, NULL, 'f' },
		{ "token", required_argument, NULL, 'T' }, { "key", required_argument, NULL, 'k' },
		{ "socket", required_argument, NULL, 's' }, { "watch", no_argument, NULL, 'w' },
		{ "until", required_argument, NULL, 'u' }, { "timeout", required_argument, NULL, 'o' },
		{ "interval", required_argument, NULL, 'i' }, { "json", no_argument, NULL, 'j' }, { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct ctl ctl = { .dir = "/var/lib/gmem", .dir_fd = -1 };
	int c, code = CTL_OK;

	while (code == CTL_OK && (c = getopt_long(argc, argv, "d:r:t:f:T:k:s:wu:o:i:jVh", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			ctl.dir = optarg;
			break;
		case 'r':
			code = take_role(&ctl, optarg);
			break;
		case 't':
			ctl.reason = ctl.live.reason = optarg;
			break;
		case 's':
			ctl.live.socket = optarg;
			break;
		case 'w':
			ctl.live.watch = true;
			break;
		case 'u':
			ctl.live.until = optarg;
			break;
		case 'o':
			ctl.live.timeout = optarg;
			break;
		case 'i':
			ctl.live.interval = optarg;
			break;
		case 'f':
			ctl.fenced_host = optarg;
			break;
		case 'T':
			ctl.token = optarg;
			break;
		case 'k':
			ctl.key_path = optarg;
			break;
		case 'j':
			ctl.json = ctl.live.json = true;
			break;
		case 'V':
			printf("gmemctl %d.%d.%d\n", GMEM_VERSION_MAJOR, GMEM_VERSION_MINOR, GMEM_VERSION_PATCH);
			return CTL_OK;
		case 'h':
			fputs(ctl_usage, stdout);
			return CTL_OK;
		default:
			return CTL_USAGE;	/* getopt_long has said why */
		}
	}
	if (code == CTL_OK && !attest_init())
		code = complain(CTL_USAGE, "libsodium", "cannot be initialised");
	if (code == CTL_OK)
		code = dispatch(&ctl, argc - optind, argv + optind);
	if (ctl.dir_fd >= 0)
		close(ctl.dir_fd);
	return code;
}
