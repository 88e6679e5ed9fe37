/* SPDX-License-Identifier: MIT */
/*
 * fuzz_request: what a VMM writes to gmem-source's or gmem-pager's socket.
 * Input: one byte of role and phase; then for each packet a byte of type (from 128
 * on the packet is its bytes as they are, without a header), a byte of
 * descriptors, a 16-bit length, and bytes.  Every request gets one reply at most,
 * replies are whole, no descriptor is lost or left open.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmem-pager/client/regions.h>
#include <gmem-pager/service_int.h>

#include "fuzz.h"

#define HEAD_LEN 4u

static enum gmem_phase phase;
static struct states given;
static unsigned int n_backends;
static uint8_t state_data[3 * PROTO_PART_LEN / 2];

enum gmem_phase session_get_phase(struct session *session, int *ret_status, char *ret_error)
{
	(void)session;
	if (ret_status)
		*ret_status = phase >= GMEM_PHASE_ABORTED ? -ECANCELED : 0;
	if (ret_error)
		strcpy(ret_error, phase >= GMEM_PHASE_ABORTED ? "it ended" : "");
	return phase;
}

static void close_backend(struct backend *backend)
{
	free(backend);
	n_backends--;
}

static const struct backend_ops backend_ops = { .name = "fuzz", .close = close_backend };

static int open_backend(int fd, struct backend **ret_backend)
{
	if (fcntl(fd, F_GETFD) < 0)
		abort();
	if (phase == GMEM_PHASE_FAILED)
		return -ENOTTY;
	close(fd);
	*ret_backend = malloc(sizeof(**ret_backend));
	FUZZ_NEED(*ret_backend);
	(*ret_backend)->ops = &backend_ops;
	n_backends++;
	return 0;
}

/* What backend_uffd_new() may rely on; the rest it checks itself. */
static int open_uffd(const struct backend_uffd_setup *setup, struct backend **ret_backend, char *ret_error,
		     size_t error_len)
{
	FUZZ_NEED(regions_valid(setup->regions, setup->n_regions));
	FUZZ_NEED(setup->uffd < 0 || fcntl(setup->uffd, F_GETFD) >= 0);
	(void)regions_uffd_valid(setup->regions, setup->addresses, setup->n_regions);
	if (phase == GMEM_PHASE_FAILED) {
		snprintf(ret_error, error_len, "no userfaultfd");
		return -ENOTTY;
	}
	if (setup->uffd >= 0)
		return open_backend(setup->uffd, ret_backend);
	return open_backend(dup(0), ret_backend);
}

static int attach(void *opaque, struct backend *backend, const struct gmem_region *regions, size_t n_regions,
		  char *ret_error, size_t error_len)
{
	FUZZ_NEED(regions_valid(regions, n_regions));
	for (size_t i = 0; i < n_regions; i++)
		FUZZ_NEED(regions[i].shared_fd < 0 || fcntl(regions[i].shared_fd, F_GETFD) >= 0);
	if (phase == GMEM_PHASE_ABORTED) {
		snprintf(ret_error, error_len, "refused");
		return -EINVAL;
	}
	*(struct backend **)opaque = backend;
	return 0;
}

static int act(void *opaque)
{
	return phase == GMEM_PHASE_ABORTED ? -EINVAL : 0;
}

static int start(void *opaque, struct states *states, char *ret_error, size_t error_len)
{
	FUZZ_NEED(states->n_states == states->n_filled && states->n_states <= GMEM_MAX_STATES);
	for (uint32_t i = 0; i < states->n_states; i++)
		FUZZ_NEED(states->states[i].name[0] && states->states[i].data_len <= GMEM_MAX_STATE_LEN);
	return 0;
}

static const struct states *states(void *opaque)
{
	return &given;
}

static void progress(void *opaque, struct gmem_progress *ret_progress)
{
	memset(ret_progress, 0, sizeof(*ret_progress));
}

static const struct service_ops source_ops = {
	.name = "source", .role = GMEM_ROLE_SOURCE, .attach = attach, .prepare = act, .start = start,
	.progress = progress,
};
static const struct service_ops pager_ops = {
	.name = "pager", .role = GMEM_ROLE_PAGER, .attach = attach, .run = act, .states = states, .progress = progress,
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	FUZZ_NEED(attest_init());
	given.n_states = given.n_filled = 2;
	strcpy(given.states[0].name, "a");
	strcpy(given.states[1].name, "b");
	given.states[0].data = given.states[1].data = state_data;
	given.states[0].data_len = sizeof(state_data);
	return 0;
}

/* Replies that wait at @fd: 0, or 1 whose number is @seq. */
static unsigned int read_replies(int fd, uint32_t seq)
{
	static uint8_t bytes[PROTO_MESSAGE_MAX + 1];
	struct proto_header header;
	struct proto_reply reply;
	unsigned int n = 0;
	ssize_t len;

	while ((len = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		FUZZ_NEED((size_t)len >= sizeof(header) + sizeof(reply) && (size_t)len <= PROTO_MESSAGE_MAX);
		memcpy(&header, bytes, sizeof(header));
		memcpy(&reply, bytes + sizeof(header), sizeof(reply));
		FUZZ_NEED(header.magic == PROTO_MAGIC && header.type == PROTO_REPLY && header.seq == seq);
		FUZZ_NEED(header.len == (size_t)len - sizeof(header) && reply.status <= 0);
		FUZZ_NEED(memchr(reply.error, '\0', sizeof(reply.error)));
		FUZZ_NEED(!reply.status || reply.error[0]);
		n++;
	}
	FUZZ_NEED(n <= 1);
	return n;
}

static void send_packet(int fd, const uint8_t *head, const uint8_t *data, size_t len)
{
	static unsigned int seq;
	struct proto_header header = { .magic = PROTO_MAGIC, .type = head[0], .seq = ++seq, .len = (uint32_t)len };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE((PROTO_MAX_FDS + 2) * sizeof(int))] = { 0 };
	struct iovec iov[2] = { { &header, head[0] < 128 ? sizeof(header) : 0 }, { (void *)(uintptr_t)data, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	unsigned int n_fds = head[1] % (PROTO_MAX_FDS + 2);
	struct cmsghdr *cmsg;

	if (n_fds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (unsigned int i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(int));
	}
	FUZZ_NEED(sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0);
}

/* As service.c does it; false: the VMM is dropped. */
static bool serve(struct service *service, int vmm)
{
	struct vmmsock_message message;
	uint32_t pending = service->pending;
	int r = vmmsock_recv(service->vmm_fd, service->buffer, &message);

	FUZZ_NEED(r == 0 || r == -EPROTO || r == -EPIPE);
	if (r < 0)
		return false;
	FUZZ_NEED(message.n_fds <= PROTO_MAX_FDS && message.header.len <= PROTO_MESSAGE_MAX);
	request_handle(service, &message);
	vmmsock_close_fds(&message);
	if (read_replies(vmm, message.header.seq) == 0)
		FUZZ_NEED(service->pending || message.header.type == PROTO_STATE);
	if (!pending && service->pending) {
		request_settle(service);
		(void)read_replies(vmm, message.header.seq);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct backend *backend = NULL;
	static struct session session;	/* of which only what ATTACH says is written */
	struct service_config config = { .opaque = &backend, .open_backend = open_backend, .open_uffd = open_uffd,
					 .session = &session };
	struct service service = { .config = &config, .incoming_status = 0 };
	static uint8_t buffer[PROTO_MESSAGE_MAX];
	int fds[2], before, after;
	size_t len;

	if (size < 1)
		return 0;
	config.ops = data[0] & 1 ? &pager_ops : &source_ops;
	phase = (enum gmem_phase)(data[0] >> 1 & 7);
	data++, size--;
	before = dup(0);
	close(before);
	FUZZ_NEED(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	service.vmm_fd = fds[1];
	service.buffer = buffer;
	states_init(&service.incoming);
	for (; size >= HEAD_LEN; data += len, size -= len) {
		const uint8_t *head = data;

		data += HEAD_LEN, size -= HEAD_LEN;
		len = (size_t)(head[2] | head[3] << 8) % (PROTO_MESSAGE_MAX + 64u);
		len = len < size ? len : size;
		send_packet(fds[0], head, data, len);
		if (!serve(&service, fds[0]))
			break;
	}
	states_fini(&service.incoming);
	if (backend)
		backend->ops->close(backend);
	FUZZ_NEED(n_backends == 0);
	close(fds[0]);
	close(fds[1]);
	after = dup(0);
	close(after);
	FUZZ_NEED(after == before);
	return 0;
}

struct seed {
	uint8_t bytes[4096];
	size_t len;
};

static void add(struct seed *seed, uint8_t type, uint8_t n_fds, const void *body, size_t len)
{
	uint8_t *at = seed->bytes + seed->len;

	at[0] = type;
	at[1] = n_fds;
	at[2] = (uint8_t)len;
	at[3] = (uint8_t)(len >> 8);
	memcpy(at + HEAD_LEN, body, len);
	seed->len += HEAD_LEN + len;
}

static void begin(struct seed *seed, enum gmem_role role, enum gmem_phase at)
{
	const struct proto_hello hello = { .version = PROTO_VERSION, .role = (uint32_t)role };

	seed->bytes[0] = (uint8_t)((role == GMEM_ROLE_PAGER) | at << 1);
	seed->len = 1;
	add(seed, PROTO_HELLO, 0, &hello, sizeof(hello));
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	struct proto_attach attach = { .n_regions = 2, .regions = {
		{ .size = 1 << 20, .flags = GMEM_REGION_GUEST_MEMFD },
		{ .gpa = 1 << 20, .size = 1 << 20, .flags = GMEM_REGION_GUEST_MEMFD | GMEM_REGION_SHARED_FD } } };
	struct { struct proto_state head; char data[8]; } part = { { .name = "vcpu", .n_states = 1, .total_len = 16 },
								  "12345678" };
	struct proto_attach_uffd shared = { .attach = { .n_regions = 2, .regions = {
		{ .size = 1 << 20, .flags = GMEM_REGION_SHARED_FD },
		{ .gpa = 1 << 20, .size = 1 << 20, .flags = GMEM_REGION_SHARED_FD, .shared_offset = 1 << 20 } } },
		.addresses = { 1 << 30, 1 << 29 } };
	const struct proto_start start = { .n_states = 1 };
	struct proto_get_state get = { .index = 0 };
	struct seed seed;

	begin(&seed, GMEM_ROLE_SOURCE, GMEM_PHASE_ACCEPTED);
	add(&seed, PROTO_ATTACH, 2, &attach, sizeof(attach));
	add(&seed, PROTO_PREPARE, 0, "", 0);
	add(&seed, PROTO_STATE, 0, &part, sizeof(part));
	part.head.offset = 8;
	add(&seed, PROTO_STATE, 0, &part, sizeof(part));
	add(&seed, PROTO_START, 0, &start, sizeof(start));
	emit("source", seed.bytes, seed.len);
	begin(&seed, GMEM_ROLE_PAGER, GMEM_PHASE_RUNNING);
	add(&seed, PROTO_GET_STATE, 0, &get, sizeof(get));
	get.offset = PROTO_PART_LEN;
	add(&seed, PROTO_GET_STATE, 0, &get, sizeof(get));
	get.index = 1;
	get.offset = 0;
	add(&seed, PROTO_GET_STATE, 0, &get, sizeof(get));
	add(&seed, PROTO_RUN, 0, "", 0);
	add(&seed, PROTO_PROGRESS, 0, "", 0);
	emit("pager", seed.bytes, seed.len);
	begin(&seed, GMEM_ROLE_PAGER, GMEM_PHASE_ABORTED);
	add(&seed, PROTO_ATTACH, 2, &attach, sizeof(attach));
	add(&seed, PROTO_ATTACH, 1, &attach, sizeof(attach));
	add(&seed, 200, 3, "GMEM", 4);
	emit("refused", seed.bytes, seed.len);
	begin(&seed, GMEM_ROLE_SOURCE, GMEM_PHASE_FAILED);
	add(&seed, PROTO_START, 0, "", 0);
	add(&seed, 99, 0, "", 0);
	add(&seed, PROTO_ATTACH, 34, &attach, sizeof(attach));
	emit("failed", seed.bytes, seed.len);
	begin(&seed, GMEM_ROLE_PAGER, GMEM_PHASE_IDLE);
	add(&seed, PROTO_ATTACH_UFFD, 3, &shared, sizeof(shared));
	emit("uffd", seed.bytes, seed.len);
	begin(&seed, GMEM_ROLE_SOURCE, GMEM_PHASE_IDLE);
	shared.attach.flags = PROTO_ATTACH_NO_UFFD | PROTO_ATTACH_AGAIN;
	add(&seed, PROTO_ATTACH_UFFD, 2, &shared, sizeof(shared));
	emit("uffd_source", seed.bytes, seed.len);
	begin(&seed, GMEM_ROLE_PAGER, GMEM_PHASE_FAILED);
	add(&seed, PROTO_ATTACH_UFFD, 2, &shared, sizeof(shared));
	shared.attach.flags = 4;
	add(&seed, PROTO_ATTACH_UFFD, 3, &shared, sizeof(shared));
	emit("uffd_refused", seed.bytes, seed.len);
}
