/* SPDX-License-Identifier: MIT */
/*
 * tsm.c, against a folder that behaves like configfs: mkdir() fills it, writing
 * inblob makes a thread play the hardware, outblob can be read once that has
 * answered, rmdir() empties it.  Pipes stand for attributes that block.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <attest/tsm.h>
#include <attest/verify.h>
#include <vectors/snpgen.h>
#include <vectors/tdxgen.h>

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __real_rmdir(const char *path);
int __wrap_rmdir(const char *path);

static char root[] = "/tmp/gmem-test-tsm.XXXXXX";
static struct {
	const char *provider;
	const char *generation_before, *generation_after;
	uint8_t out[20000], aux[20000];	/* made when inblob is written */
	size_t out_len, aux_len;
	void (*answer)(const uint8_t inblob[WIRE_DIGEST_LEN]);
	bool no_aux;
	char folder[256];
	pthread_t thread;
	unsigned int n_made, n_removed;
} fake;

static struct snpgen snp;
static struct tdxgen tdx;

static void put_file(const char *name, const void *bytes, size_t len)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fake.folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || close(fd))
		abort();
}

static int open_file(const char *name, int flags)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", fake.folder, name);
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
	fake.answer(inblob);
	put_file("generation", fake.generation_after, strlen(fake.generation_after));
	if (!fake.no_aux)
		put_file("auxblob", fake.aux, fake.aux_len);
	fd = open_file("outblob", O_WRONLY);
	/* The other end may have gone: that is a case. */
	if (fd >= 0 && write(fd, fake.out, fake.out_len) < 0)
		fake.n_made += 100;
	close(fd);
	return NULL;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	char pipe_path[300];

	if (__real_mkdir(path, mode))
		return -1;
	fake.n_made++;
	snprintf(fake.folder, sizeof(fake.folder), "%s", path);
	put_file("generation", fake.generation_before, strlen(fake.generation_before));
	put_file("provider", fake.provider, strlen(fake.provider));
	snprintf(pipe_path, sizeof(pipe_path), "%s/inblob", path);
	if (mkfifo(pipe_path, 0600))
		abort();
	snprintf(pipe_path, sizeof(pipe_path), "%s/outblob", path);
	if (mkfifo(pipe_path, 0600) || pthread_create(&fake.thread, NULL, hardware, NULL))
		abort();
	return 0;
}

int __wrap_rmdir(const char *path)
{
	static const char *const names[] = { "generation", "provider", "inblob", "outblob", "auxblob" };
	int out = open_file("outblob", O_RDWR | O_NONBLOCK);

	/* let the thread go wherever it waits, or will */
	while (pthread_tryjoin_np(fake.thread, NULL)) {
		close(open_file("inblob", O_RDWR | O_NONBLOCK));
		usleep(1000);
	}
	close(out);
	fake.n_removed++;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char file[300];

		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		unlink(file);
	}
	return __real_rmdir(path);
}

static void put_u32(uint8_t *bytes, size_t value)
{
	for (size_t i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

/* The table that a host gives: GUIDs as text has them, or swapped as a structure of Windows'. */
static bool swap_guids;
static void put_entry(size_t index, const uint8_t guid[16], const uint8_t *der, size_t len, size_t *end)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (size_t i = 0; i < 16; i++)
		fake.aux[24 * index + i] = guid[swap_guids ? order[i] : i];
	put_u32(fake.aux + 24 * index + 16, *end);
	put_u32(fake.aux + 24 * index + 20, len);
	memcpy(fake.aux + *end, der, len);
	*end += len;
}

static const uint8_t guid_vcek[16] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
				       0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd };
static const uint8_t guid_ask[16] = { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4,
				      0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 };
static const uint8_t guid_ark[16] = { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52,
				      0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae };

static void answer_snp(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	uint8_t der[SNPGEN_CERT_MAX];
	size_t end = 4 * 24;

	memcpy(snp.report + 0x50, inblob, WIRE_DIGEST_LEN);
	snpgen_sign(snp.report, snp.report_key);
	memcpy(fake.out, snp.report, SNP_REPORT_LEN);
	fake.out_len = SNP_REPORT_LEN;
	memset(fake.aux, 0, sizeof(fake.aux));
	put_entry(0, guid_ark, der, snpgen_cert_make(&snp.ark, der), &end);
	put_entry(1, guid_ask, der, snpgen_cert_make(&snp.ask, der), &end);
	put_entry(2, guid_vcek, der, snpgen_cert_make(&snp.leaf, der), &end);
	fake.aux_len = end;
}

static void answer_tdx(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	memcpy(tdx.report.report_data, inblob, WIRE_DIGEST_LEN);
	fake.out_len = tdxgen_quote(&tdx, fake.out);
	fake.no_aux = true;
}

static void set_up(const char *provider, void (*answer)(const uint8_t inblob[WIRE_DIGEST_LEN]))
{
	memset(&fake, 0, sizeof(fake));
	fake.provider = provider;
	fake.answer = answer;
	fake.generation_before = "4\n";
	fake.generation_after = "5\n";
}

static uint8_t digest[WIRE_DIGEST_LEN], evidence[BUNDLE_MAX_LEN];
static size_t len;

static int make(struct tsm_source source)
{
	source.root = root;
	len = sizeof(evidence);
	for (size_t i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)(3 * i);
	return tsm_make(&source, digest, evidence, &len);
}

static bool verify_snp(void)
{
	struct attest_policy policy;
	struct trust trust = { 0 };
	struct verdict verdict;
	const struct attest_question question = {
		.evidence = evidence, .len = len, .policy = &policy, .trust = &trust, .digest = digest,
		.now_s = SNPGEN_NOW,
	};
	bool believed;

	policy_init(&policy);
	policy.kinds = 1u << BUNDLE_SNP;
	snpgen_policy(&snp, &policy.snp);
	snpgen_trust(&snp, &trust.snp);
	believed = attest_verify(&question, &verdict);
	if (!believed)
		fprintf(stderr, "%s: %s ", verdict_first_failure(&verdict)->name,
			verdict_first_failure(&verdict)->text);
	snp_trust_fini(&trust.snp);
	return believed;
}

static void snp_report_of_the_hosts_certificates_is_believed(void)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		swap_guids = swapped;
		set_up("sev_guest\n", answer_snp);
		CU_ASSERT_EQUAL_FATAL(make((struct tsm_source){ 0 }), 0);
		CU_ASSERT_TRUE(verify_snp());
		CU_ASSERT_EQUAL(fake.n_made, 1);
		CU_ASSERT_EQUAL(fake.n_removed, 1);
	}
	digest[0] ^= 1;
	CU_ASSERT_FALSE(verify_snp());
}

static size_t to_pem(const struct snpgen_cert *cert, char *ret_pem, size_t size)
{
	uint8_t der[SNPGEN_CERT_MAX];
	size_t der_len = snpgen_cert_make(cert, der), n;

	n = (size_t)snprintf(ret_pem, size, "-----BEGIN CERTIFICATE-----\n");
	sodium_bin2base64(ret_pem + n, size - n, der, der_len, sodium_base64_VARIANT_ORIGINAL);
	/* PEM has lines of 64 characters */
	for (size_t i = 64; n + i < strlen(ret_pem); i += 65) {
		memmove(ret_pem + n + i + 1, ret_pem + n + i, strlen(ret_pem + n + i) + 1);
		ret_pem[n + i] = '\n';
	}
	n = strlen(ret_pem);
	return n + (size_t)snprintf(ret_pem + n, size - n, "\n-----END CERTIFICATE-----\n");
}

static void snp_report_with_certificates_from_a_file(void)
{
	static char pem[30000];
	struct tsm_source source = { .certificates = pem };

	source.certificates_len = to_pem(&snp.leaf, pem, sizeof(pem));
	set_up("sev_guest\n", answer_snp);
	fake.no_aux = true;
	CU_ASSERT_EQUAL(make(source), -ENOKEY);
	source.certificates_len += to_pem(&snp.ask, pem + source.certificates_len,
					  sizeof(pem) - source.certificates_len);
	set_up("sev_guest\n", answer_snp);
	fake.no_aux = true;
	CU_ASSERT_EQUAL_FATAL(make(source), 0);
	CU_ASSERT_TRUE(verify_snp());
	set_up("sev_guest\n", answer_snp);
	fake.no_aux = true;
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -ENOKEY);
}

static void tdx_quote_is_taken_without_what_trails_it(void)
{
	struct bundle bundle;
	struct tdx_quote quote;

	tdx.n_trailing = 100;
	set_up("tdx_guest\n", answer_tdx);
	CU_ASSERT_EQUAL_FATAL(make((struct tsm_source){ 0 }), 0);
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	CU_ASSERT_EQUAL(bundle.kind, BUNDLE_TDX);
	CU_ASSERT_EQUAL(bundle.items[BUNDLE_TDX_QUOTE].len, fake.out_len - 100);
	CU_ASSERT_EQUAL_FATAL(tdx_quote_parse(bundle.items[BUNDLE_TDX_QUOTE].data, bundle.items[BUNDLE_TDX_QUOTE].len,
					      &quote), 0);
	CU_ASSERT_EQUAL(memcmp(quote.report.report_data, digest, sizeof(digest)), 0);
	tdx.n_trailing = 0;
}

static void somebody_else_in_the_request_is_noticed(void)
{
	static const char *const after[] = { "4\n", "6\n", "" , "x\n" };
	static const int errors[] = { -EAGAIN, -EAGAIN, -EBADMSG, -EBADMSG };

	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		set_up("sev_guest\n", answer_snp);
		fake.generation_after = after[i];
		CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), errors[i]);
		CU_ASSERT_EQUAL(fake.n_removed, 1);
	}
	set_up("sev_guest\n", answer_snp);
	fake.generation_before = "4x\n";
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
}

static void answer_short(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	answer_snp(inblob);
	fake.out_len--;
}

static void answer_bad_table(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	answer_snp(inblob);
	put_u32(fake.aux + 24 + 20, 100000);	/* the ASK's length */
}

static void answer_no_ask(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	answer_snp(inblob);
	fake.aux[24] ^= 1;
}

static void answer_endless_table(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	answer_snp(inblob);
	fake.aux_len = 3 * 24;
	for (size_t i = 0; i < 3; i++) {
		put_u32(fake.aux + 24 * i + 16, 0);
		put_u32(fake.aux + 24 * i + 20, 1);
	}
}

static void what_is_no_report_is_refused(void)
{
	set_up("sev_guest\n", answer_short);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
	set_up("sev_guest\n", answer_bad_table);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
	set_up("sev_guest\n", answer_endless_table);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
	set_up("sev_guest\n", answer_no_ask);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -ENOKEY);
	set_up("tdx_guest\n", answer_short);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
	set_up("arm_cca_guest\n", answer_snp);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -ENOTSUP);
}

static void no_such_interface_is_said(void)
{
	struct tsm_source source = { .root = "/tmp/gmem-test-no-such-folder" };

	set_up("sev_guest\n", answer_snp);
	len = sizeof(evidence);
	CU_ASSERT_EQUAL(tsm_make(&source, digest, evidence, &len), -ENOENT);
	CU_ASSERT_EQUAL(fake.n_made, 0);
}

int main(void)
{
	static const struct check checks[] = {
		{ "SNP report of the host's certificates is believed",
		snp_report_of_the_hosts_certificates_is_believed },
		{ "SNP report with certificates from a file", snp_report_with_certificates_from_a_file },
		{ "TDX quote is taken without what trails it", tdx_quote_is_taken_without_what_trails_it },
		{ "somebody else in the request is noticed", somebody_else_in_the_request_is_noticed },
		{ "what is no report is refused", what_is_no_report_is_refused },
		{ "no such interface is said", no_such_interface_is_said },
		{ NULL, NULL },
	};
	int ret;

	if (!mkdtemp(root) || !attest_init())
		return EXIT_FAILURE;
	snpgen_init(&snp, SNP_MILAN, false, 3);
	tdxgen_init(&tdx);
	ret = check_main("tsm", checks);
	tdxgen_fini(&tdx);
	__real_rmdir(root);
	return ret;
}
