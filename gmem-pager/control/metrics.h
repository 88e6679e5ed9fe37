/* SPDX-License-Identifier: MIT */
/* A snapshot in Prometheus' text format; docs/control.md names each metric. */
#ifndef GMEM_PAGER_CONTROL_METRICS_H
#define GMEM_PAGER_CONTROL_METRICS_H

#include "report.h"

#define METRICS_MAX 16384u	/* bytes, the final NUL included */

/* Bytes written to @ret_text (METRICS_MAX), without the final NUL. */
size_t metrics_print(const struct report_names *names, const struct snapshot *snapshot, char *ret_text);

#endif
