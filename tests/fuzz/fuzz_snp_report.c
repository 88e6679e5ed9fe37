/* SPDX-License-Identifier: MIT */
/*
 * fuzz_snp_report: SEV-SNP evidence of a peer.
 *
 * Input: u8 mode, bytes.
 *   REPORT    the bytes are a report
 *   EVIDENCE  the bytes are evidence, which a verifier judges
 *   XOR       u8 kind, u16 offset, then bytes that are xored into genuine evidence of that kind
 *
 * What is read must be all there is: written again it gives the same bytes.
 * Genuine evidence is believed, and changed evidence is not.
 */
#include <string.h>

#include <attest/snp/evidence.h>
#include <attest/snp/verify.h>
#include <vectors/snpgen.h>

#include "../../attest/parse.h"
#include "fuzz.h"

enum { MODE_REPORT, MODE_EVIDENCE, MODE_XOR, N_MODES };

static const struct {
	enum snp_product product;
	bool vlek;
	uint32_t version;
} kinds[] = { { SNP_MILAN, false, 2 }, { SNP_GENOA, true, 3 }, { SNP_TURIN, false, 5 } };
#define N_KINDS 3u

static struct kind {
	uint8_t evidence[SNPGEN_EVIDENCE_MAX];
	size_t len;
	struct snp_trust trust;
	struct snp_policy policy;
} made[N_KINDS];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct snpgen gen;

	for (size_t i = 0; i < N_KINDS; i++) {
		snpgen_init(&gen, kinds[i].product, kinds[i].vlek, kinds[i].version);
		made[i].len = snpgen_evidence(&gen, made[i].evidence);
		snpgen_trust(&gen, &made[i].trust);
		snpgen_policy(&gen, &made[i].policy);
	}
	return 0;
}

static void put_zeros(struct parse_writer *writer, size_t len)
{
	uint8_t *room = parse_put(writer, len);

	FUZZ_NEED(room);
	memset(room, 0, len);
}

static void put_abi(struct parse_writer *writer, const struct snp_abi *abi)
{
	parse_put_u8(writer, abi->build);
	parse_put_u8(writer, abi->minor);
	parse_put_u8(writer, abi->major);
	put_zeros(writer, 1);
}

static void write_report(const struct snp_report *report, uint8_t ret_bytes[SNP_REPORT_LEN])
{
	struct parse_writer writer;

	parse_writer_init(&writer, ret_bytes, SNP_REPORT_LEN);
	parse_put_u32(&writer, report->version);
	parse_put_u32(&writer, report->guest_svn);
	parse_put_u64(&writer, report->policy);
	parse_put_bytes(&writer, report->family_id, 16);
	parse_put_bytes(&writer, report->image_id, 16);
	parse_put_u32(&writer, report->vmpl);
	parse_put_u32(&writer, report->signature_algorithm);
	parse_put_u64(&writer, report->current_tcb);
	parse_put_u64(&writer, report->platform_info);
	parse_put_u32(&writer, (uint32_t)(report->author_key_enabled | report->mask_chip_key << 1 | report->signing_key << 2));
	put_zeros(&writer, 4);
	parse_put_bytes(&writer, report->report_data, 64);
	parse_put_bytes(&writer, report->measurement, 48);
	parse_put_bytes(&writer, report->host_data, 32);
	parse_put_bytes(&writer, report->id_key_digest, 48);
	parse_put_bytes(&writer, report->author_key_digest, 48);
	parse_put_bytes(&writer, report->report_id, 32);
	parse_put_bytes(&writer, report->report_id_ma, 32);
	parse_put_u64(&writer, report->reported_tcb);
	parse_put_u8(&writer, report->cpuid_family);
	parse_put_u8(&writer, report->cpuid_model);
	parse_put_u8(&writer, report->cpuid_stepping);
	put_zeros(&writer, 21);
	parse_put_bytes(&writer, report->chip_id, 64);
	parse_put_u64(&writer, report->committed_tcb);
	put_abi(&writer, &report->current);
	put_abi(&writer, &report->committed);
	parse_put_u64(&writer, report->launch_tcb);
	parse_put_u64(&writer, report->launch_mitigations);
	parse_put_u64(&writer, report->current_mitigations);
	put_zeros(&writer, 152);
	parse_put_bytes(&writer, report->r, 72);
	parse_put_bytes(&writer, report->s, 72);
	put_zeros(&writer, 368);
	FUZZ_NEED(!writer.failed && writer.len == SNP_REPORT_LEN);
}

static void try_report(const uint8_t *data, size_t size)
{
	uint8_t again[SNP_REPORT_LEN];
	struct snp_report report;
	const char *why = NULL;

	if (snp_report_parse(data, size, &report, &why)) {
		FUZZ_NEED(why);
		return;
	}
	FUZZ_NEED(size == SNP_REPORT_LEN);
	write_report(&report, again);
	FUZZ_NEED(memcmp(again, data, size) == 0);
}

static void try_evidence(const uint8_t *data, size_t size)
{
	static uint8_t again[65536];
	struct snp_evidence evidence;
	struct verdict verdict;
	size_t len = sizeof(again);
	bool read = snp_evidence_parse(data, size, &evidence) == 0;
	bool written = read && snp_evidence_write(&evidence, again, &len) == 0;

	if (written)
		FUZZ_NEED(len == size && memcmp(again, data, len) == 0);
	for (size_t i = 0; i < N_KINDS; i++) {
		snp_verify(data, size, &made[i].trust, &made[i].policy, snpgen_report_data, SNPGEN_NOW, &verdict);
		FUZZ_NEED((verdict_find(&verdict, "snp.evidence")->outcome == VERDICT_HOLDS) == read);
		if (!read)
			return;
	}
}

static void try_changed(const uint8_t *data, size_t size)
{
	static uint8_t changed[SNPGEN_EVIDENCE_MAX];
	const struct kind *kind = &made[data[0] % N_KINDS];
	size_t offset = (data[1] | (size_t)data[2] << 8) % kind->len;
	struct verdict verdict;
	bool believed;

	memcpy(changed, kind->evidence, kind->len);
	for (size_t i = 3; i < size; i++)
		changed[(offset + i - 3) % kind->len] ^= data[i];
	believed = snp_verify(changed, kind->len, &kind->trust, &kind->policy, snpgen_report_data, SNPGEN_NOW, &verdict);
	FUZZ_NEED(believed == (memcmp(changed, kind->evidence, kind->len) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	switch (data[0] % N_MODES) {
	case MODE_REPORT:
		try_report(data + 1, size - 1);
		break;
	case MODE_EVIDENCE:
		try_evidence(data + 1, size - 1);
		break;
	case MODE_XOR:
		try_changed(data + 1, size - 1);
		break;
	}
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	/* Places in the evidence: report version, policy, chip id, signature, certificate count and lengths, names. */
	static const uint16_t offsets[] = { 2, 10, 0x1a2, 0x2a2, 0x2e0, 0x332, 1186, 1187, 1189, 1260, 2000, 3000 };
	uint8_t bytes[1 + SNPGEN_EVIDENCE_MAX];
	char name[32];

	for (size_t i = 0; i < N_KINDS; i++) {
		bytes[0] = MODE_REPORT;
		memcpy(bytes + 1, made[i].evidence + 2, SNP_REPORT_LEN);
		snprintf(name, sizeof(name), "report-%zu", i);
		emit(name, bytes, 1 + SNP_REPORT_LEN);
		bytes[0] = MODE_EVIDENCE;
		memcpy(bytes + 1, made[i].evidence, made[i].len);
		snprintf(name, sizeof(name), "evidence-%zu", i);
		emit(name, bytes, 1 + made[i].len);
		for (size_t j = 0; j < sizeof(offsets) / sizeof(offsets[0]); j++) {
			const uint8_t flip[] = { MODE_XOR, (uint8_t)i, (uint8_t)offsets[j], (uint8_t)(offsets[j] >> 8), 1 };

			snprintf(name, sizeof(name), "xor-%zu-%u", i, offsets[j]);
			emit(name, flip, sizeof(flip));
		}
	}
	emit("xor-nothing", (const uint8_t[]){ MODE_XOR, 0, 0, 0, 0 }, 5);
}
