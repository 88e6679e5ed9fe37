/* SPDX-License-Identifier: MIT */
/* Both sides of a move in one process, over 127.0.0.1, with two fake VMs. */
#ifndef TESTS_DUO_H
#define TESTS_DUO_H

#include <stdbool.h>

#include "fake_vm.h"
#include "pager.h"
#include "patience.h"
#include "source.h"

#define DUO_ERROR_LEN 256u

struct duo {
	char dir[64];			/* removed at the end */
	char address[32];		/* the pager's */
	char source_address[32];	/* where the source connects: the same, if a test does not change it */
	struct session_config source_config, pager_config;
	struct attest_keypair *source_key, *pager_key;
	struct fake_vm source_vm, pager_vm;
	struct gmem_region source_regions[2], pager_regions[2];
	size_t n_regions;
	struct source *source;
	struct pager *pager;
	struct states states;		/* what the source hands over */
	char error[DUO_ERROR_LEN];	/* of the last call */
};

/*
 * Two VMs: the source's pages filled with a pattern (every 3rd page of the first
 * half a hole, every 7th zero), the pager's empty.  Timeouts are short.  The region
 * with guest_memfd has a shared view too; a second region is shared alone.
 */
void duo_init(struct duo *duo, uint64_t n_private, uint64_t n_shared);
void duo_fini(struct duo *duo);

/* 127.0.0.1 and a port that was free a moment ago; @len bytes. */
void duo_choose_address(char *ret_address, size_t len);

/*
 * Before duo_open(): after a first burst the background stream is a page a second, so that a move lasts as long as
 * its test wants.  Until it is let go.
 */
void duo_hold_stream(struct duo *duo);
int duo_let_stream_go(struct duo *duo);

/* Make both sides and attach the VMs; 0 or -errno of what failed first. */
int duo_open(struct duo *duo);

/* Wait until the phase is @phase or final; returns the phase. */
enum gmem_phase duo_wait_source(struct duo *duo, enum gmem_phase phase);
/* Ticks too. */
enum gmem_phase duo_wait_pager(struct duo *duo, enum gmem_phase phase);

/* Up to both ACCEPTED. */
int duo_prepare(struct duo *duo);
/* From there to both RUNNING; the result of what failed first. */
int duo_start(struct duo *duo);

/* Does the ledger file of that side say @state? */
bool duo_ledger_says(struct duo *duo, const char *role, const char *state);

/* The pager's VM has, byte for byte, what the source's has; -1 or the first GFN that differs. */
int64_t duo_first_difference(struct duo *duo);

/* What the session's sentence is. */
const char *duo_source_error(struct duo *duo, int *ret_status);
const char *duo_pager_error(struct duo *duo, int *ret_status);

#endif
