#include <halo/settings.h>

#include <halo/error.h>

#include "core/base/wire.h"
#include "core/proto/limits.h"

void halo_settings_default(struct halo_settings *settings)
{
    *settings = (struct halo_settings){
        .header_table_size = LIMIT_DECODER_TABLE,
        .enable_push = 1,
        .max_concurrent_streams = UINT32_MAX,
        .initial_window_size = LIMIT_WINDOW_DEFAULT,
        .max_frame_size = LIMIT_FRAME_SIZE_MIN,
        .max_header_list_size = UINT32_MAX,
    };
}

static bool has(const struct halo_settings *settings, uint32_t identifier)
{
    return (settings->present & HALO_SETTINGS_BIT(identifier)) != 0;
}

int halo_settings_check(const struct halo_settings *settings)
{
    if (has(settings, HALO_SETTINGS_ENABLE_PUSH) && settings->enable_push > 1) {
        return HALO_E_INVALID_SETTING_VALUE;
    }
    if (has(settings, HALO_SETTINGS_INITIAL_WINDOW_SIZE) &&
        settings->initial_window_size > LIMIT_WINDOW_MAX) {
        return HALO_E_INVALID_SETTING_VALUE;
    }
    if (has(settings, HALO_SETTINGS_MAX_FRAME_SIZE) &&
        (settings->max_frame_size < LIMIT_FRAME_SIZE_MIN ||
         settings->max_frame_size > LIMIT_FRAME_SIZE_MAX)) {
        return HALO_E_INVALID_SETTING_VALUE;
    }
    if ((has(settings, HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL) &&
         settings->enable_connect_protocol > 1) ||
        (has(settings, HALO_SETTINGS_NO_RFC7540_PRIORITIES) &&
         settings->no_rfc7540_priorities > 1)) {
        return HALO_E_INVALID_SETTING_VALUE;
    }
    if (settings->custom_count > HALO_CUSTOM_SETTINGS_MAX) {
        return HALO_E_TOO_MANY_CUSTOM_SETTINGS;
    }
    for (uint32_t i = 0; i < settings->custom_count; i++) {
        if (settings->custom[i].id == 0) {
            return HALO_E_INVALID_SETTING_VALUE;
        }
    }
    return 0;
}

/* The member of an identifier; NULL for identifiers without one. */
static uint32_t *member(struct halo_settings *settings, uint32_t identifier)
{
    switch (identifier) {
    case HALO_SETTINGS_HEADER_TABLE_SIZE:
        return &settings->header_table_size;
    case HALO_SETTINGS_ENABLE_PUSH:
        return &settings->enable_push;
    case HALO_SETTINGS_MAX_CONCURRENT_STREAMS:
        return &settings->max_concurrent_streams;
    case HALO_SETTINGS_INITIAL_WINDOW_SIZE:
        return &settings->initial_window_size;
    case HALO_SETTINGS_MAX_FRAME_SIZE:
        return &settings->max_frame_size;
    case HALO_SETTINGS_MAX_HEADER_LIST_SIZE:
        return &settings->max_header_list_size;
    case HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL:
        return &settings->enable_connect_protocol;
    case HALO_SETTINGS_NO_RFC7540_PRIORITIES:
        return &settings->no_rfc7540_priorities;
    default:
        return NULL;
    }
}

static void put(uint8_t *out, size_t size, size_t *at, uint32_t identifier, uint32_t value)
{
    if (*at + 6 <= size) {
        store_u16(out + *at, (uint16_t)identifier);
        store_u32(out + *at + 2, value);
    }
    *at += 6;
}

int halo_settings_pack(const struct halo_settings *settings, uint8_t *out, size_t size, size_t *len)
{
    struct halo_settings copy = *settings;

    *len = 0;
    HALO_TRY(halo_settings_check(settings));
    for (uint32_t identifier = 1; identifier < 32; identifier++) {
        const uint32_t *value = member(&copy, identifier);

        if (value != NULL && has(settings, identifier)) {
            put(out, size, len, identifier, *value);
        }
    }
    for (uint32_t i = 0; i < settings->custom_count; i++) {
        put(out, size, len, settings->custom[i].id, settings->custom[i].value);
    }
    return *len > size ? HALO_E_LIMIT : 0;
}

int halo_settings_unpack(struct halo_settings *settings, const uint8_t *in, size_t len)
{
    halo_settings_default(settings);
    if (len % 6 != 0) {
        return HALO_E_PACKED_SETTINGS_LENGTH;
    }
    for (size_t at = 0; at < len; at += 6) {
        uint16_t identifier = load_u16(in + at);
        uint32_t value = load_u32(in + at + 2);
        uint32_t *place = member(settings, identifier);

        if (place != NULL) {
            *place = value;
            settings->present |= HALO_SETTINGS_BIT(identifier);
        } else if (identifier != 0 && settings->custom_count < HALO_CUSTOM_SETTINGS_MAX) {
            settings->custom[settings->custom_count++] =
                (struct halo_custom_setting){ .id = identifier, .value = value };
        }
    }
    return halo_settings_check(settings);
}
