/*
 * The value of the field `priority` and of PRIORITY_UPDATE: a dictionary of structured fields
 * (RFC 8941 section 3.2), of which two members mean something (RFC 9218 section 4). The parser
 * reads all of the syntax, since what is ignored must be skipped by its rules.
 */
#include <halo/priority.h>

#include <halo/error.h>

#include "core/base/ascii.h"
#include "core/base/base.h"

struct cursor {
    const char *at;
    const char *end;
};

/* A bare item, as far as it matters here. */
enum item_type {
    ITEM_INTEGER,
    ITEM_BOOLEAN,
    ITEM_OTHER,
};

struct item {
    enum item_type type;
    int64_t number; /* integer or boolean */
};

/* ---- octets ---------------------------------------------------------------------------- */

/* tchar of RFC 9110 5.6.2, and what a token adds to it (RFC 8941 3.3.4). */
static bool is_token_octet(char octet)
{
    return ascii_is_letter(octet) || ascii_is_digit(octet) ||
           (octet != '\0' && strchr("!#$%&'*+-.^_`|~:/", octet) != NULL);
}

static bool is_key_octet(char octet)
{
    return ascii_is_lower(octet) || ascii_is_digit(octet) || octet == '_' || octet == '-' ||
           octet == '.' || octet == '*';
}

static bool is_base64_octet(char octet)
{
    return ascii_is_letter(octet) || ascii_is_digit(octet) || octet == '+' || octet == '/' ||
           octet == '=';
}

/* The next octet; zero at the end, which no rule below allows within a value. */
static char peek(const struct cursor *cursor)
{
    return cursor->at < cursor->end ? *cursor->at : '\0';
}

static bool accept(struct cursor *cursor, char octet)
{
    if (cursor->at < cursor->end && *cursor->at == octet) {
        cursor->at++;
        return true;
    }
    return false;
}

static void skip_spaces(struct cursor *cursor)
{
    while (peek(cursor) == ' ') {
        cursor->at++;
    }
}

/* OWS of RFC 9110 5.6.3. */
static void skip_blanks(struct cursor *cursor)
{
    while (peek(cursor) == ' ' || peek(cursor) == '\t') {
        cursor->at++;
    }
}

/* ---- bare items (RFC 8941 section 4.2.3.1) --------------------------------------------- */

/* Integers have at most 15 digits, decimals 12 and 3 (4.2.4). */
static bool read_number(struct cursor *cursor, struct item *item)
{
    bool negative = accept(cursor, '-');
    size_t digits = 0;
    size_t fraction = 0;

    *item = (struct item){ .type = ITEM_INTEGER };
    while (ascii_is_digit(peek(cursor))) {
        if (++digits > 15) {
            return false;
        }
        item->number = item->number * 10 + (*cursor->at++ - '0');
    }
    item->number = negative ? -item->number : item->number;
    if (digits == 0 || !accept(cursor, '.')) {
        return digits > 0;
    }
    item->type = ITEM_OTHER;
    while (ascii_is_digit(peek(cursor))) {
        cursor->at++;
        fraction++;
    }
    return digits <= 12 && fraction >= 1 && fraction <= 3;
}

static bool read_string(struct cursor *cursor)
{
    cursor->at++;
    while (cursor->at < cursor->end) {
        char octet = *cursor->at++;

        if (octet == '"') {
            return true;
        }
        if (octet == '\\' && !accept(cursor, '"') && !accept(cursor, '\\')) {
            return false;
        }
        if (octet < 0x20 || octet > 0x7e) {
            return false;
        }
    }
    return false;
}

static bool read_octets(struct cursor *cursor)
{
    cursor->at++;
    while (is_base64_octet(peek(cursor))) {
        cursor->at++;
    }
    return accept(cursor, ':');
}

static bool read_bare_item(struct cursor *cursor, struct item *item)
{
    char first = peek(cursor);

    *item = (struct item){ .type = ITEM_OTHER };
    if (first == '-' || ascii_is_digit(first)) {
        return read_number(cursor, item);
    }
    if (first == '?') {
        cursor->at++;
        item->type = ITEM_BOOLEAN;
        item->number = peek(cursor) == '1';
        return accept(cursor, '0') || accept(cursor, '1');
    }
    if (first == '"') {
        return read_string(cursor);
    }
    if (first == ':') {
        return read_octets(cursor);
    }
    if (first == '*' || ascii_is_letter(first)) {
        while (is_token_octet(peek(cursor))) {
            cursor->at++;
        }
        return true;
    }
    return false;
}

/* ---- members --------------------------------------------------------------------------- */

static bool read_key(struct cursor *cursor, halo_bytes *key)
{
    const char *start = cursor->at;

    if (!ascii_is_lower(peek(cursor)) && peek(cursor) != '*') {
        return false;
    }
    while (is_key_octet(peek(cursor))) {
        cursor->at++;
    }
    *key = (halo_bytes){ start, (size_t)(cursor->at - start) };
    return true;
}

/* RFC 8941 4.2.3.2 */
static bool skip_parameters(struct cursor *cursor)
{
    while (accept(cursor, ';')) {
        struct item item;
        halo_bytes key;

        skip_spaces(cursor);
        if (!read_key(cursor, &key) || (accept(cursor, '=') && !read_bare_item(cursor, &item))) {
            return false;
        }
    }
    return true;
}

/* RFC 8941 4.2.1.2, behind the opening bracket */
static bool skip_inner_list(struct cursor *cursor)
{
    struct item item;

    for (;;) {
        skip_spaces(cursor);
        if (accept(cursor, ')')) {
            return true;
        }
        if (!read_bare_item(cursor, &item) || !skip_parameters(cursor)) {
            return false;
        }
        if (peek(cursor) != ' ' && peek(cursor) != ')') {
            return false;
        }
    }
}

/* A member's value; a key alone is true (RFC 8941 3.2). */
static bool read_value(struct cursor *cursor, struct item *item)
{
    *item = (struct item){ .type = ITEM_BOOLEAN, .number = 1 };
    if (accept(cursor, '=')) {
        if (accept(cursor, '(')) {
            item->type = ITEM_OTHER;
            if (!skip_inner_list(cursor)) {
                return false;
            }
        } else if (!read_bare_item(cursor, item)) {
            return false;
        }
    }
    return skip_parameters(cursor);
}

/* The last of several members with one key counts (RFC 8941 4.2.2), also when its value means
 * nothing: then the member is as if it were not there. */
static void take_member(struct halo_priority *priority, const struct halo_priority *before,
                        halo_bytes key, const struct item *item)
{
    if (key.len != 1) {
        return;
    }
    if (key.data[0] == 'u') {
        bool fits = item->type == ITEM_INTEGER && item->number >= HALO_URGENCY_HIGHEST &&
                    item->number <= HALO_URGENCY_LOWEST;

        priority->urgency = fits ? (uint8_t)item->number : before->urgency;
    } else if (key.data[0] == 'i') {
        priority->incremental =
            item->type == ITEM_BOOLEAN ? (uint8_t)item->number : before->incremental;
    }
}

int halo_priority_parse(struct halo_priority *priority, halo_bytes value)
{
    struct cursor cursor = { value.data, value.data + value.len };
    struct halo_priority read = *priority;

    skip_spaces(&cursor);
    while (cursor.at < cursor.end) {
        struct item item;
        halo_bytes key;

        if (!read_key(&cursor, &key) || !read_value(&cursor, &item)) {
            return HALO_E_INVALID_ARGUMENT;
        }
        take_member(&read, priority, key, &item);
        skip_blanks(&cursor);
        if (cursor.at == cursor.end) {
            break;
        }
        if (!accept(&cursor, ',')) {
            return HALO_E_INVALID_ARGUMENT;
        }
        skip_blanks(&cursor);
        if (cursor.at == cursor.end) {
            return HALO_E_INVALID_ARGUMENT; /* nothing may follow but another member */
        }
    }
    *priority = read;
    return 0;
}

size_t halo_priority_format(const struct halo_priority *priority, char text[HALO_PRIORITY_TEXT_MAX])
{
    size_t len = 0;

    if (priority->urgency != HALO_URGENCY_DEFAULT) {
        text[len++] = 'u';
        text[len++] = '=';
        text[len++] = (char)('0' + (priority->urgency < HALO_URGENCY_LOWEST ? priority->urgency
                                                                            : HALO_URGENCY_LOWEST));
    }
    if (priority->incremental != 0) {
        if (len > 0) {
            text[len++] = ',';
            text[len++] = ' ';
        }
        text[len++] = 'i';
    }
    return len;
}
