// SPDX-License-Identifier: MIT
/* report: see report.h.  No library is used here. */
#include "report.h"

#include <errno.h>

#include "../parse.h"

#define AUTHOR_KEY_ENABLED 1u
#define MASK_CHIP_KEY 2u
#define SIGNING_KEY_SHIFT 2
#define SIGNING_KEY_MASK 7u
#define FLAGS_KNOWN 0x1fu

struct reading {
	struct parse_reader reader;
	const char *why;	/* the first field that is wrong, NULL so far */
};

static void wrong(struct reading *reading, const char *why)
{
	if (!reading->why)
		reading->why = why;
}

static void take_zeros(struct reading *reading, size_t len, const char *why)
{
	const uint8_t *bytes = parse_take(&reading->reader, len);

	for (size_t i = 0; bytes && i < len; i++)
		if (bytes[i])
			wrong(reading, why);
}

static void take_policy(struct reading *reading, struct snp_report *report)
{
	report->policy = parse_u64(&reading->reader);
	if (report->policy & ~SNP_POLICY_KNOWN)
		wrong(reading, "reserved bits of the guest policy are set");
	if (!(report->policy >> SNP_POLICY_ONE & 1))
		wrong(reading, "the guest policy's bit 17, which is always 1, is 0");
}

static void take_flags(struct reading *reading, struct snp_report *report)
{
	uint32_t flags = parse_u32(&reading->reader);

	report->author_key_enabled = flags & AUTHOR_KEY_ENABLED;
	report->mask_chip_key = flags & MASK_CHIP_KEY;
	report->signing_key = (uint8_t)(flags >> SIGNING_KEY_SHIFT & SIGNING_KEY_MASK);
	if (flags & ~FLAGS_KNOWN)
		wrong(reading, "reserved bits beside the signing key are set");
	take_zeros(reading, 4, "the bytes from 0x4c are not zero");
}

static void take_guest(struct reading *reading, struct snp_report *report)
{
	struct parse_reader *reader = &reading->reader;

	report->version = parse_u32(reader);
	report->guest_svn = parse_u32(reader);
	take_policy(reading, report);
	parse_bytes(reader, report->family_id, sizeof(report->family_id));
	parse_bytes(reader, report->image_id, sizeof(report->image_id));
	report->vmpl = parse_u32(reader);
	report->signature_algorithm = parse_u32(reader);
	report->current_tcb = parse_u64(reader);
	report->platform_info = parse_u64(reader);
	if (report->platform_info & ~SNP_PLATFORM_KNOWN)
		wrong(reading, "reserved bits of the platform information are set");
	take_flags(reading, report);
	parse_bytes(reader, report->report_data, sizeof(report->report_data));
	parse_bytes(reader, report->measurement, sizeof(report->measurement));
	parse_bytes(reader, report->host_data, sizeof(report->host_data));
	parse_bytes(reader, report->id_key_digest, sizeof(report->id_key_digest));
	parse_bytes(reader, report->author_key_digest, sizeof(report->author_key_digest));
	parse_bytes(reader, report->report_id, sizeof(report->report_id));
	parse_bytes(reader, report->report_id_ma, sizeof(report->report_id_ma));
}

static void take_cpuid(struct reading *reading, struct snp_report *report)
{
	report->has_cpuid = report->version >= 3;
	if (report->has_cpuid) {
		report->cpuid_family = parse_u8(&reading->reader);
		report->cpuid_model = parse_u8(&reading->reader);
		report->cpuid_stepping = parse_u8(&reading->reader);
		take_zeros(reading, 21, "the bytes from 0x18b are not zero");
	} else {
		take_zeros(reading, 24, "the bytes from 0x188 are not zero");
	}
}

static void take_abi(struct reading *reading, struct snp_abi *abi, const char *why)
{
	abi->build = parse_u8(&reading->reader);
	abi->minor = parse_u8(&reading->reader);
	abi->major = parse_u8(&reading->reader);
	take_zeros(reading, 1, why);
}

static void take_platform(struct reading *reading, struct snp_report *report)
{
	struct parse_reader *reader = &reading->reader;

	report->reported_tcb = parse_u64(reader);
	take_cpuid(reading, report);
	parse_bytes(reader, report->chip_id, sizeof(report->chip_id));
	report->committed_tcb = parse_u64(reader);
	take_abi(reading, &report->current, "the byte at 0x1eb is not zero");
	take_abi(reading, &report->committed, "the byte at 0x1ef is not zero");
	report->launch_tcb = parse_u64(reader);
	report->has_mitigations = report->version >= 5;
	if (report->has_mitigations) {
		report->launch_mitigations = parse_u64(reader);
		report->current_mitigations = parse_u64(reader);
		take_zeros(reading, 152, "the bytes from 0x208 are not zero");
	} else {
		take_zeros(reading, 168, "the bytes from 0x1f8 are not zero");
	}
}

static void take_signature(struct reading *reading, struct snp_report *report)
{
	parse_bytes(&reading->reader, report->r, sizeof(report->r));
	parse_bytes(&reading->reader, report->s, sizeof(report->s));
	take_zeros(reading, 368, "the bytes after the signature are not zero");
}

uint32_t snp_report_version(const uint8_t *bytes, size_t len)
{
	struct parse_reader reader;

	parse_reader_init(&reader, bytes, len);
	return parse_u32(&reader);
}

/* Version 6 has fields that nothing here would judge, and nobody has shown a 4. */
bool snp_report_version_known(uint32_t version)
{
	return version == 2 || version == 3 || version == 5;
}

int snp_report_parse(const uint8_t *bytes, size_t len, struct snp_report *ret_report, const char **ret_why)
{
	struct snp_report report = { 0 };
	struct reading reading = { 0 };

	if (len != SNP_REPORT_LEN) {
		*ret_why = "it does not have the length of a report, 1184 bytes";
		return -EBADMSG;
	}
	if (!snp_report_version_known(snp_report_version(bytes, len))) {
		*ret_why = "its version is not known here";
		return -ENOTSUP;
	}
	parse_reader_init(&reading.reader, bytes, len);
	take_guest(&reading, &report);
	take_platform(&reading, &report);
	take_signature(&reading, &report);
	if (!parse_end(&reading.reader))
		wrong(&reading, "it does not have the length of a report, 1184 bytes");
	if (reading.why) {
		*ret_why = reading.why;
		return -EBADMSG;
	}
	*ret_report = report;
	return 0;
}
