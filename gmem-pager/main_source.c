// SPDX-License-Identifier: MIT
/* gmem-source: the origin of one VM's memory. */
#include "control/sides.h"
#include "program.h"
#include "source.h"

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

int main(int argc, const char **argv)
{
	static const struct program program = {
		.ops = &source_service, .role = ATTEST_INITIATOR, .make = make, .free = free_side,
	};

	return program_main(&program, argc, argv);
}
