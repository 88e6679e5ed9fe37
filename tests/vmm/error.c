// SPDX-License-Identifier: MIT
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char sentence[512];

int error_set(int err, const char *format, ...)
{
	int saved_errno = errno;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	if (err != -EPROTO && err != -EINVAL && len > 0 && (size_t)len < sizeof(sentence))
		snprintf(sentence + len, sizeof(sentence) - (size_t)len, ": %s", strerror(-err));
	errno = saved_errno;
	return err;
}

const char *error_get(void)
{
	return sentence;
}

void error_note(const char *format, ...)
{
	char line[640];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* One write, so that lines of several threads do not mix. */
	fprintf(stderr, "gmem-testvmm: %s\n", line);
}
