// SPDX-License-Identifier: MIT
/*
 * A process that went through every stage, with the real functions: what its threads are without, what they cannot do
 * any more, and what a move needs and can still do.  Each check is a child; nng's threads in it inherit.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kvm_demand_paging.h>
#include <nng/nng.h>

#include "check.h"
#include "duo.h"
#include "patience.h"
#include "sandbox/landlock.h"
#include "sandbox/sandbox.h"
#include "secmem.h"

#define NOBODY 65534
#define WAIT_MS (5000 * PATIENCE)
#define REFUSAL ENOTBLK		/* nothing here gives it otherwise */

struct child {
	char dir[64], socket[96], address[32];
	uint16_t port;
	int ask, tell;			/* child: the parent's word, its own */
	struct sandbox_config config;
	struct sandbox sandbox;
	struct transport_listener *listener;
	int (*act)(struct child *child);
};

/* In the child: exit code of the failed line. */
static int wrong(const char *what, int line)
{
	fprintf(stderr, "\n    line %d: %s (%s)", line, what, strerror(errno));
	return 1;
}

#define EXPECT(condition) do { if (!(condition)) return wrong(#condition, __LINE__); } while (0)
#define EXPECT_REFUSED(call, error) EXPECT((call) == -1 && errno == (error))

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

static void init(struct child *child, int (*act)(struct child *child))
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
		CU_ASSERT_EQUAL(chown(child->dir, NOBODY, NOBODY), 0);
	}
}

static pid_t start(struct child *child)
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
		_exit(enter(child) == 0 ? child->act(child) : 2);
	}
	close(ask[1]);
	close(tell[1]);
	child->ask = ask[0];
	child->tell = tell[0];
	return pid;
}

/* Its wait status. */
static int finish(struct child *child, pid_t pid)
{
	int status = -1;
	char command[96];

	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	close(child->ask);
	close(child->tell);
	snprintf(command, sizeof(command), "rm -rf %s", child->dir);
	CU_ASSERT_EQUAL(system(command), 0);
	return status;
}

static void expect_success(int (*act)(struct child *child))
{
	struct child child;
	int status;

	init(&child, act);
	status = finish(&child, start(&child));
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

/* ---- what every thread is without ---- */

static int say_ready(struct child *child)
{
	char byte = 1;

	EXPECT(write(child->tell, &byte, 1) == 1);
	EXPECT(read(child->ask, &byte, 1) == 1);
	return 0;
}

static void expect_line(const char *text, const char *name, const char *value)
{
	const char *line = strstr(text, name);
	char wanted[96];

	snprintf(wanted, sizeof(wanted), "%s%s\n", name, value);
	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	if (strncmp(line, wanted, strlen(wanted)) != 0)
		fprintf(stderr, "\n    %.40s is not %s", line, value);
	CU_ASSERT_EQUAL(strncmp(line, wanted, strlen(wanted)), 0);
}

static void check_thread(const char *path)
{
	static const char none[] = "\t0000000000000000";
	char text[8192];
	FILE *file = fopen(path, "re");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	expect_line(text, "\nNoNewPrivs:", "\t1");
	expect_line(text, "\nSeccomp:", "\t2");
	expect_line(text, "\nCapInh:", none);
	expect_line(text, "\nCapPrm:", none);
	expect_line(text, "\nCapEff:", none);
	expect_line(text, "\nCapAmb:", none);
	if (geteuid() != 0)
		return;		/* the bounding set is root's to empty */
	expect_line(text, "\nCapBnd:", none);
	expect_line(text, "\nUid:", "\t65534\t65534\t65534\t65534");
	expect_line(text, "\nGid:", "\t65534\t65534\t65534\t65534");
	expect_line(text, "\nGroups:", "\t ");
}

static void test_every_thread(void)
{
	char path[320], byte = 1;
	unsigned int n_threads = 0;
	struct dirent *entry;
	struct child child;
	struct stat st;
	int status;
	pid_t pid;
	DIR *dir;

	init(&child, say_ready);
	pid = start(&child);
	CU_ASSERT_EQUAL_FATAL(read(child.tell, &byte, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, entry->d_name);
		check_thread(path);
		n_threads++;
	}
	closedir(dir);
	CU_ASSERT_TRUE(n_threads > 5);		/* nng's are among them */
	/* Not dumpable: what is in /proc of it is root's. */
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_uid, 0);
	CU_ASSERT_EQUAL(write(child.ask, &byte, 1), 1);
	status = finish(&child, pid);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- what it can do ---- */

static void *accept_one(void *arg)
{
	struct child *child = arg;
	struct transport_conn *conn = NULL;

	return child->listener->ops->accept(child->listener, WAIT_MS, &conn) == 0 ? conn : NULL;
}

/* A connection to itself, bytes there and back, and its end. */
static int connect_once(struct child *child)
{
	struct transport_conn *out = NULL, *in;
	pthread_t thread;
	char bytes[8];
	size_t n = 0;
	void *result;

	EXPECT(pthread_create(&thread, NULL, accept_one, child) == 0);
	EXPECT(transport_nng.dial(child->address, WAIT_MS, &out) == 0);
	EXPECT(pthread_join(thread, &result) == 0 && result != NULL);
	in = result;
	EXPECT(transport_nng.send(out, "hello", 5, WAIT_MS) == 0);
	EXPECT(transport_nng.recv(in, bytes, 5, WAIT_MS, &n) == 0 && memcmp(bytes, "hello", n) == 0);
	EXPECT(transport_nng.send(in, "x", 1, WAIT_MS) == 0);
	EXPECT(transport_nng.recv(out, bytes, 1, WAIT_MS, &n) == 0 && bytes[0] == 'x');
	transport_nng.shutdown(out);
	EXPECT(transport_nng.recv(in, bytes, 1, WAIT_MS, &n) == -ECONNRESET);
	transport_nng.free(out);
	transport_nng.free(in);
	return 0;
}

/* As after a lost connection: the pager listens anew each time. */
static int act_reconnect(struct child *child)
{
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT(connect_once(child) == 0);
		child->listener->ops->free_listener(child->listener);
		EXPECT(transport_nng.listen(child->address, &child->listener) == 0);
	}
	child->listener->ops->free_listener(child->listener);
	return 0;
}

static void test_connections(void)
{
	expect_success(act_reconnect);
}

/* A record is written, replaced and removed; the socket is removed. */
static int act_records(struct child *child)
{
	int dir = open(child->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	char byte = 'r';

	EXPECT(dir >= 0);
	fd = openat(dir, "record.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	EXPECT(fd >= 0 && write(fd, &byte, 1) == 1 && fsync(fd) == 0 && close(fd) == 0);
	EXPECT(linkat(dir, "record.new", dir, "record", 0) == 0);
	EXPECT(renameat(dir, "record.new", dir, "record") == 0);
	fd = openat(dir, "record", O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0 && read(fd, &byte, 1) == 1 && close(fd) == 0);
	EXPECT(unlinkat(dir, "record", 0) == 0 && fsync(dir) == 0);
	EXPECT(unlink(child->socket) == 0);
	return 0;
}

static void test_records(void)
{
	expect_success(act_records);
}

/* The VMM's descriptors come after the seal. */
static int act_take_memory(struct child *child)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char byte, *map;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct kvm_dp_query query = { 0 };
	void *locked;
	int fd;

	EXPECT(recvmsg(child->ask, &msg, MSG_CMSG_CLOEXEC) == 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	map = mmap(NULL, FAKE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT(map != MAP_FAILED && madvise(map, FAKE_PAGE, MADV_DONTDUMP) == 0);
	map[7] = 'm';
	EXPECT(munmap(map, FAKE_PAGE) == 0);
	/* The number is allowed, and the descriptor is no session. */
	EXPECT_REFUSED(ioctl(fd, KVM_DP_QUERY, &query), ENOTTY);
	EXPECT_REFUSED(ioctl(fd, KVM_DP_FREEZE, 0), ENOTTY);
	locked = secmem_alloc(1 << 20);
	EXPECT(locked != NULL);
	secmem_free(locked);
	return 0;
}

static void test_memory(void)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	int fd = memfd_create("shared", MFD_CLOEXEC), status;
	struct iovec iov = { (void *)(uintptr_t)"x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	struct child child;
	char byte = 0;
	pid_t pid;

	CU_ASSERT_EQUAL(ftruncate(fd, FAKE_PAGE), 0);
	init(&child, act_take_memory);
	pid = start(&child);
	*cmsg = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fd)) };
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	CU_ASSERT_EQUAL(sendmsg(child.ask, &msg, MSG_NOSIGNAL), 1);
	status = finish(&child, pid);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, 7), 1);
	CU_ASSERT_EQUAL(byte, 'm');
	close(fd);
}

/* ---- what it cannot do: from a thread of nng ---- */

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
		return wrong("it is made", __LINE__);
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
	expect_success(act_files);
}

static void test_arguments(void)
{
	expect_success(act_arguments);
}

static void test_forbidden_calls(void)
{
	struct child child;
	int status;

	init(&child, act_forbidden);
	child.config.seccomp_errno = REFUSAL;
	status = finish(&child, start(&child));
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
		init(&child, acts[i]);
		status = finish(&child, start(&child));
		CU_ASSERT_TRUE(WIFSIGNALED(status));
		CU_ASSERT_EQUAL(WTERMSIG(status), SIGSYS);
	}
}

/* ---- stages that cannot be done ---- */

/* The parent's side only: no stage is entered. */
static void expect_refusal(struct child *child, const char *sentence)
{
	char error[SANDBOX_ERROR_LEN] = "";
	int status = 0, r;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		r = sandbox_begin(&child->sandbox, &child->config, error);
		if (r == 0)
			r = sandbox_enter(&child->sandbox, error);
		if (r == 0 || strstr(error, sentence) == NULL)
			fprintf(stderr, "\n    \"%s\" does not contain \"%s\"", error, sentence);
		_exit(r < 0 && strstr(error, sentence) != NULL ? 0 : 1);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	snprintf(error, sizeof(error), "rm -rf %s", child->dir);
	CU_ASSERT_EQUAL(system(error), 0);
}

static void test_refusals(void)
{
	struct child child;

	init(&child, NULL);
	child.config.state_dir = "/nonexistent/state";
	expect_refusal(&child, "cannot keep records in /nonexistent/state");
	init(&child, NULL);
	child.config.evidence = "tpm";
	child.config.tpm_tcti = "swtpm:port=1";
	expect_refusal(&child, "--tpm-tcti swtpm:port=1: only device:PATH");
	if (access("/sys/kernel/config/tsm/report", F_OK) < 0) {
		init(&child, NULL);
		child.config.evidence = "tsm";
		expect_refusal(&child, "cannot open /sys/kernel/config/tsm/report");
	}
	if (geteuid() != 0)
		return;		/* the rest is about who root becomes */
	init(&child, NULL);
	CU_ASSERT_EQUAL(chown(child.dir, 0, 0), 0);
	expect_refusal(&child, "user 65534 cannot keep records in /tmp/gmem-sandbox-");
	init(&child, NULL);
	child.config.sockets[1] = "/run/gmem-sandbox-socket";
	close(open("/run/gmem-sandbox-socket", O_CREAT | O_WRONLY, 0600));
	expect_refusal(&child, "cannot remove its socket /run/gmem-sandbox-socket at the end");
	unlink("/run/gmem-sandbox-socket");
}

static const struct check checks[] = {
	{ "every thread, nng's too, is without privileges and sealed", test_every_thread },
	{ "connections are made, lost and made again", test_connections },
	{ "records are kept, the socket is removed", test_records },
	{ "memory of the VMM is mapped, memory is locked", test_memory },
	{ "other files and ports are closed to nng's threads", test_files },
	{ "arguments of calls are looked at", test_arguments },
	{ "calls that are not in the table are refused", test_forbidden_calls },
	{ "a call that is not in the table kills the process", test_forbidden_call_kills },
	{ "a stage that cannot be done says so", test_refusals },
	{ NULL, NULL },
};

/* 77: it cannot be tested here, in a sentence. */
static int find_obstacle(void)
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

int main(int argc, char **argv)
{
	const int obstacle = find_obstacle();

	return obstacle != 0 ? obstacle : check_main("pager sandbox", checks, argc > 1 ? argv[1] : NULL);
}
