/*
 * Basic types of halo: octets, header fields, slices, the allocator.
 *
 * Words used in all headers:
 *   borrowed   the pointer is valid only during the call or callback it is an argument of
 *   copied     halo keeps its own copy, the caller may reuse its memory when the call returns
 *   taken      ownership moves with the call, whether the call succeeds or fails
 */
#ifndef HALO_TYPES_H
#define HALO_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HALO_API      __attribute__((visibility("default")))
#define HALO_MUST_USE __attribute__((warn_unused_result))
#else
#define HALO_API
#define HALO_MUST_USE
#endif

/* Opaque handles. A handle is valid until its on_close callback has returned (loop-driven
 * API), or until its owner is freed (sans-I/O session). */
typedef struct halo_session halo_session;
typedef struct halo_stream halo_stream;
typedef struct halo_loop halo_loop;
typedef struct halo_timer halo_timer;
typedef struct halo_server halo_server;
typedef struct halo_client halo_client;
typedef struct halo_tls_context halo_tls_context;
typedef struct halo_header_set halo_header_set;
typedef struct halo_buffer halo_buffer;

/* A run of octets that somebody else owns. No terminating zero is assumed or promised. */
typedef struct halo_bytes {
    const char *data;
    size_t len;
} halo_bytes;

/* Initialiser of a halo_bytes from a string literal: halo_bytes b = HALO_LIT("text"); */
/* clang-format off */
#define HALO_LIT(literal) { (literal), sizeof(literal) - 1 }
/* clang-format on */

/* The octets of a C string without its terminating zero; borrowed. NULL gives the empty run. */
HALO_API halo_bytes halo_str(const char *text);

/* 1 when both runs hold the same octets, else 0. */
HALO_API int halo_bytes_equal(halo_bytes a, halo_bytes b);

/* Flags of a header field. */
enum {
    /* Sensitive: sent as a never-indexed literal (RFC 7541 section 7.1.3); set on received
     * fields that came so, and to be kept when forwarding. Node: http2.sensitiveHeaders. */
    HALO_HEADER_NEVER_INDEX = 1u << 0,
    /* The value differs every time: sent as a literal without a place in the dynamic table. */
    HALO_HEADER_NO_INDEX = 1u << 1,
};

/* One header field. `hash` and `token` are halo's: set them to zero in fields you make; fields
 * that halo hands out carry them, and handing such a field back saves work. `token` is one of
 * the HALO_NAME_* of <halo/names.h> when the name is a well-known one, else 0. */
typedef struct halo_header {
    halo_bytes name;
    halo_bytes value;
    uint32_t hash;
    uint16_t token;
    uint16_t flags; /* HALO_HEADER_* */
} halo_header;

/* A counted reference to a part of a buffer. Whoever holds a slice owns one reference. */
typedef struct halo_slice {
    const uint8_t *data;
    size_t len;
    halo_buffer *owner; /* NULL: the octets are borrowed (or live for ever) */
} halo_slice;

/* Makes a slice over memory of the caller, who must leave it unchanged until `release(ctx)` is
 * called, exactly once, when the last reference is gone. Returns 0, or HALO_E_NOMEM (then
 * release is not called). One reference belongs to the caller. */
HALO_API int halo_slice_wrap(halo_slice *out, const void *data, size_t len,
                             void (*release)(void *ctx), void *ctx) HALO_MUST_USE;
/* Makes a slice that holds a copy of the octets. Returns 0 or HALO_E_NOMEM. */
HALO_API int halo_slice_copy(halo_slice *out, const void *data, size_t len) HALO_MUST_USE;
/* One more reference to the same octets. Any thread that holds a reference may call it, if the
 * buffer came from halo_slice_wrap or halo_slice_copy; slices of received data belong to the
 * thread of their session. */
HALO_API halo_slice halo_slice_ref(halo_slice slice);
/* Gives the reference back and empties the slice. For received data this returns the flow-control
 * credit to the peer. Releasing an empty slice does nothing. */
HALO_API void halo_slice_release(halo_slice *slice);

/* The application's allocator. All three functions are needed; `ctx` is passed through. They are
 * called on the thread of the object that needs memory. Sizes are in octets; memory is aligned
 * as malloc's. alloc and resize may return NULL, which ends in HALO_E_NOMEM or a closed
 * connection, never in a crash. */
typedef struct halo_allocator {
    void *(*alloc)(size_t size, void *ctx);
    void *(*resize)(void *memory, size_t size, void *ctx);
    void (*release)(void *memory, void *ctx);
    void *ctx;
} halo_allocator;

#ifdef __cplusplus
}
#endif
#endif
