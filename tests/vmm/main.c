// SPDX-License-Identifier: MIT
/*
 * gmem-testvmm: boots a Linux guest with private RAM, and sends and receives it
 * with libgmem.  It shows a VMM's author the calls; the tests run on it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control.h"
#include "ctl.h"
#include "error.h"
#include "machine.h"
#include "move.h"
#include "options.h"
#include "report.h"
#include "snapshot.h"

/* Blocked before any thread is made, so that all inherit it. */
static int open_signals(int *ret_fd)
{
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	if (pthread_sigmask(SIG_BLOCK, &mask, NULL))
		return error_set(-EIO, "signals cannot be blocked");
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	if (fd < 0)
		return error_set(-errno, "no signalfd");
	*ret_fd = fd;
	return 0;
}

/* In mid-move the end is not a quiet one. */
static void stop_by_signal(struct machine *machine, struct move *move)
{
	switch (move_risk(move)) {
	case MOVE_RISK_NONE:
		machine_stop(machine, EXIT_OK, "told to end by a signal");
		break;
	case MOVE_RISK_DOUBT:
		machine_stop(machine, EXIT_DOUBT, "told to end by a signal in mid-move: the guest may run at the destination");
		break;
	case MOVE_RISK_LOSS:
		machine_stop(machine, EXIT_MISSING, "told to end by a signal before all memory was here");
		break;
	}
}

static void wait_for_end(struct machine *machine, struct move *move, struct control *control, int signal_fd)
{
	struct pollfd fds[] = {
		{ .fd = machine->end.event_fd, .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = control->listen_fd, .events = POLLIN },	/* -1 is left out */
	};

	while (!machine_has_ended(machine)) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			machine_stop(machine, EXIT_CRASH, "poll: %s", strerror(errno));
		if (fds[1].revents)
			stop_by_signal(machine, move);
		else if (fds[2].revents)
			control_accept(control);
	}
}

/* Guest in place: booted, restored, or waiting to come in. */
static int begin(struct machine *machine, struct move *move, const struct options *options)
{
	int err;

	if (options->kernel)
		err = machine_boot(machine, options);
	else if (options->restore)
		err = snapshot_restore(machine, options->restore);
	else
		err = 0;
	if (!err)
		err = vcpus_start(machine);
	if (err)
		return err;
	if (options->incoming)
		return move_begin(move, NULL);
	vcpus_resume(machine);
	return 0;
}

static int run(const struct options *options)
{
	static struct machine machine;
	static struct move move;
	struct control control;
	int signal_fd = -1, err;

	err = open_signals(&signal_fd);
	if (!err)
		err = machine_init(&machine, options);
	if (err)
		goto out;
	move_init(&move, &machine, options->incoming, options->gmem_source, options->service_wait_s);
	err = control_init(&control, &machine, &move, options->control);
	if (!err)
		err = begin(&machine, &move, options);
	if (err) {
		control_fini(&control);
		goto out;
	}
	wait_for_end(&machine, &move, &control, signal_fd);
	vcpus_pause(&machine);	/* all have parked before anything is said */
	console_flush(&machine.console);
	console_close(&machine.console);
	error_note("%s", machine.end.reason);
	if (options->report && report_write(&machine, &move, options->report))
		error_note("%s", error_get());
	control_fini(&control);
	/* Threads of a move or of connections may still wait for somebody: the process takes them along. */
	return machine.end.code;
out:
	error_note("%s", error_get());
	return EXIT_START;
}

int main(int argc, const char **argv)
{
	struct options options;
	int code, err;

	if (argc > 3 && !strcmp(argv[1], "ctl"))
		return control_client(argv[2], argc - 3, argv + 3);
	err = options_parse(argc, argv, &options);
	if (err == 1)
		return EXIT_OK;
	if (err) {
		error_note("%s", error_get());
		return EXIT_USAGE;
	}
	if (sodium_init() < 0) {
		error_note("libsodium cannot be initialised");
		return EXIT_START;
	}
	code = run(&options);
	fflush(stdout);
	/* Not exit(): other threads may still use what its handlers would free. */
	_exit(code);
}
