/* SPDX-License-Identifier: MIT */
/* channel.c: every key depends on everything it should, both ends agree, and the way is one way. */
#include "check.h"
#include "forge.h"
#include "pair.h"

#include <attest/hkdf.h>

static const uint8_t ticket_id[32] = { 1 }, vm_id[32] = { 2 }, chaining_key[32] = { 3 }, transcript[32] = { 4 };

static struct channel_seed make_seed(enum attest_role role)
{
	return (struct channel_seed){
		.role = role, .cipher = ATTEST_CIPHER_XCHACHA20POLY1305, .connection = 5, .ticket_id = ticket_id,
		.vm_id = vm_id, .chaining_key = chaining_key, .transcript = transcript,
	};
}

static struct attest_channel *make(const struct channel_seed *seed)
{
	struct attest_channel *channel = NULL;

	if (channel_new(seed, &channel) || !channel)
		abort();
	return channel;
}

/* All but where the expanded key is. */
static bool is_same(const struct channel_half *a, const struct channel_half *b)
{
	struct channel_half copy = *a;

	copy.aes = b->aes;
	return memcmp(&copy, b, sizeof(copy)) == 0;
}

static void ends_agree(void)
{
	struct channel_seed seed[2] = { make_seed(ATTEST_INITIATOR), make_seed(ATTEST_RESPONDER) };
	struct attest_channel *initiator = make(&seed[0]), *responder = make(&seed[1]);

	for (int lane = 0; lane < ATTEST_N_LANES; lane++) {
		CU_ASSERT_TRUE(is_same(&initiator->send[lane], &responder->recv[lane]));
		CU_ASSERT_TRUE(is_same(&initiator->recv[lane], &responder->send[lane]));
		CU_ASSERT_EQUAL(initiator->send[lane].direction, WIRE_FROM_INITIATOR);
		CU_ASSERT_EQUAL(initiator->recv[lane].direction, WIRE_FROM_RESPONDER);
		CU_ASSERT_EQUAL(initiator->send[lane].counter, 0);
	}
	attest_channel_free(initiator);
	attest_channel_free(responder);
}

/* docs/protocol.md, "Record keys", written out a second time. */
static void keys_are_the_documented_ones(void)
{
	struct channel_seed seed = make_seed(ATTEST_INITIATOR);
	struct attest_channel *channel = make(&seed);
	uint8_t bytes[24 + 64] = "gmem v1 session", session[32], prk[32], record_key[32], header_key[32];
	uint8_t info[24 + 32 + 8 + 1 + 1 + 1 + 4] = "gmem v1 lane secret", secret[32];

	memcpy(bytes + 24, ticket_id, 32);
	memcpy(bytes + 56, vm_id, 32);
	crypto_hash_sha256(session, bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(memcmp(session, attest_channel_session_id(channel), 32), 0);

	hkdf_extract(transcript, 32, chaining_key, 32, prk);
	memcpy(info + 24, session, 32);
	info[56] = 5;		/* connection */
	info[64] = ATTEST_CIPHER_XCHACHA20POLY1305;
	info[65] = ATTEST_LANE_BULK;
	info[66] = WIRE_FROM_INITIATOR;
	hkdf_expand(prk, info, sizeof(info), secret, 32);
	CU_ASSERT_EQUAL(memcmp(secret, channel->send[ATTEST_LANE_BULK].secret, 32), 0);
	forge_keys(channel, &channel->send[ATTEST_LANE_BULK], record_key, header_key);
	CU_ASSERT_EQUAL(memcmp(record_key, channel->send[ATTEST_LANE_BULK].key, 32), 0);
	CU_ASSERT_EQUAL(memcmp(header_key, channel->send[ATTEST_LANE_BULK].header_key, 32), 0);
	attest_channel_free(channel);
}

#define N_HALVES (2 * ATTEST_N_LANES)

/* Record and header keys and secrets of all six halves. */
static size_t collect(const struct attest_channel *channel, uint8_t (*ret_keys)[32])
{
	size_t n = 0;

	for (int lane = 0; lane < ATTEST_N_LANES; lane++) {
		const struct channel_half *halves[2] = { &channel->send[lane], &channel->recv[lane] };

		for (int i = 0; i < 2; i++) {
			memcpy(ret_keys[n++], halves[i]->secret, 32);
			memcpy(ret_keys[n++], halves[i]->header_key, 32);
			forge_keys(channel, halves[i], ret_keys[n], ret_keys[n + 1]);
			n++;
		}
	}
	return n;
}

static void no_two_keys_are_the_same(void)
{
	uint8_t zero[32] = { 0 }, one[32] = { 1 };
	struct channel_seed seeds[7];
	uint8_t (*keys)[32] = calloc(7 * 3 * N_HALVES + 1, 32);
	size_t n = 0;

	if (!keys)
		abort();
	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < 7; i++)
		seeds[i] = make_seed(ATTEST_INITIATOR);
	/* each differs from the first in one thing */
	seeds[1].cipher = ATTEST_CIPHER_AES256GCM;
	seeds[2].connection = 6;
	seeds[3].ticket_id = zero;
	seeds[4].vm_id = one;
	seeds[5].chaining_key = one;
	seeds[6].transcript = one;
	for (size_t i = 0; i < 7; i++) {
		struct attest_channel *channel;

		if (!(channel_ciphers() & 1u << seeds[i].cipher))
			continue;
		channel = make(&seeds[i]);
		n += collect(channel, keys + n);
		attest_channel_free(channel);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			CHECK_LOOP(memcmp(keys[i], keys[j], 32), "keys %zu and %zu", i, j);
	free(keys);
	CHECK_LOOP_END();
}

static void session_outlives_connections(void)
{
	struct channel_seed a = make_seed(ATTEST_INITIATOR), b = make_seed(ATTEST_RESPONDER);
	struct attest_channel *first, *second;

	b.connection = 99;
	b.chaining_key = vm_id;
	first = make(&a);
	second = make(&b);
	CU_ASSERT_EQUAL(memcmp(attest_channel_session_id(first), attest_channel_session_id(second), 32), 0);
	attest_channel_free(first);
	attest_channel_free(second);
}

static void rekey_is_one_way_and_ends(void)
{
	struct channel_seed seed = make_seed(ATTEST_INITIATOR);
	struct attest_channel *channel = make(&seed);
	struct channel_half *half = &channel->send[ATTEST_LANE_BULK], before = *half;

	channel->limits.max_generation = 3;
	half->counter = 17;
	for (uint32_t generation = 1; generation <= 3; generation++) {
		CU_ASSERT_TRUE(channel_rekey(channel, half));
		CU_ASSERT_EQUAL(half->generation, generation);
		CU_ASSERT_EQUAL(half->n_records, 0);
		CU_ASSERT_EQUAL(half->n_bytes, 0);
		CU_ASSERT_EQUAL(half->counter, 17);
		CU_ASSERT_PTR_NULL(memmem(channel, sizeof(*channel), before.secret, 32));
		CU_ASSERT_PTR_NULL(memmem(channel, sizeof(*channel), before.key, 32));
		CU_ASSERT_PTR_NULL(memmem(channel, sizeof(*channel), before.header_key, 32));
		before = *half;
	}
	CU_ASSERT_FALSE(channel_rekey(channel, half));
	attest_channel_free(channel);
}

static void kill_wipes_one_half_only(void)
{
	struct channel_seed seed = make_seed(ATTEST_INITIATOR);
	struct attest_channel *channel = make(&seed);
	struct channel_half zero, before = channel->recv[ATTEST_LANE_URGENT];

	memset(&zero, 0, sizeof(zero));
	zero.dead = true;
	channel_kill(&channel->send[ATTEST_LANE_URGENT]);
	CU_ASSERT_EQUAL(memcmp(&channel->send[ATTEST_LANE_URGENT], &zero, sizeof(zero)), 0);
	CU_ASSERT_EQUAL(memcmp(&channel->recv[ATTEST_LANE_URGENT], &before, sizeof(before)), 0);
	attest_channel_free(channel);
}

static void limits_are_the_documented_ones(void)
{
	struct channel_seed seed = make_seed(ATTEST_INITIATOR);
	struct attest_channel *channel = make(&seed);

	CU_ASSERT_EQUAL(channel->limits.rekey_records, 1048576);
	CU_ASSERT_EQUAL(channel->limits.rekey_bytes, UINT64_C(17179869184));
	CU_ASSERT_EQUAL(channel->limits.rekey_ns, UINT64_C(120000000000));
	CU_ASSERT_EQUAL(channel->limits.max_records, UINT64_C(1099511627776));
	CU_ASSERT_EQUAL(channel->limits.max_generation, 16777215);
	attest_channel_free(channel);
}

/* /proc/self/smaps: the flags of the mapping at @address, NULL if there is none. */
static const char *vm_flags(const void *address, char *line, size_t size)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	bool found = false, ours = false;
	unsigned long start, end;

	if (!file)
		abort();
	while (!found && fgets(line, (int)size, file)) {
		if (sscanf(line, "%lx-%lx", &start, &end) == 2)
			ours = (uintptr_t)address >= start && (uintptr_t)address < end;
		found = ours && strncmp(line, "VmFlags:", 8) == 0;
	}
	fclose(file);
	return found ? line : NULL;
}

/* Every page with keys is left out of core dumps, and swap where this machine allows so much; guards are around. */
static void keys_are_not_dumped(void)
{
	struct channel_seed seed = make_seed(ATTEST_INITIATOR);
	struct attest_channel *channel = make(&seed);
	const uint8_t *bytes = (const uint8_t *)channel;
	char line[256];

	CU_ASSERT_EQUAL((uintptr_t)channel % 64, 0);
	for (size_t at = 0; at < sizeof(*channel); at += at + 4096 < sizeof(*channel) ? 4096 : sizeof(*channel) - at) {
		const char *flags = vm_flags(bytes + at, line, sizeof(line));

		CU_ASSERT_PTR_NOT_NULL_FATAL(flags);
		CU_ASSERT_PTR_NOT_NULL(strstr(flags, " dd"));
		if (!strstr(flags, " lo"))
			fprintf(stderr, "not locked: RLIMIT_MEMLOCK is too small here ");
	}
	/* the page behind its end belongs to nobody */
	CU_ASSERT_PTR_NOT_NULL_FATAL(vm_flags(bytes + sizeof(*channel), line, sizeof(line)));
	CU_ASSERT_PTR_NULL(strstr(line, " rd"));
	attest_channel_free(channel);
}

static void names(void)
{
	CU_ASSERT_STRING_EQUAL(attest_cipher_name(ATTEST_CIPHER_AES256GCM), "AES-256-GCM");
	CU_ASSERT_STRING_EQUAL(attest_cipher_name(ATTEST_CIPHER_XCHACHA20POLY1305), "XChaCha20-Poly1305");
	CU_ASSERT_STRING_EQUAL(attest_cipher_name(ATTEST_CIPHER_AEGIS256), "AEGIS-256");
	CU_ASSERT_EQUAL(ATTEST_CIPHER_AEGIS256, 3);
	CU_ASSERT_STRING_EQUAL(attest_cipher_name((enum attest_cipher)0), "unknown");
}

int main(void)
{
	static const struct check checks[] = {
		{ "ends agree", ends_agree },
		{ "keys are the documented ones", keys_are_the_documented_ones },
		{ "no two keys are the same", no_two_keys_are_the_same },
		{ "session outlives connections", session_outlives_connections },
		{ "rekey is one way and ends", rekey_is_one_way_and_ends },
		{ "kill wipes one half only", kill_wipes_one_half_only },
		{ "limits are the documented ones", limits_are_the_documented_ones },
		{ "keys are not dumped", keys_are_not_dumped },
		{ "names", names },
		{ NULL, NULL },
	};

	return check_main("channel", checks);
}
