// SPDX-License-Identifier: MIT
/* Which files are there for a sealed process, and which are reachable to whom it becomes. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "landlock.h"
#include "sandbox_int.h"

/* How many CPUs there are: nng starts its threads by it. */
#define CPUS "/sys/devices/system/cpu/online"

#define IN_STATE_DIR \
	(LANDLOCK_FS_READ_DIR | LANDLOCK_FS_READ_FILE | LANDLOCK_FS_WRITE_FILE | LANDLOCK_FS_TRUNCATE | \
	 LANDLOCK_FS_MAKE_REG | LANDLOCK_FS_REMOVE_FILE)
#define WITHOUT SANDBOX_WITHOUT_LANDLOCK

static int folder_of(const char *path, char ret_folder[PATH_MAX])
{
	char copy[PATH_MAX];

	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(copy, path);
	strcpy(ret_folder, dirname(copy));
	return 0;
}

int sandbox_make_state_dir(const struct sandbox *sandbox, char *ret_error)
{
	const char *dir = sandbox->config->state_dir;

	if (mkdir(dir, 0700) == 0 && (!sandbox->become || lchown(dir, sandbox->who.uid, sandbox->who.gid) == 0))
		return 0;
	if (errno == EEXIST)
		return 0;
	return sandbox_fail(ret_error, -errno, "cannot keep records in %s: %s; name a directory on a disk that can be "
			    "written with --state-dir", dir, strerror(errno));
}

int sandbox_check_files(const struct sandbox *sandbox, char *ret_error)
{
	const struct sandbox_config *config = sandbox->config;
	const unsigned int uid = (unsigned int)sandbox->who.uid;
	char folder[PATH_MAX];
	size_t i;

	if (access(config->state_dir, R_OK | W_OK | X_OK) < 0)
		return sandbox_fail(ret_error, -errno, "user %u cannot keep records in %s: %s; give it to that user, with its "
				    "files (chown -R)", uid, config->state_dir, strerror(errno));
	for (i = 0; i < SANDBOX_MAX_SOCKETS; i++) {
		if (config->sockets[i] == NULL)
			continue;
		if (folder_of(config->sockets[i], folder) < 0 || access(folder, W_OK | X_OK) < 0)
			return sandbox_fail(ret_error, -errno, "user %u cannot remove its socket %s at the end: %s; give the "
					    "folder to that user", uid, config->sockets[i], strerror(errno));
	}
	if (config->snapshot != NULL &&
	    (folder_of(config->snapshot, folder) < 0 || access(folder, W_OK | X_OK) < 0))
		return sandbox_fail(ret_error, -errno, "user %u cannot give %s its name at the end: %s; give the "
				    "folder to that user", uid, config->snapshot, strerror(errno));
	return 0;
}

int sandbox_allow_path(const struct landlock *landlock, const char *path, uint64_t rights, char *ret_error)
{
	const int r = landlock_allow_path(landlock, path, rights);

	if (r == -EXDEV)
		return sandbox_fail(ret_error, r, "sandbox: %s is on a 9p file system, where Landlock cannot tell a file from "
				    "another: use a local one" WITHOUT, path);
	return r < 0 ? sandbox_fail(ret_error, r, "sandbox: cannot open %s: %s" WITHOUT, path, strerror(-r)) : 0;
}

static int allow_all(const struct sandbox *sandbox, const struct landlock *landlock, char *ret_error)
{
	const struct sandbox_config *config = sandbox->config;
	char folder[PATH_MAX];
	size_t i;
	int r = sandbox_allow_path(landlock, config->state_dir, IN_STATE_DIR, ret_error);

	for (i = 0; i < SANDBOX_MAX_SOCKETS && r == 0; i++)
		if (config->sockets[i] != NULL && folder_of(config->sockets[i], folder) == 0)
			r = sandbox_allow_path(landlock, folder, LANDLOCK_FS_REMOVE_FILE, ret_error);
	if (r == 0 && config->snapshot != NULL && folder_of(config->snapshot, folder) == 0)
		r = sandbox_allow_path(landlock, folder, LANDLOCK_FS_MAKE_REG | LANDLOCK_FS_REMOVE_FILE, ret_error);
	if (r == 0 && access(CPUS, R_OK) == 0)
		r = sandbox_allow_path(landlock, CPUS, LANDLOCK_FS_READ_FILE, ret_error);
	if (r == 0)
		r = sandbox_allow_evidence(sandbox, landlock, ret_error);
	if (r < 0)
		return r;
	if (config->bind_port != 0)
		r = landlock_allow_port(landlock, config->bind_port, LANDLOCK_NET_BIND);
	if (r == 0 && config->connect_port != 0)
		r = landlock_allow_port(landlock, config->connect_port, LANDLOCK_NET_CONNECT);
	return r < 0 ? sandbox_fail(ret_error, r, "sandbox: cannot allow a TCP port: %s" WITHOUT, strerror(-r)) : 0;
}

/* A rule that does not hold is found now, rather than when a record has to be written. */
static int try_state_dir(const char *dir, char *ret_error)
{
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return sandbox_fail(ret_error, -errno, "sandbox: Landlock's rule for %s does not hold on that file system (%s): "
				    "use another one" WITHOUT, dir, strerror(errno));
	close(fd);
	return 0;
}

int sandbox_close_files(struct sandbox *sandbox, char *ret_error)
{
	const struct sandbox_config *config = sandbox->config;
	struct landlock landlock;
	int r = landlock_new(&landlock);

	if (r == -ENOSYS || r == -EOPNOTSUPP)
		return sandbox_fail(ret_error, r, "sandbox: this kernel has no Landlock (%s): boot one that does" WITHOUT,
				    r == -ENOSYS ? "built without it" : "not among lsm= at boot");
	if (r < 0)
		return sandbox_fail(ret_error, r, "sandbox: Landlock cannot be used: %s" WITHOUT, strerror(-r));
	sandbox->landlock_version = landlock.version;
	r = allow_all(sandbox, &landlock, ret_error);
	if (r == 0) {
		r = landlock_enter(&landlock);
		if (r < 0)
			sandbox_fail(ret_error, r, "sandbox: Landlock cannot be entered: %s" WITHOUT, strerror(-r));
	}
	landlock_free(&landlock);
	return r < 0 ? r : try_state_dir(config->state_dir, ret_error);
}
