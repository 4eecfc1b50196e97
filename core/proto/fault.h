/*
 * What a rule that was broken means: for whom (a stream or the connection), with which code, and in
 * which words. A rule is a constant; handlers return a pointer to it, or NULL when all is well, and
 * session_fault() alone turns it into RST_STREAM, GOAWAY and events.
 */
#ifndef HALO_CORE_PROTO_FAULT_H
#define HALO_CORE_PROTO_FAULT_H

#include <halo/error.h>

#include "core/base/base.h"

enum fault_scope {
    FAULT_STREAM,     /* RST_STREAM on the frame's stream; the connection goes on */
    FAULT_CONNECTION, /* GOAWAY and the end */
};

struct fault {
    uint8_t scope;
    /* A stream's fault that a peer may cause without malice and without cost (a refused stream). */
    uint8_t innocent;
    /* HALO_E_*, for callers outside a session and for innocent faults; 0: HALO_E_PROTOCOL. */
    int16_t status;
    uint32_t code;      /* enum halo_code */
    const char *reason; /* becomes GOAWAY's debug data and halo_error.reason */
};

#define FAULT_WITH_STATUS(scope_, innocent_, status_, code_, reason_)                              \
    (__extension__({                                                                               \
        static const struct fault fault_constant = { (scope_), (innocent_), (status_), (code_),    \
                                                     (reason_) };                                  \
        &fault_constant;                                                                           \
    }))
#define FAULT_OF(scope, innocent, code, reason) FAULT_WITH_STATUS(scope, innocent, 0, code, reason)
#define STREAM_FAULT(code, reason)              FAULT_OF(FAULT_STREAM, 0, code, reason)
#define CONNECTION_FAULT(code, reason)          FAULT_OF(FAULT_CONNECTION, 0, code, reason)

/* Passes a fault on to the caller. */
#define FAULT_TRY(expression)                                                                      \
    do {                                                                                           \
        const struct fault *fault_of_try = (expression);                                           \
        if (HALO_UNLIKELY(fault_of_try != NULL)) {                                                 \
            return fault_of_try;                                                                   \
        }                                                                                          \
    } while (0)

#endif
