/* SPDX-License-Identifier: MIT */
/* tsm: see tsm.h. */
#include "tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snp/evidence.h"
#include "file.h"
#include "snpaux.h"
#include "tdx/quote.h"
#include "x509.h"

#define BLOB_MAX (64u * 1024u)
#define WORD_MAX 64u

struct report {
	char provider[WORD_MAX];
	uint8_t out[BLOB_MAX], aux[BLOB_MAX];
	size_t out_len, aux_len;
};

static int open_attribute(int folder, const char *name, int flags)
{
	int fd = openat(folder, name, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* All of it; -EFBIG: @size bytes or more. */
static int read_attribute(int folder, const char *name, void *ret_bytes, size_t size, size_t *ret_len)
{
	int fd, ret;

	fd = open_attribute(folder, name, O_RDONLY);
	if (fd < 0)
		return fd;
	ret = file_read_fd(fd, size - 1, ret_bytes, ret_len);
	close(fd);
	return ret;
}

/* A word and a newline. */
static int read_word(int folder, const char *name, char ret_word[WORD_MAX])
{
	size_t len = 0;
	int ret;

	ret = read_attribute(folder, name, ret_word, WORD_MAX - 1, &len);
	if (ret)
		return ret;
	ret_word[len] = '\0';
	ret_word[strcspn(ret_word, "\n")] = '\0';
	return 0;
}

static int read_generation(int folder, unsigned long *ret_generation)
{
	char word[WORD_MAX], *end;
	int ret;

	ret = read_word(folder, "generation", word);
	if (ret)
		return ret;
	*ret_generation = strtoul(word, &end, 10);
	return end == word || *end ? -EBADMSG : 0;
}

/* In one write: the kernel takes what was written when the file is closed. */
static int write_inblob(int folder, const uint8_t digest[WIRE_DIGEST_LEN])
{
	ssize_t n;
	int fd;

	fd = open_attribute(folder, "inblob", O_WRONLY);
	if (fd < 0)
		return fd;
	n = write(fd, digest, WIRE_DIGEST_LEN);
	if (n < 0)
		n = -errno;
	if (close(fd) && n >= 0)
		n = -errno;
	if (n < 0)
		return (int)n;
	return n == WIRE_DIGEST_LEN ? 0 : -EIO;
}

static int take_report(int folder, const uint8_t digest[WIRE_DIGEST_LEN], struct report *ret_report)
{
	unsigned long before, after;
	int ret;

	ret = read_generation(folder, &before);
	if (!ret)
		ret = write_inblob(folder, digest);
	if (!ret)
		ret = read_attribute(folder, "outblob", ret_report->out, sizeof(ret_report->out), &ret_report->out_len);
	if (!ret)
		ret = read_word(folder, "provider", ret_report->provider);
	if (!ret)
		ret = read_attribute(folder, "auxblob", ret_report->aux, sizeof(ret_report->aux), &ret_report->aux_len);
	/* Not every provider has one, and its attribute is not there then. */
	if (ret == -ENOENT || ret == -EOPNOTSUPP)
		ret = 0;
	if (!ret)
		ret = read_generation(folder, &after);
	/* One write is ours; any other one may have changed what was asked, between it and the answer. */
	if (!ret && after != before + 1)
		ret = -EAGAIN;
	return ret;
}

/* syscalls: close fstat mkdir mkdirat newfstatat openat read rmdir unlinkat write */
/* A folder of our own, so that nobody else's request is mixed up with ours. */
static int make_report(const char *root, const uint8_t digest[WIRE_DIGEST_LEN], struct report *ret_report)
{
	char path[PATH_MAX];
	int folder, ret, n;

	n = snprintf(path, sizeof(path), "%s/gmem-%08x%08x", root, randombytes_random(), randombytes_random());
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(path, 0700))
		return -errno;
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ret = folder < 0 ? -errno : take_report(folder, digest, ret_report);
	if (folder >= 0)
		close(folder);
	rmdir(path);
	return ret;
}

/* From the file that the user named: the leaf, then its issuer. */
static int certs_from_pem(const struct tsm_source *source, struct x509_cert *ret_certs[SNP_MAX_CERTS],
			  struct snp_evidence *evidence)
{
	size_t n = 0;

	if (x509_certs_parse_pem(source->certificates, source->certificates_len, SNP_MAX_CERTS, ret_certs, &n))
		return -ENOKEY;
	for (size_t i = 0; i < n && i < SNP_MIN_CERTS; i++)
		x509_cert_der(ret_certs[i], &evidence->certs[i].der, &evidence->certs[i].len);
	evidence->n_certs = SNP_MIN_CERTS;
	return n < SNP_MIN_CERTS ? -ENOKEY : 0;
}

static int bundle_snp(const struct tsm_source *source, const struct report *report, uint8_t *ret_bytes, size_t *len)
{
	struct x509_cert *certs[SNP_MAX_CERTS] = { NULL };
	struct snp_evidence evidence = { .report = report->out };
	struct bundle bundle = { .kind = BUNDLE_SNP };
	uint8_t bytes[BUNDLE_MAX_LEN];
	size_t bytes_len = sizeof(bytes);
	int ret;

	if (report->out_len != SNP_REPORT_LEN)
		return -EBADMSG;
	ret = source->certificates ? certs_from_pem(source, certs, &evidence) :
	      report->aux_len ? snpaux_read(report->aux, report->aux_len, &evidence) : -ENOKEY;
	if (!ret)
		ret = snp_evidence_write(&evidence, bytes, &bytes_len);
	for (size_t i = 0; i < SNP_MAX_CERTS; i++)
		x509_cert_free(certs[i]);
	if (ret)
		return ret;
	bundle.items[BUNDLE_SNP_EVIDENCE] = (struct bundle_item){ bytes, bytes_len };
	return bundle_write(&bundle, ret_bytes, len);
}

static int bundle_tdx(const struct report *report, uint8_t *ret_bytes, size_t *len)
{
	struct bundle bundle = { .kind = BUNDLE_TDX };
	struct tdx_quote quote;

	/* Zeros may trail it. */
	if (tdx_quote_parse(report->out, report->out_len, &quote))
		return -EBADMSG;
	bundle.items[BUNDLE_TDX_QUOTE] = (struct bundle_item){ report->out, quote.len };
	return bundle_write(&bundle, ret_bytes, len);
}

int tsm_make(const struct tsm_source *source, const uint8_t digest[WIRE_DIGEST_LEN], uint8_t *ret_bytes, size_t *len)
{
	struct report *report = calloc(1, sizeof(*report));
	int ret;

	if (!report)
		return -ENOMEM;
	ret = make_report(source->root ? source->root : TSM_ROOT, digest, report);
	if (!ret && !strcmp(report->provider, "sev_guest"))
		ret = bundle_snp(source, report, ret_bytes, len);
	else if (!ret && !strcmp(report->provider, "tdx_guest"))
		ret = bundle_tdx(report, ret_bytes, len);
	else if (!ret)
		ret = -ENOTSUP;
	free(report);
	return ret;
}
