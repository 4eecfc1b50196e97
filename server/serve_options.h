/* The command line of halo-serve. */
#ifndef HALO_SERVER_SERVE_OPTIONS_H
#define HALO_SERVER_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERVE_LISTENERS_MAX = 64 };

struct serve_listener {
    const char *address;
    bool tls;
    const char *certificate; /* of TLS listeners */
    const char *key;
};

/* Texts point into argv. */
struct serve_options {
    const char *root;
    struct serve_listener listeners[SERVE_LISTENERS_MAX];
    uint32_t num_listeners;
    uint32_t workers;
    uint32_t max_streams;   /* 0: the library's default */
    uint32_t zero_copy_min; /* 0: off */
    bool balance;
    bool http1;
    bool quiet;
};

enum serve_options_result {
    SERVE_OPTIONS_OK,
    SERVE_OPTIONS_HELP,
    SERVE_OPTIONS_VERSION,
    SERVE_OPTIONS_WRONG, /* `error` says what, and what to do */
};

enum serve_options_result serve_options_parse(struct serve_options *options, int argc, char **argv,
                                              char *error, size_t error_size);

extern const char serve_options_help[];

#endif
