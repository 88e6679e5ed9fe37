// SPDX-License-Identifier: MIT
#include <errno.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idfile.h"
#include "limit.h"
#include "log.h"
#include "options.h"

enum { OPT_HELP = 1, OPT_VERSION };

static const char exit_codes[] =
	"\n"
	"Exit codes: 0 the move is complete; 1 it could not begin (options, files, sockets);\n"
	"2 one side refused the other; 3 aborted, the guest may run on at the source;\n"
	"4 failed after START, see the last line of the log.\n"
	"\n"
	"SIGTERM and SIGINT abort a move while the guest is still the source's. Later the\n"
	"first one is refused and the second one ends the process.\n";

static void set_defaults(struct options *options, enum attest_role role)
{
	struct session_config config;

	session_config_init(&config, role);
	*options = (struct options){
		.connect_ms = config.connect_ms, .handshake_ms = config.handshake_ms, .ping_ms = config.ping_ms,
		.peer_ms = config.peer_ms, .resume_ms = config.resume_ms, .linger_ms = 30000, .window_pages = (int)config.window_pages,
		.credit_kib = (int)(config.credit_bytes / 1024),
	};
}

static int complain(const char *program, const char *option, const char *what)
{
	fprintf(stderr, "%s: %s: %s; see --help\n", program, option, what);
	return -EINVAL;
}

static int check_range(const char *program, const char *option, int value, int min, int max)
{
	char what[64];

	if (value >= min && value <= max)
		return 0;
	snprintf(what, sizeof(what), "must be %d to %d", min, max);
	return complain(program, option, what);
}

/* Two sockets on one path would be one; a relative path is another one after a change of directory. */
static int check_sockets(struct options *options, const char *program)
{
	const char *const paths[] = { options->socket_path, options->control_path, options->status_path };
	static const char *const names[] = { "--socket", "--control", "--status" };
	size_t i, k;

	for (i = 1; i < 3; i++) {
		if (paths[i] == NULL)
			continue;
		if (paths[i][0] != '/' || strlen(paths[i]) > 107)
			return complain(program, names[i], "takes an absolute path of at most 107 bytes");
		for (k = 0; k < i; k++)
			if (paths[k] != NULL && strcmp(paths[k], paths[i]) == 0)
				return complain(program, names[i], "each socket needs a path of its own");
	}
	if (options->status_group != NULL && options->status_path == NULL)
		return complain(program, "--status-group", "goes with --status");
	options->control = (struct hub_config){
		.control_path = options->control_path, .status_path = options->status_path,
		.status_group = options->status_group,
	};
	return 0;
}

static int check_sandbox(struct options *options, const char *program)
{
	char error[SANDBOX_ERROR_LEN];

	return sandbox_parse(options->sandbox_text, &options->sandbox, error) < 0 ?
	       complain(program, "--sandbox", error) : 0;
}

static int check(struct options *options, const char *program, const char *address_option)
{
	const int credit_min = (int)(CREDIT_MIN / 1024 + 1);

	if (options->address == NULL || options->socket_path == NULL || options->key_path == NULL ||
	    (options->files.peer == NULL && options->files.issuer == NULL) || options->files.ticket == NULL)
		return complain(program, "missing options",
				"an address, --socket, --key, --ticket, and --peer or --issuer "
				"are needed");
	if (transport_check_address(options->address) < 0)
		return complain(program, address_option, "takes a numeric host and a port, as 10.0.0.2:7000 or "
				"[fd00::2]:7000");
	if (options->cipher != NULL && strcmp(options->cipher, "auto") != 0 &&
	    strcmp(options->cipher, "aes256gcm") != 0 && strcmp(options->cipher, "xchacha20poly1305") != 0)
		return complain(program, "--cipher", "takes auto, aes256gcm or xchacha20poly1305");
	if (check_range(program, "--connect-timeout", options->connect_ms, 1, 3600000) < 0 ||
	    check_range(program, "--handshake-timeout", options->handshake_ms, 100, 600000) < 0 ||
	    check_range(program, "--ping-interval", options->ping_ms, 10, 60000) < 0 ||
	    check_range(program, "--peer-timeout", options->peer_ms, 2 * options->ping_ms, 600000) < 0 ||
	    check_range(program, "--resume-timeout", options->resume_ms, 0, 86400000) < 0 ||
	    check_range(program, "--linger", options->linger_ms, 0, 3600000) < 0 ||
	    check_range(program, "--fault-window", options->window_pages, 1, (int)URGENT_MAX_RUN) < 0 ||
	    check_range(program, "--bulk-window", options->credit_kib, credit_min, 1 << 20) < 0)
		return -EINVAL;
	if (options->log_format != NULL && strcmp(options->log_format, "text") != 0 &&
	    strcmp(options->log_format, "json") != 0)
		return complain(program, "--log-format", "takes text or json");
	options->log_json = options->log_format != NULL && strcmp(options->log_format, "json") == 0;
	if (check_sockets(options, program) < 0 || check_sandbox(options, program) < 0)
		return -EINVAL;
	if (options->limit_text != NULL && limit_parse(options->limit_text, &options->background_limit) < 0)
		return complain(program, "--background-limit", LIMIT_TAKES);
	return 0;
}

int options_parse(struct options *options, enum attest_role role, int argc, const char **argv)
{
	const bool pager = role == ATTEST_RESPONDER;
	const char *program = pager ? "gmem-pager" : "gmem-source";
	const struct poptOption pager_table[] = {
		{ "listen", 'l', POPT_ARG_STRING, &options->address, 0, "listen for the source here", "HOST:PORT" },
		{ "fault-window", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->window_pages, 0,
		  "ask for so many pages around a fault", "PAGES" },
		{ "bulk-window", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->credit_kib, 0,
		  "let so much of the background stream be under way", "KIB" },
		POPT_TABLEEND
	};
	const struct poptOption source_table[] = {
		{ "connect", 'c', POPT_ARG_STRING, &options->address, 0, "gmem-pager's address", "HOST:PORT" },
		{ "connect-timeout", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->connect_ms, 0,
		  "try so long to connect", "MS" },
		{ "background-limit", 0, POPT_ARG_STRING, &options->limit_text, 0,
		  "so many bytes a second of the background stream (K, M, G), and answers to faults at once in any case; 0, "
		  "the default: no limit; gmemctl session limit changes it", "RATE" },
		POPT_TABLEEND
	};
	const struct poptOption table[] = {
		{ NULL, 0, POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)(pager ? pager_table : source_table), 0, NULL,
		  NULL },
		{ "socket", 's', POPT_ARG_STRING, &options->socket_path, 0, "unix socket for the VMM", "PATH" },
		{ "key", 'k', POPT_ARG_STRING, &options->key_path, 0, "this host's key pair (gmem-keygen)", "FILE" },
		{ "peer", 'p', POPT_ARG_STRING, &options->files.peer, 0,
		  "the other host's public key; a signed ticket names it", "FILE" },
		{ "ticket", 't', POPT_ARG_STRING, &options->files.ticket, 0,
		  "this move's ticket or id, the same on both hosts, good for one move", "FILE" },
		{ "issuer", 0, POPT_ARG_STRING, &options->files.issuer, 0,
		  "public key of who may sign tickets; without it the ticket is a bare id", "FILE" },
		{ "vm-id", 0, POPT_ARG_STRING, &options->vm_id_path, 0,
		  "the VM's id, the same on both hosts; without it the ticket's, or all zeros", "FILE" },
		{ "policy", 0, POPT_ARG_STRING, &options->files.policy, 0,
		  "which evidence of the other host is believed (gmem-policy(5)); without it the pinned key", "FILE" },
		{ "trust", 0, POPT_ARG_STRING, &options->files.trust, 0, "revocation lists and TDX collateral",
		"FOLDER" },
		{ "evidence", 0, POPT_ARG_STRING, &options->files.evidence, 0,
		  "this host's: pinned-key (default), tsm, tpm, or software, which attests nothing", "KIND" },
		{ "evidence-key", 0, POPT_ARG_STRING, &options->files.software_key, 0,
		  "key pair for --evidence software (gmem-attest keygen --signing)", "FILE" },
		{ "evidence-cert", 0, POPT_ARG_STRING, &options->files.certificates, 0,
		  "PEM certificates that go with the evidence: VCEK and ASK, or the TPM key's", "FILE" },
		{ "tpm-key", 0, POPT_ARG_STRING, &options->files.tpm_key, 0,
		  "persistent handle of the attestation key, for --evidence tpm", "0x81..." },
		{ "tpm-tcti", 0, POPT_ARG_STRING, &options->files.tpm_tcti, 0,
		"how to reach the TPM, as tpm2-tss says it",
		  "TCTI" },
		{ "cipher", 0, POPT_ARG_STRING, &options->cipher, 0, "auto, aes256gcm or xchacha20poly1305", "NAME" },
		{ "state-dir", 0, POPT_ARG_STRING, &options->state_dir, 0,
		  "where the record of each move is kept (default: /var/lib/gmem)", "DIR" },
		{ "handshake-timeout", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->handshake_ms, 0,
		  "for each connection", "MS" },
		{ "ping-interval", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->ping_ms, 0, "", "MS" },
		{ "peer-timeout", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->peer_ms, 0,
		  "the connection is lost after so long a silence", "MS" },
		{ "resume-timeout", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->resume_ms, 0,
		  "try so long to get a lost connection back, then end the move, or say LOST if the guest runs at the "
		  "destination; 0: a lost connection ends it", "MS" },
		{ "linger", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->linger_ms, 0,
		  "answer the VMM for so long after the end", "MS" },
		{ "control", 0, POPT_ARG_STRING, &options->control_path, 0,
		  "unix socket for gmemctl, commands too; root and this user alone", "PATH" },
		{ "status", 0, POPT_ARG_STRING, &options->status_path, 0, "unix socket for who may only look", "PATH" },
		{ "status-group", 0, POPT_ARG_STRING, &options->status_group, 0, "who that is; without it this user",
		  "GROUP" },
		{ "sandbox", 0, POPT_ARG_STRING, &options->sandbox_text, 0,
		  "full (default), off, or full without some stages: -user, -caps, -no-new-privs, -landlock, -seccomp",
		  "full[,-STAGE]..." },
		{ "user", 0, POPT_ARG_STRING, &options->user, 0,
		  "become this user before a peer is heard; without it, the one who starts it", "NAME|UID[:GROUP]" },
		{ "log-format", 0, POPT_ARG_STRING, &options->log_format, 0, "text (default) or json", "FORMAT" },
		{ "log", 0, POPT_ARG_STRING, &options->log_spec, 0, "error, warn, info or debug, to stderr or FILE",
		  "LEVEL[:FILE]" },
		{ "version", 0, POPT_ARG_NONE, NULL, OPT_VERSION, "print the version", NULL },
		{ "help", 'h', POPT_ARG_NONE, NULL, OPT_HELP, "print this", NULL },
		POPT_TABLEEND
	};
	poptContext context;
	int opt, r = 0;

	set_defaults(options, role);
	context = poptGetContext(program, argc, argv, table, 0);
	poptSetOtherOptionHelp(context,
			       pager ? "--listen HOST:PORT --socket PATH --key FILE --ticket FILE --peer|--issuer FILE" :
			       "--connect HOST:PORT --socket PATH --key FILE --ticket FILE --peer|--issuer FILE");
	while ((opt = poptGetNextOpt(context)) > 0) {
		if (opt == OPT_HELP) {
			printf("%s: %s.\n\n", program, pager ? "the destination of a VM's memory" :
			       "the origin of a VM's memory");
			poptPrintHelp(context, stdout, 0);
			fputs(exit_codes, stdout);
		} else {
			printf("%s %d.%d.%d\n", program, GMEM_VERSION_MAJOR, GMEM_VERSION_MINOR, GMEM_VERSION_PATCH);
		}
		r = 1;
	}
	if (opt < -1)
		r = complain(program, poptBadOption(context, 0), poptStrerror(opt));
	else if (poptPeekArg(context) != NULL)
		r = complain(program, poptPeekArg(context), "not an option");
	else if (r == 0)
		r = check(options, program, pager ? "--listen" : "--connect");
	poptFreeContext(context);
	return r;
}

void options_fini(struct options *options)
{
	free(options->address);
	free(options->socket_path);
	free(options->key_path);
	free(options->vm_id_path);
	free(options->cipher);
	free(options->state_dir);
	free(options->log_spec);
	free(options->log_format);
	free(options->control_path);
	free(options->status_path);
	free(options->status_group);
	free(options->limit_text);
	free(options->sandbox_text);
	free(options->user);
	identity_files_fini(&options->files);
	identity_free(options->identity);
}

static int load_key(const char *path, struct attest_keypair **ret_keypair)
{
	int r = attest_keypair_load(path, ret_keypair);

	if (r < 0)
		log_error("cannot load the key pair %s: %s%s", path, strerror(-r),
			  r == -EPERM ? "; only its owner may have access (chmod 600)" : "");
	return r;
}

static int load_id(const char *path, uint8_t ret_id[ATTEST_ID_LEN])
{
	int r = idfile_load(path, ret_id);

	if (r < 0)
		log_error("cannot load the VM id %s: %s", path,
			  r == -EINVAL ? "it must be 64 hex digits (gmem-keygen makes one)" : strerror(-r));
	return r;
}

/* Whom the ticket names, what is believed, what is given. */
static int load_identity(struct options *options, enum attest_role role, struct session_config *config)
{
	char error[IDENTITY_ERROR_LEN] = "";
	int r = identity_load(&options->files, role, options->vm_id_path != NULL, config, &options->identity, error);

	if (r < 0)
		log_error("%s", error);
	return r;
}

int options_load(struct options *options, enum attest_role role, struct attest_keypair **ret_keypair,
		 struct session_config *ret_config)
{
	struct session_config config;
	int r;

	session_config_init(&config, role);
	config.address = options->address;
	config.connect_ms = options->connect_ms;
	config.handshake_ms = options->handshake_ms;
	config.ping_ms = options->ping_ms;
	config.peer_ms = options->peer_ms;
	config.resume_ms = options->resume_ms;
	config.window_pages = (uint32_t)options->window_pages;
	config.credit_bytes = (uint64_t)options->credit_kib * 1024;
	config.background_limit = options->background_limit;
	if (options->state_dir != NULL)
		config.state_dir = options->state_dir;
	if (options->cipher != NULL && strcmp(options->cipher, "aes256gcm") == 0)
		config.ciphers = 1u << ATTEST_CIPHER_AES256GCM;
	else if (options->cipher != NULL && strcmp(options->cipher, "xchacha20poly1305") == 0)
		config.ciphers = 1u << ATTEST_CIPHER_XCHACHA20POLY1305;
	r = load_key(options->key_path, ret_keypair);
	if (r == 0 && options->vm_id_path != NULL)
		r = load_id(options->vm_id_path, config.vm_id);
	config.keypair = *ret_keypair;
	if (r == 0)
		r = load_identity(options, role, &config);
	if (r < 0)
		return r;
	*ret_config = config;
	return 0;
}
