// SPDX-License-Identifier: MIT
/* gmem-source: the origin of one VM's memory, which goes to a pager or into a snapshot, or comes from one. */
#include <stdio.h>

#include <sodium.h>

#include "control/sides.h"
#include "options.h"
#include "program.h"
#include "restore.h"
#include "source.h"
#include "suspend.h"

static int attach(void *opaque, struct backend *backend, const struct gmem_region *regions, size_t n_regions,
		  char *ret_error, size_t error_len)
{
	return source_attach(opaque, backend, regions, n_regions, ret_error, error_len);
}

static int prepare(void *opaque)
{
	return source_prepare(opaque);
}

static int start(void *opaque, struct states *states, char *ret_error, size_t error_len)
{
	return source_start(opaque, states, ret_error, error_len);
}

static void progress(void *opaque, struct gmem_progress *ret_progress)
{
	source_progress(opaque, ret_progress);
}

static void stop(void *opaque)
{
	source_stop(opaque);
}

static const struct service_ops source_service = {
	.name = "gmem-source",
	.role = GMEM_ROLE_SOURCE,
	.committed = GMEM_PHASE_STARTED,
	.attach = attach,
	.prepare = prepare,
	.start = start,
	.progress = progress,
	.stop = stop,
	.desk = &sides_source,
};

static int make(const struct session_config *config, void **ret_side, struct session **ret_session, char *ret_error,
		size_t error_len)
{
	struct source *source;
	int r = source_new(config, &source, ret_error, error_len);

	if (r < 0)
		return r;
	*ret_side = source;
	*ret_session = &source->session;
	return 0;
}

static void free_side(void *side)
{
	source_free(side);
}

/* ---- --snapshot-to ---- */

static int suspend_attach_vm(void *opaque, struct backend *backend, const struct gmem_region *regions, size_t n_regions,
			     char *ret_error, size_t error_len)
{
	return suspend_attach(opaque, backend, regions, n_regions, ret_error, error_len);
}

static int suspend_prepare_vm(void *opaque)
{
	return suspend_prepare(opaque);
}

static int suspend_start_vm(void *opaque, struct states *states, char *ret_error, size_t error_len)
{
	return suspend_start(opaque, states, ret_error, error_len);
}

static void suspend_progress_vm(void *opaque, struct gmem_progress *ret_progress)
{
	suspend_progress(opaque, ret_progress);
}

static void suspend_stop_vm(void *opaque)
{
	suspend_stop(opaque);
}

static const struct service_ops suspend_service = {
	.name = "gmem-source",
	.role = GMEM_ROLE_SOURCE,
	.committed = GMEM_PHASE_STARTED,
	.attach = suspend_attach_vm,
	.prepare = suspend_prepare_vm,
	.start = suspend_start_vm,
	.progress = suspend_progress_vm,
	.stop = suspend_stop_vm,
	.desk = &sides_suspend,
};

static int make_suspend(const struct session_config *config, void **ret_side, struct session **ret_session,
			char *ret_error, size_t error_len)
{
	struct suspend *suspend;
	int r = suspend_new(config, &suspend, ret_error, error_len);

	if (r < 0)
		return r;
	*ret_side = suspend;
	*ret_session = &suspend->session;
	return 0;
}

static void free_suspend(void *side)
{
	suspend_free(side);
}

/* What a restore names. */
static void print_root(const void *side)
{
	const struct suspend *suspend = side;
	char hex[2 * SNAPFILE_ROOT_LEN + 1];

	sodium_bin2hex(hex, sizeof(hex), suspend->root, SNAPFILE_ROOT_LEN);
	puts(hex);
	fflush(stdout);
}

/* ---- --snapshot-from ---- */

static void restore_tick_vm(void *opaque)
{
	restore_tick(opaque);
}

static void stop_restore(void *opaque)
{
	source_stop(opaque);
	restore_stop(opaque);
}

static const struct service_ops restore_service = {
	.name = "gmem-source",
	.role = GMEM_ROLE_SOURCE,
	.committed = GMEM_PHASE_STARTED,
	.tick = restore_tick_vm,
	.progress = progress,
	.stop = stop_restore,
	.desk = &sides_source,
};

int main(int argc, const char **argv)
{
	static const struct program programs[] = {
		[OPTIONS_MOVE] = {
			.ops = &source_service, .role = ATTEST_INITIATOR, .make = make, .free = free_side,
		},
		[OPTIONS_SUSPEND] = {
			.ops = &suspend_service, .role = ATTEST_INITIATOR, .make = make_suspend, .free = free_suspend,
			.farewell = print_root,
		},
		[OPTIONS_RESTORE] = {
			.ops = &restore_service, .role = ATTEST_INITIATOR, .make = make, .free = free_side,
		},
	};

	return program_main(programs, argc, argv);
}
