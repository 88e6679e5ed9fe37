// SPDX-License-Identifier: MIT
/* What a VMM asks its service for; one function a request. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/regions.h"
#include "log.h"
#include "service_int.h"

static void answer(struct service *service, uint32_t seq, int status, const char *error, const void *head,
		   size_t head_len, const void *data, size_t data_len)
{
	struct proto_reply reply = { .status = status };

	reply.phase = (uint32_t)session_get_phase(service->config->session, NULL, NULL);
	if (status < 0)
		snprintf(reply.error, sizeof(reply.error), "%s", error[0] != '\0' ? error : strerror(-status));
	if (vmmsock_reply(service->vmm_fd, seq, &reply, head, head_len, data, data_len) < 0)
		log_warn("cannot answer the VMM");
}

static void answer_status(struct service *service, uint32_t seq, int status, const char *error)
{
	answer(service, seq, status, error, NULL, 0, NULL, 0);
}

static void handle_hello(struct service *service, const struct vmmsock_message *message)
{
	const struct proto_hello mine = { .version = PROTO_VERSION, .role = (uint32_t)service->config->ops->role };
	struct proto_hello hello;

	if (message->header.len != sizeof(hello)) {
		answer_status(service, message->header.seq, -EPROTO, "malformed HELLO");
		return;
	}
	memcpy(&hello, message->body, sizeof(hello));
	if (hello.version != mine.version || hello.role != mine.role) {
		answer_status(service, message->header.seq, -EPROTO, "this is another service or version");
		return;
	}
	service->greeted = true;
	answer(service, message->header.seq, 0, "", &mine, sizeof(mine), NULL, 0);
}

/*
 * @n_heads: descriptors before those of the regions.  -EPROTO: descriptors and flags do not go together.
 */
static int unpack_regions(const struct vmmsock_message *message, const struct proto_attach *attach, size_t n_heads,
			  struct gmem_region *ret_regions)
{
	size_t fd = n_heads, i;

	if (message->n_fds < n_heads)
		return -EPROTO;
	if (attach->n_regions == 0 || attach->n_regions > GMEM_MAX_REGIONS)
		return -EINVAL;
	for (i = 0; i < attach->n_regions; i++) {
		ret_regions[i] = (struct gmem_region){
			.gpa = attach->regions[i].gpa, .size = attach->regions[i].size,
			.flags = attach->regions[i].flags, .shared_fd = -1,
			.shared_offset = attach->regions[i].shared_offset,
		};
		if ((ret_regions[i].flags & GMEM_REGION_SHARED_FD) == 0)
			continue;
		if (fd == message->n_fds)
			return -EPROTO;
		ret_regions[i].shared_fd = message->fds[fd++];
	}
	return fd == message->n_fds && regions_valid(ret_regions, attach->n_regions) ? 0 : -EINVAL;
}

/* What ATTACH of either kind comes to. */
struct attachment {
	struct proto_attach attach;
	struct gmem_region regions[GMEM_MAX_REGIONS];
	struct backend *backend;
	char error[PROTO_ERROR_LEN];
};

/* @r: whether there is a backend.  Hand it on, and answer. */
static void finish_attach(struct service *service, uint32_t seq, struct attachment *attachment, int r)
{
	const struct service_config *config = service->config;
	const char *name = r == 0 ? attachment->backend->ops->name : "";

	if (r == 0) {
		config->session->again = (attachment->attach.flags & PROTO_ATTACH_AGAIN) != 0;
		r = config->ops->attach(config->opaque, attachment->backend, attachment->regions,
					attachment->attach.n_regions, attachment->error, sizeof(attachment->error));
		if (r < 0)
			attachment->backend->ops->close(attachment->backend);
		else
			log_info("a VM of %u regions was taken, by the backend %s", attachment->attach.n_regions, name);
	}
	service->attached = service->attached || r == 0;
	if (r < 0 && r != service->attach_status)	/* a VMM may try again and again */
		log_warn("a VM was not taken: %s", attachment->error[0] != '\0' ? attachment->error : strerror(-r));
	service->attach_status = r;
	answer_status(service, seq, r, attachment->error);
}

static int open_kvm(struct service *service, struct vmmsock_message *message, struct attachment *attachment)
{
	int r;

	if (message->header.len != sizeof(attachment->attach))
		return -EPROTO;
	memcpy(&attachment->attach, message->body, sizeof(attachment->attach));
	if ((attachment->attach.flags & ~PROTO_ATTACH_AGAIN) != 0)
		return -EINVAL;
	r = unpack_regions(message, &attachment->attach, 1, attachment->regions);
	if (r < 0)
		return r;
	r = service->config->open_backend(message->fds[0], &attachment->backend);
	if (r == 0)
		message->fds[0] = -1;
	else
		snprintf(attachment->error, sizeof(attachment->error), "the first descriptor is no KVM demand-paging "
			 "session with the right to query: %s", strerror(-r));
	return r;
}

static int open_uffd(struct service *service, struct vmmsock_message *message, struct attachment *attachment)
{
	const struct service_config *config = service->config;
	struct proto_attach_uffd request;
	struct backend_uffd_setup setup;
	bool has_uffd;
	int r;

	if (message->header.len != sizeof(request))
		return -EPROTO;
	memcpy(&request, message->body, sizeof(request));
	attachment->attach = request.attach;
	if ((request.attach.flags & ~(PROTO_ATTACH_AGAIN | PROTO_ATTACH_NO_UFFD)) != 0 || config->open_uffd == NULL)
		return -EINVAL;
	has_uffd = (request.attach.flags & PROTO_ATTACH_NO_UFFD) == 0;
	r = unpack_regions(message, &request.attach, has_uffd ? 1 : 0, attachment->regions);
	if (r < 0)
		return r;
	setup = (struct backend_uffd_setup){
		.uffd = has_uffd ? message->fds[0] : -1, .destination = config->ops->role == GMEM_ROLE_PAGER,
		.again = (request.attach.flags & PROTO_ATTACH_AGAIN) != 0, .regions = attachment->regions,
		.addresses = request.addresses, .n_regions = request.attach.n_regions,
	};
	r = config->open_uffd(&setup, &attachment->backend, attachment->error, sizeof(attachment->error));
	if (r == 0 && has_uffd)
		message->fds[0] = -1;
	return r;
}

static void handle_attach(struct service *service, struct vmmsock_message *message)
{
	struct attachment attachment = { .backend = NULL };
	int r = -EALREADY;

	if (!service->attached)
		r = message->header.type == PROTO_ATTACH ? open_kvm(service, message, &attachment) :
		    open_uffd(service, message, &attachment);
	finish_attach(service, message->header.seq, &attachment, r);
}

static void handle_prepare(struct service *service, uint32_t seq)
{
	int r = service->config->ops->prepare == NULL || service->pending != 0 ? -EPROTO :
		service->config->ops->prepare(service->config->opaque);

	if (r < 0) {
		answer_status(service, seq, r, r == -EINVAL ? "no VM is attached" : "");
		return;
	}
	service->pending = PROTO_PREPARE;
	service->pending_seq = seq;
}

/* No answer: START says what was wrong. */
static void handle_state(struct service *service, const struct vmmsock_message *message)
{
	struct states_part part;
	struct proto_state head;
	int r = -EPROTO;

	if (message->header.len >= sizeof(head)) {
		memcpy(&head, message->body, sizeof(head));
		memcpy(part.name, head.name, sizeof(part.name));
		part.index = head.index;
		part.n_states = head.n_states;
		part.total_len = head.total_len;
		part.offset = head.offset;
		r = states_add(&service->incoming, &part, message->body + sizeof(head),
			       message->header.len - sizeof(head));
	}
	if (service->incoming_status == 0)
		service->incoming_status = r;
}

static int start(struct service *service, const struct vmmsock_message *message, char *ret_error, size_t error_len)
{
	const struct service_config *config = service->config;
	struct proto_start request;

	if (config->ops->start == NULL || service->pending != 0 || message->header.len != sizeof(request))
		return -EPROTO;
	memcpy(&request, message->body, sizeof(request));
	if (service->incoming_status < 0) {
		snprintf(ret_error, error_len, "the states cannot be taken over: %s; they need locked memory "
			 "(RLIMIT_MEMLOCK), unique names and at most %u bytes each",
			 strerror(-service->incoming_status), GMEM_MAX_STATE_LEN);
		return service->incoming_status;
	}
	if (states_check(&service->incoming, request.n_states) < 0)
		return -EPROTO;
	return config->ops->start(config->opaque, &service->incoming, ret_error, error_len);
}

static void handle_start(struct service *service, const struct vmmsock_message *message)
{
	char error[PROTO_ERROR_LEN] = "";
	int r = start(service, message, error, sizeof(error));

	states_fini(&service->incoming);
	service->incoming_status = 0;
	if (r < 0) {
		answer_status(service, message->header.seq, r, error);
		return;
	}
	service->pending = PROTO_START;
	service->pending_seq = message->header.seq;
}

static void handle_get_state(struct service *service, const struct vmmsock_message *message)
{
	const struct service_config *config = service->config;
	const struct states *states;
	const struct gmem_state *state;
	struct proto_get_state get;
	struct proto_state head = { .index = 0 };
	size_t part;

	if (config->ops->states == NULL || message->header.len != sizeof(get) ||
	    session_get_phase(config->session, NULL, NULL) < GMEM_PHASE_STARTED) {
		answer_status(service, message->header.seq, -EPROTO, "there is no state before START");
		return;
	}
	memcpy(&get, message->body, sizeof(get));
	states = config->ops->states(config->opaque);
	if (states->n_states == 0) {
		answer(service, message->header.seq, 0, "", &head, sizeof(head), NULL, 0);
		return;
	}
	if (get.index >= states->n_states || get.offset > states->states[get.index].data_len) {
		answer_status(service, message->header.seq, -EINVAL, "no such state");
		return;
	}
	state = &states->states[get.index];
	part = state->data_len - get.offset < PROTO_PART_LEN ? state->data_len - get.offset : PROTO_PART_LEN;
	memcpy(head.name, state->name, sizeof(head.name));
	head.index = get.index;
	head.n_states = states->n_states;
	head.total_len = (uint32_t)state->data_len;
	head.offset = get.offset;
	answer(service, message->header.seq, 0, "", &head, sizeof(head), (const uint8_t *)state->data + get.offset,
	       part);
}

static void handle_run(struct service *service, uint32_t seq)
{
	const struct service_config *config = service->config;
	char error[SESSION_ERROR_LEN] = "";
	int r = config->ops->run == NULL ? -EPROTO : config->ops->run(config->opaque);

	if (r == -EAGAIN) {	/* the connection was lost: asked again until START has come again */
		service->pending = PROTO_RUN;
		service->pending_seq = seq;
		return;
	}
	service->pending = 0;
	if (r == -EINVAL)
		snprintf(error, sizeof(error), "START has not come yet");
	else if (r < 0)
		session_get_phase(config->session, NULL, error);
	answer_status(service, seq, r, error);
}

static void handle_progress(struct service *service, uint32_t seq)
{
	struct gmem_progress progress;

	service->config->ops->progress(service->config->opaque, &progress);
	answer(service, seq, 0, "", &progress, sizeof(progress), NULL, 0);
}

void request_handle(struct service *service, struct vmmsock_message *message)
{
	const uint32_t seq = message->header.seq;

	if (message->header.type != PROTO_HELLO && !service->greeted) {
		answer_status(service, seq, -EPROTO, "HELLO comes first");
		return;
	}
	switch (message->header.type) {
	case PROTO_HELLO:
		handle_hello(service, message);
		break;
	case PROTO_ATTACH:
	case PROTO_ATTACH_UFFD:
		handle_attach(service, message);
		break;
	case PROTO_PREPARE:
		handle_prepare(service, seq);
		break;
	case PROTO_STATE:
		handle_state(service, message);
		break;
	case PROTO_START:
		handle_start(service, message);
		break;
	case PROTO_GET_STATE:
		handle_get_state(service, message);
		break;
	case PROTO_RUN:
		handle_run(service, seq);
		break;
	case PROTO_PROGRESS:
		handle_progress(service, seq);
		break;
	default:
		answer_status(service, seq, -EPROTO, "unknown request");
	}
}

void request_settle(struct service *service)
{
	char error[SESSION_ERROR_LEN];
	int status = 0;
	const enum gmem_phase phase = session_get_phase(service->config->session, &status, error);
	const enum gmem_phase wanted = service->pending == PROTO_START ? GMEM_PHASE_RUNNING : GMEM_PHASE_ACCEPTED;

	if (service->pending == PROTO_RUN && service->vmm_fd >= 0)
		handle_run(service, service->pending_seq);
	if (service->pending == 0 || service->pending == PROTO_RUN || service->vmm_fd < 0 || phase < wanted)
		return;
	if (phase < GMEM_PHASE_ABORTED)
		status = 0;
	else if (service->pending == PROTO_START)
		status = phase == GMEM_PHASE_FAILED ? -EINPROGRESS : -ECANCELED;
	else if (status >= 0)
		status = -ECANCELED;
	answer_status(service, service->pending_seq, status, error);
	service->pending = 0;
}
