/* SPDX-License-Identifier: MIT */
/* A snapshot as JSON: docs/control.md, gmem-control.schema.json. */
#ifndef GMEM_PAGER_CONTROL_REPORT_H
#define GMEM_PAGER_CONTROL_REPORT_H

#include <json-c/json.h>

#include "snapshot.h"

/* What does not change while a service runs.  Borrowed strings. */
struct report_names {
	const char *program;		/* "gmem-pager" */
	const char *ticket_hex;		/* 64 digits */
	const char *evidence;		/* kind of this side's: "pinned-key", "software", "tsm", "tpm" */
	const char *sandbox;		/* the stages that are on, "off"; NULL: not known */
	const char *snapshot_root;	/* of the one that is restored, 64 digits; NULL: none is */
	bool may_be_old;		/* nothing says that it is the last one of its VM */
	bool gives_software;		/* this side proves nothing about its machine */
	bool takes_software;		/* the policy believes such evidence of the other side */
};

/* The member "status" of an answer; the caller's.  NULL: no memory. */
struct json_object *report_status(const struct report_names *names, const struct snapshot *snapshot, uint64_t now_us);

/* The map's cells as an array of percents. */
struct json_object *report_map(const struct snapshot *snapshot);

/* What software keys are worth; NULL: none are given nor believed. */
const char *report_warning(const struct report_names *names);

/* What an operator can do now; NULL: nothing is needed. */
const char *report_advice(const struct snapshot *snapshot);

/* "2026-11-23T12:00:00Z"; @len at least 32. */
const char *report_time(time_t when, char *ret_text, size_t len);

#endif
