/* SPDX-License-Identifier: MIT */
/* Between service.c (the loop) and request.c (what a VMM asks for). */
#ifndef GMEM_PAGER_SERVICE_INT_H
#define GMEM_PAGER_SERVICE_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "service.h"
#include "vmmsock.h"

struct service {
	const struct service_config *config;
	int listen_fd;
	int signal_fd;
	int vmm_fd;			/* -1: none */
	bool greeted;			/* HELLO was answered */
	bool attached;
	int attach_status;		/* of the last try */
	bool stopped;			/* ops->stop() was called */
	bool leave;			/* a signal came after the end */
	unsigned int n_signals;
	uint64_t ended_us;		/* 0: not yet */
	enum gmem_phase told_phase;	/* the VMM's last event */
	uint32_t pending;		/* PROTO_PREPARE or PROTO_START that awaits a phase, PROTO_RUN that awaits START; 0: none */
	uint32_t pending_seq;
	struct states incoming;		/* source: what the VMM hands over */
	int incoming_status;
	struct desk desk;
	uint8_t *buffer;		/* PROTO_MESSAGE_MAX bytes of locked memory */
};

/* Deal with one message.  A failure to answer shows when the socket is read next. */
void request_handle(struct service *service, struct vmmsock_message *message);

/* Answer the pending request if the phase decides it. */
void request_settle(struct service *service);

#endif
