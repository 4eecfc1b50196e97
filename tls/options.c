/* What of <halo/tls.h> is the same with and without TLS. */
#include <halo/tls.h>

#include "core/base/options.h"

void halo_tls_options_init_sized(struct halo_tls_options *options, size_t struct_size)
{
    struct halo_tls_options defaults = {
        .struct_size = struct_size,
        .version_min = HALO_TLS_1_2,
        .version_max = HALO_TLS_1_3,
        .alpn = HALO_TLS_ALPN_H2,
    };

    options_fill(options, struct_size, &defaults, sizeof(defaults));
}
