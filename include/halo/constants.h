/*
 * Numbers and names of HTTP/2 and HTTP: statuses with their reason phrases, methods, and everything
 * else that Node's http2.constants lists, to be found by name at run time. The error codes are in
 * <halo/error.h>, the settings in <halo/settings.h>, the field names in <halo/names.h>.
 */
#ifndef HALO_CONSTANTS_H
#define HALO_CONSTANTS_H

#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, number, "reason phrase"): the statuses of the IANA registry and those that Node lists
 * beside them, with the phrases of Node's http.STATUS_CODES. */
#define HALO_HTTP_STATUS_TABLE(X)                                                                  \
    X(CONTINUE, 100, "Continue")                                                                   \
    X(SWITCHING_PROTOCOLS, 101, "Switching Protocols")                                             \
    X(PROCESSING, 102, "Processing")                                                               \
    X(EARLY_HINTS, 103, "Early Hints")                                                             \
    X(OK, 200, "OK")                                                                               \
    X(CREATED, 201, "Created")                                                                     \
    X(ACCEPTED, 202, "Accepted")                                                                   \
    X(NON_AUTHORITATIVE_INFORMATION, 203, "Non-Authoritative Information")                         \
    X(NO_CONTENT, 204, "No Content")                                                               \
    X(RESET_CONTENT, 205, "Reset Content")                                                         \
    X(PARTIAL_CONTENT, 206, "Partial Content")                                                     \
    X(MULTI_STATUS, 207, "Multi-Status")                                                           \
    X(ALREADY_REPORTED, 208, "Already Reported")                                                   \
    X(IM_USED, 226, "IM Used")                                                                     \
    X(MULTIPLE_CHOICES, 300, "Multiple Choices")                                                   \
    X(MOVED_PERMANENTLY, 301, "Moved Permanently")                                                 \
    X(FOUND, 302, "Found")                                                                         \
    X(SEE_OTHER, 303, "See Other")                                                                 \
    X(NOT_MODIFIED, 304, "Not Modified")                                                           \
    X(USE_PROXY, 305, "Use Proxy")                                                                 \
    X(TEMPORARY_REDIRECT, 307, "Temporary Redirect")                                               \
    X(PERMANENT_REDIRECT, 308, "Permanent Redirect")                                               \
    X(BAD_REQUEST, 400, "Bad Request")                                                             \
    X(UNAUTHORIZED, 401, "Unauthorized")                                                           \
    X(PAYMENT_REQUIRED, 402, "Payment Required")                                                   \
    X(FORBIDDEN, 403, "Forbidden")                                                                 \
    X(NOT_FOUND, 404, "Not Found")                                                                 \
    X(METHOD_NOT_ALLOWED, 405, "Method Not Allowed")                                               \
    X(NOT_ACCEPTABLE, 406, "Not Acceptable")                                                       \
    X(PROXY_AUTHENTICATION_REQUIRED, 407, "Proxy Authentication Required")                         \
    X(REQUEST_TIMEOUT, 408, "Request Timeout")                                                     \
    X(CONFLICT, 409, "Conflict")                                                                   \
    X(GONE, 410, "Gone")                                                                           \
    X(LENGTH_REQUIRED, 411, "Length Required")                                                     \
    X(PRECONDITION_FAILED, 412, "Precondition Failed")                                             \
    X(PAYLOAD_TOO_LARGE, 413, "Payload Too Large")                                                 \
    X(URI_TOO_LONG, 414, "URI Too Long")                                                           \
    X(UNSUPPORTED_MEDIA_TYPE, 415, "Unsupported Media Type")                                       \
    X(RANGE_NOT_SATISFIABLE, 416, "Range Not Satisfiable")                                         \
    X(EXPECTATION_FAILED, 417, "Expectation Failed")                                               \
    X(TEAPOT, 418, "I'm a Teapot")                                                                 \
    X(MISDIRECTED_REQUEST, 421, "Misdirected Request")                                             \
    X(UNPROCESSABLE_ENTITY, 422, "Unprocessable Entity")                                           \
    X(LOCKED, 423, "Locked")                                                                       \
    X(FAILED_DEPENDENCY, 424, "Failed Dependency")                                                 \
    X(TOO_EARLY, 425, "Too Early")                                                                 \
    X(UPGRADE_REQUIRED, 426, "Upgrade Required")                                                   \
    X(PRECONDITION_REQUIRED, 428, "Precondition Required")                                         \
    X(TOO_MANY_REQUESTS, 429, "Too Many Requests")                                                 \
    X(REQUEST_HEADER_FIELDS_TOO_LARGE, 431, "Request Header Fields Too Large")                     \
    X(UNAVAILABLE_FOR_LEGAL_REASONS, 451, "Unavailable For Legal Reasons")                         \
    X(INTERNAL_SERVER_ERROR, 500, "Internal Server Error")                                         \
    X(NOT_IMPLEMENTED, 501, "Not Implemented")                                                     \
    X(BAD_GATEWAY, 502, "Bad Gateway")                                                             \
    X(SERVICE_UNAVAILABLE, 503, "Service Unavailable")                                             \
    X(GATEWAY_TIMEOUT, 504, "Gateway Timeout")                                                     \
    X(HTTP_VERSION_NOT_SUPPORTED, 505, "HTTP Version Not Supported")                               \
    X(VARIANT_ALSO_NEGOTIATES, 506, "Variant Also Negotiates")                                     \
    X(INSUFFICIENT_STORAGE, 507, "Insufficient Storage")                                           \
    X(LOOP_DETECTED, 508, "Loop Detected")                                                         \
    X(BANDWIDTH_LIMIT_EXCEEDED, 509, "Bandwidth Limit Exceeded")                                   \
    X(NOT_EXTENDED, 510, "Not Extended")                                                           \
    X(NETWORK_AUTHENTICATION_REQUIRED, 511, "Network Authentication Required")

enum halo_http_status {
#define HALO_HTTP_STATUS_ENUM(name, number, text) HALO_HTTP_##name = (number),
    HALO_HTTP_STATUS_TABLE(HALO_HTTP_STATUS_ENUM)
#undef HALO_HTTP_STATUS_ENUM
};

/* "Not Found" for 404; NULL for a status without a phrase. HTTP/1.1 connections send these. */
HALO_API const char *halo_http_status_text(int status);

/* X(NAME, "TEXT"): the methods of the IANA registry. */
#define HALO_METHOD_TABLE(X)                                                                       \
    X(ACL, "ACL")                                                                                  \
    X(BASELINE_CONTROL, "BASELINE-CONTROL")                                                        \
    X(BIND, "BIND")                                                                                \
    X(CHECKIN, "CHECKIN")                                                                          \
    X(CHECKOUT, "CHECKOUT")                                                                        \
    X(CONNECT, "CONNECT")                                                                          \
    X(COPY, "COPY")                                                                                \
    X(DELETE, "DELETE")                                                                            \
    X(GET, "GET")                                                                                  \
    X(HEAD, "HEAD")                                                                                \
    X(LABEL, "LABEL")                                                                              \
    X(LINK, "LINK")                                                                                \
    X(LOCK, "LOCK")                                                                                \
    X(MERGE, "MERGE")                                                                              \
    X(MKACTIVITY, "MKACTIVITY")                                                                    \
    X(MKCALENDAR, "MKCALENDAR")                                                                    \
    X(MKCOL, "MKCOL")                                                                              \
    X(MKREDIRECTREF, "MKREDIRECTREF")                                                              \
    X(MKWORKSPACE, "MKWORKSPACE")                                                                  \
    X(MOVE, "MOVE")                                                                                \
    X(OPTIONS, "OPTIONS")                                                                          \
    X(ORDERPATCH, "ORDERPATCH")                                                                    \
    X(PATCH, "PATCH")                                                                              \
    X(POST, "POST")                                                                                \
    X(PRI, "PRI")                                                                                  \
    X(PROPFIND, "PROPFIND")                                                                        \
    X(PROPPATCH, "PROPPATCH")                                                                      \
    X(PUT, "PUT")                                                                                  \
    X(REBIND, "REBIND")                                                                            \
    X(REPORT, "REPORT")                                                                            \
    X(SEARCH, "SEARCH")                                                                            \
    X(TRACE, "TRACE")                                                                              \
    X(UNBIND, "UNBIND")                                                                            \
    X(UNCHECKOUT, "UNCHECKOUT")                                                                    \
    X(UNLINK, "UNLINK")                                                                            \
    X(UNLOCK, "UNLOCK")                                                                            \
    X(UPDATE, "UPDATE")                                                                            \
    X(UPDATEREDIRECTREF, "UPDATEREDIRECTREF")                                                      \
    X(VERSION_CONTROL, "VERSION-CONTROL")

enum halo_method {
    HALO_METHOD_UNKNOWN = 0,
#define HALO_METHOD_ENUM(name, text) HALO_METHOD_##name,
    HALO_METHOD_TABLE(HALO_METHOD_ENUM)
#undef HALO_METHOD_ENUM
        HALO_METHOD_COUNT
};

/* "GET" for HALO_METHOD_GET; an empty run for numbers outside the table. */
HALO_API halo_bytes halo_method_text(int method);
/* The number of a method, whose case counts (RFC 9110 section 9.1); HALO_METHOD_UNKNOWN for one
 * that is not in the table, which is as good as any other. */
HALO_API int halo_method_find(halo_bytes text);

/* Flags of frames (RFC 9113 section 6). */
enum halo_frame_flag {
    HALO_FLAG_NONE = 0x0,
    HALO_FLAG_END_STREAM = 0x1, /* DATA, HEADERS */
    HALO_FLAG_ACK = 0x1,        /* SETTINGS, PING */
    HALO_FLAG_END_HEADERS = 0x4,
    HALO_FLAG_PADDED = 0x8,
    HALO_FLAG_PRIORITY = 0x20,
};

/* Which kind a header block is; Node: NGHTTP2_HCAT_*. */
enum halo_header_category {
    HALO_HEADERS_REQUEST = 0,
    HALO_HEADERS_RESPONSE = 1,
    HALO_HEADERS_PUSH_RESPONSE = 2,
    HALO_HEADERS_OTHER = 3, /* 1xx, trailers */
};

/* Defaults and bounds of settings (RFC 9113 section 6.5.2, Node's documentation). */
#define HALO_DEFAULT_HEADER_TABLE_SIZE       4096u
#define HALO_DEFAULT_ENABLE_PUSH             1u
#define HALO_DEFAULT_MAX_CONCURRENT_STREAMS  0xffffffffu
#define HALO_DEFAULT_INITIAL_WINDOW_SIZE     65535u
#define HALO_DEFAULT_MAX_FRAME_SIZE          16384u
#define HALO_DEFAULT_MAX_HEADER_LIST_SIZE    65535u
#define HALO_DEFAULT_ENABLE_CONNECT_PROTOCOL 0u
#define HALO_MIN_MAX_FRAME_SIZE              16384u
#define HALO_MAX_MAX_FRAME_SIZE              16777215u
#define HALO_MAX_INITIAL_WINDOW_SIZE         2147483647u
#define HALO_DEFAULT_WEIGHT                  16u

/* A constant: a number, or a text when text.data is not NULL. */
struct halo_constant {
    int64_t number;
    halo_bytes text;
};

/* Looks up a name of Node's http2.constants: "NGHTTP2_REFUSED_STREAM", "HTTP_STATUS_OK",
 * "HTTP2_HEADER_ACCEPT", "HTTP2_METHOD_GET", "PADDING_STRATEGY_NONE", ... Returns 1 and *constant,
 * or 0. For tools: programs use the enums. Node: http2.constants. */
HALO_API int halo_constant_by_name(const char *name, struct halo_constant *constant);

#ifdef __cplusplus
}
#endif
#endif
