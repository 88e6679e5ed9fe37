// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "report.h"

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text != NULL && text[0] != '\0' ? json_object_new_string(text) : NULL);
}

static void add_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key, json_object_new_uint64(number));
}

static void add_maybe(struct json_object *object, const char *key, bool has, uint64_t number)
{
	json_object_object_add(object, key, has ? json_object_new_uint64(number) : NULL);
}

static void add_flag(struct json_object *object, const char *key, bool flag)
{
	json_object_object_add(object, key, json_object_new_boolean(flag));
}

const char *report_time(time_t when, char *ret_text, size_t len)
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || strftime(ret_text, len, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(ret_text, len, "1970-01-01T00:00:00Z");
	return ret_text;
}

const char *report_warning(const struct report_names *names)
{
	if (names->gives_software && names->takes_software)
		return "SOFTWARE KEYS on both sides: who has a key file passes, nothing is known of either machine";
	if (names->gives_software)
		return "SOFTWARE KEY on this side: it says nothing about this machine";
	if (names->takes_software)
		return "SOFTWARE KEYS are believed of the other side: who has a key file passes";
	return NULL;
}

const char *report_advice(const struct snapshot *snapshot)
{
	const enum gmem_phase phase = snapshot->progress.phase;
	const bool pager = snapshot->role == GMEM_ROLE_PAGER;

	if (phase >= GMEM_PHASE_ABORTED)
		return snapshot->state == ATTEST_STATE_IN_DOUBT ?
		       "gmemctl session show has the ways out; the guest must not run here before" : NULL;
	if (phase == GMEM_PHASE_COMPLETE)
		return NULL;
	if (snapshot->progress.link == GMEM_LINK_LOST)
		return pager ?
		       "the guest stays stopped on the pages that are missing here; start gmem-source again on its host, "
		       "and it goes on; if that host is gone for good: gmemctl abandon" :
		       "the VM stays frozen here; start gmem-pager again on its host, and it goes on; if that host is gone "
		       "for good: gmemctl abandon";
	if (snapshot->progress.link == GMEM_LINK_RECONNECTING)
		return "nothing: it is tried again all the time; look at the other host and the network between";
	if (snapshot->waits_for == WATCH_OPERATOR)
		return "gmemctl resume";
	return NULL;
}

static const char *link_name(enum gmem_link link)
{
	switch (link) {
	case GMEM_LINK_UP:
		return "up";
	case GMEM_LINK_RECONNECTING:
		return "reconnecting";
	case GMEM_LINK_LOST:
		return "lost";
	default:
		return "none";
	}
}

static struct json_object *peer(const struct snapshot *snapshot)
{
	struct json_object *object = json_object_new_object();
	char when[32];

	add_text(object, "link", link_name(snapshot->progress.link));
	add_text(object, "last_heard", snapshot->good_time != 0 ? report_time(snapshot->good_time, when, sizeof(when)) :
		 NULL);
	add_maybe(object, "silent_ms", snapshot->good_time != 0, snapshot->good_ms);
	add_number(object, "resumed", snapshot->progress.n_resumed);
	add_number(object, "tries", snapshot->n_tries);
	add_number(object, "resume_timeout_ms", (uint64_t)snapshot->resume_ms);
	add_text(object, "error", snapshot->link_error);
	add_text(object, "cipher", snapshot->progress.cipher);
	return object;
}

static struct json_object *pages(const struct snapshot *snapshot)
{
	const struct gmem_progress *progress = &snapshot->progress;
	const bool pager = snapshot->role == GMEM_ROLE_PAGER;
	struct json_object *object = json_object_new_object();

	add_number(object, "total", progress->pages_total);
	add_maybe(object, "present", pager, progress->pages_present);
	add_maybe(object, "missing", pager, progress->pages_total != 0 ? snapshot_left(snapshot) : 0);
	add_number(object, "demand", progress->pages_demand);
	add_number(object, "background", progress->pages_background);
	add_number(object, "zero", progress->pages_zero);
	add_number(object, "shared", progress->pages_shared);
	add_number(object, "duplicate", progress->pages_duplicate);
	add_number(object, "converted", snapshot->n_converted);
	return object;
}

static struct json_object *rates(const struct snapshot *snapshot)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "bytes_per_s", snapshot->bytes_per_s);
	add_number(object, "pages_per_s", snapshot->pages_per_s);
	add_number(object, "bytes_wire", snapshot->progress.bytes_wire);
	add_maybe(object, "remaining_ms", snapshot->has_left, snapshot->left_ms);
	return object;
}

static struct json_object *faults(const struct snapshot *snapshot)
{
	static const char *const names[] = { "p50_us", "p90_us", "p99_us", "max_us" };
	struct json_object *object = json_object_new_object(), *histogram = json_object_new_array(), *pair;
	unsigned int i;

	add_number(object, "events", snapshot->n_faults);
	add_number(object, "requests", snapshot->n_requests);
	add_number(object, "waiting", snapshot->side.n_waiting);
	add_number(object, "answered", snapshot->n_latencies);
	for (i = 0; i < 4; i++)
		add_number(object, names[i], snapshot->progress.fault_latency_us[i]);
	for (i = 0; i < SNAPSHOT_N_LATENCY; i++) {
		pair = json_object_new_array_ext(2);
		json_object_array_add(pair, json_object_new_uint64(1ull << i));
		json_object_array_add(pair, json_object_new_uint64(snapshot->latency[i]));
		json_object_array_add(histogram, pair);
	}
	json_object_object_add(object, "histogram", histogram);
	return object;
}

static struct json_object *waits(const struct snapshot *snapshot)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "for", watch_name(snapshot->waits_for));
	add_text(object, "text", watch_text(snapshot->waits_for));
	add_number(object, "ms", snapshot->waits_ms);
	add_flag(object, "stalled", snapshot->stalled);
	return object;
}

static struct json_object *stream(const struct snapshot *snapshot)
{
	struct json_object *object = json_object_new_object();

	add_maybe(object, "limit_bytes_per_s", snapshot->has_limit, snapshot->limit);
	add_maybe(object, "limited_by_uid", snapshot->has_limit, snapshot->limited_by);
	json_object_object_add(object, "paused",
			       snapshot->side.can_pause ? json_object_new_boolean(snapshot->side.paused) : NULL);
	return object;
}

static struct json_object *evidence(const struct report_names *names)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "own", names->evidence);
	add_flag(object, "software_believed", names->takes_software);
	add_text(object, "warning", report_warning(names));
	return object;
}

static struct json_object *working_set(const struct workset_view *view)
{
	const bool replayed = view->state == WORKSET_REPLAYED;
	struct json_object *object;

	if (!view->there)
		return NULL;
	object = json_object_new_object();
	add_text(object, "state", workset_state_name(view->state));
	add_number(object, "pages", view->n_set);
	add_maybe(object, "sent", replayed, view->n_sent);
	add_maybe(object, "late", replayed, view->n_late);
	add_maybe(object, "outside", replayed, view->n_outside);
	return object;
}

static struct json_object *restored(const struct report_names *names, const struct snapshot *snapshot)
{
	struct json_object *object;

	if (names->snapshot_root == NULL)
		return NULL;
	object = json_object_new_object();
	add_text(object, "root", names->snapshot_root);
	add_flag(object, "may_be_old", names->may_be_old);
	json_object_object_add(object, "working_set", working_set(&snapshot->side.workset));
	return object;
}

static struct json_object *times(const struct snapshot *snapshot)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "start_to_started_us", snapshot->progress.start_to_started_us);
	add_number(object, "total_us", snapshot->progress.total_us);
	return object;
}

struct json_object *report_map(const struct snapshot *snapshot)
{
	struct json_object *array = json_object_new_array_ext((int)snapshot->n_cells + 1);
	uint32_t i;

	for (i = 0; i < snapshot->n_cells; i++)
		json_object_array_add(array, json_object_new_int(snapshot->cells[i]));
	return array;
}

struct json_object *report_status(const struct report_names *names, const struct snapshot *snapshot, uint64_t now_us)
{
	struct json_object *object = json_object_new_object();
	char id[SNAPSHOT_SHORT_LEN + 1];

	snprintf(id, sizeof(id), "%s", names->ticket_hex);
	add_text(object, "program", names->program);
	add_text(object, "role", snapshot->role == GMEM_ROLE_SOURCE ? "source" : "destination");
	add_text(object, "session", id);
	add_text(object, "phase", ask_phase_name(snapshot->progress.phase));
	add_text(object, "state", session_table_state_name(snapshot->state));
	add_text(object, "meaning", session_table_state_text(snapshot->role == GMEM_ROLE_SOURCE ? ATTEST_INITIATOR :
							     ATTEST_RESPONDER, snapshot->state));
	add_text(object, "error", snapshot->error);
	add_text(object, "advice", report_advice(snapshot));
	add_number(object, "age_ms", now_us > snapshot->taken_us ? (now_us - snapshot->taken_us) / 1000u : 0);
	add_text(object, "backend", snapshot->side.backend);
	add_text(object, "sandbox", names->sandbox);
	json_object_object_add(object, "evidence", evidence(names));
	json_object_object_add(object, "snapshot", restored(names, snapshot));
	json_object_object_add(object, "peer", peer(snapshot));
	json_object_object_add(object, "pages", pages(snapshot));
	json_object_object_add(object, "rates", rates(snapshot));
	json_object_object_add(object, "faults", faults(snapshot));
	json_object_object_add(object, "waits", waits(snapshot));
	json_object_object_add(object, "stream", stream(snapshot));
	json_object_object_add(object, "times", times(snapshot));
	json_object_object_add(object, "map", snapshot->n_cells > 0 ? report_map(snapshot) : NULL);
	return object;
}
