// SPDX-License-Identifier: MIT
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvm_demand_paging.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot.h"
#include "error.h"
#include "ports.h"

#define TSS_GPA		0xfffbd000u	/* for KVM's own slots on Intel: below the BIOS area */
#define IDENTITY_GPA	0xfffbc000ull

static int create_vm(struct machine *machine, bool is_private)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity = IDENTITY_GPA;

	machine->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (machine->kvm_fd < 0)
		return error_set(-errno, "/dev/kvm cannot be opened");
	if (ioctl(machine->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return error_set(-EINVAL, "/dev/kvm does not speak API version %d", KVM_API_VERSION);
	machine->vm_fd = ioctl(machine->kvm_fd, KVM_CREATE_VM, is_private ? KVM_X86_SW_PROTECTED_VM : KVM_X86_DEFAULT_VM);
	if (machine->vm_fd < 0)
		return error_set(-errno, "no %s VM: %s", is_private ? "software-protected" : "ordinary",
				 is_private ? "KVM needs CONFIG_KVM_SW_PROTECTED_VM and two-dimensional paging" :
				 "see the kernel's log");
	if (ioctl(machine->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)TSS_GPA) ||
	    ioctl(machine->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity))
		return error_set(-errno, "KVM's own pages cannot be placed");
	if (ioctl(machine->vm_fd, KVM_CREATE_IRQCHIP, 0) || ioctl(machine->vm_fd, KVM_CREATE_PIT2, &pit))
		return error_set(-errno, "no interrupt controller and timer in the kernel");
	return 0;
}

static int init_end(struct machine_end *end)
{
	pthread_mutex_init(&end->lock, NULL);
	end->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return end->event_fd < 0 ? error_set(-errno, "no eventfd") : 0;
}

int machine_init(struct machine *machine, const struct options *options)
{
	int err;

	memset(machine, 0, sizeof(*machine));
	machine->kvm_fd = machine->vm_fd = machine->paging.control_fd = -1;
	machine->n_vcpus = (unsigned int)options->n_vcpus;
	for (unsigned int i = 0; i < MACHINE_MAX_VCPUS; i++)
		machine->vcpus[i].fd = -1;
	pthread_mutex_init(&machine->operation, NULL);
	err = init_end(&machine->end);
	if (!err)
		err = console_init(&machine->console, options->console);
	if (err)
		return err;
	ports_init(machine);
	err = create_vm(machine, !options->shared_ram);
	if (!err)
		err = memory_init(&machine->memory, machine->vm_fd, (uint64_t)options->mem_mib << 20, !options->shared_ram,
				  options->conversion != CONVERSION_OFF);
	if (!err)
		err = paging_init(&machine->paging, machine->vm_fd, options->paging);
	if (!err && options->paging != PAGING_OFF)
		err = paging_mark_all_missing(&machine->paging);
	if (!err)
		err = conversion_init(machine, options->conversion);
	if (!err)
		err = vcpus_create(machine);
	return err;
}

/* Image pages first; the rest becomes present as zeros, without allocating it. */
static int populate_image(struct machine *machine, const uint8_t *image_data, const struct boot_image *image)
{
	const struct memory_slot *ram = memory_ram(&machine->memory);
	int session_fd, err;

	err = paging_create_session(&machine->paging, KVM_DP_RIGHT_POPULATE, &session_fd);
	if (err)
		return err;
	for (size_t i = 0; i < image->n_ranges && !err; i++)
		err = paging_populate(session_fd, ram->gpa + image->ranges[i].gpa, image->ranges[i].size,
				      image_data + image->ranges[i].gpa);
	if (!err)
		err = paging_populate(session_fd, ram->gpa, ram->size, NULL);
	close(session_fd);
	return err;
}

static int load_private(struct machine *machine, const struct boot_config *config, struct boot_image *ret_image)
{
	uint8_t *staging;
	int err;

	staging = mmap(NULL, config->ram_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (staging == MAP_FAILED)
		return error_set(-errno, "no memory to lay out the guest's image");
	err = boot_load(config, staging, ret_image);
	if (!err)
		err = populate_image(machine, staging, ret_image);
	munmap(staging, config->ram_size);
	return err;
}

static int load_shared(struct machine *machine, const struct boot_config *config, struct boot_image *ret_image)
{
	const struct memory_slot *ram = memory_ram(&machine->memory);
	int err;

	err = boot_load(config, ram->hva, ret_image);
	if (!err && machine->paging.mode != PAGING_OFF)
		err = paging_mark_present(&machine->paging, ram->gpa, ram->size);
	return err;
}

int machine_boot(struct machine *machine, const struct options *options)
{
	const struct memory_slot *shared = memory_shared(&machine->memory);
	struct boot_config config = {
		.kernel = options->kernel,
		.initrd = options->initrd,
		.n_vcpus = machine->n_vcpus,
		.ram_size = memory_ram(&machine->memory)->size,
		.shared_gpa = shared->gpa,
		.shared_size = shared->size,
	};
	struct boot_image image;
	char *cmdline;
	int err;

	if (asprintf(&cmdline, "console=ttyS0 acpi=off pci=off reboot=k gmem.shared_gpa=0x%llx gmem.shared_mib=%llu %s",
		     (unsigned long long)shared->gpa, (unsigned long long)shared->size >> 20,
		     options->append ? options->append : "") < 0)
		return error_set(-ENOMEM, "no memory for the command line");
	config.cmdline = cmdline;
	err = machine->memory.is_private ? load_private(machine, &config, &image) : load_shared(machine, &config, &image);
	free(cmdline);
	if (!err && machine->paging.mode != PAGING_OFF)
		err = paging_mark_present(&machine->paging, shared->gpa, shared->size);
	return err ? err : vcpus_set_boot(machine, image.entry_gpa);
}

void machine_stop(struct machine *machine, enum exit_code code, const char *format, ...)
{
	struct machine_end *end = &machine->end;
	uint64_t one = 1;
	va_list args;

	pthread_mutex_lock(&end->lock);
	if (!end->ended) {
		end->ended = true;
		end->code = code;
		va_start(args, format);
		vsnprintf(end->reason, sizeof(end->reason), format, args);
		va_end(args);
		if (write(end->event_fd, &one, sizeof(one)) < 0)
			abort();	/* an eventfd at 0 takes a 1 */
	}
	pthread_mutex_unlock(&end->lock);
	vcpus_close(machine);
}

bool machine_has_ended(struct machine *machine)
{
	bool ended;

	pthread_mutex_lock(&machine->end.lock);
	ended = machine->end.ended;
	pthread_mutex_unlock(&machine->end.lock);
	return ended;
}
