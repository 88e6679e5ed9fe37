// SPDX-License-Identifier: MIT
#include "../coverage.h"
#include "../pager.h"
#include "../source.h"
#include "../suspend.h"
#include "sides.h"

static void progress_of_pager(void *opaque, struct gmem_progress *ret_progress)
{
	pager_progress(opaque, ret_progress);
}

static const char *backend_of(const struct guest *guest)
{
	return guest != NULL ? guest->backend_name : NULL;
}

/* After progress_of_pager(): n_missing is of this moment. */
static void look_at_pager(void *opaque, struct snapshot_side *ret_side)
{
	struct pager *pager = opaque;

	ret_side->backend = backend_of(pager->guest);
	ret_side->n_waiting = atomic_load_explicit(&pager->wanted.n_waiting, memory_order_relaxed);
	ret_side->oldest_us = atomic_load_explicit(&pager->wanted.oldest_us, memory_order_relaxed);
	ret_side->paused = credit_is_paused(&pager->credit);
	ret_side->has_missing = true;
	ret_side->n_missing = pager->n_missing;
}

static void pause_pager(void *opaque, bool pause)
{
	pager_pause(opaque, pause);
}

static uint32_t map_of_pager(void *opaque, uint32_t n_cells, uint8_t *ret_cells)
{
	return coverage_pager(opaque, n_cells, ret_cells);
}

static void progress_of_source(void *opaque, struct gmem_progress *ret_progress)
{
	source_progress(opaque, ret_progress);
}

/* What else a source knows is in the session. */
static void look_at_source(void *opaque, struct snapshot_side *ret_side)
{
	const struct source *source = opaque;

	ret_side->backend = backend_of(source->guest);
	ret_side->workset = workset_look(source->workset);
}

static uint32_t map_of_source(void *opaque, uint32_t n_cells, uint8_t *ret_cells)
{
	return coverage_source(opaque, n_cells, ret_cells);
}

static void look_at_suspend(void *opaque, struct snapshot_side *ret_side)
{
	const struct suspend *suspend = opaque;

	ret_side->backend = backend_of(suspend->guest);
}

static void progress_of_suspend(void *opaque, struct gmem_progress *ret_progress)
{
	suspend_progress(opaque, ret_progress);
}

static uint32_t map_of_suspend(void *opaque, uint32_t n_cells, uint8_t *ret_cells)
{
	return suspend_map(opaque, n_cells, ret_cells);
}

const struct desk_ops sides_pager = {
	.progress = progress_of_pager, .look = look_at_pager, .pause = pause_pager, .map = map_of_pager,
};

const struct desk_ops sides_source = {
	.progress = progress_of_source, .look = look_at_source, .map = map_of_source,
};

const struct desk_ops sides_suspend = {
	.progress = progress_of_suspend, .look = look_at_suspend, .map = map_of_suspend,
};
