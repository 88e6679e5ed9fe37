// SPDX-License-Identifier: MIT
/* What a service manager hears, by a socket that stands for it. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "control/notify.h"

static int manager = -1;

static void listen_as(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const size_t len = strlen(name);

	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(bind(manager, (struct sockaddr *)&addr,
				   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

/* The next datagram, "" if there is none. */
static const char *heard(void)
{
	static char text[512];
	const ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *abstract_name(void)
{
	static char name[64];

	snprintf(name, sizeof(name), "@gmem-notify-%d", getpid());
	return name;
}

static void test_no_manager(void)
{
	struct notify notify;

	unsetenv("NOTIFY_SOCKET");
	CU_ASSERT_EQUAL(notify_open(&notify), 0);
	CU_ASSERT_EQUAL(notify.fd, -1);
	notify_ready(&notify);
	notify_alive(&notify, 5);
	notify_status(&notify, "x", 5);
	notify_close(&notify);
}

static void test_what_is_told(void)
{
	struct notify notify;

	listen_as(abstract_name());
	CU_ASSERT_EQUAL_FATAL(notify_open(&notify), 0);
	CU_ASSERT_PTR_NULL(getenv("NOTIFY_SOCKET"));		/* not for a child */
	notify_ready(&notify);
	CU_ASSERT_STRING_EQUAL(heard(), "READY=1");
	notify_status(&notify, "running, 4%", 1000000);
	CU_ASSERT_STRING_EQUAL(heard(), "STATUS=running, 4%");
	notify_status(&notify, "running, 4%", 9000000);		/* no news */
	CU_ASSERT_STRING_EQUAL(heard(), "");
	notify_status(&notify, "running, 5%", 9100000);
	CU_ASSERT_STRING_EQUAL(heard(), "STATUS=running, 5%");
	notify_status(&notify, "running, 6%", 9200000);		/* too soon */
	CU_ASSERT_STRING_EQUAL(heard(), "");
	notify_status(&notify, "running, 6%", 10200000);
	CU_ASSERT_STRING_EQUAL(heard(), "STATUS=running, 6%");
	notify_alive(&notify, 20000000);			/* no watchdog was asked for */
	CU_ASSERT_STRING_EQUAL(heard(), "");
	notify_stopping(&notify);
	CU_ASSERT_STRING_EQUAL(heard(), "STOPPING=1");
	notify_close(&notify);
	close(manager);
}

static void test_the_watchdog(void)
{
	struct notify notify;
	char pid[24];

	listen_as(abstract_name());
	setenv("WATCHDOG_USEC", "4000000", 1);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	CU_ASSERT_EQUAL_FATAL(notify_open(&notify), 0);
	CU_ASSERT_PTR_NULL(getenv("WATCHDOG_USEC"));
	CU_ASSERT_PTR_NULL(getenv("WATCHDOG_PID"));
	notify_alive(&notify, 7000000);
	CU_ASSERT_STRING_EQUAL(heard(), "WATCHDOG=1");
	notify_alive(&notify, 7999999);
	CU_ASSERT_STRING_EQUAL(heard(), "");
	notify_alive(&notify, 8000000);
	CU_ASSERT_STRING_EQUAL(heard(), "WATCHDOG=1");
	notify_close(&notify);
	/* another process's */
	setenv("NOTIFY_SOCKET", abstract_name(), 1);
	setenv("WATCHDOG_USEC", "4000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	CU_ASSERT_EQUAL_FATAL(notify_open(&notify), 0);
	CU_ASSERT_EQUAL(notify.watchdog_us, 0);
	notify_close(&notify);
	close(manager);
}

static void test_by_a_path(void)
{
	char dir[] = "/tmp/gmem-notify-XXXXXX", name[64];
	struct notify notify;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(name, sizeof(name), "%s/notify", dir);
	listen_as(name);
	CU_ASSERT_EQUAL_FATAL(notify_open(&notify), 0);
	notify_ready(&notify);
	CU_ASSERT_STRING_EQUAL(heard(), "READY=1");
	close(manager);
	notify_ready(&notify);		/* it has gone: nothing happens */
	notify_close(&notify);
	unlink(name);
	rmdir(dir);
}

static void test_malformed(void)
{
	static const char *const names[] = { "", "@", "/", "relative", "/nonexistent/notify" };
	static const char *const numbers[] = { "", "x", "-1", "1x", "99999999999999999999999" };
	char name[200];
	struct notify notify;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		CU_ASSERT_EQUAL(notify_open(&notify), i == 4 ? -ENOENT : -EINVAL);
	}
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	CU_ASSERT_EQUAL(notify_open(&notify), -EINVAL);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		listen_as(abstract_name());
		setenv("WATCHDOG_USEC", numbers[i], 1);
		CU_ASSERT_EQUAL(notify_open(&notify), -EINVAL);
		setenv("NOTIFY_SOCKET", abstract_name(), 1);
		setenv("WATCHDOG_USEC", "5", 1);
		setenv("WATCHDOG_PID", numbers[i], 1);
		CU_ASSERT_EQUAL(notify_open(&notify), -EINVAL);
		close(manager);
	}
}

static const struct check checks[] = {
	{ "no manager", test_no_manager },
	{ "what is told", test_what_is_told },
	{ "the watchdog", test_the_watchdog },
	{ "by a path", test_by_a_path },
	{ "malformed", test_malformed },
	{ NULL, NULL },
};

CHECK_MAIN("what a service manager hears", checks)
