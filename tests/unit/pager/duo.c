// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "duo.h"

#define WAIT_MS (20000 * PATIENCE)

void duo_choose_address(char *ret_address, size_t len)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t addr_len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &addr_len) < 0)
		abort();
	close(fd);
	snprintf(ret_address, len, "127.0.0.1:%u", ntohs(addr.sin_port));
}

static void fill_source(struct fake_vm *vm)
{
	uint64_t gfn, i;

	for (gfn = 0; gfn < vm->n_private + vm->n_shared; gfn++) {
		uint8_t *page = fake_vm_page(vm, gfn);

		if (gfn < vm->n_private / 2 && gfn % 3 == 0) {
			vm->backed[gfn / 64] &= ~(1ull << (gfn % 64));
			continue;
		}
		if (gfn % 7 == 0)
			continue;
		for (i = 0; i < FAKE_PAGE; i += 8)
			memcpy(page + i, &(uint64_t){ gfn * 0x9e3779b97f4a7c15ull + i }, 8);
	}
}

static void init_config(struct duo *duo, struct session_config *config, enum attest_role role,
			const struct attest_keypair *own, const struct attest_keypair *peer)
{
	session_config_init(config, role);
	config->address = duo->address;
	config->keypair = own;
	memcpy(config->peer_key, attest_keypair_public(peer), ATTEST_KEY_LEN);
	config->state_dir = duo->dir;
	config->connect_ms = 3000 * PATIENCE;
	config->handshake_ms = 2000 * PATIENCE;
	config->ping_ms = 100;
	config->peer_ms = 4000 * PATIENCE;
	config->resume_ms = 0;		/* a loss is the end, if a test does not say otherwise */
}

static void init_regions(struct fake_vm *vm, struct gmem_region regions[2])
{
	if (vm->uffd != NULL) {
		fake_uffd_region(vm, 0, &regions[0]);
		if (vm->n_shared > 0)
			fake_uffd_region(vm, 1, &regions[1]);
		return;
	}
	regions[0] = (struct gmem_region){
		.gpa = 0, .size = vm->n_private * FAKE_PAGE, .flags = GMEM_REGION_GUEST_MEMFD | GMEM_REGION_SHARED_FD,
		.shared_fd = vm->memfd,
	};
	regions[1] = (struct gmem_region){
		.gpa = vm->n_private * FAKE_PAGE, .size = vm->n_shared * FAKE_PAGE, .flags = GMEM_REGION_SHARED_FD,
		.shared_fd = vm->memfd, .shared_offset = vm->n_private * FAKE_PAGE,
	};
}

void duo_init(struct duo *duo, uint64_t n_private, uint64_t n_shared)
{
	memset(duo, 0, sizeof(*duo));
	strcpy(duo->dir, "/tmp/gmem-duo-XXXXXX");
	if (mkdtemp(duo->dir) == NULL || fake_vm_init(&duo->source_vm, n_private, n_shared) < 0 ||
	    fake_vm_init(&duo->pager_vm, n_private, n_shared) < 0 ||
	    attest_keypair_generate(&duo->source_key) < 0 || attest_keypair_generate(&duo->pager_key) < 0)
		abort();
	duo_choose_address(duo->address, sizeof(duo->address));
	strcpy(duo->source_address, duo->address);
	init_config(duo, &duo->source_config, ATTEST_INITIATOR, duo->source_key, duo->pager_key);
	init_config(duo, &duo->pager_config, ATTEST_RESPONDER, duo->pager_key, duo->source_key);
	duo->source_config.address = duo->source_address;
	randombytes_buf(duo->source_config.ticket_id, ATTEST_ID_LEN);
	memcpy(duo->pager_config.ticket_id, duo->source_config.ticket_id, ATTEST_ID_LEN);
	init_regions(&duo->source_vm, duo->source_regions);
	init_regions(&duo->pager_vm, duo->pager_regions);
	duo->n_regions = n_shared > 0 ? 2 : 1;
	fill_source(&duo->source_vm);
	fake_vm_empty(&duo->pager_vm);
	states_init(&duo->states);
}

static void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	rmdir(path);
}

void duo_fini(struct duo *duo)
{
	if (duo->source != NULL)
		source_stop(duo->source);
	if (duo->pager != NULL)
		pager_stop(duo->pager);
	source_free(duo->source);
	pager_free(duo->pager);
	states_fini(&duo->states);
	fake_vm_fini(&duo->source_vm);
	fake_vm_fini(&duo->pager_vm);
	attest_keypair_free(duo->source_key);
	attest_keypair_free(duo->pager_key);
	remove_dir(duo->dir);
}

int duo_open(struct duo *duo)
{
	int r = pager_new(&duo->pager_config, &duo->pager, duo->error, sizeof(duo->error));

	if (r == 0)
		r = source_new(&duo->source_config, &duo->source, duo->error, sizeof(duo->error));
	if (r == 0)
		r = pager_attach(duo->pager, fake_vm_session(&duo->pager_vm), duo->pager_regions, duo->n_regions,
				 duo->error, sizeof(duo->error));
	if (r == 0)
		r = source_attach(duo->source, fake_vm_session(&duo->source_vm), duo->source_regions, duo->n_regions,
				  duo->error, sizeof(duo->error));
	return r;
}

static void sleep_ms(long ms)
{
	const struct timespec ts = { .tv_nsec = ms * 1000000 };

	nanosleep(&ts, NULL);
}

enum gmem_phase duo_wait_source(struct duo *duo, enum gmem_phase phase)
{
	enum gmem_phase now = GMEM_PHASE_IDLE;
	int i;

	for (i = 0; i < WAIT_MS / 5; i++) {
		session_tick(&duo->source->session);
		now = session_get_phase(&duo->source->session, NULL, NULL);
		if (now >= phase || now >= GMEM_PHASE_COMPLETE)
			return now;
		sleep_ms(5);
	}
	return now;
}

enum gmem_phase duo_wait_pager(struct duo *duo, enum gmem_phase phase)
{
	enum gmem_phase now = GMEM_PHASE_IDLE;
	int i;

	for (i = 0; i < WAIT_MS / 5; i++) {
		session_tick(&duo->pager->session);
		pager_tick(duo->pager);
		now = session_get_phase(&duo->pager->session, NULL, NULL);
		if (now >= phase || now >= GMEM_PHASE_COMPLETE)
			return now;
		sleep_ms(5);
	}
	return now;
}

void duo_hold_stream(struct duo *duo)
{
	duo->source_config.background_limit = LIMIT_MIN;
}

int duo_let_stream_go(struct duo *duo)
{
	duo->source_config.background_limit = 0;
	return session_limit(&duo->source->session, 0, 0);
}

int duo_prepare(struct duo *duo)
{
	int r = duo_open(duo);

	if (r == 0)
		r = source_prepare(duo->source);
	if (r < 0)
		return r;
	if (duo_wait_source(duo, GMEM_PHASE_ACCEPTED) != GMEM_PHASE_ACCEPTED ||
	    duo_wait_pager(duo, GMEM_PHASE_ACCEPTED) != GMEM_PHASE_ACCEPTED)
		return -EPROTO;
	return 0;
}

int duo_start(struct duo *duo)
{
	int r = source_start(duo->source, &duo->states, duo->error, sizeof(duo->error));

	if (r < 0)
		return r;
	if (duo_wait_pager(duo, GMEM_PHASE_STARTED) != GMEM_PHASE_STARTED)
		return -EPROTO;
	r = pager_run(duo->pager);
	if (r < 0)
		return r;
	return duo_wait_source(duo, GMEM_PHASE_RUNNING) >= GMEM_PHASE_RUNNING ? 0 : -EPROTO;
}

bool duo_ledger_says(struct duo *duo, const char *role, const char *state)
{
	char path[256], hex[2 * ATTEST_ID_LEN + 1], wanted[64], text[512];
	FILE *file;
	size_t n;

	sodium_bin2hex(hex, sizeof(hex), duo->source_config.ticket_id, ATTEST_ID_LEN);
	snprintf(path, sizeof(path), "%s/%s.%s", duo->dir, hex, role);
	snprintf(wanted, sizeof(wanted), "\nstate %s\n", state);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	return strstr(text, wanted) != NULL;
}

int64_t duo_first_difference(struct duo *duo)
{
	uint64_t gfn;

	for (gfn = 0; gfn < duo->source_vm.n_private + duo->source_vm.n_shared; gfn++)
		if (memcmp(fake_vm_page(&duo->source_vm, gfn), fake_vm_page(&duo->pager_vm, gfn), FAKE_PAGE) != 0)
			return (int64_t)gfn;
	return -1;
}

const char *duo_source_error(struct duo *duo, int *ret_status)
{
	session_get_phase(&duo->source->session, ret_status, duo->error);
	return duo->error;
}

const char *duo_pager_error(struct duo *duo, int *ret_status)
{
	session_get_phase(&duo->pager->session, ret_status, duo->error);
	return duo->error;
}
