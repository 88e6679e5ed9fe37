// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "log.h"
#include "options.h"
#include "program.h"
#include "secmem.h"

/* Before anything of the move: what cannot be listened on is found out here.  Logs. */
static int open_control(const struct options *options, struct service_config *service, struct notify *notify)
{
	char error[HUB_ERROR_LEN] = "";
	int r = notify_open(notify);

	if (r < 0) {
		log_error("cannot reach the service manager (NOTIFY_SOCKET, WATCHDOG_USEC): %s", strerror(-r));
		return r;
	}
	service->notify = notify->fd >= 0 ? notify : NULL;
	r = hub_open(&options->control, &service->hub, error);
	if (r < 0)
		log_error("%s", error);
	return r;
}

static void name_session(const struct options *options, const struct session_config *config, const char *program,
			 char ticket_hex[2 * ATTEST_ID_LEN + 1], struct report_names *ret_names)
{
	sodium_bin2hex(ticket_hex, 2 * ATTEST_ID_LEN + 1, config->ticket_id, ATTEST_ID_LEN);
	*ret_names = (struct report_names){ .program = program, .ticket_hex = ticket_hex };
	ret_names->evidence = identity_evidence(options->identity, &ret_names->gives_software,
						&ret_names->takes_software);
}

static int serve(const struct program *program, struct options *options)
{
	struct attest_keypair *keypair = NULL;
	struct service_config service = { .ops = program->ops, .open_backend = backend_kvm_new,
					  .open_uffd = backend_uffd_new };
	struct notify notify = { .fd = -1 };
	char ticket_hex[2 * ATTEST_ID_LEN + 1];
	struct report_names names;
	struct session_config config;
	char error[SESSION_ERROR_LEN] = "";
	int code = SERVICE_EXIT_SETUP, r;

	r = options_load(options, program->role, &keypair, &config);
	if (r == 0)
		r = open_control(options, &service, &notify);
	if (r == 0) {
		name_session(options, &config, program->ops->name, ticket_hex, &names);
		service.names = &names;
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
	hub_free(service.hub);
	notify_close(&notify);
	if (keypair != NULL)
		attest_keypair_free(keypair);
	return code;
}

int program_main(const struct program *program, int argc, const char **argv)
{
	struct options options;
	int code = SERVICE_EXIT_SETUP;
	int r = options_parse(&options, program->role, argc, argv);

	if (r == 0 && log_init(program->ops->name, options.log_spec, options.log_json) < 0) {
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
