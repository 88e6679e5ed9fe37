// SPDX-License-Identifier: MIT
#include <string.h>

#include "coverage.h"
#include "pager.h"
#include "source.h"

/* By index: where cell @cell of @n_cells begins. */
static uint64_t begin_of(uint64_t n_pages, uint32_t n_cells, uint32_t cell)
{
	return n_pages / n_cells * cell + n_pages % n_cells * cell / n_cells;
}

static uint8_t percent(uint64_t part, uint64_t whole)
{
	return part >= whole ? 100 : (uint8_t)(part * 100u / whole);
}

/* Missing pages among the indexes from @begin to @end, a cell may hold parts of several regions. */
static int count_missing(struct guest *guest, uint64_t begin, uint64_t end, uint64_t *ret_n)
{
	const struct manifest *layout = guest->layout;
	uint64_t n_missing = 0, n_set = 0, from, to;
	uint32_t k;
	int r = 0;

	for (k = 0; k < layout->n_regions && r == 0; k++) {
		const struct manifest_region *region = &layout->regions[k];

		from = begin > region->first_index ? begin : region->first_index;
		to = end < region->first_index + region->n_pages ? end : region->first_index + region->n_pages;
		if (from >= to)
			continue;
		r = guest->backend->ops->query(guest->backend, BACKEND_MISSING, region->gfn + (from - region->first_index),
					       to - from, NULL, &n_set, NULL);
		n_missing += n_set;
	}
	*ret_n = n_missing;
	return r;
}

uint32_t coverage_pager(struct pager *pager, uint32_t n_cells, uint8_t *ret_cells)
{
	const bool whole = session_get_phase(&pager->session, NULL, NULL) == GMEM_PHASE_COMPLETE;
	uint64_t begin, end, n_missing;
	uint32_t i;

	if (pager->guest == NULL || pager->guest->layout->n_pages == 0)
		return 0;
	if (pager->guest->layout->n_pages < n_cells)
		n_cells = (uint32_t)pager->guest->layout->n_pages;
	memset(ret_cells, whole ? 100 : 0, n_cells);
	for (i = 0; i < n_cells && !whole && pager->guest->backend != NULL; i++) {
		begin = begin_of(pager->guest->layout->n_pages, n_cells, i);
		end = begin_of(pager->guest->layout->n_pages, n_cells, i + 1);
		if (count_missing(pager->guest, begin, end, &n_missing) == 0)
			ret_cells[i] = percent(end - begin - (n_missing < end - begin ? n_missing : end - begin), end - begin);
	}
	return n_cells;
}

static uint64_t count_sent(const atomic_uint_fast64_t *sent, uint64_t begin, uint64_t end)
{
	uint64_t n = 0, word, bits, at;

	for (at = begin; at < end; at = (word + 1) * 64) {
		word = at / 64;
		bits = atomic_load_explicit(&sent[word], memory_order_relaxed) >> at % 64 << at % 64;
		if (end - word * 64 < 64)
			bits &= (1ull << (end - word * 64)) - 1;
		n += (uint64_t)__builtin_popcountll(bits);
	}
	return n;
}

uint32_t coverage_source(struct source *source, uint32_t n_cells, uint8_t *ret_cells)
{
	const struct manifest *manifest = atomic_load(&source->manifest);
	const bool whole = session_get_phase(&source->session, NULL, NULL) == GMEM_PHASE_COMPLETE;
	uint64_t begin, end;
	uint32_t i;

	if (manifest == NULL || manifest->n_pages == 0)
		return 0;
	if (manifest->n_pages < n_cells)
		n_cells = (uint32_t)manifest->n_pages;
	for (i = 0; i < n_cells; i++) {
		begin = begin_of(manifest->n_pages, n_cells, i);
		end = begin_of(manifest->n_pages, n_cells, i + 1);
		ret_cells[i] = whole ? 100 : percent(count_sent(source->sent, begin, end), end - begin);
	}
	return n_cells;
}
