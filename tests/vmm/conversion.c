// SPDX-License-Identifier: MIT
#include "conversion.h"

#include <errno.h>
#include <fcntl.h>
#include <gmem/gmem.h>
#include <linux/kvm_demand_paging.h>
#include <string.h>

#include "error.h"
#include "machine.h"

#define PAGE		4096u
#define GFN_BITS	28u

int conversion_init(struct machine *machine, enum conversion_mode mode)
{
	struct conversion *conversion = &machine->conversion;

	conversion->mode = mode;
	pthread_mutex_init(&conversion->lock, NULL);
	if (mode == CONVERSION_OFF)
		return 0;
	/* Without EVENTS: it is no pager, and keeps nobody waiting. */
	return paging_create_session(&machine->paging, KVM_DP_RIGHT_DISCARD | KVM_DP_RIGHT_MARK | KVM_DP_RIGHT_QUERY,
				     &conversion->session_fd);
}

static int discard(struct machine *machine, uint64_t gpa)
{
	struct gmem_region regions[MEMORY_N_SLOTS];
	size_t n_regions = memory_list_regions(&machine->memory, regions);
	int err = gmem_discard(machine->conversion.session_fd, regions, n_regions, gpa, PAGE);

	return err ? error_set(err, "the page at 0x%llx cannot be discarded", (unsigned long long)gpa) : 0;
}

/* The order is what keeps old content away: docs/integration.md. */
static int run_right(struct machine *machine, uint32_t command, uint64_t gpa)
{
	int err;

	switch (command) {
	case CONVERSION_DISCARD:
		return discard(machine, gpa);
	case CONVERSION_TO_SHARED:
		err = discard(machine, gpa);
		return err ? err : memory_set_private(&machine->memory, gpa, PAGE, false);
	case CONVERSION_TO_PRIVATE:
		err = memory_set_private(&machine->memory, gpa, PAGE, true);
		return err ? err : discard(machine, gpa);
	default:
		return error_set(-EINVAL, "the guest gave command %u to the conversion device", command);
	}
}

static int punch(int fd, uint64_t offset)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, PAGE))
		return error_set(-errno, "no hole can be punched into guest memory");
	return 0;
}

static int run_bare(struct machine *machine, uint32_t command, uint64_t gpa)
{
	const struct memory_slot *ram = memory_ram(&machine->memory);
	int err;

	if (command != CONVERSION_DISCARD)
		return memory_set_private(&machine->memory, gpa, PAGE, command == CONVERSION_TO_PRIVATE);
	err = punch(ram->gmem_fd, gpa - ram->gpa);
	return err ? err : punch(ram->shared_fd, gpa - ram->gpa);
}

static void run(struct machine *machine, uint32_t doorbell)
{
	struct conversion *conversion = &machine->conversion;
	const struct memory_slot *ram = memory_ram(&machine->memory);
	const uint32_t command = doorbell >> GFN_BITS;
	const uint64_t gfn = doorbell & ((1u << GFN_BITS) - 1), gpa = gfn * PAGE;
	bool missing = false;
	int err;

	conversion->result = 0;
	if (gpa - ram->gpa >= ram->size || command >= CONVERSION_N_COMMANDS)
		err = error_set(-EINVAL, "the guest asked for something else than its RAM to be converted");
	else
		err = paging_is_missing(conversion->session_fd, gfn, &missing);
	if (!err)
		err = (conversion->mode == CONVERSION_RIGHT ? run_right : run_bare)(machine, command, gpa);
	if (err) {
		error_note("%s", error_get());
		return;
	}
	conversion->n_done[command][missing]++;
	conversion->result = CONVERSION_DONE | (missing ? CONVERSION_WAS_MISSING : 0);
}

bool conversion_access(struct machine *machine, uint64_t gpa, bool is_write, uint32_t len, uint8_t *data)
{
	struct conversion *conversion = &machine->conversion;
	const uint64_t offset = gpa - CONVERSION_GPA;
	uint32_t value = 0;

	if (conversion->mode == CONVERSION_OFF || offset >= CONVERSION_LEN || len != sizeof(value))
		return false;
	pthread_mutex_lock(&conversion->lock);
	if (!is_write) {
		value = offset == 0 ? conversion->result : offset == 4 ? conversion->step : 0;
		memcpy(data, &value, sizeof(value));
	} else if (offset == 0) {
		memcpy(&value, data, sizeof(value));
		run(machine, value);
	}
	pthread_mutex_unlock(&conversion->lock);
	return true;
}

void conversion_set_step(struct machine *machine, uint32_t step)
{
	pthread_mutex_lock(&machine->conversion.lock);
	machine->conversion.step = step;
	pthread_mutex_unlock(&machine->conversion.lock);
}
