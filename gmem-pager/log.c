// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static const char *const level_names[] = { "error", "warn", "info", "debug" };

/* Atomic: tests set them anew while threads of an earlier move still log. */
static const char *_Atomic log_program = "gmem";
static atomic_int log_threshold = LOG_LEVEL_ERROR;
static atomic_int log_fd = STDERR_FILENO;

int log_init(const char *program, const char *spec)
{
	const char *colon;
	size_t len, i;
	int fd;

	log_program = program;
	if (spec == NULL)
		spec = "info";
	colon = strchr(spec, ':');
	len = colon != NULL ? (size_t)(colon - spec) : strlen(spec);
	for (i = 0; i < 4; i++)
		if (strlen(level_names[i]) == len && memcmp(level_names[i], spec, len) == 0)
			break;
	if (i == 4)
		return -EINVAL;
	if (colon != NULL) {
		fd = open(colon + 1, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		log_fd = fd;
	}
	log_threshold = (int)i;
	return 0;
}

/* One write() a line, so that lines of several threads do not mix. */
void log_line(enum log_level level, const char *format, ...)
{
	struct timespec now;
	char line[512];
	va_list args;
	size_t len;
	int n;

	if ((int)level > log_threshold)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	n = snprintf(line, sizeof(line), "%lld.%06ld %s: %s: ", (long long)now.tv_sec, now.tv_nsec / 1000,
		     log_program, level_names[level]);
	len = n > 0 ? (size_t)n : 0;
	va_start(args, format);
	n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	if (n > 0)
		len += (size_t)n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	if (write(log_fd, line, len) < 0)
		return;	/* nowhere to say it */
}
