// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "ctl_render.h"

#define NAME_MAX_LEN 32u
#define TEXTS 8u
#define TEXT_LEN 400u

/* What is not there, or of another type, is NULL, and then 0 or "". */
static struct json_object *find(struct json_object *object, const char *path)
{
	char name[NAME_MAX_LEN];
	const char *dot;
	size_t len;

	while (object != NULL && json_object_is_type(object, json_type_object)) {
		dot = strchr(path, '.');
		len = dot != NULL ? (size_t)(dot - path) : strlen(path);
		if (len >= sizeof(name))
			return NULL;
		memcpy(name, path, len);
		name[len] = '\0';
		object = json_object_object_get(object, name);
		if (dot == NULL)
			return object;
		path = dot + 1;
	}
	return NULL;
}

const char *ctl_render_get(struct json_object *status, const char *path)
{
	static char texts[TEXTS][TEXT_LEN];
	static unsigned int next;
	struct json_object *value = find(status, path);
	char *text = texts[next++ % TEXTS], *at;

	text[0] = '\0';
	if (json_object_is_type(value, json_type_string))
		snprintf(text, TEXT_LEN, "%s", json_object_get_string(value));
	for (at = text; *at != '\0'; at++)
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	return text;
}

/* NULL, too, if @array is none or shorter. */
static struct json_object *item(struct json_object *array, size_t i)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_get_idx(array, i) : NULL;
}

static bool has(struct json_object *status, const char *path)
{
	return find(status, path) != NULL;
}

static uint64_t number(struct json_object *status, const char *path)
{
	struct json_object *value = find(status, path);

	return json_object_is_type(value, json_type_int) ? json_object_get_uint64(value) : 0;
}

static bool flag(struct json_object *status, const char *path)
{
	struct json_object *value = find(status, path);

	return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

static void text_line(const char *name, const char *text, FILE *file)
{
	if (text[0] != '\0')
		fprintf(file, "%-11s %s\n", name, text);
}

unsigned int ctl_render_percent(struct json_object *status)
{
	const uint64_t total = number(status, "pages.total");
	const uint64_t done = has(status, "pages.present") ? number(status, "pages.present") :
			      number(status, "pages.demand") + number(status, "pages.background");

	if (strcmp(ctl_render_get(status, "phase"), "complete") == 0)
		return 100;
	if (total == 0)
		return 0;
	return done >= total ? 100 : (unsigned int)(done * 100u / total);
}

static void bytes(uint64_t n, FILE *file)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB" };
	double value = (double)n;
	unsigned int i = 0;

	for (; value >= 1024 && i < 3; i++)
		value /= 1024;
	fprintf(file, i == 0 ? "%.0f %s" : "%.1f %s", value, units[i]);
}

static void left(struct json_object *status, FILE *file)
{
	const uint64_t s = (number(status, "rates.remaining_ms") + 999u) / 1000u;

	if (!has(status, "rates.remaining_ms"))
		fputs("unknown", file);
	else if (s < 120)
		fprintf(file, "%" PRIu64 " s", s);
	else
		fprintf(file, "%" PRIu64 " min", (s + 59) / 60);
}

static void working_set_line(struct json_object *status, FILE *file)
{
	if (!has(status, "snapshot.working_set.state"))
		return;
	fprintf(file, "%-11s %s, %" PRIu64 " pages", "working set", ctl_render_get(status, "snapshot.working_set.state"),
		number(status, "snapshot.working_set.pages"));
	if (has(status, "snapshot.working_set.sent"))
		fprintf(file, "; sent %" PRIu64 ", asked for all the same %" PRIu64 "; asked for and not in it %" PRIu64,
			number(status, "snapshot.working_set.sent"), number(status, "snapshot.working_set.late"),
			number(status, "snapshot.working_set.outside"));
	fputc('\n', file);
}

static void peer_line(struct json_object *status, FILE *file)
{
	fprintf(file, "%-11s %s", "peer", ctl_render_get(status, "peer.link"));
	if (has(status, "peer.last_heard"))
		fprintf(file, "; last heard %s, %.1f s ago", ctl_render_get(status, "peer.last_heard"),
			(double)number(status, "peer.silent_ms") / 1e3);
	if (number(status, "peer.resumed") > 0)
		fprintf(file, "; %" PRIu64 " times again after a loss", number(status, "peer.resumed"));
	if (has(status, "peer.error"))
		fprintf(file, "; %s", ctl_render_get(status, "peer.error"));
	fputc('\n', file);
}

static void pages_line(struct json_object *status, FILE *file)
{
	fprintf(file, "%-11s ", "pages");
	if (has(status, "pages.present"))
		fprintf(file, "%" PRIu64 " of %" PRIu64 " present (%u %%), %" PRIu64 " missing; ",
			number(status, "pages.present"), number(status, "pages.total"), ctl_render_percent(status),
			number(status, "pages.missing"));
	else
		fprintf(file, "%" PRIu64 " in all; sent: ", number(status, "pages.total"));
	fprintf(file, "on demand %" PRIu64 ", in the background %" PRIu64 ", of them zero %" PRIu64 "; twice %" PRIu64 "\n",
		number(status, "pages.demand"), number(status, "pages.background"), number(status, "pages.zero"),
		number(status, "pages.duplicate"));
}

static void rate_line(struct json_object *status, FILE *file)
{
	fprintf(file, "%-11s ", "rate");
	bytes(number(status, "rates.bytes_per_s"), file);
	fprintf(file, "/s, %" PRIu64 " pages/s; left: ", number(status, "rates.pages_per_s"));
	left(status, file);
	fputc('\n', file);
}

static void faults_line(struct json_object *status, FILE *file)
{
	fprintf(file, "%-11s %" PRIu64 " answered, %" PRIu64 " waiting; p50 %" PRIu64 " us, p90 %" PRIu64 " us, p99 %" PRIu64
		" us, max %" PRIu64 " us\n", "faults", number(status, "faults.answered"), number(status, "faults.waiting"),
		number(status, "faults.p50_us"), number(status, "faults.p90_us"), number(status, "faults.p99_us"),
		number(status, "faults.max_us"));
}

static void stream_line(struct json_object *status, FILE *file)
{
	if (has(status, "stream.paused"))
		fprintf(file, "%-11s %s\n", "stream", flag(status, "stream.paused") ? "PAUSED" : "not paused");
	if (!has(status, "stream.limit_bytes_per_s"))
		return;
	fprintf(file, "%-11s ", "stream");
	if (number(status, "stream.limit_bytes_per_s") == 0)
		fputs("no limit\n", file);
	else
		fprintf(file, "limit %" PRIu64 " bytes/s, by uid %" PRIu64 "\n", number(status, "stream.limit_bytes_per_s"),
			number(status, "stream.limited_by_uid"));
}

static void waits_line(struct json_object *status, FILE *file)
{
	if (strcmp(ctl_render_get(status, "waits.for"), "nothing") == 0)
		return;
	fprintf(file, "%-11s for %.1f s for %s%s\n", "waits", (double)number(status, "waits.ms") / 1e3,
		ctl_render_get(status, "waits.text"), flag(status, "waits.stalled") ? ": STALLED" : "");
}

void ctl_render_status(struct json_object *status, FILE *file)
{
	fprintf(file, "%-11s %.8s (%s, %s)\n", "session", ctl_render_get(status, "session"),
		ctl_render_get(status, "program"), ctl_render_get(status, "role"));
	fprintf(file, "%-11s %s; state %s: %s\n", "phase", ctl_render_get(status, "phase"),
		ctl_render_get(status, "state"), ctl_render_get(status, "meaning"));
	text_line("backend", ctl_render_get(status, "backend"), file);
	text_line("sandbox", ctl_render_get(status, "sandbox"), file);
	text_line("evidence", ctl_render_get(status, "evidence.own"), file);
	text_line("WARNING", ctl_render_get(status, "evidence.warning"), file);
	text_line("snapshot", ctl_render_get(status, "snapshot.root"), file);
	if (flag(status, "snapshot.may_be_old"))
		text_line("WARNING", "ROLLBACK ALLOWED: the snapshot may be an older one than the last", file);
	working_set_line(status, file);
	peer_line(status, file);
	pages_line(status, file);
	rate_line(status, file);
	if (strcmp(ctl_render_get(status, "role"), "source") != 0)
		faults_line(status, file);
	stream_line(status, file);
	waits_line(status, file);
	text_line("error", ctl_render_get(status, "error"), file);
	text_line("advice", ctl_render_get(status, "advice"), file);
}

void ctl_render_line(struct json_object *status, FILE *file)
{
	fprintf(file, "%s %u%% ", ctl_render_get(status, "phase"), ctl_render_percent(status));
	bytes(number(status, "rates.bytes_per_s"), file);
	fputs("/s left ", file);
	left(status, file);
	fprintf(file, " waiting %" PRIu64 " p99 %" PRIu64 " us peer %s", number(status, "faults.waiting"),
		number(status, "faults.p99_us"), ctl_render_get(status, "peer.link"));
	if (flag(status, "waits.stalled"))
		fprintf(file, " STALLED, for %s", ctl_render_get(status, "waits.text"));
	fputc('\n', file);
}

static void fill(char c, unsigned int n, FILE *file)
{
	while (n-- > 0)
		fputc(c, file);
}

static void bar(unsigned int percent, unsigned int width, FILE *file)
{
	const unsigned int done = width * percent / 100u;

	fputc('[', file);
	fill('#', done, file);
	fill('.', width - done, file);
	fprintf(file, "] %3u %%\n", percent);
}

/* Cumulative pairs of top and count, as rows of four buckets each. */
static void histogram(struct json_object *status, unsigned int width, FILE *file)
{
	struct json_object *array = find(status, "faults.histogram"), *pair;
	const uint64_t all = number(status, "faults.answered");
	uint64_t before = 0, seen, n;
	size_t i, len = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;

	if (all == 0 || len == 0 || width < 40)
		return;
	fputs("fault latency\n", file);
	for (i = 0; i < len; i += 3) {
		pair = item(array, i);
		seen = json_object_get_uint64(item(pair, 1));
		n = seen > before ? seen - before : 0;
		if (n > 0) {
			fprintf(file, "  <= %10" PRIu64 " us %8" PRIu64 " ", json_object_get_uint64(item(pair, 0)), n);
			fill('=', (unsigned int)((n < all ? n : all) * (width - 30) / all), file);
			fputc('\n', file);
		}
		before = seen;
	}
	if (all > before)
		fprintf(file, "   > more          %8" PRIu64 "\n", all - before);
}

/* A part of memory each: '.' nothing, '#' all of it, between them '-', '=', '+' by thirds. */
static void map(struct json_object *status, unsigned int width, FILE *file)
{
	struct json_object *array = find(status, "map");
	size_t i, len = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
	const unsigned int columns = width > 66 ? 64 : width - 2;
	int percent;

	if (len == 0)
		return;
	fputs(strcmp(ctl_render_get(status, "role"), "source") == 0 ? "memory sent" : "memory present", file);
	for (i = 0; i < len; i++) {
		if (i % columns == 0)
			fputs("\n  ", file);
		percent = json_object_get_int(item(array, i));
		fputc(percent <= 0 ? '.' : percent >= 100 ? '#' : "-=+"[percent / 34], file);
	}
	fputc('\n', file);
}

void ctl_render_screen(struct json_object *status, unsigned int width, FILE *file)
{
	if (width < 40)
		width = 40;
	bar(ctl_render_percent(status), width - 10, file);
	ctl_render_status(status, file);
	histogram(status, width, file);
	map(status, width, file);
}
