/* SPDX-License-Identifier: MIT */
/* As much of JSON Schema as gmem-control.schema.json uses; a keyword that is not known fails the test. */
#ifndef TESTS_JSON_SCHEMA_H
#define TESTS_JSON_SCHEMA_H

#include <stdbool.h>

#include <json-c/json.h>

/* Does @value fit @schema, a part of @root?  Where it does not, @ret_where (128 bytes) says the last keyword tried. */
bool json_schema_fits(struct json_object *root, struct json_object *schema, struct json_object *value, char *ret_where);

/* The member "$defs/@name" of @root. */
struct json_object *json_schema_def(struct json_object *root, const char *name);

#endif
