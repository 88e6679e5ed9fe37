/* SPDX-License-Identifier: MIT */
/*
 * error: one sentence per failure, kept until main() prints it.  Each thread
 * has its own; a thread that ends the program hands its sentence to
 * machine_stop().
 */
#ifndef VMM_ERROR_H
#define VMM_ERROR_H

/**
 * Set the calling thread's sentence.
 * @param err  negative errno; returned, so that callers can write
 *             return error_set(-errno, ...).  errno itself is left alone.
 * @param format  what failed, on what, and what to do, without a full stop or
 *             the errno text, which is appended unless @p err is -EPROTO or
 *             -EINVAL (the sentence says it all then).
 */
int error_set(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The calling thread's sentence, "" if none.  Valid until its next error_set(). */
const char *error_get(void);

/** Print one line for the operator to standard error, with the program's name. */
void error_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
