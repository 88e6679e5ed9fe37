/* SPDX-License-Identifier: MIT */
/*
 * snapshot: a paused guest with shared RAM in a file, and back.  A debugging
 * aid: it shows whether the state that travels is complete, without a pager.
 * The file is not encrypted.
 */
#ifndef VMM_SNAPSHOT_H
#define VMM_SNAPSHOT_H

#include "machine.h"

/** Write state and memory of the paused machine. @retval -EINVAL RAM is private. */
int snapshot_save(struct machine *machine, const char *path);

/** Read them into a machine that has not run. */
int snapshot_restore(struct machine *machine, const char *path);

#endif
