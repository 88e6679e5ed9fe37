/* SPDX-License-Identifier: MIT */
/*
 * gmem-policy.schema.json and the parser: the same entries, the same defaults,
 * and the same verdict on every entry with every kind of value.
 */
#include "check.h"

#include <unistd.h>

#include <attest/policy.h>

#include "schema.h"

#define H16 "11111111111111111111111111111111"
#define H32 H16 H16
#define H48 H32 H16
#define H64 H32 H32
#define TEXT_MAX 16384u

static struct json_object *schema;

/* For each section what it needs; the entry that is tried is left out of it. */
static const struct {
	const char *section, *entries[12];
} needs[] = {
	{ "pinned", { "keys=\"" H32 "\";" } },
	{ "software", { "keys=\"" H32 "\";" } },
	{ "snp", { "any_measurement=true;", "floor:{milan:{boot_loader=1;tee=1;snp=1;microcode=1;};};" } },
	{ "tdx", { "mrtd=\"any\";", "rtmr0=\"any\";", "rtmr1=\"any\";", "rtmr2=\"any\";", "rtmr3=\"any\";",
		   "mrseam=\"any\";" } },
	{ "tpm", { "keys=\"" H32 "\";", "any_file=true;", "pcr0=\"any\";", "pcr1=\"any\";", "pcr2=\"any\";",
		   "pcr3=\"any\";", "pcr4=\"any\";", "pcr5=\"any\";", "pcr6=\"any\";", "pcr7=\"any\";", "pcr8=\"any\";",
		   "pcr9=\"any\";" } },
};
#define N_SECTIONS (sizeof(needs) / sizeof(needs[0]))

static const char *const values[] = {
	"true", "false", "0", "1", "2", "3", "4", "5", "6", "255", "256", "2147483647", "-1", "1.5", "\"\"",
	"\"any\"", "\"clear\"", "\"set\"", "\"Any\"", "\"0x\"", "\"0x0\"", "\"0x5\"", "\"0x0000000000000005\"",
	"\"0x00000000000000005\"", "\"0x6\"", "\"0xfF\"", "\"0x100\"", "\"0xffffffff\"", "\"0x100000000\"",
	"\"0xffffffffffffffff\"", "\"0X5\"", "\"5\"", "\"1.2\"", "\"1.2.3\"", "\"1.2.255\"", "\"01.002.3\"",
	"\"1.2.256\"", "\"1.0002.3\"", "\"1..3\"", "\"1.2.3.4\"", "\"1.2.\"", "\"256.2\"", "\"256.2.3\"",
	"\"1.256\"", "\"1.256.3\"", "\"" H16 "1234567890123456789012345678901\"", "\"UpToDate\"", "\"OutOfDate\"",
	"\"Revoked\"", "\"provider\"", "\"" H16 "\"", "\"" H32 "\"", "\"" H48 "\"", "\"" H64 "\"", "\"" H64 "1\"",
	"\"0" H32 "\"", "\"x" H32 "\"", "[ ]", "( )", "[ 0 ]", "[ 4, 5 ]", "[ 3 ]", "[ 0, 4 ]", "( 4, \"0x5\" )",
	"[ \"any\" ]", "[ \"UpToDate\", \"SWHardeningNeeded\" ]", "( \"UpToDate\", 1 )", "[ \"" H16 "\" ]",
	"[ \"" H32 "\" ]", "[ \"" H48 "\", \"" H48 "\" ]", "( \"" H32 "\", \"" H32 "\" )", "( ( \"" H32 "\" ) )",
	"( { } )", "{ }", "{ tee = 1; }", "[ \"1.2.3\" ]", "[ true ]",
};
static const unsigned int list_lengths[] = { 8, 9, 16, 17, 128, 129 };

static bool by_schema(const char *text)
{
	config_t config;
	bool fits;

	config_init(&config);
	fits = config_read_string(&config, text) && schema_fits(schema, schema, config_root_setting(&config));
	config_destroy(&config);
	return fits;
}

static bool by_parser(const char *text, char error[ATTEST_POLICY_ERROR_LEN])
{
	struct attest_policy policy;
	bool taken = !policy_load(text, strlen(text), &policy, error);

	if (taken)
		policy_fini(&policy);
	return taken;
}

/* "snp.floor.turin.fmc" = @value, beside what its section needs otherwise. */
static void compose(const char *name, const char *value, char text[TEXT_MAX])
{
	const char *last = strrchr(name, '.') + 1, *entry = strchr(name, '.') + 1;
	size_t section = 0, n;
	int depth = 0;

	while (strncmp(needs[section].section, name, strlen(needs[section].section)))
		section++;
	n = (size_t)snprintf(text, TEXT_MAX, "%s:{", needs[section].section);
	for (size_t i = 0; i < 12 && needs[section].entries[i]; i++)
		if (strncmp(needs[section].entries[i], entry, strcspn(entry, ".")) ||
		    strcspn(entry, ".") != strcspn(needs[section].entries[i], "=:"))
			n += (size_t)snprintf(text + n, TEXT_MAX - n, "%s", needs[section].entries[i]);
	for (; entry < last; entry = strchr(entry, '.') + 1, depth++)
		n += (size_t)snprintf(text + n, TEXT_MAX - n, "%.*s:{", (int)strcspn(entry, "."), entry);
	for (size_t i = 0; depth && i < 5; i++) {
		static const char *const parts[] = { "boot_loader", "tee", "snp", "microcode", "fmc" };

		if (strcmp(parts[i], last) && (i < 4 || strstr(name, "turin")))
			n += (size_t)snprintf(text + n, TEXT_MAX - n, "%s=1;", parts[i]);
	}
	n += (size_t)snprintf(text + n, TEXT_MAX - n, "%s=%s;", last, value);
	for (; depth >= 0; depth--)
		n += (size_t)snprintf(text + n, TEXT_MAX - n, "};");
}

static bool agree(const char *text, const char *name)
{
	char error[ATTEST_POLICY_ERROR_LEN] = "";
	bool schema_says = by_schema(text), parser_says = by_parser(text, error);

	/* Whether a PEM string is a certificate is beyond a schema. */
	if (schema_says == parser_says || (!strcmp(name, "tpm.ca") && schema_says))
		return true;
	fprintf(stderr, "\n%.300s\nschema %d, parser %d: %s\n", text, schema_says, parser_says, error);
	return false;
}

static void every_value_of_every_entry_gets_one_verdict(void)
{
	static char text[TEXT_MAX], list[TEXT_MAX];
	const char *name;
	size_t taken = 0;
	bool ok = true;

	for (size_t i = 0; ok && (name = policy_entry_name(i)); i++) {
		char error[ATTEST_POLICY_ERROR_LEN];

		for (size_t v = 0; ok && v < sizeof(values) / sizeof(values[0]); v++) {
			compose(name, values[v], text);
			ok = agree(text, name);
			taken += by_parser(text, error);
		}
		for (size_t l = 0; ok && l < 2 * sizeof(list_lengths) / sizeof(list_lengths[0]); l++) {
			size_t n = (size_t)snprintf(list, sizeof(list), "[ ");

			for (unsigned int k = 0; k < list_lengths[l / 2]; k++)
				n += (size_t)snprintf(list + n, sizeof(list) - n, "%s\"%s\"", k ? ", " : "",
						      l % 2 ? H48 : H32);
			snprintf(list + n, sizeof(list) - n, " ]");
			compose(name, list, text);
			ok = agree(text, name);
		}
	}
	CU_ASSERT_TRUE(ok);
	CU_ASSERT_TRUE(taken > 300);	/* both verdicts come out */
}

static void every_section_needs_the_same(void)
{
	static const char *const more[] = {
		"", "snp:{};", "software:{};", "software:{allow=true;};", "software:{allow=false;};", "pinned:{};", "x:{};",
		"x=1;", "snp=1;", "tdx:{};", "tpm:{};", "snp:{any_measurement=false;floor:{milan:{boot_loader=1;tee=1;"
		"snp=1;microcode=1;};};};", "snp:{any_measurement=true;floor:{};};",
		"snp:{any_measurement=true;floor:{milan:{};};};", "snp:{any_measurement=true;floor:{rome:{};};};",
		"snp:{any_measurement=true;floor:{milan:{};turin:{boot_loader=1;tee=1;snp=1;microcode=1;fmc=1;};};};",
	};
	static char text[TEXT_MAX];
	bool ok = true;

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		ok = agree(more[i], "") && ok;
	for (size_t s = 0; s < N_SECTIONS; s++)
		for (size_t without = 0; without <= 12; without++) {
			size_t n = (size_t)snprintf(text, sizeof(text), "%s:{", needs[s].section);

			for (size_t i = 0; i < 12 && needs[s].entries[i]; i++)
				if (i != without)
					n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", needs[s].entries[i]);
			snprintf(text + n, sizeof(text) - n, "};");
			ok = agree(text, "") && ok;
		}
	CU_ASSERT_TRUE(ok);
}

/* Leaves below @object, each an entry of the parser's. */
static size_t count_leaves(struct json_object *object, const char *prefix)
{
	struct json_object *properties = NULL;
	size_t n = 0;

	if (!json_object_object_get_ex(object, "properties", &properties)) {
		for (size_t i = 0; policy_entry_name(i); i++)
			if (!strcmp(policy_entry_name(i), prefix))
				return 1;
		fprintf(stderr, "\n%s is in the schema only ", prefix);
		CU_FAIL("unknown entry");
		return 0;
	}
	json_object_object_foreach(properties, name, member) {
		char path[128];

		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", name);
		n += count_leaves(member, path);
	}
	return n;
}

static void both_have_the_same_entries(void)
{
	size_t n = 0;

	while (policy_entry_name(n))
		n++;
	CU_ASSERT_EQUAL(count_leaves(schema, ""), n);
}

static struct json_object *find(const char *name)
{
	struct json_object *at = schema;
	char part[64];

	while (at && *name) {
		struct json_object *properties = NULL, *next = NULL;

		snprintf(part, sizeof(part), "%.*s", (int)strcspn(name, "."), name);
		if (json_object_object_get_ex(at, "properties", &properties))
			json_object_object_get_ex(properties, part, &next);
		at = next;
		name += strlen(part) + (name[strlen(part)] == '.');
	}
	return at;
}

/* Saying a default aloud changes nothing. */
static void defaults_are_the_parsers(void)
{
	static struct attest_policy said, unsaid;
	static char text[TEXT_MAX];
	char error[ATTEST_POLICY_ERROR_LEN];
	const char *name;
	size_t n = 0;

	CHECK_LOOP_BEGIN();
	for (size_t i = 0; (name = policy_entry_name(i)); i++) {
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(find(name), "default", &value) || !strncmp(name, "software.", 9) ||
		    !strcmp(name, "snp.any_measurement") || !strcmp(name, "tpm.any_file"))
			continue;	/* those are switched on in what their sections need */
		compose(name, json_object_to_json_string(value), text);
		CHECK_LOOP(!policy_load(text, strlen(text), &said, error), "%s: %s", name, error);
		compose(strncmp(name, "snp", 3) ? strncmp(name, "tdx", 3) ? "tpm.keys" : "tdx.mrtd" : "snp.vlek",
			strncmp(name, "snp", 3) ? strncmp(name, "tdx", 3) ? "\"" H32 "\"" : "\"any\"" : "false", text);
		CHECK_LOOP(!policy_load(text, strlen(text), &unsaid, error), "%s: %s", name, error);
		CHECK_LOOP(!memcmp(&said, &unsaid, sizeof(said)), "%s has another default", name);
		policy_fini(&said);
		policy_fini(&unsaid);
		n++;
	}
	CHECK_LOOP_END();
	CU_ASSERT_TRUE(n > 30);
}

int main(int argc, char **argv)
{
	static const struct check checks[] = {
		{ "both have the same entries", both_have_the_same_entries },
		{ "every value of every entry gets one verdict", every_value_of_every_entry_gets_one_verdict },
		{ "every section needs the same", every_section_needs_the_same },
		{ "defaults are the parser's", defaults_are_the_parsers },
		{ NULL, NULL },
	};
	int ret;

	schema = json_object_from_file(argc > 1 ? argv[1] : "");
	if (!schema) {
		fprintf(stderr, "usage: %s SCHEMA\n", argv[0]);
		return EXIT_FAILURE;
	}
	ret = check_main("policy schema", checks);
	json_object_put(schema);
	return ret;
}
