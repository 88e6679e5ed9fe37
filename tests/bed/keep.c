// SPDX-License-Identifier: MIT
/*
 * Keeper of one QEMU: ends it when its time is up or its owner is gone
 *
 *   keep LOCK-FILE OWNER-PID TTL-S COMMAND [ARG]...
 *
 * Goes into the background, holds a lock on LOCK-FILE and writes its own pid
 * into it for as long as the command lives, so that nobody has to guess whether
 * a pid is still the right one.  OWNER-PID 0: no owner.  The command dies with
 * the keeper, however that ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "keep: %s: %s\n", what, strerror(errno));
	return 1;
}

static int lock_take(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return -1;
	return fd;
}

static void command_exec(char **argv, pid_t keeper)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(1);
	execvp(argv[0], argv);
	_exit(fail(argv[0]));
}

/* Wait for a signal, the owner's end, the command's end or the end of its time. */
static void command_watch(pid_t pid, int sigfd, int owner_fd, int ttl_s)
{
	time_t end = time(NULL) + ttl_s;

	for (;;) {
		struct pollfd p[2] = {
			{ .fd = sigfd, .events = POLLIN },
			{ .fd = owner_fd, .events = POLLIN },
		};
		struct signalfd_siginfo si;
		int n = poll(p, 2, 10000);

		if (n > 0 && p[0].revents && read(sigfd, &si, sizeof(si)) == sizeof(si) && si.ssi_signo == SIGCHLD) {
			if (waitpid(pid, NULL, WNOHANG) == pid)
				return;
			continue;
		}
		if (n > 0 || time(NULL) >= end)
			break;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int keep(int lock_fd, int owner_fd, int ttl_s, char **argv)
{
	pid_t self, pid;
	sigset_t set;
	int sigfd;

	setsid();
	self = getpid();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	if (sigfd < 0 || ftruncate(lock_fd, 0) || dprintf(lock_fd, "%d\n", self) < 0)
		return fail("start");
	pid = fork();
	if (pid < 0)
		return fail("fork");
	if (!pid)
		command_exec(argv, self);
	command_watch(pid, sigfd, owner_fd, ttl_s);
	return 0;
}

int main(int argc, char **argv)
{
	int lock_fd, owner_fd = -1;
	pid_t owner;

	if (argc < 5) {
		fprintf(stderr, "usage: keep LOCK-FILE OWNER-PID TTL-S COMMAND [ARG]...\n");
		return 2;
	}
	owner = atoi(argv[2]);
	if (owner > 0) {
		owner_fd = (int)syscall(SYS_pidfd_open, owner, 0);
		if (owner_fd < 0)
			return fail("owner");
	}
	lock_fd = lock_take(argv[1]);
	if (lock_fd < 0)
		return fail(argv[1]);
	switch (fork()) {
	case -1:
		return fail("fork");
	case 0:
		return keep(lock_fd, owner_fd, atoi(argv[3]), argv + 4);
	}
	return 0;
}
