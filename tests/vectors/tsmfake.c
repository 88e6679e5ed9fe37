// SPDX-License-Identifier: MIT
#include "tsmfake.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tsmfake tsmfake;

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);

void tsmfake_set_up(const char *provider, void (*answer)(const uint8_t inblob[WIRE_DIGEST_LEN]))
{
	tsmfake = (struct tsmfake){
		.root = tsmfake.root, .snp = tsmfake.snp, .swap_guids = tsmfake.swap_guids,
		.provider = provider, .answer = answer, .generation_before = "4\n", .generation_after = "5\n",
	};
}

static bool is_ours(const char *path)
{
	const size_t len = tsmfake.root ? strlen(tsmfake.root) : 0;

	return len && !strncmp(path, tsmfake.root, len) && path[len] == '/';
}

static void put_file(const char *name, const void *bytes, size_t len)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", tsmfake.folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || close(fd))
		abort();
}

static int open_file(const char *name, int flags)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", tsmfake.folder, name);
	return open(path, flags | O_CLOEXEC);
}

static void *hardware(void *arg)
{
	uint8_t inblob[WIRE_DIGEST_LEN + 1];
	ssize_t len, n;
	int fd;

	fd = open_file("inblob", O_RDONLY);
	for (len = 0; (n = read(fd, inblob + len, sizeof(inblob) - (size_t)len)) > 0;)
		len += n;
	close(fd);
	if (len != WIRE_DIGEST_LEN)
		return NULL;
	tsmfake.answer(inblob);
	put_file("generation", tsmfake.generation_after, strlen(tsmfake.generation_after));
	if (!tsmfake.no_aux)
		put_file("auxblob", tsmfake.aux, tsmfake.aux_len);
	fd = open_file("outblob", O_WRONLY);
	/* The other end may have gone: that is a case. */
	if (fd >= 0 && write(fd, tsmfake.out, tsmfake.out_len) < 0)
		tsmfake.n_made += 100;
	close(fd);
	return NULL;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	char pipe_path[300];

	if (__real_mkdir(path, mode))
		return -1;
	if (!is_ours(path))
		return 0;
	tsmfake.n_made++;
	snprintf(tsmfake.folder, sizeof(tsmfake.folder), "%s", path);
	put_file("generation", tsmfake.generation_before, strlen(tsmfake.generation_before));
	put_file("provider", tsmfake.provider, strlen(tsmfake.provider));
	snprintf(pipe_path, sizeof(pipe_path), "%s/inblob", path);
	if (mkfifo(pipe_path, 0600))
		abort();
	snprintf(pipe_path, sizeof(pipe_path), "%s/outblob", path);
	if (mkfifo(pipe_path, 0600) || pthread_create(&tsmfake.thread, NULL, hardware, NULL))
		abort();
	return 0;
}

int __wrap_rmdir(const char *path)
{
	static const char *const names[] = { "generation", "provider", "inblob", "outblob", "auxblob" };
	int out;

	if (!is_ours(path))
		return __real_rmdir(path);
	out = open_file("outblob", O_RDWR | O_NONBLOCK);
	/* let the thread go wherever it waits, or will */
	while (pthread_tryjoin_np(tsmfake.thread, NULL)) {
		close(open_file("inblob", O_RDWR | O_NONBLOCK));
		usleep(1000);
	}
	close(out);
	tsmfake.n_removed++;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char file[300];

		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		unlink(file);
	}
	return __real_rmdir(path);
}

void tsmfake_put_entry_u32(size_t entry, size_t offset, size_t value)
{
	for (size_t i = 0; i < 4; i++)
		tsmfake.aux[24 * entry + offset + i] = (uint8_t)(value >> 8 * i);
}

static void put_entry(size_t index, const uint8_t guid[16], const uint8_t *der, size_t len, size_t *end)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (size_t i = 0; i < 16; i++)
		tsmfake.aux[24 * index + i] = guid[tsmfake.swap_guids ? order[i] : i];
	tsmfake_put_entry_u32(index, 16, *end);
	tsmfake_put_entry_u32(index, 20, len);
	memcpy(tsmfake.aux + *end, der, len);
	*end += len;
}

static const uint8_t guid_vcek[16] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
				       0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd };
static const uint8_t guid_ask[16] = { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4,
				      0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 };
static const uint8_t guid_ark[16] = { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52,
				      0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae };

void tsmfake_answer_snp(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	struct snpgen *snp = tsmfake.snp;
	uint8_t der[SNPGEN_CERT_MAX];
	size_t end = 4 * 24;

	memcpy(snp->report + 0x50, inblob, WIRE_DIGEST_LEN);
	snpgen_sign(snp->report, snp->report_key);
	memcpy(tsmfake.out, snp->report, SNP_REPORT_LEN);
	tsmfake.out_len = SNP_REPORT_LEN;
	memset(tsmfake.aux, 0, sizeof(tsmfake.aux));
	put_entry(0, guid_ark, der, snpgen_cert_make(&snp->ark, der), &end);
	put_entry(1, guid_ask, der, snpgen_cert_make(&snp->ask, der), &end);
	put_entry(2, guid_vcek, der, snpgen_cert_make(&snp->leaf, der), &end);
	tsmfake.aux_len = end;
}
