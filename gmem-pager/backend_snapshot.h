/* SPDX-License-Identifier: MIT */
/* The memory that a snapshot file holds, as a source's; see backend.h. */
#ifndef GMEM_PAGER_BACKEND_SNAPSHOT_H
#define GMEM_PAGER_BACKEND_SNAPSHOT_H

#include "backend.h"
#include "snapshot/reader.h"

/* @reader is borrowed, and outlives it.  @again: a process before this one served it, so it is frozen. */
int backend_snapshot_new(struct snapfile_reader *reader, bool again, struct backend **ret_backend);

#endif
