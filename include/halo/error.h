/*
 * Errors: what calls return, the error codes of HTTP/2, and how to put them into words.
 *
 * Calls return 0 or a negative HALO_E_*. Numbers are fixed within a major version. What goes wrong
 * later is told by a callback or event with a struct halo_error.
 */
#ifndef HALO_ERROR_H
#define HALO_ERROR_H

#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, number, "text"). The comment names Node's code where there is one. */
#define HALO_ERROR_TABLE(X)                                                                        \
    /* general */                                                                                  \
    X(NOMEM, 1, "out of memory")               /* ERR_HTTP2_NO_MEM */                              \
    X(INVALID_ARGUMENT, 2, "invalid argument") /* ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE */        \
    X(NOT_SUPPORTED, 3, "not supported by this build")                                             \
    X(IO_URING, 4, "io_uring is not available")                                                    \
    X(IO, 5, "system call failed")                                                                 \
    X(AGAIN, 6, "not now")                                                                         \
    X(CANCELLED, 7, "cancelled") /* AbortError */                                                  \
    X(TIMEOUT, 8, "timed out")                                                                     \
    X(WRONG_STATE, 9, "not allowed in this state")                                                 \
    X(LIMIT, 10, "a limit of halo was reached")                                                    \
    X(EOF, 11, "the peer closed the connection")                                                   \
    X(RESOLVE, 12, "host name not found")                                                          \
    X(CONNECT, 13, "connection failed")                                                            \
    X(TLS, 14, "TLS failed")                                                                       \
    X(TLS_CERTIFICATE, 15, "certificate not accepted")                                             \
    X(ALPN, 16, "the peer does not speak HTTP/2 (ALPN)")                                           \
    X(NO_TLS, 17, "built without TLS")                                                             \
    X(FILE, 18, "file cannot be read")                                                             \
    /* sessions */                                                                                 \
    X(INVALID_SESSION, 30, "the session is closed")      /* ERR_HTTP2_INVALID_SESSION */           \
    X(GOAWAY_SESSION, 31, "no new streams after GOAWAY") /* ERR_HTTP2_GOAWAY_SESSION */            \
    X(SESSION_ERROR, 32, "session closed with an error") /* ERR_HTTP2_SESSION_ERROR */             \
    X(PROTOCOL, 33, "protocol error")                    /* ERR_HTTP2_ERROR */                     \
    X(OUT_OF_STREAMS, 34, "no stream ids left")          /* ERR_HTTP2_OUT_OF_STREAMS */            \
    X(MAX_PENDING_SETTINGS_ACK, 35, "too many unacknowledged SETTINGS")                            \
    X(SETTINGS_CANCEL, 36, "SETTINGS not acknowledged before the end")                             \
    X(INVALID_SETTING_VALUE, 37, "setting out of range")                                           \
    X(TOO_MANY_CUSTOM_SETTINGS, 38, "too many custom settings")                                    \
    X(PING_CANCEL, 39, "PING not answered before the end, or too many outstanding")                \
    X(PACKED_SETTINGS_LENGTH, 40, "packed settings not a multiple of 6 octets")                    \
    X(PING_LENGTH, 41, "PING payload is not 8 octets")                                             \
    X(INVALID_ORIGIN, 42, "invalid origin")                                                        \
    X(ORIGIN_LENGTH, 43, "origins too long")                                                       \
    X(ALTSVC_INVALID_ORIGIN, 44, "invalid origin of ALTSVC")                                       \
    X(ALTSVC_LENGTH, 45, "ALTSVC too long")                                                        \
    X(TOO_MANY_INVALID_FRAMES, 46, "too many invalid frames")                                      \
    X(UNSUPPORTED_PROTOCOL, 47, "scheme is neither http nor https")                                \
    X(BAD_AUTHORITY, 48, "authority cannot be parsed")                                             \
    /* streams */                                                                                  \
    X(INVALID_STREAM, 60, "the stream is closed")             /* ERR_HTTP2_INVALID_STREAM */       \
    X(STREAM_ERROR, 61, "stream closed with an error code")   /* ERR_HTTP2_STREAM_ERROR */         \
    X(STREAM_CANCEL, 62, "stream cancelled with its session") /* ERR_HTTP2_STREAM_CANCEL */        \
    X(HEADERS_SENT, 63, "final headers already sent")         /* ERR_HTTP2_HEADERS_SENT */         \
    X(HEADERS_AFTER_RESPOND, 64, "informational headers after the final ones")                     \
    X(INVALID_INFO_STATUS, 65, "informational status not 1xx")                                     \
    X(STATUS_101, 66, "status 101 does not exist in HTTP/2") /* ERR_HTTP2_STATUS_101 */            \
    X(STATUS_INVALID, 67, "status out of range")             /* ERR_HTTP2_STATUS_INVALID */        \
    X(INFO_STATUS_NOT_ALLOWED, 68, "informational status not allowed here")                        \
    X(INVALID_HEADER_NAME, 69, "invalid field name")   /* TypeError */                             \
    X(INVALID_HEADER_VALUE, 70, "invalid field value") /* ERR_HTTP2_INVALID_HEADER_VALUE */        \
    X(INVALID_CONNECTION_HEADERS, 71, "connection-specific field")                                 \
    X(INVALID_PSEUDOHEADER, 72, "unknown pseudo-header field")                                     \
    X(PSEUDOHEADER_NOT_ALLOWED, 73, "pseudo-header field not allowed here")                        \
    X(HEADER_SINGLE_VALUE, 74, "field allows a single value") /* ERR_HTTP2_HEADER_SINGLE_VALUE */  \
    X(HEADER_BLOCK_TOO_LONG, 75, "header block exceeds the limit")                                 \
    X(CONNECT_AUTHORITY, 76, "CONNECT needs :authority")   /* ERR_HTTP2_CONNECT_AUTHORITY */       \
    X(CONNECT_PATH, 77, "CONNECT must not have :path")     /* ERR_HTTP2_CONNECT_PATH */            \
    X(CONNECT_SCHEME, 78, "CONNECT must not have :scheme") /* ERR_HTTP2_CONNECT_SCHEME */          \
    X(CONNECT_PROTOCOL, 79, "extended CONNECT was not enabled by the peer")                        \
    X(TRAILERS_NOT_READY, 80, "trailers before the end of the body")                               \
    X(TRAILERS_ALREADY_SENT, 81, "trailers already sent")  /* ERR_HTTP2_TRAILERS_ALREADY_SENT */   \
    X(WRITE_AFTER_END, 82, "write after end")              /* ERR_STREAM_WRITE_AFTER_END */        \
    X(PAYLOAD_FORBIDDEN, 83, "this status has no payload") /* ERR_HTTP2_PAYLOAD_FORBIDDEN */       \
    X(NESTED_PUSH, 84, "a pushed stream cannot push")      /* ERR_HTTP2_NESTED_PUSH */             \
    X(PUSH_DISABLED, 85, "push is disabled by the peer")   /* ERR_HTTP2_PUSH_DISABLED */           \
    X(STREAM_SELF_DEPENDENCY, 86, "a stream cannot depend on itself")                              \
    X(SEND_FILE, 87, "not a regular file") /* ERR_HTTP2_SEND_FILE */                               \
    X(SEND_FILE_NOSEEK, 88, "offset or length on a file that cannot seek")                         \
    X(SOCKET_BOUND, 89, "the socket belongs to a session") /* ERR_HTTP2_SOCKET_BOUND */            \
    X(SOCKET_UNBOUND, 90, "the session has no socket")     /* ERR_HTTP2_SOCKET_UNBOUND */          \
    X(NO_SOCKET_MANIPULATION, 91, "the socket is the session's")                                   \
    X(CONTENT_LENGTH, 92, "body does not match content-length")

enum halo_status {
    HALO_OK = 0,
#define HALO_ERROR_ENUM(name, number, text) HALO_E_##name = -(number),
    HALO_ERROR_TABLE(HALO_ERROR_ENUM)
#undef HALO_ERROR_ENUM
};

/* "HALO_E_NOMEM" for HALO_E_NOMEM; "HALO_OK" for 0; "HALO_E_UNKNOWN" for other numbers. */
HALO_API const char *halo_status_name(int status);
/* The text of the table above; "no error" for 0; "unknown error" for other numbers. */
HALO_API const char *halo_status_text(int status);

/* Error codes of RST_STREAM and GOAWAY (RFC 9113 section 7). */
#define HALO_CODE_TABLE(X)                                                                         \
    X(NO_ERROR, 0x0)                                                                               \
    X(PROTOCOL_ERROR, 0x1)                                                                         \
    X(INTERNAL_ERROR, 0x2)                                                                         \
    X(FLOW_CONTROL_ERROR, 0x3)                                                                     \
    X(SETTINGS_TIMEOUT, 0x4)                                                                       \
    X(STREAM_CLOSED, 0x5)                                                                          \
    X(FRAME_SIZE_ERROR, 0x6)                                                                       \
    X(REFUSED_STREAM, 0x7)                                                                         \
    X(CANCEL, 0x8)                                                                                 \
    X(COMPRESSION_ERROR, 0x9)                                                                      \
    X(CONNECT_ERROR, 0xa)                                                                          \
    X(ENHANCE_YOUR_CALM, 0xb)                                                                      \
    X(INADEQUATE_SECURITY, 0xc)                                                                    \
    X(HTTP_1_1_REQUIRED, 0xd)

enum halo_code {
#define HALO_CODE_ENUM(name, number) HALO_##name = (number),
    HALO_CODE_TABLE(HALO_CODE_ENUM)
#undef HALO_CODE_ENUM
};

/* "PROTOCOL_ERROR" for 1; "UNKNOWN" for codes outside the table, which are as good as any other
 * (RFC 9113 section 7). */
HALO_API const char *halo_code_name(uint32_t code);

/* Whose fault: decides what is told to whom. */
enum halo_origin {
    HALO_ORIGIN_NONE = 0,
    HALO_ORIGIN_LOCAL = 1,   /* the application: its reset, its destroy, its error */
    HALO_ORIGIN_LIBRARY = 2, /* halo found a violation or a limit */
    HALO_ORIGIN_REMOTE = 3,  /* the peer said so: RST_STREAM, GOAWAY, a TLS alert */
    HALO_ORIGIN_SYSTEM = 4,  /* the socket, the resolver, memory */
};

/* Was a failed request processed by the peer? */
enum halo_processed {
    HALO_PROCESSED_UNKNOWN = 0,
    /* Safe to send again: never sent, REFUSED_STREAM, above GOAWAY's last id. */
    HALO_PROCESSED_NO = 1,
    HALO_PROCESSED_YES = 2,
};

/* What went wrong. Borrowed: valid during the callback. */
struct halo_error {
    int status;        /* HALO_E_* */
    uint32_t code;     /* the HTTP/2 code that was sent or received, HALO_NO_ERROR when none */
    uint8_t origin;    /* HALO_ORIGIN_* */
    uint8_t processed; /* HALO_PROCESSED_* */
    int system_errno;  /* errno of HALO_ORIGIN_SYSTEM, else 0 */
    int tls_code;      /* wolfSSL's code or the alert, else 0 */
    /* A sentence for a log line; never NULL, static or valid as long as this struct. */
    const char *reason;
};

#ifdef __cplusplus
}
#endif
#endif
