/* SPDX-License-Identifier: MIT */
/*
 * libgmem: what a VMM links to have its guest's memory follow it.
 *
 * A VMM talks to one gmem-source (where the guest runs) or one gmem-pager
 * (where it goes) over a unix socket, and hands it a KVM demand-paging session
 * fd and the layout of guest memory.  The VMM itself opens no network
 * connection: vCPU and device state are opaque blobs that travel inside the
 * attested channel.
 *
 * Source VMM                          Destination VMM
 *   gmem_connect                        VM, memslots, everything MISSING
 *   gmem_set_custody                    gmem_connect, gmem_set_custody
 *   gmem_attach                         gmem_attach
 *   gmem_source_prepare                 gmem_pager_wait_start -> state blobs
 *   (stop vCPUs, save state)            (restore state)
 *   gmem_source_start  ---- START --->  gmem_pager_run
 *   gmem_wait(COMPLETE)                 first KVM_RUN
 *                                       gmem_wait(COMPLETE)
 *
 * Functions return 0 or -errno, and leave outputs untouched on failure, if not
 * said otherwise.  Handles are not thread safe.  The library needs libc only,
 * never logs, never exits and starts no threads.  -EPIPE or -ECONNRESET: the
 * service went away.  gmem_last_error() has the service's own sentence.
 */
#ifndef GMEM_GMEM_H
#define GMEM_GMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GMEM_VERSION_MAJOR 0
#define GMEM_VERSION_MINOR 1
#define GMEM_VERSION_PATCH 0

#define GMEM_PAGE_SIZE 4096u
#define GMEM_MAX_REGIONS 32u
#define GMEM_MAX_STATES 64u
#define GMEM_MAX_STATE_LEN (1u << 20)
#define GMEM_STATE_NAME_LEN 32u

#if defined(__GNUC__)
#define GMEM_MUST_USE __attribute__((warn_unused_result))
#else
#define GMEM_MUST_USE
#endif

/** Connection to one gmem-pager or gmem-source. */
typedef struct gmem_client gmem_client;

/** Which service is meant to be at the other end of the socket. */
enum gmem_role {
	GMEM_ROLE_SOURCE = 1,
	GMEM_ROLE_PAGER = 2,
};

/** gmem_region.flags: the slot has guest_memfd (its GFNs may be private). */
#define GMEM_REGION_GUEST_MEMFD (1u << 0)
/** gmem_region.flags: shared_fd is valid. */
#define GMEM_REGION_SHARED_FD (1u << 1)

/** One user memslot. */
struct gmem_region {
	uint64_t gpa;		/**< bytes, page aligned */
	uint64_t size;		/**< bytes, page aligned, not 0 */
	uint32_t flags;		/**< GMEM_REGION_* */
	int shared_fd;		/**< memfd or file behind the shared view, or -1; stays the caller's */
	uint64_t shared_offset;	/**< bytes into shared_fd, page aligned */
};

/** One opaque piece of VMM, vCPU or device state. */
struct gmem_state {
	char name[GMEM_STATE_NAME_LEN];	/**< NUL-terminated, unique, e.g. "vcpu0.regs" */
	const void *data;
	size_t data_len;		/**< bytes, up to GMEM_MAX_STATE_LEN */
};

/** How far a move is. */
enum gmem_phase {
	GMEM_PHASE_IDLE = 0,		/**< nothing attached */
	GMEM_PHASE_CONNECTING = 1,	/**< handshake under way */
	GMEM_PHASE_ACCEPTED = 2,	/**< both sides accepted each other */
	GMEM_PHASE_STARTED = 3,		/**< source: START sent, must not run; pager: START received */
	GMEM_PHASE_RUNNING = 4,		/**< the destination may run or has run */
	GMEM_PHASE_COMPLETE = 5,	/**< every page is present at the destination */
	GMEM_PHASE_ABORTED = 6,		/**< ended before START took effect: the source may run on */
	GMEM_PHASE_FAILED = 7,		/**< ended after START: see gmem_last_error() */
};

/** What the service knows of its connection to the other side. */
enum gmem_link {
	GMEM_LINK_NONE = 0,		/**< there was none yet */
	GMEM_LINK_UP = 1,
	GMEM_LINK_RECONNECTING = 2,	/**< lost; tries to get it back */
	GMEM_LINK_LOST = 3,		/**< not back in the configured time; it waits on, the operator decides */
};

/** Counters of a move; pages are 4 KiB. */
struct gmem_progress {
	enum gmem_phase phase;
	uint64_t pages_total;		/**< in the manifest, zero pages included */
	uint64_t pages_present;
	uint64_t pages_demand;		/**< populated in answer to a demand fault */
	uint64_t pages_background;	/**< populated by the background stream */
	uint64_t pages_zero;		/**< of both: sent as "zero", without data */
	uint64_t pages_duplicate;	/**< received and dropped: already present */
	uint64_t pages_shared;		/**< of both: shared memory */
	uint64_t bytes_wire;		/**< bytes on the network, both directions, framing included */
	uint64_t fault_latency_us[4];	/**< event read to page present: p50, p90, p99, max */
	uint64_t start_to_started_us;	/**< source: START sent to STARTED received */
	uint64_t total_us;		/**< START to COMPLETE */
	char transport[16];		/**< "nng" */
	char cipher[32];
	char handshake[48];
	enum gmem_link link;
	uint32_t n_resumed;		/**< connections that went on with the move after a lost one */
	uint64_t silent_us;		/**< since the other side was last heard; 0 while it is connected */
};

/**
 * Connect to a service.
 * @param path unix socket, at most 107 bytes.
 * @param role the service that must be there.
 * @param ret_client the handle; the caller closes it with gmem_close().
 * @retval -EPROTO the other end is not that service or another version.
 * Blocks until connected; -errno of socket() and connect() otherwise.
 */
GMEM_MUST_USE int gmem_connect(const char *path, enum gmem_role role, gmem_client **ret_client);

/** Close the connection and free the handle.  NULL is allowed.  A move that
 * was started goes on in the service; one that was not is aborted. */
void gmem_close(gmem_client *client);

/** The service's sentence for the last failed call; "" if none.  Valid until
 * the next call on the handle. */
const char *gmem_last_error(const gmem_client *client);

/** File descriptor that polls readable when gmem_wait() would not block. */
int gmem_fd(const gmem_client *client);

/**
 * Makes a session fd as for gmem_attach(), for a service that was started again.
 * Called inside of libgmem's own calls.
 * @return the descriptor, which libgmem closes, or -errno.
 */
typedef int (*gmem_session_fn)(void *opaque);

/**
 * Be the custodian of the VM's session: call it after gmem_connect(), before gmem_attach().
 *
 * A gmem-pager or gmem-source that is killed can be started again with the same
 * options; its state directory says how far it was. From here on libgmem notices that
 * the service is gone, connects to the same path again, checks that it belongs to root
 * or to the user of before (SO_PEERCRED), and hands it a new session from @p new_session.
 * Once START may have left, or has come, only a service that knows of this move gets it;
 * before that also one with another ticket does, in which case a source calls
 * gmem_source_prepare() again. Pager: libgmem keeps one session of its own open all the
 * time, so that vCPUs go on waiting in KVM_RUN meanwhile; gmem_close() closes it.
 *
 * Waiting happens inside the other calls: gmem_wait() returns -ETIMEDOUT while the service is
 * away, so a VMM that sits in poll() on gmem_fd() has to call it now and then. gmem_fd() stays the same.
 *
 * @param wait_ms how long the service may be away, -1 without limit. Then calls fail with -EPIPE
 * and libgmem closes its session: the kernel fails who waits for a page.
 * @retval -EINVAL @retval -EALREADY after gmem_attach().
 */
GMEM_MUST_USE int gmem_set_custody(gmem_client *client, gmem_session_fn new_session, void *opaque, int wait_ms);

/**
 * Hand over the VM: a session fd (source: EXTRACT|QUERY|FREEZE; pager:
 * EVENTS|POPULATE|MARK|DISCARD|QUERY) and the layout of guest memory.
 * The service gets duplicates; the caller should close its own session_fd
 * after success, else a dead service is not noticed by the kernel, and what it had
 * read is not reported again.
 * @param n_regions 1 to GMEM_MAX_REGIONS, sorted by gpa, not overlapping.
 * @retval -EINVAL a region is malformed. @retval -EALREADY attached before.
 */
GMEM_MUST_USE int gmem_attach(gmem_client *client, int session_fd, const struct gmem_region *regions,
			      size_t n_regions);

/**
 * Hand over a VM whose memory is shared alone, on a kernel without demand paging in KVM: in place of
 * gmem_attach(), with a userfaultfd of this process in place of a session fd.  Everything else stays the same.
 *
 * Destination: each region is a hole from end to end (a fresh memfd; not fallocate()d) of tmpfs, mapped MAP_SHARED
 * whole at its address.  Nobody touches it before gmem_pager_wait_start() has returned, and until COMPLETE nobody but
 * through this mapping: a second mapping of the file, a child of fork() (MADV_DONTFORK), read() or write() would put
 * zeros where the guest's bytes belong; the move ends with an error when that is seen.  On kernels before 6.4 also
 * MADV_NOHUGEPAGE.  What the VMM takes away itself before COMPLETE (MADV_REMOVE, a balloon) reads as zero if it has
 * arrived; what has not comes all the same, with its old content.  So it reads a page first, and then takes it away.
 * @p uffd is from userfaultfd(2) without UFFD_USER_MODE_ONLY, which needs CAP_SYS_PTRACE or
 * vm.unprivileged_userfaultfd=1, or from USERFAULTFD_IOC_NEW of /dev/userfaultfd, which needs to be opened; after
 * UFFDIO_API, without features for events.  Nobody registers or reads it but the service, which makes it non-blocking.
 *
 * When the last duplicate of a userfaultfd is closed the kernel fills what is missing with zeros, and lets the guest
 * go on.  So libgmem keeps one in this process until COMPLETE, also after gmem_close() and a move that failed: who
 * touches a missing page then waits until this process ends, and that is what is left to do.  The caller may
 * close its own.  With COMPLETE the mappings are unregistered.  The function given to gmem_set_custody() makes a
 * duplicate of the same userfaultfd (which the caller keeps for that).
 *
 * Source: there is no freeze in the kernel.  That every vCPU, and everybody else who writes to the guest's memory, has
 * been stopped is the caller's word, by gmem_source_start(), until the move is over.  With a @p uffd (of its own:
 * never the one of a move to here; Linux 5.19) a writer through the mapping that comes all the same is held until the
 * VM is thawed.  -1: none.
 *
 * @param addresses where each region is mapped in this process, page aligned.
 * @retval -EINVAL a region is malformed, has other flags than GMEM_REGION_SHARED_FD, or is no tmpfs.
 * @retval -EEXIST a page is there already. @retval -EBUSY another userfaultfd has the mapping.
 * @retval -ENOTTY it is no userfaultfd. @retval -EALREADY attached before.
 */
GMEM_MUST_USE int gmem_attach_uffd(gmem_client *client, int uffd, const struct gmem_region *regions,
				   void *const *addresses, size_t n_regions);

/**
 * Source: connect to the destination, shake hands, wait until both accepted.
 * The guest goes on running.  Blocks for up to the service's time limit.
 * @retval -ETIMEDOUT, -ECONNREFUSED no destination. @retval -EACCES a side
 * refused the other.  The guest is untouched in each case.
 */
GMEM_MUST_USE int gmem_source_prepare(gmem_client *client);

/**
 * Source: freeze the VM in the kernel and send START with the states.  Every
 * vCPU must be out of KVM_RUN.  Names of states are unique.
 * After 0 the guest must not run here again, whatever happens later.
 * @retval other before START left: the VM is thawed, the guest may go on here.
 * @retval -EINPROGRESS START may have left: the VM stays frozen (in doubt).
 */
GMEM_MUST_USE int gmem_source_start(gmem_client *client, const struct gmem_state *states, size_t n_states);

/**
 * Pager: wait for START.  Blocks without limit; see gmem_fd().
 * @param ret_states array owned by the handle, valid until gmem_close().
 * @retval -ECANCELED the source aborted. @retval -EACCES handshake refused.
 */
GMEM_MUST_USE int gmem_pager_wait_start(gmem_client *client, const struct gmem_state **ret_states,
					size_t *ret_n_states);

/**
 * Pager: state is restored, let me run.  After 0 the caller may enter KVM_RUN;
 * on failure it must never do so (-ECANCELED: the source is told, and may run).
 */
GMEM_MUST_USE int gmem_pager_run(gmem_client *client);

/**
 * Wait until the move reaches @p phase or a final phase.
 * @param timeout_ms milliseconds, -1 without limit, 0 to poll.
 * @param ret_phase the phase reached, also with -ETIMEDOUT. May be NULL.
 * @retval -ETIMEDOUT. @retval -EIO the move failed: gmem_last_error().
 */
GMEM_MUST_USE int gmem_wait(gmem_client *client, enum gmem_phase phase, int timeout_ms,
			    enum gmem_phase *ret_phase);

/**
 * Discard guest memory: it reads as zero afterwards, and what it held before never comes back, neither
 * from a move that is under way nor by a later conversion.  For a balloon, and as a part of each
 * conversion between private and shared:
 *
 *   to shared    gmem_discard(), then KVM_SET_MEMORY_ATTRIBUTES
 *   to private   KVM_SET_MEMORY_ATTRIBUTES, then gmem_discard()
 *
 * A page that is private at the call loses its private content (KVM_DP_DISCARD) and what the shared file
 * has at its place, one that is shared the latter.  All are present afterwards: a pager never fills them.
 * gmem-pager writes shared memory through a mapping of its own, so while it is at one of these pages this
 * call waits; a pager that is killed does not hold it up.  It talks to no service and needs no handle:
 * any thread may call it, at any time, before a move and after one as well, but for a frozen VM.  The
 * caller sees to it that nobody converts the same pages meanwhile, and that its guest leaves them alone.
 *
 * @param session_fd a session of the caller's own with the rights DISCARD, MARK and QUERY, and never EVENTS,
 * for it would count as a pager; stays the caller's.
 * @param regions as for gmem_attach(); the files are opened for writing.
 * @param gpa bytes, page aligned. @param size bytes, page aligned, not 0; every page is in a region.
 * @retval -EINVAL the range or a region is malformed; a page is shared and its region has no shared file; a
 * page was converted during the call. @retval -EPERM a right is lacking. @retval -EBUSY the VM is frozen.
 * @retval -ENODEV the VM is gone. @retval -EOPNOTSUPP a VM whose private memory the host cannot access.
 * @retval -EHWPOISON a page has a hardware error. @retval -ENOTTY no session (after
 * gmem_attach_uffd() see there).  Others are of fallocate() and
 * fcntl() on the shared file.  After a failure a part may be done, and the call may be made again.
 */
GMEM_MUST_USE int gmem_discard(int session_fd, const struct gmem_region *regions, size_t n_regions, uint64_t gpa,
			       uint64_t size);

/** Read the counters; works in every phase. */
GMEM_MUST_USE int gmem_get_progress(gmem_client *client, struct gmem_progress *ret_progress);

#ifdef __cplusplus
}
#endif
#endif
