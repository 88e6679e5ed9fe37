/* SPDX-License-Identifier: MIT */
#include "gcm.h"

#include <errno.h>
#include <gcrypt.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "attest.h"
#include "wire.h"

#define ALIGNMENT 64u

/*
 * What libgcrypt calls secure memory comes from sodium_malloc() here: guard pages, locked, in no core, wiped when freed.
 * Its own pool has no guard pages, and what grows it is not locked.  Few pieces are in use at a time: six a channel.
 */
struct guarded {
	struct guarded *next;
	void *memory;
};

static pthread_mutex_t guarded_lock = PTHREAD_MUTEX_INITIALIZER;
static struct guarded *guarded_first;

static void *guarded_alloc(size_t len)
{
	struct guarded *guarded = malloc(sizeof(*guarded));

	if (guarded == NULL)
		return NULL;
	/* Ends at a page's end: so it is aligned as its length is. */
	guarded->memory = sodium_malloc((len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
	if (guarded->memory == NULL) {
		free(guarded);
		return NULL;
	}
	pthread_mutex_lock(&guarded_lock);
	guarded->next = guarded_first;
	guarded_first = guarded;
	pthread_mutex_unlock(&guarded_lock);
	return guarded->memory;
}

/* Where the piece that begins at @memory hangs; NULL: it is none of these.  Lock held. */
static struct guarded **guarded_find(const void *memory)
{
	for (struct guarded **at = &guarded_first; *at != NULL; at = &(*at)->next)
		if ((*at)->memory == memory)
			return at;
	return NULL;
}

static int is_guarded(const void *memory)
{
	bool found;

	pthread_mutex_lock(&guarded_lock);
	found = guarded_find(memory) != NULL;
	pthread_mutex_unlock(&guarded_lock);
	return found;
}

static void any_free(void *memory)
{
	struct guarded **at, *guarded = NULL;

	pthread_mutex_lock(&guarded_lock);
	at = guarded_find(memory);
	if (at != NULL) {
		guarded = *at;
		*at = guarded->next;
	}
	pthread_mutex_unlock(&guarded_lock);
	if (guarded != NULL)
		sodium_free(memory);
	else
		free(memory);
	free(guarded);
}

/* Nothing guarded grows: for that its old length would have to be known. */
static void *any_realloc(void *memory, size_t len)
{
	if (memory != NULL && is_guarded(memory)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(memory, len);
}

/* "intel-aesni" and "intel-pclmul", or Arm's two: without them libgcrypt looks things up in tables, which tells of keys. */
static bool cpu_helps(void)
{
	char *features = gcry_get_config(0, "hwflist");
	bool helps;

	if (features == NULL)
		return false;
	helps = (strstr(features, ":intel-aesni:") != NULL && strstr(features, ":intel-pclmul:") != NULL) ||
		(strstr(features, ":arm-aes:") != NULL && strstr(features, ":arm-pmull:") != NULL);
	gcry_free(features);
	return helps;
}

static bool set_up(void)
{
	if (sodium_init() < 0 || gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return false;
	gcry_set_allocation_handler(malloc, guarded_alloc, is_guarded, any_realloc, any_free);
	if (gcry_check_version(GCRYPT_VERSION) == NULL)
		return false;
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	/* In FIPS mode libgcrypt takes no nonces but its own. */
	return !gcry_fips_mode_active() && cpu_helps();
}

static bool available;

static void set_up_once(void)
{
	available = set_up();
}

bool gcm_available(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_up_once);
	return available;
}

int gcm_new(struct gcry_cipher_handle **ret_handle)
{
	if (!gcm_available())
		return -EOPNOTSUPP;
	return gcry_cipher_open(ret_handle, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM, GCRY_CIPHER_SECURE) ? -ENOMEM : 0;
}

void gcm_free(struct gcry_cipher_handle *handle)
{
	gcry_cipher_close(handle);
}

bool gcm_load(struct gcry_cipher_handle *handle, const uint8_t *key)
{
	return gcry_cipher_setkey(handle, key, ATTEST_KEY_LEN) == 0;
}

/* gcry_cipher_final() says that this is all, so that no block is held back. */
static bool begin(struct gcry_cipher_handle *handle, const uint8_t *ad, const uint8_t *nonce)
{
	return gcry_cipher_setiv(handle, nonce, WIRE_NONCE_LEN) == 0 &&
	       gcry_cipher_authenticate(handle, ad, WIRE_AD_LEN) == 0 && gcry_cipher_final(handle) == 0;
}

bool gcm_seal(struct gcry_cipher_handle *handle, const uint8_t *ad, const uint8_t *nonce, uint8_t *body, size_t len)
{
	return begin(handle, ad, nonce) && gcry_cipher_encrypt(handle, body, len, NULL, 0) == 0 &&
	       gcry_cipher_gettag(handle, body + len, WIRE_TAG_LEN) == 0;
}

bool gcm_open(struct gcry_cipher_handle *handle, const uint8_t *ad, const uint8_t *nonce, const uint8_t *sealed,
	      size_t len, uint8_t *ret_body)
{
	return begin(handle, ad, nonce) && gcry_cipher_decrypt(handle, ret_body, len, sealed, len) == 0 &&
	       gcry_cipher_checktag(handle, sealed + len, WIRE_TAG_LEN) == 0;
}
