// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "log.h"
#include "options.h"
#include "program.h"
#include "sandbox/sandbox.h"
#include "secmem.h"
#include "snapshot/writer.h"

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

static struct sandbox_config describe_sandbox(const struct options *options, enum attest_role role)
{
	/* Was checked to be one. */
	const uint16_t port = options->address != NULL ? (uint16_t)atoi(strrchr(options->address, ':') + 1) : 0;
	struct sandbox_config config = {
		.stages = options->sandbox, .user = options->user,
		.state_dir = options->state_dir != NULL ? options->state_dir : SESSION_STATE_DIR,
		.sockets = { options->socket_path, options->control_path, options->status_path },
		.evidence = options->files.evidence, .tpm_tcti = options->files.tpm_tcti,
		.snapshot = options->snapshot_to != NULL ? options->snapshot_to : options->working_set_to,
	};

	if (role == ATTEST_RESPONDER)
		config.bind_port = port;
	else
		config.connect_port = port;
	return config;
}

/* What a run of the program holds. */
struct run {
	const struct program *program;
	struct options *options;
	struct attest_keypair *keypair;
	struct session_config config;
	struct service_config service;
	struct notify notify;
	struct report_names names;
	char ticket_hex[2 * ATTEST_ID_LEN + 1];
	struct sandbox_config sandbox_config;
	struct sandbox sandbox;
	int listen_fd;
	int snapshot_fd;			/* -1: none, or the reader's */
	struct snapfile_writer *writer;
	struct snapfile_reader *reader;
	struct snapfile_wanted wanted;
	int set_fd;				/* of the working set that is replayed; -1: none */
	struct setfile_writer *set_writer;	/* NULL: none, or the working set's */
	struct workset *workset;
	char root_hex[2 * SNAPFILE_ROOT_LEN + 1];
};

/* As open_snapshot() does. */
static int open_working_set(struct run *run)
{
	const struct options *options = run->options;
	const struct sandbox *sandbox = &run->sandbox;
	char error[SETFILE_ERROR_LEN] = "";
	int r = 0;

	if (options->working_set_to != NULL) {
		r = setfile_writer_open(options->working_set_to, &run->set_writer, error);
		if (r == 0 && sandbox->become)
			r = setfile_writer_give(run->set_writer, sandbox->who.uid, sandbox->who.gid, error);
	} else if (options->working_set_from != NULL) {
		r = setfile_open(options->working_set_from, &run->set_fd, error);
	}
	if (error[0] != '\0')
		log_error("%s", error);
	return r;
}

/* Made or opened by who starts the program; what is in it is looked at once it is sealed. */
static int open_snapshot(struct run *run)
{
	const struct sandbox *sandbox = &run->sandbox;
	char error[SNAPFILE_READ_ERROR_LEN] = "";
	int r = 0;

	if (run->options->mode == OPTIONS_SUSPEND) {
		r = snapfile_writer_open(run->options->snapshot_to, &run->writer, error);
		if (r == 0 && sandbox->become)
			r = snapfile_writer_give(run->writer, sandbox->who.uid, sandbox->who.gid, error);
		run->config.suspend = run->writer;
	} else if (run->options->mode == OPTIONS_RESTORE) {
		r = options_load_wanted(run->options, &run->config, &run->wanted);
		if (r == 0)
			r = snapfile_reader_open(run->options->snapshot_from, &run->snapshot_fd, error);
	}
	if (error[0] != '\0')
		log_error("%s", error);
	return r;
}

/* The side sees it by its config. */
static int read_snapshot(struct run *run)
{
	char error[SNAPFILE_READ_ERROR_LEN] = "";
	int r;

	if (run->options->mode != OPTIONS_RESTORE)
		return 0;
	r = snapfile_reader_new(run->snapshot_fd, &run->wanted, &run->reader, error);
	if (r < 0) {
		log_error("%s", error);
		return r;
	}
	run->snapshot_fd = -1;
	run->config.restore = run->reader;
	sodium_bin2hex(run->root_hex, sizeof(run->root_hex), snapfile_reader_root(run->reader), SNAPFILE_ROOT_LEN);
	run->names.snapshot_root = run->root_hex;
	run->names.may_be_old = snapfile_reader_may_be_old(run->reader);
	log_info("the snapshot %s is whole, root %s", run->options->snapshot_from, run->root_hex);
	if (run->names.may_be_old)
		log_warn("--allow-rollback: the snapshot MAY BE AN OLD ONE; what the guest did after it is undone, and what "
			 "it has revoked or used up since is there again");
	return 0;
}

static int replay(struct run *run, char *ret_error)
{
	const uint64_t n_pages = snapfile_reader_header(run->reader)->n_pages;
	uint64_t *map;
	int r = setfile_read(run->set_fd, run->options->working_set_from, run->reader, &map, ret_error);

	if (r < 0)
		return r;
	r = workset_replay(map, n_pages, &run->workset);
	if (r < 0)
		free(map);
	else
		log_info("the working set %s has %llu pages", run->options->working_set_from,
			 (unsigned long long)workset_look(run->workset).n_set);
	return r;
}

/* A set that is not this snapshot's is a wrong option, and found here, before anybody is dialled. */
static int read_working_set(struct run *run)
{
	char error[SETFILE_ERROR_LEN] = "";
	int r = 0;

	if (run->set_writer != NULL) {
		r = workset_record(run->set_writer, run->reader, (unsigned int)run->options->working_set_s, &run->workset);
		if (r == 0)
			run->set_writer = NULL;
	} else if (run->set_fd >= 0) {
		r = replay(run, error);
	}
	if (r < 0)
		log_error("%s", error[0] != '\0' ? error : strerror(-r));
	run->config.workset = run->workset;
	return r;
}

/* Everything that is in a file or a unix socket; from here on no other file is opened than records. */
static int open_all(struct run *run)
{
	struct options *options = run->options;
	int r = options_load(options, run->program->role, &run->keypair, &run->config);

	if (r == 0) {
		r = ledger_boot_id(run->config.boot_id);
		if (r < 0)
			log_error("cannot find out which boot this is: %s", strerror(-r));
	}
	if (r == 0)
		r = open_snapshot(run);
	if (r == 0)
		r = open_working_set(run);
	if (r == 0)
		r = open_control(options, &run->service, &run->notify);
	if (r < 0)
		return r;
	name_session(options, &run->config, run->program->ops->name, run->ticket_hex, &run->names);
	run->service.names = &run->names;
	return options->socket_path != NULL ? service_listen(options->socket_path, &run->listen_fd) : 0;
}

/* The first call of nng, and the side that this program is. */
static int make_side(struct run *run)
{
	char error[SESSION_ERROR_LEN] = "";
	int r = run->config.transport->start();

	if (r == 0)
		r = run->program->make(&run->config, &run->service.opaque, &run->service.session, error, sizeof(error));
	if (r < 0)
		log_error("%s", error[0] != '\0' ? error : strerror(-r));
	return r;
}

/* The order is that of sandbox/sandbox.h. */
static int set_up(struct run *run)
{
	char error[SANDBOX_ERROR_LEN] = "";
	int r;

	run->sandbox_config = describe_sandbox(run->options, run->program->role);
	r = sandbox_begin(&run->sandbox, &run->sandbox_config, error);
	if (r == 0)
		r = open_all(run);
	if (r == 0)
		r = sandbox_enter(&run->sandbox, error);
	if (r == 0)
		r = make_side(run);
	if (r == 0)
		r = sandbox_seal(&run->sandbox, error);
	if (r == 0)
		r = read_snapshot(run);
	if (r == 0)
		r = read_working_set(run);
	if (error[0] != '\0')
		log_error("%s", error);
	if (r == 0)
		log_info("sandbox: %s", run->sandbox.text);
	run->names.sandbox = run->sandbox.text;
	return r;
}

static void tear_down(struct run *run)
{
	service_unlisten(run->options->socket_path, run->listen_fd);
	if (run->service.opaque != NULL)
		run->program->free(run->service.opaque);
	workset_free(run->workset);
	setfile_writer_free(run->set_writer);
	snapfile_writer_free(run->writer);
	snapfile_reader_free(run->reader);
	if (run->set_fd >= 0)
		close(run->set_fd);
	if (run->snapshot_fd >= 0)
		close(run->snapshot_fd);
	hub_free(run->service.hub);
	notify_close(&run->notify);
	if (run->keypair != NULL)
		attest_keypair_free(run->keypair);
}

static int serve(const struct program *program, struct options *options)
{
	struct run run = {
		.program = program, .options = options, .notify = { .fd = -1 }, .listen_fd = -1,
		.snapshot_fd = -1, .set_fd = -1,
		.service = { .ops = program->ops, .open_backend = backend_kvm_new, .open_uffd = backend_uffd_new },
	};
	int code = SERVICE_EXIT_SETUP;

	if (set_up(&run) == 0) {
		run.service.linger_ms = options->linger_ms;
		run.service.socket_path = options->socket_path;
		run.service.listen_fd = &run.listen_fd;
		code = service_run(&run.service);
		if (code == SERVICE_EXIT_COMPLETE && program->farewell != NULL)
			program->farewell(run.service.opaque);
	}
	tear_down(&run);
	return code;
}

int program_main(const struct program *program, int argc, const char **argv)
{
	struct options options;
	int code = SERVICE_EXIT_SETUP;
	int r = options_parse(&options, program->role, argc, argv);

	if (r == 0)
		program += options.mode;
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
