/* SPDX-License-Identifier: MIT */
/* A map of memory for people: it is cut into equal parts, and each is so many percent present, or sent. */
#ifndef GMEM_PAGER_COVERAGE_H
#define GMEM_PAGER_COVERAGE_H

#include <stdint.h>

struct pager;
struct source;

/*
 * Owner.  At most @n_cells, as many as there are pages.  Returns the number of cells filled: 0 before there is any
 * memory.  By the kernel's account, one query for each cell and region; what cannot be asked is 0.
 */
uint32_t coverage_pager(struct pager *pager, uint32_t n_cells, uint8_t *ret_cells);

/* The same for what was sent, or is known to be at the destination. */
uint32_t coverage_source(struct source *source, uint32_t n_cells, uint8_t *ret_cells);

#endif
