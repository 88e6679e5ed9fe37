/* SPDX-License-Identifier: MIT */
/* tool: see tool.h. */
#include "tool.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../date.h"
#include "../file.h"

int tool_fail(int code, const char *format, ...)
{
	va_list args;

	fputs("gmem-attest: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

int tool_options(poptContext context, const char *description)
{
	int opt = poptGetNextOpt(context);

	if (opt > 0) {
		printf("%s\n\n", description);
		poptPrintHelp(context, stdout, 0);
		return TOOL_OK;
	}
	if (opt < -1)
		return tool_fail(TOOL_USAGE, "%s: %s; see --help", poptBadOption(context, 0), poptStrerror(opt));
	return -1;
}

int tool_read(const char *path, uint8_t **ret_bytes, size_t *ret_len)
{
	int ret = file_read(path, TOOL_FILE_MAX, ret_bytes, ret_len);

	return ret ? tool_fail(TOOL_UNREADABLE, "cannot read %s: %s", path, strerror(-ret)) : 0;
}

static bool hex_id(const char *text, size_t len, uint8_t ret_id[32])
{
	size_t id_len = 0;

	return len == 64 && !sodium_hex2bin(ret_id, 32, text, len, NULL, &id_len, NULL) && id_len == 32;
}

int tool_id(const char *option, const char *text, uint8_t ret_id[32])
{
	uint8_t *bytes;
	size_t len;
	bool ok;
	int ret;

	if (hex_id(text, strlen(text), ret_id))
		return 0;
	ret = tool_read(text, &bytes, &len);
	if (ret)
		return ret;
	ok = hex_id((const char *)bytes, len && bytes[len - 1] == '\n' ? len - 1 : len, ret_id);
	free(bytes);
	return ok ? 0 : tool_fail(TOOL_USAGE, "%s: 64 hex digits are needed, or a file that holds them", option);
}

int tool_time(const char *option, const char *text, int64_t *ret_seconds)
{
	return date_parse(text, strlen(text), ret_seconds) ?
	       tool_fail(TOOL_USAGE, "%s: a time as 2026-11-23T03:00:00Z is needed", option) : 0;
}
