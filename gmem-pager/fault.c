// SPDX-License-Identifier: MIT
/*
 * Demand faults: GFNs that guests wait for become REQUEST records on the urgent
 * lane.  Each asks for the wanted page and the aligned window around it; the
 * source sends the wanted pages of a record first.  A GFN is asked for once.
 * What the manifest says is a hole needs no request: it is filled with zeros here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pager.h"
#include "wire.h"

struct request {
	uint8_t body[REQUEST_MAX_ENTRIES * REQUEST_ENTRY_LEN];
	uint32_t len;
};

/* The window around @index, inside its region: first index and length. */
static uint32_t window_of(const struct pager *pager, const struct manifest *manifest, uint64_t index,
			  uint64_t *ret_first)
{
	const struct manifest_region *region = manifest_region_of(manifest, index);
	const uint64_t window = pager->session.config->window_pages;
	const uint64_t in_region = index - region->first_index;
	const uint64_t first = in_region - in_region % window;

	*ret_first = region->first_index + first;
	return (uint32_t)(region->n_pages - first < window ? region->n_pages - first : window);
}

static uint64_t gfn_of(const struct manifest *manifest, uint64_t index)
{
	const struct manifest_region *region = manifest_region_of(manifest, index);

	return region->gfn + (index - region->first_index);
}

static void add_entry(struct request *request, uint64_t wanted, uint64_t first, uint32_t n_pages)
{
	uint8_t *at = request->body + request->len;

	wire_put32(wire_put64(wire_put64(at, wanted), first), n_pages);
	request->len += REQUEST_ENTRY_LEN;
}

/* What cannot be sent now is asked for again on the next connection: @wanted has it. */
static void send_request(struct pager *pager, struct request *request)
{
	int r;

	if (request->len == 0)
		return;
	stats_add(&pager->session.stats.n_requests, 1);
	r = session_send_op(&pager->session, ATTEST_LANE_URGENT, ATTEST_OP_REQUEST, request->body, request->len);
	request->len = 0;
	if (r < 0)
		session_lane_failed(&pager->session, ATTEST_LANE_URGENT, r);
}

/* Zeros for the hole at @index and for those right behind it in the window. */
static int fill_hole(struct pager *pager, const struct manifest *manifest, uint64_t index, uint64_t end)
{
	struct guest_counts counts = { 0 };
	uint8_t kinds[URGENT_MAX_RUN];
	char error[GUEST_ERROR_LEN];
	uint32_t n = 0;
	int r;

	while (index + n < end && manifest_kind(manifest, index + n) == MANIFEST_HOLE)
		kinds[n++] = ATTEST_PAGE_ZERO;
	r = guest_fill(pager->guest, manifest, gfn_of(manifest, index), n, kinds, n, &counts, error, sizeof(error));
	if (r < 0) {
		session_end(&pager->session, SESSION_LOCAL, r, "%s", error);
		return r;
	}
	wanted_filled(&pager->wanted, gfn_of(manifest, index), n, stats_now_us(), &pager->session.stats);
	pager_count(pager, &counts, true);
	return 0;
}

static int take_event(struct pager *pager, const struct manifest *manifest, const struct backend_event *event,
		      uint64_t now_us, struct request *request)
{
	uint64_t index, first;
	uint32_t n_pages;

	stats_add(&pager->session.stats.n_faults, 1);
	if (manifest_index(manifest, event->gfn, &index) < 0) {
		log_debug("GFN 0x%llx is in no region", (unsigned long long)event->gfn);
		session_end(&pager->session, SESSION_LOCAL, -EFAULT, "the guest waits for a page that is in no attached "
			    "region");
		return -EFAULT;
	}
	if (!wanted_add(&pager->wanted, event->gfn, now_us))
		return 0;
	n_pages = window_of(pager, manifest, index, &first);
	if (manifest_kind(manifest, index) == MANIFEST_HOLE)
		return fill_hole(pager, manifest, index, first + n_pages);
	add_entry(request, event->gfn, gfn_of(manifest, first), n_pages);
	return 0;
}

void pager_ask_again(struct pager *pager)
{
	const struct manifest *manifest = atomic_load(&pager->manifest);
	struct request request = { .len = 0 };
	uint64_t gfns[WANTED_MAX], index, first;
	size_t n = wanted_list(&pager->wanted, gfns), i;
	uint32_t n_pages;

	for (i = 0; i < n; i++) {
		if (manifest_index(manifest, gfns[i], &index) < 0)
			continue;
		n_pages = window_of(pager, manifest, index, &first);
		add_entry(&request, gfns[i], gfn_of(manifest, first), n_pages);
		if (request.len == sizeof(request.body))
			send_request(pager, &request);
	}
	send_request(pager, &request);
	if (n > 0)
		log_info("asked again for %zu pages that somebody waits for", n);
}

void *pager_fault_thread(void *arg)
{
	struct pager *pager = arg;
	const struct manifest *manifest = atomic_load(&pager->manifest);
	struct backend *backend = pager->guest->backend;
	struct backend_event events[BACKEND_EVENTS_MAX];
	struct request request = { .len = 0 };
	size_t n, i;
	int r;

	_Static_assert(BACKEND_EVENTS_MAX <= REQUEST_MAX_ENTRIES, "the events of one read fit into one request");
	do {
		r = backend->ops->wait_events(backend, pager->session.stop_fd, events, BACKEND_EVENTS_MAX, &n);
		if (r < 0) {
			session_end(&pager->session, SESSION_LOCAL, r, r == -ENODEV ? "the VM is gone" :
				    "cannot read events of the VM: %s", strerror(-r));
			break;
		}
		for (i = 0; i < n && r == 0; i++)
			r = take_event(pager, manifest, &events[i], stats_now_us(), &request);
		if (r == 0)
			send_request(pager, &request);
	} while (r == 0 && !atomic_load(&pager->session.stop));
	return NULL;
}

/* Missing pages of one region one by one: the source sends no neighbour that it has sent before. */
static void sweep_region(const struct manifest_region *region, const uint64_t *map, struct request *request)
{
	uint64_t i;

	for (i = 0; i < region->n_pages && request->len < sizeof(request->body); i++)
		if (bitmap_test(map, i))
			add_entry(request, region->gfn + i, region->gfn + i, 1);
}

void pager_sweep(struct pager *pager)
{
	const struct manifest *manifest = atomic_load(&pager->manifest);
	struct request request = { .len = 0 };
	uint32_t k;
	int r = 0;

	for (k = 0; k < manifest->n_regions && request.len < sizeof(request.body) && r == 0; k++) {
		const struct manifest_region *region = &manifest->regions[k];
		uint64_t *map = calloc(bitmap_words(region->n_pages), sizeof(uint64_t));

		if (map == NULL)
			return;	/* again at the next tick */
		r = pager->guest->backend->ops->query(pager->guest->backend, BACKEND_MISSING, region->gfn,
						      region->n_pages, map, NULL, NULL);
		if (r == 0)
			sweep_region(region, map, &request);
		free(map);
	}
	if (r == 0 && request.len > 0) {
		log_info("no page comes: asking for %u missing ones", request.len / REQUEST_ENTRY_LEN);
		send_request(pager, &request);
	}
}
