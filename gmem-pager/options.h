/* SPDX-License-Identifier: MIT */
/* Command lines of gmem-pager and gmem-source, and files of options. */
#ifndef GMEM_PAGER_OPTIONS_H
#define GMEM_PAGER_OPTIONS_H

#include "control/hub.h"
#include "identity.h"
#include "sandbox/sandbox.h"
#include "session.h"
#include "snapshot/reader.h"
#include "workset.h"

#define OPTIONS_WHERE_LEN 256u

/* What gmem-source does; gmem-pager knows moves alone. */
enum options_mode {
	OPTIONS_MOVE,
	OPTIONS_SUSPEND,	/* --snapshot-to */
	OPTIONS_RESTORE,	/* --snapshot-from */
};

struct options {
	const char *program;
	bool pager;
	char where[OPTIONS_WHERE_LEN];	/* "FILE:LINE: " while a file is read */
	char *config_path;
	char *address;
	char *socket_path;
	char *key_path;
	char *vm_id_path;
	char *cipher;
	char *state_dir;
	char *log_spec;
	char *log_format;
	bool log_json;
	struct hub_config control;	/* borrows the three below */
	char *control_path;
	char *status_path;
	char *status_group;
	char *limit_text;
	char *sandbox_text;
	char *user;
	unsigned int sandbox;		/* of enum sandbox_stage */
	enum options_mode mode;
	char *snapshot_to;
	char *snapshot_from;
	char *snapshot_writer;
	char *snapshot_root;
	int allow_rollback;
	char *working_set_to;
	char *working_set_from;
	int working_set_s;
	struct identity_files files;
	struct identity *identity;	/* from options_load() on */
	int connect_ms;
	int handshake_ms;
	int ping_ms;
	int peer_ms;
	int resume_ms;
	int linger_ms;
	int window_pages;
	int credit_kib;
	uint64_t background_limit;
};

/*
 * Parse; 0: go on, 1: --help or --version was printed, -EINVAL: said on stderr.
 * @role: ATTEST_INITIATOR for gmem-source, ATTEST_RESPONDER for gmem-pager.
 */
int options_parse(struct options *options, enum attest_role role, int argc, const char **argv);
void options_fini(struct options *options);

/*
 * Load the files that are named and fill @ret_config, which borrows from @options
 * and the key pair; logs what is wrong.
 */
int options_load(struct options *options, enum attest_role role, struct attest_keypair **ret_keypair,
		 struct session_config *ret_config);

/* Whose snapshot it has to be, by the options and what options_load() made of them; borrows from both.  Logs. */
int options_load_wanted(const struct options *options, const struct session_config *config,
			struct snapfile_wanted *ret_wanted);

#endif
