/* SPDX-License-Identifier: MIT */
/*
 * accept: what follows the key exchange, sealed with its keys: each side's
 * evidence, then each side's verdict on the other's.  A verdict is a MAC under a
 * key of this handshake, over all that both sides must agree on; so two sides
 * that accept each other have seen the same handshake, evidence, VM and
 * connection number.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "evidence.h"
#include "handshake.h"
#include "hkdf.h"

#define REASON_LEN 160u

typedef uint8_t label_t[24];
static const label_t label_accept_key = "gmem v1 accept key";
static const label_t label_accept = "gmem v1 accept";
static const label_t label_transcript = "gmem v1 transcript";

int accept_init(struct attest_handshake *hs)
{
	uint8_t prk[HKDF_LEN], info[sizeof(label_t) + 1];

	if (!noise_split(&hs->noise, &hs->send, &hs->recv))
		return -EPROTO;
	hkdf_extract(hs->noise.hash, NOISE_HASH_LEN, hs->noise.chaining_key, NOISE_HASH_LEN, prk);
	memcpy(info, label_accept_key, sizeof(label_t));
	info[sizeof(label_t)] = ATTEST_INITIATOR;
	hkdf_expand(prk, info, sizeof(info), hs->accept_key[handshake_side(ATTEST_INITIATOR)], ATTEST_KEY_LEN);
	info[sizeof(label_t)] = ATTEST_RESPONDER;
	hkdf_expand(prk, info, sizeof(info), hs->accept_key[handshake_side(ATTEST_RESPONDER)], ATTEST_KEY_LEN);
	sodium_memzero(prk, sizeof(prk));
	return 0;
}

int handshake_put_sealed(struct attest_handshake *hs, const uint8_t *message, const struct parse_writer *plain,
			 struct parse_writer *body)
{
	uint8_t *room = parse_put(body, plain->len + NOISE_TAG_LEN);

	if (!room || plain->failed ||
	    !noise_encrypt(&hs->send, message, WIRE_MESSAGE_HEADER_LEN, plain->data, plain->len, room))
		return -EPROTO;
	return 0;
}

int handshake_take_sealed(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body,
			  uint8_t *ret_plain, size_t len)
{
	const uint8_t *sealed = parse_take(body, len + NOISE_TAG_LEN);

	if (!sealed || !parse_end(body) ||
	    !noise_decrypt(&hs->recv, message, WIRE_MESSAGE_HEADER_LEN, sealed, len + NOISE_TAG_LEN, ret_plain)) {
		handshake_set_error(hs, "a sealed handshake message is not authentic; "
				    "something on the way changes messages");
		return -EBADMSG;
	}
	return 0;
}

void accept_binding(const struct attest_handshake *hs, enum attest_role role, struct attest_binding *ret_binding)
{
	bool own = role == hs->config.role;

	*ret_binding = (struct attest_binding){ .role = role, .connection = hs->config.connection };
	memcpy(ret_binding->handshake_hash, hs->noise.hash, ATTEST_HASH_LEN);
	memcpy(ret_binding->static_key, own ? hs->noise.static_public : hs->noise.remote_static, ATTEST_KEY_LEN);
	memcpy(ret_binding->peer_static_key, own ? hs->noise.remote_static : hs->noise.static_public, ATTEST_KEY_LEN);
	memcpy(ret_binding->ticket_id, hs->config.ticket_id, ATTEST_ID_LEN);
	memcpy(ret_binding->vm_id, hs->config.vm_id, ATTEST_ID_LEN);
}

int accept_write_evidence(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	uint8_t evidence[WIRE_EVIDENCE_MAX], plain_bytes[WIRE_EVIDENCE_BODY_LEN];
	struct attest_binding binding;
	struct parse_writer plain;
	size_t len = sizeof(evidence);
	int ret;

	accept_binding(hs, hs->config.role, &binding);
	ret = hs->config.evidence->provide(hs->config.evidence_opaque, &binding, evidence, &len);
	if (!ret && len > sizeof(evidence))
		ret = -ENOBUFS;
	if (ret) {
		handshake_set_error(hs, "this side cannot give its %s evidence: %s", hs->config.evidence->name,
				    strerror(-ret));
		return ret < 0 ? ret : -EIO;
	}
	crypto_hash_sha256(hs->evidence_hash[handshake_side(hs->config.role)], evidence, len);
	parse_writer_init(&plain, plain_bytes, sizeof(plain_bytes));
	parse_put_u16(&plain, (uint16_t)len);
	parse_put_bytes(&plain, evidence, len);
	parse_put_zeros(&plain);
	ret = longlog_begin(hs, true, evidence, len);
	return ret ? ret : handshake_put_sealed(hs, message, &plain, body);
}

int accept_read_evidence(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	enum attest_role peer = handshake_peer(hs);
	uint8_t plain_bytes[WIRE_EVIDENCE_BODY_LEN];
	char reason[REASON_LEN] = "";
	struct attest_binding binding;
	struct parse_reader plain;
	const uint8_t *evidence;
	uint16_t len;
	int ret;

	ret = handshake_take_sealed(hs, message, body, plain_bytes, sizeof(plain_bytes));
	if (ret)
		return ret;
	parse_reader_init(&plain, plain_bytes, sizeof(plain_bytes));
	len = parse_u16(&plain);
	evidence = parse_take(&plain, len);
	parse_zeros(&plain);
	if (!parse_end(&plain)) {
		handshake_set_error(hs, "the peer's evidence is malformed");
		return -EPROTO;
	}
	crypto_hash_sha256(hs->evidence_hash[handshake_side(peer)], evidence, len);
	accept_binding(hs, peer, &binding);
	if (hs->config.evidence->verify(hs->config.evidence_opaque, &binding, evidence, len, reason, sizeof(reason))) {
		handshake_set_error(hs, "the peer is not believed (%s): %s", hs->config.evidence->name, reason);
		return -EACCES;
	}
	hs->has_peer_platform = hs->config.evidence->platform != NULL &&
		!hs->config.evidence->platform(hs->config.evidence_opaque, evidence, len, hs->peer_platform);
	return longlog_begin(hs, false, evidence, len);
}

void accept_transcript(const struct attest_handshake *hs, uint8_t ret_hash[ATTEST_HASH_LEN])
{
	crypto_hash_sha256_state hash;
	uint8_t connection[8];
	struct parse_writer writer;

	parse_writer_init(&writer, connection, sizeof(connection));
	parse_put_u64(&writer, hs->config.connection);
	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, label_transcript, sizeof(label_t));
	crypto_hash_sha256_update(&hash, hs->noise.hash, NOISE_HASH_LEN);
	crypto_hash_sha256_update(&hash, hs->evidence_hash[handshake_side(ATTEST_INITIATOR)], ATTEST_HASH_LEN);
	crypto_hash_sha256_update(&hash, hs->evidence_hash[handshake_side(ATTEST_RESPONDER)], ATTEST_HASH_LEN);
	crypto_hash_sha256_update(&hash, hs->config.vm_id, ATTEST_ID_LEN);
	crypto_hash_sha256_update(&hash, connection, sizeof(connection));
	crypto_hash_sha256_final(&hash, ret_hash);
}

/* MAC of @role's verdict. */
static void make_mac(const struct attest_handshake *hs, enum attest_role role, uint8_t verdict,
		     uint8_t ret_mac[WIRE_MAC_LEN])
{
	const uint8_t tail[2] = { (uint8_t)role, verdict };
	uint8_t transcript[ATTEST_HASH_LEN];
	crypto_auth_hmacsha256_state mac;

	accept_transcript(hs, transcript);
	crypto_auth_hmacsha256_init(&mac, hs->accept_key[handshake_side(role)], ATTEST_KEY_LEN);
	crypto_auth_hmacsha256_update(&mac, label_accept, sizeof(label_t));
	crypto_auth_hmacsha256_update(&mac, transcript, sizeof(transcript));
	crypto_auth_hmacsha256_update(&mac, tail, sizeof(tail));
	crypto_auth_hmacsha256_final(&mac, ret_mac);
	sodium_memzero(&mac, sizeof(mac));
}

static int write_verdict(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body,
			 enum wire_verdict verdict)
{
	uint8_t plain_bytes[WIRE_ACCEPT_BODY_LEN], mac[WIRE_MAC_LEN];
	struct parse_writer plain;

	make_mac(hs, hs->config.role, (uint8_t)verdict, mac);
	parse_writer_init(&plain, plain_bytes, sizeof(plain_bytes));
	parse_put_u8(&plain, (uint8_t)verdict);
	parse_put_bytes(&plain, mac, sizeof(mac));
	return handshake_put_sealed(hs, message, &plain, body);
}

int accept_write(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	return write_verdict(hs, message, body, WIRE_VERDICT_ACCEPTED);
}

int accept_write_refusal(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	return write_verdict(hs, message, body, WIRE_VERDICT_REFUSED);
}

int accept_read(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	uint8_t plain_bytes[WIRE_ACCEPT_BODY_LEN], mac[WIRE_MAC_LEN], peer_mac[WIRE_MAC_LEN], verdict;
	struct parse_reader plain;
	int ret;

	ret = handshake_take_sealed(hs, message, body, plain_bytes, sizeof(plain_bytes));
	if (ret)
		return ret;
	parse_reader_init(&plain, plain_bytes, sizeof(plain_bytes));
	verdict = parse_u8(&plain);
	parse_bytes(&plain, peer_mac, sizeof(peer_mac));
	make_mac(hs, handshake_peer(hs), verdict, mac);
	if (!parse_end(&plain) || sodium_memcmp(mac, peer_mac, sizeof(mac))) {
		handshake_set_error(hs, "the peer's verdict is about another handshake, VM or connection; "
				    "start both sides with the same ones");
		return -EBADMSG;
	}
	if (verdict != WIRE_VERDICT_ACCEPTED) {
		handshake_set_error(hs, "the peer refused this side's evidence; its log says why");
		return -EACCES;
	}
	return 0;
}
