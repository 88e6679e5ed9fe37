/* SPDX-License-Identifier: MIT */
/* schema: see schema.h. */
#include "schema.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *get(struct json_object *object, const char *name)
{
	struct json_object *member = NULL;

	json_object_object_get_ex(object, name, &member);
	return member;
}

static bool is_list(const config_setting_t *setting)
{
	return config_setting_is_list(setting) || config_setting_is_array(setting);
}

static bool is_number(const config_setting_t *setting)
{
	return config_setting_type(setting) == CONFIG_TYPE_INT || config_setting_type(setting) == CONFIG_TYPE_INT64;
}

static const char *text_of(const config_setting_t *setting)
{
	return config_setting_type(setting) == CONFIG_TYPE_STRING ? config_setting_get_string(setting) : NULL;
}

static bool type_fits(const char *type, const config_setting_t *setting)
{
	if (!strcmp(type, "object"))
		return config_setting_is_group(setting);
	if (!strcmp(type, "array"))
		return is_list(setting);
	if (!strcmp(type, "string"))
		return text_of(setting);
	if (!strcmp(type, "boolean"))
		return config_setting_type(setting) == CONFIG_TYPE_BOOL;
	return !strcmp(type, "integer") && is_number(setting);
}

static bool is_same(struct json_object *value, const config_setting_t *setting)
{
	switch (json_object_get_type(value)) {
	case json_type_string:
		return text_of(setting) && !strcmp(text_of(setting), json_object_get_string(value));
	case json_type_boolean:
		return type_fits("boolean", setting) &&
		       config_setting_get_bool(setting) == json_object_get_boolean(value);
	default:
		return is_number(setting) && config_setting_get_int64(setting) == json_object_get_int64(value);
	}
}

static bool matches(const char *pattern, const char *text)
{
	regex_t regex;
	bool found;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		abort();
	found = !regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	return found;
}

/* How many of @schemas fit? */
static size_t n_fit(struct json_object *root, struct json_object *schemas, const config_setting_t *setting)
{
	size_t n = 0;

	for (size_t i = 0; i < json_object_array_length(schemas); i++)
		n += schema_fits(root, json_object_array_get_idx(schemas, i), setting);
	return n;
}

static bool members_fit(struct json_object *root, struct json_object *schema, const config_setting_t *setting)
{
	struct json_object *properties = get(schema, "properties");

	for (int i = 0; config_setting_is_group(setting) && i < config_setting_length(setting); i++) {
		const config_setting_t *member = config_setting_get_elem(setting, (unsigned int)i);
		struct json_object *wanted = get(properties, config_setting_name(member));

		if (wanted ? !schema_fits(root, wanted, member) : !!get(schema, "additionalProperties"))
			return false;
	}
	return true;
}

static bool all_required(struct json_object *names, const config_setting_t *setting)
{
	for (size_t i = 0; i < json_object_array_length(names); i++)
		if (!config_setting_get_member(setting, json_object_get_string(json_object_array_get_idx(names, i))))
			return false;
	return true;
}

static bool items_fit(struct json_object *root, struct json_object *wanted, const config_setting_t *setting)
{
	for (int i = 0; is_list(setting) && i < config_setting_length(setting); i++)
		if (!schema_fits(root, wanted, config_setting_get_elem(setting, (unsigned int)i)))
			return false;
	return true;
}

static bool ref_fits(struct json_object *root, const char *ref, const config_setting_t *setting)
{
	struct json_object *target;

	if (strncmp(ref, "#/$defs/", 8) || !(target = get(get(root, "$defs"), ref + 8)))
		abort();
	return schema_fits(root, target, setting);
}

static bool limit_fits(const char *word, int64_t limit, const config_setting_t *setting)
{
	const char *text = text_of(setting);
	int64_t length = config_setting_length(setting);

	if (!strcmp(word, "minimum"))
		return !is_number(setting) || config_setting_get_int64(setting) >= limit;
	if (!strcmp(word, "maximum"))
		return !is_number(setting) || config_setting_get_int64(setting) <= limit;
	if (!strcmp(word, "minItems"))
		return !is_list(setting) || length >= limit;
	if (!strcmp(word, "maxItems"))
		return !is_list(setting) || length <= limit;
	if (!strcmp(word, "minLength"))
		return !text || (int64_t)strlen(text) >= limit;
	if (!strcmp(word, "maxLength"))
		return !text || (int64_t)strlen(text) <= limit;
	if (!strcmp(word, "minProperties"))
		return !config_setting_is_group(setting) || length >= limit;
	fprintf(stderr, "schema: %s is not known here\n", word);
	abort();
}

static bool word_fits(struct json_object *root, struct json_object *schema, const char *word,
		      struct json_object *value, const config_setting_t *setting)
{
	if (*word == '$' ? strcmp(word, "$ref") != 0 : !strcmp(word, "title") || !strcmp(word, "description") ||
	    !strcmp(word, "default") || !strcmp(word, "additionalProperties"))
		return true;
	if (!strcmp(word, "$ref"))
		return ref_fits(root, json_object_get_string(value), setting);
	if (!strcmp(word, "type"))
		return type_fits(json_object_get_string(value), setting);
	if (!strcmp(word, "const"))
		return is_same(value, setting);
	if (!strcmp(word, "enum")) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			if (is_same(json_object_array_get_idx(value, i), setting))
				return true;
		return false;
	}
	if (!strcmp(word, "pattern"))
		return !text_of(setting) || matches(json_object_get_string(value), text_of(setting));
	if (!strcmp(word, "anyOf"))
		return n_fit(root, value, setting) > 0;
	if (!strcmp(word, "allOf"))
		return n_fit(root, value, setting) == json_object_array_length(value);
	if (!strcmp(word, "not"))
		return !schema_fits(root, value, setting);
	if (!strcmp(word, "required"))
		return !config_setting_is_group(setting) || all_required(value, setting);
	if (!strcmp(word, "properties"))
		return members_fit(root, schema, setting);
	if (!strcmp(word, "items"))
		return items_fit(root, value, setting);
	return limit_fits(word, json_object_get_int64(value), setting);
}

bool schema_fits(struct json_object *root, struct json_object *schema, const config_setting_t *setting)
{
	json_object_object_foreach(schema, word, value) {
		if (!word_fits(root, schema, word, value, setting))
			return false;
	}
	return true;
}
