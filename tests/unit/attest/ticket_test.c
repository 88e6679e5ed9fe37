/* SPDX-License-Identifier: MIT */
/* ticket.c: each thing that a ticket may have wrong has its own reason, and every bit of it is signed. */
#include "check.h"

#include <errno.h>
#include <sodium.h>

#include <attest/ticket.h>

#define NOW INT64_C(1800000000)

static struct signkey *issuer, *stranger;
static uint8_t issuers[2][SIGNKEY_LEN];
static struct ticket fields;
static uint8_t bytes[TICKET_LEN];
static struct ticket_question question;

static void set_up(void)
{
	memset(&fields, 0, sizeof(fields));
	memset(fields.serial, 0x11, sizeof(fields.serial));
	memset(fields.source.platform_id, 0x21, ATTEST_ID_LEN);
	memset(fields.source.static_key, 0x22, ATTEST_KEY_LEN);
	memset(fields.destination.platform_id, 0x31, ATTEST_ID_LEN);
	memset(fields.destination.static_key, 0x32, ATTEST_KEY_LEN);
	memset(fields.vm_id, 0x41, ATTEST_ID_LEN);
	fields.incarnation = 3;
	fields.not_before_s = NOW - 60;
	fields.not_after_s = NOW + 60;
	memcpy(issuers[0], signkey_public(stranger), SIGNKEY_LEN);
	memcpy(issuers[1], signkey_public(issuer), SIGNKEY_LEN);
	question = (struct ticket_question){
		.bytes = bytes, .len = sizeof(bytes), .issuers = issuers[0], .n_issuers = 2, .now_s = NOW,
		.first_handshake = true, .role = ATTEST_RESPONDER, .own_key = fields.destination.static_key,
		.own_platform_id = fields.destination.platform_id, .vm_id = fields.vm_id,
	};
	CU_ASSERT_EQUAL_FATAL(ticket_sign(&fields, issuer, bytes), 0);
}

/* What ticket_sign() would not sign. */
static void sign_anyway(size_t offset, uint64_t value, size_t len)
{
	uint8_t id[SIGNKEY_ID_LEN];

	for (size_t i = 0; i < len; i++)
		bytes[offset + i] = (uint8_t)(value >> 8 * i);
	signkey_id(signkey_public(issuer), id);
	memcpy(bytes + 12, id, sizeof(id));
	signkey_sign(issuer, "gmem v1 ticket", bytes, TICKET_LEN - SIGNKEY_SIGNATURE_LEN,
		     bytes + TICKET_LEN - SIGNKEY_SIGNATURE_LEN);
}

static void good_ticket_says_what_was_signed(void)
{
	struct ticket ticket;

	set_up();
	CU_ASSERT_EQUAL(ticket_verify(&question, &ticket), TICKET_OK);
	CU_ASSERT_EQUAL(memcmp(ticket.serial, fields.serial, sizeof(fields.serial)), 0);
	CU_ASSERT_EQUAL(memcmp(&ticket.source, &fields.source, sizeof(fields.source)), 0);
	CU_ASSERT_EQUAL(memcmp(&ticket.destination, &fields.destination, sizeof(fields.destination)), 0);
	CU_ASSERT_EQUAL(memcmp(ticket.vm_id, fields.vm_id, sizeof(fields.vm_id)), 0);
	CU_ASSERT_EQUAL(ticket.incarnation, 3);
	CU_ASSERT_EQUAL(ticket.not_before_s, NOW - 60);
	CU_ASSERT_EQUAL(ticket.not_after_s, NOW + 60);
	CU_ASSERT_PTR_EQUAL(ticket_side(&ticket, ATTEST_INITIATOR), &ticket.source);
	CU_ASSERT_PTR_EQUAL(ticket_side(&ticket, ATTEST_RESPONDER), &ticket.destination);
	/* where the header says they are */
	CU_ASSERT_EQUAL(bytes[44], 0x11);
	CU_ASSERT_EQUAL(bytes[60], 0x21);
	CU_ASSERT_EQUAL(bytes[92], 0x22);
	CU_ASSERT_EQUAL(bytes[124], 0x31);
	CU_ASSERT_EQUAL(bytes[156], 0x32);
	CU_ASSERT_EQUAL(bytes[188], 0x41);
	CU_ASSERT_EQUAL(bytes[220], 3);
	CU_ASSERT_EQUAL(bytes[10] | bytes[11] << 8, TICKET_LEN);
}

static void id_is_the_hash_of_all_of_it(void)
{
	uint8_t id[ATTEST_ID_LEN], wanted[ATTEST_ID_LEN];

	set_up();
	ticket_id(bytes, id);
	crypto_hash_sha256(wanted, bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(memcmp(id, wanted, sizeof(id)), 0);
}

static void every_bit_counts(void)
{
	struct ticket ticket = { .incarnation = 77 };

	set_up();
	CHECK_LOOP_BEGIN();
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		enum ticket_problem problem;

		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		problem = ticket_verify(&question, &ticket);
		CHECK_LOOP(problem == (bit < 8 * 12 ? TICKET_MALFORMED : bit < 8 * 44 ? TICKET_ISSUER : TICKET_SIGNATURE),
			   "bit %zu: %d", bit, problem);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK_LOOP_END();
	CU_ASSERT_EQUAL(ticket.incarnation, 77);
}

static void every_other_length_is_malformed(void)
{
	static uint8_t longer[TICKET_LEN + 1];
	struct ticket ticket;

	set_up();
	memcpy(longer, bytes, sizeof(bytes));
	for (size_t len = 0; len <= sizeof(longer); len++)
		if (len != TICKET_LEN)
			CU_ASSERT_EQUAL(ticket_parse(longer, len, &ticket), -EBADMSG);
}

static void only_named_issuers_are_believed(void)
{
	set_up();
	question.n_issuers = 1;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_ISSUER);
	question.n_issuers = 0;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_ISSUER);
	/* signed by the stranger under the issuer's name */
	set_up();
	question.issuers = issuers[1];
	question.n_issuers = 1;
	signkey_sign(stranger, "gmem v1 ticket", bytes, TICKET_LEN - 64, bytes + TICKET_LEN - 64);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_SIGNATURE);
	/* a signature of the right key over something else with another label */
	signkey_sign(issuer, "gmem v1 software", bytes, TICKET_LEN - 64, bytes + TICKET_LEN - 64);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_SIGNATURE);
}

static void time_counts_at_the_first_handshake_only(void)
{
	static const struct {
		int64_t now;
		enum ticket_problem problem;
	} cases[] = {
		{ NOW - 61, TICKET_NOT_YET }, { NOW - 60, TICKET_OK }, { NOW + 60, TICKET_OK }, { NOW + 61,
		TICKET_EXPIRED },
		{ INT64_MIN, TICKET_NOT_YET }, { INT64_MAX, TICKET_EXPIRED },
	};

	set_up();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		question.now_s = cases[i].now;
		question.first_handshake = true;
		CU_ASSERT_EQUAL(ticket_verify(&question, NULL), cases[i].problem);
		question.first_handshake = false;
		CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_OK);
	}
}

static void fields_that_no_issuer_should_sign(void)
{
	set_up();
	sign_anyway(220, 0, 8);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_INCARNATION);
	set_up();
	sign_anyway(236, (uint64_t)(NOW - 61), 8);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_WINDOW);
	set_up();
	sign_anyway(236, (uint64_t)(NOW - 60 + TICKET_MAX_VALID_S), 8);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_OK);
	sign_anyway(236, (uint64_t)(NOW - 60 + TICKET_MAX_VALID_S + 1), 8);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_WINDOW);
	set_up();
	sign_anyway(228, UINT64_MAX, 8);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_WINDOW);
	set_up();
	memcpy(bytes + 92, fields.destination.static_key, ATTEST_KEY_LEN);
	sign_anyway(0, bytes[0], 1);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_SAME_KEY);
	set_up();
	memset(bytes + 92, 0, ATTEST_KEY_LEN);
	sign_anyway(0, bytes[0], 1);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_SAME_KEY);
	set_up();
	fields.incarnation = 0;
	CU_ASSERT_EQUAL(ticket_sign(&fields, issuer, bytes), -EINVAL);
}

static void it_means_one_side_one_platform_one_vm(void)
{
	uint8_t other[ATTEST_ID_LEN] = { 9 };

	set_up();
	question.role = ATTEST_INITIATOR;	/* with the destination's key */
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_NOT_MINE);
	question.own_key = fields.source.static_key;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_PLATFORM);
	question.own_platform_id = fields.source.platform_id;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_OK);
	question.vm_id = other;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_VM);
	question.vm_id = NULL;
	question.own_platform_id = other;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_PLATFORM);
	question.own_platform_id = NULL;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_OK);
	question.own_key = other;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_NOT_MINE);
	question.role = 0;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_OK);
}

static void a_platform_need_not_be_named(void)
{
	uint8_t other[ATTEST_ID_LEN] = { 9 };

	set_up();
	memset(fields.destination.platform_id, 0, ATTEST_ID_LEN);
	CU_ASSERT_EQUAL_FATAL(ticket_sign(&fields, issuer, bytes), 0);
	question.own_platform_id = other;
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_OK);
}

static void each_problem_has_a_sentence(void)
{
	for (unsigned int problem = TICKET_OK; problem <= TICKET_VM; problem++)
		CU_ASSERT_TRUE(strlen(ticket_problem_text(problem)) > 10);
}

int main(void)
{
	static const struct check checks[] = {
		{ "good ticket says what was signed", good_ticket_says_what_was_signed },
		{ "id is the hash of all of it", id_is_the_hash_of_all_of_it },
		{ "every bit counts", every_bit_counts },
		{ "every other length is malformed", every_other_length_is_malformed },
		{ "only named issuers are believed", only_named_issuers_are_believed },
		{ "time counts at the first handshake only", time_counts_at_the_first_handshake_only },
		{ "fields that no issuer should sign", fields_that_no_issuer_should_sign },
		{ "it means one side, one platform, one VM", it_means_one_side_one_platform_one_vm },
		{ "a platform need not be named", a_platform_need_not_be_named },
		{ "each problem has a sentence", each_problem_has_a_sentence },
		{ NULL, NULL },
	};
	int ret;

	if (!attest_init() || signkey_generate(&issuer) || signkey_generate(&stranger))
		return EXIT_FAILURE;
	ret = check_main("ticket", checks);
	signkey_free(issuer);
	signkey_free(stranger);
	return ret;
}
