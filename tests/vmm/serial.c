// SPDX-License-Identifier: MIT
#include "serial.h"

#include <linux/serial_reg.h>
#include <string.h>

static bool wants_irq(const struct serial *serial)
{
	return (serial->state.ier & UART_IER_THRI) && serial->state.thr_pending;
}

static void update_irq(struct serial *serial)
{
	bool level = wants_irq(serial);

	if (level == serial->irq_level)
		return;
	serial->irq_level = level;
	serial->set_irq(serial->opaque, level);
}

void serial_init(struct serial *serial, void (*emit)(void *opaque, uint8_t byte),
		 void (*set_irq)(void *opaque, bool level), void *opaque)
{
	memset(serial, 0, sizeof(*serial));
	serial->state.dll = 1;	/* 115200 baud */
	serial->emit = emit;
	serial->set_irq = set_irq;
	serial->opaque = opaque;
}

void serial_restore(struct serial *serial, const struct serial_state *state)
{
	serial->state = *state;
	serial->irq_level = wants_irq(serial);
}

static bool divisor_latch(const struct serial *serial)
{
	return serial->state.lcr & UART_LCR_DLAB;
}

static void transmit(struct serial *serial, uint8_t value)
{
	/* In loopback nothing leaves; the byte is lost, as nothing is ever received. */
	if (!(serial->state.mcr & UART_MCR_LOOP))
		serial->emit(serial->opaque, value);
	serial->state.thr_pending = 1;
}

void serial_write(struct serial *serial, unsigned int reg, uint8_t value)
{
	struct serial_state *state = &serial->state;

	switch (reg) {
	case UART_TX:
		if (divisor_latch(serial))
			state->dll = value;
		else
			transmit(serial, value);
		break;
	case UART_IER:
		if (divisor_latch(serial)) {
			state->dlm = value;
			break;
		}
		/* Switching the interrupt on while the transmitter is empty raises it. */
		if ((value & UART_IER_THRI) && !(state->ier & UART_IER_THRI))
			state->thr_pending = 1;
		state->ier = value & 0x0f;
		break;
	case UART_FCR:
		state->fcr = value;
		break;
	case UART_LCR:
		state->lcr = value;
		break;
	case UART_MCR:
		state->mcr = value & 0x1f;
		break;
	case UART_SCR:
		state->scr = value;
		break;
	}
	update_irq(serial);
}

static uint8_t read_iir(struct serial *serial)
{
	uint8_t iir = (serial->state.fcr & UART_FCR_ENABLE_FIFO) ? 0xc0 : 0;

	if (!wants_irq(serial))
		return iir | UART_IIR_NO_INT;
	serial->state.thr_pending = 0;
	update_irq(serial);
	return iir | UART_IIR_THRI;
}

static uint8_t read_msr(const struct serial *serial)
{
	uint8_t mcr = serial->state.mcr;

	if (!(mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	/* Loopback wires the modem outputs to the inputs: how Linux detects the chip. */
	return (uint8_t)((mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) | (mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
			 (mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) | (mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
}

uint8_t serial_read(struct serial *serial, unsigned int reg)
{
	const struct serial_state *state = &serial->state;

	switch (reg) {
	case UART_RX:
		return divisor_latch(serial) ? state->dll : 0;
	case UART_IER:
		return divisor_latch(serial) ? state->dlm : state->ier;
	case UART_IIR:
		return read_iir(serial);
	case UART_LCR:
		return state->lcr;
	case UART_MCR:
		return state->mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE;
	case UART_MSR:
		return read_msr(serial);
	case UART_SCR:
		return state->scr;
	}
	return 0xff;
}
