// SPDX-License-Identifier: MIT
/* What options there are, and what each is by itself. */
#include <string.h>

#include "options_int.h"

void options_set_defaults(struct options *options, enum attest_role role)
{
	struct session_config config;

	session_config_init(&config, role);
	*options = (struct options){
		.program = role == ATTEST_RESPONDER ? "gmem-pager" : "gmem-source", .pager = role == ATTEST_RESPONDER,
		.connect_ms = config.connect_ms, .handshake_ms = config.handshake_ms, .ping_ms = config.ping_ms,
		.peer_ms = config.peer_ms, .resume_ms = config.resume_ms, .linger_ms = 30000, .window_pages = (int)config.window_pages,
		.credit_kib = (int)(config.credit_bytes / 1024), .working_set_s = WORKSET_DEFAULT_S,
	};
}

static void fill_own(struct poptOption ret_table[OPTIONS_N_OWN], struct options *options)
{
	const struct poptOption pager_table[OPTIONS_N_OWN] = {
		{ "listen", 'l', POPT_ARG_STRING, &options->address, 0, "listen for the source here", "HOST:PORT" },
		{ "fault-window", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->window_pages, 0,
		  "ask for so many pages around a fault", "PAGES" },
		{ "bulk-window", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->credit_kib, 0,
		  "let so much of the background stream be under way", "KIB" },
		POPT_TABLEEND
	};
	const struct poptOption source_table[OPTIONS_N_OWN] = {
		{ "connect", 'c', POPT_ARG_STRING, &options->address, 0, "gmem-pager's address", "HOST:PORT" },
		{ "connect-timeout", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->connect_ms, 0,
		  "try so long to connect", "MS" },
		{ "background-limit", 0, POPT_ARG_STRING, &options->limit_text, 0,
		  "so many bytes a second of the background stream (K, M, G), and answers to faults at once in any case; 0, "
		  "the default: no limit; gmemctl session limit changes it", "RATE" },
		{ "snapshot-to", 0, POPT_ARG_STRING, &options->snapshot_to, 0,
		  "write the VM into this file, for --peer to restore, in place of moving it", "FILE" },
		{ "snapshot-from", 0, POPT_ARG_STRING, &options->snapshot_from, 0,
		  "serve the VM that is in this file, in place of a VMM's", "FILE" },
		{ "snapshot-writer", 0, POPT_ARG_STRING, &options->snapshot_writer, 0,
		  "public key of the host that wrote it", "FILE" },
		{ "snapshot-root", 0, POPT_ARG_STRING, &options->snapshot_root, 0,
		  "what its writer said at the end: it is this one and no older one", "HEX" },
		{ "allow-rollback", 0, POPT_ARG_NONE, &options->allow_rollback, 0,
		  "restore it though nothing says that it is the last one", NULL },
		{ "working-set-to", 0, POPT_ARG_STRING, &options->working_set_to, 0,
		  "record in this file which pages the restored guest asks for, for the next restore of that snapshot", "FILE" },
		{ "working-set-time", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &options->working_set_s, 0,
		  "record for so long once the guest runs, and hold everything else back meanwhile", "SECONDS" },
		{ "working-set-from", 0, POPT_ARG_STRING, &options->working_set_from, 0,
		  "send the pages that are recorded in this file first", "FILE" },
		POPT_TABLEEND
	};

	memcpy(ret_table, options->pager ? pager_table : source_table, sizeof(pager_table));
}

void options_fill_tables(struct options_tables *ret_tables, struct options *options)
{
	const struct poptOption table[OPTIONS_N_COMMON] = {
		{ NULL, 0, POPT_ARG_INCLUDE_TABLE, ret_tables->own, 0, NULL, NULL },
		{ "config", 0, POPT_ARG_STRING, &options->config_path, 0,
		  "options from a file: NAME = VALUE a line, # begins a comment; what stands here as well counts", "FILE" },
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

	fill_own(ret_tables->own, options);
	memcpy(ret_tables->common, table, sizeof(table));
}
