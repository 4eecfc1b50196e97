/* Constants by name, as Node's http2.constants has them. */
#include <halo/constants.h>

#include <string.h>

#include <halo/error.h>
#include <halo/names.h>
#include <halo/session.h>
#include <halo/settings.h>
#include <halo/stream.h>

#include "core/base/base.h"

const char *halo_http_status_text(int status)
{
    switch (status) {
#define TEXT_CASE(name, number, text)                                                              \
    case number:                                                                                   \
        return text;
        HALO_HTTP_STATUS_TABLE(TEXT_CASE)
#undef TEXT_CASE
    default:
        return NULL;
    }
}

static const halo_bytes methods[HALO_METHOD_COUNT] = {
#define METHOD_TEXT(name, text) [HALO_METHOD_##name] = HALO_LIT(text),
    HALO_METHOD_TABLE(METHOD_TEXT)
#undef METHOD_TEXT
};

halo_bytes halo_method_text(int method)
{
    halo_bytes none = { "", 0 };

    return method > 0 && method < HALO_METHOD_COUNT ? methods[method] : none;
}

int halo_method_find(halo_bytes text)
{
    for (int i = 1; i < HALO_METHOD_COUNT; i++) {
        if (halo_bytes_equal(methods[i], text)) {
            return i;
        }
    }
    return HALO_METHOD_UNKNOWN;
}

/* ---- by name --------------------------------------------------------------------------- */

/* What is neither an error code, a status, a method nor a field name. */
static const struct {
    const char *name;
    int64_t number;
} numbers[] = {
    { "NGHTTP2_SESSION_SERVER", HALO_SERVER },
    { "NGHTTP2_SESSION_CLIENT", HALO_CLIENT },
    { "NGHTTP2_STREAM_STATE_IDLE", HALO_STATE_IDLE },
    { "NGHTTP2_STREAM_STATE_OPEN", HALO_STATE_OPEN },
    { "NGHTTP2_STREAM_STATE_RESERVED_LOCAL", HALO_STATE_RESERVED_LOCAL },
    { "NGHTTP2_STREAM_STATE_RESERVED_REMOTE", HALO_STATE_RESERVED_REMOTE },
    { "NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL", HALO_STATE_HALF_CLOSED_LOCAL },
    { "NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE", HALO_STATE_HALF_CLOSED_REMOTE },
    { "NGHTTP2_STREAM_STATE_CLOSED", HALO_STATE_CLOSED },
    { "NGHTTP2_FLAG_NONE", HALO_FLAG_NONE },
    { "NGHTTP2_FLAG_END_STREAM", HALO_FLAG_END_STREAM },
    { "NGHTTP2_FLAG_END_HEADERS", HALO_FLAG_END_HEADERS },
    { "NGHTTP2_FLAG_ACK", HALO_FLAG_ACK },
    { "NGHTTP2_FLAG_PADDED", HALO_FLAG_PADDED },
    { "NGHTTP2_FLAG_PRIORITY", HALO_FLAG_PRIORITY },
    { "DEFAULT_SETTINGS_HEADER_TABLE_SIZE", HALO_DEFAULT_HEADER_TABLE_SIZE },
    { "DEFAULT_SETTINGS_ENABLE_PUSH", HALO_DEFAULT_ENABLE_PUSH },
    { "DEFAULT_SETTINGS_MAX_CONCURRENT_STREAMS", HALO_DEFAULT_MAX_CONCURRENT_STREAMS },
    { "DEFAULT_SETTINGS_INITIAL_WINDOW_SIZE", HALO_DEFAULT_INITIAL_WINDOW_SIZE },
    { "DEFAULT_SETTINGS_MAX_FRAME_SIZE", HALO_DEFAULT_MAX_FRAME_SIZE },
    { "DEFAULT_SETTINGS_MAX_HEADER_LIST_SIZE", HALO_DEFAULT_MAX_HEADER_LIST_SIZE },
    { "DEFAULT_SETTINGS_ENABLE_CONNECT_PROTOCOL", HALO_DEFAULT_ENABLE_CONNECT_PROTOCOL },
    { "MAX_MAX_FRAME_SIZE", HALO_MAX_MAX_FRAME_SIZE },
    { "MIN_MAX_FRAME_SIZE", HALO_MIN_MAX_FRAME_SIZE },
    { "MAX_INITIAL_WINDOW_SIZE", HALO_MAX_INITIAL_WINDOW_SIZE },
    { "NGHTTP2_SETTINGS_HEADER_TABLE_SIZE", HALO_SETTINGS_HEADER_TABLE_SIZE },
    { "NGHTTP2_SETTINGS_ENABLE_PUSH", HALO_SETTINGS_ENABLE_PUSH },
    { "NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS", HALO_SETTINGS_MAX_CONCURRENT_STREAMS },
    { "NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE", HALO_SETTINGS_INITIAL_WINDOW_SIZE },
    { "NGHTTP2_SETTINGS_MAX_FRAME_SIZE", HALO_SETTINGS_MAX_FRAME_SIZE },
    { "NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE", HALO_SETTINGS_MAX_HEADER_LIST_SIZE },
    { "NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL", HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL },
    { "PADDING_STRATEGY_NONE", HALO_PADDING_NONE },
    { "PADDING_STRATEGY_ALIGNED", HALO_PADDING_ALIGNED },
    { "PADDING_STRATEGY_MAX", HALO_PADDING_MAX },
    { "PADDING_STRATEGY_CALLBACK", HALO_PADDING_CALLBACK },
    { "NGHTTP2_DEFAULT_WEIGHT", HALO_DEFAULT_WEIGHT },
    { "NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES", HALO_SETTINGS_NO_RFC7540_PRIORITIES },
    { "NGHTTP2_HCAT_REQUEST", HALO_HEADERS_REQUEST },
    { "NGHTTP2_HCAT_RESPONSE", HALO_HEADERS_RESPONSE },
    { "NGHTTP2_HCAT_PUSH_RESPONSE", HALO_HEADERS_PUSH_RESPONSE },
    { "NGHTTP2_HCAT_HEADERS", HALO_HEADERS_OTHER },
};

static const struct {
    const char *name;
    int number;
} codes[] = {
#define CODE_ROW(name, number) { #name, number },
    HALO_CODE_TABLE(CODE_ROW)
#undef CODE_ROW
};

static const struct {
    const char *name;
    int number;
} statuses[] = {
#define STATUS_ROW(name, number, text) { #name, number },
    HALO_HTTP_STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

static const char *const method_names[HALO_METHOD_COUNT] = {
#define METHOD_NAME(name, text) [HALO_METHOD_##name] = #name,
    HALO_METHOD_TABLE(METHOD_NAME)
#undef METHOD_NAME
};

static const char *const field_names[HALO_NAME_COUNT] = {
#define FIELD_NAME(name, text) [HALO_NAME_##name] = #name,
    HALO_NAME_TABLE(FIELD_NAME)
#undef FIELD_NAME
};

/* What follows the prefix in the name; NULL when the name begins otherwise. */
static const char *behind(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(name, prefix, len) == 0 ? name + len : NULL;
}

static int find_text(const char *name, struct halo_constant *constant)
{
    const char *field = behind(name, "HTTP2_HEADER_");
    const char *method = behind(name, "HTTP2_METHOD_");

    for (size_t i = 1; field != NULL && i < HALO_NAME_COUNT; i++) {
        if (strcmp(field_names[i], field) == 0) {
            constant->text = halo_name_text((uint16_t)i);
            return 1;
        }
    }
    for (int i = 1; method != NULL && i < HALO_METHOD_COUNT; i++) {
        if (strcmp(method_names[i], method) == 0) {
            constant->text = methods[i];
            return 1;
        }
    }
    return 0;
}

int halo_constant_by_name(const char *name, struct halo_constant *constant)
{
    const char *code = behind(name, "NGHTTP2_");
    const char *status = behind(name, "HTTP_STATUS_");

    *constant = (struct halo_constant){ 0 };
    for (size_t i = 0; i < HALO_ARRAY_LEN(numbers); i++) {
        if (strcmp(numbers[i].name, name) == 0) {
            constant->number = numbers[i].number;
            return 1;
        }
    }
    for (size_t i = 0; code != NULL && i < HALO_ARRAY_LEN(codes); i++) {
        if (strcmp(codes[i].name, code) == 0) {
            constant->number = codes[i].number;
            return 1;
        }
    }
    for (size_t i = 0; status != NULL && i < HALO_ARRAY_LEN(statuses); i++) {
        if (strcmp(statuses[i].name, status) == 0) {
            constant->number = statuses[i].number;
            return 1;
        }
    }
    return find_text(name, constant);
}
