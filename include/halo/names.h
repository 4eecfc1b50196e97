/*
 * Field names that halo knows: the names of the HPACK static table (RFC 7541, appendix A) and
 * those that Node's http2.constants lists beyond it. A field with such a name carries its number
 * in halo_header.token, so that comparing names is comparing integers.
 */
#ifndef HALO_NAMES_H
#define HALO_NAMES_H

#include <halo/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, "text"): the pseudo-header fields first, then the other names. Numbers start at 1 and
 * do not change within a major version. */
#define HALO_NAME_TABLE(X)                                                                         \
    X(AUTHORITY, ":authority")                                                                     \
    X(METHOD, ":method")                                                                           \
    X(PATH, ":path")                                                                               \
    X(SCHEME, ":scheme")                                                                           \
    X(STATUS, ":status")                                                                           \
    X(PROTOCOL, ":protocol")                                                                       \
    X(ACCEPT_CHARSET, "accept-charset")                                                            \
    X(ACCEPT_ENCODING, "accept-encoding")                                                          \
    X(ACCEPT_LANGUAGE, "accept-language")                                                          \
    X(ACCEPT_RANGES, "accept-ranges")                                                              \
    X(ACCEPT, "accept")                                                                            \
    X(ACCESS_CONTROL_ALLOW_ORIGIN, "access-control-allow-origin")                                  \
    X(AGE, "age")                                                                                  \
    X(ALLOW, "allow")                                                                              \
    X(AUTHORIZATION, "authorization")                                                              \
    X(CACHE_CONTROL, "cache-control")                                                              \
    X(CONTENT_DISPOSITION, "content-disposition")                                                  \
    X(CONTENT_ENCODING, "content-encoding")                                                        \
    X(CONTENT_LANGUAGE, "content-language")                                                        \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(CONTENT_LOCATION, "content-location")                                                        \
    X(CONTENT_RANGE, "content-range")                                                              \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(COOKIE, "cookie")                                                                            \
    X(DATE, "date")                                                                                \
    X(ETAG, "etag")                                                                                \
    X(EXPECT, "expect")                                                                            \
    X(EXPIRES, "expires")                                                                          \
    X(FROM, "from")                                                                                \
    X(HOST, "host")                                                                                \
    X(IF_MATCH, "if-match")                                                                        \
    X(IF_MODIFIED_SINCE, "if-modified-since")                                                      \
    X(IF_NONE_MATCH, "if-none-match")                                                              \
    X(IF_RANGE, "if-range")                                                                        \
    X(IF_UNMODIFIED_SINCE, "if-unmodified-since")                                                  \
    X(LAST_MODIFIED, "last-modified")                                                              \
    X(LINK, "link")                                                                                \
    X(LOCATION, "location")                                                                        \
    X(MAX_FORWARDS, "max-forwards")                                                                \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")                                                    \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                                                  \
    X(RANGE, "range")                                                                              \
    X(REFERER, "referer")                                                                          \
    X(REFRESH, "refresh")                                                                          \
    X(RETRY_AFTER, "retry-after")                                                                  \
    X(SERVER, "server")                                                                            \
    X(SET_COOKIE, "set-cookie")                                                                    \
    X(STRICT_TRANSPORT_SECURITY, "strict-transport-security")                                      \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(USER_AGENT, "user-agent")                                                                    \
    X(VARY, "vary")                                                                                \
    X(VIA, "via")                                                                                  \
    X(WWW_AUTHENTICATE, "www-authenticate")                                                        \
    X(ACCESS_CONTROL_ALLOW_CREDENTIALS, "access-control-allow-credentials")                        \
    X(ACCESS_CONTROL_ALLOW_HEADERS, "access-control-allow-headers")                                \
    X(ACCESS_CONTROL_ALLOW_METHODS, "access-control-allow-methods")                                \
    X(ACCESS_CONTROL_EXPOSE_HEADERS, "access-control-expose-headers")                              \
    X(ACCESS_CONTROL_MAX_AGE, "access-control-max-age")                                            \
    X(ACCESS_CONTROL_REQUEST_HEADERS, "access-control-request-headers")                            \
    X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method")                              \
    X(ALT_SVC, "alt-svc")                                                                          \
    X(CONNECTION, "connection")                                                                    \
    X(CONTENT_MD5, "content-md5")                                                                  \
    X(CONTENT_SECURITY_POLICY, "content-security-policy")                                          \
    X(DNT, "dnt")                                                                                  \
    X(EARLY_DATA, "early-data")                                                                    \
    X(EXPECT_CT, "expect-ct")                                                                      \
    X(FORWARDED, "forwarded")                                                                      \
    X(HTTP2_SETTINGS, "http2-settings")                                                            \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(ORIGIN, "origin")                                                                            \
    X(PREFER, "prefer")                                                                            \
    X(PRIORITY, "priority")                                                                        \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(PURPOSE, "purpose")                                                                          \
    X(SEC_WEBSOCKET_ACCEPT, "sec-websocket-accept")                                                \
    X(SEC_WEBSOCKET_EXTENSIONS, "sec-websocket-extensions")                                        \
    X(SEC_WEBSOCKET_KEY, "sec-websocket-key")                                                      \
    X(SEC_WEBSOCKET_PROTOCOL, "sec-websocket-protocol")                                            \
    X(SEC_WEBSOCKET_VERSION, "sec-websocket-version")                                              \
    X(TE, "te")                                                                                    \
    X(TIMING_ALLOW_ORIGIN, "timing-allow-origin")                                                  \
    X(TK, "tk")                                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(UPGRADE, "upgrade")                                                                          \
    X(UPGRADE_INSECURE_REQUESTS, "upgrade-insecure-requests")                                      \
    X(WARNING, "warning")                                                                          \
    X(X_CONTENT_TYPE_OPTIONS, "x-content-type-options")                                            \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                          \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                        \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                      \
    X(X_FRAME_OPTIONS, "x-frame-options")                                                          \
    X(X_XSS_PROTECTION, "x-xss-protection")

enum halo_name {
    HALO_NAME_UNKNOWN = 0,
#define HALO_NAME_ENUM(name, text) HALO_NAME_##name,
    HALO_NAME_TABLE(HALO_NAME_ENUM)
#undef HALO_NAME_ENUM
        HALO_NAME_COUNT
};

/* The text of a known name; an empty run for HALO_NAME_UNKNOWN and numbers outside the table. */
HALO_API halo_bytes halo_name_text(uint16_t token);
/* The number of a name given in lower case; HALO_NAME_UNKNOWN when halo does not know it. */
HALO_API uint16_t halo_name_token(halo_bytes name);

#ifdef __cplusplus
}
#endif
#endif
