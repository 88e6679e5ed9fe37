// SPDX-License-Identifier: MIT
/* --sandbox and --user. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../control/door.h"
#include "sandbox_int.h"

#define NAME_LEN 64u

static const struct {
	const char *name;
	unsigned int stage;
} stages[] = {
	{ "user", SANDBOX_USER },
	{ "caps", SANDBOX_CAPS },
	{ "no-new-privs", SANDBOX_NO_NEW_PRIVS },
	{ "landlock", SANDBOX_LANDLOCK },
	{ "seccomp", SANDBOX_SECCOMP },
};

int sandbox_fail(char ret_error[SANDBOX_ERROR_LEN], int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_error, SANDBOX_ERROR_LEN, format, args);
	va_end(args);
	return status;
}

/* One "-NAME" of @len bytes; 0: there is no such stage. */
static unsigned int stage_left_out(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (len == strlen(stages[i].name) + 1 && word[0] == '-' &&
		    memcmp(word + 1, stages[i].name, len - 1) == 0)
			return stages[i].stage;
	return 0;
}

int sandbox_parse(const char *spec, unsigned int *ret_stages, char ret_error[SANDBOX_ERROR_LEN])
{
	unsigned int on = SANDBOX_FULL, stage;
	const char *at;
	size_t len;

	if (spec != NULL && strcmp(spec, "off") == 0) {
		*ret_stages = 0;
		return 0;
	}
	if (spec != NULL && (strncmp(spec, "full", 4) != 0 || (spec[4] != '\0' && spec[4] != ',')))
		return sandbox_fail(ret_error, -EINVAL, "takes off, or full and stages to leave out, as "
				    "full,-landlock,-seccomp");
	for (at = spec != NULL ? spec + 4 : ""; *at == ','; at += len) {
		len = strcspn(++at, ",");
		stage = stage_left_out(at, len);
		if (stage == 0)
			return sandbox_fail(ret_error, -EINVAL, "%.*s is none of -user, -caps, -no-new-privs, -landlock, "
					    "-seccomp", (int)(len < 40 ? len : 40), at);
		on &= ~stage;
	}
	if ((on & SANDBOX_NO_NEW_PRIVS) == 0 && (on & (SANDBOX_LANDLOCK | SANDBOX_SECCOMP)) != 0)
		return sandbox_fail(ret_error, -EINVAL, "landlock and seccomp need no-new-privs: leave them out, too, or "
				    "none of them");
	*ret_stages = on;
	return 0;
}

/* -ENOENT: neither a name nor a number that can be a user's. */
static int parse_uid(const char *text, uid_t *ret_uid)
{
	unsigned long number;
	char *end = NULL;

	if (text[0] < '0' || text[0] > '9')
		return -ENOENT;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || number >= (uid_t)-1)
		return -ENOENT;
	*ret_uid = (uid_t)number;
	return 0;
}

int sandbox_who_parse(const char *text, struct sandbox_who *ret_who, char ret_error[SANDBOX_ERROR_LEN])
{
	const char *colon = strchr(text, ':');
	const size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
	struct sandbox_who who = { .gid = DOOR_NO_GROUP };
	const struct passwd *entry;
	char name[NAME_LEN];

	if (len == 0 || len >= sizeof(name))
		return sandbox_fail(ret_error, -ENOENT, "--user takes NAME or UID, and optionally :GROUP");
	memcpy(name, text, len);
	name[len] = '\0';
	if (parse_uid(name, &who.uid) == 0)
		entry = getpwuid(who.uid);
	else
		entry = getpwnam(name);
	if (entry != NULL)
		who = (struct sandbox_who){ .uid = entry->pw_uid, .gid = entry->pw_gid };
	else if (parse_uid(name, &who.uid) < 0)
		return sandbox_fail(ret_error, -ENOENT, "--user: there is no user %s", name);
	if (colon != NULL && door_group(colon + 1, &who.gid) < 0)
		return sandbox_fail(ret_error, -EINVAL, "--user: there is no group %.60s", colon + 1);
	if (who.uid == 0)
		return sandbox_fail(ret_error, -ENOENT, "--user: root is who it is there to leave; name another user");
	if (who.gid == DOOR_NO_GROUP)
		return sandbox_fail(ret_error, -EINVAL, "--user: user %s has no entry in the system's list; name the group, "
				    "too, as %s:GID", name, name);
	*ret_who = who;
	return 0;
}
