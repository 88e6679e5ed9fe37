/* SPDX-License-Identifier: MIT */
/* Memory for guest pages and state in the clear: locked, never dumped, wiped when freed. */
#ifndef GMEM_PAGER_SECMEM_H
#define GMEM_PAGER_SECMEM_H

#include <stddef.h>

/* Keep the process from being dumped or traced by its own user, and let it lock memory. */
void secmem_harden_process(void);

/* @len bytes, guarded at both ends.  NULL if there is no memory or it cannot be locked (errno). */
void *secmem_alloc(size_t len);

/* Wipe and free; NULL is allowed. */
void secmem_free(void *memory);

#endif
