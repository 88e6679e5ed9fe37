// SPDX-License-Identifier: MIT
#include "stall.h"

bool stall_tick(struct stall *stall, uint64_t n_new, uint64_t n_received, uint64_t now_us)
{
	if (n_new != stall->n_new || stall->patience_us == 0)
		stall->patience_us = STALL_FIRST_US;
	else if (n_received == stall->n_received) {
		if (now_us - stall->since_us <= stall->patience_us)
			return false;
		if (stall->patience_us < STALL_MAX_US)
			stall->patience_us *= 2;
		stall->since_us = now_us;
		return true;
	}
	stall->n_new = n_new;
	stall->n_received = n_received;
	stall->since_us = now_us;
	return false;
}
