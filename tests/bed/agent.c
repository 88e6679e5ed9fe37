// SPDX-License-Identifier: MIT
/*
 * Process 1 of a test host: runs the commands that `bed run` sends
 *
 * Each connection is served by a child of its own, so commands run side by
 * side and one that hangs holds up nobody.  Started by tests/bed/init.
 *
 *   agent TOKEN-FILE ADDRESS
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
#include <sys/syscall.h>
#include <sys/wait.h>

static char token[WIRE_TOKEN_LEN + 1];
static char frame[WIRE_MAX_LEN + 1];

struct command {
	pid_t pid;
	int pidfd;
	int in;		/* -1 once closed */
	int out[2];	/* standard output and error, -1 at end of file */
	uint32_t in_off, in_len;	/* what it has not yet read of frame[] */
};

static void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Receive TOKEN, ARGs and GO.  Returns argv, or NULL if the peer may not, or sent nonsense. */
static char **request_read(int fd)
{
	char **argv = calloc(WIRE_MAX_ARGS + 1, sizeof(*argv));
	int n_args = 0, trusted = 0;
	uint32_t len;
	uint8_t type;

	while (argv && !wire_recv(fd, &type, frame, &len)) {
		if (type == WIRE_TOKEN)
			trusted = len == WIRE_TOKEN_LEN && !memcmp(frame, token, len);
		else if (!trusted)
			return NULL;
		else if (type == WIRE_ARG && n_args < WIRE_MAX_ARGS)
			argv[n_args++] = strdup(frame);
		else
			return type == WIRE_GO && n_args ? argv : NULL;
	}
	return NULL;
}

static void command_exec(char **argv, int in, int out, int err)
{
	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int command_start(struct command *cmd, char **argv)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -errno;
	cmd->pid = fork();
	if (cmd->pid < 0)
		return -errno;
	if (!cmd->pid)
		command_exec(argv, in[0], out[1], err[1]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	cmd->in = in[1];
	cmd->out[0] = out[0];
	cmd->out[1] = err[0];
	cmd->pidfd = (int)syscall(SYS_pidfd_open, cmd->pid, 0);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	return cmd->pidfd < 0 ? -errno : 0;
}

/* Pass on what the command printed to stream @i.  Returns 1 if there may be more, 0 if not, -errno. */
static int output_forward(struct command *cmd, int i, int fd)
{
	static char buf[WIRE_CHUNK];
	ssize_t n;
	int err;

	if (cmd->out[i] < 0)
		return 0;
	n = read(cmd->out[i], buf, sizeof(buf));
	if (n > 0) {
		err = wire_send(fd, i ? WIRE_ERR : WIRE_OUT, buf, (uint32_t)n);
		return err ? err : 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	close(cmd->out[i]);
	cmd->out[i] = -1;
	return 0;
}

/* Take a piece of input from the peer.  Returns 0, or -errno if the peer is gone. */
static int input_receive(struct command *cmd, int fd)
{
	uint32_t len;
	uint8_t type;
	int err = wire_recv(fd, &type, frame, &len);

	if (err)
		return err;
	if (type != WIRE_IN)
		return -EPROTO;
	if (cmd->in >= 0 && !len) {
		close(cmd->in);
		cmd->in = -1;
	}
	cmd->in_off = 0;
	cmd->in_len = cmd->in >= 0 ? len : 0;
	return 0;
}

/* Hand the command as much input as it takes now; one that does not read must not stop its output. */
static void input_deliver(struct command *cmd)
{
	ssize_t n = write(cmd->in, frame + cmd->in_off, cmd->in_len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		close(cmd->in);
		cmd->in = -1;
		cmd->in_len = 0;
		return;
	}
	cmd->in_off += (uint32_t)n;
	cmd->in_len -= (uint32_t)n;
}

/* Carry bytes both ways until the command has ended.  Returns 0, or -errno if the peer is gone. */
static int command_serve(struct command *cmd, int fd)
{
	for (;;) {
		struct pollfd p[5] = {
			{ .fd = fd, .events = cmd->in_len ? 0 : POLLIN },
			{ .fd = cmd->out[0], .events = POLLIN },
			{ .fd = cmd->out[1], .events = POLLIN },
			{ .fd = cmd->in_len ? cmd->in : -1, .events = POLLOUT },
			{ .fd = cmd->pidfd, .events = POLLIN },
		};
		int err = 0;

		if (poll(p, 5, -1) < 0)
			continue;
		if (p[0].revents)
			err = cmd->in_len ? -EPIPE : input_receive(cmd, fd);
		if (p[3].revents)
			input_deliver(cmd);
		for (int i = 0; i < 2 && err >= 0; i++)
			if (p[1 + i].revents)
				err = output_forward(cmd, i, fd);
		if (err < 0)
			return err;
		if (p[4].revents && !p[1].revents && !p[2].revents)
			return 0;
	}
}

static void connection_serve(int fd)
{
	char **argv = request_read(fd);
	struct command cmd = { .pidfd = -1, .in = -1 };
	uint8_t code;
	int err, status;

	if (!argv)
		return;
	err = command_start(&cmd, argv);
	if (err) {
		dprintf(2, "agent: cannot start %s: %s\n", argv[0], strerror(-err));
		return;
	}
	err = command_serve(&cmd, fd);
	if (err)
		kill(-cmd.pid, SIGKILL);
	waitpid(cmd.pid, &status, 0);
	code = (uint8_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	if (!err)
		wire_send(fd, WIRE_EXIT, &code, 1);
}

static void token_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || wire_read(fd, token, WIRE_TOKEN_LEN))
		die(path);
	close(fd);
}

static int listen_on(const char *addr)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(WIRE_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1)
		errno = EINVAL;
	else if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) &&
		 !bind(fd, (struct sockaddr *)&sin, sizeof(sin)) && !listen(fd, 64))
		return fd;
	die(addr);
	return -1;
}

int main(int argc, char **argv)
{
	int lfd, one = 1;

	if (argc != 3) {
		fprintf(stderr, "usage: agent TOKEN-FILE ADDRESS\n");
		return 2;
	}
	token_read(argv[1]);
	lfd = listen_on(argv[2]);
	signal(SIGPIPE, SIG_IGN);
	printf("bed: ready\n");
	fflush(stdout);
	for (;;) {
		struct pollfd p = { .fd = lfd, .events = POLLIN };
		int fd;

		/* As process 1 this inherits every orphan of the test host. */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (poll(&p, 1, 200) <= 0)
			continue;
		fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!fork()) {
			close(lfd);
			connection_serve(fd);
			_exit(0);
		}
		close(fd);
	}
}
