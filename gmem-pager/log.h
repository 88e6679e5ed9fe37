/* SPDX-License-Identifier: MIT */
/* The daemon's log: one line a message, to stderr or a file.  Never secrets, never guest memory. */
#ifndef GMEM_PAGER_LOG_H
#define GMEM_PAGER_LOG_H

enum log_level { LOG_LEVEL_ERROR = 0, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#include <stdbool.h>

/*
 * @program: in front of each line; kept, not copied.
 * @spec:    "error", "warn", "info" or "debug", then optionally ":FILE"; NULL: "info".
 * @json:    a JSON object a line: "time" (UTC), "monotonic" (seconds), "program", "level", "message".
 * Returns 0, -EINVAL for an unknown level, -errno of open().
 */
int log_init(const char *program, const char *spec, bool json);

/* One line; any thread, does not allocate.  Without log_init() only errors are shown. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
