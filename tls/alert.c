#include "tls/alert.h"

struct alert_name {
    int alert;
    const char *name;
};

static const struct alert_name names[] = {
    { 0, "close notify" },
    { 10, "unexpected message" },
    { 20, "bad record MAC" },
    { 21, "decryption failed" },
    { 22, "record overflow" },
    { 40, "handshake failure" },
    { 42, "bad certificate" },
    { 43, "unsupported certificate" },
    { 44, "certificate revoked" },
    { 45, "certificate expired" },
    { 46, "certificate unknown" },
    { 47, "illegal parameter" },
    { 48, "unknown CA" },
    { 49, "access denied" },
    { 50, "decode error" },
    { 51, "decrypt error" },
    { 70, "protocol version" },
    { 71, "insufficient security" },
    { 80, "internal error" },
    { 86, "inappropriate fallback" },
    { 90, "user canceled" },
    { 100, "no renegotiation" },
    { 109, "missing extension" },
    { 110, "unsupported extension" },
    { 112, "unrecognized name" },
    { 113, "bad certificate status response" },
    { 115, "unknown PSK identity" },
    { 116, "certificate required" },
    { 120, "no application protocol" },
};

const char *tls_alert_name(int alert)
{
    for (size_t i = 0; i < HALO_ARRAY_LEN(names); i++) {
        if (names[i].alert == alert) {
            return names[i].name;
        }
    }
    return "unknown";
}

void tls_alert_record(uint8_t out[TLS_ALERT_RECORD_LEN], uint8_t alert)
{
    const uint8_t record[TLS_ALERT_RECORD_LEN] = {
        21,       /* content type: alert */
        3,  3,    /* legacy_record_version */
        0,  2,    /* length */
        2,  alert /* fatal */
    };

    memcpy(out, record, sizeof(record));
}
