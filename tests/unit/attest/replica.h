/* SPDX-License-Identifier: MIT */
/*
 * replica: a channel as it was before.  A plain copy of the struct keeps all of it but the expanded AES keys, of which
 * there is one for each half; these are made anew from the copy's record keys.
 */
#ifndef TESTS_ATTEST_REPLICA_H
#define TESTS_ATTEST_REPLICA_H

#include <stdlib.h>
#include <string.h>

#include <attest/channel.h>
#include <attest/gcm.h>

static inline void replica_half(struct channel_half *half, const struct channel_half *copy, bool is_aes)
{
	struct gcry_cipher_handle *aes = half->aes;

	if (aes == NULL && is_aes && gcm_new(&aes) < 0)
		abort();
	*half = *copy;
	half->aes = aes;
	if (is_aes && !gcm_load(aes, half->key))
		abort();
}

/* @channel is as it was when @saved was copied from it. */
static inline void replica_restore(struct attest_channel *channel, const struct attest_channel *saved)
{
	struct channel_half send[ATTEST_N_LANES], recv[ATTEST_N_LANES];

	memcpy(send, channel->send, sizeof(send));
	memcpy(recv, channel->recv, sizeof(recv));
	memcpy(channel, saved, sizeof(*channel));
	memcpy(channel->send, send, sizeof(send));
	memcpy(channel->recv, recv, sizeof(recv));
	for (int lane = 0; lane < ATTEST_N_LANES; lane++) {
		replica_half(&channel->send[lane], &saved->send[lane], saved->cipher == ATTEST_CIPHER_AES256GCM);
		replica_half(&channel->recv[lane], &saved->recv[lane], saved->cipher == ATTEST_CIPHER_AES256GCM);
	}
}

#endif
