/* SPDX-License-Identifier: MIT */
/*
 * A source that serves a snapshot (session_config.restore): what a VMM asks of one is done here, step by step, as the
 * owner's tick.  Everything else is an ordinary source's.
 */
#ifndef GMEM_PAGER_RESTORE_H
#define GMEM_PAGER_RESTORE_H

#include "source.h"

/* Owner, several times a second. */
void restore_tick(struct source *source);

/* Owner, after source_stop(): what stands beside a record that is over is not needed any more. */
void restore_stop(struct source *source);

#endif
