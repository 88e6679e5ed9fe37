/* SPDX-License-Identifier: MIT */
/* tool: what the subcommands of gmem-attest share. */
#ifndef ATTEST_TOOL_TOOL_H
#define ATTEST_TOOL_TOOL_H

#include <popt.h>
#include <stddef.h>
#include <stdint.h>

#include "../bundle.h"
#include "../verdict.h"

enum tool_exit {
	TOOL_OK = 0,		/* done; believed */
	TOOL_REFUSED = 1,
	TOOL_USAGE = 2,
	TOOL_UNREADABLE = 3,	/* a file that cannot be read, written or understood */
};

#define TOOL_FILE_MAX (1u << 20)
#define TOOL_TIME_LEN 21u

/** Subcommands: argv[0] is their own name.  An enum tool_exit. */
int keygen_main(int argc, const char **argv);
int ticket_main(int argc, const char **argv);
int show_main(int argc, const char **argv);
int check_main(int argc, const char **argv);

/** "gmem-attest: " and the sentence, on standard error; returns @code. */
__attribute__((format(printf, 2, 3)))
int tool_fail(int code, const char *format, ...);
/** Options of @context until their end.  -1: go on; else leave with this: --help was printed, or TOOL_USAGE said. */
int tool_options(poptContext context, const char *description);
/** A file of at most TOOL_FILE_MAX bytes, NUL after it; free().  0, or TOOL_UNREADABLE said. */
int tool_read(const char *path, uint8_t **ret_bytes, size_t *ret_len);
/** 32 bytes from 64 hex digits, or from a file that holds those.  0, TOOL_USAGE or TOOL_UNREADABLE said. */
int tool_id(const char *option, const char *text, uint8_t ret_id[32]);
/** "2026-11-23T03:00:00Z"; TOOL_USAGE said. */
int tool_time(const char *option, const char *text, int64_t *ret_seconds);

/** What a file of evidence is: a bundle; or a bare SNP report or TDX quote, which becomes one in @ret_bytes. */
struct tool_evidence {
	uint8_t bytes[BUNDLE_MAX_LEN];
	size_t len;
	struct bundle bundle;	/* into bytes; kind 0: a binding digest, by a pinned key */
};
/** @cert_paths, ended by NULL, or NULL: certificates for a bare report.  0, TOOL_USAGE or TOOL_UNREADABLE said. */
int tool_evidence(const char *path, const char *const *cert_paths, struct tool_evidence *ret_evidence);

#endif
