/* SPDX-License-Identifier: MIT */
/*
 * report: what is known of guest and move, as JSON.
 */
#ifndef VMM_REPORT_H
#define VMM_REPORT_H

#include "machine.h"
#include "move.h"

/** One line, for the status command. @param ret_text malloc'ed, the caller frees. */
int report_status(struct machine *machine, struct move *move, char **ret_text);

/** Write the final report to @p path, replacing it when done. The machine has ended. */
int report_write(struct machine *machine, struct move *move, const char *path);

#endif
