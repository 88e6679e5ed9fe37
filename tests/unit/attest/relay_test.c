/* SPDX-License-Identifier: MIT */
/*
 * relay: evidence that is genuine, and somebody else's.  A source S has a ticket
 * for destination D.  An attacker X sits between them, or is another machine D'
 * whose evidence passes the same policy.  What X has to hand on was made for
 * another handshake; what D' can make is of another platform.
 *
 * (CVE-2026-33697 is evidence with a public key in it and no more: it can be
 * handed on, and be given by any machine that has the key.)
 */
#include "check.h"

#include <errno.h>
#include <sodium.h>

#include <attest/attestor.h>
#include <attest/evidence.h>
#include <attest/platform.h>
#include <attest/ticket.h>

#include "pair.h"

#define NOW INT64_C(1800000000)
enum { S, D, X, N_MACHINES };

static struct attest_policy policy;
static struct trust trust;
static struct signkey *platform[N_MACHINES], *issuer;
static struct attest_keypair *static_key[N_MACHINES];
static uint8_t issuer_public[SIGNKEY_LEN], bytes[TICKET_LEN];
static struct ticket ticket;
static struct attestor attestor[2];	/* by side of the pair */
static struct pair pair;

static int64_t fixed_now(void)
{
	return NOW;
}

static void name_machine(int machine, struct ticket_side *ret_side)
{
	platform_id(BUNDLE_SOFTWARE, signkey_public(platform[machine]), SIGNKEY_LEN, ret_side->platform_id);
	memcpy(ret_side->static_key, attest_keypair_public(static_key[machine]), ATTEST_KEY_LEN);
}

/* The side with this role is @machine, and has read the ticket. */
static void set_side(int side, int machine)
{
	struct attest_handshake_config *config = &pair.config[side];
	const struct ticket_side *peer = side == PAIR_INITIATOR ? &ticket.destination : &ticket.source;

	attestor[side] = (struct attestor){
		.kind = ATTESTOR_SOFTWARE, .software_key = platform[machine], .policy = &policy, .trust = &trust,
		.peer_key = peer->static_key, .peer_platform_id = peer->platform_id, .now_s = fixed_now,
	};
	config->role = side == PAIR_INITIATOR ? ATTEST_INITIATOR : ATTEST_RESPONDER;
	config->keypair = static_key[machine];
	config->connection = 1;
	config->evidence = &attestor_ops;
	config->evidence_opaque = &attestor[side];
	ticket_id(bytes, config->ticket_id);
	memcpy(config->vm_id, ticket.vm_id, ATTEST_ID_LEN);
}

static void set_up(void)
{
	memset(&ticket, 0, sizeof(ticket));
	name_machine(S, &ticket.source);
	name_machine(D, &ticket.destination);
	memset(ticket.vm_id, 0x55, sizeof(ticket.vm_id));
	ticket.incarnation = 1;
	ticket.not_before_s = NOW - 1;
	ticket.not_after_s = NOW + 1;
	CU_ASSERT_EQUAL_FATAL(ticket_sign(&ticket, issuer, bytes), 0);
	memset(&pair, 0, sizeof(pair));
	set_side(PAIR_INITIATOR, S);
	set_side(PAIR_RESPONDER, D);
	policy_init(&policy);
	policy.kinds = 1u << BUNDLE_SOFTWARE;
	policy.software.allow = true;
	for (policy.software.n_keys = 0; policy.software.n_keys < N_MACHINES; policy.software.n_keys++)
		memcpy(policy.software.keys[policy.software.n_keys], signkey_public(platform[policy.software.n_keys]),
		       SIGNKEY_LEN);
}

static bool run(void)
{
	bool done;

	pair_start(&pair);
	done = pair_run(&pair, NULL, NULL);
	return done;
}

static const char *said(int side)
{
	return attest_handshake_error(pair.side[side]);
}

static void tear_down(void)
{
	for (int side = 0; side < 2; side++) {
		attest_handshake_free(pair.side[side]);
		pair.side[side] = NULL;
	}
}

static void named_machines_believe_each_other(void)
{
	const struct ticket_side *peer[] = {
		[PAIR_INITIATOR] = &ticket.destination, [PAIR_RESPONDER] = &ticket.source,
	};
	struct attest_channel *channel;

	set_up();
	CU_ASSERT_TRUE(run());
	for (int side = 0; side < 2; side++) {
		CU_ASSERT_EQUAL_FATAL(attest_handshake_finish(pair.side[side], &channel), 0);
		CU_ASSERT_EQUAL(memcmp(attest_channel_peer_platform(channel), peer[side]->platform_id, ATTEST_ID_LEN), 0);
		attest_channel_free(channel);
	}
	tear_down();
}

/* D' has D's ticket, and a machine that the policy believes. */
static void another_machine_with_the_ticket_is_refused(void)
{
	set_up();
	set_side(PAIR_RESPONDER, X);
	CU_ASSERT_FALSE(run());
	CU_ASSERT_EQUAL(pair.error[PAIR_INITIATOR], -EACCES);
	CU_ASSERT_PTR_NOT_NULL(strstr(said(PAIR_INITIATOR), "static key is not the one that was named"));
	tear_down();
}

/* It has even D's static key: a stolen file.  Its platform is not D's. */
static void a_stolen_static_key_is_not_enough(void)
{
	set_up();
	attestor[PAIR_RESPONDER].software_key = platform[X];
	CU_ASSERT_FALSE(run());
	CU_ASSERT_EQUAL(pair.error[PAIR_INITIATOR], -EACCES);
	CU_ASSERT_PTR_NOT_NULL(strstr(said(PAIR_INITIATOR), "ticket.platform"));
	tear_down();
	/* the same by a false source */
	set_up();
	attestor[PAIR_INITIATOR].software_key = platform[X];
	CU_ASSERT_FALSE(run());
	CU_ASSERT_EQUAL(pair.error[PAIR_RESPONDER], -EACCES);
	CU_ASSERT_PTR_NOT_NULL(strstr(said(PAIR_RESPONDER), "ticket.platform"));
	tear_down();
	/* a ticket without platforms would let it pass: that is why it names them */
	set_up();
	attestor[PAIR_RESPONDER].software_key = platform[X];
	attestor[PAIR_INITIATOR].peer_platform_id = NULL;
	CU_ASSERT_TRUE(run());
	tear_down();
}

/* D, in a handshake of its own with X as its source, gives evidence, which X hands on to S. */
struct relay {
	uint8_t evidence[WIRE_EVIDENCE_MAX];
	size_t len;
};

static int record(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
		  char *ret_reason, size_t reason_len)
{
	struct relay *relay = opaque;

	memcpy(relay->evidence, evidence, len);
	relay->len = len;
	return 0;
}

static int give_own(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	uint8_t digest[WIRE_DIGEST_LEN];

	evidence_binding_digest(binding, digest);
	return software_make(platform[X], digest, ret_evidence, len);
}

static int hand_on(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	const struct relay *relay = opaque;

	memcpy(ret_evidence, relay->evidence, relay->len);
	*len = relay->len;
	return 0;
}

static void relayed_evidence_is_bound_to_other_keys(void)
{
	static const struct attest_evidence_ops recording = { .name = "recorded", .provide = give_own,
	.verify = record };
	static const struct attest_evidence_ops relaying = { .name = "relayed", .provide = hand_on, .verify = record };
	struct relay relay = { .len = 0 };

	/* X as the source of D, with the real ticket; what D says of X afterwards does not matter */
	set_up();
	set_side(PAIR_INITIATOR, X);
	pair.config[PAIR_INITIATOR].evidence = &recording;
	pair.config[PAIR_INITIATOR].evidence_opaque = &relay;
	CU_ASSERT_FALSE(run());
	CU_ASSERT_TRUE(relay.len > 100);
	tear_down();

	/* X as the destination of S */
	set_up();
	set_side(PAIR_RESPONDER, X);
	pair.config[PAIR_RESPONDER].evidence = &relaying;
	pair.config[PAIR_RESPONDER].evidence_opaque = &relay;
	attestor[PAIR_INITIATOR].peer_key = attest_keypair_public(static_key[X]);	/* as if S did not look */
	CU_ASSERT_FALSE(run());
	CU_ASSERT_EQUAL(pair.error[PAIR_INITIATOR], -EACCES);
	CU_ASSERT_PTR_NOT_NULL(strstr(said(PAIR_INITIATOR), "software.signature"));
	tear_down();

	/* the same with D's stolen static key: the handshake hash is another one still */
	set_up();
	pair.config[PAIR_RESPONDER].evidence = &relaying;
	pair.config[PAIR_RESPONDER].evidence_opaque = &relay;
	CU_ASSERT_FALSE(run());
	CU_ASSERT_PTR_NOT_NULL(strstr(said(PAIR_INITIATOR), "software.signature"));
	tear_down();
}

/* Evidence of one connection, ticket, VM or direction, shown in another. */
static int give_diverted(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	struct attest_binding other = *binding;
	uint8_t digest[WIRE_DIGEST_LEN];

	switch (*(const int *)opaque) {
	case 0:
		other.ticket_id[0] ^= 1;
		break;
	case 1:
		other.vm_id[0] ^= 1;
		break;
	case 2:
		other.connection++;
		break;
	case 3:
		other.role = ATTEST_INITIATOR;
		break;
	case 4:
		other.handshake_hash[0] ^= 1;
		break;
	case 5:
		other.static_key[0] ^= 1;
		break;
	case 6:
		other.peer_static_key[0] ^= 1;
		break;
	default:		/* nothing: this one is believed */
		break;
	}
	evidence_binding_digest(&other, digest);
	return software_make(platform[D], digest, ret_evidence, len);
}

static void diverted_evidence_is_refused(void)
{
	static const struct attest_evidence_ops diverting = { .name = "diverted", .provide = give_diverted,
	.verify = record };

	for (int what = 0; what <= 7; what++) {
		set_up();
		pair.config[PAIR_RESPONDER].evidence = &diverting;
		pair.config[PAIR_RESPONDER].evidence_opaque = &what;
		pair_start(&pair);
		for (struct pair_message message; pair_next(&pair, &message);)
			if (pair_deliver(&pair, &message) || message.bytes[0] == WIRE_EVIDENCE)
				break;
		CU_ASSERT_EQUAL(pair.error[PAIR_INITIATOR], what == 7 ? 0 : -EACCES);
		tear_down();
	}
}

/* A ticket for D that D' shows, and one for another VM or time: each named side looks before the first byte. */
static void tickets_are_for_whom_they_name(void)
{
	struct ticket_question question;

	set_up();
	memcpy(issuer_public, signkey_public(issuer), sizeof(issuer_public));
	question = (struct ticket_question){
		.bytes = bytes, .len = sizeof(bytes), .issuers = issuer_public, .n_issuers = 1, .now_s = NOW,
		.first_handshake = true, .role = ATTEST_RESPONDER, .own_key = attest_keypair_public(static_key[D]),
	};
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_OK);
	question.own_key = attest_keypair_public(static_key[X]);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_NOT_MINE);
	/* X changes the ticket to name itself */
	memcpy(bytes + 156, attest_keypair_public(static_key[X]), ATTEST_KEY_LEN);
	CU_ASSERT_EQUAL(ticket_verify(&question, NULL), TICKET_SIGNATURE);
}

static void other_tickets_do_not_even_shake_hands(void)
{
	set_up();
	ticket.serial[0] ^= 1;
	CU_ASSERT_EQUAL_FATAL(ticket_sign(&ticket, issuer, bytes), 0);
	ticket_id(bytes, pair.config[PAIR_RESPONDER].ticket_id);
	CU_ASSERT_FALSE(run());
	CU_ASSERT_EQUAL(pair.error[PAIR_RESPONDER], -ENOENT);
	tear_down();
}

static void a_software_key_needs_its_switch_on_both_sides(void)
{
	set_up();
	policy.software.allow = false;
	CU_ASSERT_FALSE(run());
	CU_ASSERT_PTR_NOT_NULL(strstr(said(PAIR_INITIATOR), "software.allow"));
	tear_down();
	set_up();
	attestor[PAIR_RESPONDER].software_key = NULL;
	CU_ASSERT_FALSE(run());
	CU_ASSERT_EQUAL(pair.error[PAIR_RESPONDER], -ENOKEY);
	tear_down();
}

static void a_ticket_that_ran_out_while_waiting_is_refused(void)
{
	for (int side = 0; side < 2; side++) {
		set_up();
		attestor[side].valid_from_s = NOW - 10;
		attestor[side].valid_to_s = NOW - 1;
		CU_ASSERT_FALSE(run());
		CU_ASSERT_EQUAL(pair.error[side], -EACCES);
		CU_ASSERT_PTR_NOT_NULL(strstr(said(side), "not valid now"));
		tear_down();
		attestor[side].valid_to_s = NOW;
		CU_ASSERT_TRUE(run());
		tear_down();
		/* a later connection of the same move */
		set_up();
		attestor[side].valid_from_s = NOW + 1;
		attestor[side].valid_to_s = NOW + 2;
		CU_ASSERT_FALSE(run());
		tear_down();
		pair.config[0].connection = pair.config[1].connection = 2;
		CU_ASSERT_TRUE(run());
		tear_down();
	}
}

static unsigned int n_told;
static void count(const struct verdict *verdict)
{
	n_told += verdict_believed(verdict);
}

static void verdicts_are_told(void)
{
	set_up();
	n_told = 0;
	attestor[PAIR_INITIATOR].tell = count;
	attestor[PAIR_RESPONDER].tell = count;
	CU_ASSERT_TRUE(run());
	CU_ASSERT_EQUAL(n_told, 2);
	tear_down();
}

int main(void)
{
	static const struct check checks[] = {
		{ "named machines believe each other", named_machines_believe_each_other },
		{ "another machine with the ticket is refused", another_machine_with_the_ticket_is_refused },
		{ "a stolen static key is not enough", a_stolen_static_key_is_not_enough },
		{ "relayed evidence is bound to other keys", relayed_evidence_is_bound_to_other_keys },
		{ "diverted evidence is refused", diverted_evidence_is_refused },
		{ "tickets are for whom they name", tickets_are_for_whom_they_name },
		{ "other tickets do not even shake hands", other_tickets_do_not_even_shake_hands },
		{ "a software key needs its switch on both sides", a_software_key_needs_its_switch_on_both_sides },
		{ "a ticket that ran out while waiting is refused", a_ticket_that_ran_out_while_waiting_is_refused },
		{ "verdicts are told", verdicts_are_told },
		{ NULL, NULL },
	};
	int ret;

	if (!attest_init() || signkey_generate(&issuer) || trust_init(&trust))
		return EXIT_FAILURE;
	for (int machine = 0; machine < N_MACHINES; machine++)
		if (signkey_generate(&platform[machine]) || attest_keypair_generate(&static_key[machine]))
			return EXIT_FAILURE;
	ret = check_main("relay", checks);
	for (int machine = 0; machine < N_MACHINES; machine++) {
		signkey_free(platform[machine]);
		attest_keypair_free(static_key[machine]);
	}
	signkey_free(issuer);
	trust_fini(&trust);
	return ret;
}
