/*
 * The HTTP/1.1 machine in front of a session. The first octet chooses how the application answers. The others are
 * octets of the client, except that 0xff and the octet behind it are something that the application, the
 * clock or the connection does: so calls and octets meet in every order.
 *
 * Checked beside what the code asserts: what comes out are answers, never more than were asked for and one that
 * says what was wrong; the session ends once; no memory is left (halo_session_free).
 */
#include "../unit/server/http1_fixture.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ACTION = 0xff, RUN_MAX = 2048 };

static void respond(struct h1 *h1, uint8_t detail)
{
    static const int statuses[] = { 200, 204, 304, 404, 500 };
    halo_header field;
    halo_headers headers = h1_field(&field, "content-length", detail % 2 != 0 ? "4" : "0");

    (void)halo_stream_respond(h1->stream, statuses[detail % 5], detail % 3 == 0 ? NULL : &headers,
                              detail % 4 == 0 ? HALO_END_STREAM : 0);
}

static void act_on_stream(struct h1 *h1, uint8_t action)
{
    halo_header field;
    halo_headers headers = h1_field(&field, "x-sum", "1");

    if (!h1->by_hand && (action % 8 < 4 || action % 8 > 6)) {
        return; /* the fixture answers */
    }
    switch (action % 8) {
    case 0:
        respond(h1, action / 8);
        break;
    case 1:
        (void)halo_stream_write(h1->stream, "four", 4, action / 8 % 2 != 0 ? HALO_END_STREAM : 0);
        break;
    case 2:
        (void)halo_stream_end(h1->stream);
        break;
    case 3:
        (void)halo_stream_trailers(h1->stream, &headers);
        break;
    case 4:
        (void)halo_stream_reset(h1->stream, HALO_CANCEL);
        break;
    case 5:
        halo_stream_pause(h1->stream);
        break;
    case 6:
        halo_stream_resume(h1->stream);
        break;
    default:
        (void)halo_stream_inform(h1->stream, 100 + action / 8 % 4, NULL);
        break;
    }
}

static void act(struct h1 *h1, uint8_t action)
{
    if (action >= 8 && h1->stream != NULL) {
        act_on_stream(h1, action);
    } else if (action == 0) {
        http1_receive_end(&h1->http1);
    } else if (action == 1) {
        halo_session_close(h1->session);
    } else if (action == 2) {
        halo_session_destroy(h1->session, HALO_NO_ERROR);
    } else if (action == 3) {
        http1_lost(&h1->http1, &(struct halo_error){ .status = HALO_E_IO, .reason = "gone" });
    } else if (action <= 5) {
        h1_wait_ms(h1, action == 4 ? 1000 : 40000);
    }
    h1_run(h1);
}

static void check_output(const struct h1 *h1)
{
    const char *found = h1->out.data;
    uint32_t answers = 0;

    HALO_ASSERT(h1->out.len == 0 || memcmp(h1->out.data, "HTTP/1.", 7) == 0);
    /* Bodies are "ok", "four", or what the client sent, which may look like an answer. */
    while (h1->by_hand && (found = strstr(found, "HTTP/1.1 ")) != NULL) {
        answers += found[9] != '1';
        found++;
    }
    HALO_ASSERT(answers <= h1->requests + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h1 *h1;
    size_t from = 1;

    if (size < 2 || h1_setup(NULL) != 0) {
        return 0;
    }
    h1 = h1_new_failing((data[0] & 8) != 0 ? data[--size] + 1 : 0);
    if (h1 == NULL) {
        return 0;
    }
    h1->by_hand = (data[0] & 1) != 0;
    h1->quiet = true;
    for (size_t at = from; at < size; at++) {
        bool cut = (data[0] & 2) != 0 ? at - from + 1 == 7 : at - from + 1 == RUN_MAX;

        if (data[at] == ACTION || cut || at + 1 == size) {
            size_t end = data[at] == ACTION ? at : at + 1;

            h1_send_only(h1, (const char *)data + from, end - from);
            if ((data[0] & 4) == 0) {
                h1_run(h1);
            }
            if (data[at] == ACTION && at + 1 < size) {
                act(h1, data[++at]);
            }
            from = at + 1;
        }
    }
    http1_receive_end(&h1->http1);
    h1_run(h1);
    check_output(h1);
    h1_free(h1);
    return 0;
}
