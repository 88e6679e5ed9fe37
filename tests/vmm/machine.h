/* SPDX-License-Identifier: MIT */
/*
 * machine: one VM with all that belongs to it, and how it ends.
 *
 * Threads: main (control socket, signals, the end), one per vCPU, one for a
 * move.  machine_stop() may be called by any of them; the first call decides
 * exit code and sentence, and from then on no vCPU enters the guest again.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <pthread.h>
#include <stdbool.h>

#include "console.h"
#include "conversion.h"
#include "memory.h"
#include "options.h"
#include "paging.h"
#include "serial.h"
#include "vcpu.h"

#define MACHINE_MAX_VCPUS 2u

enum exit_code {
	EXIT_OK = 0,
	EXIT_START = 1,
	EXIT_USAGE = 2,
	EXIT_MISSING = 3,
	EXIT_DOUBT = 4,
	EXIT_CRASH = 5,
};

struct machine_end {
	pthread_mutex_t lock;
	int event_fd;		/* readable once ended */
	bool ended;
	enum exit_code code;
	char reason[512];
};

struct machine {
	int kvm_fd;
	int vm_fd;
	struct memory memory;
	struct paging paging;
	struct conversion conversion;
	struct vcpu_group group;
	struct vcpu vcpus[MACHINE_MAX_VCPUS];
	unsigned int n_vcpus;
	pthread_mutex_t operation;	/* held by who pauses, freezes or moves the guest */
	struct console console;
	pthread_mutex_t serial_lock;
	struct serial serial;
	struct machine_end end;
};

/**
 * Create VM, irqchip, memslots, demand paging and vCPUs; nothing runs yet.
 * With paging every page is missing afterwards.  There is one machine per
 * process, and the process takes it along, also after a failure.
 */
int machine_init(struct machine *machine, const struct options *options);

/** Put kernel, initrd and boot structures in place, everything present. */
int machine_boot(struct machine *machine, const struct options *options);

/** End it: the first call counts.  Returns at once. */
void machine_stop(struct machine *machine, enum exit_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

bool machine_has_ended(struct machine *machine);

#endif
