/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm

#if !defined(_TRACE_KVM_DP_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_DP_H

#include <linux/kvm_demand_paging.h>
#include <linux/tracepoint.h>

#define kvm_dp_show_flags(flags)			\
	__print_flags(flags, "|",			\
		      { KVM_DP_EVENT_WRITE, "write" },	\
		      { KVM_DP_EVENT_EXEC, "exec" },	\
		      { KVM_DP_EVENT_PRIVATE, "private" },	\
		      { KVM_DP_EVENT_KVM, "kvm" })

/* A vCPU came across a missing page; it waits or exits before it next runs. */
TRACE_EVENT(kvm_dp_missing,
	TP_PROTO(unsigned int vcpu_id, u64 gfn, u32 flags),
	TP_ARGS(vcpu_id, gfn, flags),

	TP_STRUCT__entry(
		__field(	unsigned int,	vcpu_id		)
		__field(	u64,		gfn		)
		__field(	u32,		flags		)
	),

	TP_fast_assign(
		__entry->vcpu_id	= vcpu_id;
		__entry->gfn		= gfn;
		__entry->flags		= flags;
	),

	TP_printk("vcpu %u gfn 0x%llx %s", __entry->vcpu_id, __entry->gfn,
		  kvm_dp_show_flags(__entry->flags))
);

DECLARE_EVENT_CLASS(kvm_dp_vcpu,
	TP_PROTO(unsigned int vcpu_id, u64 gfn),
	TP_ARGS(vcpu_id, gfn),

	TP_STRUCT__entry(
		__field(	unsigned int,	vcpu_id		)
		__field(	u64,		gfn		)
	),

	TP_fast_assign(
		__entry->vcpu_id	= vcpu_id;
		__entry->gfn		= gfn;
	),

	TP_printk("vcpu %u gfn 0x%llx", __entry->vcpu_id, __entry->gfn)
);

/* A vCPU goes to sleep until the page is there. */
DEFINE_EVENT(kvm_dp_vcpu, kvm_dp_wait,
	TP_PROTO(unsigned int vcpu_id, u64 gfn),
	TP_ARGS(vcpu_id, gfn)
);

/* The page is there, the vCPU is woken. */
DEFINE_EVENT(kvm_dp_vcpu, kvm_dp_wake,
	TP_PROTO(unsigned int vcpu_id, u64 gfn),
	TP_ARGS(vcpu_id, gfn)
);

/* The page will not come, the vCPU is woken to leave KVM_RUN. */
DEFINE_EVENT(kvm_dp_vcpu, kvm_dp_fail,
	TP_PROTO(unsigned int vcpu_id, u64 gfn),
	TP_ARGS(vcpu_id, gfn)
);

/* One step of a populate: n_populated of n_pages were missing. */
TRACE_EVENT(kvm_dp_populate,
	TP_PROTO(u64 gfn, unsigned long n_pages, u64 n_populated, u32 result),
	TP_ARGS(gfn, n_pages, n_populated, result),

	TP_STRUCT__entry(
		__field(	u64,		gfn		)
		__field(	unsigned long,	n_pages		)
		__field(	u64,		n_populated	)
		__field(	u32,		result		)
	),

	TP_fast_assign(
		__entry->gfn		= gfn;
		__entry->n_pages	= n_pages;
		__entry->n_populated	= n_populated;
		__entry->result		= result;
	),

	TP_printk("gfn 0x%llx pages %lu populated %llu result %u",
		  __entry->gfn, __entry->n_pages, __entry->n_populated,
		  __entry->result)
);

/* The block of 512 GFNs from here is complete and may be mapped huge. */
TRACE_EVENT(kvm_dp_collapse,
	TP_PROTO(u64 gfn),
	TP_ARGS(gfn),

	TP_STRUCT__entry(
		__field(	u64,		gfn		)
	),

	TP_fast_assign(
		__entry->gfn		= gfn;
	),

	TP_printk("gfn 0x%llx", __entry->gfn)
);

#endif /* _TRACE_KVM_DP_H */

#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE kvm_dp

#include <trace/define_trace.h>
