// SPDX-License-Identifier: MIT
/* gmem-source: the origin of one VM's memory. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "options.h"
#include "source.h"
#include "secmem.h"
#include "service.h"

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
};

static int serve(struct options *options)
{
	struct attest_keypair *keypair = NULL;
	struct service_config service = { .ops = &source_service, .open_backend = backend_kvm_new };
	struct session_config config;
	char error[SESSION_ERROR_LEN] = "";
	struct source *source;
	int code = SERVICE_EXIT_SETUP, r;

	r = options_load(options, ATTEST_INITIATOR, &keypair, &config);
	if (r == 0) {
		r = source_new(&config, &source, error, sizeof(error));
		if (r < 0)
			log_error("%s", error[0] != '\0' ? error : strerror(-r));
	}
	if (r == 0) {
		service.linger_ms = options->linger_ms;
		service.opaque = source;
		service.session = &source->session;
		service.socket_path = options->socket_path;
		code = service_run(&service);
		source_free(source);
	}
	if (keypair != NULL)
		attest_keypair_free(keypair);
	return code;
}

int main(int argc, const char **argv)
{
	struct options options;
	int code = SERVICE_EXIT_SETUP;
	int r = options_parse(&options, ATTEST_INITIATOR, argc, argv);

	if (r == 0 && log_init("gmem-source", options.log_spec) < 0) {
		fprintf(stderr, "gmem-source: --log takes error, warn, info or debug, and a file that can be written\n");
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
