/* SPDX-License-Identifier: MIT */
/* policy_set: from one entry's value to a field of struct attest_policy. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "policy_int.h"
#include "tdx/status.h"

static void *field(struct policy_target *target, size_t offset)
{
	return (uint8_t *)target->policy + offset;
}

int policy_set_bool(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
		return policy_complain(target, setting, "%s: true or false is needed", entry->name);
	*(bool *)field(target, entry->offset) = config_setting_get_bool(setting) != 0;
	return 0;
}

static bool get_number(const config_setting_t *setting, uint64_t *ret_number)
{
	const char *text;
	long long number;
	char *end;

	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		number = config_setting_get_int64(setting);
		*ret_number = (uint64_t)number;
		return number >= 0;
	case CONFIG_TYPE_STRING:
		text = config_setting_get_string(setting);
		if (strncmp(text, "0x", 2) != 0 || strlen(text) < 3 || strlen(text) > 18 ||
		    strspn(text + 2, "0123456789abcdefABCDEF") != strlen(text + 2))
			return false;
		*ret_number = strtoull(text, &end, 16);
		return *end == '\0';
	default:
		return false;
	}
}

int policy_set_number(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	uint64_t number;

	if (!get_number(setting, &number) || number > entry->max)
		return policy_complain(target, setting,
				       "%s: a number from 0 to %llu is needed; above 2147483647 as \"0x...\"",
				       entry->name, (unsigned long long)entry->max);
	switch (entry->size) {
	case 1:
		*(uint8_t *)field(target, entry->offset) = (uint8_t)number;
		break;
	case 4:
		*(uint32_t *)field(target, entry->offset) = (uint32_t)number;
		break;
	default:
		*(uint64_t *)field(target, entry->offset) = number;
	}
	return 0;
}

/* A value, or a list or array of them: how many, and which. */
static int n_values(const config_setting_t *setting)
{
	return config_setting_is_list(setting) || config_setting_is_array(setting) ? config_setting_length(setting) : 1;
}

static const config_setting_t *value_at(const config_setting_t *setting, int index)
{
	if (!config_setting_is_list(setting) && !config_setting_is_array(setting))
		return setting;
	return config_setting_get_elem(setting, (unsigned int)index);
}

static const char *text_at(const config_setting_t *setting, int index)
{
	const config_setting_t *value = value_at(setting, index);

	return config_setting_type(value) == CONFIG_TYPE_STRING ? config_setting_get_string(value) : NULL;
}

/* Of an entry that takes one string and no list. */
static const char *only_text(const config_setting_t *setting)
{
	return config_setting_type(setting) == CONFIG_TYPE_STRING ? config_setting_get_string(setting) : NULL;
}

static bool get_hex(const char *text, size_t size, uint8_t *ret_bytes)
{
	size_t len = 0;

	return text && strlen(text) == 2 * size &&
	       !sodium_hex2bin(ret_bytes, size, text, 2 * size, NULL, &len, NULL) && len == size;
}

static int set_hexes(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting,
		     size_t size, size_t max, uint8_t *ret_values, size_t *ret_n)
{
	int n = n_values(setting);

	if (n < 1 || (size_t)n > max)
		return policy_complain(target, setting, "%s: 1 to %zu values are needed", entry->name, max);
	for (int i = 0; i < n; i++)
		if (!get_hex(text_at(setting, i), size, ret_values + (size_t)i * size))
			return policy_complain(target, value_at(setting, i),
					       "%s: %zu hex digits in a string are needed",
					       entry->name, 2 * size);
	*ret_n = (size_t)n;
	return 0;
}

int policy_set_hexes(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	return set_hexes(target, entry, setting, entry->size, entry->max, field(target, entry->offset),
			 field(target, entry->n_offset));
}

static int is_any(const config_setting_t *setting)
{
	return config_setting_type(setting) == CONFIG_TYPE_STRING &&
	       strcmp(config_setting_get_string(setting), "any") == 0;
}

int policy_set_tdx(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	struct tdx_expected *expected = field(target, entry->offset);

	memset(expected, 0, sizeof(*expected));
	expected->any = is_any(setting);
	return expected->any ? 0 : set_hexes(target, entry, setting, TDX_MEASUREMENT_LEN, TDX_POLICY_MAX_VALUES,
					     expected->values[0], &expected->n);
}

int policy_set_pcr(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	struct tpm_expected *expected = field(target, entry->offset);

	expected->any = is_any(setting);
	return expected->any ? 0 : set_hexes(target, entry, setting, TPM_HASH_LEN, TPM_MAX_VALUES,
					     expected->values[0], &expected->n);
}

/* Which of @words is it?  -1: none. */
static int word_of(const config_setting_t *setting, const char *const words[], int n)
{
	const char *text = config_setting_type(setting) == CONFIG_TYPE_STRING ? config_setting_get_string(setting) : "";

	for (int i = 0; i < n; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	return -1;
}

static int get_want(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	static const char *const words[] = { "any", "clear", "set" };
	int word = word_of(setting, words, 3);

	return word < 0 ? policy_complain(target, setting, "%s: \"clear\", \"set\" or \"any\" is needed",
					  entry->name) : word;
}

int policy_set_want(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	static const enum snp_want wants[] = { SNP_ANY, SNP_CLEAR, SNP_SET };
	int word = get_want(target, entry, setting);

	if (word < 0)
		return word;
	*(enum snp_want *)field(target, entry->offset) = wants[word];
	return 0;
}

int policy_set_bit(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	static const enum tdx_bit bits[] = { TDX_BIT_ANY, TDX_BIT_CLEAR, TDX_BIT_SET };
	int word = get_want(target, entry, setting);

	if (word < 0)
		return word;
	*(enum tdx_bit *)field(target, entry->offset) = bits[word];
	return 0;
}

int policy_set_mask(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	uint32_t mask = 0;
	uint64_t number;

	for (int i = 0; i < n_values(setting); i++) {
		if (!get_number(value_at(setting, i), &number) || number > entry->max)
			return policy_complain(target, setting, "%s: numbers from 0 to %llu are needed", entry->name,
					       (unsigned long long)entry->max);
		mask |= 1u << number;
	}
	*(uint32_t *)field(target, entry->offset) = mask;
	return 0;
}

int policy_set_statuses(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	enum tdx_status status;
	uint32_t mask = 0;

	for (int i = 0; i < n_values(setting); i++) {
		const char *text = text_at(setting, i);

		if (!text || tdx_status_parse(text, &status) || status == TDX_REVOKED)
			return policy_complain(target, setting, "%s: names of TCB statuses but Revoked are needed",
					       entry->name);
		mask |= TDX_STATUS_BIT(status);
	}
	*(uint32_t *)field(target, entry->offset) = mask;
	return 0;
}

int policy_set_expected(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	uint8_t bytes[SNP_MAX_EXPECTED_LEN];

	if (!get_hex(only_text(setting), entry->size, bytes))
		return policy_complain(target, setting, "%s: %zu hex digits in a string are needed", entry->name,
				       2 * entry->size);
	snp_policy_expect(field(target, entry->offset), bytes, entry->size);
	return 0;
}

int policy_set_csp(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	const char *text = only_text(setting);

	if (!text || !*text || strlen(text) >= entry->size)
		return policy_complain(target, setting, "%s: a string of 1 to %zu characters is needed", entry->name,
				       entry->size - 1);
	snp_policy_expect(field(target, entry->offset), text, strlen(text) + 1);
	return 0;
}

int policy_set_version(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	const char *text = only_text(setting);
	uint8_t parts[3] = { 0 };
	size_t n = 0;

	while (text && n < entry->size && *text >= '0' && *text <= '9') {
		char *end;
		unsigned long part = strtoul(text, &end, 10);

		if (part > UINT8_MAX || end - text > 3)
			break;
		parts[n++] = (uint8_t)part;
		text = end;
		if (n < entry->size && *text == '.')
			text++;
		else
			break;
	}
	if (!text || n != entry->size || *text)
		return policy_complain(target, setting, "%s: %zu numbers up to 255 with dots between them are needed",
				       entry->name, entry->size);
	memcpy(field(target, entry->offset), parts, entry->size);
	return 0;
}

int policy_set_floor(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	struct snp_floors *floors = field(target, entry->offset);
	struct snp_tcb *tcbs[] = { &floors->reported, &floors->committed, &floors->current, &floors->launch };
	uint64_t number;

	if (!get_number(setting, &number) || number > UINT8_MAX)
		return policy_complain(target, setting, "%s: a number from 0 to 255 is needed", entry->name);
	floors->given = true;
	for (size_t i = 0; i < sizeof(tcbs) / sizeof(tcbs[0]); i++)
		*((uint8_t *)tcbs[i] + entry->n_offset) = (uint8_t)number;
	return 0;
}

int policy_set_ca(struct policy_target *target, const struct policy_entry *entry, const config_setting_t *setting)
{
	const char *text = only_text(setting);
	struct x509_cert *certs[1];
	size_t n = 0;

	if (!text || x509_certs_parse_pem(text, strlen(text), 1, certs, &n) || n != 1)
		return policy_complain(target, setting, "%s: one certificate in PEM is needed", entry->name);
	x509_cert_free(target->policy->tpm.ca);
	target->policy->tpm.ca = certs[0];
	return 0;
}
