/* SPDX-License-Identifier: MIT */
/* What gmemctl prints of a session: lines for people, or JSON. */
#ifndef GMEM_PAGER_CTL_PRINT_H
#define GMEM_PAGER_CTL_PRINT_H

#include <json-c/json.h>

#include "ctl_session.h"

/* The command's word on gmemctl's command line. */
const char *ctl_print_command_name(enum attest_event event);

/* One line of a list. */
void ctl_print_line(const struct ctl_entry *entry);

/* All that is known, and the ways out as commands. */
void ctl_print_all(const struct ctl_entry *entry);

/* The same as an object; the caller's. */
struct json_object *ctl_print_json(const struct ctl_entry *entry);

/* Why a record cannot be read, in words. */
const char *ctl_print_unreadable(int status);

#endif
