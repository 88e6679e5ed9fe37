// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "ledger.h"

#define NAME_LEN (2u * ATTEST_ID_LEN + 32u)

struct ledger {
	int dir_fd;
	enum attest_role role;
	enum ledger_state state;
	char name[NAME_LEN];
	char temp_name[NAME_LEN + 8];
	char ticket_hex[2 * ATTEST_ID_LEN + 1];
	char peer_hex[2 * ATTEST_KEY_LEN + 1];
};

static const char *const state_names[LEDGER_N_STATES] = {
	"NONE", "OFFERED", "IN_DOUBT", "RESUMED", "RELEASED", "RUNNING", "COMPLETE", "LOST", "ABORTED",
};

/* Where each state may come from, one bit a state, by role. */
#define FROM(state) (1u << LEDGER_##state)
static const uint16_t source_from[LEDGER_N_STATES] = {
	[LEDGER_OFFERED] = FROM(NONE), [LEDGER_IN_DOUBT] = FROM(OFFERED), [LEDGER_RESUMED] = FROM(IN_DOUBT),
	[LEDGER_RELEASED] = FROM(IN_DOUBT), [LEDGER_ABORTED] = FROM(OFFERED),
};
static const uint16_t destination_from[LEDGER_N_STATES] = {
	[LEDGER_OFFERED] = FROM(NONE), [LEDGER_RUNNING] = FROM(OFFERED), [LEDGER_COMPLETE] = FROM(RUNNING),
	[LEDGER_LOST] = FROM(RUNNING), [LEDGER_ABORTED] = FROM(OFFERED),
};

const char *ledger_state_name(enum ledger_state state)
{
	return (unsigned int)state < LEDGER_N_STATES ? state_names[state] : "unknown";
}

enum ledger_state ledger_state(const struct ledger *ledger)
{
	return ledger->state;
}

static bool may_follow(const struct ledger *ledger, enum ledger_state state)
{
	const uint16_t *from = ledger->role == ATTEST_INITIATOR ? source_from : destination_from;

	return (unsigned int)state < LEDGER_N_STATES && (from[state] & (1u << ledger->state)) != 0;
}

static void read_boot_id(char *ret_id, size_t len)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file == NULL || fgets(ret_id, (int)len, file) == NULL)
		snprintf(ret_id, len, "unknown");
	ret_id[strcspn(ret_id, "\n")] = '\0';
	if (file != NULL)
		fclose(file);
}

static int write_temp(const struct ledger *ledger, enum ledger_state state)
{
	char text[512], boot_id[64];
	int fd, len, r = 0;

	read_boot_id(boot_id, sizeof(boot_id));
	len = snprintf(text, sizeof(text), "gmem-record 1\nrole %s\nstate %s\nboot %s\nticket %s\npeer %s\nend\n",
		       ledger->role == ATTEST_INITIATOR ? "source" : "destination", state_names[state], boot_id,
		       ledger->ticket_hex, ledger->peer_hex);
	fd = openat(ledger->dir_fd, ledger->temp_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)len) != len)
		r = errno != 0 ? -errno : -ENOSPC;
	else if (fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

/* link() refuses an existing name, rename() replaces it. */
static int install_temp(const struct ledger *ledger, bool first)
{
	int fd = ledger->dir_fd, r;

	if (first)
		r = linkat(fd, ledger->temp_name, fd, ledger->name, 0);
	else
		r = renameat(fd, ledger->temp_name, fd, ledger->name);
	if (r < 0)
		r = -errno;
	if (first || r < 0)
		unlinkat(fd, ledger->temp_name, 0);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int ledger_write(struct ledger *ledger, enum ledger_state state)
{
	int r;

	if (state == ledger->state)
		return 0;
	if (!may_follow(ledger, state))
		return -EPROTO;
	errno = 0;
	r = write_temp(ledger, state);
	if (r == 0)
		r = install_temp(ledger, state == LEDGER_OFFERED);
	if (r == 0)
		ledger->state = state;
	return r;
}

int ledger_open(const char *dir, enum attest_role role, const uint8_t ticket_id[ATTEST_ID_LEN],
		const uint8_t peer_key[ATTEST_KEY_LEN], struct ledger **ret_ledger)
{
	struct ledger *ledger;
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	ledger = calloc(1, sizeof(*ledger));
	if (ledger == NULL)
		return -ENOMEM;
	ledger->role = role;
	sodium_bin2hex(ledger->ticket_hex, sizeof(ledger->ticket_hex), ticket_id, ATTEST_ID_LEN);
	sodium_bin2hex(ledger->peer_hex, sizeof(ledger->peer_hex), peer_key, ATTEST_KEY_LEN);
	snprintf(ledger->name, sizeof(ledger->name), "%s.%s", ledger->ticket_hex,
		 role == ATTEST_INITIATOR ? "source" : "destination");
	snprintf(ledger->temp_name, sizeof(ledger->temp_name), "%s.new", ledger->name);
	ledger->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ledger->dir_fd < 0) {
		r = -errno;
		goto err_free;
	}
	/* Found out now rather than when a guest hangs on it. */
	r = write_temp(ledger, LEDGER_NONE);
	unlinkat(ledger->dir_fd, ledger->temp_name, 0);
	if (r < 0)
		goto err_close;
	*ret_ledger = ledger;
	return 0;

err_close:
	close(ledger->dir_fd);
err_free:
	free(ledger);
	return r;
}

void ledger_close(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	close(ledger->dir_fd);
	free(ledger);
}
