/* Dates of HTTP (RFC 9110 section 5.6.7), without locale and time zone. */
#ifndef HALO_SERVER_SERVE_DATE_H
#define HALO_SERVER_SERVE_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include <halo/types.h>

enum {
    SERVE_DATE_LEN = 29,     /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    SERVE_LOG_DATE_LEN = 26, /* "06/Nov/1994:08:49:37 +0000" */
};

/* Writes the date of `seconds` since 1970 in the form above, without a zero. Years 0 ... 9999. */
void serve_date_format(char out[SERVE_DATE_LEN], int64_t seconds);
/* The same as access logs have it. */
void serve_date_format_log(char out[SERVE_LOG_DATE_LEN], int64_t seconds);

/* Reads any of the three forms that a recipient must understand. Returns false for other text and
 * for dates that do not exist. `now` decides about the century of the form with two digits. */
bool serve_date_parse(halo_bytes text, int64_t now, int64_t *seconds);

#endif
