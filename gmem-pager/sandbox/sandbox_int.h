/* SPDX-License-Identifier: MIT */
/* The stages of sandbox.c.  Each: 0, or -errno and a sentence. */
#ifndef GMEM_PAGER_SANDBOX_SANDBOX_INT_H
#define GMEM_PAGER_SANDBOX_SANDBOX_INT_H

#include "sandbox.h"

#define SANDBOX_WITHOUT_LANDLOCK "; --sandbox full,-landlock goes without it"

int sandbox_fail(char ret_error[SANDBOX_ERROR_LEN], int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- privileges.c ---- */

/* Locked memory as root had it, then the other user; the capabilities that the next stage needs stay. */
int sandbox_become(const struct sandbox *sandbox, char *ret_error);
int sandbox_drop_caps(char *ret_error);
int sandbox_no_new_privs(char *ret_error);
int sandbox_not_dumpable(char *ret_error);

/* ---- files.c ---- */

/* The state directory is there, if it can be made. */
int sandbox_make_state_dir(const struct sandbox *sandbox, char *ret_error);
/* As who we are now: the records can be kept, the sockets removed. */
int sandbox_check_files(const struct sandbox *sandbox, char *ret_error);
int sandbox_close_files(struct sandbox *sandbox, char *ret_error);

/* One rule: see landlock_allow_path(). */
struct landlock;
int sandbox_allow_path(const struct landlock *landlock, const char *path, uint64_t rights, char *ret_error);

/* ---- evidence.c ---- */

/* Libraries that would be loaded at the first handshake. */
int sandbox_open_evidence(const struct sandbox *sandbox, char *ret_error);
/* What handshakes open. */
int sandbox_allow_evidence(const struct sandbox *sandbox, const struct landlock *landlock, char *ret_error);

/* ---- seccomp.c ---- */

/* @refusal: errno of a call that is not in the table; 0: the process dies by SIGSYS. */
int sandbox_filter_calls(int refusal, char *ret_error);

#endif
