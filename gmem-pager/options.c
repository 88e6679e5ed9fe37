// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idfile.h"
#include "limit.h"
#include "log.h"
#include "options_int.h"

static const char exit_codes[] =
	"\n"
	"Exit codes: 0 the move is complete; 1 it could not begin (options, files, sockets);\n"
	"2 one side refused the other; 3 aborted, the guest may run on at the source;\n"
	"4 failed after START, see the last line of the log.\n"
	"\n"
	"SIGTERM and SIGINT abort a move while the guest is still the source's. Later the\n"
	"first one is refused and the second one ends the process.\n";

int options_complain(const struct options *options, const char *option, const char *what)
{
	fprintf(stderr, "%s: %s%s: %s; see --help\n", options->program, options->where, option, what);
	return -EINVAL;
}

static int check_range(const struct options *options, const char *option, int value, int min, int max)
{
	char what[64];

	if (value >= min && value <= max)
		return 0;
	snprintf(what, sizeof(what), "must be %d to %d", min, max);
	return options_complain(options, option, what);
}

static int check_path(const struct options *options, const char *option, const char *path)
{
	if (path == NULL || (path[0] == '/' && strlen(path) <= 107))
		return 0;
	return options_complain(options, option, "takes an absolute path of at most 107 bytes");
}

static int check_numbers(const struct options *options)
{
	const int credit_min = (int)(CREDIT_MIN / 1024 + 1);

	if (check_range(options, "--connect-timeout", options->connect_ms, 1, 3600000) < 0 ||
	    check_range(options, "--handshake-timeout", options->handshake_ms, 100, 600000) < 0 ||
	    check_range(options, "--ping-interval", options->ping_ms, 10, 60000) < 0 ||
	    check_range(options, "--peer-timeout", options->peer_ms, 1, 600000) < 0 ||
	    check_range(options, "--resume-timeout", options->resume_ms, 0, 86400000) < 0 ||
	    check_range(options, "--linger", options->linger_ms, 0, 3600000) < 0 ||
	    check_range(options, "--fault-window", options->window_pages, 1, (int)URGENT_MAX_RUN) < 0 ||
	    check_range(options, "--bulk-window", options->credit_kib, credit_min, 1 << 20) < 0)
		return -EINVAL;
	if (check_range(options, "--working-set-time", options->working_set_s, 1, WORKSET_MAX_S) < 0)
		return -EINVAL;
	if (options->limit_text != NULL && limit_parse(options->limit_text, &(uint64_t){ 0 }) < 0)
		return options_complain(options, "--background-limit", LIMIT_TAKES);
	return 0;
}

static int check_sandbox(const struct options *options, unsigned int *ret_stages)
{
	char error[SANDBOX_ERROR_LEN];

	return sandbox_parse(options->sandbox_text, ret_stages, error) < 0 ?
	       options_complain(options, "--sandbox", error) : 0;
}

/* Each by itself; what is not given is not looked at. */
int options_check_values(const struct options *options)
{
	if (options->address != NULL && transport_check_address(options->address) < 0)
		return options_complain(options, options->pager ? "--listen" : "--connect",
					"takes a numeric host and a port, as 10.0.0.2:7000 or [fd00::2]:7000");
	if (options->cipher != NULL && strcmp(options->cipher, "auto") != 0 &&
	    strcmp(options->cipher, "aes256gcm") != 0 && strcmp(options->cipher, "xchacha20poly1305") != 0)
		return options_complain(options, "--cipher", "takes auto, aes256gcm or xchacha20poly1305");
	if (options->log_format != NULL && strcmp(options->log_format, "text") != 0 &&
	    strcmp(options->log_format, "json") != 0)
		return options_complain(options, "--log-format", "takes text or json");
	if (check_path(options, "--control", options->control_path) < 0 ||
	    check_path(options, "--status", options->status_path) < 0 ||
	    check_sandbox(options, &(unsigned int){ 0 }) < 0)
		return -EINVAL;
	return check_numbers(options);
}

/* Two sockets on one path would be one. */
static int check_sockets(struct options *options)
{
	const char *const paths[] = { options->socket_path, options->control_path, options->status_path };
	static const char *const names[] = { "--socket", "--control", "--status" };
	size_t i, k;

	for (i = 1; i < 3; i++)
		for (k = 0; paths[i] != NULL && k < i; k++)
			if (paths[k] != NULL && strcmp(paths[k], paths[i]) == 0)
				return options_complain(options, names[i], "each socket needs a path of its own");
	if (options->status_group != NULL && options->status_path == NULL)
		return options_complain(options, "--status-group", "goes with --status");
	options->control = (struct hub_config){
		.control_path = options->control_path, .status_path = options->status_path,
		.status_group = options->status_group,
	};
	return 0;
}

static int check(struct options *options)
{
	int r;

	r = options_check_snapshot(options);
	if (r < 0)
		return r;
	if ((options->address == NULL && options->mode != OPTIONS_SUSPEND) ||
	    (options->socket_path == NULL && options->mode != OPTIONS_RESTORE) || options->key_path == NULL ||
	    (options->files.peer == NULL && options->files.issuer == NULL) || options->files.ticket == NULL)
		return options_complain(options, "missing options", "an address, --socket, --key, --ticket, and --peer or "
					"--issuer are needed");
	r = options_check_values(options);
	if (r == 0)
		r = check_range(options, "--peer-timeout", options->peer_ms, 2 * options->ping_ms, 600000);
	if (r == 0)
		r = check_sockets(options);
	if (r == 0)
		r = check_sandbox(options, &options->sandbox);
	if (r < 0)
		return r;
	options->log_json = options->log_format != NULL && strcmp(options->log_format, "json") == 0;
	if (options->limit_text != NULL)
		(void)limit_parse(options->limit_text, &options->background_limit);
	return 0;
}

static void print_help(const struct options *options, poptContext context)
{
	printf("%s: %s.\n\n", options->program, options->pager ? "the destination of a VM's memory" :
	       "the origin of a VM's memory");
	poptPrintHelp(context, stdout, 0);
	fputs(exit_codes, stdout);
}

/* popt leaves an earlier value to whoever asked for it. */
static void keep_strings(const struct poptOption *table, char **ret_before, bool release)
{
	size_t i;

	for (i = 0; table[i].longName != NULL || table[i].argInfo == POPT_ARG_INCLUDE_TABLE; i++) {
		if ((table[i].argInfo & POPT_ARG_MASK) != POPT_ARG_STRING)
			continue;
		if (!release)
			ret_before[i] = *(char **)table[i].arg;
		else if (ret_before[i] != *(char **)table[i].arg)
			free(ret_before[i]);
	}
}

int options_parse_words(struct options *options, int argc, const char **argv)
{
	char *own_before[OPTIONS_N_OWN], *common_before[OPTIONS_N_COMMON];
	struct options_tables tables;
	poptContext context;
	int opt, r = 0;

	options_fill_tables(&tables, options);
	keep_strings(tables.own, own_before, false);
	keep_strings(tables.common, common_before, false);
	context = poptGetContext(options->program, argc, argv, tables.common, 0);
	poptSetOtherOptionHelp(context,
			       options->pager ? "--listen HOST:PORT --socket PATH --key FILE --ticket FILE --peer|--issuer FILE" :
			       "--connect HOST:PORT --socket PATH --key FILE --ticket FILE --peer|--issuer FILE");
	while ((opt = poptGetNextOpt(context)) > 0) {
		if (opt == OPT_HELP)
			print_help(options, context);
		else
			printf("%s %d.%d.%d\n", options->program, GMEM_VERSION_MAJOR, GMEM_VERSION_MINOR,
			       GMEM_VERSION_PATCH);
		r = 1;
	}
	if (opt < -1)
		r = options_complain(options, poptBadOption(context, 0), poptStrerror(opt));
	else if (poptPeekArg(context) != NULL)
		r = options_complain(options, poptPeekArg(context), "not an option");
	poptFreeContext(context);
	keep_strings(tables.own, own_before, true);
	keep_strings(tables.common, common_before, true);
	return r;
}

int options_parse(struct options *options, enum attest_role role, int argc, const char **argv)
{
	struct options given;
	int r;

	/* Once for the file's name, and again over what stands in it. */
	options_set_defaults(options, role);
	r = options_parse_words(options, argc, argv);
	if (r == 0 && options->config_path != NULL) {
		given = *options;
		options_set_defaults(options, role);
		r = options_read_file(options, given.config_path);
		options_fini(&given);
		if (r == 0)
			r = options_parse_words(options, argc, argv);
	}
	return r == 0 ? check(options) : r;
}

void options_fini(struct options *options)
{
	free(options->config_path);
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
	free(options->snapshot_to);
	free(options->snapshot_from);
	free(options->snapshot_writer);
	free(options->snapshot_root);
	free(options->working_set_to);
	free(options->working_set_from);
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
	/* A snapshot that was not written to the end is not gone on with: a record of it is left to gmemctl. */
	config.resume_ms = options->mode == OPTIONS_SUSPEND ? 0 : options->resume_ms;
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
