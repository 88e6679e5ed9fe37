// SPDX-License-Identifier: MIT
#include "ports.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "machine.h"

#define RTC_DATA		0x71
#define KEYBOARD_COMMAND	0x64
#define KEYBOARD_RESET		0xfe

static void serial_emit(void *opaque, uint8_t byte)
{
	struct machine *machine = opaque;

	console_emit(&machine->console, byte);
}

static void serial_set_irq(void *opaque, bool level)
{
	struct machine *machine = opaque;
	struct kvm_irq_level irq = { .irq = SERIAL_IRQ, .level = level };

	if (ioctl(machine->vm_fd, KVM_IRQ_LINE, &irq))
		machine_stop(machine, EXIT_CRASH, "the serial port's interrupt cannot be set: %m");
}

void ports_init(struct machine *machine)
{
	pthread_mutex_init(&machine->serial_lock, NULL);
	serial_init(&machine->serial, serial_emit, serial_set_irq, machine);
}

/* How Linux with reboot=k ends: the keyboard controller pulls the reset line. */
static void reset(struct machine *machine)
{
	struct console_facts facts;

	console_get_facts(&machine->console, &facts);
	if (facts.guest_end)
		machine_stop(machine, EXIT_OK, "guest powered off");
	else
		machine_stop(machine, EXIT_CRASH, "guest reset itself before its program ended: see its console");
}

void ports_access(struct machine *machine, uint16_t port, bool is_write, unsigned int size, uint8_t *data)
{
	if (port >= SERIAL_PORT && port < SERIAL_PORT + SERIAL_N_PORTS && size == 1) {
		pthread_mutex_lock(&machine->serial_lock);
		if (is_write)
			serial_write(&machine->serial, port - SERIAL_PORT, *data);
		else
			*data = serial_read(&machine->serial, port - SERIAL_PORT);
		pthread_mutex_unlock(&machine->serial_lock);
	} else if (port == KEYBOARD_COMMAND && is_write && *data == KEYBOARD_RESET) {
		reset(machine);
	} else if ((port == KEYBOARD_COMMAND || port == RTC_DATA) && !is_write) {
		/* Keyboard: ready for the command above. Clock: no update under way, else Linux waits for seconds. */
		memset(data, 0, size);
	} else if (!is_write) {
		memset(data, 0xff, size);
	}
}
