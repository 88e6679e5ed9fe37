// SPDX-License-Identifier: MIT
#include "vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu.h"
#include "error.h"
#include "machine.h"
#include "ports.h"

#define KICK_SIGNAL SIGUSR1

static void kick_handler(int number)
{
	/* Its arrival is all that is wanted: KVM_RUN returns -EINTR. */
}

static int install_kick(void)
{
	struct sigaction action = { .sa_handler = kick_handler };

	sigemptyset(&action.sa_mask);
	return sigaction(KICK_SIGNAL, &action, NULL) ? error_set(-errno, "no handler for kicking vCPUs") : 0;
}

static int set_cpuid(struct machine *machine, struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid;
	int err;

	err = cpu_get_cpuid(machine->kvm_fd, vcpu->index, machine->n_vcpus, &cpuid);
	if (err)
		return err;
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		err = error_set(-errno, "CPUID of vCPU %u cannot be set", vcpu->index);
	free(cpuid);
	return err;
}

static int create(struct machine *machine, unsigned int index, size_t run_len)
{
	struct vcpu *vcpu = &machine->vcpus[index];

	*vcpu = (struct vcpu){ .machine = machine, .index = index, .run_len = run_len };
	vcpu->fd = ioctl(machine->vm_fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return error_set(-errno, "vCPU %u cannot be created", index);
	vcpu->run = mmap(NULL, run_len, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return error_set(-errno, "vCPU %u cannot be mapped", index);
	}
	return set_cpuid(machine, vcpu);
}

int vcpus_create(struct machine *machine)
{
	int run_len = ioctl(machine->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int err = 0;

	if (run_len < (int)sizeof(struct kvm_run))
		return error_set(-EIO, "KVM does not say how large a vCPU's mapping is");
	pthread_mutex_init(&machine->group.lock, NULL);
	pthread_cond_init(&machine->group.changed, NULL);
	machine->group.paused = true;
	for (unsigned int i = 0; i < machine->n_vcpus && !err; i++)
		err = create(machine, i, (size_t)run_len);
	return err;
}

int vcpus_set_boot(struct machine *machine, uint64_t entry_gpa)
{
	return cpu_set_boot(machine->vcpus[0].fd, entry_gpa);
}

static void handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size)
		ports_access(vcpu->machine, run->io.port, run->io.direction == KVM_EXIT_IO_OUT, run->io.size, data);
}

static void handle_missing(struct vcpu *vcpu, unsigned long long gfn)
{
	if (vcpu->machine->paging.mode == PAGING_EXIT)
		machine_stop(vcpu->machine, EXIT_MISSING,
			     "guest page at GFN 0x%llx is missing and --paging=exit does not wait for it: guest stopped", gfn);
	else
		machine_stop(vcpu->machine, EXIT_MISSING,
			     "guest page at GFN 0x%llx is missing and no pager is attached: guest stopped, "
			     "its memory is lost unless the source still has it", gfn);
}

static void handle_memory_fault(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	unsigned long long gfn = run->memory_fault.gpa >> 12;

	if (run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_MISSING)
		handle_missing(vcpu, gfn);
	else
		machine_stop(vcpu->machine, EXIT_CRASH,
			     "vCPU %u wants GFN 0x%llx as %s memory, which it is not: guest stopped", vcpu->index, gfn,
			     run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE ? "private" : "shared");
}

static void handle_crash(struct vcpu *vcpu, const char *what, unsigned long long code)
{
	struct kvm_regs regs = { 0 };

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		regs.rip = 0;
	machine_stop(vcpu->machine, EXIT_CRASH, "vCPU %u: %s (0x%llx) at rip 0x%llx: guest stopped", vcpu->index, what,
		     code, (unsigned long long)regs.rip);
}

static void handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		if (conversion_access(vcpu->machine, run->mmio.phys_addr, run->mmio.is_write, run->mmio.len, run->mmio.data))
			break;
		if (!run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_MEMORY_FAULT:
		handle_memory_fault(vcpu);
		break;
	case KVM_EXIT_SHUTDOWN:
		handle_crash(vcpu, "triple fault", 0);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		handle_crash(vcpu, "KVM internal error", run->internal.suberror);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		handle_crash(vcpu, "guest entry failed", run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		handle_crash(vcpu, "unexpected exit", run->exit_reason);
	}
}

/* One KVM_RUN.  @return true if it was interrupted, which leaves nothing half done. */
static bool enter(struct vcpu *vcpu)
{
	if (!ioctl(vcpu->fd, KVM_RUN, 0)) {
		handle_exit(vcpu);
		return false;
	}
	if (errno == EINTR)
		return true;
	if (errno == EAGAIN)
		return false;
	if ((errno == EFAULT || errno == EHWPOISON) && vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT)
		handle_memory_fault(vcpu);
	else
		machine_stop(vcpu->machine, EXIT_CRASH, "vCPU %u cannot run: %m", vcpu->index);
	return false;
}

/*
 * Finish a port or MMIO access, which KVM does on the next KVM_RUN, without
 * entering the guest.  An access of several parts returns once for each.
 */
static void complete_io(struct vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	for (int i = 0; i < 16; i++) {
		if (enter(vcpu) || machine_has_ended(vcpu->machine))
			return;
	}
	machine_stop(vcpu->machine, EXIT_CRASH, "vCPU %u does not come to rest", vcpu->index);
}

static void park(struct vcpu *vcpu)
{
	struct vcpu_group *group = &vcpu->machine->group;

	group->n_parked++;
	pthread_cond_broadcast(&group->changed);
	while (group->paused)
		pthread_cond_wait(&group->changed, &group->lock);
	group->n_parked--;
	/* Under the lock: a pause that comes now sets it again after us. */
	vcpu->run->immediate_exit = 0;
}

static void *thread_main(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vcpu_group *group = &vcpu->machine->group;
	bool entered = false;

	pthread_mutex_lock(&group->lock);
	for (;;) {
		if (group->paused) {
			pthread_mutex_unlock(&group->lock);
			if (entered && !machine_has_ended(vcpu->machine))
				complete_io(vcpu);
			pthread_mutex_lock(&group->lock);
			park(vcpu);
			entered = false;
			continue;
		}
		pthread_mutex_unlock(&group->lock);
		entered = true;
		enter(vcpu);
		pthread_mutex_lock(&group->lock);
	}
	return NULL;
}

int vcpus_start(struct machine *machine)
{
	int err = install_kick();

	for (unsigned int i = 0; i < machine->n_vcpus && !err; i++) {
		struct vcpu *vcpu = &machine->vcpus[i];

		err = -pthread_create(&vcpu->thread, NULL, thread_main, vcpu);
		if (err)
			return error_set(err, "no thread for vCPU %u", i);
		vcpu->started = true;
	}
	return err;
}

static void kick_all(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->n_vcpus; i++) {
		struct vcpu *vcpu = &machine->vcpus[i];

		if (!vcpu->started)
			continue;
		vcpu->run->immediate_exit = 1;
		pthread_kill(vcpu->thread, KICK_SIGNAL);
	}
}

void vcpus_pause(struct machine *machine)
{
	struct vcpu_group *group = &machine->group;
	unsigned int n_started = 0;

	for (unsigned int i = 0; i < machine->n_vcpus; i++)
		n_started += machine->vcpus[i].started;
	pthread_mutex_lock(&group->lock);
	group->paused = true;
	kick_all(machine);
	while (group->n_parked < n_started)
		pthread_cond_wait(&group->changed, &group->lock);
	pthread_mutex_unlock(&group->lock);
}

void vcpus_resume(struct machine *machine)
{
	struct vcpu_group *group = &machine->group;

	pthread_mutex_lock(&group->lock);
	if (!group->closed) {
		group->paused = false;
		pthread_cond_broadcast(&group->changed);
	}
	pthread_mutex_unlock(&group->lock);
}

bool vcpus_paused(struct machine *machine)
{
	bool paused;

	pthread_mutex_lock(&machine->group.lock);
	paused = machine->group.paused;
	pthread_mutex_unlock(&machine->group.lock);
	return paused;
}

void vcpus_close(struct machine *machine)
{
	struct vcpu_group *group = &machine->group;

	pthread_mutex_lock(&group->lock);
	group->paused = true;
	group->closed = true;
	kick_all(machine);
	pthread_mutex_unlock(&group->lock);
}
