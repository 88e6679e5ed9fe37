/* SPDX-License-Identifier: MIT */
/*
 * ports: the guest's port accesses that KVM does not handle itself.
 */
#ifndef VMM_PORTS_H
#define VMM_PORTS_H

#include <stdbool.h>
#include <stdint.h>

struct machine;

/**
 * One access of @p size (1, 2 or 4) bytes.  Ports that nothing stands behind
 * read as ones and swallow writes, as a PC's do.
 */
void ports_access(struct machine *machine, uint16_t port, bool is_write, unsigned int size, uint8_t *data);

/** Connect the serial port to console and irqchip. */
void ports_init(struct machine *machine);

#endif
