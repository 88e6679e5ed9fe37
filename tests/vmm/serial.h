/* SPDX-License-Identifier: MIT */
/*
 * serial: the part of an 8250 that Linux's console and tty drivers use.
 *
 * Output only: no byte is ever received.  The transmitter is always empty, so
 * a byte that is written leaves at once through the emit callback.  All state
 * is in struct serial_state, which travels with the guest.
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#define SERIAL_PORT	0x3f8
#define SERIAL_N_PORTS	8
#define SERIAL_IRQ	4

struct serial_state {
	uint8_t ier;
	uint8_t fcr;
	uint8_t lcr;
	uint8_t mcr;
	uint8_t scr;
	uint8_t dll;
	uint8_t dlm;
	uint8_t thr_pending;	/* "transmitter empty" not yet acknowledged */
};

struct serial {
	struct serial_state state;
	bool irq_level;
	void (*emit)(void *opaque, uint8_t byte);
	void (*set_irq)(void *opaque, bool level);	/* called on changes only */
	void *opaque;
};

/** Reset values, line low. */
void serial_init(struct serial *serial, void (*emit)(void *opaque, uint8_t byte),
		 void (*set_irq)(void *opaque, bool level), void *opaque);

/** Guest wrote @p value to register @p reg (0 to 7).  The caller serialises. */
void serial_write(struct serial *serial, unsigned int reg, uint8_t value);

/** Guest reads register @p reg (0 to 7).  The caller serialises. */
uint8_t serial_read(struct serial *serial, unsigned int reg);

/** Take over saved state; the interrupt line's level is in the irqchip's state. */
void serial_restore(struct serial *serial, const struct serial_state *state);

#endif
