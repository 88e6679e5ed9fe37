/* SPDX-License-Identifier: MIT */
/* The other side of the comparison: the same bytes over blocking TCP sockets with TCP_NODELAY, and nothing else. */
#ifndef BENCH_TCP_H
#define BENCH_TCP_H

#include <stddef.h>
#include <stdint.h>

#define TCP_MAX_REPLIES 6u

/* A connection on loopback; dialled and accepted end. */
void tcp_pair(int ret_fds[2]);

void tcp_send(int fd, const void *bytes, size_t len);
/* Exactly @len bytes. */
void tcp_recv(int fd, void *ret_bytes, size_t len);

/* A memfd as a guest's memory is one: mapped shared, in small pages, nothing of it touched; a page more than @len. */
struct memory {
	int fd;
	uint8_t *at;
	size_t len;
};

void memory_init(struct memory *memory, size_t len);
void memory_fini(struct memory *memory);

/* What is sent for a request: a message for each of these lengths, in order; a length of 0: no more. */
struct tcp_replies {
	size_t lens[TCP_MAX_REPLIES];
	uint32_t n_pages[TCP_MAX_REPLIES];	/* in each */
};

#endif
