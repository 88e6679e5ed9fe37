// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "duo.h"
#include "sandbox/landlock.h"
#include "sandbox_child.h"
#include "secmem.h"

int child_wrong(const char *what, int line)
{
	fprintf(stderr, "\n    line %d: %s (%s)", line, what, strerror(errno));
	return 1;
}

static int enter(struct child *child)
{
	char error[SANDBOX_ERROR_LEN] = "";
	int r = sandbox_begin(&child->sandbox, &child->config, error);

	if (r == 0)
		r = sandbox_enter(&child->sandbox, error);
	if (r == 0)
		r = transport_nng.start();
	if (r == 0)
		r = transport_nng.listen(child->address, &child->listener);
	if (r == 0)
		r = sandbox_seal(&child->sandbox, error);
	if (r < 0)
		fprintf(stderr, "\n    %s: %s", error, strerror(-r));
	return r;
}

void child_init(struct child *child, int (*act)(struct child *child))
{
	*child = (struct child){ .act = act };
	strcpy(child->dir, "/tmp/gmem-sandbox-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(child->dir));
	snprintf(child->socket, sizeof(child->socket), "%s/socket", child->dir);
	close(open(child->socket, O_CREAT | O_WRONLY, 0600));
	duo_choose_address(child->address, sizeof(child->address));
	child->port = (uint16_t)atoi(strrchr(child->address, ':') + 1);
	child->config = (struct sandbox_config){
		.stages = SANDBOX_FULL, .state_dir = child->dir, .sockets = { child->socket },
		.bind_port = child->port, .connect_port = child->port,
	};
	if (geteuid() == 0) {
		child->config.user = "65534:65534";
		CU_ASSERT_EQUAL(chown(child->dir, CHILD_NOBODY, CHILD_NOBODY), 0);
	}
}

pid_t child_start(struct child *child)
{
	int ask[2], tell[2];
	pid_t pid;

	fflush(NULL);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ask), 0);
	CU_ASSERT_EQUAL_FATAL(pipe(tell), 0);
	pid = fork();
	CU_ASSERT_NOT_EQUAL_FATAL(pid, -1);
	if (pid == 0) {
		child->ask = ask[1];
		child->tell = tell[1];
		close(ask[0]);
		close(tell[0]);
		secmem_harden_process();
		if (geteuid() == 0 && setgroups(1, &(gid_t){ 7 }) < 0)
			_exit(3);
		_exit(enter(child) == 0 ? child->act(child) : 2);
	}
	close(ask[1]);
	close(tell[1]);
	child->ask = ask[0];
	child->tell = tell[0];
	return pid;
}

void child_remove(struct child *child)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", child->dir);
	CU_ASSERT_EQUAL(system(command), 0);
}

int child_finish(struct child *child, pid_t pid)
{
	int status = -1;
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	close(child->ask);
	close(child->tell);
	child_remove(child);
	return status;
}

void child_expect_success(int (*act)(struct child *child))
{
	struct child child;
	int status;

	child_init(&child, act);
	status = child_finish(&child, child_start(&child));
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

int child_find_obstacle(void)
{
	struct landlock landlock;
	int r;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	fputs("skipped: a sanitizer's runtime needs what the sandbox refuses, so there is no whole sandbox in this build\n", stderr);
	return 77;
#endif
	r = landlock_new(&landlock);
	if (r < 0) {
		fprintf(stderr, "skipped: NOTHING OF THE SANDBOX IS TESTED: no Landlock in this kernel (%s)\n", strerror(-r));
		return 77;
	}
	landlock_free(&landlock);
	if (syscall(SYS_seccomp, 2 /* is an action there */, 0, &(uint32_t){ 0x80000000u }) < 0) {
		fprintf(stderr, "skipped: NOTHING OF THE SANDBOX IS TESTED: no seccomp in this kernel (%s)\n", strerror(errno));
		return 77;
	}
	return 0;
}
