// SPDX-License-Identifier: MIT
/* libgmem and the service behind it, over real unix sockets; the VMs are fake. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "duo.h"
#include "service.h"
#include "vmmsock.h"

struct side {
	struct service_config config;
	char path[96];
	pthread_t thread;
	int code;
};

struct rig {
	struct duo duo;
	struct side source, pager;
};

static struct rig *current;

/* The descriptor that crosses the socket only says which VM is meant: its number of bytes. */
static int open_fake(int fd, struct backend **ret_backend)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size == 0)
		return -ENOTTY;
	close(fd);
	*ret_backend = fake_vm_session(st.st_size == 1 ? &current->duo.source_vm : &current->duo.pager_vm);
	return 0;
}

static int vm_fd(int number)
{
	int fd = memfd_create("which", MFD_CLOEXEC);

	CU_ASSERT_EQUAL(ftruncate(fd, number), 0);
	return fd;
}

static int source_attach_op(void *opaque, struct backend *backend, const struct gmem_region *regions, size_t n,
			    char *ret_error, size_t error_len)
{
	return source_attach(opaque, backend, regions, n, ret_error, error_len);
}

static int source_prepare_op(void *opaque)
{
	return source_prepare(opaque);
}

static int source_start_op(void *opaque, struct states *states, char *ret_error, size_t error_len)
{
	return source_start(opaque, states, ret_error, error_len);
}

static void source_progress_op(void *opaque, struct gmem_progress *ret_progress)
{
	source_progress(opaque, ret_progress);
}

static void source_stop_op(void *opaque)
{
	source_stop(opaque);
}

static int pager_attach_op(void *opaque, struct backend *backend, const struct gmem_region *regions, size_t n,
			   char *ret_error, size_t error_len)
{
	return pager_attach(opaque, backend, regions, n, ret_error, error_len);
}

static int pager_run_op(void *opaque)
{
	return pager_run(opaque);
}

static const struct states *pager_states_op(void *opaque)
{
	return &((struct pager *)opaque)->states;
}

static void pager_tick_op(void *opaque)
{
	pager_tick(opaque);
}

static void pager_progress_op(void *opaque, struct gmem_progress *ret_progress)
{
	pager_progress(opaque, ret_progress);
}

static void pager_stop_op(void *opaque)
{
	pager_stop(opaque);
}

static const struct service_ops source_service = {
	.name = "source", .role = GMEM_ROLE_SOURCE, .committed = GMEM_PHASE_STARTED, .attach = source_attach_op,
	.prepare = source_prepare_op, .start = source_start_op, .progress = source_progress_op,
	.stop = source_stop_op,
};

static const struct service_ops pager_service = {
	.name = "pager", .role = GMEM_ROLE_PAGER, .committed = GMEM_PHASE_RUNNING, .attach = pager_attach_op,
	.run = pager_run_op, .states = pager_states_op, .tick = pager_tick_op, .progress = pager_progress_op,
	.stop = pager_stop_op,
};

static void *serve(void *arg)
{
	struct side *side = arg;

	side->code = service_run(&side->config);
	return NULL;
}

static void start_side(struct rig *rig, struct side *side, const struct service_ops *ops, void *opaque,
		       struct session *session)
{
	struct stat st;
	int i;

	snprintf(side->path, sizeof(side->path), "%s/%s.sock", rig->duo.dir, ops->name);
	side->config = (struct service_config){
		.ops = ops, .opaque = opaque, .session = session, .open_backend = open_fake,
		.socket_path = side->path, .linger_ms = 10000,
	};
	pthread_create(&side->thread, NULL, serve, side);
	for (i = 0; i < 2000 * PATIENCE && stat(side->path, &st) < 0; i++)
		usleep(1000);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
}

static void rig_init(struct rig *rig)
{
	struct duo *duo = &rig->duo;

	current = rig;
	duo_init(duo, 256, 32);
	CU_ASSERT_EQUAL_FATAL(pager_new(&duo->pager_config, &duo->pager, duo->error, sizeof(duo->error)), 0);
	CU_ASSERT_EQUAL_FATAL(source_new(&duo->source_config, &duo->source, duo->error, sizeof(duo->error)), 0);
	start_side(rig, &rig->pager, &pager_service, duo->pager, &duo->pager->session);
	start_side(rig, &rig->source, &source_service, duo->source, &duo->source->session);
}

/* Both services end by themselves once their VMMs are gone. */
static void rig_fini(struct rig *rig)
{
	pthread_join(rig->source.thread, NULL);
	pthread_join(rig->pager.thread, NULL);
	duo_fini(&rig->duo);
}

/* It may not listen yet, or be about to let the one before go. */
static int connect_to(const struct side *side, enum gmem_role role, gmem_client **ret_client)
{
	int r, i;

	for (i = 0; i < 2000 * PATIENCE; i++) {
		r = gmem_connect(side->path, role, ret_client);
		if (r != -ECONNREFUSED && r != -EPIPE)
			break;
		usleep(1000);
	}
	return r;
}

static gmem_client *attach(struct side *side, enum gmem_role role, int number, const struct gmem_region *regions,
			   size_t n_regions)
{
	gmem_client *client = NULL;
	int fd = vm_fd(number);

	CU_ASSERT_EQUAL_FATAL(connect_to(side, role, &client), 0);
	CU_ASSERT_EQUAL(gmem_attach(client, fd, regions, n_regions), 0);
	close(fd);
	return client;
}

static gmem_client *attach_source(struct rig *rig)
{
	return attach(&rig->source, GMEM_ROLE_SOURCE, 1, rig->duo.source_regions, 2);
}

static gmem_client *attach_pager(struct rig *rig)
{
	return attach(&rig->pager, GMEM_ROLE_PAGER, 2, rig->duo.pager_regions, 2);
}

struct vmm {
	gmem_client *client;
	const struct gmem_state *states;
	size_t n_states;
	int result;
};

static void *source_vmm(void *arg)
{
	struct vmm *vmm = arg;

	vmm->result = gmem_source_start(vmm->client, vmm->states, vmm->n_states);
	return NULL;
}

static bool polls_readable(const gmem_client *client)
{
	struct pollfd pfd = { .fd = gmem_fd(client), .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void test_move_through_the_library(void)
{
	static uint8_t large[GMEM_MAX_STATE_LEN];
	struct gmem_state states[3] = {
		{ .name = "large", .data = large, .data_len = sizeof(large) },
		{ .name = "empty" },
		{ .name = "small", .data = "xyz", .data_len = 3 },
	};
	const struct gmem_state *got = NULL;
	struct gmem_progress progress;
	enum gmem_phase phase;
	struct vmm vmm = { .states = states, .n_states = 3 };
	gmem_client *pager;
	pthread_t thread;
	size_t n_got = 0, i;
	struct rig rig;

	for (i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(i * 7 + i / 4096);
	rig_init(&rig);
	pager = attach_pager(&rig);
	vmm.client = attach_source(&rig);
	CU_ASSERT_EQUAL(gmem_wait(pager, GMEM_PHASE_ACCEPTED, 0, &phase), -ETIMEDOUT);
	CU_ASSERT_EQUAL_FATAL(gmem_source_prepare(vmm.client), 0);
	CU_ASSERT_EQUAL(gmem_wait(pager, GMEM_PHASE_ACCEPTED, 5000 * PATIENCE, &phase), 0);
	CU_ASSERT_FALSE(polls_readable(pager));
	pthread_create(&thread, NULL, source_vmm, &vmm);
	CU_ASSERT_EQUAL_FATAL(gmem_pager_wait_start(pager, &got, &n_got), 0);
	CU_ASSERT_EQUAL_FATAL(n_got, 3);
	CU_ASSERT_STRING_EQUAL(got[0].name, "large");
	CU_ASSERT_EQUAL(got[0].data_len, sizeof(large));
	CU_ASSERT_EQUAL(memcmp(got[0].data, large, sizeof(large)), 0);
	CU_ASSERT_EQUAL(got[1].data_len, 0);
	CU_ASSERT_EQUAL(memcmp(got[2].data, "xyz", 3), 0);
	CU_ASSERT_EQUAL(gmem_pager_run(pager), 0);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(vmm.result, 0);
	CU_ASSERT_EQUAL(gmem_wait(pager, GMEM_PHASE_COMPLETE, 20000 * PATIENCE, &phase), 0);
	CU_ASSERT_EQUAL(gmem_wait(vmm.client, GMEM_PHASE_COMPLETE, 20000 * PATIENCE, &phase), 0);
	CU_ASSERT_EQUAL(phase, GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(gmem_get_progress(pager, &progress), 0);
	CU_ASSERT_EQUAL(progress.pages_present, 288);
	CU_ASSERT_EQUAL(progress.phase, GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(&rig.duo), -1);
	gmem_close(pager);
	gmem_close(vmm.client);
	rig_fini(&rig);
	CU_ASSERT_EQUAL(rig.source.code, SERVICE_EXIT_COMPLETE);
	CU_ASSERT_EQUAL(rig.pager.code, SERVICE_EXIT_COMPLETE);
}

/* gmem_fd() is readable exactly when there is news, also if the news came before a reply. */
static void test_fd_says_when_there_is_news(void)
{
	struct gmem_progress progress;
	enum gmem_phase phase;
	gmem_client *pager, *source;
	struct rig rig;
	int i;

	rig_init(&rig);
	pager = attach_pager(&rig);
	source = attach_source(&rig);
	CU_ASSERT_EQUAL(gmem_wait(pager, GMEM_PHASE_ACCEPTED, 0, &phase), -ETIMEDOUT);
	CU_ASSERT_EQUAL(gmem_source_prepare(source), 0);
	for (i = 0; i < 2000 * PATIENCE; i++) {
		CU_ASSERT_EQUAL_FATAL(gmem_get_progress(pager, &progress), 0);
		if (progress.phase == GMEM_PHASE_ACCEPTED)
			break;
		usleep(1000);
	}
	CU_ASSERT_TRUE(polls_readable(pager));
	CU_ASSERT_EQUAL(gmem_wait(pager, GMEM_PHASE_ACCEPTED, 0, &phase), 0);
	CU_ASSERT_FALSE(polls_readable(pager));
	gmem_close(source);
	CU_ASSERT_EQUAL(gmem_wait(pager, GMEM_PHASE_STARTED, 5000 * PATIENCE, &phase), -EIO);
	CU_ASSERT_EQUAL(phase, GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(gmem_last_error(pager), "VMM went away");
	gmem_close(pager);
	rig_fini(&rig);
	CU_ASSERT_EQUAL(rig.source.code, SERVICE_EXIT_ABORTED);
	CU_ASSERT_EQUAL(rig.pager.code, SERVICE_EXIT_ABORTED);
}

static void test_destination_vmm_dies_before_run(void)
{
	const struct gmem_state *got;
	struct vmm vmm = { .n_states = 0 };
	gmem_client *pager;
	pthread_t thread;
	size_t n_got;
	struct rig rig;

	rig_init(&rig);
	pager = attach_pager(&rig);
	vmm.client = attach_source(&rig);
	CU_ASSERT_EQUAL_FATAL(gmem_source_prepare(vmm.client), 0);
	pthread_create(&thread, NULL, source_vmm, &vmm);
	CU_ASSERT_EQUAL_FATAL(gmem_pager_wait_start(pager, &got, &n_got), 0);
	CU_ASSERT_EQUAL(n_got, 0);
	gmem_close(pager);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(vmm.result, -ECANCELED);
	CHECK_CONTAINS(gmem_last_error(vmm.client), "VMM went away");
	CU_ASSERT_FALSE(rig.duo.source_vm.frozen);
	gmem_close(vmm.client);
	rig_fini(&rig);
	CU_ASSERT_EQUAL(rig.source.code, SERVICE_EXIT_ABORTED);
}

static void test_wrong_use(void)
{
	struct gmem_region bad[2] = { { .gpa = 0, .size = 8192, .flags = GMEM_REGION_GUEST_MEMFD, .shared_fd = -1 } };
	struct gmem_state doubled[2] = { { .name = "a" }, { .name = "a" } };
	const struct gmem_state *got;
	gmem_client *client = NULL, *second = NULL;
	int fd = vm_fd(1), null_fd = vm_fd(0);
	struct rig rig;
	size_t n_got;

	rig_init(&rig);
	CU_ASSERT_EQUAL(gmem_connect("/nonexistent/gmem.sock", GMEM_ROLE_SOURCE, &client), -ENOENT);
	CU_ASSERT_EQUAL(connect_to(&rig.source, GMEM_ROLE_PAGER, &client), -EPROTO);
	CU_ASSERT_EQUAL_FATAL(connect_to(&rig.source, GMEM_ROLE_SOURCE, &client), 0);
	CU_ASSERT_EQUAL(gmem_connect(rig.source.path, GMEM_ROLE_SOURCE, &second), -EPIPE);
	CU_ASSERT_PTR_NULL(second);
	CU_ASSERT_EQUAL(gmem_source_prepare(client), -EINVAL);
	CHECK_CONTAINS(gmem_last_error(client), "no VM");
	CU_ASSERT_EQUAL(gmem_attach(client, fd, bad, 0), -EINVAL);
	bad[0].size = 100;
	CU_ASSERT_EQUAL(gmem_attach(client, fd, bad, 1), -EINVAL);
	bad[0].size = 8192;
	bad[1] = bad[0];
	CU_ASSERT_EQUAL(gmem_attach(client, fd, bad, 2), -EINVAL);
	CU_ASSERT_EQUAL(gmem_attach(client, null_fd, bad, 1), -ENOTTY);
	CHECK_CONTAINS(gmem_last_error(client), "demand-paging session");
	CU_ASSERT_EQUAL(gmem_attach(client, fd, rig.duo.source_regions, 2), 0);
	CU_ASSERT_EQUAL(gmem_attach(client, fd, rig.duo.source_regions, 2), -EALREADY);
	CU_ASSERT_EQUAL(gmem_source_start(client, doubled, 2), -EEXIST);
	CU_ASSERT_EQUAL(gmem_source_start(client, NULL, 0), -EINVAL);
	CHECK_CONTAINS(gmem_last_error(client), "gmem_source_prepare");
	CU_ASSERT_EQUAL(gmem_pager_run(client), -EINVAL);
	CU_ASSERT_EQUAL(gmem_pager_wait_start(client, &got, &n_got), -EINVAL);
	close(fd);
	close(null_fd);
	gmem_close(client);
	gmem_close(NULL);
	client = attach_pager(&rig);
	gmem_close(client);
	rig_fini(&rig);
}

/* A file that is no socket is nobody's to remove. */
static void test_a_file_in_the_way(void)
{
	char path[] = "/tmp/gmem-vmmsock-XXXXXX";
	int file = mkstemp(path), fd;

	CU_ASSERT_EQUAL(vmmsock_listen(path, &fd), -EADDRINUSE);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	close(file);
	unlink(path);
	CU_ASSERT_EQUAL_FATAL(vmmsock_listen(path, &fd), 0);
	CU_ASSERT_EQUAL(vmmsock_listen(path, &file), -EADDRINUSE);	/* it is served */
	close(fd);
	CU_ASSERT_EQUAL_FATAL(vmmsock_listen(path, &fd), 0);		/* left over */
	close(fd);
	unlink(path);
}

/* Bytes that no library would send. */
static void test_malformed_messages(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	gmem_client *client;
	uint8_t noise[2000];
	struct rig rig;
	int fd, i, k;

	rig_init(&rig);
	strcpy(addr.sun_path, rig.source.path);
	memset(noise, 0xa5, sizeof(noise));
	for (i = 0; i < 4; i++) {
		const uint32_t header[4] = { 0x4d454d47u, (uint32_t)(i == 2 ? 77 : 4), 1, i == 1 ? 9999 : 1984 };

		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		for (k = 0; k < 2000 * PATIENCE && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0; k++)
			usleep(1000);
		if (i > 0)
			memcpy(noise, header, sizeof(header));
		CU_ASSERT_EQUAL(send(fd, noise, sizeof(noise), MSG_NOSIGNAL), (ssize_t)sizeof(noise));
		usleep(50000);
		close(fd);
		usleep(150000);
	}
	client = attach_source(&rig);
	gmem_close(client);
	client = attach_pager(&rig);
	gmem_close(client);
	rig_fini(&rig);
	CU_ASSERT_EQUAL(rig.source.code, SERVICE_EXIT_ABORTED);
}

static const struct check checks[] = {
	{ "a move through the library", test_move_through_the_library },
	{ "the descriptor says when there is news", test_fd_says_when_there_is_news },
	{ "the destination's VMM dies before it runs", test_destination_vmm_dies_before_run },
	{ "wrong use", test_wrong_use },
	{ "malformed messages", test_malformed_messages },
	{ "a file in the way of the socket", test_a_file_in_the_way },
	{ NULL, NULL },
};

CHECK_MAIN("the library and its services", checks)
