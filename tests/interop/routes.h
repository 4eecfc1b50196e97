/*
 * What the test server answers. Written on the public headers alone, as an application is.
 */
#ifndef HALO_TESTS_INTEROP_ROUTES_H
#define HALO_TESTS_INTEROP_ROUTES_H

#include <stdbool.h>

#include <halo/halo.h>

/* One line on stdout for each stream that ends with an error; for drivers that wait for it. */
void routes_report_ends(bool report);
/* Every path is that of /echo. */
void routes_echo_all(bool echo);
/* What /quit ends; set before it starts. */
void routes_set_server(halo_server *server);
void routes_on_session(halo_session *session, void *user_data);
void routes_on_stream(halo_stream *stream, halo_header_list headers, unsigned flags,
                      void *user_data);

#endif
