/* From a request to its response: the server's callbacks. */
#ifndef HALO_SERVER_SERVE_RESPOND_H
#define HALO_SERVER_SERVE_RESPOND_H

#include <halo/server.h>

/* `user_data` is the struct serve_site. */
void serve_on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                     void *user_data);
/* For the log; not needed when it is off. */
void serve_on_session(halo_session *session, void *user_data);
void serve_on_error(const char *address, const struct halo_error *error, void *user_data);

#endif
