// SPDX-License-Identifier: MIT
/* gmem-pager: the destination of one VM's memory. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "options.h"
#include "pager.h"
#include "secmem.h"
#include "service.h"

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
};

static int serve(struct options *options)
{
	struct attest_keypair *keypair = NULL;
	struct service_config service = { .ops = &pager_service, .open_backend = backend_kvm_new };
	struct session_config config;
	char error[SESSION_ERROR_LEN] = "";
	struct pager *pager;
	int code = SERVICE_EXIT_SETUP, r;

	r = options_load(options, ATTEST_RESPONDER, &keypair, &config);
	if (r == 0) {
		r = pager_new(&config, &pager, error, sizeof(error));
		if (r < 0)
			log_error("%s", error[0] != '\0' ? error : strerror(-r));
	}
	if (r == 0) {
		service.linger_ms = options->linger_ms;
		service.opaque = pager;
		service.session = &pager->session;
		service.socket_path = options->socket_path;
		code = service_run(&service);
		pager_free(pager);
	}
	if (keypair != NULL)
		attest_keypair_free(keypair);
	return code;
}

int main(int argc, const char **argv)
{
	struct options options;
	int code = SERVICE_EXIT_SETUP;
	int r = options_parse(&options, ATTEST_RESPONDER, argc, argv);

	if (r == 0 && log_init("gmem-pager", options.log_spec) < 0) {
		fprintf(stderr, "gmem-pager: --log takes error, warn, info or debug, and a file that can be written\n");
		r = -1;
	}
	if (r == 0) {
		secmem_harden_process();
		service_block_signals();
		if (attest_init())
			code = serve(&options);
		else
			log_error("libsodium cannot be initialised");
	}
	options_fini(&options);
	return r == 1 ? 0 : code;
}
