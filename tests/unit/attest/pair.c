/* SPDX-License-Identifier: MIT */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A fixture that does not stand is no test. */
static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fixture: %s failed\n", what);
	abort();
}

void pair_init(struct pair *pair, uint32_t ciphers)
{
	memset(pair, 0, sizeof(*pair));
	for (int side = 0; side < 2; side++)
		need(!attest_keypair_generate(&pair->key[side]), "attest_keypair_generate");
	for (int side = 0; side < 2; side++) {
		struct attest_handshake_config *config = &pair->config[side];

		memcpy(pair->pinned[side], attest_keypair_public(pair->key[!side]), ATTEST_KEY_LEN);
		config->role = side == PAIR_INITIATOR ? ATTEST_INITIATOR : ATTEST_RESPONDER;
		config->keypair = pair->key[side];
		memset(config->ticket_id, 0x71, sizeof(config->ticket_id));
		memset(config->vm_id, 0x56, sizeof(config->vm_id));
		config->connection = 3;
		config->ciphers = ciphers;
		config->evidence = &attest_evidence_pinned;
		config->evidence_opaque = pair->pinned[side];
	}
}

void pair_start(struct pair *pair)
{
	for (int side = 0; side < 2; side++) {
		attest_handshake_free(pair->side[side]);
		need(!attest_handshake_new(&pair->config[side], &pair->side[side]), "attest_handshake_new");
		pair->error[side] = 0;
	}
}

bool pair_next(struct pair *pair, struct pair_message *ret_message)
{
	for (int side = 0; side < 2; side++) {
		int ret;

		if (attest_handshake_step(pair->side[side]) != ATTEST_STEP_SEND)
			continue;
		ret_message->from = side;
		ret = attest_handshake_write(pair->side[side], ret_message->bytes, &ret_message->len);
		if (!ret)
			return true;
		if (!pair->error[side])
			pair->error[side] = ret;
	}
	return false;
}

int pair_deliver(struct pair *pair, const struct pair_message *message)
{
	int side = !message->from;
	int ret;

	ret = attest_handshake_read(pair->side[side], message->bytes, message->len);
	if (ret && !pair->error[side])
		pair->error[side] = ret;
	return ret;
}

bool pair_run(struct pair *pair, pair_hook hook, void *opaque)
{
	struct pair_message message;

	for (unsigned int index = 0; pair_next(pair, &message); index++) {
		if (hook)
			hook(opaque, index, &message);
		pair_deliver(pair, &message);
	}
	return pair_done(pair, 0) && pair_done(pair, 1);
}

void pair_channels(struct pair *pair, struct attest_channel *ret_channel[2])
{
	pair_start(pair);
	need(pair_run(pair, NULL, NULL), "a handshake");
	for (int side = 0; side < 2; side++)
		need(!attest_handshake_finish(pair->side[side], &ret_channel[side]), "attest_handshake_finish");
}

bool pair_failed(const struct pair *pair, int side)
{
	return attest_handshake_step(pair->side[side]) == ATTEST_STEP_FAILED;
}

bool pair_done(const struct pair *pair, int side)
{
	return attest_handshake_step(pair->side[side]) == ATTEST_STEP_DONE;
}

void pair_fini(struct pair *pair)
{
	for (int side = 0; side < 2; side++) {
		attest_handshake_free(pair->side[side]);
		attest_keypair_free(pair->key[side]);
	}
}
