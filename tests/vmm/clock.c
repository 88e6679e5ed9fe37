// SPDX-License-Identifier: MIT
#include "clock.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <time.h>
#include <x86intrin.h>

#include "error.h"

#define NS_PER_S	1000000000ull
#define N_TRIES		16
#define TOLERANCE_PPM	250u	/* KVM's own: within it nothing is scaled */

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Wall clock and TSC of one instant: the pair whose reading took least. */
static void read_pair(uint64_t *ret_realtime_ns, uint64_t *ret_tsc)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < N_TRIES; i++) {
		uint64_t before = __rdtsc();
		uint64_t now_ns = realtime_ns();
		uint64_t width = __rdtsc() - before;

		if (width < best) {
			best = width;
			*ret_realtime_ns = now_ns;
			*ret_tsc = before + width / 2;
		}
	}
}

int clock_save(int vm_fd, int vcpu_fd, struct clock_state *ret_state)
{
	const uint32_t wanted = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	struct kvm_clock_data data = { 0 };
	struct clock_state state = { 0 };
	int tsc_khz;

	tsc_khz = ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0);
	if (tsc_khz <= 0)
		return error_set(-EIO, "KVM does not say the guest's TSC frequency");
	read_pair(&state.realtime_ns, &state.host_tsc);
	if (ioctl(vm_fd, KVM_GET_CLOCK, &data))
		return error_set(-errno, "kvmclock cannot be read");
	state.kvmclock_ns = data.clock;
	state.tsc_khz = (uint32_t)tsc_khz;
	/* Without a stable host TSC, KVM gives kvmclock only; the pair was read just before. */
	if ((data.flags & wanted) == wanted) {
		state.realtime_ns = data.realtime;
		state.host_tsc = data.host_tsc;
	}
	*ret_state = state;
	return 0;
}

static int offset_ioctl(int vcpu_fd, unsigned long request, uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return ioctl(vcpu_fd, request, &attr) ? -errno : 0;
}

int clock_get_offset(int vcpu_fd, uint64_t *ret_offset)
{
	int err = offset_ioctl(vcpu_fd, KVM_GET_DEVICE_ATTR, ret_offset);

	return err ? error_set(err, "a vCPU's TSC offset cannot be read") : 0;
}

int clock_set_offset(int vcpu_fd, uint64_t offset)
{
	int err = offset_ioctl(vcpu_fd, KVM_SET_DEVICE_ATTR, &offset);

	return err ? error_set(err, "a vCPU's TSC offset cannot be set") : 0;
}

uint64_t clock_offset_delta(const struct clock_state *state)
{
	uint64_t now_ns, now_tsc, elapsed_ns;

	read_pair(&now_ns, &now_tsc);
	elapsed_ns = now_ns > state->realtime_ns ? now_ns - state->realtime_ns : 0;
	return state->host_tsc + (uint64_t)((unsigned __int128)elapsed_ns * state->tsc_khz / 1000000) - now_tsc;
}

int clock_check_frequency(int vcpu_fd, const struct clock_state *state)
{
	int here = ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0);
	uint64_t difference;

	if (here <= 0)
		return error_set(-EIO, "KVM does not say the guest's TSC frequency");
	difference = (uint64_t)(here > (int64_t)state->tsc_khz ? here - (int64_t)state->tsc_khz :
				(int64_t)state->tsc_khz - here);
	if (difference * 1000000 <= (uint64_t)here * TOLERANCE_PPM)
		return 0;
	if (ioctl(vcpu_fd, KVM_SET_TSC_KHZ, (unsigned long)state->tsc_khz))
		return error_set(-errno, "the guest's TSC runs at %u kHz, this host's at %d and cannot be scaled",
				 state->tsc_khz, here);
	return 0;
}

int clock_tell_stopped(int vcpu_fd)
{
	/* -EINVAL: this vCPU has not switched kvmclock on (yet). */
	if (ioctl(vcpu_fd, KVM_KVMCLOCK_CTRL, 0) && errno != EINVAL)
		return error_set(-errno, "a vCPU cannot be told that it was stopped");
	return 0;
}

int clock_restore(int vm_fd, const struct clock_state *state)
{
	struct kvm_clock_data data = {
		.clock = state->kvmclock_ns,
		.flags = KVM_CLOCK_REALTIME,
		.realtime = state->realtime_ns,
	};

	return ioctl(vm_fd, KVM_SET_CLOCK, &data) ? error_set(-errno, "kvmclock cannot be set") : 0;
}
