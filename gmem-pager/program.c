// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "options.h"
#include "program.h"
#include "secmem.h"

static int serve(const struct program *program, struct options *options)
{
	struct attest_keypair *keypair = NULL;
	struct service_config service = { .ops = program->ops, .open_backend = backend_kvm_new };
	struct session_config config;
	char error[SESSION_ERROR_LEN] = "";
	int code = SERVICE_EXIT_SETUP, r;

	r = options_load(options, program->role, &keypair, &config);
	if (r == 0) {
		r = program->make(&config, &service.opaque, &service.session, error, sizeof(error));
		if (r < 0)
			log_error("%s", error[0] != '\0' ? error : strerror(-r));
	}
	if (r == 0) {
		service.linger_ms = options->linger_ms;
		service.socket_path = options->socket_path;
		code = service_run(&service);
		program->free(service.opaque);
	}
	if (keypair != NULL)
		attest_keypair_free(keypair);
	return code;
}

int program_main(const struct program *program, int argc, const char **argv)
{
	struct options options;
	int code = SERVICE_EXIT_SETUP;
	int r = options_parse(&options, program->role, argc, argv);

	if (r == 0 && log_init(program->ops->name, options.log_spec) < 0) {
		fprintf(stderr, "%s: --log takes error, warn, info or debug, and a file that can be written\n",
			program->ops->name);
		r = -1;
	}
	if (r == 0) {
		secmem_harden_process();
		service_block_signals();
		if (attest_init())
			code = serve(program, &options);
		else
			log_error("libsodium cannot be initialised");
	}
	options_fini(&options);
	return r == 1 ? 0 : code;
}
