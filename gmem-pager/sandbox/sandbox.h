/* SPDX-License-Identifier: MIT */
/*
 * sandbox: what gmem-pager and gmem-source give away before the first byte of a peer (docs/isolation.md).
 *
 *   sandbox_parse    the command line
 *   sandbox_begin    who to become; the state directory is made for him
 *   ... files, keys and unix sockets are opened ...
 *   sandbox_enter    own user -> no capabilities -> no_new_privs -> not dumpable -> Landlock; one thread alone
 *   ... the first call of nng: its threads inherit all that ...
 *   sandbox_seal     seccomp, in every thread
 *
 * A stage that cannot be done is an error, unless it was left out by name.  Nothing can be taken back.  A sanitizer's
 * runtime needs files and calls that the last two refuse: builds with one leave these out, and warn.
 */
#ifndef GMEM_PAGER_SANDBOX_SANDBOX_H
#define GMEM_PAGER_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_ERROR_LEN 400u
#define SANDBOX_TEXT_LEN 120u
#define SANDBOX_MAX_SOCKETS 3u

enum sandbox_stage {
	SANDBOX_USER = 1 << 0,
	SANDBOX_CAPS = 1 << 1,
	SANDBOX_NO_NEW_PRIVS = 1 << 2,
	SANDBOX_LANDLOCK = 1 << 3,
	SANDBOX_SECCOMP = 1 << 4,
	SANDBOX_FULL = (1 << 5) - 1,
};

struct sandbox_who {
	uid_t uid;
	gid_t gid;
};

/* Borrowed strings; they and the struct stay while the sandbox is used. */
struct sandbox_config {
	unsigned int stages;			/* of enum sandbox_stage; 0: off */
	const char *user;			/* NULL: stay who we are */
	const char *state_dir;
	const char *sockets[SANDBOX_MAX_SOCKETS];	/* paths, to remove at the end; NULL: none */
	const char *snapshot;			/* path of a file that gets its name at the end; NULL: none */
	const char *evidence;			/* "tsm" and "tpm" open files at each handshake; NULL: none of them */
	const char *tpm_tcti;			/* NULL: tpm2-tss' own choice */
	uint16_t bind_port, connect_port;	/* TCP, 0: none */
	int seccomp_errno;			/* tests: answer calls that are not in the table with it; 0: kill */
};

struct sandbox {
	const struct sandbox_config *config;
	struct sandbox_who who;
	bool become;				/* another user than now */
	int landlock_version;			/* 0: not entered */
	char text[SANDBOX_TEXT_LEN];		/* the stages that are on, for status */
};

/*
 * "full", "off", or "full" and stages to leave out, as "full,-landlock,-seccomp".  NULL: full.  -EINVAL and a sentence in
 * @ret_error; @ret_stages is untouched then.
 */
int sandbox_parse(const char *spec, unsigned int *ret_stages, char ret_error[SANDBOX_ERROR_LEN]);

/* NAME or UID, then optionally :GROUP or :GID.  -ENOENT: there is no such user, or root; -EINVAL: no group. */
int sandbox_who_parse(const char *text, struct sandbox_who *ret_who, char ret_error[SANDBOX_ERROR_LEN]);

/* Logs what is left out.  0 or -errno and a sentence. */
int sandbox_begin(struct sandbox *sandbox, const struct sandbox_config *config, char ret_error[SANDBOX_ERROR_LEN]);

/* While this is the only thread.  0 or -errno and a sentence; after a failure the process is to end. */
int sandbox_enter(struct sandbox *sandbox, char ret_error[SANDBOX_ERROR_LEN]);

/* Any thread, all others are covered.  0 or -errno and a sentence. */
int sandbox_seal(struct sandbox *sandbox, char ret_error[SANDBOX_ERROR_LEN]);

#endif
