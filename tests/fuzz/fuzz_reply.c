/* SPDX-License-Identifier: MIT */
/*
 * fuzz_reply: what libgmem reads from its service.  Input: one byte of role, then
 * packets: a byte of type (from 128 on without a header), a byte that is added to
 * the request number, a 16-bit length, and bytes.  They all wait in the socket
 * when the VMM begins to ask.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmem-pager/client/client.h>

#include "fuzz.h"

#define HEAD_LEN 4u

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return 0;
}

static struct gmem_client *new_client(int sock, enum gmem_role role)
{
	struct gmem_client *client = calloc(1, sizeof(*client));

	FUZZ_NEED(client);
	client->sock = sock;
	client->role = role;
	client->attached = true;
	client->pending_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	client->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	FUZZ_NEED(client->pending_fd >= 0 && client->poll_fd >= 0);
	return client;
}

/* What fails leaves a sentence that ends. */
static void check(const struct gmem_client *client, int r)
{
	FUZZ_NEED(r <= 0);
	FUZZ_NEED(memchr(gmem_last_error(client), '\0', PROTO_ERROR_LEN));
}

static void ask_source(struct gmem_client *client)
{
	const struct gmem_state state = { .name = "a", .data = "b", .data_len = 1 };
	enum gmem_phase phase;

	check(client, gmem_source_prepare(client));
	check(client, gmem_source_start(client, &state, 1));
	check(client, gmem_wait(client, GMEM_PHASE_RUNNING, 0, &phase));
}

static void ask_pager(struct gmem_client *client)
{
	const struct gmem_state *states;
	size_t n_states, i;
	int r = gmem_pager_wait_start(client, &states, &n_states);

	check(client, r);
	for (i = 0; r == 0 && i < n_states; i++) {
		FUZZ_NEED(states[i].name[0] && strnlen(states[i].name, GMEM_STATE_NAME_LEN) < GMEM_STATE_NAME_LEN);
		FUZZ_NEED(states[i].data && states[i].data_len <= GMEM_MAX_STATE_LEN);
		FUZZ_NEED(!states[i].data_len || ((const uint8_t *)states[i].data)[states[i].data_len - 1] <= UINT8_MAX);
	}
	check(client, gmem_pager_run(client));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const enum gmem_role role = size && data[0] & 1 ? GMEM_ROLE_PAGER : GMEM_ROLE_SOURCE;
	struct gmem_progress progress;
	struct gmem_client *client;
	int fds[2];
	size_t len;

	if (size < 1)
		return 0;
	FUZZ_NEED(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	for (data++, size--; size >= HEAD_LEN; data += len, size -= len) {
		struct proto_header header = { .magic = PROTO_MAGIC, .type = data[0], .seq = data[1] };
		struct iovec iov[2] = { { &header, data[0] < 128 ? sizeof(header) : 0 } };
		const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

		len = (size_t)(data[2] | data[3] << 8);
		data += HEAD_LEN, size -= HEAD_LEN;
		len = len < size ? len : size;
		header.len = (uint32_t)len;
		iov[1] = (struct iovec){ (void *)(uintptr_t)data, len };
		if (sendmsg(fds[0], &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;	/* as much as a socket holds */
	}
	shutdown(fds[0], SHUT_WR);
	client = new_client(fds[1], role);
	check(client, client_read_event(client, 0));
	if (role == GMEM_ROLE_PAGER)
		ask_pager(client);
	else
		ask_source(client);
	check(client, gmem_get_progress(client, &progress));
	gmem_close(client);
	close(fds[0]);
	return 0;
}

struct seed {
	uint8_t bytes[4096];
	size_t len;
};

static void add(struct seed *seed, uint8_t type, uint8_t seq, const void *head, size_t head_len, const void *body,
		size_t body_len)
{
	uint8_t *at = seed->bytes + seed->len;
	const size_t len = head_len + body_len;

	at[0] = type;
	at[1] = seq;
	at[2] = (uint8_t)len;
	at[3] = (uint8_t)(len >> 8);
	memcpy(at + HEAD_LEN, head, head_len);
	memcpy(at + HEAD_LEN + head_len, body, body_len);
	seed->len += HEAD_LEN + len;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	struct proto_event event = { .phase = GMEM_PHASE_STARTED };
	struct proto_reply reply = { .phase = GMEM_PHASE_STARTED };
	struct { struct proto_state head; char data[4]; } part = { { .name = "a", .n_states = 2, .total_len = 4 }, "123" };
	struct gmem_progress progress = { .pages_total = 1 };
	struct seed seed = { .bytes = { 1 }, .len = 1 };

	add(&seed, PROTO_EVENT, 0, &event, sizeof(event), "", 0);
	add(&seed, PROTO_REPLY, 1, &reply, sizeof(reply), &part, sizeof(part));
	strcpy(part.head.name, "b");
	part.head.index = 1;
	add(&seed, PROTO_REPLY, 2, &reply, sizeof(reply), &part, sizeof(part));
	add(&seed, PROTO_REPLY, 3, &reply, sizeof(reply), "", 0);
	add(&seed, PROTO_REPLY, 4, &reply, sizeof(reply), &progress, sizeof(progress));
	emit("pager", seed.bytes, seed.len);
	seed = (struct seed){ .bytes = { 0 }, .len = 1 };
	add(&seed, PROTO_EVENT, 0, &event, sizeof(event), "", 0);
	add(&seed, PROTO_REPLY, 1, &reply, sizeof(reply), "", 0);
	reply.status = -EBUSY;
	memset(reply.error, 'x', sizeof(reply.error));
	add(&seed, PROTO_REPLY, 3, &reply, sizeof(reply), "", 0);
	event.phase = GMEM_PHASE_ABORTED;
	event.status = -ECANCELED;
	memset(event.error, 'y', sizeof(event.error));
	add(&seed, PROTO_EVENT, 0, &event, sizeof(event), "", 0);
	emit("source", seed.bytes, seed.len);
	/* Two states at first, then none. */
	seed = (struct seed){ .bytes = { 1 }, .len = 1 };
	part.head = (struct proto_state){ .name = "a", .n_states = 2, .total_len = 4 };
	event = (struct proto_event){ .phase = GMEM_PHASE_STARTED };
	reply = (struct proto_reply){ .phase = GMEM_PHASE_STARTED };
	add(&seed, PROTO_EVENT, 0, &event, sizeof(event), "", 0);
	add(&seed, PROTO_REPLY, 1, &reply, sizeof(reply), &part, sizeof(part));
	part.head.n_states = 0;
	add(&seed, PROTO_REPLY, 2, &reply, sizeof(reply), &part, sizeof(part));
	emit("states-vanish", seed.bytes, seed.len);
	seed = (struct seed){ .bytes = { 1 }, .len = 1 };
	add(&seed, 128, 0, "GMEM", 4, "", 0);
	emit("short", seed.bytes, seed.len);
}
