// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "log.h"
#include "secmem.h"
#include "service_int.h"

#define TICK_MS 100

static void served_signals(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
}

void service_block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	served_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static enum gmem_phase phase_of(const struct service *service)
{
	return session_get_phase(service->config->session, NULL, NULL);
}

static void drop_vmm(struct service *service)
{
	close(service->vmm_fd);
	service->vmm_fd = -1;
	service->greeted = false;
	service->pending = 0;
	if (!service->attached || phase_of(service) >= GMEM_PHASE_COMPLETE)
		return;
	if (phase_of(service) < service->config->ops->committed)
		session_end(service->config->session, SESSION_LOCAL, -ECANCELED, "the VMM went away before the move "
			    "had taken effect");
	else
		log_info("the VMM closed its socket; the move goes on");
}

static void read_vmm(struct service *service)
{
	struct vmmsock_message message;
	int r = vmmsock_recv(service->vmm_fd, service->buffer, &message);

	if (r < 0) {
		if (r != -EPIPE)
			log_warn("the VMM's socket: %s", strerror(-r));
		drop_vmm(service);
		return;
	}
	request_handle(service, &message);
	vmmsock_close_fds(&message);
	explicit_bzero(service->buffer, PROTO_MESSAGE_MAX);
}

static void accept_vmm(struct service *service)
{
	int fd, r = vmmsock_accept(service->listen_fd, &fd);

	if (r < 0) {
		log_warn("a connection to %s was refused: %s", service->config->socket_path,
			 r == -EPERM ? "neither root nor our own user" : strerror(-r));
		return;
	}
	if (service->vmm_fd >= 0) {
		log_warn("a second connection to %s was closed: one VMM each", service->config->socket_path);
		close(fd);
		return;
	}
	service->vmm_fd = fd;
	service->told_phase = GMEM_PHASE_IDLE;
}

static void read_signal(struct service *service)
{
	struct signalfd_siginfo info;

	if (read(service->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	service->n_signals++;
	service->leave = session_has_ended(service->config->session);
	if (phase_of(service) < service->config->ops->committed)
		session_end(service->config->session, SESSION_LOCAL, -ECANCELED, "ended by signal %u", info.ssi_signo);
	else if (phase_of(service) < GMEM_PHASE_COMPLETE && service->n_signals == 1)
		log_warn("signal %u refused: the guest would be lost; send it again to end the move all the same",
			 info.ssi_signo);
	else
		session_end(service->config->session, SESSION_LOCAL, -EINTR, "ended by a second signal");
}

static void tell_phase(struct service *service)
{
	struct proto_event event = { .status = 0 };
	char error[SESSION_ERROR_LEN];
	int status = 0;
	const enum gmem_phase phase = session_get_phase(service->config->session, &status, error);

	if (service->vmm_fd < 0 || !service->greeted || phase == service->told_phase)
		return;
	event.phase = (uint32_t)phase;
	event.status = status;
	snprintf(event.error, sizeof(event.error), "%s", error);
	if (vmmsock_event(service->vmm_fd, &event) < 0)
		log_warn("cannot tell the VMM of the move's phase");
	service->told_phase = phase;
}

static void read_notify(struct service *service)
{
	uint64_t count;

	if (read(service->config->session->notify_fd, &count, sizeof(count)) < 0)
		return;	/* EAGAIN: another wakeup had it */
}

/* Tell first: stopping takes a moment. */
static void follow_phase(struct service *service)
{
	tell_phase(service);
	request_settle(service);
	/* A second signal after the end: nobody waits for a peer that has still to be told. */
	if (!service->stopped && session_has_ended(service->config->session) &&
	    (service->leave || session_is_settled(service->config->session))) {
		service->config->ops->stop(service->config->opaque);
		service->stopped = true;
		service->ended_us = stats_now_us();
	}
}

static bool is_over(const struct service *service)
{
	const uint64_t linger_us = (uint64_t)service->config->linger_ms * 1000u;

	return service->stopped && (service->vmm_fd < 0 || service->leave ||
				    stats_now_us() - service->ended_us > linger_us);
}

/* syscalls: poll ppoll read */
static void serve(struct service *service)
{
	enum { LISTEN, SIGNAL, NOTIFY, VMM, ORDER, N_FDS };
	struct pollfd fds[N_FDS] = {
		[LISTEN] = { .fd = service->listen_fd, .events = POLLIN },
		[SIGNAL] = { .fd = service->signal_fd, .events = POLLIN },
		[NOTIFY] = { .fd = service->config->session->notify_fd, .events = POLLIN },
		[VMM] = { .events = POLLIN },
		[ORDER] = { .fd = service->config->hub != NULL ? hub_order_fd(service->config->hub) : -1, .events = POLLIN },
	};
	int wait_ms = 0;	/* what a tick begins is begun at once */

	while (!is_over(service)) {
		fds[VMM].fd = service->vmm_fd;
		if (poll(fds, N_FDS, wait_ms) < 0 && errno != EINTR)
			return;
		wait_ms = TICK_MS;
		if (fds[NOTIFY].revents != 0)
			read_notify(service);
		follow_phase(service);
		if (fds[SIGNAL].revents != 0)
			read_signal(service);
		if (fds[VMM].revents != 0 && service->vmm_fd >= 0)
			read_vmm(service);
		if (fds[LISTEN].revents != 0)
			accept_vmm(service);
		session_tick(service->config->session);
		if (service->config->ops->tick != NULL && !service->stopped)
			service->config->ops->tick(service->config->opaque);
		follow_phase(service);
		desk_tick(&service->desk);
	}
}

static int exit_code(const struct service *service)
{
	char error[SESSION_ERROR_LEN];
	int status = 0;

	switch (session_get_phase(service->config->session, &status, error)) {
	case GMEM_PHASE_COMPLETE:
		return SERVICE_EXIT_COMPLETE;
	case GMEM_PHASE_ABORTED:
		return status == -EACCES ? SERVICE_EXIT_REFUSED : SERVICE_EXIT_ABORTED;
	default:
		return SERVICE_EXIT_FAILED;
	}
}

int service_listen(const char *path, int *ret_fd)
{
	const int r = vmmsock_listen(path, ret_fd);

	if (r < 0)
		log_error("cannot listen on %s: %s", path,
			  r == -EADDRINUSE ? "another process does, or it is no socket" : strerror(-r));
	return r;
}

/* syscalls: close unlink unlinkat */
void service_unlisten(const char *path, int fd)
{
	if (fd < 0)
		return;
	unlink(path);
	close(fd);
}

/* syscalls: mlock signalfd4 */
static int open_fds(struct service *service)
{
	const struct service_config *config = service->config;
	sigset_t set;
	int r;

	if (config->listen_fd != NULL) {
		service->listen_fd = *config->listen_fd;
	} else {
		r = service_listen(config->socket_path, &service->listen_fd);
		if (r < 0)
			return r;
	}
	served_signals(&set);
	service->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	service->buffer = secmem_alloc(PROTO_MESSAGE_MAX);
	if (service->signal_fd < 0 || service->buffer == NULL) {
		log_error("cannot start: %s", strerror(errno));
		return -ENOMEM;
	}
	return 0;
}

/* The control sockets are served as long as serve() runs, and hear how it ended. */
static void serve_all(struct service *service)
{
	const struct service_config *config = service->config;
	int r;

	desk_init(&service->desk, config->session, config->ops->desk, config->opaque, config->hub, config->notify);
	desk_tick(&service->desk);
	r = config->hub != NULL ? hub_start(config->hub, config->names) : 0;
	if (r < 0) {
		log_error("cannot start a thread: %s", strerror(-r));
		return;
	}
	if (config->notify != NULL)
		notify_ready(config->notify);
	serve(service);
	if (config->notify != NULL)
		notify_stopping(config->notify);
	desk_end(&service->desk);
	if (config->hub != NULL)
		hub_stop(config->hub);
}

int service_run(const struct service_config *config)
{
	struct service service = { .config = config, .listen_fd = -1, .signal_fd = -1, .vmm_fd = -1 };
	int code = SERVICE_EXIT_SETUP;

	states_init(&service.incoming);
	if (open_fds(&service) == 0) {
		if (config->socket_path != NULL)
			log_info("%s: waiting for a VMM on %s", config->ops->name, config->socket_path);
		serve_all(&service);
		code = exit_code(&service);
	}
	if (!service.stopped)
		config->ops->stop(config->opaque);
	if (config->listen_fd == NULL)
		service_unlisten(config->socket_path, service.listen_fd);
	if (service.signal_fd >= 0)
		close(service.signal_fd);
	if (service.vmm_fd >= 0)
		close(service.vmm_fd);
	states_fini(&service.incoming);
	secmem_free(service.buffer);
	return code;
}
