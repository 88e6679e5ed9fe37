// SPDX-License-Identifier: MIT
/* Who may connect to the sockets: modes, groups, stale files. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "control/door.h"

static char dir[64], path[128];

static void begin(void)
{
	strcpy(dir, "/tmp/gmem-door-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
}

static void end(void)
{
	unlink(path);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static unsigned int mode_of(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 ? st.st_mode & 0777u : 0;
}

static int connect_to(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, name);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void test_modes(void)
{
	const gid_t group = getuid() == 0 ? 1 : getgid();
	struct stat st;
	int fd;

	begin();
	CU_ASSERT_EQUAL_FATAL(door_open(path, DOOR_NO_GROUP, &fd), 0);
	CU_ASSERT_EQUAL(mode_of(path), 0600);
	close(fd);
	unlink(path);
	CU_ASSERT_EQUAL_FATAL(door_open(path, group, &fd), 0);
	CU_ASSERT_EQUAL(mode_of(path), 0660);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_gid, group);
	CU_ASSERT_EQUAL(st.st_uid, getuid());
	CU_ASSERT_TRUE((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	CU_ASSERT_TRUE((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	close(fd);
	end();
}

static void test_stale_and_taken(void)
{
	int fd, second, file;

	begin();
	CU_ASSERT_EQUAL_FATAL(door_open(path, DOOR_NO_GROUP, &fd), 0);
	CU_ASSERT_EQUAL(door_open(path, DOOR_NO_GROUP, &second), -EADDRINUSE);	/* it is served */
	close(fd);
	CU_ASSERT_EQUAL_FATAL(door_open(path, DOOR_NO_GROUP, &fd), 0);		/* left over */
	close(fd);
	unlink(path);
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(file);
	CU_ASSERT_EQUAL(door_open(path, DOOR_NO_GROUP, &fd), -EADDRINUSE);	/* no socket: not ours to remove */
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	end();
}

static void test_bad_paths(void)
{
	char name[200];
	int fd;

	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_EQUAL(door_open(name, DOOR_NO_GROUP, &fd), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(door_open("/nonexistent/socket", DOOR_NO_GROUP, &fd), -ENOENT);
}

static void test_accept(void)
{
	struct ucred cred = { .uid = 99 };
	int fd, client, peer;

	begin();
	CU_ASSERT_EQUAL_FATAL(door_open(path, DOOR_NO_GROUP, &fd), 0);
	CU_ASSERT_EQUAL(door_accept(fd, &peer, &cred), -EAGAIN);
	client = connect_to(path);
	CU_ASSERT_TRUE(client >= 0);
	CU_ASSERT_EQUAL(door_accept(fd, &peer, &cred), 0);
	CU_ASSERT_EQUAL(cred.uid, getuid());
	CU_ASSERT_EQUAL(cred.pid, getpid());
	CU_ASSERT_TRUE((fcntl(peer, F_GETFL) & O_NONBLOCK) != 0);
	close(peer);
	close(client);
	close(fd);
	end();
}

static void test_who_is_ours(void)
{
	const struct ucred root = { .uid = 0 }, self = { .uid = geteuid() }, other = { .uid = geteuid() + 1 };

	CU_ASSERT_TRUE(door_is_ours(&root));
	CU_ASSERT_TRUE(door_is_ours(&self));
	CU_ASSERT_FALSE(door_is_ours(&other));
}

static void test_groups(void)
{
	gid_t group = 77;

	CU_ASSERT_EQUAL(door_group("root", &group), 0);
	CU_ASSERT_EQUAL(group, 0);
	CU_ASSERT_EQUAL(door_group("1234", &group), 0);
	CU_ASSERT_EQUAL(group, 1234);
	group = 77;
	CU_ASSERT_EQUAL(door_group("12x", &group), -ENOENT);
	CU_ASSERT_EQUAL(door_group("4294967295", &group), -ENOENT);	/* means: none */
	CU_ASSERT_EQUAL(door_group("99999999999999999999", &group), -ENOENT);
	CU_ASSERT_EQUAL(door_group("-1", &group), -ENOENT);
	CU_ASSERT_EQUAL(door_group("", &group), -ENOENT);
	CU_ASSERT_EQUAL(door_group("no-such-group-here", &group), -ENOENT);
	CU_ASSERT_EQUAL(group, 77);
}

static const struct check checks[] = {
	{ "modes", test_modes },
	{ "stale and taken", test_stale_and_taken },
	{ "bad paths", test_bad_paths },
	{ "accept", test_accept },
	{ "who is ours", test_who_is_ours },
	{ "groups", test_groups },
	{ NULL, NULL },
};

CHECK_MAIN("the doors of control", checks)
