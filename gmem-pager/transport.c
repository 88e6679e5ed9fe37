// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "transport.h"

/* A port without sign, spaces or trailing text, 1 to 65535. */
static int check_port(const char *text)
{
	const size_t n_digits = strspn(text, "0123456789");
	long port;

	if (n_digits == 0 || n_digits > 5 || text[n_digits] != '\0')
		return -EINVAL;
	port = strtol(text, NULL, 10);
	return port >= 1 && port <= 65535 ? 0 : -EINVAL;
}

int transport_check_address(const char *address)
{
	const char *colon = strrchr(address, ':');
	char host[TRANSPORT_ADDRESS_LEN];
	unsigned char binary[16];
	size_t len;

	if (colon == NULL || check_port(colon + 1) < 0)
		return -EINVAL;
	len = (size_t)(colon - address);
	if (len == 0 || len >= sizeof(host))
		return -EINVAL;
	memcpy(host, address, len);
	host[len] = '\0';
	if (host[0] != '[')
		return inet_pton(AF_INET, host, binary) == 1 ? 0 : -EINVAL;
	if (host[len - 1] != ']')
		return -EINVAL;
	host[len - 1] = '\0';
	return inet_pton(AF_INET6, host + 1, binary) == 1 ? 0 : -EINVAL;
}

int transport_recv_all(struct transport_conn *conn, void *ret_bytes, size_t len, uint64_t deadline_us,
		       const atomic_bool *stop)
{
	const uint64_t slice_us = 100000;
	uint8_t *at = ret_bytes;

	while (len > 0) {
		const uint64_t now_us = stats_now_us();
		uint64_t left_us;
		size_t n;
		int r;

		if (stop != NULL && atomic_load(stop))
			return -ECANCELED;
		if (now_us >= deadline_us)
			return -ETIMEDOUT;
		left_us = deadline_us - now_us < slice_us ? deadline_us - now_us : slice_us;
		r = conn->ops->recv(conn, at, len, (int)(left_us / 1000u) + 1, &n);
		if (r == -ETIMEDOUT)
			continue;
		if (r < 0)
			return r;
		at += n;
		len -= n;
	}
	return 0;
}
