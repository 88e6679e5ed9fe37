// SPDX-License-Identifier: MIT
#include "rate.h"

/* The first measure is the rate itself; later ones count by how long they are.  A fraction for e^-x is near enough. */
void rate_see(struct rate *rate, uint64_t value, uint64_t now_us)
{
	const double us = (double)(now_us - rate->at_us);
	double weight;

	if (rate->at_us == 0 || value < rate->value) {
		*rate = (struct rate){ .at_us = now_us, .value = value };
		return;
	}
	if (now_us == rate->at_us)
		return;
	weight = us / (us + RATE_FADE_US);
	rate->per_s += weight * ((double)(value - rate->value) * 1e6 / us - rate->per_s);
	rate->at_us = now_us;
	rate->value = value;
}

uint64_t rate_per_s(const struct rate *rate)
{
	return (uint64_t)rate->per_s;
}
