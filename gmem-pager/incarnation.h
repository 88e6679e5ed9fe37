/* SPDX-License-Identifier: MIT */
/*
 * incarnation: the number of a VM's move that a signed ticket names, against the
 * last one that this host saw for that VM.  A ticket that was issued for an
 * earlier move and never used must not move the VM once a later one did.
 *
 * One file for each VM in the directory of the records, VM.incarnation:
 *   gmem-incarnation 1
 *   number N
 *   ticket 64 hex digits
 *   end
 */
#ifndef GMEM_PAGER_INCARNATION_H
#define GMEM_PAGER_INCARNATION_H

#include <attest/ticket.h>

#define INCARNATION_ERROR_LEN 400u

/*
 * Is @ticket, whose id is @ticket_id, the last one seen here, or of a later move, or a new one for the same move, which
 * has not taken effect?  Then it is the last one from now on, durably.  @dir is made if its parent is there.
 * With a sentence: -EACCES it is of a move that is past; -EBADMSG a file in @dir cannot be understood;
 * else -errno of @dir.
 */
int incarnation_take(const char *dir, const struct ticket *ticket, const uint8_t ticket_id[ATTEST_ID_LEN],
		     char ret_error[INCARNATION_ERROR_LEN]);

#endif
