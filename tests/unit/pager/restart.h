/* SPDX-License-Identifier: MIT */
/* Services of a duo that are gone without a word, and others in their place: no process, what a process has in memory. */
#ifndef TESTS_RESTART_H
#define TESTS_RESTART_H

#include "duo.h"

#define RESTART_PRIVATE 2048u
#define RESTART_SHARED 64u

void restart_sleep_ms(long ms);

/* Two VMs of that many pages whose services try for 15 s to get a connection back. */
void restart_init(struct duo *duo);

/* The service is gone, and another one is there with the same options; it has no VM yet. */
void restart_kill_pager(struct duo *duo);
void restart_kill_source(struct duo *duo);

/* The same with the pager where the source dials, from now on. */
void restart_kill_pager_and_listen(struct duo *duo);

/* Hand the VM over; @again: by a VMM that had handed it over before.  0 or the refusal, with duo->error. */
int restart_attach_pager(struct duo *duo, bool again);
int restart_attach_source(struct duo *duo, bool again);

/* START has come to the pager, with one state; the guest does not run. */
void restart_start_arrived(struct duo *duo);

/* The new source in doubt has its VM, and @state, which it says is what it sent before. */
void restart_start_again(struct duo *duo, const char *state);

/* The owner of the pager may stop it: nobody has to be told any more. */
bool restart_pager_settles(struct duo *duo);

/* Wait until the move is through; every byte is right, once.  Ends the duo. */
void restart_finish(struct duo *duo);

#endif
