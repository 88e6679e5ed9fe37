// SPDX-License-Identifier: MIT
/*
 * libgmem as the custodian of a VM: the service at its socket goes away without a word and comes back,
 * or does not.  The service here is a script: it answers what it is told to.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dirent.h>
#include <gmem/gmem.h>

#include "check.h"
#include "uffd_open.h"
#include "vmmsock.h"

/* What one life of the service does. */
struct life {
	enum gmem_phase phase;		/* in each reply */
	int attach_status;
	int n_answers;			/* requests to answer, then gone; PROTO_STATE is none */
	enum gmem_phase event;		/* told after them; 0: none */
	/* What was seen. */
	uint32_t attach_flags;
	unsigned int n_fds, n_attach, n_start, n_states, n_run;
};

struct script {
	char path[64];
	enum gmem_role role;
	struct life *lives;
	size_t n_lives;
	int pause_ms;			/* before each life but the first */
	pthread_t thread;
};

static atomic_int n_sessions;

static int new_session(void *opaque)
{
	(void)opaque;
	atomic_fetch_add(&n_sessions, 1);
	return memfd_create("session", MFD_CLOEXEC);
}

static void take(struct life *life, struct vmmsock_message *message)
{
	struct proto_attach attach;

	switch (message->header.type) {
	case PROTO_ATTACH:
	case PROTO_ATTACH_UFFD:
		memcpy(&attach, message->body, sizeof(attach));
		life->attach_flags = attach.flags;
		life->n_fds = (unsigned int)message->n_fds;
		life->n_attach++;
		break;
	case PROTO_START:
		life->n_start++;
		break;
	case PROTO_RUN:
		life->n_run++;
		break;
	default:
		break;
	}
}

static void live(const struct script *script, struct life *life, int fd)
{
	static uint8_t buffer[PROTO_MESSAGE_MAX];
	const struct proto_hello hello = { .version = PROTO_VERSION, .role = (uint32_t)script->role };
	struct proto_event event = { .phase = (uint32_t)life->event };
	struct vmmsock_message message;
	struct proto_reply reply;
	int n = 0;

	while (n < life->n_answers && vmmsock_recv(fd, buffer, &message) == 0) {
		const uint32_t type = message.header.type;

		take(life, &message);
		vmmsock_close_fds(&message);
		if (type == PROTO_STATE) {
			life->n_states++;
			continue;
		}
		reply = (struct proto_reply){ .phase = (uint32_t)life->phase };
		if (type == PROTO_ATTACH || type == PROTO_ATTACH_UFFD)
			reply.status = life->attach_status;
		vmmsock_reply(fd, message.header.seq, &reply, type == PROTO_HELLO ? &hello : NULL,
			      type == PROTO_HELLO ? sizeof(hello) : 0, NULL, 0);
		n++;
	}
	/* Killed in the middle of a request: it was read, and not answered. */
	if (life->event == 0 && vmmsock_recv(fd, buffer, &message) == 0) {
		take(life, &message);
		vmmsock_close_fds(&message);
	} else if (life->event != 0) {
		vmmsock_event(fd, &event);
	}
}

static void *run_script(void *arg)
{
	struct script *script = arg;
	size_t i;
	int listen_fd, fd;

	for (i = 0; i < script->n_lives; i++) {
		if (i > 0)
			usleep((useconds_t)script->pause_ms * 1000);
		if (vmmsock_listen(script->path, &listen_fd) < 0)
			abort();
		if (vmmsock_accept(listen_fd, &fd) < 0)
			abort();
		live(script, &script->lives[i], fd);
		close(fd);
		close(listen_fd);	/* the file stays, as after a kill */
	}
	return NULL;
}

/* The script runs, and libgmem has connected. */
static gmem_client *connect_to(struct script *script, enum gmem_role role, struct life *lives, size_t n_lives)
{
	gmem_client *client = NULL;
	int i;

	*script = (struct script){ .role = role, .lives = lives, .n_lives = n_lives, .pause_ms = 150 };
	atomic_store(&n_sessions, 0);
	snprintf(script->path, sizeof(script->path), "/tmp/gmem-custody-%d.sock", (int)getpid());
	pthread_create(&script->thread, NULL, run_script, script);
	for (i = 0; i < 2000 && gmem_connect(script->path, role, &client) < 0; i++)
		usleep(1000);
	CU_ASSERT_PTR_NOT_NULL_FATAL(client);
	return client;
}

static gmem_client *begin(struct script *script, enum gmem_role role, struct life *lives, size_t n_lives, int wait_ms)
{
	const struct gmem_region region = { .size = 4096, .flags = GMEM_REGION_GUEST_MEMFD | GMEM_REGION_SHARED_FD,
					    .shared_fd = memfd_create("shared", MFD_CLOEXEC) };
	gmem_client *client = connect_to(script, role, lives, n_lives);
	int session_fd = memfd_create("first", MFD_CLOEXEC);

	if (wait_ms != 0)
		CU_ASSERT_EQUAL(gmem_set_custody(client, new_session, NULL, wait_ms), 0);
	CU_ASSERT_EQUAL_FATAL(gmem_attach(client, session_fd, &region, 1), 0);
	CU_ASSERT_EQUAL(gmem_set_custody(client, new_session, NULL, 1), -EALREADY);
	close(session_fd);
	close(region.shared_fd);
	return client;
}

static void end(struct script *script, gmem_client *client)
{
	gmem_close(client);
	pthread_join(script->thread, NULL);
	unlink(script->path);
}

static void test_pager_comes_back(void)
{
	struct life lives[] = {
		{ .phase = GMEM_PHASE_RUNNING, .n_answers = 2 },
		{ .phase = GMEM_PHASE_RUNNING, .n_answers = 2, .attach_status = -ENXIO, .event = GMEM_PHASE_RUNNING },
		{ .phase = GMEM_PHASE_RUNNING, .n_answers = 2, .event = GMEM_PHASE_COMPLETE },
	};
	enum gmem_phase phase = GMEM_PHASE_IDLE;
	struct gmem_progress progress;
	struct script script;
	gmem_client *client = begin(&script, GMEM_ROLE_PAGER, lives, 3, -1);
	int fd = gmem_fd(client);

	CU_ASSERT_EQUAL(atomic_load(&n_sessions), 1);		/* its own */
	CU_ASSERT_EQUAL(gmem_get_progress(client, &progress), -EPIPE);
	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_COMPLETE, 20, &phase), -ETIMEDOUT);
	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_COMPLETE, 20000, &phase), 0);
	CU_ASSERT_EQUAL(phase, GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(gmem_fd(client), fd);
	CU_ASSERT_EQUAL(lives[0].attach_flags, 0);
	CU_ASSERT_EQUAL(lives[1].attach_flags, PROTO_ATTACH_AGAIN);
	CU_ASSERT_EQUAL(lives[2].attach_flags, PROTO_ATTACH_AGAIN);
	CU_ASSERT_EQUAL(lives[2].n_fds, 2);
	CU_ASSERT_EQUAL(atomic_load(&n_sessions), 3);
	end(&script, client);
}

/* Nothing has happened to a VM before START: it is handed over as for the first time, whoever comes. */
static void test_pager_comes_before_start(void)
{
	struct life lives[] = {
		{ .phase = GMEM_PHASE_CONNECTING, .n_answers = 2, .event = GMEM_PHASE_ACCEPTED },
		/* somebody else's: what it says of its own move does not count */
		{ .phase = GMEM_PHASE_COMPLETE, .n_answers = 2, .attach_status = -EEXIST, .event = GMEM_PHASE_COMPLETE },
		{ .phase = GMEM_PHASE_CONNECTING, .n_answers = 2, .event = GMEM_PHASE_STARTED },
		{ .phase = GMEM_PHASE_STARTED, .n_answers = 2, .event = GMEM_PHASE_COMPLETE },
	};
	enum gmem_phase phase = GMEM_PHASE_IDLE;
	struct script script;
	gmem_client *client = begin(&script, GMEM_ROLE_PAGER, lives, 4, -1);
	int i;

	for (i = 0; i < 2000 && lives[1].n_attach == 0; i++) {
		CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_STARTED, 20, &phase), -ETIMEDOUT);
		CU_ASSERT_TRUE(phase <= GMEM_PHASE_ACCEPTED);
	}
	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_STARTED, 20000, &phase), 0);
	CU_ASSERT_EQUAL(phase, GMEM_PHASE_STARTED);
	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_COMPLETE, 20000, &phase), 0);
	CU_ASSERT_EQUAL(lives[1].attach_flags, 0);
	CU_ASSERT_EQUAL(lives[2].attach_flags, 0);
	CU_ASSERT_EQUAL(lives[3].attach_flags, PROTO_ATTACH_AGAIN);
	end(&script, client);
}

static void test_source_comes_before_start(void)
{
	struct life lives[] = {
		{ .phase = GMEM_PHASE_ACCEPTED, .n_answers = 2 },
		{ .phase = GMEM_PHASE_IDLE, .n_answers = 2, .event = GMEM_PHASE_COMPLETE },
	};
	struct script script;
	gmem_client *client = begin(&script, GMEM_ROLE_SOURCE, lives, 2, -1);

	CU_ASSERT_EQUAL(gmem_source_prepare(client), -EPIPE);
	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_COMPLETE, 20000, NULL), 0);
	CU_ASSERT_EQUAL(lives[1].attach_flags, 0);
	CU_ASSERT_EQUAL(lives[1].n_attach, 1);
	end(&script, client);
}

static void test_nobody_comes(void)
{
	struct life lives[] = { { .phase = GMEM_PHASE_RUNNING, .n_answers = 2, .event = GMEM_PHASE_RUNNING } };
	struct script script;
	gmem_client *client = begin(&script, GMEM_ROLE_PAGER, lives, 1, 300);

	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_COMPLETE, -1, NULL), -EPIPE);
	CHECK_CONTAINS(gmem_last_error(client), "none came in its place");
	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_COMPLETE, -1, NULL), -EPIPE);
	end(&script, client);
	client = begin(&script, GMEM_ROLE_PAGER, lives, 1, 0);	/* no custody */
	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_COMPLETE, -1, NULL), -EPIPE);
	CU_ASSERT_EQUAL(atomic_load(&n_sessions), 0);
	end(&script, client);
}

/* The record said RUNNING before it died: that is the answer to RUN. */
static void test_run_was_recorded(void)
{
	struct life lives[] = {
		{ .phase = GMEM_PHASE_STARTED, .n_answers = 2 },
		{ .phase = GMEM_PHASE_RUNNING, .n_answers = 2, .event = GMEM_PHASE_COMPLETE },
	};
	struct script script;
	gmem_client *client = begin(&script, GMEM_ROLE_PAGER, lives, 2, -1);

	CU_ASSERT_EQUAL(gmem_pager_run(client), 0);
	CU_ASSERT_EQUAL(lives[0].n_run, 1);
	CU_ASSERT_EQUAL(lives[1].n_run, 0);
	end(&script, client);
}

static int start(struct life *lives, size_t n_lives, int wait_ms)
{
	const struct gmem_state state = { .name = "vcpu0.regs", .data = "x", .data_len = 1 };
	struct script script;
	gmem_client *client = begin(&script, GMEM_ROLE_SOURCE, lives, n_lives, wait_ms);
	int r = gmem_source_start(client, &state, 1);

	end(&script, client);
	return r;
}

static void test_start_again(void)
{
	struct life in_doubt[] = {
		{ .phase = GMEM_PHASE_ACCEPTED, .n_answers = 2 },
		{ .phase = GMEM_PHASE_STARTED, .n_answers = 3, .event = GMEM_PHASE_RUNNING },
	};
	struct life given[] = {
		{ .phase = GMEM_PHASE_ACCEPTED, .n_answers = 2 },
		{ .phase = GMEM_PHASE_RUNNING, .n_answers = 2, .event = GMEM_PHASE_RUNNING },
	};
	struct life offered[] = {
		{ .phase = GMEM_PHASE_ACCEPTED, .n_answers = 2 },
		{ .phase = GMEM_PHASE_ACCEPTED, .n_answers = 4, .event = GMEM_PHASE_RUNNING },
	};
	struct life alone[] = { { .phase = GMEM_PHASE_ACCEPTED, .n_answers = 2 } };

	CU_ASSERT_EQUAL(start(in_doubt, 2, -1), 0);
	CU_ASSERT_EQUAL(in_doubt[1].attach_flags, PROTO_ATTACH_AGAIN);
	CU_ASSERT_EQUAL(in_doubt[1].n_states, 1);
	CU_ASSERT_EQUAL(in_doubt[1].n_start, 1);
	CU_ASSERT_EQUAL(start(given, 2, -1), 0);
	CU_ASSERT_EQUAL(given[1].n_start, 0);
	CU_ASSERT_EQUAL(start(offered, 2, -1), 0);
	CU_ASSERT_EQUAL(offered[1].n_start, 1);
	CU_ASSERT_EQUAL(offered[1].attach_flags, PROTO_ATTACH_AGAIN);
	/* Whether START left, nobody can say. */
	CU_ASSERT_EQUAL(start(alone, 1, 200), -EINPROGRESS);
	CU_ASSERT_EQUAL(start(alone, 1, 0), -EINPROGRESS);
}

static int uffd = -1;

static int dup_uffd(void *opaque)
{
	(void)opaque;
	atomic_fetch_add(&n_sessions, 1);
	return fcntl(uffd, F_DUPFD_CLOEXEC, 3);
}

/* Descriptors of this process that are a userfaultfd, and one of them. */
static unsigned int count_uffds(int *ret_fd)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	char target[64];
	unsigned int n = 0;
	ssize_t len;

	while ((entry = readdir(dir)) != NULL) {
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		if (strstr(target, "userfaultfd") != NULL) {
			*ret_fd = atoi(entry->d_name);
			n++;
		}
	}
	closedir(dir);
	return n;
}

static void arm(void *map)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)map, .len = 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	CU_ASSERT_EQUAL(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);
}

static gmem_client *attach_uffd(struct script *script, struct life *lives, size_t n_lives, void *ret_map[1])
{
	const struct gmem_region region = { .size = 4096, .flags = GMEM_REGION_SHARED_FD,
					    .shared_fd = memfd_create("shared", MFD_CLOEXEC) };
	gmem_client *client = connect_to(script, GMEM_ROLE_PAGER, lives, n_lives);
	int fd;

	CU_ASSERT_EQUAL(ftruncate(region.shared_fd, 4096), 0);
	ret_map[0] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, region.shared_fd, 0);
	uffd = uffd_open();
	arm(ret_map[0]);
	CU_ASSERT_EQUAL(gmem_attach_uffd(client, -1, &region, ret_map, 1), -EINVAL);
	CHECK_CONTAINS(gmem_last_error(client), "needs a userfaultfd");
	CU_ASSERT_EQUAL(gmem_attach_uffd(client, uffd, &region, (void *[]){ (char *)ret_map[0] + 1 }, 1), -EINVAL);
	CU_ASSERT_EQUAL(gmem_attach_uffd(client, uffd, &region, (void *[]){ NULL }, 1), -EINVAL);
	CU_ASSERT_EQUAL(gmem_set_custody(client, dup_uffd, NULL, -1), 0);
	CU_ASSERT_EQUAL_FATAL(gmem_attach_uffd(client, uffd, &region, ret_map, 1), 0);
	CU_ASSERT_EQUAL(gmem_attach_uffd(client, uffd, &region, ret_map, 1), -EALREADY);
	CU_ASSERT_EQUAL(count_uffds(&fd), 2);
	close(region.shared_fd);
	return client;
}

static bool no_uffd(void)
{
	const int fd = uffd_open();

	if (fd < 0)
		fprintf(stderr, "skipped, userfaultfd is not to be had here: %s ", strerror(-fd));
	else
		close(fd);
	return fd < 0;
}

static void *read_byte(void *arg)
{
	static atomic_int seen;

	atomic_store(&seen, *(volatile const uint8_t *)arg + 1);
	return &seen;
}

/* The end of the last descriptor would be a page of zeros: it outlives the handle, and who waits goes on waiting. */
static void test_uffd_outlives_a_failed_move(void)
{
	struct life lives[] = { { .phase = GMEM_PHASE_RUNNING, .n_answers = 2, .event = GMEM_PHASE_FAILED } };
	struct uffd_msg message;
	struct script script;
	gmem_client *client;
	pthread_t thread;
	void *map[1];
	int keep, i;

	if (no_uffd())
		return;
	client = attach_uffd(&script, lives, 1, map);
	CU_ASSERT_EQUAL(lives[0].attach_flags, 0);
	CU_ASSERT_EQUAL(lives[0].n_fds, 2);
	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_COMPLETE, 20000, NULL), -EIO);
	end(&script, client);
	CU_ASSERT_EQUAL(count_uffds(&keep), 2);
	close(uffd);
	CU_ASSERT_EQUAL(count_uffds(&keep), 1);
	pthread_create(&thread, NULL, read_byte, map[0]);
	fcntl(keep, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 20000 && read(keep, &message, sizeof(message)) < 0; i++)
		usleep(1000);
	CU_ASSERT_EQUAL(message.event, UFFD_EVENT_PAGEFAULT);
	usleep(100000);
	CU_ASSERT_EQUAL(pthread_tryjoin_np(thread, NULL), EBUSY);
	close(keep);		/* the test's way out alone */
	pthread_join(thread, NULL);
	munmap(map[0], 4096);
}

/* Nobody is held after COMPLETE, whatever the VMM keeps. */
static void test_uffd_ends_with_complete(void)
{
	struct life lives[] = {
		{ .phase = GMEM_PHASE_RUNNING, .n_answers = 2, .event = GMEM_PHASE_RUNNING },
		{ .phase = GMEM_PHASE_RUNNING, .n_answers = 2, .event = GMEM_PHASE_COMPLETE },
	};
	struct script script;
	gmem_client *client;
	void *map[1];
	int fd;

	if (no_uffd())
		return;
	client = attach_uffd(&script, lives, 2, map);
	CU_ASSERT_EQUAL(atomic_load(&n_sessions), 0);
	CU_ASSERT_EQUAL(gmem_wait(client, GMEM_PHASE_COMPLETE, 20000, NULL), 0);
	CU_ASSERT_EQUAL(lives[1].attach_flags, PROTO_ATTACH_AGAIN);
	CU_ASSERT_EQUAL(lives[1].n_fds, 2);
	CU_ASSERT_EQUAL(atomic_load(&n_sessions), 1);
	CU_ASSERT_EQUAL(count_uffds(&fd), 1);		/* our own */
	CU_ASSERT_EQUAL(*(volatile const uint8_t *)map[0], 0);
	end(&script, client);
	close(uffd);
	munmap(map[0], 4096);
}

static const struct check checks[] = {
	{ "gmem-pager comes back", test_pager_comes_back },
	{ "gmem-pager comes before START", test_pager_comes_before_start },
	{ "gmem-source comes before START", test_source_comes_before_start },
	{ "nobody comes", test_nobody_comes },
	{ "RUN was recorded", test_run_was_recorded },
	{ "START again", test_start_again },
	{ "a userfaultfd outlives a failed move", test_uffd_outlives_a_failed_move },
	{ "a userfaultfd ends with COMPLETE", test_uffd_ends_with_complete },
	{ NULL, NULL },
};

CHECK_MAIN("custody", checks)
