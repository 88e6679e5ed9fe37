/* SPDX-License-Identifier: MIT */
/* policy: see policy.h.  libconfig reads the syntax; which entries there are is policy_table.c's. */
#include "policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "policy_int.h"

#define NAME_MAX_LEN 64u
#define TOO_LONG "longer than %u bytes; a policy is one short file, name the right one"

int policy_complain(struct policy_target *target, const config_setting_t *setting, const char *format, ...)
{
	unsigned int line = setting ? config_setting_source_line(setting) : 0;
	va_list args;
	int n = 0;

	if (line)
		n = snprintf(target->error, ATTEST_POLICY_ERROR_LEN, "line %u: ", line);
	va_start(args, format);
	vsnprintf(target->error + n, ATTEST_POLICY_ERROR_LEN - (size_t)n, format, args);
	va_end(args);
	return -EINVAL;
}

const char *policy_entry_name(size_t index)
{
	for (size_t i = 0; policy_entries[i].name; i++)
		if (i == index)
			return policy_entries[i].name;
	return NULL;
}

void policy_init(struct attest_policy *policy)
{
	memset(policy, 0, sizeof(*policy));
	snp_policy_init(&policy->snp);
	tdx_policy_init(&policy->tdx);
}

void policy_fini(struct attest_policy *policy)
{
	x509_cert_free(policy->tpm.ca);
	memset(policy, 0, sizeof(*policy));
}

static const struct policy_entry *find_entry(const char *name)
{
	for (const struct policy_entry *entry = policy_entries; entry->name; entry++)
		if (strcmp(entry->name, name) == 0)
			return entry;
	return NULL;
}

/* Is there an entry below it? */
static bool is_group_name(const char *name)
{
	size_t len = strlen(name);

	for (const struct policy_entry *entry = policy_entries; entry->name; entry++)
		if (strncmp(entry->name, name, len) == 0 && entry->name[len] == '.')
			return true;
	return false;
}

/* Every entry below @group, whose name is @prefix ("" for the file). */
static int walk(struct policy_target *target, const config_setting_t *group, const char *prefix)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned int)i);
		const struct policy_entry *entry;
		char name[NAME_MAX_LEN];
		int n, ret;

		n = snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", config_setting_name(setting));
		entry = n > 0 && (size_t)n < sizeof(name) ? find_entry(name) : NULL;
		if (entry)
			ret = entry->set(target, entry, setting);
		else if (n > 0 && (size_t)n < sizeof(name) && is_group_name(name) && config_setting_is_group(setting))
			ret = walk(target, setting, name);
		else
			ret = policy_complain(target, setting, "%.60s: no such entry", name);
		if (ret)
			return ret;
	}
	return 0;
}

/* Sections: the bit that each one sets. */
static const struct {
	const char *name;
	uint32_t bit;
} sections[] = {
	{ "pinned", ATTEST_POLICY_PINNED }, { "software", 1u << BUNDLE_SOFTWARE }, { "snp", 1u << BUNDLE_SNP },
	{ "tdx", 1u << BUNDLE_TDX }, { "tpm", 1u << BUNDLE_TPM },
};

static int check_floors(struct policy_target *target, const config_t *config, const config_setting_t *section)
{
	static const char *const products[SNP_N_PRODUCTS] = { "milan", "genoa", "turin" };
	static const char *const parts[] = { "boot_loader", "tee", "snp", "microcode", "fmc" };
	bool any = false;
	char name[NAME_MAX_LEN];

	for (unsigned int product = 0; product < SNP_N_PRODUCTS; product++) {
		snprintf(name, sizeof(name), "snp.floor.%s", products[product]);
		if (!config_lookup(config, name))
			continue;
		any = true;
		for (unsigned int part = 0; part < (product == SNP_TURIN ? 5u : 4u); part++) {
			snprintf(name, sizeof(name), "snp.floor.%s.%s", products[product], parts[part]);
			if (!config_lookup(config, name))
				return policy_complain(target, section, "%s is missing", name);
		}
	}
	return any ? 0 : policy_complain(target, section,
					 "snp: a floor of at least one product is needed: floor.milan, "
					 "floor.genoa or floor.turin");
}

static int check_snp(struct policy_target *target, const config_t *config, const config_setting_t *section)
{
	const struct snp_policy *snp = &target->policy->snp;

	if (!snp->n_measurements && !snp->any_measurement)
		return policy_complain(target, section, "snp: measurements are needed, or any_measurement = true");
	if (!snp->vmpls)
		return policy_complain(target, section, "snp.vmpls: at least one is needed");
	return check_floors(target, config, section);
}

static int check_tdx(struct policy_target *target, const config_setting_t *section)
{
	const struct tdx_policy *tdx = &target->policy->tdx;
	const struct tdx_expected *needed[] = { &tdx->mrtd, &tdx->rtmr[0], &tdx->rtmr[1], &tdx->rtmr[2], &tdx->rtmr[3],
						&tdx->mrseam };
	static const char *const names[] = { "mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam" };

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!needed[i]->any && !needed[i]->n)
			return policy_complain(target, section, "tdx.%s is needed: values, or \"any\"", names[i]);
	if (tdx->versions & ~(1u << 4 | 1u << 5) || !tdx->versions)
		return policy_complain(target, section, "tdx.versions: 4 and 5 are known");
	if (!tdx->statuses || !tdx->qe_statuses)
		return policy_complain(target, section, "tdx.statuses and tdx.qe_statuses may not be empty");
	return 0;
}

static int check_tpm(struct policy_target *target, const config_setting_t *section)
{
	const struct tpm_policy *tpm = &target->policy->tpm;

	if (!tpm->n_keys && !tpm->ca)
		return policy_complain(target, section, "tpm: keys or ca is needed");
	for (unsigned int pcr = 0; pcr < TPM_IMA_PCR; pcr++)
		if (!tpm->pcrs[pcr].any && !tpm->pcrs[pcr].n)
			return policy_complain(target, section, "tpm.pcr%u is needed: values, or \"any\"", pcr);
	if (!tpm->n_files && !tpm->any_file)
		return policy_complain(target, section, "tpm: files are needed, or any_file = true");
	return 0;
}

/* Does the section say enough to be meant? */
static int check_section(struct policy_target *target, const config_t *config, const config_setting_t *section,
			 uint32_t bit)
{
	switch (bit) {
	case ATTEST_POLICY_PINNED:
		return target->policy->pinned.n_keys ? 0 :
		       policy_complain(target, section, "pinned: keys are needed");
	case 1u << BUNDLE_SOFTWARE:
		return target->policy->software.n_keys || !target->policy->software.allow ? 0 :
		       policy_complain(target, section, "software: keys are needed");
	case 1u << BUNDLE_SNP:
		return check_snp(target, config, section);
	case 1u << BUNDLE_TDX:
		return check_tdx(target, section);
	default:
		return check_tpm(target, section);
	}
}

static int read_config(struct policy_target *target, const config_t *config)
{
	int ret;

	ret = walk(target, config_root_setting(config), "");
	for (size_t i = 0; !ret && i < sizeof(sections) / sizeof(sections[0]); i++) {
		const config_setting_t *section = config_lookup(config, sections[i].name);

		if (!section)
			continue;
		target->policy->kinds |= sections[i].bit;
		ret = check_section(target, config, section, sections[i].bit);
	}
	if (!ret && !target->policy->kinds)
		ret = policy_complain(target, NULL, "a section is needed: pinned, software, snp, tdx or tpm; "
				      "there is none in it");
	return ret;
}

/* @text ends with its first NUL. */
static int complain_nul(struct policy_target *target, const char *text)
{
	unsigned int line = 1;

	for (const char *at = text; *at; at++)
		line += *at == '\n';
	return policy_complain_line(target, text, line, "a NUL byte is in it; a policy is text, see gmem-policy(5)");
}

int policy_load(const char *text, size_t len, struct attest_policy *ret_policy,
		char ret_error[ATTEST_POLICY_ERROR_LEN])
{
	struct attest_policy policy;
	struct policy_target target = { .policy = &policy, .error = ret_error };
	config_t config;
	char *copy;
	int ret;

	if (len > ATTEST_POLICY_MAX_LEN) {
		policy_complain(&target, NULL, TOO_LONG, ATTEST_POLICY_MAX_LEN);
		return -E2BIG;
	}
	if (memchr(text, '\0', len))
		return complain_nul(&target, text);
	copy = strndup(text, len);
	if (!copy) {
		policy_complain(&target, NULL, "out of memory");
		return -ENOMEM;
	}
	policy_init(&policy);
	config_init(&config);
	ret = policy_check_text(&target, copy);
	if (ret)
		;	/* said */
	else if (config_read_string(&config, copy))
		ret = read_config(&target, &config);
	else
		ret = policy_complain_syntax(&target, copy, (unsigned int)config_error_line(&config),
					     config_error_text(&config));
	config_destroy(&config);
	free(copy);
	if (ret)
		policy_fini(&policy);
	else
		*ret_policy = policy;
	return ret;
}

int policy_load_file(const char *path, struct attest_policy *ret_policy, char ret_error[ATTEST_POLICY_ERROR_LEN])
{
	struct policy_target target = { .error = ret_error };
	uint8_t *bytes;
	size_t len;
	int ret;

	ret = file_read(path, ATTEST_POLICY_MAX_LEN, &bytes, &len);
	if (ret) {
		if (ret == -EFBIG)
			policy_complain(&target, NULL, TOO_LONG, ATTEST_POLICY_MAX_LEN);
		else if (ret == -EISDIR)
			policy_complain(&target, NULL, "a folder; a policy is one file, name that");
		else
			policy_complain(&target, NULL, "cannot be read: %s", strerror(-ret));
		return ret;
	}
	ret = policy_load((const char *)bytes, len, ret_policy, ret_error);
	free(bytes);
	return ret;
}
