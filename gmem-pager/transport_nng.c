// SPDX-License-Identifier: MIT
/*
 * Transport by nng's stream API: one TCP connection each, no socket that redials
 * by itself or accepts whoever comes first, as nng's pair protocol would.
 *
 * Operations block in nng_aio_wait().  nng_stream_close() from another thread
 * ends them; an aio is never freed while one is under way.  nng 1.5.2 leaves an
 * operation that begins after the close to its timeout, so each looks at @closed
 * once it has begun: either the close finds it, or it finds the close.
 *
 * What the socket can do at once, nng does in the caller's thread; for anything
 * else a thread of its own waits and then wakes the caller, which doubles the
 * thread switches of a round trip.  So the caller waits itself, with poll() on the
 * socket, before each operation.  nng has no call that names the socket: it is
 * looked for by its addresses, and should it not be found, nng waits.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nng/nng.h>

#include "log.h"
#include "transport.h"

#define FD_SEARCH_END 1024	/* a service has some tens of descriptors */

struct nng_conn {
	struct transport_conn conn;
	nng_stream *stream;
	nng_aio *send_aio;
	nng_aio *recv_aio;
	int fd;		/* a duplicate of nng's descriptor, to wait on; -1: nng waits */
	atomic_bool closed;
};

struct nng_listener {
	struct transport_listener listener;
	nng_stream_listener *stream_listener;
	nng_aio *aio;
};

/* nng: its sockets, its poller, and finding a numeric address. */
/* syscalls: accept accept4 bind connect getpeername getsockname getsockopt listen setsockopt shutdown socket */
/* syscalls: readv recvmsg sendmsg writev */
/* syscalls: epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd2 poll ppoll read write */
/* syscalls: close fcntl futex clock_gettime clock_nanosleep nanosleep prctl rt_sigprocmask */

static int to_errno(int rv)
{
	switch (rv) {
	case 0:
		return 0;
	case NNG_ENOMEM:
		return -ENOMEM;
	case NNG_ETIMEDOUT:
		return -ETIMEDOUT;
	case NNG_ECONNREFUSED:
		return -ECONNREFUSED;
	case NNG_EADDRINUSE:
		return -EADDRINUSE;
	case NNG_EADDRINVAL:
		return -EADDRNOTAVAIL;
	case NNG_EUNREACHABLE:
		return -EHOSTUNREACH;
	case NNG_EPERM:
		return -EPERM;
	case NNG_ENOFILES:
		return -EMFILE;
	case NNG_ECLOSED:
	case NNG_ECANCELED:
		return -ECANCELED;
	case NNG_ECONNABORTED:
	case NNG_ECONNRESET:
	case NNG_ECONNSHUT:
		return -ECONNRESET;
	default:
		return rv >= NNG_ESYSERR && rv < NNG_ETRANERR ? -(rv - NNG_ESYSERR) : -EIO;
	}
}

static void format_peer(nng_stream *stream, char *ret_peer, size_t len)
{
	char host[INET6_ADDRSTRLEN] = "?";
	nng_sockaddr addr;

	snprintf(ret_peer, len, "?");
	if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &addr) != 0)
		return;
	if (addr.s_family == NNG_AF_INET) {
		inet_ntop(AF_INET, &addr.s_in.sa_addr, host, sizeof(host));
		snprintf(ret_peer, len, "%s:%u", host, ntohs(addr.s_in.sa_port));
	} else if (addr.s_family == NNG_AF_INET6) {
		inet_ntop(AF_INET6, addr.s_in6.sa_addr, host, sizeof(host));
		snprintf(ret_peer, len, "[%s]:%u", host, ntohs(addr.s_in6.sa_port));
	}
}

static bool same_address(const nng_sockaddr *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)b;

	if (a->s_family == NNG_AF_INET)
		return b->ss_family == AF_INET && a->s_in.sa_port == in->sin_port &&
		       a->s_in.sa_addr == in->sin_addr.s_addr;
	return a->s_family == NNG_AF_INET6 && b->ss_family == AF_INET6 && a->s_in6.sa_port == in6->sin6_port &&
	       memcmp(a->s_in6.sa_addr, &in6->sin6_addr, sizeof(in6->sin6_addr)) == 0;
}

/*
 * A duplicate of the descriptor of @stream, or -1.  No other socket has both
 * addresses, and the descriptor cannot become another's in between, as nng keeps
 * it until the stream is freed.
 */
static int find_fd(nng_stream *stream)
{
	struct sockaddr_storage local, remote;
	nng_sockaddr here, there;
	int fd;

	if (nng_stream_get_addr(stream, NNG_OPT_LOCADDR, &here) != 0 ||
	    nng_stream_get_addr(stream, NNG_OPT_REMADDR, &there) != 0)
		return -1;
	for (fd = 0; fd < FD_SEARCH_END; fd++) {
		socklen_t local_len = sizeof(local), remote_len = sizeof(remote);

		if (getsockname(fd, (struct sockaddr *)&local, &local_len) == 0 && same_address(&here, &local) &&
		    getpeername(fd, (struct sockaddr *)&remote, &remote_len) == 0 && same_address(&there, &remote))
			return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	}
	log_debug("the socket of a connection was not found: nng's own thread waits for it");
	return -1;
}

static void conn_free(struct transport_conn *conn)
{
	struct nng_conn *nc = (struct nng_conn *)conn;

	nng_stream_close(nc->stream);
	if (nc->fd >= 0)
		close(nc->fd);
	if (nc->send_aio != NULL)
		nng_aio_free(nc->send_aio);
	if (nc->recv_aio != NULL)
		nng_aio_free(nc->recv_aio);
	nng_stream_free(nc->stream);
	free(nc);
}

/* Takes @stream over, also on failure. */
static int conn_new(nng_stream *stream, struct transport_conn **ret_conn)
{
	struct nng_conn *nc = calloc(1, sizeof(*nc));
	int rv;

	if (nc == NULL) {
		nng_stream_free(stream);
		return -ENOMEM;
	}
	nc->conn.ops = &transport_nng;
	nc->stream = stream;
	nc->fd = find_fd(stream);
	format_peer(stream, nc->conn.peer, sizeof(nc->conn.peer));
	rv = nng_aio_alloc(&nc->send_aio, NULL, NULL);
	if (rv == 0)
		rv = nng_aio_alloc(&nc->recv_aio, NULL, NULL);
	if (rv != 0) {
		conn_free(&nc->conn);
		return to_errno(rv);
	}
	*ret_conn = &nc->conn;
	return 0;
}

static int make_url(const char *address, char *ret_url, size_t len)
{
	const int n = snprintf(ret_url, len, "tcp://%s", address);

	return n > 0 && (size_t)n < len ? 0 : -EINVAL;
}

static void listener_close(struct transport_listener *listener)
{
	struct nng_listener *nl = (struct nng_listener *)listener;

	nng_stream_listener_close(nl->stream_listener);
}

static void listener_free(struct transport_listener *listener)
{
	struct nng_listener *nl = (struct nng_listener *)listener;

	if (nl->stream_listener != NULL) {
		nng_stream_listener_close(nl->stream_listener);
		if (nl->aio != NULL)
			nng_aio_free(nl->aio);
		nng_stream_listener_free(nl->stream_listener);
	}
	free(nl);
}

static int listener_new(const char *address, struct transport_listener **ret_listener)
{
	struct nng_listener *nl;
	char url[TRANSPORT_ADDRESS_LEN + 16];
	int rv;

	if (make_url(address, url, sizeof(url)) < 0)
		return -EINVAL;
	nl = calloc(1, sizeof(*nl));
	if (nl == NULL)
		return -ENOMEM;
	nl->listener.ops = &transport_nng;
	rv = nng_stream_listener_alloc(&nl->stream_listener, url);
	if (rv == 0)
		rv = nng_aio_alloc(&nl->aio, NULL, NULL);
	if (rv == 0)
		rv = nng_stream_listener_set_bool(nl->stream_listener, NNG_OPT_TCP_NODELAY, true);
	if (rv == 0)
		rv = nng_stream_listener_listen(nl->stream_listener);
	if (rv != 0) {
		listener_free(&nl->listener);
		return to_errno(rv);
	}
	*ret_listener = &nl->listener;
	return 0;
}

static int listener_accept(struct transport_listener *listener, int timeout_ms, struct transport_conn **ret_conn)
{
	struct nng_listener *nl = (struct nng_listener *)listener;
	int rv;

	nng_aio_set_timeout(nl->aio, timeout_ms < 0 ? NNG_DURATION_INFINITE : timeout_ms);
	nng_stream_listener_accept(nl->stream_listener, nl->aio);
	nng_aio_wait(nl->aio);
	rv = nng_aio_result(nl->aio);
	if (rv != 0)
		return to_errno(rv);
	return conn_new(nng_aio_get_output(nl->aio, 0), ret_conn);
}

static int conn_dial(const char *address, int timeout_ms, struct transport_conn **ret_conn)
{
	nng_stream_dialer *dialer = NULL;
	char url[TRANSPORT_ADDRESS_LEN + 16];
	nng_stream *stream = NULL;
	nng_aio *aio = NULL;
	int rv;

	if (make_url(address, url, sizeof(url)) < 0)
		return -EINVAL;
	rv = nng_stream_dialer_alloc(&dialer, url);
	if (rv != 0)
		return to_errno(rv);
	rv = nng_aio_alloc(&aio, NULL, NULL);
	if (rv == 0)
		rv = nng_stream_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true);
	if (rv == 0) {
		nng_aio_set_timeout(aio, timeout_ms < 0 ? NNG_DURATION_INFINITE : timeout_ms);
		nng_stream_dialer_dial(dialer, aio);
		nng_aio_wait(aio);
		rv = nng_aio_result(aio);
		if (rv == 0)
			stream = nng_aio_get_output(aio, 0);
	}
	if (aio != NULL)
		nng_aio_free(aio);
	nng_stream_dialer_close(dialer);
	nng_stream_dialer_free(dialer);
	return rv != 0 ? to_errno(rv) : conn_new(stream, ret_conn);
}

/*
 * Wait until the socket can do what comes next, or has failed; then nng, of which nobody else asks the same, does it
 * without waiting.  0, -ETIMEDOUT.  @ret_left_ms: how long nng may wait.
 */
static int await_socket(const struct nng_conn *nc, short events, int timeout_ms, nng_duration *ret_left_ms)
{
	struct pollfd pollfd = { .fd = nc->fd, .events = events };
	int r;

	*ret_left_ms = timeout_ms < 0 || nc->fd >= 0 ? NNG_DURATION_INFINITE : timeout_ms;
	if (nc->fd < 0)
		return 0;
	do {
		r = poll(&pollfd, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);	/* no signal is handled in the threads that come here */
	return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

/* After the operation began: wait for its end. */
static int await(struct nng_conn *nc, nng_aio *aio)
{
	if (atomic_load(&nc->closed))
		nng_aio_abort(aio, NNG_ECLOSED);
	nng_aio_wait(aio);
	return nng_aio_result(aio);
}

static int conn_send(struct transport_conn *conn, const void *bytes, size_t len, int timeout_ms)
{
	struct nng_conn *nc = (struct nng_conn *)conn;
	nng_iov iov = { .iov_buf = (void *)(uintptr_t)bytes, .iov_len = len };
	nng_duration left_ms;
	int rv, r;

	while (iov.iov_len > 0) {
		size_t n;

		r = await_socket(nc, POLLOUT, timeout_ms, &left_ms);
		if (r < 0)
			return r;
		nng_aio_set_timeout(nc->send_aio, left_ms);
		rv = nng_aio_set_iov(nc->send_aio, 1, &iov);
		if (rv != 0)
			return to_errno(rv);
		nng_stream_send(nc->stream, nc->send_aio);
		rv = await(nc, nc->send_aio);
		if (rv != 0)
			return to_errno(rv);
		n = nng_aio_count(nc->send_aio);
		atomic_fetch_add_explicit(&conn->bytes_out, n, memory_order_relaxed);
		iov.iov_buf = (char *)iov.iov_buf + n;
		iov.iov_len -= n;
	}
	return 0;
}

static int conn_recv(struct transport_conn *conn, void *ret_bytes, size_t len, int timeout_ms, size_t *ret_len)
{
	struct nng_conn *nc = (struct nng_conn *)conn;
	const nng_iov iov = { .iov_buf = ret_bytes, .iov_len = len };
	nng_duration left_ms;
	int rv, r = await_socket(nc, POLLIN, timeout_ms, &left_ms);

	if (r < 0)
		return r;
	rv = nng_aio_set_iov(nc->recv_aio, 1, &iov);
	if (rv != 0)
		return to_errno(rv);
	nng_aio_set_timeout(nc->recv_aio, left_ms);
	nng_stream_recv(nc->stream, nc->recv_aio);
	rv = await(nc, nc->recv_aio);
	if (rv != 0)
		return to_errno(rv);
	*ret_len = nng_aio_count(nc->recv_aio);
	atomic_fetch_add_explicit(&conn->bytes_in, *ret_len, memory_order_relaxed);
	return *ret_len > 0 ? 0 : -ECONNRESET;
}

static void conn_shutdown(struct transport_conn *conn)
{
	struct nng_conn *nc = (struct nng_conn *)conn;

	atomic_store(&nc->closed, true);
	nng_stream_close(nc->stream);
	if (nc->fd >= 0)
		(void)shutdown(nc->fd, SHUT_RDWR);	/* ends poll() */
}

/* nng starts at its first call. */
static int start(void)
{
	nng_aio *aio = NULL;
	int rv = nng_aio_alloc(&aio, NULL, NULL);

	if (rv == 0)
		nng_aio_free(aio);
	return to_errno(rv);
}

const struct transport_ops transport_nng = {
	.name = "nng",
	.start = start,
	.listen = listener_new,
	.accept = listener_accept,
	.close_listener = listener_close,
	.free_listener = listener_free,
	.dial = conn_dial,
	.send = conn_send,
	.recv = conn_recv,
	.shutdown = conn_shutdown,
	.free = conn_free,
};
