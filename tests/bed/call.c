// SPDX-License-Identifier: MIT
/*
 * Run one command in a test host and be its stand-in here
 *
 *   call PORT TOKEN-FILE TIMEOUT-S COMMAND [ARG]...
 *
 * Standard input, output and error are the command's; the exit code too.
 * 124: the timeout ran out (the command was killed); 125: the test host did
 * not answer or went away.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define EXIT_TIMEOUT	124
#define EXIT_LOST	125

static char frame[WIRE_MAX_LEN + 1];

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int agent_connect(int port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int request_send(int fd, const char *token_path, char **argv)
{
	char token[WIRE_TOKEN_LEN];
	int tfd = open(token_path, O_RDONLY | O_CLOEXEC), err;

	if (tfd < 0)
		return -errno;
	err = wire_read(tfd, token, sizeof(token));
	close(tfd);
	if (!err)
		err = wire_send(fd, WIRE_TOKEN, token, sizeof(token));
	for (; *argv && !err; argv++)
		err = strlen(*argv) > WIRE_MAX_LEN ? -E2BIG : wire_send(fd, WIRE_ARG, *argv, (uint32_t)strlen(*argv));
	return err ? err : wire_send(fd, WIRE_GO, NULL, 0);
}

/* Returns the command's exit code, -1 to go on, or -errno below that. */
static int reply_handle(int fd)
{
	uint32_t len;
	uint8_t type;
	int err = wire_recv(fd, &type, frame, &len);

	if (err)
		return err == -EPERM ? -EPIPE : err;
	if (type == WIRE_EXIT && len == 1)
		return (uint8_t)frame[0];
	if (type == WIRE_OUT || type == WIRE_ERR)
		wire_write(type == WIRE_OUT ? 1 : 2, frame, len);
	return -1;
}

/* Pass on input; returns false at its end. */
static int input_forward(int fd)
{
	static char buf[WIRE_CHUNK];
	ssize_t n = read(0, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return 1;
	wire_send(fd, WIRE_IN, buf, n > 0 ? (uint32_t)n : 0);
	return n > 0;
}

static int command_follow(int fd, int64_t deadline, const char *name)
{
	int open_in = 1;

	for (;;) {
		struct pollfd p[2] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = open_in ? 0 : -1, .events = POLLIN },
		};
		int64_t left = deadline ? deadline - now_ms() : -1;
		int ret;

		if (deadline && left <= 0) {
			fprintf(stderr, "bed: timeout, killed: %s\n", name);
			return EXIT_TIMEOUT;
		}
		if (poll(p, 2, (int)left) < 0)
			continue;
		if (p[1].revents)
			open_in = input_forward(fd);
		if (!p[0].revents)
			continue;
		ret = reply_handle(fd);
		if (ret >= 0)
			return ret;
		if (ret < -1) {
			fprintf(stderr, "bed: the test host went away during: %s (%s)\n", name, strerror(-ret));
			return EXIT_LOST;
		}
	}
}

int main(int argc, char **argv)
{
	int64_t timeout_ms;
	int fd, err;

	if (argc < 5) {
		fprintf(stderr, "usage: call PORT TOKEN-FILE TIMEOUT-S COMMAND [ARG]...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	timeout_ms = (int64_t)(atof(argv[3]) * 1000);
	fd = agent_connect(atoi(argv[1]));
	err = fd < 0 ? fd : request_send(fd, argv[2], argv + 4);
	if (err) {
		fprintf(stderr, "bed: cannot reach the test host: %s\n", strerror(-err));
		return EXIT_LOST;
	}
	return command_follow(fd, timeout_ms > 0 ? now_ms() + timeout_ms : 0, argv[4]);
}
