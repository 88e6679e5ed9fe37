/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "tcp.h"

void tcp_pair(int ret_fds[2])
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t addr_len = sizeof(addr);
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	int i;

	need(bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(listener, 1) == 0 &&
	     getsockname(listener, (struct sockaddr *)&addr, &addr_len) == 0, "listen");
	ret_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(connect(ret_fds[0], (struct sockaddr *)&addr, sizeof(addr)) == 0, "connect");
	ret_fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	need(ret_fds[1] >= 0, "accept");
	close(listener);
	for (i = 0; i < 2; i++)
		need(setsockopt(ret_fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "TCP_NODELAY");
}

void tcp_send(int fd, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	ssize_t n;

	for (; len > 0; at += n, len -= (size_t)n) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		need(n > 0, "send");
	}
}

void tcp_recv(int fd, void *ret_bytes, size_t len)
{
	need(recv(fd, ret_bytes, len, MSG_WAITALL) == (ssize_t)len, "recv");
}

void memory_init(struct memory *memory, size_t len)
{
	const size_t mapped = len + FAKE_PAGE;

	memory->len = len;
	memory->fd = memfd_create("bench", MFD_CLOEXEC);
	need(memory->fd >= 0 && ftruncate(memory->fd, (off_t)mapped) == 0, "memfd");
	memory->at = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	need(memory->at != MAP_FAILED && madvise(memory->at, mapped, MADV_NOHUGEPAGE) == 0, "mmap");
}

void memory_fini(struct memory *memory)
{
	munmap(memory->at, memory->len + FAKE_PAGE);
	close(memory->fd);
}
