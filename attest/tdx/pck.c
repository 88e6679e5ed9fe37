/* SPDX-License-Identifier: MIT */
/* pck: see pck.h. */
#include "pck.h"

#include <errno.h>
#include <string.h>

#include "../der.h"

/* 1.2.840.113741.1.13.1 */
static const uint8_t arc[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

/* Entries below the arc. */
enum { PCK_PPID = 1, PCK_TCB, PCK_PCEID, PCK_FMSPC, PCK_SGX_TYPE, PCK_INSTANCE_ID, PCK_CONFIGURATION };
#define REQUIRED (1u << PCK_PPID | 1u << PCK_TCB | 1u << PCK_PCEID | 1u << PCK_FMSPC | 1u << PCK_SGX_TYPE)

/* Entries of PCK_TCB: 1 to 16 are components. */
enum { TCB_PCESVN = 17, TCB_CPUSVN = 18 };
#define TCB_REQUIRED 0x7fffeu

/* Entries of PCK_CONFIGURATION. */
enum { CONFIGURATION_DYNAMIC = 1, CONFIGURATION_CACHED_KEYS, CONFIGURATION_SMT };

/* Reads the value of entry @entry of a sequence from @pair. */
typedef void (*entry_fn)(struct parse_reader *pair, unsigned int entry, struct tdx_pck *pck);

/* The last number of an object identifier that is the arc, @parent (if not 0) and one more; 0 if it is not. */
static unsigned int entry_number(const struct der_value *oid, unsigned int parent)
{
	const size_t n_before = sizeof(arc) + (parent != 0);

	if (oid->len != n_before + 1 || memcmp(oid->data, arc, sizeof(arc)) != 0)
		return 0;
	if (parent && oid->data[sizeof(arc)] != parent)
		return 0;
	return oid->data[n_before];
}

/* All pairs of a sequence, each entry once.  The set of entries that were there; 0 on anything else. */
static uint32_t take_entries(struct parse_reader *sequence, unsigned int parent, entry_fn take, struct tdx_pck *pck)
{
	uint32_t seen = 0;

	while (!sequence->failed && sequence->len > 0) {
		struct parse_reader pair;
		struct der_value oid;
		unsigned int entry;

		if (!der_enter(sequence, DER_SEQUENCE, &pair) || !der_oid(&pair, &oid))
			return 0;
		entry = entry_number(&oid, parent);
		if (entry == 0 || entry > 31 || seen & 1u << entry)
			return 0;
		take(&pair, entry, pck);
		if (!parse_end(&pair))
			return 0;
		seen |= 1u << entry;
	}
	return sequence->failed ? 0 : seen;
}

static void take_tcb_entry(struct parse_reader *pair, unsigned int entry, struct tdx_pck *pck)
{
	uint64_t number = 0;

	if (entry <= TDX_PCK_N_COMPONENTS) {
		der_unsigned(pair, DER_INTEGER, UINT8_MAX, &number);
		pck->component_svn[entry - 1] = (uint8_t)number;
	} else if (entry == TCB_PCESVN) {
		der_unsigned(pair, DER_INTEGER, UINT16_MAX, &number);
		pck->pcesvn = (uint16_t)number;
	} else if (entry == TCB_CPUSVN) {
		der_octets(pair, pck->cpusvn, sizeof(pck->cpusvn));
	} else {
		pair->failed = true;
	}
}

static void take_configuration_entry(struct parse_reader *pair, unsigned int entry, struct tdx_pck *pck)
{
	switch (entry) {
	case CONFIGURATION_DYNAMIC:
		der_boolean(pair, &pck->dynamic_platform);
		break;
	case CONFIGURATION_CACHED_KEYS:
		der_boolean(pair, &pck->cached_keys);
		break;
	case CONFIGURATION_SMT:
		der_boolean(pair, &pck->smt_enabled);
		break;
	default:
		pair->failed = true;
	}
}

static void take_tcb(struct parse_reader *pair, struct tdx_pck *pck)
{
	struct parse_reader sequence;

	if (der_enter(pair, DER_SEQUENCE, &sequence) &&
	    take_entries(&sequence, PCK_TCB, take_tcb_entry, pck) != TCB_REQUIRED)
		pair->failed = true;
}

static void take_configuration(struct parse_reader *pair, struct tdx_pck *pck)
{
	struct parse_reader sequence;

	if (der_enter(pair, DER_SEQUENCE, &sequence) &&
	    take_entries(&sequence, PCK_CONFIGURATION, take_configuration_entry, pck) == 0)
		pair->failed = true;
	pck->has_configuration = true;
}

static void take_entry(struct parse_reader *pair, unsigned int entry, struct tdx_pck *pck)
{
	uint64_t number = 0;

	switch (entry) {
	case PCK_PPID:
		der_octets(pair, pck->ppid, sizeof(pck->ppid));
		break;
	case PCK_TCB:
		take_tcb(pair, pck);
		break;
	case PCK_PCEID:
		der_octets(pair, pck->pceid, sizeof(pck->pceid));
		break;
	case PCK_FMSPC:
		der_octets(pair, pck->fmspc, sizeof(pck->fmspc));
		break;
	case PCK_SGX_TYPE:
		der_unsigned(pair, DER_ENUMERATED, 2, &number);
		pck->sgx_type = (uint8_t)number;
		break;
	case PCK_INSTANCE_ID:
		pck->has_instance_id = der_octets(pair, pck->instance_id, sizeof(pck->instance_id));
		break;
	case PCK_CONFIGURATION:
		take_configuration(pair, pck);
		break;
	default:
		pair->failed = true;
	}
}

int tdx_pck_parse(const uint8_t *der, size_t len, struct tdx_pck *ret_pck)
{
	struct parse_reader reader, sequence;
	struct tdx_pck pck = { 0 };

	parse_reader_init(&reader, der, len);
	if (!der_enter(&reader, DER_SEQUENCE, &sequence) || !parse_end(&reader))
		return -EBADMSG;
	if ((take_entries(&sequence, 0, take_entry, &pck) & REQUIRED) != REQUIRED)
		return -EBADMSG;
	*ret_pck = pck;
	return 0;
}
