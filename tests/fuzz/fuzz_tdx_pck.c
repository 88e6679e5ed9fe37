/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tdx_pck: the SGX extension of a certificate, and DER as such: what is
 * taken as an extension is written to one that says the same, and a walk through
 * any DER stays inside and ends.
 */
#include <string.h>

#include <attest/attest.h>
#include <attest/der.h>
#include <attest/tdx/pck.h>

#include "../vectors/tdxgen.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_NEED(attest_init());
	return 0;
}

/* Deeper than any certificate. */
static void walk(const uint8_t *data, size_t size, unsigned int depth)
{
	struct parse_reader reader;
	struct der_value value;

	parse_reader_init(&reader, data, size);
	while (reader.len > 0 && der_next(&reader, &value)) {
		FUZZ_NEED(value.data >= data && value.data + value.len <= data + size);
		FUZZ_NEED(value.data + value.len == reader.data);
		if (value.tag & 0x20 && depth < 16)
			walk(value.data, value.len, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_pck pck, again;
	uint8_t der[1024];

	walk(data, size, 0);
	memset(&pck, 0, sizeof(pck));
	memset(&again, 0, sizeof(again));
	if (tdx_pck_parse(data, size, &pck) < 0)
		return 0;
	FUZZ_NEED(pck.sgx_type <= 2);
	FUZZ_NEED(tdx_pck_parse(der, tdxgen_extension(&pck, der, sizeof(der)), &again) == 0);
	FUZZ_NEED(memcmp(&pck, &again, sizeof(pck)) == 0);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	struct tdx_pck pck = { .pcesvn = 0x8001, .sgx_type = 2, .has_instance_id = true, .has_configuration = true };
	struct tdxgen gen;
	uint8_t der[1024];
	uint8_t *cert;
	size_t len;

	memset(pck.component_svn, 0x90, sizeof(pck.component_svn));
	emit("high", der, tdxgen_extension(&pck, der, sizeof(der)));
	tdxgen_init(&gen);
	emit("platform", der, tdxgen_extension(&gen.pck, der, sizeof(der)));
	gen.pck.has_instance_id = gen.pck.has_configuration = false;
	emit("processor", der, tdxgen_extension(&gen.pck, der, sizeof(der)));
	cert = tdxgen_cert(&gen, TDXGEN_PCK, &len);
	emit("certificate", cert, len);
	free(cert);
	tdxgen_fini(&gen);
}
