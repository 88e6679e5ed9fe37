// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "metrics.h"

struct page {
	char *text;
	size_t len;
	char labels[64];	/* of each metric: session, role */
};

static void say(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What does not fit is left out; METRICS_MAX is for more than there is. */
static void say(struct page *page, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(page->text + page->len, METRICS_MAX - page->len, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < METRICS_MAX - page->len)
		page->len += (size_t)n;
	page->text[page->len] = '\0';
}

static void head(struct page *page, const char *name, const char *type, const char *help)
{
	say(page, "# HELP gmem_%s %s\n# TYPE gmem_%s %s\n", name, help, name, type);
}

static void single(struct page *page, const char *name, const char *type, const char *help, uint64_t value)
{
	head(page, name, type, help);
	say(page, "gmem_%s{%s} %" PRIu64 "\n", name, page->labels, value);
}

/* One of a few: 1 for what it is, 0 for the others. */
static void phases(struct page *page, const struct snapshot *snapshot)
{
	enum gmem_phase phase;

	head(page, "phase", "gauge", "1 for the phase that the move is in.");
	for (phase = GMEM_PHASE_IDLE; phase <= GMEM_PHASE_FAILED; phase++)
		say(page, "gmem_phase{%s,phase=\"%s\"} %d\n", page->labels, ask_phase_name(phase),
		    phase == snapshot->progress.phase);
}

static void links(struct page *page, const struct snapshot *snapshot)
{
	single(page, "peer_up", "gauge", "1 while the other side is connected.",
	       snapshot->progress.link == GMEM_LINK_UP);
	single(page, "peer_lost", "gauge", "1 if the other side has not come back in time; an operator has to decide.",
	       snapshot->progress.link == GMEM_LINK_LOST);
	if (snapshot->good_time != 0)
		single(page, "peer_last_heard_timestamp_seconds", "gauge", "When the other side was heard last.",
		       (uint64_t)snapshot->good_time);
	single(page, "reconnections_total", "counter", "Connections that went on with the move after a lost one.",
	       snapshot->progress.n_resumed);
}

static void pages(struct page *page, const struct snapshot *snapshot)
{
	const struct gmem_progress *progress = &snapshot->progress;

	single(page, "pages", "gauge", "Pages of 4 KiB that the guest has.", progress->pages_total);
	if (snapshot->role == GMEM_ROLE_PAGER)
		single(page, "pages_missing", "gauge", "Pages that are not here yet.",
		       progress->pages_total != 0 ? snapshot_left(snapshot) : 0);
	head(page, "pages_moved_total", "counter", "Pages that came or were sent, by the lane.");
	say(page, "gmem_pages_moved_total{%s,lane=\"demand\"} %" PRIu64 "\n", page->labels, progress->pages_demand);
	say(page, "gmem_pages_moved_total{%s,lane=\"background\"} %" PRIu64 "\n", page->labels,
	    progress->pages_background);
	single(page, "pages_zero_total", "counter", "Of them, pages of zeros, without data.", progress->pages_zero);
	single(page, "pages_shared_total", "counter", "Of them, pages of shared memory.", progress->pages_shared);
	single(page, "pages_duplicate_total", "counter", "Pages that came and were present already.",
	       progress->pages_duplicate);
	single(page, "wire_bytes_total", "counter", "Bytes on the network, both directions.", progress->bytes_wire);
}

static void faults(struct page *page, const struct snapshot *snapshot)
{
	unsigned int i;

	single(page, "fault_events_total", "counter", "Demand faults that the kernel reported.", snapshot->n_faults);
	single(page, "fault_requests_total", "counter", "Requests sent for them.", snapshot->n_requests);
	single(page, "fault_waiting", "gauge", "Pages that the guest is stopped on.", snapshot->side.n_waiting);
	head(page, "fault_latency_seconds", "histogram", "From the kernel's report to the page being present.");
	for (i = 0; i < SNAPSHOT_N_LATENCY; i++)
		say(page, "gmem_fault_latency_seconds_bucket{%s,le=\"%.6f\"} %" PRIu64 "\n", page->labels,
		    (double)(1ull << i) / 1e6, snapshot->latency[i]);
	say(page, "gmem_fault_latency_seconds_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", page->labels,
	    snapshot->n_latencies);
	say(page, "gmem_fault_latency_seconds_sum{%s} %.6f\n", page->labels, (double)snapshot->latency_sum_us / 1e6);
	say(page, "gmem_fault_latency_seconds_count{%s} %" PRIu64 "\n", page->labels, snapshot->n_latencies);
}

static void working_set(struct page *page, const struct workset_view *view)
{
	if (!view->there)
		return;
	single(page, "working_set_pages", "gauge", "Pages of the working set that is recorded or replayed.", view->n_set);
	if (view->state != WORKSET_REPLAYED)
		return;
	single(page, "working_set_sent_total", "counter", "Pages of it that were sent before anybody asked.", view->n_sent);
	single(page, "working_set_late_total", "counter", "Pages of it that were asked for all the same.", view->n_late);
	single(page, "working_set_outside_total", "counter", "Pages that were asked for and are not in it.",
	       view->n_outside);
}

/* By the custom for what is no number: always 1, and the label says it. */
static void backend(struct page *page, const struct snapshot *snapshot)
{
	if (snapshot->side.backend == NULL)
		return;
	head(page, "backend_info", "gauge", "1; the label says how pages get into the guest and out of it.");
	say(page, "gmem_backend_info{%s,backend=\"%s\"} 1\n", page->labels, snapshot->side.backend);
}

static void watches(struct page *page, const struct snapshot *snapshot)
{
	enum watch_for what;

	head(page, "wait_seconds", "gauge", "For how long the move has waited for what; 0 for all else.");
	for (what = WATCH_NOTHING + 1; what < WATCH_N; what++)
		say(page, "gmem_wait_seconds{%s,for=\"%s\"} %.3f\n", page->labels, watch_name(what),
		    what == snapshot->waits_for ? (double)snapshot->waits_ms / 1e3 : 0.0);
	single(page, "stalled", "gauge", "1 if it waits too long for what should be quick.", snapshot->stalled);
}

size_t metrics_print(const struct report_names *names, const struct snapshot *snapshot, char *ret_text)
{
	struct page page = { .text = ret_text };

	snprintf(page.labels, sizeof(page.labels), "session=\"%.8s\",role=\"%s\"", names->ticket_hex,
		 snapshot->role == GMEM_ROLE_SOURCE ? "source" : "destination");
	phases(&page, snapshot);
	links(&page, snapshot);
	backend(&page, snapshot);
	pages(&page, snapshot);
	faults(&page, snapshot);
	watches(&page, snapshot);
	working_set(&page, &snapshot->side.workset);
	if (snapshot->has_limit)
		single(&page, "stream_limit_bytes_per_second", "gauge", "Limit of the background stream; 0: none.",
		       snapshot->limit);
	if (snapshot->side.can_pause)
		single(&page, "stream_paused", "gauge", "1 while an operator has paused the background stream.",
		       snapshot->side.paused);
	single(&page, "software_evidence", "gauge", "1 if keys that attest nothing are given or believed.",
	       report_warning(names) != NULL);
	return page.len;
}
