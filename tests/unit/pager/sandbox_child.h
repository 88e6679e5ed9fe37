/* SPDX-License-Identifier: MIT */
/* A child that went through every stage of the sandbox with the real functions, and has nng's threads. */
#ifndef TESTS_SANDBOX_CHILD_H
#define TESTS_SANDBOX_CHILD_H

#include <errno.h>
#include <sys/types.h>

#include "patience.h"
#include "sandbox/sandbox.h"
#include "transport.h"

#define CHILD_NOBODY 65534	/* whom it becomes, if this is root */
#define CHILD_WAIT_MS (5000 * PATIENCE)

struct child {
	char dir[64], socket[96], address[32];
	uint16_t port;
	int ask, tell;			/* child: the parent's word, its own; parent: its ends of these */
	struct sandbox_config config;
	struct sandbox sandbox;
	struct transport_listener *listener;
	int (*act)(struct child *child);	/* in the child, when it is sealed: its exit code */
};

/* A folder, an address, and a configuration of every stage, which a test may change. */
void child_init(struct child *child, int (*act)(struct child *child));
pid_t child_start(struct child *child);
/* Its wait status. */
int child_finish(struct child *child, pid_t pid);
/* Remove the folder; child_finish() does. */
void child_remove(struct child *child);

/* One that starts, acts, and ends well. */
void child_expect_success(int (*act)(struct child *child));

/* 0, or 77 and a sentence: a sandbox cannot be tested here. */
int child_find_obstacle(void);

/* In the child: say what is wrong, for its exit code. */
int child_wrong(const char *what, int line);

#define EXPECT(condition) do { if (!(condition)) return child_wrong(#condition, __LINE__); } while (0)
#define EXPECT_REFUSED(call, error) EXPECT((call) == -1 && errno == (error))

#endif
