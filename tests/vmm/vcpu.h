/* SPDX-License-Identifier: MIT */
/*
 * vcpu: a thread per vCPU around KVM_RUN, and the group's pause and resume.
 *
 * A vCPU is *parked* when its thread waits outside of KVM_RUN with no port or
 * MMIO access half done: its state can be read, written and frozen then.
 * Threads begin parked.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct kvm_run;
struct machine;

struct vcpu {
	struct machine *machine;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	size_t run_len;
	pthread_t thread;
	bool started;
};

/* Shared by all vCPUs of a machine. */
struct vcpu_group {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool paused;		/* vCPUs shall park */
	bool closed;		/* for good */
	unsigned int n_parked;
};

/** Create vCPU fds with their CPUID. */
int vcpus_create(struct machine *machine);

/** Registers of the boot vCPU for a 64-bit entry. */
int vcpus_set_boot(struct machine *machine, uint64_t entry_gpa);

/** Start the threads, parked. */
int vcpus_start(struct machine *machine);

/** Park every vCPU; returns when they are. No-op if paused. */
void vcpus_pause(struct machine *machine);

/** Let them run, unless the machine has ended. */
void vcpus_resume(struct machine *machine);

bool vcpus_paused(struct machine *machine);

/** Ask them to park for ever; returns at once. */
void vcpus_close(struct machine *machine);

#endif
