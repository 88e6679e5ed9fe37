/* SPDX-License-Identifier: MIT */
/* schema: those words of JSON Schema that gmem-policy.schema.json uses, judged on what libconfig read. */
#ifndef TESTS_ATTEST_SCHEMA_H
#define TESTS_ATTEST_SCHEMA_H

#include <json-c/json.h>
#include <libconfig.h>
#include <stdbool.h>

/** Does @setting fit @schema?  @root: where "#/$defs/..." points into.  A word that is not known ends the program. */
bool schema_fits(struct json_object *root, struct json_object *schema, const config_setting_t *setting);

#endif
