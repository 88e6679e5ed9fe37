/* SPDX-License-Identifier: MIT */
/* date: see date.h. */
#include "date.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#define SECONDS_PER_DAY 86400
#define LAST_SECOND INT64_C(253402300799)	/* of the year 9999 */

static bool is_leap(unsigned int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned int month_days(unsigned int year, unsigned int month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days of the years from 1 up to and without @year. */
static int64_t days_before_year(unsigned int year)
{
	const int64_t n = year - 1;

	return n * 365 + n / 4 - n / 100 + n / 400;
}

/* @n digits at @text[*at]; *at moves on.  ~0 if one is none. */
static unsigned int number(const char *text, size_t *at, size_t n)
{
	unsigned int value = 0;

	while (n--) {
		const char c = text[(*at)++];

		if (c < '0' || c > '9')
			return ~0u;
		value = value * 10 + (unsigned int)(c - '0');
	}
	return value;
}

static bool is_date(unsigned int year, unsigned int month, unsigned int day)
{
	return year >= 1970 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= month_days(year, month);
}

int date_parse(const char *text, size_t len, int64_t *ret_seconds)
{
	/* after each number */
	static const char marks[6] = { '-', '-', 'T', ':', ':', 'Z' };
	unsigned int fields[6];
	int64_t days;
	size_t at = 0;

	if (len != DATE_TEXT_LEN)
		return -EBADMSG;
	for (size_t i = 0; i < 6; i++) {
		fields[i] = number(text, &at, i == 0 ? 4 : 2);
		if (fields[i] == ~0u || text[at++] != marks[i])
			return -EBADMSG;
	}
	if (!is_date(fields[0], fields[1], fields[2]) || fields[3] > 23 || fields[4] > 59 || fields[5] > 59)
		return -EBADMSG;
	days = days_before_year(fields[0]) - days_before_year(1970) + fields[2] - 1;
	for (unsigned int month = 1; month < fields[1]; month++)
		days += month_days(fields[0], month);
	*ret_seconds = days * SECONDS_PER_DAY + fields[3] * 3600 + fields[4] * 60 + fields[5];
	return 0;
}

void date_format(int64_t seconds, char ret_text[DATE_TEXT_LEN + 1])
{
	unsigned int year = 1970, month = 1, rest;
	int64_t days = seconds / SECONDS_PER_DAY;

	if (seconds < 0 || seconds > LAST_SECOND) {
		snprintf(ret_text, DATE_TEXT_LEN + 1, "?");
		return;
	}
	while (days >= 365 + is_leap(year))
		days -= 365 + is_leap(year++);
	while (days >= month_days(year, month))
		days -= month_days(year, month++);
	rest = (unsigned int)(seconds % SECONDS_PER_DAY);
	snprintf(ret_text, DATE_TEXT_LEN + 1, "%04u-%02u-%02uT%02u:%02u:%02uZ", year % 10000, month % 100,
		 (unsigned int)(days + 1) % 100, rest / 3600, rest / 60 % 60, rest % 60);
}
