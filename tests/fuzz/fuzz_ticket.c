/* SPDX-License-Identifier: MIT */
/*
 * fuzz_ticket: the bytes of a ticket.
 *
 * Input: u8 mode, bytes.  RAW: the bytes are the ticket.  XOR: u16 offset, then bytes that are xored into a genuine one.
 * What is believed must be the genuine one; what is parsed must have each field where ticket.h says.
 */
#include <string.h>

#include <attest/ticket.h>

#include "fixed.h"
#include "fuzz.h"

static struct signkey *issuer;
static struct ticket fields = { .incarnation = 2, .not_before_s = 1000, .not_after_s = 2000 };
static uint8_t genuine[TICKET_LEN];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fixed_random_install();
	FUZZ_NEED(attest_init());
	FUZZ_NEED(!signkey_generate(&issuer));
	memset(fields.source.static_key, 1, ATTEST_KEY_LEN);
	memset(fields.destination.static_key, 2, ATTEST_KEY_LEN);
	FUZZ_NEED(!ticket_sign(&fields, issuer, genuine));
	return 0;
}

static void check_parsed(const uint8_t *bytes, size_t len, const struct ticket *ticket)
{
	FUZZ_NEED(len == TICKET_LEN && ticket_looks_like(bytes, len));
	FUZZ_NEED(!memcmp(bytes + 12, ticket->issuer_id, 32) && !memcmp(bytes + 44, ticket->serial, 16));
	FUZZ_NEED(!memcmp(bytes + 60, &ticket->source, 64) && !memcmp(bytes + 124, &ticket->destination, 64));
	FUZZ_NEED(!memcmp(bytes + 188, ticket->vm_id, 32) && !memcmp(bytes + 244, ticket->signature, 64));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[TICKET_LEN + 64];
	struct ticket_question question = {
		.bytes = bytes, .issuers = signkey_public(issuer), .n_issuers = 1, .now_s = 1500,
		.first_handshake = true,
	};
	struct ticket ticket;
	enum ticket_problem problem;

	if (size < 3)
		return 0;
	if (data[0] % 2) {
		memcpy(bytes, genuine, TICKET_LEN);
		question.len = TICKET_LEN;
		for (size_t i = 3; i < size; i++)
			bytes[(data[1] + 256u * data[2] + i - 3) % TICKET_LEN] ^= data[i];
	} else {
		question.len = size - 1 < sizeof(bytes) ? size - 1 : sizeof(bytes);
		memcpy(bytes, data + 1, question.len);
	}
	if (!ticket_parse(bytes, question.len, &ticket))
		check_parsed(bytes, question.len, &ticket);
	problem = ticket_verify(&question, NULL);
	FUZZ_NEED((problem == TICKET_OK) == (question.len == TICKET_LEN && !memcmp(bytes, genuine, TICKET_LEN)));
	FUZZ_NEED(strlen(ticket_problem_text(problem)) > 0);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	uint8_t raw[1 + TICKET_LEN] = { 0 };
	const uint8_t same[] = { 1, 0, 0 }, flipped[] = { 1, 220, 0, 1 }, version[] = { 1, 8, 0, 3 };

	memcpy(raw + 1, genuine, TICKET_LEN);
	emit("raw", raw, sizeof(raw));
	emit("raw-cut", raw, sizeof(raw) - 1);
	emit("same", same, sizeof(same));
	emit("flipped", flipped, sizeof(flipped));
	emit("version", version, sizeof(version));
}
