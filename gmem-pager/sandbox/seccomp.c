// SPDX-License-Identifier: MIT
/*
 * The calls that a sealed process may make.
 *
 * The table is collected from comments beside the code that makes the calls (calls.py).  There are two filters, and of
 * what they say the harder counts: in the first one a call's arguments decide, and others are refused with EPERM; in the
 * second one calls that are not in the table end the process.  One filter cannot say both.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <linux/kvm_demand_paging.h>
#include <linux/userfaultfd.h>
#include <seccomp.h>

#include "sandbox_int.h"

/* What the C library and libsodium do of themselves: memory, threads, random numbers, an end by abort() or exit(). */
/* syscalls: brk madvise mmap mprotect mremap munmap */
/* syscalls: futex gettid getpid membarrier sched_getaffinity sched_yield tgkill */
/* syscalls: rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall sigaltstack */
/* syscalls: getrandom exit exit_group clock_getres clock_gettime gettimeofday time getcpu sysinfo */

struct call {
	int number;		/* negative: this machine has no such call, and no rule is made of it */
	const char *name;
};

/* Calls whose arguments are looked at below. */
static const int with_arguments[] = {
	SCMP_SYS(clone), SCMP_SYS(ioctl), SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(prctl), SCMP_SYS(socket),
};

static const struct call calls[] = {
#define CALL(name) { SCMP_SYS(name), #name },
#define IOCTL(number)
#include "sandbox_calls.inc"
#undef CALL
#undef IOCTL
};

static const unsigned int ioctls[] = {
#define CALL(name)
#define IOCTL(number) (unsigned int)(number),
#include "sandbox_calls.inc"
};

/* A thread, and nothing that is a process or has a name space of its own. */
#define THREAD_FLAGS (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)
#define NOT_OF_THREADS (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
			CLONE_NEWNET | CLONE_PTRACE | CLONE_VFORK)

static int fail(char *ret_error, int r, const char *what)
{
	return sandbox_fail(ret_error, r, "sandbox: seccomp cannot %s: %s; --sandbox full,-seccomp goes without it", what,
			    strerror(-r));
}

static bool is_with_arguments(int number)
{
	size_t i;

	for (i = 0; i < sizeof(with_arguments) / sizeof(with_arguments[0]); i++)
		if (with_arguments[i] == number)
			return true;
	return false;
}

static int allow_if(scmp_filter_ctx filter, int number, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &condition);
}

static int allow_sockets(scmp_filter_ctx filter)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int r = 0;
	size_t i;

	for (i = 0; i < 2 && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0_32(SCMP_CMP_EQ, families[i]),
				     SCMP_A1_32(SCMP_CMP_MASKED_EQ, ~(unsigned int)(SOCK_NONBLOCK | SOCK_CLOEXEC),
						SOCK_STREAM));
	return r;
}

static int allow_arguments(scmp_filter_ctx filter)
{
	size_t i;
	int r;

	r = allow_if(filter, SCMP_SYS(clone), SCMP_A0_64(SCMP_CMP_MASKED_EQ, THREAD_FLAGS | NOT_OF_THREADS, THREAD_FLAGS));
	for (i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]) && r == 0; i++)
		r = allow_if(filter, SCMP_SYS(ioctl), SCMP_A1_32(SCMP_CMP_EQ, ioctls[i]));
	if (r == 0)
		r = allow_if(filter, SCMP_SYS(mmap), SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = allow_if(filter, SCMP_SYS(mprotect), SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)	/* pthread_setname_np() */
		r = allow_if(filter, SCMP_SYS(prctl), SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME));
	return r == 0 ? allow_sockets(filter) : r;
}

/* For every thread, and for no other machine's calls. */
static int load(scmp_filter_ctx filter)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);	/* a stage of its own */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);	/* a tree rather than a list */
	return r == 0 ? seccomp_load(filter) : r;
}

static int filter_arguments(char *ret_error)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	size_t i;
	int r;

	if (filter == NULL)
		return fail(ret_error, -ENOMEM, "make a filter");
	/* The next filter decides on this one. */
	r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(seccomp), 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone3), 0);
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]) && r == 0; i++)
		if (!is_with_arguments(calls[i].number))
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i].number, 0);
	if (r == 0)
		r = allow_arguments(filter);
	if (r == 0)
		r = load(filter);
	seccomp_release(filter);
	return r < 0 ? fail(ret_error, r, "filter arguments") : 0;
}

static int filter_numbers(int refusal, char *ret_error)
{
	const uint32_t action = refusal != 0 ? SCMP_ACT_ERRNO(refusal) : SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx filter = seccomp_init(action);
	size_t i;
	int r = 0;

	if (filter == NULL)
		return fail(ret_error, -ENOMEM, "make a filter");
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i].number, 0);
	/* Its flags are behind a pointer; the C library falls back to clone. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0)
		r = load(filter);
	seccomp_release(filter);
	return r < 0 ? fail(ret_error, r, "filter calls") : 0;
}

int sandbox_filter_calls(int refusal, char *ret_error)
{
	const int r = filter_arguments(ret_error);

	return r < 0 ? r : filter_numbers(refusal, ret_error);
}
