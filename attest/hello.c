/* SPDX-License-Identifier: MIT */
/*
 * hello: versions, ciphers and the ticket, in the clear.  Nothing in a HELLO is
 * believed because it was read: both, byte for byte, are the Noise prologue, so
 * a HELLO that was changed on the way makes the key exchange fail.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "handshake.h"
#include "keys.h"

/* Both HELLOs are known: fresh ephemeral key, prologue. */
static int start_noise(struct attest_handshake *hs)
{
	uint8_t ephemeral[NOISE_KEY_LEN];
	bool ok;

	randombytes_buf(ephemeral, sizeof(ephemeral));
	ok = noise_init(&hs->noise, hs->config.role == ATTEST_INITIATOR, &hs->hello[0][0], sizeof(hs->hello),
			keys_secret(hs->config.keypair), attest_keypair_public(hs->config.keypair), ephemeral);
	sodium_memzero(ephemeral, sizeof(ephemeral));
	if (!ok) {
		handshake_set_error(hs, "this machine's random numbers make no key");
		return -EINVAL;
	}
	return 0;
}

int hello_write(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	parse_put_u32(body, WIRE_MAGIC);
	parse_put_u16(body, WIRE_VERSION);
	parse_put_u16(body, WIRE_VERSION);
	parse_put_u32(body, hs->config.ciphers);
	parse_put_bytes(body, hs->config.ticket_id, ATTEST_ID_LEN);
	parse_put_u64(body, hs->config.connection);
	if (body->failed)
		return -EPROTO;
	memcpy(hs->hello[handshake_side(hs->config.role)], message, WIRE_HELLO_LEN);
	return hs->config.role == ATTEST_RESPONDER ? start_noise(hs) : 0;
}

/* AES-256-GCM where both have it: it is the faster one there. */
static int choose_cipher(struct attest_handshake *hs, uint32_t peer_ciphers)
{
	uint32_t common = hs->config.ciphers & peer_ciphers;

	if (common & 1u << ATTEST_CIPHER_AES256GCM) {
		hs->cipher = ATTEST_CIPHER_AES256GCM;
	} else if (common & 1u << ATTEST_CIPHER_XCHACHA20POLY1305) {
		hs->cipher = ATTEST_CIPHER_XCHACHA20POLY1305;
	} else {
		handshake_set_error(hs, "no common cipher: this side has 0x%x, the peer 0x%x; "
				    "allow the same one on both sides", hs->config.ciphers, peer_ciphers);
		return -ENOTSUP;
	}
	return 0;
}

/*
 * The higher of both sides' numbers: neither has used it.  A side that lost count (a process that was
 * killed after it had dialled) learns it from the other.
 */
static int choose_connection(struct attest_handshake *hs, uint64_t peer_connection)
{
	const bool too_low = hs->config.role == ATTEST_INITIATOR && peer_connection < hs->config.connection;

	if (too_low || peer_connection > WIRE_CONNECTION_MAX) {
		handshake_set_error(hs, "the peer's HELLO names a connection that cannot be the next one");
		return -EPROTO;
	}
	if (peer_connection > hs->config.connection)
		hs->config.connection = peer_connection;
	return 0;
}

int hello_read(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	uint32_t magic = parse_u32(body);
	struct wire_hello hello;
	int ret;

	hello.version_min = parse_u16(body);
	hello.version_max = parse_u16(body);
	hello.ciphers = parse_u32(body);
	parse_bytes(body, hello.ticket_id, sizeof(hello.ticket_id));
	hello.connection = parse_u64(body);
	if (!parse_end(body) || magic != WIRE_MAGIC || hello.version_min > hello.version_max) {
		handshake_set_error(hs, "the peer's HELLO is malformed; check that the port is gmem's");
		return -EPROTO;
	}
	if (hello.version_min > WIRE_VERSION || hello.version_max < WIRE_VERSION) {
		handshake_set_error(hs, "the peer speaks protocol versions %u to %u, this side %u; "
				    "install matching releases", hello.version_min, hello.version_max, WIRE_VERSION);
		return -ENOTSUP;
	}
	/* Not -EACCES: whoever can connect may say this, and it is no word about our peer. */
	if (sodium_memcmp(hello.ticket_id, hs->config.ticket_id, ATTEST_ID_LEN)) {
		handshake_set_error(hs, "the peer names another ticket; start both sides with the same one");
		return -ENOENT;
	}
	ret = choose_cipher(hs, hello.ciphers);
	if (!ret)
		ret = choose_connection(hs, hello.connection);
	if (ret)
		return ret;
	memcpy(hs->hello[handshake_side(handshake_peer(hs))], message, WIRE_HELLO_LEN);
	return hs->config.role == ATTEST_INITIATOR ? start_noise(hs) : 0;
}
