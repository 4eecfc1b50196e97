/* halo-get -v: frames as lines on stderr, and what lies in their header blocks. */
#include <stdarg.h>
#include <stdio.h>

#include "client/get.h"

/* "[2] " where there are several connections. */
static void put_number(const struct get_connection *connection)
{
    if (connection->get->options.num_urls > 1) {
        fprintf(stderr, "[%u] ", connection->number);
    }
}

void get_trace_frame(halo_session *session, int sent, const char *line, void *user_data)
{
    (void)session;
    put_number(user_data);
    fprintf(stderr, "%c %s\n", sent ? '>' : '<', line);
}

void get_trace_note(const struct get_connection *connection, const char *format, ...)
{
    va_list arguments;

    if (!connection->get->options.verbose) {
        return;
    }
    put_number(connection);
    fputs("* ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* What the peer sends must not move the cursor. */
static void put_text(halo_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c < 0x20 || c == 0x7f) {
            fprintf(stderr, "\\x%02x", c);
        } else {
            fputc(c, stderr);
        }
    }
}

void get_trace_fields(const struct get_connection *connection, bool sent, const halo_header *fields,
                      size_t count)
{
    if (!connection->get->options.verbose) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        put_number(connection);
        fputs(sent ? ">   " : "<   ", stderr);
        put_text(fields[i].name);
        fputs(": ", stderr);
        put_text(fields[i].value);
        fputc('\n', stderr);
    }
}

void get_trace_connected(const struct get_connection *connection, halo_session *session)
{
    char address[64] = "";
    struct halo_tls_info tls;

    (void)halo_session_peer_address(session, address, sizeof(address));
    if (halo_session_tls_info(session, &tls) == 0) {
        get_trace_note(connection, "connected to %s by %s, %s", address, tls.version, tls.cipher);
    } else {
        get_trace_note(connection, "connected to %s without TLS", address);
    }
}
