/*
 * HTTP/2 settings (RFC 9113 section 6.5, RFC 8441, RFC 9218). Node: the settings object.
 */
#ifndef HALO_SETTINGS_H
#define HALO_SETTINGS_H

#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Setting identifiers of the wire. */
enum {
    HALO_SETTINGS_HEADER_TABLE_SIZE = 0x1,
    HALO_SETTINGS_ENABLE_PUSH = 0x2,
    HALO_SETTINGS_MAX_CONCURRENT_STREAMS = 0x3,
    HALO_SETTINGS_INITIAL_WINDOW_SIZE = 0x4,
    HALO_SETTINGS_MAX_FRAME_SIZE = 0x5,
    HALO_SETTINGS_MAX_HEADER_LIST_SIZE = 0x6,
    HALO_SETTINGS_ENABLE_CONNECT_PROTOCOL = 0x8,
    HALO_SETTINGS_NO_RFC7540_PRIORITIES = 0x9,
};

enum { HALO_CUSTOM_SETTINGS_MAX = 10 };

/* Which members of halo_settings are set: a bit each, 1u << identifier. */
#define HALO_SETTINGS_BIT(identifier) (1u << (identifier))

struct halo_custom_setting {
    uint16_t id; /* 1 ... 65535, should be above 9 */
    uint32_t value;
};

/* A set of settings. Only members whose bit is in `present` count; the others are not sent. */
struct halo_settings {
    uint32_t present;
    uint32_t header_table_size;       /* octets; default 4096 */
    uint32_t enable_push;             /* 0 or 1; default 1 by RFC, halo's client sends 0 */
    uint32_t max_concurrent_streams;  /* default: no limit; halo's server sends 128 */
    uint32_t initial_window_size;     /* octets, 0 ... 2^31-1; default 65535 */
    uint32_t max_frame_size;          /* octets, 16384 ... 2^24-1; default 16384 */
    uint32_t max_header_list_size;    /* octets with 32 more a field (RFC 9113 6.5.2) */
    uint32_t enable_connect_protocol; /* 0 or 1 (RFC 8441); cannot be taken back */
    uint32_t no_rfc7540_priorities;   /* 0 or 1 (RFC 9218); fixed in the first SETTINGS */
    struct halo_custom_setting custom[HALO_CUSTOM_SETTINGS_MAX];
    uint32_t custom_count;
};

/* Sets every member to the default of the RFC and `present` to none. Node: getDefaultSettings(). */
HALO_API void halo_settings_default(struct halo_settings *settings);

/* 0, or HALO_E_INVALID_SETTING_VALUE / HALO_E_TOO_MANY_CUSTOM_SETTINGS when a present member is out
 * of range. */
HALO_API int halo_settings_check(const struct halo_settings *settings);

/* Writes the present members as a SETTINGS payload: 6 octets each, in order of the identifiers, the
 * custom ones last. At most `size` octets; *len is what was, or would be, needed. Returns 0,
 * HALO_E_LIMIT when `size` is too small, or what halo_settings_check says. Node:
 * getPackedSettings(). */
HALO_API int halo_settings_pack(const struct halo_settings *settings, uint8_t *out, size_t size,
                                size_t *len);

/* Reads a SETTINGS payload over the defaults; `present` tells what was in it. Unknown identifiers
 * go to `custom` while there is room. Returns 0, HALO_E_PACKED_SETTINGS_LENGTH, or
 * HALO_E_INVALID_SETTING_VALUE. Node: getUnpackedSettings(). */
HALO_API int halo_settings_unpack(struct halo_settings *settings, const uint8_t *in, size_t len);

/* base64url without padding (RFC 4648 section 5), in which packed settings stand in the
 * HTTP2-Settings field (RFC 7540 section 3.2.1). *out_len is what was, or would be, needed; no zero
 * is appended. Return 0, HALO_E_LIMIT when `size` is too small, and decode also
 * HALO_E_INVALID_ARGUMENT for text that is not base64url. */
HALO_API int halo_base64url_encode(char *out, size_t size, const void *in, size_t len,
                                   size_t *out_len);
HALO_API int halo_base64url_decode(void *out, size_t size, const char *in, size_t len,
                                   size_t *out_len);

#ifdef __cplusplus
}
#endif
#endif
