/* SPDX-License-Identifier: MIT */
/* ticket: see ticket.h. */
#include "ticket.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "parse.h"

#define SIGNED_LEN (TICKET_LEN - SIGNKEY_SIGNATURE_LEN)

static const uint8_t magic[8] = { 'g', 'm', 'e', 'm', 't', 'c', 'k', 't' };
static const char label[] = "gmem v1 ticket";

bool ticket_looks_like(const uint8_t *bytes, size_t len)
{
	return len >= sizeof(magic) && !memcmp(bytes, magic, sizeof(magic));
}

static void read_side(struct parse_reader *reader, struct ticket_side *ret_side)
{
	parse_bytes(reader, ret_side->platform_id, ATTEST_ID_LEN);
	parse_bytes(reader, ret_side->static_key, ATTEST_KEY_LEN);
}

int ticket_parse(const uint8_t *bytes, size_t len, struct ticket *ret_ticket)
{
	struct parse_reader reader;
	struct ticket ticket;

	if (!ticket_looks_like(bytes, len))
		return -EBADMSG;
	parse_reader_init(&reader, bytes + sizeof(magic), len - sizeof(magic));
	if (parse_u16(&reader) != TICKET_VERSION || parse_u16(&reader) != TICKET_LEN)
		return -EBADMSG;
	parse_bytes(&reader, ticket.issuer_id, sizeof(ticket.issuer_id));
	parse_bytes(&reader, ticket.serial, sizeof(ticket.serial));
	read_side(&reader, &ticket.source);
	read_side(&reader, &ticket.destination);
	parse_bytes(&reader, ticket.vm_id, sizeof(ticket.vm_id));
	ticket.incarnation = parse_u64(&reader);
	ticket.not_before_s = (int64_t)parse_u64(&reader);
	ticket.not_after_s = (int64_t)parse_u64(&reader);
	parse_bytes(&reader, ticket.signature, sizeof(ticket.signature));
	if (!parse_end(&reader))
		return -EBADMSG;
	*ret_ticket = ticket;
	return 0;
}

static void write_side(struct parse_writer *writer, const struct ticket_side *side)
{
	parse_put_bytes(writer, side->platform_id, ATTEST_ID_LEN);
	parse_put_bytes(writer, side->static_key, ATTEST_KEY_LEN);
}

/* The part that is signed. */
static void write_signed(const struct ticket *ticket, uint8_t ret_bytes[SIGNED_LEN])
{
	struct parse_writer writer;

	parse_writer_init(&writer, ret_bytes, SIGNED_LEN);
	parse_put_bytes(&writer, magic, sizeof(magic));
	parse_put_u16(&writer, TICKET_VERSION);
	parse_put_u16(&writer, TICKET_LEN);
	parse_put_bytes(&writer, ticket->issuer_id, sizeof(ticket->issuer_id));
	parse_put_bytes(&writer, ticket->serial, sizeof(ticket->serial));
	write_side(&writer, &ticket->source);
	write_side(&writer, &ticket->destination);
	parse_put_bytes(&writer, ticket->vm_id, sizeof(ticket->vm_id));
	parse_put_u64(&writer, ticket->incarnation);
	parse_put_u64(&writer, (uint64_t)ticket->not_before_s);
	parse_put_u64(&writer, (uint64_t)ticket->not_after_s);
}

/* What holds for every ticket whoever reads it. */
static enum ticket_problem check_fields(const struct ticket *ticket)
{
	if (sodium_is_zero(ticket->source.static_key, ATTEST_KEY_LEN) ||
	    sodium_is_zero(ticket->destination.static_key, ATTEST_KEY_LEN) ||
	    !memcmp(ticket->source.static_key, ticket->destination.static_key, ATTEST_KEY_LEN))
		return TICKET_SAME_KEY;
	if (!ticket->incarnation)
		return TICKET_INCARNATION;
	if (ticket->not_before_s < 0 || ticket->not_after_s < ticket->not_before_s ||
	    ticket->not_after_s - ticket->not_before_s > TICKET_MAX_VALID_S)
		return TICKET_WINDOW;
	return TICKET_OK;
}

static enum ticket_problem check_signature(const struct ticket_question *question, const struct ticket *ticket)
{
	uint8_t id[SIGNKEY_ID_LEN];

	for (size_t i = 0; i < question->n_issuers; i++) {
		signkey_id(question->issuers + i * SIGNKEY_LEN, id);
		if (memcmp(id, ticket->issuer_id, sizeof(id)))
			continue;
		return signkey_verify(question->issuers + i * SIGNKEY_LEN, label, question->bytes, SIGNED_LEN,
				      ticket->signature) ?
		       TICKET_SIGNATURE : TICKET_OK;
	}
	return TICKET_ISSUER;
}

static enum ticket_problem check_time(const struct ticket_question *question, const struct ticket *ticket)
{
	if (!question->first_handshake)
		return TICKET_OK;
	if (question->now_s < ticket->not_before_s)
		return TICKET_NOT_YET;
	return question->now_s > ticket->not_after_s ? TICKET_EXPIRED : TICKET_OK;
}

/* Does it mean this side, and this VM? */
static enum ticket_problem check_reader(const struct ticket_question *question, const struct ticket *ticket)
{
	const struct ticket_side *own = ticket_side(ticket, question->role);

	if (own && sodium_memcmp(own->static_key, question->own_key, ATTEST_KEY_LEN))
		return TICKET_NOT_MINE;
	if (own && question->own_platform_id && !sodium_is_zero(own->platform_id, ATTEST_ID_LEN) &&
	    memcmp(own->platform_id, question->own_platform_id, ATTEST_ID_LEN))
		return TICKET_PLATFORM;
	if (question->vm_id && memcmp(question->vm_id, ticket->vm_id, ATTEST_ID_LEN))
		return TICKET_VM;
	return TICKET_OK;
}

enum ticket_problem ticket_verify(const struct ticket_question *question, struct ticket *ret_ticket)
{
	enum ticket_problem problem;
	struct ticket ticket;

	if (ticket_parse(question->bytes, question->len, &ticket))
		return TICKET_MALFORMED;
	problem = check_signature(question, &ticket);
	if (problem == TICKET_OK)
		problem = check_fields(&ticket);
	if (problem == TICKET_OK)
		problem = check_time(question, &ticket);
	if (problem == TICKET_OK)
		problem = check_reader(question, &ticket);
	if (problem == TICKET_OK && ret_ticket)
		*ret_ticket = ticket;
	return problem;
}

const char *ticket_problem_text(enum ticket_problem problem)
{
	static const char *const texts[] = {
		[TICKET_OK] = "the ticket is good",
		[TICKET_MALFORMED] = "it is no ticket of version 1",
		[TICKET_ISSUER] = "it is signed by no issuer that is believed here",
		[TICKET_SIGNATURE] = "its signature is not the issuer's",
		[TICKET_SAME_KEY] = "source and destination must have static keys of their own",
		[TICKET_INCARNATION] = "its incarnation is 0; the first one is 1",
		[TICKET_WINDOW] = "it ends before it begins, or is valid for more than 31 days",
		[TICKET_NOT_YET] = "it is not valid yet",
		[TICKET_EXPIRED] = "it is not valid any more",
		[TICKET_NOT_MINE] = "it names another static key for this side",
		[TICKET_PLATFORM] = "it names another platform for this side",
		[TICKET_VM] = "it is for another VM",
	};

	return texts[problem];
}

int ticket_sign(const struct ticket *fields, const struct signkey *issuer, uint8_t ret_bytes[TICKET_LEN])
{
	struct ticket ticket = *fields;

	if (check_fields(&ticket) != TICKET_OK)
		return -EINVAL;
	signkey_id(signkey_public(issuer), ticket.issuer_id);
	write_signed(&ticket, ret_bytes);
	signkey_sign(issuer, label, ret_bytes, SIGNED_LEN, ret_bytes + SIGNED_LEN);
	return 0;
}

void ticket_id(const uint8_t bytes[TICKET_LEN], uint8_t ret_id[ATTEST_ID_LEN])
{
	crypto_hash_sha256(ret_id, bytes, TICKET_LEN);
}

const struct ticket_side *ticket_side(const struct ticket *ticket, enum attest_role role)
{
	if (role == ATTEST_INITIATOR)
		return &ticket->source;
	return role == ATTEST_RESPONDER ? &ticket->destination : NULL;
}
