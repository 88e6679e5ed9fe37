// SPDX-License-Identifier: MIT
/* Another user, no capabilities, no way back. */
#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sandbox_int.h"

#define LOCKED_BITS \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | \
	 SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int fail(char *ret_error, const char *stage, const char *what)
{
	const int status = -errno;

	return sandbox_fail(ret_error, status, "sandbox: cannot %s: %s; --sandbox full,-%s goes without it", what,
			    strerror(-status), stage);
}

/* Who has CAP_IPC_LOCK is not bound by RLIMIT_MEMLOCK, and is without it from here on. */
static void keep_locking(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	cap_flag_value_t has = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps == NULL)
		return;
	if (cap_get_flag(caps, CAP_IPC_LOCK, CAP_EFFECTIVE, &has) == 0 && has == CAP_SET)
		(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);	/* else the limit says so when memory is locked */
	cap_free(caps);
}

int sandbox_become(const struct sandbox *sandbox, char *ret_error)
{
	const struct sandbox_who *who = &sandbox->who;
	size_t i;

	keep_locking();
	if (!sandbox->become)
		return 0;
	/* The VMM and gmemctl may be that user's. */
	for (i = 0; i < SANDBOX_MAX_SOCKETS; i++)
		if (sandbox->config->sockets[i] != NULL && lchown(sandbox->config->sockets[i], who->uid, (gid_t)-1) < 0)
			return fail(ret_error, "user", "give a socket to the other user");
	/* The bounding set is emptied by the next stage, if there is one. */
	if ((sandbox->config->stages & SANDBOX_CAPS) != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fail(ret_error, "user", "keep capabilities for the next stage");
	if (setgroups(0, NULL) < 0)
		return fail(ret_error, "user", "leave its groups");
	if (setresgid(who->gid, who->gid, who->gid) < 0 || setresuid(who->uid, who->uid, who->uid) < 0)
		return fail(ret_error, "user", "become the other user");
	return 0;
}

/* Emptying the bounding set and locking the bits takes CAP_SETPCAP; who never had it cannot gain any with no_new_privs. */
static int drop_bounding(char *ret_error)
{
	const cap_value_t needed = CAP_SETPCAP;
	cap_flag_value_t has = CAP_CLEAR;
	cap_t caps = cap_get_proc();
	cap_value_t cap;
	int r = 0;

	if (caps == NULL || cap_get_flag(caps, needed, CAP_PERMITTED, &has) < 0)
		r = fail(ret_error, "caps", "read its capabilities");
	if (r == 0 && has == CAP_SET) {
		if (cap_set_flag(caps, CAP_EFFECTIVE, 1, &needed, CAP_SET) < 0 || cap_set_proc(caps) < 0)
			r = fail(ret_error, "caps", "use CAP_SETPCAP");
		for (cap = 0; r == 0 && cap < cap_max_bits(); cap++)
			if (cap_get_bound(cap) > 0 && cap_drop_bound(cap) < 0)
				r = fail(ret_error, "caps", "empty the bounding set");
		if (r == 0 && prctl(PR_SET_SECUREBITS, LOCKED_BITS, 0, 0, 0) < 0)
			r = fail(ret_error, "caps", "lock the secure bits");
	}
	if (caps != NULL)
		cap_free(caps);
	return r;
}

int sandbox_drop_caps(char *ret_error)
{
	cap_t none;
	int r;

	keep_locking();	/* as the stage before may be left out */
	r = drop_bounding(ret_error);
	if (r < 0)
		return r;
	none = cap_init();
	if (none == NULL || cap_set_proc(none) < 0 || cap_reset_ambient() < 0)
		r = fail(ret_error, "caps", "give its capabilities up");
	if (none != NULL)
		cap_free(none);
	return r;
}

int sandbox_no_new_privs(char *ret_error)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(ret_error, "no-new-privs,-landlock,-seccomp", "set no_new_privs");
	return 0;
}

/* Was set before the first secret was read; another user's process may be dumpable again. */
int sandbox_not_dumpable(char *ret_error)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return sandbox_fail(ret_error, -EPERM, "the process cannot be kept from being dumped");
	return 0;
}
