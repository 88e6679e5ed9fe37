/* SPDX-License-Identifier: MIT */
/*
 * State blobs of a VM, collected part by part, in locked memory.  Used for what
 * the source VMM hands over and for what STATE records bring; parts come in
 * order: state 0 from offset 0, then state 1, ...
 */
#ifndef GMEM_PAGER_STATES_H
#define GMEM_PAGER_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gmem/gmem.h>

struct states {
	uint32_t n_states;		/* announced by each part; 0: none seen */
	uint32_t n_filled;		/* complete ones */
	uint32_t offset;		/* of the next part of state n_filled */
	struct gmem_state states[GMEM_MAX_STATES];
};

struct states_part {
	char name[GMEM_STATE_NAME_LEN];
	uint32_t index;
	uint32_t n_states;
	uint32_t total_len;
	uint32_t offset;
};

void states_init(struct states *states);
void states_fini(struct states *states);

/*
 * -EPROTO out of order, too large, a bad or doubled name; -ENOMEM no memory, or
 * it cannot be locked.  The collection is unusable after a failure.
 */
int states_add(struct states *states, const struct states_part *part, const void *data, size_t len);

/* The same names with the same bytes, in the same order? */
bool states_equal(const struct states *states, const struct states *other);

/* 0 if exactly @n_states have come whole, else -EPROTO. */
int states_check(const struct states *states, uint32_t n_states);

#endif
