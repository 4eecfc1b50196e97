/* TLS alerts (RFC 8446 section 6): their numbers as far as we send them ourselves, and all
 * names. */
#ifndef HALO_TLS_ALERT_H
#define HALO_TLS_ALERT_H

#include "core/base/base.h"

enum tls_alert {
    TLS_ALERT_CLOSE_NOTIFY = 0,
    TLS_ALERT_UNEXPECTED_MESSAGE = 10,
    TLS_ALERT_BAD_RECORD_MAC = 20,
    TLS_ALERT_RECORD_OVERFLOW = 22,
    TLS_ALERT_HANDSHAKE_FAILURE = 40,
    TLS_ALERT_ILLEGAL_PARAMETER = 47,
    TLS_ALERT_DECODE_ERROR = 50,
    TLS_ALERT_PROTOCOL_VERSION = 70,
    TLS_ALERT_INTERNAL_ERROR = 80,
    TLS_ALERT_USER_CANCELED = 90,
    TLS_ALERT_MISSING_EXTENSION = 109,
    TLS_ALERT_NO_APPLICATION_PROTOCOL = 120,
};

/* "unknown CA" for 48; "unknown" for numbers outside the registry. */
const char *tls_alert_name(int alert);

/* A fatal alert as a record in the clear, for what is refused before any key exists. */
enum { TLS_ALERT_RECORD_LEN = 7 };
void tls_alert_record(uint8_t out[TLS_ALERT_RECORD_LEN], uint8_t alert);

#endif
