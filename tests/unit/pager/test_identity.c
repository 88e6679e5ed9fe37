// SPDX-License-Identifier: MIT
/* identity.c: signed tickets, policies and evidence from files, and whole moves by them. */
#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <attest/keyfile.h>
#include <attest/platform.h>
#include <attest/ticket.h>

#include <vectors/snpgen.h>

#include "check.h"
#include "duo.h"
#include "identity.h"

struct world {
	struct duo duo;
	struct signkey *issuer, *platform[2];	/* 0: the source's */
	struct ticket ticket;
	struct identity_files files[2];
	struct identity *identity[2];
	char error[IDENTITY_ERROR_LEN];
};

static struct world world;

static char *path_of(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", world.duo.dir, name);
	return strdup(path);
}

static void name(char **file, const char *file_name)
{
	free(*file);
	*file = file_name != NULL ? path_of(file_name) : NULL;
}

static void write_text(const char *file_name, const char *text)
{
	char *path = path_of(file_name);

	CU_ASSERT_EQUAL_FATAL(keyfile_save(path, false, text, strlen(text)), 0);
	free(path);
}

static void write_ticket(const struct signkey *issuer)
{
	uint8_t bytes[TICKET_LEN];
	char *path = path_of("ticket");

	CU_ASSERT_EQUAL_FATAL(ticket_sign(&world.ticket, issuer, bytes), 0);
	CU_ASSERT_EQUAL_FATAL(keyfile_save(path, false, (const char *)bytes, sizeof(bytes)), 0);
	free(path);
}

static struct session_config *config_of(int side)
{
	return side == 0 ? &world.duo.source_config : &world.duo.pager_config;
}

static void write_policy(const char *file_name, const char *allow)
{
	char text[512], hex[2][65];

	for (int side = 0; side < 2; side++)
		sodium_bin2hex(hex[side], 65, signkey_public(world.platform[side]), SIGNKEY_LEN);
	snprintf(text, sizeof(text), "software: { allow = %s; keys = [ \"%s\", \"%s\" ]; };\n", allow, hex[0], hex[1]);
	write_text(file_name, text);
}

/* A ticket for the duo's two sides, each with a software key. */
static void set_up(void)
{
	static const char *const key_names[] = { "source.key", "pager.key" };
	struct ticket_side *sides[] = { &world.ticket.source, &world.ticket.destination };
	char *path;

	memset(&world, 0, sizeof(world));
	duo_init(&world.duo, 64, 0);
	CU_ASSERT_EQUAL_FATAL(signkey_generate(&world.issuer), 0);
	path = path_of("issuer.pub");
	CU_ASSERT_EQUAL_FATAL(signkey_public_save(signkey_public(world.issuer), path), 0);
	free(path);
	for (int side = 0; side < 2; side++) {
		CU_ASSERT_EQUAL_FATAL(signkey_generate(&world.platform[side]), 0);
		platform_id(BUNDLE_SOFTWARE, signkey_public(world.platform[side]), SIGNKEY_LEN,
			    sides[side]->platform_id);
		memcpy(sides[side]->static_key, attest_keypair_public(config_of(side)->keypair), ATTEST_KEY_LEN);
		path = path_of(key_names[side]);
		CU_ASSERT_EQUAL_FATAL(signkey_save(world.platform[side], path), 0);
		free(path);
		memset(config_of(side)->peer_key, 0, ATTEST_KEY_LEN);
		name(&world.files[side].ticket, "ticket");
		name(&world.files[side].issuer, "issuer.pub");
		name(&world.files[side].policy, "policy");
		name(&world.files[side].software_key, key_names[side]);
		world.files[side].evidence = strdup("software");
	}
	memset(world.ticket.vm_id, 0x66, ATTEST_ID_LEN);
	world.ticket.incarnation = 1;
	world.ticket.not_before_s = time(NULL) - 10;
	world.ticket.not_after_s = time(NULL) + 600;
	write_ticket(world.issuer);
	write_policy("policy", "true");
}

static void tear_down(void)
{
	duo_fini(&world.duo);
	for (int side = 0; side < 2; side++) {
		identity_free(world.identity[side]);
		identity_files_fini(&world.files[side]);
		signkey_free(world.platform[side]);
	}
	signkey_free(world.issuer);
}

static int load(int side)
{
	world.error[0] = '\0';
	return identity_load(&world.files[side], side == 0 ? ATTEST_INITIATOR : ATTEST_RESPONDER, false,
			     config_of(side),
			     &world.identity[side], world.error);
}

static void load_both(void)
{
	for (int side = 0; side < 2; side++) {
		int r = load(side);

		if (r < 0)
			fprintf(stderr, "%s ", world.error);
		CU_ASSERT_EQUAL_FATAL(r, 0);
	}
}

static void test_attested_move(void)
{
	struct duo *duo = &world.duo;
	uint8_t id[ATTEST_ID_LEN], bytes[TICKET_LEN];

	set_up();
	load_both();
	CU_ASSERT_EQUAL(memcmp(duo->source_config.peer_key, world.ticket.destination.static_key, ATTEST_KEY_LEN), 0);
	CU_ASSERT_EQUAL(memcmp(duo->pager_config.peer_key, world.ticket.source.static_key, ATTEST_KEY_LEN), 0);
	CU_ASSERT_EQUAL(memcmp(duo->pager_config.vm_id, world.ticket.vm_id, ATTEST_ID_LEN), 0);
	CU_ASSERT_EQUAL(ticket_sign(&world.ticket, world.issuer, bytes), 0);
	ticket_id(bytes, id);
	CU_ASSERT_EQUAL(memcmp(duo->source_config.ticket_id, id, sizeof(id)), 0);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(duo), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(duo), -1);
	/* A second ticket for the same move was issued, too. */
	memset(world.ticket.serial, 0x31, sizeof(world.ticket.serial));
	write_ticket(world.issuer);
	for (int side = 0; side < 2; side++) {
		identity_free(world.identity[side]);
		world.identity[side] = NULL;
		CU_ASSERT_EQUAL(load(side), -EACCES);
		CHECK_CONTAINS(world.error, "number 1 took effect here");
	}
	world.ticket.incarnation = 2;
	write_ticket(world.issuer);
	load_both();
	tear_down();
}

/* Up to the end of the handshake; the side that refuses. */
static void refused(int side, const char *sentence)
{
	struct duo *duo = &world.duo;
	const char *error;
	int status = 0;

	CU_ASSERT_EQUAL_FATAL(duo_open(duo), 0);
	CU_ASSERT_EQUAL(source_prepare(duo->source), 0);
	CU_ASSERT_EQUAL(duo_wait_source(duo, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ABORTED);
	if (side == 1)
		duo_wait_pager(duo, GMEM_PHASE_COMPLETE);
	error = side == 0 ? duo_source_error(duo, &status) : duo_pager_error(duo, &status);
	CU_ASSERT_EQUAL(status, -EACCES);
	CHECK_CONTAINS(error, sentence);
	CU_ASSERT_FALSE(duo->source_vm.frozen);
	CU_ASSERT_EQUAL(fake_vm_count_missing(&duo->pager_vm), duo->pager_vm.n_private);
}

static void test_policy_refuses(void)
{
	for (int side = 0; side < 2; side++) {
		set_up();
		write_policy("policy-off", "false");
		name(&world.files[side].policy, "policy-off");
		load_both();
		refused(side, "software.allow");
		tear_down();
	}
}

/* The static key is the ticket's, the machine is not. */
static void test_other_platform(void)
{
	for (int side = 0; side < 2; side++) {
		set_up();
		name(&world.files[!side].software_key, side == 0 ? "source.key" : "pager.key");
		load_both();
		refused(side, "ticket.platform");
		tear_down();
	}
}

/* The destination's evidence is of a generated processor, whose root generated.c pins; the policy wants @measured. */
static void set_up_snp(uint8_t measured)
{
	static struct snpgen snp;
	char text[512];

	set_up();
	snpgen_init(&snp, SNP_MILAN, false, 3);
	memset(snp.report + 0x90, measured, SNP_MEASUREMENT_LEN);
	snpgen_policy_text(&snp, text, sizeof(text));
	write_text("snp-policy", text);
	name(&world.files[0].policy, "snp-policy");
	name(&world.files[1].software_key, NULL);
	free(world.files[1].evidence);
	world.files[1].evidence = strdup("tsm");
	platform_id(BUNDLE_SNP, snp.report + 0x1a0, SNP_CHIP_ID_LEN, world.ticket.destination.platform_id);
}

static void test_snp_evidence(void)
{
	struct duo *duo = &world.duo;

	set_up_snp(0x3e);
	write_ticket(world.issuer);
	load_both();
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	CU_ASSERT_EQUAL_FATAL(duo_start(duo), 0);
	CU_ASSERT_EQUAL(duo_wait_pager(duo, GMEM_PHASE_COMPLETE), GMEM_PHASE_COMPLETE);
	CU_ASSERT_EQUAL(duo_first_difference(duo), -1);
	tear_down();

	set_up_snp(0x3f);
	write_ticket(world.issuer);
	load_both();
	refused(0, "snp.measurement");
	tear_down();

	set_up_snp(0x3e);
	world.ticket.destination.platform_id[0] ^= 1;
	write_ticket(world.issuer);
	load_both();
	refused(0, "ticket.platform");
	tear_down();
}

static void test_used_twice(void)
{
	struct duo *duo = &world.duo;
	struct duo second;
	int status;

	set_up();
	load_both();
	CU_ASSERT_EQUAL_FATAL(duo_prepare(duo), 0);
	session_end(&duo->source->session, SESSION_LOCAL, -ECANCELED, "enough");
	duo_wait_pager(duo, GMEM_PHASE_COMPLETE);
	duo_init(&second, 64, 0);
	second.source_config = duo->source_config;
	second.pager_config = duo->pager_config;
	second.source_config.address = second.source_address;
	second.pager_config.address = second.address;
	CU_ASSERT_EQUAL_FATAL(duo_open(&second), 0);
	CU_ASSERT_EQUAL(source_prepare(second.source), 0);
	CU_ASSERT_EQUAL(duo_wait_source(&second, GMEM_PHASE_ACCEPTED), GMEM_PHASE_ABORTED);
	CHECK_CONTAINS(duo_source_error(&second, &status), "used before");
	CU_ASSERT_EQUAL(status, -EEXIST);
	duo_fini(&second);
	tear_down();
}

/* Loading says no, with this sentence. */
static void not_loaded(int status, const char *sentence)
{
	CU_ASSERT_EQUAL(load(1), status);
	CHECK_CONTAINS(world.error, sentence);
	CU_ASSERT_PTR_NULL(world.identity[1]);
	CU_ASSERT_PTR_NULL(config_of(1)->evidence);
	tear_down();
}

static void test_bad_tickets(void)
{
	set_up();
	world.ticket.destination.static_key[0] ^= 1;
	write_ticket(world.issuer);
	not_loaded(-EACCES, "another static key for this side");
	set_up();
	write_ticket(world.platform[0]);
	not_loaded(-EACCES, "no issuer that is believed");
	set_up();
	world.ticket.not_after_s = world.ticket.not_before_s + 1;
	write_ticket(world.issuer);
	not_loaded(-EACCES, "not valid any more");
	set_up();
	world.ticket.not_before_s += 300;
	write_ticket(world.issuer);
	not_loaded(-EACCES, "not valid yet");
	set_up();
	write_text("ticket", "0123456789012345678901234567890123456789012345678901234567890123\n");
	not_loaded(-EACCES, "no ticket of version 1");
	set_up();
	name(&world.files[1].issuer, NULL);
	name(&world.files[1].peer, "issuer.pub");
	not_loaded(-EINVAL, "peer's public key");
	set_up();
	memset(config_of(1)->vm_id, 1, ATTEST_ID_LEN);
	CU_ASSERT_EQUAL(identity_load(&world.files[1], ATTEST_RESPONDER, true, config_of(1), &world.identity[1],
				      world.error), -EACCES);
	CHECK_CONTAINS(world.error, "another VM");
	tear_down();
}

/* The ticket is not valid any more, and this side has used it: a process that comes later goes on. */
static void test_validity_is_asked_once(void)
{
	struct ledger_config used = { .role = ATTEST_RESPONDER };
	struct ledger *ledger = NULL;
	uint8_t bytes[TICKET_LEN];

	set_up();
	world.ticket.not_after_s = world.ticket.not_before_s + 1;
	write_ticket(world.issuer);
	CU_ASSERT_EQUAL(ticket_sign(&world.ticket, world.issuer, bytes), 0);
	ticket_id(bytes, used.ticket_id);
	memcpy(used.vm_id, world.ticket.vm_id, ATTEST_ID_LEN);
	memcpy(used.peer_key, world.ticket.source.static_key, ATTEST_KEY_LEN);
	used.dir = config_of(1)->state_dir;
	CU_ASSERT_EQUAL(load(1), -EACCES);
	CU_ASSERT_EQUAL_FATAL(ledger_open(&used, &ledger), 0);
	CU_ASSERT_EQUAL(ledger_event(ledger, ATTEST_EVENT_BEGIN), 0);
	ledger_close(ledger);
	CU_ASSERT_EQUAL(load(1), 0);
	/* The other side has not, though both keep their records in one place. */
	CU_ASSERT_EQUAL(load(0), -EACCES);
	CHECK_CONTAINS(world.error, "not valid any more");
	tear_down();
}

static void test_peer_must_be_the_tickets(void)
{
	char *path;

	set_up();
	name(&world.files[1].peer, "peer.pub");
	path = path_of("peer.pub");
	CU_ASSERT_EQUAL_FATAL(attest_public_save(world.ticket.source.static_key, path), 0);
	CU_ASSERT_EQUAL(load(1), 0);
	identity_free(world.identity[1]);
	world.identity[1] = NULL;
	config_of(1)->evidence = NULL;
	CU_ASSERT_EQUAL_FATAL(attest_public_save(world.ticket.destination.static_key, path), 0);
	free(path);
	not_loaded(-EINVAL, "names another peer");
}

static void test_bad_files(void)
{
	char *path;

	set_up();
	write_text("policy", "software: {\n\tallow = 1;\n};\n");
	not_loaded(-EINVAL, "line 2: software.allow");
	set_up();
	name(&world.files[1].policy, "nothing");
	not_loaded(-ENOENT, "cannot be read: No such file");
	set_up();
	name(&world.files[1].issuer, "nothing");
	not_loaded(-ENOENT, "issuer's public key");
	set_up();
	name(&world.files[1].software_key, NULL);
	not_loaded(-EINVAL, "go together");
	set_up();
	name(&world.files[1].evidence, NULL);
	not_loaded(-EINVAL, "go together");
	set_up();
	name(&world.files[1].evidence, "magic");
	not_loaded(-EINVAL, "pinned-key, tsm, tpm or software");
	set_up();
	path = path_of("pager.key");
	CU_ASSERT_EQUAL(chmod(path, 0644), 0);
	free(path);
	not_loaded(-EPERM, "chmod 600");
	set_up();
	name(&world.files[1].certificates, "issuer.pub");
	not_loaded(-EINVAL, "others none");
}

static void test_tpm_key(void)
{
	static const char *const bad[] = { "0x01010001", "0x81010001x", "", "0x1810100011" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_up();
		name(&world.files[1].software_key, NULL);
		free(world.files[1].evidence);
		world.files[1].evidence = strdup("tpm");
		world.files[1].tpm_key = strdup(bad[i]);
		not_loaded(-EINVAL, "persistent handle");
	}
	set_up();
	name(&world.files[1].software_key, NULL);
	free(world.files[1].evidence);
	world.files[1].evidence = strdup("tpm");
	world.files[1].tpm_key = strdup("0x81010001");
	CU_ASSERT_EQUAL(load(1), 0);
	tear_down();
}

/* As it was before there were tickets: an id, and a key. */
static void test_pinned_key_as_before(void)
{
	char *path;

	set_up();
	for (int side = 0; side < 2; side++) {
		identity_files_fini(&world.files[side]);
		memset(&world.files[side], 0, sizeof(world.files[side]));
		name(&world.files[side].ticket, "ticket");
		name(&world.files[side].peer, side == 0 ? "pager.pub" : "source.pub");
	}
	write_text("ticket", "0123456789012345678901234567890123456789012345678901234567890123\n");
	path = path_of("source.pub");
	CU_ASSERT_EQUAL_FATAL(attest_public_save(world.ticket.source.static_key, path), 0);
	free(path);
	path = path_of("pager.pub");
	CU_ASSERT_EQUAL_FATAL(attest_public_save(world.ticket.destination.static_key, path), 0);
	free(path);
	load_both();
	CU_ASSERT_PTR_NULL(config_of(0)->evidence);
	CU_ASSERT_EQUAL_FATAL(duo_prepare(&world.duo), 0);
	tear_down();
}

/* A signed ticket without a policy: the keys that it names are pinned.  It may not name platforms then. */
static void test_pinned_by_ticket(void)
{
	for (int named = 0; named < 2; named++) {
		set_up();
		for (int side = 0; side < 2; side++) {
			name(&world.files[side].policy, NULL);
			name(&world.files[side].software_key, NULL);
			name(&world.files[side].evidence, NULL);
		}
		if (named == 0) {
			memset(world.ticket.source.platform_id, 0, ATTEST_ID_LEN);
			memset(world.ticket.destination.platform_id, 0, ATTEST_ID_LEN);
		}
		write_ticket(world.issuer);
		load_both();
		if (named == 0)
			CU_ASSERT_EQUAL_FATAL(duo_prepare(&world.duo), 0);
		if (named == 1)
			refused(0, "ticket.platform");
		tear_down();
	}
}

static const struct check checks[] = {
	{ "a move with tickets and evidence", test_attested_move },
	{ "the policy refuses", test_policy_refuses },
	{ "another platform with the right static key", test_other_platform },
	{ "a ticket used twice", test_used_twice },
	{ "tickets that are not good", test_bad_tickets },
	{ "SNP evidence by tsm", test_snp_evidence },
	{ "validity is asked once", test_validity_is_asked_once },
	{ "--peer must be the ticket's", test_peer_must_be_the_tickets },
	{ "files that are not good", test_bad_files },
	{ "the TPM's key handle", test_tpm_key },
	{ "pinned keys as before", test_pinned_key_as_before },
	{ "pinned by the ticket", test_pinned_by_ticket },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return check_main("identity", checks, argc > 1 ? argv[1] : NULL);
}
