// SPDX-License-Identifier: MIT
#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void verdict_init(struct verdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
}

/* What a peer's certificate or log says may be in it, and it goes to terminals. */
static void clean(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

static void add(struct verdict *verdict, const char *name, enum verdict_outcome outcome, const char *format,
		va_list args)
{
	struct verdict_rule *rule;

	if (verdict->n_rules == VERDICT_MAX_RULES) {
		rule = &verdict->rules[VERDICT_MAX_RULES - 1];
		snprintf(rule->name, sizeof(rule->name), "rules");
		snprintf(rule->text, sizeof(rule->text), "more than %u rules to judge", VERDICT_MAX_RULES);
		rule->outcome = VERDICT_FAILS;
		return;
	}
	rule = &verdict->rules[verdict->n_rules++];
	snprintf(rule->name, sizeof(rule->name), "%s", name);
	vsnprintf(rule->text, sizeof(rule->text), format, args);
	clean(rule->text);
	rule->outcome = outcome;
}

void verdict_add(struct verdict *verdict, const char *name, enum verdict_outcome outcome, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(verdict, name, outcome, format, args);
	va_end(args);
}

bool verdict_judge(struct verdict *verdict, const char *name, bool holds, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(verdict, name, holds ? VERDICT_HOLDS : VERDICT_FAILS, format, args);
	va_end(args);
	return holds;
}

bool verdict_believed(const struct verdict *verdict)
{
	bool any = false;
	size_t i;

	for (i = 0; i < verdict->n_rules; i++) {
		if (verdict->rules[i].outcome == VERDICT_FAILS || verdict->rules[i].outcome == VERDICT_NOT_JUDGED)
			return false;
		any |= verdict->rules[i].outcome == VERDICT_HOLDS;
	}
	return any;
}

const struct verdict_rule *verdict_first_failure(const struct verdict *verdict)
{
	size_t i;

	for (i = 0; i < verdict->n_rules; i++)
		if (verdict->rules[i].outcome == VERDICT_FAILS)
			return &verdict->rules[i];
	return NULL;
}

const struct verdict_rule *verdict_find(const struct verdict *verdict, const char *name)
{
	size_t i;

	for (i = 0; i < verdict->n_rules; i++)
		if (strcmp(verdict->rules[i].name, name) == 0)
			return &verdict->rules[i];
	return NULL;
}
