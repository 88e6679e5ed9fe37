// SPDX-License-Identifier: MIT
#include <linux/serial_reg.h>
#include <string.h>

#include "check.h"
#include "serial.h"

static char out[64];
static size_t out_len;
static int irq_changes;
static bool irq_now;

static void emit(void *opaque, uint8_t byte)
{
	if (out_len < sizeof(out))
		out[out_len++] = (char)byte;
}

static void set_irq(void *opaque, bool level)
{
	CU_ASSERT_NOT_EQUAL(level, irq_now);	/* changes only */
	irq_now = level;
	irq_changes++;
}

static struct serial fresh(void)
{
	struct serial serial;

	out_len = 0;
	irq_changes = 0;
	irq_now = false;
	serial_init(&serial, emit, set_irq, NULL);
	return serial;
}

static void test_output(void)
{
	struct serial serial = fresh();

	serial_write(&serial, UART_TX, 'h');
	serial_write(&serial, UART_TX, 'i');
	CU_ASSERT_EQUAL(out_len, 2);
	CU_ASSERT_EQUAL(memcmp(out, "hi", 2), 0);
	CU_ASSERT_EQUAL(serial_read(&serial, UART_LSR), UART_LSR_TEMT | UART_LSR_THRE);
	CU_ASSERT_EQUAL(irq_changes, 0);	/* nobody asked for interrupts */
}

static void test_divisor(void)
{
	struct serial serial = fresh();

	serial_write(&serial, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	serial_write(&serial, UART_DLL, 12);
	serial_write(&serial, UART_DLM, 3);
	CU_ASSERT_EQUAL(serial_read(&serial, UART_DLL), 12);
	CU_ASSERT_EQUAL(serial_read(&serial, UART_DLM), 3);
	serial_write(&serial, UART_LCR, UART_LCR_WLEN8);
	CU_ASSERT_EQUAL(serial_read(&serial, UART_IER), 0);	/* the latch is not IER */
	CU_ASSERT_EQUAL(out_len, 0);
}

static void test_interrupt(void)
{
	struct serial serial = fresh();

	CU_ASSERT_EQUAL(serial_read(&serial, UART_IIR), UART_IIR_NO_INT);
	serial_write(&serial, UART_IER, UART_IER_THRI);
	CU_ASSERT_TRUE(irq_now);	/* empty already */
	CU_ASSERT_EQUAL(serial_read(&serial, UART_IIR), UART_IIR_THRI);
	CU_ASSERT_FALSE(irq_now);	/* reading acknowledges */
	CU_ASSERT_EQUAL(serial_read(&serial, UART_IIR), UART_IIR_NO_INT);
	serial_write(&serial, UART_TX, 'x');
	CU_ASSERT_TRUE(irq_now);
	serial_write(&serial, UART_IER, 0);
	CU_ASSERT_FALSE(irq_now);
	CU_ASSERT_EQUAL(irq_changes, 4);
}

/* How Linux tells a 16550A from less. */
static void test_detection(void)
{
	struct serial serial = fresh();

	serial_write(&serial, UART_IER, 0x0f);
	CU_ASSERT_EQUAL(serial_read(&serial, UART_IER) & 0x0f, 0x0f);
	serial_write(&serial, UART_IER, 0);
	serial_write(&serial, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	CU_ASSERT_EQUAL(serial_read(&serial, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	serial_write(&serial, UART_TX, 'l');
	CU_ASSERT_EQUAL(out_len, 0);	/* looped, not sent */
	serial_write(&serial, UART_MCR, 0);
	serial_write(&serial, UART_FCR, UART_FCR_ENABLE_FIFO);
	CU_ASSERT_EQUAL(serial_read(&serial, UART_IIR) & 0xc0, 0xc0);
	serial_write(&serial, UART_SCR, 0x5a);
	CU_ASSERT_EQUAL(serial_read(&serial, UART_SCR), 0x5a);
}

static void test_restore(void)
{
	struct serial here = fresh(), there;

	serial_write(&here, UART_FCR, UART_FCR_ENABLE_FIFO);
	serial_write(&here, UART_IER, UART_IER_THRI);
	serial_init(&there, emit, set_irq, NULL);
	serial_restore(&there, &here.state);
	/* The line is high in the irqchip's state too: acknowledging lowers it. */
	CU_ASSERT_EQUAL(serial_read(&there, UART_IIR), 0xc0 | UART_IIR_THRI);
	CU_ASSERT_FALSE(irq_now);
}

static void test_any_access(void)
{
	struct serial serial = fresh();

	/* Whatever a guest does, nothing is read or written outside of the model. */
	for (unsigned int i = 0; i < 65536; i++) {
		serial_write(&serial, i & 15, (uint8_t)(i >> 4));
		(void)serial_read(&serial, i & 15);
	}
	CU_ASSERT_EQUAL(serial_read(&serial, 9), 0xff);
}

static const struct check_case cases[] = {
	{ "bytes leave in order", test_output },
	{ "divisor latch hides data and IER", test_divisor },
	{ "transmitter interrupt rises and is acknowledged", test_interrupt },
	{ "Linux finds a 16550A", test_detection },
	{ "state moves to another port", test_restore },
	{ "any access is harmless", test_any_access },
};

int main(void)
{
	return check_run("serial", cases, sizeof(cases) / sizeof(cases[0]));
}
