// SPDX-License-Identifier: MIT
/*
 * The background stream at the source: every page that was not sent yet, in order, as credit allows; those of a working
 * set before all others.
 */
#include <errno.h>

#include "messages.h"
#include "source.h"
#include "wire.h"

/*
 * A guest that wakes from a snapshot asks for one page after another, and the file is read for both.  The stream gets a
 * record of 256 KiB in each QUIET_MAX_US all the same.
 */
#define QUIET_US 2000u
#define QUIET_MAX_US 16000u
#define RECORDS_PER_S 4u	/* at the least, down to one page in each */

/*
 * How long a record may be.  With a low limit they are short: a pager that hears nothing for 5 s takes pages for
 * lost (stall.h), and asks for them past the limit.
 */
static uint32_t run_max(struct source *source)
{
	const uint64_t bytes_per_s = limit_get(&source->limit);
	const uint64_t n_pages = bytes_per_s / ATTEST_PAGE_LEN / RECORDS_PER_S;

	if (workset_is_recording(source->workset))
		return 1;
	if (bytes_per_s == 0 || n_pages > BULK_MAX_RUN)
		return BULK_MAX_RUN;
	return n_pages > 0 ? (uint32_t)n_pages : 1;
}

/* The first page from @index on that was not sent, of @map alone if that is not NULL; n_pages: there is none. */
static uint64_t next_unsent(const struct source *source, const struct manifest *manifest, const uint64_t *map,
			    uint64_t index)
{
	uint64_t word, mask = UINT64_MAX << (index % 64);
	size_t i;

	for (i = (size_t)(index / 64); i < bitmap_words(manifest->n_pages); i++, mask = UINT64_MAX) {
		word = ~atomic_load(&source->sent[i]) & mask & (map != NULL ? map[i] : UINT64_MAX);
		if (word == 0)
			continue;
		index = (uint64_t)i * 64 + (uint64_t)__builtin_ctzll(word);
		return index < manifest->n_pages ? index : manifest->n_pages;
	}
	return manifest->n_pages;
}

/* Claim the run of up to @max unsent pages at @index, within its region.  0: that page was sent before. */
static uint32_t claim_run(struct source *source, const struct manifest *manifest, const uint64_t *map, uint64_t index,
			  uint32_t max)
{
	const struct manifest_region *region = manifest_region_of(manifest, index);
	const uint64_t left = region->n_pages - (index - region->first_index);
	uint32_t n = 0;

	while (n < left && n < max && (map == NULL || bitmap_test(map, index + n)) && source_claim(source, index + n))
		n++;
	return n;
}

/*
 * Leave by the limits and credit come first, so that what is claimed can be sent at once; credit last, because a
 * fault that is being answered shows there.
 */
static bool wait_leave(struct source *source, uint32_t max)
{
	return workset_wait(source->workset) && limit_wait(&source->limit, PAGES_BODY_MAX(max)) &&
	       pace_wait(&source->pace, PAGES_BODY_MAX(BULK_MAX_RUN));
}

static int send_run(struct source *source, uint64_t index, uint32_t n, bool of_set)
{
	uint32_t body_len;
	int r = source_send_run(source, ATTEST_LANE_BULK, index, n, source->bulk_body, &body_len);

	if (r < 0)
		return r;
	pace_spend(&source->pace, body_len);
	limit_spend(&source->limit, body_len);
	workset_spend(source->workset, body_len);
	if (of_set)
		workset_sent(source->workset, n);
	return 0;
}

/* The working set is what the guest waits for next; nothing else is. */
static void stand_back(struct source *source, const uint64_t *map)
{
	if (source->session.config->restore != NULL)
		pace_stand_back(&source->pace, map == NULL ? QUIET_US : 0, QUIET_MAX_US);
}

/* Twice through memory where there is a working set: first its pages alone. */
static int stream(struct source *source)
{
	const uint64_t *map = workset_map(source->workset);
	const struct manifest *manifest;
	uint64_t index = 0;
	uint32_t max, n;
	int r = 0;

	stand_back(source, map);
	while (r == 0) {
		max = run_max(source);
		if (!wait_leave(source, max))
			return 0;
		manifest = atomic_load(&source->manifest);
		if (manifest == NULL)
			return -EPROTO;
		index = next_unsent(source, manifest, map, index);
		if (index == manifest->n_pages && map == NULL)
			return 0;
		if (index == manifest->n_pages) {
			map = NULL;
			stand_back(source, map);
			index = 0;
			continue;
		}
		n = claim_run(source, manifest, map, index, max);
		if (n > 0)
			r = send_run(source, index, n, map != NULL);
	}
	return r;
}

void *source_bulk_thread(void *arg)
{
	struct source *source = arg;
	const int r = stream(source);

	if (r < 0)
		session_lane_failed(&source->session, ATTEST_LANE_BULK, r);
	return NULL;
}

void *source_credit_thread(void *arg)
{
	struct source *source = arg;
	struct lane *lane = &source->session.link.lanes[ATTEST_LANE_BULK];
	struct attest_record record;
	struct wire_reader reader;
	const uint8_t *body;
	uint64_t bytes;
	int r;

	do {
		r = lane_recv(lane, -1, &record, &body);
		if (r < 0)
			break;
		reader = (struct wire_reader){ .at = body, .left = record.body_len };
		bytes = wire_get64(&reader);
		if (record.op != ATTEST_OP_CREDIT || !wire_done(&reader) ||
		    session_get_phase(&source->session, NULL, NULL) < GMEM_PHASE_STARTED)
			r = -EPROTO;
		else if (pace_add_credit(&source->pace, bytes) < 0)
			r = -EPROTO;
	} while (r == 0);
	session_lane_failed(&source->session, ATTEST_LANE_BULK, r);
	return NULL;
}
