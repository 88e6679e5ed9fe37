/* SPDX-License-Identifier: MIT */
/*
 * fuzz_control: what a client of a control socket sends: bytes that come in pieces, lines of them, and what each asks
 * for. What is taken is in its ranges, and says the same when it is written down anew; what is refused leaves the
 * caller's request as it was and says why.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json-c/json.h>

#include <gmem-pager/control/ask.h>
#include <gmem-pager/control/caller.h>
#include <gmem-pager/limit.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return 0;
}

static void check_ranges(const struct ask *ask)
{
	const size_t session_len = strlen(ask->session);

	FUZZ_NEED((unsigned int)ask->verb < ASK_N_VERBS);
	FUZZ_NEED(ask_changes(ask->verb) == (session_len > 0));
	FUZZ_NEED(session_len == 0 || (session_len >= ASK_SESSION_MIN && session_len <= ASK_SESSION_MAX));
	FUZZ_NEED(strspn(ask->session, "0123456789abcdef") == session_len);
	FUZZ_NEED((ask->verb == ASK_ABORT || ask->verb == ASK_ABANDON) == (ask->reason[0] != '\0'));
	for (const char *at = ask->reason; *at; at++)
		FUZZ_NEED(*at >= 0x20 && *at <= 0x7e);
	FUZZ_NEED(ask->bytes_per_s == 0 || (ask->bytes_per_s >= LIMIT_MIN && ask->bytes_per_s <= LIMIT_MAX));
	FUZZ_NEED(ask->bytes_per_s == 0 || ask->verb == ASK_LIMIT);
	FUZZ_NEED(ask->map_cells <= ASK_MAP_MAX);
	FUZZ_NEED(ask->interval_ms >= ASK_INTERVAL_MIN && ask->interval_ms <= ASK_INTERVAL_MAX);
	FUZZ_NEED(ask->timeout_ms <= ASK_TIMEOUT_MAX);
	FUZZ_NEED(ask->until >= GMEM_PHASE_ACCEPTED && ask->until <= GMEM_PHASE_COMPLETE);
}

static void add(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static void add_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key, json_object_new_uint64(number));
}

/* Written anew from what was understood, it is understood the same. */
static void check_again(const struct ask *ask)
{
	struct json_object *object = json_object_new_object();
	char error[ASK_ERROR_LEN];
	struct ask again;
	const char *line;

	add(object, "verb", ask_verb_name(ask->verb));
	if (ask->session[0])
		add(object, "session", ask->session);
	if (ask->reason[0])
		add(object, "reason", ask->reason);
	if (ask->verb == ASK_LIMIT)
		add_number(object, "bytes_per_s", ask->bytes_per_s);
	if (ask->map_cells)
		add_number(object, "map", ask->map_cells);
	if (ask->verb == ASK_SUBSCRIBE)
		add_number(object, "interval_ms", ask->interval_ms);
	if (ask->timeout_ms)
		add_number(object, "timeout_ms", ask->timeout_ms);
	if (ask->verb == ASK_WAIT)
		add(object, "until", ask->until_end ? "end" : ask_phase_name(ask->until));
	line = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	FUZZ_NEED(ask_parse(line, strlen(line), &again, error) == 0);
	FUZZ_NEED(again.verb == ask->verb && again.bytes_per_s == ask->bytes_per_s && again.map_cells == ask->map_cells);
	FUZZ_NEED(again.interval_ms == ask->interval_ms && again.timeout_ms == ask->timeout_ms);
	FUZZ_NEED(again.until_end == ask->until_end && (ask->until_end || again.until == ask->until));
	FUZZ_NEED(!strcmp(again.session, ask->session) && !strcmp(again.reason, ask->reason));
	json_object_put(object);
}

static void take_line(const char *line, size_t len)
{
	char error[ASK_ERROR_LEN] = "", *exact = malloc(len ? len : 1);
	struct ask ask, before;
	int r;

	memset(&ask, 0xa5, sizeof(ask));
	before = ask;
	memcpy(exact, line, len);
	r = ask_parse(exact, len, &ask, error);
	free(exact);
	if (r < 0) {
		FUZZ_NEED(r == -EBADMSG || r == -EINVAL || r == -EOPNOTSUPP);
		FUZZ_NEED(error[0] && !memcmp(&ask, &before, sizeof(ask)));
		return;
	}
	check_ranges(&ask);
	check_again(&ask);
}

/* Its first byte says how long the pieces are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ucred cred = { .uid = 0 };
	size_t piece, n, total = 0;
	struct caller caller;
	int fds[2], len;

	if (size == 0)
		return 0;
	piece = (size_t)*data++ * 16 + 1;
	size--;
	FUZZ_NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	caller_init(&caller, fds[0], &cred, true, 1, 1);
	for (; size > 0; data += n, size -= n) {
		n = size < piece ? size : piece;
		if (n > sizeof(caller.in) - caller.in_len)
			n = sizeof(caller.in) - caller.in_len;
		FUZZ_NEED(send(fds[1], data, n, MSG_NOSIGNAL) == (ssize_t)n);
		FUZZ_NEED(!caller_read(&caller, 2));
		while ((len = caller_line(&caller)) >= 0) {
			FUZZ_NEED((unsigned int)len <= ASK_LINE_MAX && !memchr(caller.in, '\n', (size_t)len));
			take_line(caller.in, (size_t)len);
			total = caller.in_len;
			caller_drop_line(&caller);
			FUZZ_NEED(caller.in_len + (size_t)len + 1 == total);
		}
		if (len == -EMSGSIZE)
			break;
	}
	FUZZ_NEED(caller.in_len <= sizeof(caller.in));
	take_line(caller.in, caller.in_len > ASK_LINE_MAX ? ASK_LINE_MAX : caller.in_len);
	caller_fini(&caller);
	close(fds[1]);
	return 0;
}

#define S "\"session\":\"abcdef01\""

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const struct {
		const char *name, *text;
	} seeds[] = {
		{ "status", "\xff{\"verb\":\"status\",\"map\":64}\n" },
		{ "pieces", "\x01{\"verb\":\"status\"}\n{\"verb\":\"metrics\"}\n{\"verb\":" },
		{ "subscribe", "\xff{\"verb\":\"subscribe\",\"map\":1,\"interval_ms\":200}\n" },
		{ "wait", "\xff{\"verb\":\"wait\",\"until\":\"running\",\"timeout_ms\":86400000}\n{\"verb\":\"wait\",\"until\":\"end\"}\n" },
		{ "pause", "\xff{\"verb\":\"pause\"," S "}\n{\"verb\":\"resume\",\"session\":\"ABCDEF0123\"}\n" },
		{ "limit", "\xff{\"verb\":\"limit\"," S ",\"bytes_per_s\":1099511627776}\n" },
		{ "abort", "\xff{\"verb\":\"abort\"," S ",\"reason\":\"say \\\"why\\\" \\u0041\"}\n" },
		{ "abandon", "\xff{\"verb\":\"abandon\"," S ",\"reason\":\"~\"}\n" },
		{ "twice", "\xff{\"verb\":\"pause\",\"verb\":\"status\"}\n" },
		{ "deep", "\xff{\"verb\":[[[[[[[[[]]]]]]]]]}\n" },
		{ "escapes", "\xff{\"verb\":\"\\u0000\\ud800\\udfff\\n\"}\n" },
		{ "numbers", "\xff{\"verb\":\"status\",\"map\":1e309}\n{\"verb\":\"status\",\"map\":-0}\n{\"verb\":\"status\",\"map\":Infinity}\n" },
		{ "empty-lines", "\xff\n\n\r\n" },
	};
	static uint8_t longest[2 + ASK_LINE_MAX];
	size_t i;

	for (i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		emit(seeds[i].name, (const uint8_t *)seeds[i].text, strlen(seeds[i].text));
	emit("nul", (const uint8_t *)"\xff{\"verb\":\"sta\0us\"}\n", 20);
	memset(longest, ' ', sizeof(longest));
	longest[0] = 0xff;
	emit("too-long", longest, sizeof(longest));
	memcpy(longest + 1, "{\"verb\":\"status\"}", 17);
	longest[sizeof(longest) - 1] = '\n';
	emit("longest", longest, sizeof(longest));
}
