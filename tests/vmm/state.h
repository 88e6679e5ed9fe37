/* SPDX-License-Identifier: MIT */
/*
 * state: everything of a paused guest that is not memory, as blobs.
 *
 * Restoring order: CPUID, system registers, registers, FPU, MSRs, local APIC,
 * events, debug registers, MP state of each vCPU; irqchip, PIT, serial port; TSC
 * offsets; TSC deadlines, which need APIC and offset; kvmclock last.
 */
#ifndef VMM_STATE_H
#define VMM_STATE_H

#include "blob.h"
#include "clock.h"
#include "machine.h"

/** Save the paused machine. @param set empty; the caller calls blob_set_fini(), also after failure. */
int state_save(struct machine *machine, struct blob_set *set);

/**
 * Restore into a machine that has not run.
 * @retval -EPROTO a blob is missing, malformed, or of another kind of machine.
 */
int state_restore(struct machine *machine, const struct blob_set *set);

/* One vCPU (state_vcpu.c). */
int state_save_vcpu(struct machine *machine, const struct vcpu *vcpu, struct blob_set *set);
int state_restore_vcpu(struct machine *machine, const struct vcpu *vcpu, const struct blob_set *set);

/* MSRs (state_msr.c).  The TSC deadline is restored apart from the others. */
int state_save_msrs(struct machine *machine, const struct vcpu *vcpu, struct blob_set *set);
int state_restore_msrs(const struct vcpu *vcpu, const struct blob_set *set);
int state_restore_deadline(const struct vcpu *vcpu, const struct blob_set *set);

/* Which memory is private (state_map.c). */
int state_save_map(struct machine *machine, struct blob_set *set);
int state_restore_map(struct machine *machine, const struct blob_set *set);

#endif
