// SPDX-License-Identifier: MIT
/*
 * Which pages are present at the destination, as its kernel says: MAP records.  Only this decides
 * what the source leaves out on a connection; what it sent on an earlier one may be lost.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pager.h"
#include "source.h"
#include "wire.h"

struct part {
	uint64_t first;		/* index */
	uint64_t gfn;
	uint32_t n_pages;
};

static int send_part(struct pager *pager, const struct part *part, uint64_t *map, uint8_t *body)
{
	struct backend *backend = pager->guest->backend;
	uint32_t form, len = MAP_HEAD_LEN, i;
	uint64_t n_missing = 0;
	int r;

	memset(map, 0, bitmap_words(part->n_pages) * sizeof(*map));
	r = backend->ops->query(backend, BACKEND_MISSING, part->gfn, part->n_pages, map, &n_missing, NULL);
	if (r < 0)
		return r;
	form = n_missing == 0 ? MAP_ALL : n_missing == part->n_pages ? MAP_NONE : MAP_BITS;
	wire_put32(wire_put32(wire_put64(body, part->first), part->n_pages), form);
	if (form == MAP_BITS) {
		len += (part->n_pages + 7) / 8;
		memset(body + MAP_HEAD_LEN, 0, len - MAP_HEAD_LEN);
		for (i = 0; i < part->n_pages; i++)
			if (!bitmap_test(map, i))
				body[MAP_HEAD_LEN + i / 8] |= (uint8_t)(1u << (i % 8));
	}
	return session_send_op(&pager->session, ATTEST_LANE_CONTROL, ATTEST_OP_MAP, body, len);
}

int pager_send_map(struct pager *pager)
{
	const struct manifest *layout = pager->guest->layout;
	uint64_t *map = calloc(bitmap_words(MAP_PART_PAGES), sizeof(*map));
	uint8_t *body = malloc(MAP_HEAD_LEN + MAP_PART_PAGES / 8);
	uint64_t done;
	uint32_t k;
	int r = map == NULL || body == NULL ? -ENOMEM : 0;

	for (k = 0; k < layout->n_regions && r == 0; k++) {
		const struct manifest_region *region = &layout->regions[k];

		for (done = 0; done < region->n_pages && r == 0; done += MAP_PART_PAGES) {
			const uint64_t left = region->n_pages - done;
			const struct part part = {
				.first = region->first_index + done, .gfn = region->gfn + done,
				.n_pages = left < MAP_PART_PAGES ? (uint32_t)left : MAP_PART_PAGES,
			};

			r = send_part(pager, &part, map, body);
		}
	}
	free(map);
	free(body);
	return r;
}

/* ---- source ---- */

static void mark(struct source *source, uint64_t first, uint32_t n_pages, uint32_t form, const uint8_t *bits)
{
	uint32_t i;

	for (i = 0; i < n_pages && form != MAP_NONE; i++)
		if (form == MAP_ALL || (bits[i / 8] >> (i % 8) & 1) != 0)
			(void)source_claim(source, first + i);
}

int source_take_map(struct source *source, const uint8_t *body, uint32_t body_len)
{
	const struct manifest *manifest = atomic_load(&source->manifest);
	struct wire_reader reader = { .at = body, .left = body_len };
	const uint64_t first = wire_get64(&reader);
	const uint32_t n_pages = wire_get32(&reader), form = wire_get32(&reader);

	if (reader.failed || manifest == NULL || source->map_next == manifest->n_pages ||
	    first != source->map_next || n_pages == 0 || n_pages > MAP_PART_PAGES ||
	    n_pages > manifest->n_pages - first || form > MAP_BITS)
		return -EPROTO;
	if (reader.left != (form == MAP_BITS ? (n_pages + 7) / 8 : 0))
		return -EPROTO;
	if (form == MAP_BITS && n_pages % 8 != 0 && reader.at[reader.left - 1] >> (n_pages % 8) != 0)
		return -EPROTO;
	mark(source, first, n_pages, form, reader.at);
	source->map_next += n_pages;
	if (source->map_next == manifest->n_pages)
		pace_release(&source->pace);
	return 0;
}
