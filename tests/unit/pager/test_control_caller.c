// SPDX-License-Identifier: MIT
/* One client's lines and answers, over a socket pair. */
#include <errno.h>
#include <unistd.h>

#include "check.h"
#include "control/caller.h"

static struct caller caller;
static int peer;

static void begin(void)
{
	const struct ucred cred = { .uid = 7, .pid = 8 };
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	caller_init(&caller, fds[0], &cred, true, 1, 100);
	peer = fds[1];
}

static void end(void)
{
	caller_fini(&caller);
	CU_ASSERT_EQUAL(caller.state, CALLER_FREE);
	close(peer);
}

static void type(const char *text, size_t len)
{
	CU_ASSERT_EQUAL(send(peer, text, len, MSG_NOSIGNAL), (ssize_t)len);
	CU_ASSERT_EQUAL(caller_read(&caller, 200), 0);
}

static void test_lines(void)
{
	begin();
	CU_ASSERT_EQUAL(caller_read(&caller, 150), 0);		/* nothing there */
	CU_ASSERT_EQUAL(caller.moved_us, 100);
	CU_ASSERT_EQUAL(caller_line(&caller), -EAGAIN);
	type("{\"ve", 4);
	CU_ASSERT_EQUAL(caller.moved_us, 200);
	CU_ASSERT_EQUAL(caller_line(&caller), -EAGAIN);
	type("rb\"}\n{}\n\nx", 10);
	CU_ASSERT_EQUAL(caller_line(&caller), 8);
	CU_ASSERT_EQUAL(memcmp(caller.in, "{\"verb\"}", 8), 0);
	caller_drop_line(&caller);
	CU_ASSERT_EQUAL(caller_line(&caller), 2);
	caller_drop_line(&caller);
	CU_ASSERT_EQUAL(caller_line(&caller), 0);		/* an empty line is a line */
	caller_drop_line(&caller);
	CU_ASSERT_EQUAL(caller_line(&caller), -EAGAIN);
	CU_ASSERT_EQUAL(caller.in_len, 1);
	end();
}

static void test_the_longest_line(void)
{
	static char text[ASK_LINE_MAX + 1];

	begin();
	memset(text, 'x', sizeof(text));
	type(text, ASK_LINE_MAX);
	CU_ASSERT_EQUAL(caller_line(&caller), -EAGAIN);
	type("\n", 1);
	CU_ASSERT_EQUAL(caller_line(&caller), (int)ASK_LINE_MAX);
	caller_drop_line(&caller);
	type(text, ASK_LINE_MAX + 1);
	CU_ASSERT_EQUAL(caller_line(&caller), -EMSGSIZE);
	type("x", 1);						/* there is no room for more */
	CU_ASSERT_EQUAL(caller.in_len, ASK_LINE_MAX + 1);
	end();
}

static void test_the_end_of_what_is_said(void)
{
	begin();
	type("{}\nhalf", 7);
	shutdown(peer, SHUT_WR);
	CU_ASSERT_EQUAL(caller_read(&caller, 300), 0);
	CU_ASSERT_TRUE(caller.eof);
	CU_ASSERT_EQUAL(caller_line(&caller), 2);
	caller_drop_line(&caller);
	CU_ASSERT_EQUAL(caller_line(&caller), -EAGAIN);
	CU_ASSERT_EQUAL(caller_say(&caller, "still read", 400), 0);
	end();
}

static void test_an_answer(void)
{
	char got[64];

	begin();
	CU_ASSERT_EQUAL(caller_say(&caller, "{\"ok\":true}", 300), 0);
	CU_ASSERT_FALSE(caller_is_saying(&caller));
	CU_ASSERT_EQUAL(recv(peer, got, sizeof(got), 0), 12);
	CU_ASSERT_EQUAL(memcmp(got, "{\"ok\":true}\n", 12), 0);
	end();
}

/* Who does not read costs one answer of memory, and gets every byte of it later. */
static void test_who_does_not_read(void)
{
	static char text[CALLER_ANSWER_MAX], got[CALLER_ANSWER_MAX];
	const int small = 4096;
	size_t n_got = 0;
	ssize_t n;

	begin();
	setsockopt(caller.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	memset(text, 'y', sizeof(text) - 1);
	CU_ASSERT_EQUAL(caller_say(&caller, text, 300), 0);
	CU_ASSERT_TRUE(caller_is_saying(&caller));
	CU_ASSERT_EQUAL(caller_flush(&caller, 400), 0);
	CU_ASSERT_EQUAL(caller.moved_us, 300);			/* nothing went */
	while (n_got < sizeof(text)) {
		n = recv(peer, got + n_got, sizeof(got) - n_got, MSG_DONTWAIT);
		if (n > 0)
			n_got += (size_t)n;
		CU_ASSERT_EQUAL_FATAL(caller_flush(&caller, 500), 0);
	}
	CU_ASSERT_FALSE(caller_is_saying(&caller));
	text[sizeof(text) - 1] = '\n';
	CU_ASSERT_EQUAL(memcmp(text, got, sizeof(got)), 0);
	end();
}

static void test_who_has_gone(void)
{
	begin();
	close(peer);
	peer = -1;
	CU_ASSERT_EQUAL(caller_say(&caller, "x", 300), -EPIPE);
	CU_ASSERT_EQUAL(caller_read(&caller, 300), 0);
	CU_ASSERT_TRUE(caller.eof);
	caller_fini(&caller);
	caller_fini(&caller);					/* and once more */
}

static void test_an_answer_that_is_too_long(void)
{
	static char text[CALLER_ANSWER_MAX + 1];

	begin();
	memset(text, 'z', sizeof(text) - 1);
	CU_ASSERT_EQUAL(caller_say(&caller, text, 300), -EMSGSIZE);
	CU_ASSERT_FALSE(caller_is_saying(&caller));
	end();
}

static const struct check checks[] = {
	{ "lines", test_lines },
	{ "the longest line", test_the_longest_line },
	{ "the end of what is said", test_the_end_of_what_is_said },
	{ "an answer", test_an_answer },
	{ "who does not read", test_who_does_not_read },
	{ "who has gone", test_who_has_gone },
	{ "an answer that is too long", test_an_answer_that_is_too_long },
	{ NULL, NULL },
};

CHECK_MAIN("a client", checks)
