/* Status lines (RFC 9112 4), and responses that no application made. */
#include <stdio.h>

#include <halo/constants.h>

#include "server/http1.h"

void http1_write_status_line(struct output *out, int status)
{
    const char *phrase = halo_http_status_text(status);
    char line[64]; /* the longest phrase has 31 octets */

    /* HTTP/1.1 also to clients of HTTP/1.0: it is our own version (RFC 9110 6.2). The blank stands
     * also where no phrase follows. */
    output_copy(out, line,
                (size_t)snprintf(line, sizeof(line), "HTTP/1.1 %03d %s\r\n", status,
                                 phrase != NULL ? phrase : ""));
}

void http1_write_error(struct output *out, int status)
{
    static const char rest[] = "content-length: 0\r\nconnection: close\r\n\r\n";

    http1_write_status_line(out, status);
    output_copy(out, rest, sizeof(rest) - 1);
}
