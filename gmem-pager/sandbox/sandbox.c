// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../log.h"
#include "sandbox_int.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#else
#define HAS_SANITIZER 0
#endif

static bool has(const struct sandbox *sandbox, unsigned int stage)
{
	if (HAS_SANITIZER && (stage & (SANDBOX_LANDLOCK | SANDBOX_SECCOMP)) != 0)
		return false;
	return (sandbox->config->stages & stage) != 0;
}

static void warn_of_gaps(const struct sandbox *sandbox)
{
	static const struct {
		unsigned int stage;
		const char *what;
	} gaps[] = {
		{ SANDBOX_USER, "user: it stays the user that started it" },
		{ SANDBOX_CAPS, "caps: it keeps its capabilities" },
		{ SANDBOX_NO_NEW_PRIVS, "no-new-privs: a program that it starts may gain privileges" },
		{ SANDBOX_LANDLOCK, "landlock: it can open any file and port that its user can" },
		{ SANDBOX_SECCOMP, "seccomp: it can make any system call" },
	};
	size_t i;

	if (sandbox->config->stages == 0) {
		log_warn("NO SANDBOX (--sandbox off): whoever takes this process over by what a peer sends can do all "
			 "that its user can");
		return;
	}
	for (i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++)
		if (!has(sandbox, gaps[i].stage))
			log_warn("sandbox without %s", gaps[i].what);
	if (HAS_SANITIZER)
		log_warn("this is a build with a sanitizer, whose runtime needs what landlock and seccomp refuse");
	if (has(sandbox, SANDBOX_USER) && geteuid() == 0 && !sandbox->become)
		log_warn("IT STAYS ROOT, though without capabilities: root's files are open to it; name another user with "
			 "--user");
}

static int find_user(struct sandbox *sandbox, char *ret_error)
{
	const struct sandbox_config *config = sandbox->config;
	int r;

	if (config->user == NULL)
		return 0;
	if ((config->stages & SANDBOX_USER) == 0)
		return sandbox_fail(ret_error, -EINVAL, "--user is a stage of the sandbox, and that was left out with "
				    "--sandbox: leave out one of the two");
	r = sandbox_who_parse(config->user, &sandbox->who, ret_error);
	if (r < 0)
		return r;
	sandbox->become = sandbox->who.uid != geteuid() || sandbox->who.gid != getegid();
	if (sandbox->become && geteuid() != 0)
		return sandbox_fail(ret_error, -EPERM, "--user %s: only root can become another user; start it as that user, "
				    "or as root", config->user);
	return 0;
}

int sandbox_begin(struct sandbox *sandbox, const struct sandbox_config *config, char ret_error[SANDBOX_ERROR_LEN])
{
	int r;

	*sandbox = (struct sandbox){ .config = config, .who = { .uid = geteuid(), .gid = getegid() } };
	snprintf(sandbox->text, sizeof(sandbox->text), "off");
	r = find_user(sandbox, ret_error);
	if (r == 0)
		warn_of_gaps(sandbox);
	/* Files that are written there on the way would make it root's. */
	return r == 0 && sandbox->become ? sandbox_make_state_dir(sandbox, ret_error) : r;
}

/* The stages that are on, in a line for people. */
static void add(struct sandbox *sandbox, const char *stage)
{
	const size_t len = strlen(sandbox->text);

	snprintf(sandbox->text + len, sizeof(sandbox->text) - len, "%s%s", len > 0 ? ", " : "", stage);
}

int sandbox_enter(struct sandbox *sandbox, char ret_error[SANDBOX_ERROR_LEN])
{
	char landlock[24], user[24];
	int r;

	if (sandbox->config->stages == 0)
		return 0;
	sandbox->text[0] = '\0';
	tzset();	/* the C library opens a file at the first date */
	r = sandbox_make_state_dir(sandbox, ret_error);
	if (r == 0)
		r = sandbox_open_evidence(sandbox, ret_error);
	if (r == 0 && has(sandbox, SANDBOX_USER)) {
		r = sandbox_become(sandbox, ret_error);
		snprintf(user, sizeof(user), "user %u", (unsigned int)sandbox->who.uid);
		add(sandbox, user);
	}
	if (r == 0 && has(sandbox, SANDBOX_CAPS)) {
		r = sandbox_drop_caps(ret_error);
		add(sandbox, "caps");
	}
	if (r == 0 && has(sandbox, SANDBOX_NO_NEW_PRIVS)) {
		r = sandbox_no_new_privs(ret_error);
		add(sandbox, "no-new-privs");
	}
	if (r == 0)
		r = sandbox_not_dumpable(ret_error);
	if (r == 0)
		r = sandbox_check_files(sandbox, ret_error);
	if (r == 0 && has(sandbox, SANDBOX_LANDLOCK)) {
		r = sandbox_close_files(sandbox, ret_error);
		snprintf(landlock, sizeof(landlock), "landlock %d", sandbox->landlock_version);
		add(sandbox, landlock);
	}
	return r;
}

int sandbox_seal(struct sandbox *sandbox, char ret_error[SANDBOX_ERROR_LEN])
{
	int r;

	if (!has(sandbox, SANDBOX_SECCOMP))
		return 0;
	r = sandbox_filter_calls(sandbox->config->seccomp_errno, ret_error);
	if (r == 0)
		add(sandbox, "seccomp");
	return r;
}
