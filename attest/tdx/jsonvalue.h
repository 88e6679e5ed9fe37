/* SPDX-License-Identifier: MIT */
/*
 * jsonvalue: members of an object of json-c's, each of exactly one type and in
 * a range.  Every function: false if there is no such member or it is not so;
 * outputs are untouched then.
 */
#ifndef ATTEST_TDX_JSONVALUE_H
#define ATTEST_TDX_JSONVALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/** The whole text, an object that jsontext_check() takes.  Put with json_object_put().  -EBADMSG, -E2BIG, -ENOMEM. */
int jsonvalue_parse(const char *text, size_t len, struct json_object **ret_object);

bool jsonvalue_has(struct json_object *object, const char *name);
/** The object's own string; no NUL inside. */
bool jsonvalue_string(struct json_object *object, const char *name, const char **ret_text, size_t *ret_len);
/** Exactly 2 * @len hex digits of either case. */
bool jsonvalue_hex(struct json_object *object, const char *name, uint8_t *ret_bytes, size_t len);
/** Any even number of hex digits from 2 to 2 * @max_len.  Free @ret_bytes. */
bool jsonvalue_hex_new(struct json_object *object, const char *name, size_t max_len, uint8_t **ret_bytes,
		       size_t *ret_len);
/** A whole number from 0 to @max. */
bool jsonvalue_number(struct json_object *object, const char *name, uint32_t max, uint32_t *ret_number);
/** As date.h has it. */
bool jsonvalue_date(struct json_object *object, const char *name, int64_t *ret_seconds);
/** The object's own. */
bool jsonvalue_object(struct json_object *object, const char *name, struct json_object **ret_object);
/** An array of @min to @max objects or strings; the object's own. */
bool jsonvalue_array(struct json_object *object, const char *name, size_t min, size_t max,
		     struct json_object **ret_array, size_t *ret_n);
/** Is member @name this text? */
bool jsonvalue_is(struct json_object *object, const char *name, const char *text);

#endif
