// SPDX-License-Identifier: MIT
/* gmem-pager: the destination of one VM's memory. */
#include "control/sides.h"
#include "pager.h"
#include "program.h"

static int attach(void *opaque, struct backend *backend, const struct gmem_region *regions, size_t n_regions,
		  char *ret_error, size_t error_len)
{
	return pager_attach(opaque, backend, regions, n_regions, ret_error, error_len);
}

static int run(void *opaque)
{
	return pager_run(opaque);
}

static const struct states *states(void *opaque)
{
	return &((struct pager *)opaque)->states;
}

static void tick(void *opaque)
{
	pager_tick(opaque);
}

static void progress(void *opaque, struct gmem_progress *ret_progress)
{
	pager_progress(opaque, ret_progress);
}

static void stop(void *opaque)
{
	pager_stop(opaque);
}

static const struct service_ops pager_service = {
	.name = "gmem-pager",
	.role = GMEM_ROLE_PAGER,
	.committed = GMEM_PHASE_RUNNING,
	.attach = attach,
	.run = run,
	.states = states,
	.tick = tick,
	.progress = progress,
	.stop = stop,
	.desk = &sides_pager,
};

static int make(const struct session_config *config, void **ret_side, struct session **ret_session, char *ret_error,
		size_t error_len)
{
	struct pager *pager;
	int r = pager_new(config, &pager, ret_error, error_len);

	if (r < 0)
		return r;
	*ret_side = pager;
	*ret_session = &pager->session;
	return 0;
}

static void free_side(void *side)
{
	pager_free(side);
}

int main(int argc, const char **argv)
{
	static const struct program program = {
		.ops = &pager_service, .role = ATTEST_RESPONDER, .make = make, .free = free_side,
	};

	return program_main(&program, argc, argv);
}
