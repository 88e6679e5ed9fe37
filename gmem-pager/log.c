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

#define MESSAGE_MAX 480u

static const char *const level_names[] = { "error", "warn", "info", "debug" };

/* Atomic: tests set them anew while threads of an earlier move still log. */
static const char *_Atomic log_program = "gmem";
static atomic_int log_threshold = LOG_LEVEL_ERROR;
static atomic_int log_fd = STDERR_FILENO;
static atomic_bool log_json;

int log_init(const char *program, const char *spec, bool json)
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
	log_json = json;
	return 0;
}

static size_t print_text(const struct timespec *now, enum log_level level, const char *message, char *ret_line, size_t len)
{
	const int n = snprintf(ret_line, len, "%lld.%06ld %s: %s: %s", (long long)now->tv_sec, now->tv_nsec / 1000,
			       log_program, level_names[level], message);

	return n < 0 ? 0 : (size_t)n < len ? (size_t)n : len - 1;
}

/* A message as a JSON string; what is no ASCII becomes '?', as it may not be UTF-8. */
static void escape(const char *message, char *ret_text, size_t len)
{
	size_t at = 0;

	for (; *message != '\0' && at + 7 < len; message++) {
		const unsigned char c = (unsigned char)*message;

		if (c == '"' || c == '\\')
			ret_text[at++] = '\\';
		if (c < 0x20)
			at += (size_t)snprintf(ret_text + at, len - at, "\\u%04x", c);
		else
			ret_text[at++] = c < 0x7f ? (char)c : '?';
	}
	ret_text[at] = '\0';
}

static size_t print_json(const struct timespec *now, enum log_level level, const char *message, char *ret_line, size_t len)
{
	char when[32], text[2 * MESSAGE_MAX];
	struct timespec wall;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &wall);
	gmtime_r(&wall.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	escape(message, text, sizeof(text));
	n = snprintf(ret_line, len, "{\"time\":\"%s.%06ldZ\",\"monotonic\":%lld.%06ld,\"program\":\"%s\",\"level\":\"%s\","
		     "\"message\":\"%s\"}", when, wall.tv_nsec / 1000, (long long)now->tv_sec, now->tv_nsec / 1000,
		     log_program, level_names[level], text);
	return n < 0 ? 0 : (size_t)n < len ? (size_t)n : len - 1;
}

/* syscalls: clock_gettime write */
/* One write() a line, so that lines of several threads do not mix. */
void log_line(enum log_level level, const char *format, ...)
{
	char message[MESSAGE_MAX], line[2 * MESSAGE_MAX + 256];
	struct timespec now;
	va_list args;
	size_t len;

	if ((int)level > log_threshold)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	len = (log_json ? print_json : print_text)(&now, level, message, line, sizeof(line) - 1);
	line[len++] = '\n';
	if (write(log_fd, line, len) < 0)
		return;	/* nowhere to say it */
}
