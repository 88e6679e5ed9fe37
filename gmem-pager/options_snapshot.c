// SPDX-License-Identifier: MIT
/* The options of gmem-source that are about snapshots. */
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "log.h"
#include "options_int.h"

static int check_suspend(const struct options *options)
{
	if (options->address != NULL)
		return options_complain(options, "--connect", "a VM goes to a pager or, by --snapshot-to, into a file");
	if (options->limit_text != NULL)
		return options_complain(options, "--background-limit", "a snapshot is written as fast as the disk takes it");
	if (options->files.policy != NULL || options->files.trust != NULL || options->files.evidence != NULL)
		return options_complain(options, "--policy, --trust, --evidence", "a file shows no evidence and judges none: "
					"with --snapshot-to the recipient's key is what counts");
	return 0;
}

static int check_working_set(const struct options *options)
{
	if (options->snapshot_from == NULL && (options->working_set_to != NULL || options->working_set_from != NULL))
		return options_complain(options, "--working-set-to, --working-set-from", "go with --snapshot-from");
	if (options->working_set_to != NULL && options->working_set_from != NULL)
		return options_complain(options, "--working-set-to", "goes without --working-set-from: what was sent before it "
					"is asked for is not seen to be needed");
	if (options->working_set_s != WORKSET_DEFAULT_S && options->working_set_to == NULL)
		return options_complain(options, "--working-set-time", "goes with --working-set-to");
	return 0;
}

static int check_restore(const struct options *options)
{
	uint8_t root[SNAPFILE_ROOT_LEN];
	size_t len = 0;

	if (options->socket_path != NULL)
		return options_complain(options, "--socket", "with --snapshot-from there is no VMM");
	if (options->snapshot_writer == NULL)
		return options_complain(options, "--snapshot-from", "needs --snapshot-writer, the public key of the host that "
					"wrote it");
	if (options->snapshot_root != NULL && options->allow_rollback)
		return options_complain(options, "--allow-rollback", "goes without --snapshot-root, which says which one it is");
	if (options->snapshot_root != NULL &&
	    (sodium_hex2bin(root, sizeof(root), options->snapshot_root, strlen(options->snapshot_root), NULL, &len,
			    NULL) != 0 || len != sizeof(root) || strlen(options->snapshot_root) != 2 * sizeof(root)))
		return options_complain(options, "--snapshot-root", "takes 64 hex digits, as gmem-source printed them when it "
					"had written the snapshot");
	if (options->snapshot_root == NULL && !options->allow_rollback && options->files.issuer == NULL)
		return options_complain(options, "--snapshot-from", "needs --snapshot-root, or a signed ticket (--issuer): "
					"without them it could be an older one than the last, and only --allow-rollback takes that");
	return 0;
}

int options_check_snapshot(struct options *options)
{
	if (options->snapshot_to != NULL && options->snapshot_from != NULL)
		return options_complain(options, "--snapshot-to", "goes without --snapshot-from");
	if (options->snapshot_from == NULL && (options->snapshot_writer != NULL || options->snapshot_root != NULL ||
					       options->allow_rollback))
		return options_complain(options, "--snapshot-writer, --snapshot-root, --allow-rollback",
					"go with --snapshot-from");
	if (check_working_set(options) < 0)
		return -EINVAL;
	if (options->snapshot_to != NULL) {
		options->mode = OPTIONS_SUSPEND;
		return check_suspend(options);
	}
	if (options->snapshot_from != NULL) {
		options->mode = OPTIONS_RESTORE;
		return check_restore(options);
	}
	return 0;
}

int options_load_wanted(const struct options *options, const struct session_config *config,
			struct snapfile_wanted *ret_wanted)
{
	struct snapfile_wanted wanted = {
		.path = options->snapshot_from, .recipient = config->keypair, .incarnation = config->incarnation,
		.has_root = options->snapshot_root != NULL, .allow_rollback = options->allow_rollback != 0,
	};
	int r = attest_public_load(options->snapshot_writer, wanted.writer);

	if (r < 0) {
		log_error("cannot load the public key of the snapshot's writer %s: %s", options->snapshot_writer,
			  strerror(-r));
		return r;
	}
	memcpy(wanted.vm_id, config->vm_id, ATTEST_ID_LEN);
	if (wanted.has_root)	/* was checked to be that many digits */
		(void)sodium_hex2bin(wanted.root, sizeof(wanted.root), options->snapshot_root,
				     strlen(options->snapshot_root), NULL, NULL, NULL);
	*ret_wanted = wanted;
	return 0;
}
