/* SPDX-License-Identifier: MIT */
#include "pager.h"

#include <linux/kvm_demand_paging.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dp.h"
#include "need.h"

#define MAX_AROUND 16u

union fd_message {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int fd_receive(int sock)
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union fd_message control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	int fd;

	need(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg), "receiving the session");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void serve(int session_fd, const struct reader_style *style)
{
	static uint8_t pages[MAX_AROUND * VM_PAGE] __attribute__((aligned(4096)));
	struct pollfd pfds[2] = { { .fd = session_fd, .events = POLLIN }, { .fd = STDIN_FILENO } };
	uint64_t mask = ~(uint64_t)(style->n_pages - 1);
	struct kvm_dp_event event;
	bool have = false;

	memset(pages, 0x5a, sizeof(pages));
	for (;;) {
		if (style->poll)
			need(poll(pfds, 2, -1) > 0, "poll");
		if (!have && read(session_fd, &event, sizeof(event)) != sizeof(event))
			break;
		reader_clock(style);
		if (style->reply)
			have = dp_populate_and_read(session_fd, event.gfn & mask, style->n_pages, pages, &event);
		else
			dp_populate(session_fd, event.gfn & mask, style->n_pages, pages);
		reader_clock(style);
	}
	need(errno == ENODEV, "reading events");
}

void pager_start(struct pager *pager, const struct reader_style *style)
{
	int socks[2];

	need(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), "socket pair");
	pager->pid = fork();
	need(pager->pid >= 0, "fork");
	if (pager->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(socks[0]);
		serve(fd_receive(socks[1]), style);
		_exit(EXIT_SUCCESS);
	}
	close(socks[1]);
	pager->sock = socks[0];
}

void pager_give(struct pager *pager, int session_fd)
{
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union fd_message control = { .buf = { 0 } };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(session_fd));
	memcpy(CMSG_DATA(cmsg), &session_fd, sizeof(session_fd));
	need(sendmsg(pager->sock, &msg, 0) == 1, "giving the session away");
	close(session_fd);
}

void pager_wait(struct pager *pager)
{
	int status;

	need(waitpid(pager->pid, &status, 0) == pager->pid, "waiting for the pager");
	errno = 0;
	need(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the pager failed");
	close(pager->sock);
}
