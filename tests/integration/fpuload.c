// SPDX-License-Identifier: MIT
/*
 * Loads the FPU state for ever, as fast as it can: what every context switch
 * does now and then.  See bed-fpu.sh.
 */
#include <stdint.h>

int main(void)
{
	static _Alignas(16) uint8_t state[512];

	__asm__ volatile("fxsave %0" : "=m"(state));
	for (;;)
		__asm__ volatile("fxrstor %0" : : "m"(state));
}
