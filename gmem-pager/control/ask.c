// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "../limit.h"
#include "ask.h"

#define DEPTH 4		/* an object of plain values needs 2 */

enum field { VERB, SESSION, REASON, BYTES_PER_S, MAP, INTERVAL_MS, TIMEOUT_MS, UNTIL, N_FIELDS };

static const char *const field_names[N_FIELDS] = {
	"verb", "session", "reason", "bytes_per_s", "map", "interval_ms", "timeout_ms", "until",
};

#define BIT(field) (1u << (field))

static const struct {
	const char *name;
	unsigned int needs, takes;	/* besides VERB */
} verbs[ASK_N_VERBS] = {
	[ASK_STATUS] = { "status", 0, BIT(MAP) },
	[ASK_WAIT] = { "wait", 0, BIT(UNTIL) | BIT(TIMEOUT_MS) },
	[ASK_METRICS] = { "metrics", 0, 0 },
	[ASK_SUBSCRIBE] = { "subscribe", 0, BIT(MAP) | BIT(INTERVAL_MS) },
	[ASK_PAUSE] = { "pause", BIT(SESSION), 0 },
	[ASK_RESUME] = { "resume", BIT(SESSION), 0 },
	[ASK_LIMIT] = { "limit", BIT(SESSION) | BIT(BYTES_PER_S), 0 },
	[ASK_ABORT] = { "abort", BIT(SESSION) | BIT(REASON), 0 },
	[ASK_ABANDON] = { "abandon", BIT(SESSION) | BIT(REASON), 0 },
};

static const char *const phases[] = {
	"idle", "connecting", "accepted", "started", "running", "complete", "aborted", "failed",
};

const char *ask_verb_name(enum ask_verb verb)
{
	return verbs[verb].name;
}

bool ask_changes(enum ask_verb verb)
{
	return verb >= ASK_PAUSE;
}

const char *ask_phase_name(enum gmem_phase phase)
{
	return phases[phase];
}

static int refuse(int status, const char *what, const char *why, char *ret_error)
{
	snprintf(ret_error, ASK_ERROR_LEN, "%s%s%s", what, what[0] != '\0' ? ": " : "", why);
	return status;
}

/* A string without a NUL in it; NULL: it is none. */
static const char *text_of(struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

	return text != NULL && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static bool take_number(struct json_object *value, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	int64_t number;

	if (!json_object_is_type(value, json_type_int))
		return false;
	number = json_object_get_int64(value);	/* what does not fit is its largest */
	if (number < 0 || (uint64_t)number < min || (uint64_t)number > max)
		return false;
	*ret_number = (uint64_t)number;
	return true;
}

static bool take_session(const char *text, char *ret_session)
{
	const size_t len = text != NULL ? strlen(text) : 0;
	size_t i;

	if (len < ASK_SESSION_MIN || len > ASK_SESSION_MAX)
		return false;
	for (i = 0; i < len; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return false;
		ret_session[i] = (char)tolower((unsigned char)text[i]);
	}
	ret_session[len] = '\0';
	return true;
}

static bool take_reason(const char *text, char *ret_reason)
{
	const size_t len = text != NULL ? strlen(text) : 0;
	size_t i;

	if (len == 0 || len > SESSION_REASON_MAX)
		return false;
	for (i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	memcpy(ret_reason, text, len + 1);
	return true;
}

static bool take_until(const char *text, struct ask *ask)
{
	enum gmem_phase phase;

	ask->until_end = text != NULL && strcmp(text, "end") == 0;
	for (phase = GMEM_PHASE_ACCEPTED; text != NULL && phase <= GMEM_PHASE_COMPLETE; phase++) {
		if (strcmp(text, phases[phase]) != 0)
			continue;
		ask->until = phase;
		return true;
	}
	return ask->until_end;
}

/* NULL, or what the field takes. */
static const char *take_field(enum field field, struct json_object *value, struct ask *ask)
{
	uint64_t number = 0;

	switch (field) {
	case SESSION:
		return take_session(text_of(value), ask->session) ? NULL : "takes 8 to 64 hex digits of the ticket id";
	case REASON:
		return take_reason(text_of(value), ask->reason) ? NULL : "takes 1 to 200 characters of printable ASCII";
	case BYTES_PER_S:
		if (!take_number(value, 0, LIMIT_MAX, &ask->bytes_per_s) ||
		    (ask->bytes_per_s != 0 && ask->bytes_per_s < LIMIT_MIN))
			return "takes 4096 to 1099511627776, or 0 for no limit";
		return NULL;
	case MAP:
		if (!take_number(value, 1, ASK_MAP_MAX, &number))
			return "takes 1 to 256 cells";
		ask->map_cells = (uint32_t)number;
		return NULL;
	case INTERVAL_MS:
		if (!take_number(value, ASK_INTERVAL_MIN, ASK_INTERVAL_MAX, &number))
			return "takes 200 to 60000";
		ask->interval_ms = (uint32_t)number;
		return NULL;
	case TIMEOUT_MS:
		if (!take_number(value, 1, ASK_TIMEOUT_MAX, &number))
			return "takes 1 to 86400000";
		ask->timeout_ms = (uint32_t)number;
		return NULL;
	case UNTIL:
		return take_until(text_of(value), ask) ? NULL :
		       "takes accepted, started, running, complete or end";
	default:
		return NULL;
	}
}

static int take_verb(struct json_object *object, struct ask *ask, char *ret_error)
{
	struct json_object *value = NULL;
	const char *text = json_object_object_get_ex(object, "verb", &value) ? text_of(value) : NULL;

	if (text == NULL)
		return refuse(-EINVAL, "verb", "is needed, a string", ret_error);
	for (ask->verb = 0; ask->verb < ASK_N_VERBS; ask->verb++)
		if (strcmp(text, verbs[ask->verb].name) == 0)
			return 0;
	return refuse(-EOPNOTSUPP, "verb", "there is no such verb", ret_error);
}

static int take_fields(struct json_object *object, struct ask *ask, char *ret_error)
{
	unsigned int seen = 0;
	enum field field;

	json_object_object_foreach(object, key, value) {
		const char *why;

		for (field = 0; field < N_FIELDS && strcmp(key, field_names[field]) != 0; field++)
			continue;
		if (field == N_FIELDS)
			return refuse(-EINVAL, "", "there is a field that no verb has", ret_error);
		if (field != VERB && (verbs[ask->verb].takes & BIT(field)) == 0 &&
		    (verbs[ask->verb].needs & BIT(field)) == 0)
			return refuse(-EINVAL, field_names[field], "this verb does not have it", ret_error);
		why = take_field(field, value, ask);
		if (why != NULL)
			return refuse(-EINVAL, field_names[field], why, ret_error);
		seen |= BIT(field);
	}
	for (field = 0; field < N_FIELDS; field++)
		if ((verbs[ask->verb].needs & ~seen & BIT(field)) != 0)
			return refuse(-EINVAL, field_names[field], "this verb needs it", ret_error);
	return 0;
}

/* json-c takes them raw in strings, and stops at a NUL. */
static bool has_control_characters(const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len && (unsigned char)line[i] >= 0x20; i++)
		continue;
	return i < len;
}

/* NULL: not one JSON value and nothing else. */
static struct json_object *parse(const char *line, size_t len)
{
	struct json_tokener *tokener;
	struct json_object *object;

	if (len == 0 || len > ASK_LINE_MAX || has_control_characters(line, len))
		return NULL;
	tokener = json_tokener_new_ex(DEPTH);
	if (tokener == NULL)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line, (int)len);
	if (json_tokener_get_error(tokener) != json_tokener_success || json_tokener_get_parse_end(tokener) != len) {
		json_object_put(object);
		object = NULL;
	}
	json_tokener_free(tokener);
	return object;
}

int ask_parse(const char *line, size_t len, struct ask *ret_ask, char *ret_error)
{
	struct ask ask = { .interval_ms = ASK_INTERVAL, .until = GMEM_PHASE_COMPLETE };
	struct json_object *object = parse(line, len);
	int r;

	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return refuse(-EBADMSG, "", "not one JSON object in one line", ret_error);
	}
	r = take_verb(object, &ask, ret_error);
	if (r == 0)
		r = take_fields(object, &ask, ret_error);
	json_object_put(object);
	if (r == 0)
		*ret_ask = ask;
	return r;
}
