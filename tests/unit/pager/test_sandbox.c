// SPDX-License-Identifier: MIT
/*
 * A process that went through every stage: what its threads are without, what a move needs and can still do, and what
 * is said of a stage that cannot be done.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kvm_demand_paging.h>

#include "check.h"
#include "fake_vm.h"
#include "sandbox_child.h"
#include "secmem.h"

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
	if (geteuid() != 0) {
		fputs("\n    NOT LOOKED AT without root: bounding set, user and groups", stderr);
		return;
	}
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

	child_init(&child, say_ready);
	pid = child_start(&child);
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
	status = child_finish(&child, pid);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- what it can do ---- */

static void *accept_one(void *arg)
{
	struct child *child = arg;
	struct transport_conn *conn = NULL;

	return child->listener->ops->accept(child->listener, CHILD_WAIT_MS, &conn) == 0 ? conn : NULL;
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
	EXPECT(transport_nng.dial(child->address, CHILD_WAIT_MS, &out) == 0);
	EXPECT(pthread_join(thread, &result) == 0 && result != NULL);
	in = result;
	EXPECT(transport_nng.send(out, "hello", 5, CHILD_WAIT_MS) == 0);
	EXPECT(transport_nng.recv(in, bytes, 5, CHILD_WAIT_MS, &n) == 0 && memcmp(bytes, "hello", n) == 0);
	EXPECT(transport_nng.send(in, "x", 1, CHILD_WAIT_MS) == 0);
	EXPECT(transport_nng.recv(out, bytes, 1, CHILD_WAIT_MS, &n) == 0 && bytes[0] == 'x');
	transport_nng.shutdown(out);
	EXPECT(transport_nng.recv(in, bytes, 1, CHILD_WAIT_MS, &n) == -ECONNRESET);
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
	child_expect_success(act_reconnect);
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
	child_expect_success(act_records);
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
	child_init(&child, act_take_memory);
	pid = child_start(&child);
	*cmsg = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fd)) };
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	CU_ASSERT_EQUAL(sendmsg(child.ask, &msg, MSG_NOSIGNAL), 1);
	status = child_finish(&child, pid);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, 7), 1);
	CU_ASSERT_EQUAL(byte, 'm');
	close(fd);
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
	child_remove(child);
}

static void test_refusals(void)
{
	struct child child;

	child_init(&child, NULL);
	child.config.state_dir = "/nonexistent/state";
	expect_refusal(&child, "cannot keep records in /nonexistent/state");
	child_init(&child, NULL);
	child.config.evidence = "tpm";
	child.config.tpm_tcti = "swtpm:port=1";
	expect_refusal(&child, "--tpm-tcti swtpm:port=1: only device:PATH");
	if (access("/sys/kernel/config/tsm/report", F_OK) < 0) {
		child_init(&child, NULL);
		child.config.evidence = "tsm";
		expect_refusal(&child, "cannot open /sys/kernel/config/tsm/report");
	}
	if (geteuid() != 0) {
		fputs("\n    NOT TRIED without root: files that are closed to whom it becomes", stderr);
		return;
	}
	child_init(&child, NULL);
	CU_ASSERT_EQUAL(chown(child.dir, 0, 0), 0);
	expect_refusal(&child, "user 65534 cannot keep records in /tmp/gmem-sandbox-");
	child_init(&child, NULL);
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
	{ "a stage that cannot be done says so", test_refusals },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	const int obstacle = child_find_obstacle();

	return obstacle != 0 ? obstacle : check_main("pager sandbox", checks, argc > 1 ? argv[1] : NULL);
}
