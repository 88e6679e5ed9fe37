// SPDX-License-Identifier: MIT
/* What a sealed process cannot do any more, tried by a thread of nng. */
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kvm_demand_paging.h>
#include <nng/nng.h>

#include "check.h"
#include "fake_vm.h"
#include "sandbox_child.h"

#define REFUSAL ENOTBLK		/* nothing here gives it otherwise */

struct job {
	nng_aio *aio;
	int (*run)(struct child *child);
	struct child *child;
	int result;
};

static void run_job(void *arg)
{
	struct job *job = arg;

	job->result = job->run(job->child);
}

static int on_nng_thread(struct child *child, int (*run)(struct child *child))
{
	struct job job = { .run = run, .child = child, .result = -1 };

	EXPECT(nng_aio_alloc(&job.aio, run_job, &job) == 0);
	nng_sleep_aio(1, job.aio);
	nng_aio_wait(job.aio);
	nng_aio_free(job.aio);
	return job.result;
}

static int connect_to(uint16_t port)
{
	const struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port),
	};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

static int try_files(struct child *child)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/folder", child->dir);
	EXPECT_REFUSED(open("/etc/passwd", O_RDONLY), EACCES);
	EXPECT_REFUSED(open("/proc/self/mem", O_RDWR), EACCES);
	EXPECT_REFUSED(open("/proc/self/status", O_RDONLY), EACCES);
	EXPECT_REFUSED(open("/", O_RDONLY | O_DIRECTORY), EACCES);
	EXPECT_REFUSED(open("/tmp/gmem-sandbox-other", O_WRONLY | O_CREAT, 0600), EACCES);
	EXPECT_REFUSED(mkdir(path, 0700), EACCES);
	EXPECT_REFUSED(unlink("/etc/hostname"), EACCES);
	/* A port is refused before it is found that nobody listens there. */
	EXPECT_REFUSED(connect_to(child->port ^ 1), child->sandbox.landlock_version >= 4 ? EACCES : ECONNREFUSED);
	return 0;
}

static int act_files(struct child *child)
{
	return on_nng_thread(child, try_files);
}

static int try_arguments(struct child *child)
{
	char *page = mmap(NULL, FAKE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)child;
	EXPECT(page != MAP_FAILED);
	EXPECT_REFUSED(mprotect(page, FAKE_PAGE, PROT_READ | PROT_EXEC), EPERM);
	EXPECT(mmap(NULL, FAKE_PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
	       errno == EPERM);
	EXPECT_REFUSED(socket(AF_UNIX, SOCK_STREAM, 0), EPERM);
	EXPECT_REFUSED(socket(AF_NETLINK, SOCK_RAW, 0), EPERM);
	EXPECT_REFUSED(socket(AF_PACKET, SOCK_RAW, 0), EPERM);
	EXPECT_REFUSED(socket(AF_ALG, SOCK_SEQPACKET, 0), EPERM);
	EXPECT_REFUSED(socket(AF_VSOCK, SOCK_STREAM, 0), EPERM);
	EXPECT_REFUSED(socket(AF_INET, SOCK_DGRAM, 0), EPERM);
	EXPECT_REFUSED(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), EPERM);
	EXPECT_REFUSED(ioctl(0, TIOCSTI, "x"), EPERM);
	EXPECT_REFUSED(ioctl(0, _IO(0xae, 1) /* KVM_CREATE_VM */, 0), EPERM);
	EXPECT_REFUSED(ioctl(0, KVM_DP_CREATE_SESSION, 0), EPERM);
	EXPECT_REFUSED(ioctl(0, KVM_DP_POISON, 0), EPERM);
	EXPECT_REFUSED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), EPERM);
	EXPECT_REFUSED(prctl(PR_SET_SECCOMP, 1, 0, 0, 0), EPERM);
	EXPECT_REFUSED(fork(), EPERM);
	EXPECT_REFUSED(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWUSER, 0, 0, 0, 0), EPERM);
	EXPECT_REFUSED(syscall(SYS_clone3, NULL, 0), ENOSYS);
	return 0;
}

static int act_arguments(struct child *child)
{
	return on_nng_thread(child, try_arguments);
}

/* Never in the table, whatever a later version of the services does. */
static const int forbidden[] = {
	SYS_execve, SYS_execveat, SYS_fork, SYS_vfork, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kill,
	SYS_bpf, SYS_io_uring_setup, SYS_userfaultfd, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare,
	SYS_setns, SYS_kexec_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_swapon,
	SYS_setuid, SYS_setresuid, SYS_setgid, SYS_capset, SYS_chmod, SYS_fchmod, SYS_chown, SYS_lchown, SYS_symlink,
	SYS_mknod, SYS_perf_event_open, SYS_keyctl, SYS_add_key, SYS_memfd_create, SYS_memfd_secret, SYS_pidfd_open,
	SYS_pidfd_getfd, SYS_open_by_handle_at, SYS_seccomp, SYS_personality, SYS_pkey_mprotect, SYS_shmat, SYS_socketpair,
	SYS_fanotify_init, SYS_move_mount, SYS_fsopen, SYS_open_tree, SYS_syslog, SYS_acct, SYS_quotactl, SYS_settimeofday,
	SYS_clock_settime, SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS_vmsplice, SYS_splice,
};

static int try_all_forbidden(struct child *child)
{
	size_t i;

	(void)child;
	for (i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		if (syscall(forbidden[i], -1, 0, 0, 0, 0, 0) == -1 && errno == REFUSAL)
			continue;
		fprintf(stderr, "\n    call %d", forbidden[i]);
		return child_wrong("it is made", __LINE__);
	}
	return 0;
}

static int act_forbidden(struct child *child)
{
	return on_nng_thread(child, try_all_forbidden);
}

static int try_ptrace(struct child *child)
{
	(void)child;
	return (int)ptrace(PTRACE_TRACEME, 0, 0, 0) + 40;
}

static int act_ptrace_on_nng_thread(struct child *child)
{
	return on_nng_thread(child, try_ptrace);
}

static int act_execve(struct child *child)
{
	char *const arguments[] = { (char *)(uintptr_t)"true", NULL };

	(void)child;
	return execv("/bin/true", arguments) + 40;
}

static void test_files(void)
{
	child_expect_success(act_files);
}

static void test_arguments(void)
{
	child_expect_success(act_arguments);
}

static void test_forbidden_calls(void)
{
	struct child child;
	int status;

	child_init(&child, act_forbidden);
	child.config.seccomp_errno = REFUSAL;
	status = child_finish(&child, child_start(&child));
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* As it is in the programs. */
static void test_forbidden_call_kills(void)
{
	int (*const acts[])(struct child *child) = { act_ptrace_on_nng_thread, act_execve };
	struct child child;
	int status;
	size_t i;

	for (i = 0; i < 2; i++) {
		child_init(&child, acts[i]);
		status = child_finish(&child, child_start(&child));
		CU_ASSERT_TRUE(WIFSIGNALED(status));
		CU_ASSERT_EQUAL(WTERMSIG(status), SIGSYS);
	}
}

static const struct check checks[] = {
	{ "other files and ports are closed to nng's threads", test_files },
	{ "arguments of calls are looked at", test_arguments },
	{ "calls that are not in the table are refused", test_forbidden_calls },
	{ "a call that is not in the table kills the process", test_forbidden_call_kills },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	const int obstacle = child_find_obstacle();

	return obstacle != 0 ? obstacle : check_main("pager sandbox refused", checks, argc > 1 ? argv[1] : NULL);
}
