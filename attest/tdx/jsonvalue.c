/* SPDX-License-Identifier: MIT */
/* jsonvalue: see jsonvalue.h. */
#include "jsonvalue.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "../date.h"
#include "../jsontext.h"

int jsonvalue_parse(const char *text, size_t len, struct json_object **ret_object)
{
	struct json_tokener *tokener;
	struct json_object *object;
	int r = jsontext_check(text, len);

	if (r < 0)
		return r;
	tokener = json_tokener_new_ex((int)JSONTEXT_MAX_DEPTH + 1);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(tokener, text, (int)len);
	r = json_tokener_get_error(tokener) == json_tokener_success && json_object_is_type(object, json_type_object) ?
		0 : -EBADMSG;
	json_tokener_free(tokener);
	if (r < 0) {
		json_object_put(object);
		return r;
	}
	*ret_object = object;
	return 0;
}

/* NULL if there is none of this type. */
static struct json_object *member(struct json_object *object, const char *name, enum json_type type)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

bool jsonvalue_has(struct json_object *object, const char *name)
{
	return json_object_object_get_ex(object, name, NULL);
}

bool jsonvalue_string(struct json_object *object, const char *name, const char **ret_text, size_t *ret_len)
{
	struct json_object *value = member(object, name, json_type_string);
	const char *text;
	size_t len;

	if (!value)
		return false;
	text = json_object_get_string(value);
	len = (size_t)json_object_get_string_len(value);
	if (strlen(text) != len)
		return false;
	*ret_text = text;
	*ret_len = len;
	return true;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_hex(const char *text)
{
	for (; *text; text++)
		if (nibble(*text) < 0)
			return false;
	return true;
}

static void decode(const char *text, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
}

bool jsonvalue_hex(struct json_object *object, const char *name, uint8_t *ret_bytes, size_t len)
{
	const char *text;
	size_t text_len;

	if (!jsonvalue_string(object, name, &text, &text_len) || text_len != 2 * len || !is_hex(text))
		return false;
	decode(text, ret_bytes, len);
	return true;
}

bool jsonvalue_hex_new(struct json_object *object, const char *name, size_t max_len, uint8_t **ret_bytes,
		       size_t *ret_len)
{
	const char *text;
	uint8_t *bytes;
	size_t len;

	if (!jsonvalue_string(object, name, &text, &len) || len < 2 || len % 2 || len / 2 > max_len || !is_hex(text))
		return false;
	bytes = malloc(len / 2);
	if (!bytes)
		return false;
	decode(text, bytes, len / 2);
	*ret_bytes = bytes;
	*ret_len = len / 2;
	return true;
}

bool jsonvalue_number(struct json_object *object, const char *name, uint32_t max, uint32_t *ret_number)
{
	struct json_object *value = member(object, name, json_type_int);
	int64_t number;

	if (!value)
		return false;
	number = json_object_get_int64(value);
	if (number < 0 || number > (int64_t)max)
		return false;
	*ret_number = (uint32_t)number;
	return true;
}

bool jsonvalue_date(struct json_object *object, const char *name, int64_t *ret_seconds)
{
	const char *text;
	size_t len;

	return jsonvalue_string(object, name, &text, &len) && date_parse(text, len, ret_seconds) == 0;
}

bool jsonvalue_object(struct json_object *object, const char *name, struct json_object **ret_object)
{
	struct json_object *value = member(object, name, json_type_object);

	if (!value)
		return false;
	*ret_object = value;
	return true;
}

bool jsonvalue_array(struct json_object *object, const char *name, size_t min, size_t max,
		     struct json_object **ret_array, size_t *ret_n)
{
	struct json_object *value = member(object, name, json_type_array);
	size_t n;

	if (!value)
		return false;
	n = json_object_array_length(value);
	if (n < min || n > max)
		return false;
	*ret_array = value;
	*ret_n = n;
	return true;
}

bool jsonvalue_is(struct json_object *object, const char *name, const char *text)
{
	const char *found;
	size_t len;

	return jsonvalue_string(object, name, &found, &len) && strcmp(found, text) == 0;
}
