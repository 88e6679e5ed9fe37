// SPDX-License-Identifier: MIT
/* Pages that arrive, on the urgent and the bulk lane, go into the guest's memory. */
#include <errno.h>
#include <string.h>

#include "pager.h"
#ifdef GMEM_MUTANT_FLIP
#include "mutant.h"
#endif

static int fill(struct pager *pager, const struct attest_record *record, const uint8_t *body, bool demand)
{
	const struct manifest *manifest = atomic_load(&pager->manifest);
	struct stats *stats = &pager->session.stats;
	struct guest_counts counts = { 0 };
	char error[GUEST_ERROR_LEN];
	int r;

	if (record->op != ATTEST_OP_PAGES || manifest == NULL)
		return -EPROTO;
	r = guest_fill(pager->guest, manifest, record->gfn, record->n_pages, body, record->body_len, &counts, error,
		       sizeof(error));
	if (r < 0) {
		session_end(&pager->session, SESSION_LOCAL, r, "%s", error);
		return -ECANCELED;
	}
	wanted_filled(&pager->wanted, record->gfn, record->n_pages, stats_now_us(), stats);
	pager_count(pager, &counts, demand);
	if (counts.n_new > 0 && atomic_load(&stats->pages_demand) + atomic_load(&stats->pages_background) >=
	    atomic_load(&stats->pages_total))
		pager_check_complete(pager);
	return 0;
}

static void receive(struct pager *pager, enum attest_lane id)
{
	struct lane *lane = &pager->session.link.lanes[id];
	struct attest_record record;
	const uint8_t *body;
	int r = 0;

	while (r == 0) {
		r = lane_recv(lane, -1, &record, &body);
		if (r < 0)
			break;
#ifdef GMEM_MUTANT_FLIP
		mutant_flip(&record, (uint8_t *)(uintptr_t)body);
#endif
		r = fill(pager, &record, body, id == ATTEST_LANE_URGENT);
		if (r == 0 && id == ATTEST_LANE_BULK)
			r = credit_take(&pager->credit, record.body_len);
	}
	session_lane_failed(&pager->session, id, r);
}

void *pager_urgent_thread(void *arg)
{
	receive(arg, ATTEST_LANE_URGENT);
	return NULL;
}

void *pager_bulk_thread(void *arg)
{
	receive(arg, ATTEST_LANE_BULK);
	return NULL;
}
