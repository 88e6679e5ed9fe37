// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ctl_live.h"
#include "ctl_render.h"
#include "ctl_socket.h"
#include "limit.h"

#define HOME_AND_CLEAR "\033[H\033[J"

enum { TAKES_SESSION = 1, TAKES_RATE = 2, TAKES_REASON = 4, TAKES_WAIT = 8, TAKES_WATCH = 16 };

static const struct {
	const char *name;
	unsigned int takes;
} verbs[] = {
	{ "status", TAKES_WATCH },
	{ "wait", TAKES_WAIT },
	{ "pause", TAKES_SESSION },
	{ "resume", TAKES_SESSION },
	{ "limit", TAKES_SESSION | TAKES_RATE },
	{ "abort", TAKES_SESSION | TAKES_REASON },
	{ "abandon", TAKES_SESSION | TAKES_REASON },
	{ "metrics", 0 },
};

static int complain(int code, const char *what, const char *why)
{
	fprintf(stderr, "gmemctl: %s: %s\n", what, why);
	return code;
}

/* 0 if it is none. */
static size_t verb_number(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(word, verbs[i].name) == 0)
			return i + 1;
	return 0;
}

bool ctl_live_is_verb(const char *word)
{
	return verb_number(word) != 0;
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

/* Seconds with a fraction, as milliseconds. */
static int add_ms(struct json_object *object, const char *key, const char *text, double min_s, double max_s)
{
	char *end;
	const double s = strtod(text, &end);

	if (end == text || *end != '\0' || !(s >= min_s && s <= max_s))
		return -EINVAL;
	json_object_object_add(object, key, json_object_new_int64((int64_t)(s * 1000)));
	return 0;
}

static int check(const struct ctl_live *live, unsigned int takes, int n_words, char **words)
{
	const int n_wanted = 1 + ((takes & TAKES_SESSION) != 0) + ((takes & TAKES_RATE) != 0);

	if (live->socket == NULL)
		return complain(CTL_USAGE, words[0], "--socket PATH is needed: --control or --status of the service");
	if (n_words != n_wanted)
		return complain(CTL_USAGE, words[0], (takes & TAKES_RATE) != 0 ? "takes one session and a rate" :
				(takes & TAKES_SESSION) != 0 ? "takes one session" : "takes no session");
	if ((takes & TAKES_REASON) != 0 && (live->reason == NULL || live->reason[0] == '\0'))
		return complain(CTL_USAGE, words[0], "--reason TEXT is needed: it is recorded");
	if ((takes & TAKES_REASON) == 0 && live->reason != NULL)
		return complain(CTL_USAGE, words[0], "takes no --reason");
	if ((takes & TAKES_WAIT) == 0 && (live->until != NULL || live->timeout != NULL))
		return complain(CTL_USAGE, words[0], "--until and --timeout are for wait");
	if ((takes & TAKES_WATCH) == 0 && live->watch)
		return complain(CTL_USAGE, words[0], "--watch is for status");
	if (!live->watch && live->interval != NULL)
		return complain(CTL_USAGE, words[0], "--interval is for --watch");
	return CTL_OK;
}

static int make(const struct ctl_live *live, unsigned int takes, char **words, struct json_object *object)
{
	uint64_t bytes_per_s;

	add_text(object, "verb", live->watch ? "subscribe" : words[0]);
	if ((takes & TAKES_SESSION) != 0)
		add_text(object, "session", words[1]);
	if ((takes & TAKES_REASON) != 0)
		add_text(object, "reason", live->reason);
	if ((takes & TAKES_RATE) != 0) {
		if (limit_parse(words[2], &bytes_per_s) < 0)
			return complain(CTL_USAGE, words[2], "not a limit: it " LIMIT_TAKES);
		json_object_object_add(object, "bytes_per_s", json_object_new_uint64(bytes_per_s));
	}
	if (live->until != NULL)
		add_text(object, "until", live->until);
	if (live->timeout != NULL && add_ms(object, "timeout_ms", live->timeout, 0.001, 86400) < 0)
		return complain(CTL_USAGE, "--timeout", "takes seconds, 0.001 to 86400");
	if (live->interval != NULL && add_ms(object, "interval_ms", live->interval, 0.2, 60) < 0)
		return complain(CTL_USAGE, "--interval", "takes seconds, 0.2 to 60");
	if (live->watch && (live->json || isatty(STDOUT_FILENO)))
		json_object_object_add(object, "map", json_object_new_int((int)CTL_RENDER_MAP_CELLS));
	return CTL_OK;
}

static int no_service(const struct ctl_live *live, int r)
{
	const char *why = strerror(-r);

	if (r == -EPIPE)
		why = "the service has closed the connection";
	else if (r == -ETIMEDOUT)
		why = "the service does not answer";
	else if (r == -EPROTO)
		why = "what answers there is no gmem-pager or gmem-source";
	else if (r == -ENOENT || r == -ECONNREFUSED)
		why = "nobody is there: has the service ended, or was it started without this socket?";
	return complain(CTL_NO_SERVICE, live->socket, why);
}

static int code_of(const char *error)
{
	static const struct {
		const char *error;
		int code;
	} codes[] = {
		{ "bad_request", CTL_USAGE }, { "unknown_verb", CTL_USAGE }, { "too_long", CTL_USAGE },
		{ "wrong_session", CTL_NOT_FOUND }, { "record", CTL_RECORD }, { "busy", CTL_NO_SERVICE },
		{ "timeout", CTL_TIMEOUT },
	};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(error, codes[i].error) == 0)
			return codes[i].code;
	return CTL_REFUSED;
}

static int refused(const struct ctl_live *live, const char *verb, struct json_object *answer)
{
	const char *error = ctl_render_get(answer, "error");

	if (live->json)
		puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
	fprintf(stderr, "gmemctl: %s: %s\n", verb, ctl_render_get(answer, "message"));
	return strcmp(verb, "wait") == 0 && strcmp(error, "ended") == 0 ? CTL_ENDED : code_of(error);
}

static int print(const struct ctl_live *live, const char *verb, struct json_object *answer)
{
	if (live->json)
		puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
	else if (strcmp(verb, "status") == 0)
		ctl_render_status(json_object_object_get(answer, "status"), stdout);
	else if (strcmp(verb, "metrics") == 0)
		fputs(json_object_get_string(json_object_object_get(answer, "metrics")), stdout);
	else
		printf("%s: done; phase %s, state %s\n", verb, ctl_render_get(answer, "phase"),
		       ctl_render_get(answer, "state"));
	return CTL_OK;
}

static unsigned int width_of_terminal(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* 0: there is more to come; -1: it is over, and @ret_code says how. */
static int show_report(const struct ctl_live *live, struct json_object *answer, int *ret_code)
{
	struct json_object *status = json_object_object_get(answer, "status");
	const char *phase = ctl_render_get(status, "phase");

	if (live->json) {
		puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
	} else if (isatty(STDOUT_FILENO)) {
		fputs(HOME_AND_CLEAR, stdout);
		ctl_render_screen(status, width_of_terminal(), stdout);
	} else {
		ctl_render_line(status, stdout);
	}
	fflush(stdout);
	*ret_code = strcmp(phase, "complete") == 0 ? CTL_OK : CTL_ENDED;
	return strcmp(phase, "complete") == 0 || strcmp(phase, "aborted") == 0 || strcmp(phase, "failed") == 0 ? -1 : 0;
}

/* Until the move has ended, or the service has. */
static int watch(const struct ctl_live *live, struct ctl_socket *socket)
{
	struct json_object *answer;
	int code = CTL_NO_SERVICE, go_on = 0, r;

	while (go_on == 0) {
		r = ctl_socket_answer(socket, -1, &answer);
		if (r < 0)
			return no_service(live, r);
		if (json_object_get_boolean(json_object_object_get(answer, "ok"))) {
			go_on = show_report(live, answer, &code);
		} else {
			code = refused(live, "status", answer);
			go_on = -1;
		}
		json_object_put(answer);
	}
	return code;
}

static int talk(const struct ctl_live *live, unsigned int takes, const char *verb, struct json_object *object)
{
	static struct ctl_socket socket;
	struct json_object *answer;
	int code, r = ctl_socket_open(&socket, live->socket);

	if (r < 0)
		return no_service(live, r);
	r = ctl_socket_ask(&socket, object);
	if (r == -EPIPE)
		r = 0;		/* closed, maybe after it said why */
	if (r == 0 && live->watch) {
		code = watch(live, &socket);
		ctl_socket_close(&socket);
		return code;
	}
	if (r == 0)
		r = ctl_socket_answer(&socket, (takes & TAKES_WAIT) != 0 ? -1 : CTL_SOCKET_MS, &answer);
	ctl_socket_close(&socket);
	if (r < 0)
		return no_service(live, r);
	code = json_object_get_boolean(json_object_object_get(answer, "ok")) ? print(live, verb, answer) :
	       refused(live, verb, answer);
	json_object_put(answer);
	return code;
}

int ctl_live_run(const struct ctl_live *live, int n_words, char **words)
{
	const unsigned int takes = verbs[verb_number(words[0]) - 1].takes;
	struct json_object *object;
	int code = check(live, takes, n_words, words);

	if (code != CTL_OK)
		return code;
	object = json_object_new_object();
	code = make(live, takes, words, object);
	if (code == CTL_OK)
		code = talk(live, takes, words[0], object);
	json_object_put(object);
	return code;
}
