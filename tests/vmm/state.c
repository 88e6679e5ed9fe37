// SPDX-License-Identifier: MIT
#include "state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "error.h"

#define N_CHIPS 3u	/* PIC master, PIC slave, IOAPIC */

struct state_layout {
	uint64_t ram_size;
	uint64_t shared_gpa;
	uint64_t shared_size;
	uint32_t n_vcpus;
	uint32_t is_private;
};

struct state_serial {
	struct serial_state registers;
	uint32_t line_len;
	uint32_t pad;
	char line[CONSOLE_MAX_LINE];
};

static void get_layout(struct machine *machine, struct state_layout *ret_layout)
{
	*ret_layout = (struct state_layout){
		.ram_size = memory_ram(&machine->memory)->size,
		.shared_gpa = memory_shared(&machine->memory)->gpa,
		.shared_size = memory_shared(&machine->memory)->size,
		.n_vcpus = machine->n_vcpus,
		.is_private = machine->memory.is_private,
	};
}

static int check_layout(struct machine *machine, const struct blob_set *set)
{
	struct state_layout here, there;
	int err;

	err = blob_read(set, -1, BLOB_LAYOUT, &there, sizeof(there), 1);
	if (err)
		return err;
	get_layout(machine, &here);
	if (memcmp(&here, &there, sizeof(here)))
		return error_set(-EPROTO,
				 "the guest has %llu MiB of %s RAM and %u vCPUs, this machine %llu MiB of %s RAM and %u: "
				 "give the same --mem, --ram and --vcpus",
				 (unsigned long long)there.ram_size >> 20, there.is_private ? "private" : "shared",
				 there.n_vcpus, (unsigned long long)here.ram_size >> 20,
				 here.is_private ? "private" : "shared", here.n_vcpus);
	return 0;
}

static int save_devices(struct machine *machine, struct blob_set *set)
{
	struct kvm_irqchip chips[N_CHIPS] = { 0 };
	struct kvm_pit_state2 pit = { 0 };
	struct state_serial serial = { 0 };
	int err;

	for (uint32_t i = 0; i < N_CHIPS; i++) {
		chips[i].chip_id = i;
		if (ioctl(machine->vm_fd, KVM_GET_IRQCHIP, &chips[i]))
			return error_set(-errno, "interrupt controller %u cannot be saved", i);
	}
	if (ioctl(machine->vm_fd, KVM_GET_PIT2, &pit))
		return error_set(-errno, "the timer cannot be saved");
	serial.registers = machine->serial.state;
	serial.line_len = (uint32_t)console_save_line(&machine->console, serial.line);
	err = blob_put(set, -1, BLOB_IRQCHIP, chips, sizeof(chips[0]), N_CHIPS);
	if (!err)
		err = blob_put(set, -1, BLOB_PIT, &pit, sizeof(pit), 1);
	if (!err)
		err = blob_put(set, -1, BLOB_SERIAL, &serial, sizeof(serial), 1);
	return err;
}

static int restore_chips(struct machine *machine, const struct blob_set *set)
{
	struct kvm_irqchip chips[N_CHIPS];
	struct kvm_pit_state2 pit;
	int err;

	err = blob_read(set, -1, BLOB_IRQCHIP, chips, sizeof(chips[0]), N_CHIPS);
	if (!err)
		err = blob_read(set, -1, BLOB_PIT, &pit, sizeof(pit), 1);
	if (err)
		return err;
	for (uint32_t i = 0; i < N_CHIPS; i++) {
		if (chips[i].chip_id != i)
			return error_set(-EPROTO, "state vm.irqchip has chip %u at place %u", chips[i].chip_id, i);
		if (ioctl(machine->vm_fd, KVM_SET_IRQCHIP, &chips[i]))
			return error_set(-errno, "interrupt controller %u cannot be restored", i);
	}
	if (ioctl(machine->vm_fd, KVM_SET_PIT2, &pit))
		return error_set(-errno, "the timer cannot be restored");
	return 0;
}

static int restore_serial(struct machine *machine, const struct blob_set *set)
{
	struct state_serial serial;
	int err;

	err = blob_read(set, -1, BLOB_SERIAL, &serial, sizeof(serial), 1);
	if (err)
		return err;
	if (serial.line_len >= CONSOLE_MAX_LINE)
		return error_set(-EPROTO, "state vm.serial has a line of %u bytes, %u are possible", serial.line_len,
				 CONSOLE_MAX_LINE - 1);
	serial_restore(&machine->serial, &serial.registers);
	console_restore_line(&machine->console, serial.line, serial.line_len);
	return 0;
}

int state_save(struct machine *machine, struct blob_set *set)
{
	struct state_layout layout;
	struct clock_state clock;
	int err;

	memset(set, 0, sizeof(*set));
	get_layout(machine, &layout);
	err = blob_put(set, -1, BLOB_LAYOUT, &layout, sizeof(layout), 1);
	if (!err)
		err = state_save_map(machine, set);
	for (unsigned int i = 0; i < machine->n_vcpus && !err; i++)
		err = state_save_vcpu(machine, &machine->vcpus[i], set);
	if (!err)
		err = save_devices(machine, set);
	if (!err)
		err = clock_save(machine->vm_fd, machine->vcpus[0].fd, &clock);
	return err ? err : blob_put(set, -1, BLOB_CLOCK, &clock, sizeof(clock), 1);
}

static int restore_time(struct machine *machine, const struct blob_set *set)
{
	struct clock_state clock;
	uint64_t offset, delta;
	int err;

	err = blob_read(set, -1, BLOB_CLOCK, &clock, sizeof(clock), 1);
	for (unsigned int i = 0; i < machine->n_vcpus && !err; i++)
		err = clock_check_frequency(machine->vcpus[i].fd, &clock);
	if (err)
		return err;
	delta = clock_offset_delta(&clock);
	for (unsigned int i = 0; i < machine->n_vcpus && !err; i++) {
		err = blob_read(set, (int)i, BLOB_TSC, &offset, sizeof(offset), 1);
		if (!err)
			err = clock_set_offset(machine->vcpus[i].fd, offset + delta);
	}
	for (unsigned int i = 0; i < machine->n_vcpus && !err; i++)
		err = state_restore_deadline(&machine->vcpus[i], set);
	for (unsigned int i = 0; i < machine->n_vcpus && !err; i++)
		err = clock_tell_stopped(machine->vcpus[i].fd);
	return err ? err : clock_restore(machine->vm_fd, &clock);
}

int state_restore(struct machine *machine, const struct blob_set *set)
{
	int err;

	err = check_layout(machine, set);
	if (!err)
		err = state_restore_map(machine, set);
	for (unsigned int i = 0; i < machine->n_vcpus && !err; i++)
		err = state_restore_vcpu(machine, &machine->vcpus[i], set);
	if (!err)
		err = restore_chips(machine, set);
	if (!err)
		err = restore_serial(machine, set);
	return err ? err : restore_time(machine, set);
}
