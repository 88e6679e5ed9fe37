/* SPDX-License-Identifier: MIT */
/* The lines that a control socket answers with, as objects that are the caller's; NULL: no memory. */
#ifndef GMEM_PAGER_CONTROL_ANSWER_H
#define GMEM_PAGER_CONTROL_ANSWER_H

#include "hub.h"

/* @verb: NULL if it is not known. */
struct json_object *answer_error(const char *verb, const char *error, const char *sentence);

/* A verb that changed something, or wait: with the phase and state of now. */
struct json_object *answer_done(const struct ask *ask, const struct snapshot *snapshot);

/* status, and each report of subscribe. */
struct json_object *answer_status(const struct ask *ask, const struct report_names *names,
				  const struct snapshot *snapshot, uint64_t now_us);

struct json_object *answer_metrics(const struct report_names *names, const struct snapshot *snapshot);

/* The word for how an order ended. */
const char *answer_result_name(enum hub_result result);

#endif
