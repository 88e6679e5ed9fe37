// SPDX-License-Identifier: MIT
/*
 * Demand faults at the source: each REQUEST is answered at once, all wanted pages
 * of it first, a record each, then the neighbours that were not sent before; none
 * while a working set is recorded: a neighbour that is touched is asked for then.
 */
#include <errno.h>

#include "messages.h"
#include "snapshot/format.h"
#include "source.h"
#include "urgent.h"
#include "wire.h"

_Static_assert(URGENT_MAX_RUN <= 32, "a window has few parts");

struct entry {
	uint64_t wanted;	/* indices */
	uint64_t first;
	uint32_t n_pages;
};

static int parse_entry(const struct manifest *manifest, struct wire_reader *reader, struct entry *ret_entry)
{
	const uint64_t wanted = wire_get64(reader), first = wire_get64(reader);
	const uint32_t n_pages = wire_get32(reader);
	const struct manifest_region *region;

	if (reader->failed || n_pages == 0 || n_pages > URGENT_MAX_RUN || wanted < first || wanted - first >= n_pages)
		return -EPROTO;
	if (manifest_index(manifest, first, &ret_entry->first) < 0)
		return -EPROTO;
	region = manifest_region_of(manifest, ret_entry->first);
	if (first - region->gfn > region->n_pages - n_pages || n_pages > region->n_pages)
		return -EPROTO;
	ret_entry->wanted = ret_entry->first + (wanted - first);
	ret_entry->n_pages = n_pages;
	return 0;
}

size_t urgent_parts(uint32_t wanted, uint32_t n_pages, struct urgent_part ret_parts[URGENT_MAX_PARTS])
{
	uint32_t first = 0;
	size_t n = 0, i;

	while (n_pages > 1 && n < URGENT_MAX_PARTS) {
		const uint32_t half = n_pages / 2;
		const bool in_second = wanted >= first + half;

		ret_parts[n++] = (struct urgent_part){ in_second ? first : first + half, in_second ? half : n_pages - half };
		first += in_second ? half : 0;
		n_pages = in_second ? n_pages - half : half;
	}
	for (i = 0; i < n / 2; i++) {
		const struct urgent_part part = ret_parts[i];

		ret_parts[i] = ret_parts[n - 1 - i];
		ret_parts[n - 1 - i] = part;
	}
	return n;
}

void urgent_widen(uint64_t region_first, uint64_t region_n_pages, uint64_t chunk, uint64_t *first, uint32_t *n_pages)
{
	const uint64_t region_end = region_first + region_n_pages, last = *first + *n_pages - 1;
	uint64_t end = last - last % chunk + chunk;

	if (end > region_end)
		end = region_end;
	*first -= *first % chunk;
	if (*first < region_first)
		*first = region_first;
	*n_pages = (uint32_t)(end - *first);
}

/* Runs of pages that nobody has sent yet, of @n_pages from @index on. */
static int send_unsent(struct source *source, uint64_t index, uint32_t n_pages)
{
	const uint64_t end = index + n_pages;
	uint32_t n, body_len;
	int r;

	while (index < end) {
		for (n = 0; index + n < end && source_claim(source, index + n); n++)
			continue;
		if (n > 0) {
			r = source_send_run(source, ATTEST_LANE_URGENT, index, n, source->urgent_body, &body_len);
			if (r < 0)
				return r;
		}
		index += n + 1u;	/* the one after the run was sent before */
	}
	return 0;
}

/* The rest of a window of up to URGENT_MAX_RUN pages around @wanted. */
static int send_around(struct source *source, uint64_t wanted, uint64_t first, uint32_t n_pages)
{
	struct urgent_part parts[URGENT_MAX_PARTS];
	const size_t n_parts = urgent_parts((uint32_t)(wanted - first), n_pages, parts);
	size_t i;
	int r = 0;

	for (i = 0; i < n_parts && r == 0; i++)
		r = send_unsent(source, first + parts[i].first, parts[i].n_pages);
	return r;
}

/* By windows of a record's length: the one that the wanted page is in, those behind it, those before it. */
static int send_neighbours(struct source *source, const struct entry *entry)
{
	const uint32_t n_windows = (entry->n_pages + URGENT_MAX_RUN - 1) / URGENT_MAX_RUN;
	const uint32_t own = (uint32_t)(entry->wanted - entry->first) / URGENT_MAX_RUN;
	uint32_t i;
	int r = 0;

	for (i = 0; i < n_windows && r == 0; i++) {
		const uint32_t at = (own + i) % n_windows * URGENT_MAX_RUN;
		const uint32_t left = entry->n_pages - at, n = left < URGENT_MAX_RUN ? left : URGENT_MAX_RUN;

		r = i == 0 ? send_around(source, entry->wanted, entry->first + at, n) :
		    send_unsent(source, entry->first + at, n);
	}
	return r;
}

/* A snapshot's chunk is opened whole: all of it goes, behind what was asked for, and nobody has to ask for the rest. */
static void widen(const struct source *source, const struct manifest *manifest, struct entry *entry)
{
	const struct manifest_region *region = manifest_region_of(manifest, entry->wanted);

	if (source->session.config->restore != NULL)
		urgent_widen(region->first_index, region->n_pages, SNAPFILE_PAGES, &entry->first, &entry->n_pages);
}

static int answer(struct source *source, const struct attest_record *record, const uint8_t *body)
{
	const struct manifest *manifest = atomic_load(&source->manifest);
	struct wire_reader reader = { .at = body, .left = record->body_len };
	const uint32_t n_entries = record->body_len / REQUEST_ENTRY_LEN;
	struct entry entries[REQUEST_MAX_ENTRIES];
	uint32_t i, body_len;
	int r;

	if (record->op != ATTEST_OP_REQUEST || manifest == NULL || n_entries == 0 ||
	    n_entries > REQUEST_MAX_ENTRIES || record->body_len % REQUEST_ENTRY_LEN != 0)
		return -EPROTO;
	for (i = 0; i < n_entries; i++)
		if (parse_entry(manifest, &reader, &entries[i]) < 0)
			return -EPROTO;
	stats_add(&source->session.stats.n_faults, n_entries);
	for (i = 0; i < n_entries; i++) {
		workset_ask(source->workset, entries[i].wanted);
		(void)source_claim(source, entries[i].wanted);	/* sent again if it was: somebody waits for it */
		r = source_send_run(source, ATTEST_LANE_URGENT, entries[i].wanted, 1, source->urgent_body, &body_len);
		if (r < 0)
			return r;
	}
	for (i = 0; i < n_entries && !workset_is_recording(source->workset); i++) {
		widen(source, manifest, &entries[i]);
		r = send_neighbours(source, &entries[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

void *source_urgent_thread(void *arg)
{
	struct source *source = arg;
	struct lane *lane = &source->session.link.lanes[ATTEST_LANE_URGENT];
	struct attest_record record;
	const uint8_t *body;
	int r;

	do {
		r = lane_recv(lane, -1, &record, &body);
		if (r < 0)
			break;
		pace_urgent_begin(&source->pace);
		r = answer(source, &record, body);
		pace_urgent_end(&source->pace);
	} while (r == 0);
	session_lane_failed(&source->session, ATTEST_LANE_URGENT, r);
	return NULL;
}
