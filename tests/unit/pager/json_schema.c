// SPDX-License-Identifier: MIT
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_schema.h"

#define WHERE_LEN 128u

struct json_object *json_schema_def(struct json_object *root, const char *name)
{
	return json_object_object_get(json_object_object_get(root, "$defs"), name);
}

static bool fails(char *ret_where, const char *keyword, struct json_object *value)
{
	snprintf(ret_where, WHERE_LEN, "%s: %.100s", keyword, json_object_to_json_string(value));
	return false;
}

static bool is_type(struct json_object *value, const char *name)
{
	static const char *const names[] = { "null", "boolean", NULL, "integer", "object", "array", "string" };
	const enum json_type type = json_object_get_type(value);

	return names[type] != NULL && strcmp(name, names[type]) == 0;
}

static bool one_of_types(struct json_object *types, struct json_object *value)
{
	size_t i;

	if (json_object_is_type(types, json_type_string))
		return is_type(value, json_object_get_string(types));
	for (i = 0; i < json_object_array_length(types); i++)
		if (is_type(value, json_object_get_string(json_object_array_get_idx(types, i))))
			return true;
	return false;
}

static bool listed(struct json_object *list, struct json_object *value)
{
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++)
		if (json_object_equal(json_object_array_get_idx(list, i), value))
			return true;
	return false;
}

static bool matches(const char *pattern, struct json_object *value)
{
	regex_t regex;
	bool ok;

	if (!json_object_is_type(value, json_type_string))
		return true;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		abort();
	ok = strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value) &&
	     regexec(&regex, json_object_get_string(value), 0, NULL, 0) == 0;
	regfree(&regex);
	return ok;
}

static unsigned int n_that_fit(struct json_object *root, struct json_object *list, struct json_object *value, char *where)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < json_object_array_length(list); i++)
		n += json_schema_fits(root, json_object_array_get_idx(list, i), value, where);
	return n;
}

static bool members_fit(struct json_object *root, struct json_object *schema, struct json_object *value, char *ret_where)
{
	struct json_object *properties = json_object_object_get(schema, "properties"), *member;

	if (!json_object_is_type(value, json_type_object))
		return true;
	json_object_object_foreach(value, key, child) {
		if (!json_object_object_get_ex(properties, key, &member)) {
			snprintf(ret_where, WHERE_LEN, "additionalProperties: %s", key);
			return false;
		}
		if (!json_schema_fits(root, member, child, ret_where))
			return false;
	}
	return true;
}

static bool has_required(struct json_object *list, struct json_object *value)
{
	size_t i;

	if (!json_object_is_type(value, json_type_object))
		return true;
	for (i = 0; i < json_object_array_length(list); i++)
		if (!json_object_object_get_ex(value, json_object_get_string(json_object_array_get_idx(list, i)), NULL))
			return false;
	return true;
}

static bool items_fit(struct json_object *root, struct json_object *items, struct json_object *value, char *ret_where)
{
	size_t i;

	if (!json_object_is_type(value, json_type_array))
		return true;
	for (i = 0; i < json_object_array_length(value); i++)
		if (!json_schema_fits(root, items, json_object_array_get_idx(value, i), ret_where))
			return false;
	return true;
}

static bool in_range(const char *keyword, struct json_object *bound, struct json_object *value)
{
	const int64_t limit = json_object_get_int64(bound);

	if (strcmp(keyword, "minimum") == 0 && json_object_is_type(value, json_type_int))
		return json_object_get_int64(value) >= limit;
	if (strcmp(keyword, "maximum") == 0 && json_object_is_type(value, json_type_int))
		return json_object_get_int64(value) <= limit;
	if (strcmp(keyword, "minItems") == 0 && json_object_is_type(value, json_type_array))
		return (int64_t)json_object_array_length(value) >= limit;
	if (strcmp(keyword, "maxItems") == 0 && json_object_is_type(value, json_type_array))
		return (int64_t)json_object_array_length(value) <= limit;
	return true;
}

static bool keyword_fits(struct json_object *root, struct json_object *schema, const char *keyword, struct json_object *of,
			 struct json_object *value, char *ret_where)
{
	if (strcmp(keyword, "$ref") == 0)
		return json_schema_fits(root, json_schema_def(root, json_object_get_string(of) + strlen("#/$defs/")), value,
					ret_where);
	if (strcmp(keyword, "type") == 0)
		return one_of_types(of, value) || fails(ret_where, keyword, value);
	if (strcmp(keyword, "const") == 0)
		return json_object_equal(of, value) || fails(ret_where, keyword, value);
	if (strcmp(keyword, "enum") == 0)
		return listed(of, value) || fails(ret_where, keyword, value);
	if (strcmp(keyword, "pattern") == 0)
		return matches(json_object_get_string(of), value) || fails(ret_where, keyword, value);
	if (strcmp(keyword, "oneOf") == 0)
		return n_that_fit(root, of, value, ret_where) == 1;
	if (strcmp(keyword, "anyOf") == 0)
		return n_that_fit(root, of, value, ret_where) > 0;
	if (strcmp(keyword, "required") == 0)
		return has_required(of, value) || fails(ret_where, keyword, value);
	if (strcmp(keyword, "additionalProperties") == 0)	/* false, and with the properties */
		return members_fit(root, schema, value, ret_where);
	if (strcmp(keyword, "items") == 0)
		return items_fit(root, of, value, ret_where);
	if (strncmp(keyword, "min", 3) == 0 || strncmp(keyword, "max", 3) == 0)
		return in_range(keyword, of, value) || fails(ret_where, keyword, value);
	if (strcmp(keyword, "description") == 0 || strcmp(keyword, "properties") == 0)
		return true;
	fprintf(stderr, "a keyword that this test does not know: %s\n", keyword);
	abort();
}

bool json_schema_fits(struct json_object *root, struct json_object *schema, struct json_object *value, char *ret_where)
{
	if (schema == NULL)
		abort();
	json_object_object_foreach(schema, keyword, of) {
		if (!keyword_fits(root, schema, keyword, of, value, ret_where))
			return false;
	}
	return true;
}
