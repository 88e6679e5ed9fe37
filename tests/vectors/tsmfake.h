/* SPDX-License-Identifier: MIT */
/*
 * tsmfake: a folder that behaves like the kernel's configfs-tsm: mkdir() fills it, writing inblob makes a thread play
 * the hardware, outblob can be read once that has answered, rmdir() empties it.  Pipes stand for attributes that block.
 * One request at a time.  Link with --wrap=mkdir and --wrap=rmdir.
 */
#ifndef TESTS_VECTORS_TSMFAKE_H
#define TESTS_VECTORS_TSMFAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <attest/wire.h>

#include "snpgen.h"

struct tsmfake {
	const char *root;		/* folders that are made in it; NULL: none */
	const char *provider;
	const char *generation_before, *generation_after;
	uint8_t out[20000], aux[20000];	/* made when inblob is written */
	size_t out_len, aux_len;
	void (*answer)(const uint8_t inblob[WIRE_DIGEST_LEN]);
	bool no_aux;
	struct snpgen *snp;		/* borrowed; for tsmfake_answer_snp() */
	bool swap_guids;		/* as a structure of Windows' instead of as text has them */
	unsigned int n_made, n_removed;
	char folder[256];
	pthread_t thread;
};

extern struct tsmfake tsmfake;

/* Ready for a request.  Root, SNP evidence and the form of GUIDs stay. */
void tsmfake_set_up(const char *provider, void (*answer)(const uint8_t inblob[WIRE_DIGEST_LEN]));

/* A report of tsmfake.snp with these report data, and its three certificates in the table that a host gives. */
void tsmfake_answer_snp(const uint8_t inblob[WIRE_DIGEST_LEN]);

/* 32 bits at @offset of an entry of that table: 16 where a certificate begins, 20 its length. */
void tsmfake_put_entry_u32(size_t entry, size_t offset, size_t value);

/* The system's. */
int __real_rmdir(const char *path);

#endif
