/* What a connection can hold at worst, beside its session and its transport. */
#include "core/conn/conn.h"

int conn_memory_bound(const struct halo_loop_options *given, bool tls,
                      struct halo_memory_bound *bound)
{
    struct halo_loop_options options;

    HALO_TRY(loop_options_read(&options, given));
    bound->connection = sizeof(struct conn) + sizeof(struct io_address);
    /* Those that are held, and the one at hand. */
    bound->receive_buffers = ((uint64_t)CONN_HELD_BUFFERS_MAX + 1) * options.receive_buffer_size;
    bound->shared +=
        sizeof(struct conn_env) + 16 * sizeof(struct conn) + loop_memory_bound(&options);
    bound->total += bound->connection + bound->receive_buffers;
    if (options.zero_copy_min > 0 && !tls) {
        conn_zero_copy_memory_bound(options.zero_copy_min, bound);
    }
    return 0;
}
