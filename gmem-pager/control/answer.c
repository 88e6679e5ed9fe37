// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "answer.h"
#include "metrics.h"

static struct json_object *begin(const char *verb, bool ok)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "ok", json_object_new_boolean(ok));
	json_object_object_add(object, "verb", verb != NULL ? json_object_new_string(verb) : NULL);
	return object;
}

struct json_object *answer_error(const char *verb, const char *error, const char *sentence)
{
	struct json_object *object = begin(verb, false);

	json_object_object_add(object, "error", json_object_new_string(error));
	json_object_object_add(object, "message", json_object_new_string(sentence));
	return object;
}

struct json_object *answer_done(const struct ask *ask, const struct snapshot *snapshot)
{
	struct json_object *object = begin(ask_verb_name(ask->verb), true);

	json_object_object_add(object, "phase", json_object_new_string(ask_phase_name(snapshot->progress.phase)));
	json_object_object_add(object, "state", json_object_new_string(session_table_state_name(snapshot->state)));
	return object;
}

/* Another client's map is not this one's: the last snapshot may have one. */
struct json_object *answer_status(const struct ask *ask, const struct report_names *names,
				  const struct snapshot *snapshot, uint64_t now_us)
{
	struct json_object *object = begin(ask_verb_name(ask->verb), true);
	struct json_object *status = report_status(names, snapshot, now_us);

	if (ask->map_cells == 0)
		json_object_object_add(status, "map", NULL);
	json_object_object_add(object, "status", status);
	return object;
}

struct json_object *answer_metrics(const struct report_names *names, const struct snapshot *snapshot)
{
	struct json_object *object = begin(ask_verb_name(ASK_METRICS), true);
	char *text = malloc(METRICS_MAX);
	size_t len = text != NULL ? metrics_print(names, snapshot, text) : 0;

	json_object_object_add(object, "metrics", json_object_new_string_len(text != NULL ? text : "", (int)len));
	free(text);
	return object;
}

const char *answer_result_name(enum hub_result result)
{
	switch (result) {
	case HUB_NOT_HERE:
		return "not_here";
	case HUB_ENDED:
		return "ended";
	case HUB_RECORD:
		return "record";
	default:
		return "refused";
	}
}
