/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define PATIENT_MS 120000	/* a figure of a machine that is too busy is worth more than none */

static uint64_t word_of(uint64_t gfn, uint64_t i)
{
	return (gfn * 512 + i + 1) * 0x9e3779b97f4a7c15ull;
}

static void fill(struct fake_vm *vm, uint64_t n_pages)
{
	uint64_t gfn, i;

	for (gfn = 0; gfn < n_pages; gfn++) {
		uint64_t *page = (uint64_t *)(void *)fake_vm_page(vm, gfn);

		for (i = 0; i < FAKE_PAGE / sizeof(*page); i++)
			page[i] = word_of(gfn, i);
	}
}

void move_begin(struct move *move, uint64_t n_pages, uint32_t window_pages)
{
	struct duo *duo = &move->duo;

	need(setenv("TEST_VM", "uffd", 1) == 0, "setenv");
	duo_init(duo, n_pages, 0);
	fill(&duo->source_vm, n_pages);
	duo->pager_config.window_pages = window_pages;
	duo->source_config.peer_ms = duo->pager_config.peer_ms = PATIENT_MS;
	duo->source_config.connect_ms = duo->source_config.handshake_ms = PATIENT_MS;
	duo->pager_config.connect_ms = duo->pager_config.handshake_ms = PATIENT_MS;
	need(duo_open(duo) == 0, duo->error);
	clock_backend_init(&move->clock, duo->pager->guest->backend);
	duo->pager->guest->backend = &move->clock.backend;
	pager_pause(duo->pager, true);
	stay_on(SIDE_SOURCE);	/* its first thread starts here, which starts the others */
	need(source_prepare(duo->source) == 0, "connecting");
	stay_on(SIDE_PAGER);
	need(duo_wait_source(duo, GMEM_PHASE_ACCEPTED) == GMEM_PHASE_ACCEPTED &&
	     duo_wait_pager(duo, GMEM_PHASE_ACCEPTED) == GMEM_PHASE_ACCEPTED, "the handshake");
	need(duo_start(duo) == 0, "START");
}

void move_finish(struct move *move)
{
	struct duo *duo = &move->duo;

	need(duo_wait_pager(duo, GMEM_PHASE_COMPLETE) == GMEM_PHASE_COMPLETE &&
	     duo_wait_source(duo, GMEM_PHASE_COMPLETE) == GMEM_PHASE_COMPLETE, "the move");
	need(duo_first_difference(duo) < 0, "the comparison of both memories");
	duo_fini(duo);
}
