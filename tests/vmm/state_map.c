// SPDX-License-Identifier: MIT
/*
 * The private and shared map, as runs in ascending order that cover both slots.
 */
#include <errno.h>
#include <linux/kvm_demand_paging.h>
#include <stdlib.h>
#include <unistd.h>

#include "error.h"
#include "state.h"

#define PAGE 4096u
#define MAX_RUNS 32768u

struct state_run {
	uint64_t gfn;
	uint64_t n_pages;
	uint32_t is_private;
	uint32_t pad;
};

static bool bit(const uint64_t *bitmap, uint64_t n)
{
	return bitmap[n / 64] >> (n % 64) & 1;
}

static int add_runs(const struct memory_slot *slot, const uint64_t *bitmap, struct state_run *runs, size_t *n_runs)
{
	uint64_t first = slot->gpa / PAGE, n_pages = slot->size / PAGE, start = 0;

	for (uint64_t i = 1; i <= n_pages; i++) {
		if (i < n_pages && bit(bitmap, i) == bit(bitmap, start))
			continue;
		if (*n_runs == MAX_RUNS)
			return error_set(-ENOSPC, "the map of private memory has more than %u runs", MAX_RUNS);
		runs[(*n_runs)++] = (struct state_run){ first + start, i - start, bit(bitmap, start), 0 };
		start = i;
	}
	return 0;
}

static int save_slot(const struct machine *machine, const struct memory_slot *slot, int session_fd,
		     struct state_run *runs, size_t *n_runs)
{
	uint64_t n_pages = slot->size / PAGE;
	uint64_t *bitmap = calloc(n_pages / 64 + 1, sizeof(*bitmap));
	int err = 0;

	if (!bitmap)
		return error_set(-ENOMEM, "no memory for the map of private memory");
	if (machine->memory.is_private)
		err = paging_query_private(session_fd, slot->gpa / PAGE, n_pages, bitmap);
	if (!err)
		err = add_runs(slot, bitmap, runs, n_runs);
	free(bitmap);
	return err;
}

int state_save_map(struct machine *machine, struct blob_set *set)
{
	struct state_run *runs = calloc(MAX_RUNS, sizeof(*runs));
	size_t n_runs = 0;
	int session_fd = -1, err = 0;

	if (!runs)
		return error_set(-ENOMEM, "no memory for the map of private memory");
	if (machine->memory.is_private)
		err = paging_create_session(&machine->paging, KVM_DP_RIGHT_QUERY, &session_fd);
	for (unsigned int i = 0; i < MEMORY_N_SLOTS && !err; i++)
		err = save_slot(machine, &machine->memory.slots[i], session_fd, runs, &n_runs);
	if (!err)
		err = blob_put(set, -1, BLOB_MEMORY_MAP, runs, sizeof(runs[0]), n_runs);
	if (session_fd >= 0)
		close(session_fd);
	free(runs);
	return err;
}

static const struct memory_slot *find_slot(const struct machine *machine, const struct state_run *run)
{
	uint64_t gpa = run->gfn * PAGE;

	for (unsigned int i = 0; i < MEMORY_N_SLOTS; i++) {
		const struct memory_slot *slot = &machine->memory.slots[i];

		if (gpa >= slot->gpa && gpa < slot->gpa + slot->size && run->n_pages <= (slot->gpa + slot->size - gpa) / PAGE)
			return slot;
	}
	return NULL;
}

static int check_run(const struct machine *machine, const struct state_run *run, uint64_t expected_gfn)
{
	const struct memory_slot *slot;

	if (run->gfn != expected_gfn || !run->n_pages || run->is_private > 1)
		return error_set(-EPROTO, "state vm.map has a gap, an overlap or an empty run at GFN 0x%llx",
				 (unsigned long long)run->gfn);
	slot = find_slot(machine, run);
	if (!slot)
		return error_set(-EPROTO, "state vm.map has GFN 0x%llx outside of the memslots", (unsigned long long)run->gfn);
	if (run->is_private && slot->gmem_fd < 0)
		return error_set(-EPROTO, "state vm.map says private for GFN 0x%llx, which has no guest_memfd",
				 (unsigned long long)run->gfn);
	return 0;
}

int state_restore_map(struct machine *machine, const struct blob_set *set)
{
	const struct memory_slot *last = memory_shared(&machine->memory);
	const struct state_run *runs;
	uint64_t next_gfn = 0;
	const void *items;
	size_t n_runs;
	int err;

	err = blob_open(set, -1, BLOB_MEMORY_MAP, sizeof(*runs), &items, &n_runs);
	runs = items;
	/* All is checked before anything is changed. */
	for (size_t i = 0; i < n_runs && !err; i++) {
		err = check_run(machine, &runs[i], next_gfn);
		next_gfn = runs[i].gfn + runs[i].n_pages;
	}
	if (!err && next_gfn != (last->gpa + last->size) / PAGE)
		err = error_set(-EPROTO, "state vm.map ends at GFN 0x%llx, before memory does", (unsigned long long)next_gfn);
	/* RAM begins private at the destination, the shared area cannot be. */
	for (size_t i = 0; i < n_runs && !err; i++) {
		if (!runs[i].is_private && machine->memory.is_private && runs[i].gfn * PAGE < last->gpa)
			err = memory_set_private(&machine->memory, runs[i].gfn * PAGE, runs[i].n_pages * PAGE, false);
	}
	return err;
}
