/* SPDX-License-Identifier: MIT */
/* rules: see rules.h. */
#include "rules.h"

#include <stdarg.h>
#include <stdio.h>

const char *tdx_rule_name(enum tdx_rule rule)
{
#define RULE_NAME(id, name) [TDX_RULE_##id] = name,
	static const char *const names[] = { TDX_RULES(RULE_NAME) };
#undef RULE_NAME

	return (size_t)rule < TDX_N_RULES ? names[rule] : "?";
}

static void add(struct tdx_judging *judging, enum tdx_rule rule, enum verdict_outcome outcome, const char *format,
		va_list args)
{
	char text[VERDICT_TEXT_LEN];

	vsnprintf(text, sizeof(text), format, args);
	judging->judged[rule] = true;
	verdict_add(judging->verdict, tdx_rule_name(rule), outcome, "%s", text);
}

bool tdx_rule_judge(struct tdx_judging *judging, enum tdx_rule rule, bool holds, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(judging, rule, holds ? VERDICT_HOLDS : VERDICT_FAILS, format, args);
	va_end(args);
	return holds;
}

void tdx_rule_open(struct tdx_judging *judging, enum tdx_rule rule, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(judging, rule, VERDICT_NOT_ASKED, format, args);
	va_end(args);
}

void tdx_rules_finish(struct tdx_judging *judging)
{
	for (unsigned int rule = 0; rule < TDX_N_RULES; rule++)
		if (!judging->judged[rule])
			verdict_add(judging->verdict, tdx_rule_name(rule), VERDICT_NOT_JUDGED,
				    "rests on a rule that does not hold");
}
