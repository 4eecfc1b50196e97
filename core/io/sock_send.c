#include <errno.h>
#include <netinet/tcp.h>

#include "core/io/loop.h"
#include "core/io/sock.h"

/* What the kernel reads of a send in the enter that submits it. */
struct loop_send_slot {
    struct msghdr message;
    struct iovec pieces[IO_SEND_PIECES_MAX];
};

size_t io_send_slots_size(void)
{
    return LOOP_SEND_SLOTS * sizeof(struct loop_send_slot);
}

int io_send_slots_new(struct halo_loop *loop)
{
    loop->send_slots = memory_alloc(&loop->memory, io_send_slots_size());
    loop->send_slots_used = 0;
    return loop->send_slots != NULL ? 0 : HALO_E_NOMEM;
}

int io_send_result(const struct halo_loop *loop, int result)
{
    /* -EAGAIN: the kernel gives up after it was woken 128 times in vain (6.1 and later). */
    return (result == -EAGAIN || result == -EINTR) && !loop->closing ? 0 : result;
}

static void sender_done(struct io_op *op, int result, uint32_t flags)
{
    struct io_sender *sender = HALO_CONTAINER(op, struct io_sender, op);

    HALO_ASSERT((flags & RING_MORE) == 0);
    sender->on_sent(sender, io_send_result(sender->loop, result));
}

void io_sender_init(struct io_sender *sender, struct halo_loop *loop, int fd,
                    void (*on_sent)(struct io_sender *sender, int result))
{
    *sender = (struct io_sender){ .loop = loop, .on_sent = on_sent, .fd = fd };
    io_op_init(&sender->op, sender_done);
}

struct msghdr *io_send_slot(struct halo_loop *loop, const struct iovec *pieces, int num_pieces)
{
    struct loop_send_slot *slot;

    /* Room in the ring comes first: making it empties the slots, and this one must stay. */
    if (!io_op_make_room(loop)) {
        return NULL;
    }
    if (loop->send_slots_used == LOOP_SEND_SLOTS) {
        io_op_flush(loop);
    }
    if (loop->send_slots_used == LOOP_SEND_SLOTS) {
        return NULL;
    }
    slot = &loop->send_slots[loop->send_slots_used++];
    memcpy(slot->pieces, pieces, (size_t)num_pieces * sizeof(pieces[0]));
    slot->message = (struct msghdr){
        .msg_iov = slot->pieces,
        .msg_iovlen = (size_t)num_pieces,
    };
    return &slot->message;
}

/* False when there is no place for the pieces. */
static bool request_pieces(struct io_sender *sender, struct ring_request *request,
                           const struct iovec *pieces, int num_pieces)
{
    struct msghdr *message = io_send_slot(sender->loop, pieces, num_pieces);

    if (message == NULL) {
        return false;
    }
    if (sender->loop->ring->capabilities.send_vectorized) {
        request->opcode = RING_SEND;
        request->flags = RING_VECTORIZED;
        request->address = message->msg_iov;
        request->length = (uint32_t)num_pieces;
        return true;
    }
    request->opcode = RING_SENDMSG;
    request->address = message;
    return true;
}

void io_sender_send(struct io_sender *sender, const struct iovec *pieces, int num_pieces)
{
    struct ring_request request = { .fd = sender->fd };

    HALO_ASSERT(io_sender_idle(sender));
    HALO_ASSERT(num_pieces > 0 && num_pieces <= IO_SEND_PIECES_MAX);
    HALO_ASSERT(sender->loop->ring_ready || sender->loop->closing);
    if (num_pieces == 1) {
        request.opcode = RING_SEND;
        request.address = pieces[0].iov_base;
        request.length = (uint32_t)pieces[0].iov_len;
    } else if (!sender->loop->closing && !request_pieces(sender, &request, pieces, num_pieces)) {
        io_op_fail(sender->loop, &sender->op, -ENOMEM);
        return;
    }
    io_op_submit(sender->loop, &sender->op, &request);
}

void io_sender_cork(struct io_sender *sender, bool on)
{
    const int value = on;

    if (HALO_UNLIKELY(sender->corked != on)) {
        sender->corked = on;
        (void)setsockopt(sender->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
    }
}

bool io_sender_cancel(struct io_sender *sender)
{
    if (io_sender_idle(sender)) {
        return true;
    }
    io_op_cancel(sender->loop, sender->zero_copy != NULL ? &sender->zero_copy->op : &sender->op);
    return false;
}
