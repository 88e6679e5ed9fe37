/* SPDX-License-Identifier: MIT */
/*
 * What libgmem and its service say to each other over the unix socket: structs
 * and limits, nothing else.  SOCK_SEQPACKET, one message a packet, both ends on
 * one machine, hence host byte order.
 *
 * The client sends a request and reads its reply, which carries the request's
 * sequence number.  The service may send PROTO_EVENT at any time: a new phase.
 * PROTO_STATE has no reply; what was wrong with a part is said by PROTO_START.
 */
#ifndef GMEM_CLIENT_PROTO_H
#define GMEM_CLIENT_PROTO_H

#include <stdint.h>

#include <gmem/gmem.h>

#define PROTO_MAGIC 0x4d454d47u		/* "GMEM" */
#define PROTO_VERSION 2u
#define PROTO_PART_LEN 32768u		/* bytes of one part of a state */
#define PROTO_MESSAGE_MAX (PROTO_PART_LEN + 1024u)
#define PROTO_ERROR_LEN 256u
#define PROTO_MAX_FDS (1u + GMEM_MAX_REGIONS)

enum proto_type {
	PROTO_HELLO = 1,	/* struct proto_hello; reply: struct proto_hello */
	PROTO_ATTACH = 2,	/* struct proto_attach; session fd, then the shared fds */
	PROTO_PREPARE = 3,
	PROTO_STATE = 4,	/* struct proto_state and data; no reply */
	PROTO_START = 5,	/* struct proto_start */
	PROTO_GET_STATE = 6,	/* struct proto_get_state; reply: struct proto_state and data */
	PROTO_RUN = 7,
	PROTO_PROGRESS = 8,	/* reply: struct gmem_progress */
	PROTO_ATTACH_UFFD = 9,	/* struct proto_attach_uffd; userfaultfd if there is one, then the shared fds */
	PROTO_REPLY = 64,	/* struct proto_reply and what the request's line says */
	PROTO_EVENT = 65,	/* struct proto_event */
};

struct proto_header {
	uint32_t magic;
	uint32_t type;
	uint32_t seq;
	uint32_t len;		/* bytes after this header */
};

struct proto_hello {
	uint32_t version;
	uint32_t role;		/* enum gmem_role, of the service */
};

struct proto_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t shared_offset;
	uint32_t flags;		/* GMEM_REGION_*; with SHARED_FD the next fd of the message is its own */
	uint32_t pad;
};

#define PROTO_ATTACH_AGAIN (1u << 0)	/* the VM of a session that another process of the service began */

#define PROTO_ATTACH_NO_UFFD (1u << 1)	/* the descriptors are the shared fds alone */

struct proto_attach {
	uint32_t n_regions;
	uint32_t flags;		/* PROTO_ATTACH_AGAIN; with PROTO_ATTACH_UFFD also PROTO_ATTACH_NO_UFFD */
	struct proto_region regions[GMEM_MAX_REGIONS];
};

struct proto_attach_uffd {
	struct proto_attach attach;
	uint64_t addresses[GMEM_MAX_REGIONS];	/* of each region in the VMM */
};

struct proto_state {
	char name[GMEM_STATE_NAME_LEN];
	uint32_t index;
	uint32_t n_states;
	uint32_t total_len;	/* bytes of the whole blob */
	uint32_t offset;	/* of this part */
};

struct proto_start {
	uint32_t n_states;
	uint32_t pad;
};

struct proto_get_state {
	uint32_t index;
	uint32_t offset;
};

struct proto_reply {
	int32_t status;		/* 0 or -errno */
	uint32_t phase;		/* enum gmem_phase when the reply was made */
	char error[PROTO_ERROR_LEN];
};

struct proto_event {
	int32_t status;		/* why it ended, -errno; 0 otherwise */
	uint32_t phase;		/* enum gmem_phase */
	char error[PROTO_ERROR_LEN];
};

#endif
