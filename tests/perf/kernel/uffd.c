/* SPDX-License-Identifier: MIT */
#include "uffd.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "need.h"
#include "vm.h"

#define MAX_AROUND 16u

void uffd_copy(int fd, void *to, const void *from, size_t len)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = len };

	need(!ioctl(fd, UFFDIO_COPY, &copy), "UFFDIO_COPY");
}

void uffd_register(struct uffd *uffd, void *start, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)start, .len = len }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	uffd->start = start;
	uffd->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	need(uffd->fd >= 0 && !ioctl(uffd->fd, UFFDIO_API, &api), "userfaultfd");
	need(!ioctl(uffd->fd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER");
}

static void *serve(void *arg)
{
	static uint8_t pages[MAX_AROUND * VM_PAGE] __attribute__((aligned(4096)));
	struct uffd *uffd = arg;
	struct pollfd pfds[2] = { { .fd = uffd->fd, .events = POLLIN }, { .fd = uffd->stop_fd, .events = POLLIN } };
	uintptr_t mask = ~(uintptr_t)(uffd->style.n_pages * VM_PAGE - 1);
	struct uffd_msg msg;

	memset(pages, 0x5a, sizeof(pages));
	for (;;) {
		if (uffd->style.poll) {
			need(poll(pfds, 2, -1) > 0, "poll");
			if (pfds[1].revents)
				break;
		}
		if (read(uffd->fd, &msg, sizeof(msg)) != sizeof(msg)) {
			need(errno == EAGAIN, "reading userfaultfd");
			continue;
		}
		need(msg.event == UFFD_EVENT_PAGEFAULT, "unexpected event");
		reader_clock(&uffd->style);
		uffd_copy(uffd->fd, (void *)(msg.arg.pagefault.address & mask), pages, uffd->style.n_pages * VM_PAGE);
		reader_clock(&uffd->style);
	}
	return NULL;
}

void uffd_start(struct uffd *uffd, const struct reader_style *style)
{
	uffd->style = *style;
	/* poll() on a userfaultfd that blocks is an error. */
	need(!fcntl(uffd->fd, F_SETFL, style->poll ? O_NONBLOCK : 0), "userfaultfd's flags");
	uffd->stop_fd = eventfd(0, EFD_CLOEXEC);
	need(uffd->stop_fd >= 0, "eventfd");
	need(!pthread_create(&uffd->thread, NULL, serve, uffd), "reader thread");
}

void uffd_stop(struct uffd *uffd)
{
	uint64_t one = 1;

	need(write(uffd->stop_fd, &one, sizeof(one)) == sizeof(one), "stopping the reader");
	if (!uffd->style.poll)	/* it sleeps in read() */
		pthread_cancel(uffd->thread);
	need(!pthread_join(uffd->thread, NULL), "joining the reader");
	close(uffd->stop_fd);
}

void uffd_close(struct uffd *uffd)
{
	close(uffd->fd);
}
