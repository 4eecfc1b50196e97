#include "server/serve_date.h"

#include <string.h>

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

enum {
    DAY_SECONDS = 86400,
    EPOCH_WEEKDAY = 4, /* 1 January 1970 was a Thursday */
    /* Days in 400 years, and from 1 March of the year 0 to 1 January 1970. */
    ERA_DAYS = 146097,
    EPOCH_DAYS = 719468,
};

struct civil {
    int64_t year;
    int month; /* 1 ... 12 */
    int day;
    int hour;
    int minute;
    int second;
    int weekday; /* 0 is Sunday */
};

/* Years here begin with March, so that the leap day is a year's last. Dates before the year 0 do
 * not occur. */
static struct civil civil_of(int64_t seconds)
{
    int64_t days = seconds / DAY_SECONDS;
    int64_t rest = seconds % DAY_SECONDS;
    struct civil civil = { 0 };
    int64_t era;
    int64_t day_of_era;
    int64_t year_of_era;
    int64_t day_of_year;
    int64_t march_month;

    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    civil.hour = (int)(rest / 3600);
    civil.minute = (int)(rest / 60 % 60);
    civil.second = (int)(rest % 60);
    civil.weekday = (int)(((days + EPOCH_WEEKDAY) % 7 + 7) % 7);

    days += EPOCH_DAYS;
    era = days / ERA_DAYS;
    day_of_era = days % ERA_DAYS;
    year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (ERA_DAYS - 1)) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    march_month = (5 * day_of_year + 2) / 153;
    civil.day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    civil.month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    civil.year = year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0);
    return civil;
}

static int64_t seconds_of(const struct civil *civil)
{
    int64_t year = civil->year - (civil->month <= 2 ? 1 : 0);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t march_month = civil->month > 2 ? civil->month - 3 : civil->month + 9;
    int64_t day_of_year = (153 * march_month + 2) / 5 + civil->day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    int64_t days = era * ERA_DAYS + day_of_era - EPOCH_DAYS;

    return days * DAY_SECONDS + civil->hour * 3600 + civil->minute * 60 + civil->second;
}

/* ---- writing --------------------------------------------------------------------------- */

static char *put_two(char *out, int value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

static char *put_text(char *out, const char *text, size_t len)
{
    memcpy(out, text, len);
    return out + len;
}

static char *put_year(char *out, int64_t year)
{
    return put_two(put_two(out, (int)(year / 100)), (int)(year % 100));
}

static char *put_time(char *out, const struct civil *civil)
{
    out = put_two(out, civil->hour);
    *out++ = ':';
    out = put_two(out, civil->minute);
    *out++ = ':';
    return put_two(out, civil->second);
}

void serve_date_format(char out[SERVE_DATE_LEN], int64_t seconds)
{
    struct civil civil = civil_of(seconds);

    out = put_text(out, day_names + 3 * civil.weekday, 3);
    out = put_text(out, ", ", 2);
    out = put_two(out, civil.day);
    *out++ = ' ';
    out = put_text(out, month_names + 3 * (civil.month - 1), 3);
    *out++ = ' ';
    out = put_year(out, civil.year);
    *out++ = ' ';
    out = put_time(out, &civil);
    put_text(out, " GMT", 4);
}

void serve_date_format_log(char out[SERVE_LOG_DATE_LEN], int64_t seconds)
{
    struct civil civil = civil_of(seconds);

    out = put_two(out, civil.day);
    *out++ = '/';
    out = put_text(out, month_names + 3 * (civil.month - 1), 3);
    *out++ = '/';
    out = put_year(out, civil.year);
    *out++ = ':';
    out = put_time(out, &civil);
    put_text(out, " +0000", 6);
}

/* ---- reading --------------------------------------------------------------------------- */

/* Where a text is read; the first thing that is not as expected makes it fail for good. */
struct cursor {
    const char *at;
    const char *end;
    bool failed;
};

static void expect(struct cursor *cursor, const char *text)
{
    size_t len = strlen(text);

    if ((size_t)(cursor->end - cursor->at) < len || memcmp(cursor->at, text, len) != 0) {
        cursor->failed = true;
        return;
    }
    cursor->at += len;
}

static int take_number(struct cursor *cursor, int digits)
{
    int value = 0;

    for (int i = 0; i < digits; i++) {
        if (cursor->at == cursor->end || *cursor->at < '0' || *cursor->at > '9') {
            cursor->failed = true;
            return 0;
        }
        value = value * 10 + (*cursor->at++ - '0');
    }
    return value;
}

/* One of the three-letter names; from 0 on. */
static int take_name(struct cursor *cursor, const char *names, int count)
{
    for (int i = 0; i < count && cursor->end - cursor->at >= 3; i++) {
        if (memcmp(cursor->at, names + 3 * i, 3) == 0) {
            cursor->at += 3;
            return i;
        }
    }
    cursor->failed = true;
    return 0;
}

static void take_time(struct cursor *cursor, struct civil *civil)
{
    civil->hour = take_number(cursor, 2);
    expect(cursor, ":");
    civil->minute = take_number(cursor, 2);
    expect(cursor, ":");
    civil->second = take_number(cursor, 2);
}

/* "06 Nov 1994 08:49:37 GMT", after "Sun, ". */
static void take_fixed(struct cursor *cursor, struct civil *civil)
{
    civil->day = take_number(cursor, 2);
    expect(cursor, " ");
    civil->month = take_name(cursor, month_names, 12) + 1;
    expect(cursor, " ");
    civil->year = take_number(cursor, 4);
    expect(cursor, " ");
    take_time(cursor, civil);
    expect(cursor, " GMT");
}

/* "day, 06-Nov-94 08:49:37 GMT", after "Sun" (RFC 850). More than 50 years ahead is past. */
static void take_rfc850(struct cursor *cursor, struct civil *civil, int64_t now)
{
    int64_t this_year = civil_of(now).year;

    while (cursor->at < cursor->end && *cursor->at >= 'a' && *cursor->at <= 'z') {
        cursor->at++;
    }
    expect(cursor, ", ");
    civil->day = take_number(cursor, 2);
    expect(cursor, "-");
    civil->month = take_name(cursor, month_names, 12) + 1;
    expect(cursor, "-");
    civil->year = this_year - this_year % 100 + take_number(cursor, 2);
    civil->year -= civil->year > this_year + 50 ? 100 : 0;
    expect(cursor, " ");
    take_time(cursor, civil);
    expect(cursor, " GMT");
}

/* "Nov  6 08:49:37 1994", after "Sun " (asctime). */
static void take_asctime(struct cursor *cursor, struct civil *civil)
{
    civil->month = take_name(cursor, month_names, 12) + 1;
    expect(cursor, " ");
    if (cursor->at < cursor->end && *cursor->at == ' ') {
        cursor->at++;
        civil->day = take_number(cursor, 1);
    } else {
        civil->day = take_number(cursor, 2);
    }
    expect(cursor, " ");
    take_time(cursor, civil);
    expect(cursor, " ");
    civil->year = take_number(cursor, 4);
}

/* Dates that exist come out of a conversion as they went in; a leap second is the one after it. */
static bool exists(const struct civil *civil, int64_t seconds)
{
    struct civil back = civil_of(civil->second == 60 ? seconds - 1 : seconds);

    return civil->hour < 24 && civil->minute < 60 && civil->second <= 60 &&
           back.day == civil->day && back.month == civil->month;
}

bool serve_date_parse(halo_bytes text, int64_t now, int64_t *seconds)
{
    struct cursor cursor = { text.data, text.data + text.len, false };
    struct civil civil = { 0 };

    if (text.len == 0) {
        return false;
    }
    take_name(&cursor, day_names, 7);
    if (!cursor.failed && cursor.at < cursor.end && *cursor.at == ',') {
        expect(&cursor, ", ");
        take_fixed(&cursor, &civil);
    } else if (!cursor.failed && cursor.at < cursor.end && *cursor.at == ' ') {
        expect(&cursor, " ");
        take_asctime(&cursor, &civil);
    } else {
        take_rfc850(&cursor, &civil, now);
    }
    if (cursor.failed || cursor.at != cursor.end || civil.day < 1) {
        return false;
    }
    *seconds = seconds_of(&civil);
    return exists(&civil, *seconds);
}
